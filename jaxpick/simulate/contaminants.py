"""Everything in a micrograph that is not a whole particle, as phase and absorption, each with its class.

Since they are added before the lens, contaminants get the same fringes as particles.
"""

import jax.numpy as jnp
from jaxtyping import Array, Int

from jaxpick.simulate.scene import AGGREGATE, BROKEN, SMALL

CLASSES = (
    "none",
    "ice_crystal",
    "ethane",
    "carbon",
    "gold",
    "aggregate",
    "broken",
    "denatured",
    "small_protein",
    "filament",
    "vesicle",
)


def class_of_role(role: Int[Array, "*slots"]) -> Int[Array, "*slots"]:
    """Return the contaminant class of a slot's role; 0 for whole particles."""
    classes = jnp.zeros_like(role)
    for name, value in (("broken", BROKEN), ("aggregate", AGGREGATE), ("small_protein", SMALL)):
        classes = jnp.where(role == value, CLASSES.index(name), classes)
    return classes
