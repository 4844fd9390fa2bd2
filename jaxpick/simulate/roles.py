"""What a slot of a scene holds, and the class of contaminant that it counts as."""

import jax.numpy as jnp
from jaxtyping import Array, Int

from jaxpick.simulate.planes import CLASSES

TARGET, BROKEN, AGGREGATE, SMALL, LATTICE = 0, 1, 2, 3, 4
# Slots of these roles are contaminants of these classes.
CLASS_NAMES = {
    BROKEN: "broken",
    AGGREGATE: "aggregate",
    SMALL: "small_protein",
    LATTICE: "lattice",
}


def class_of_role(role: Int[Array, " slot"]) -> Int[Array, " slot"]:
    """Return the contaminant class of a slot's role; 0 for whole particles."""
    classes = jnp.zeros_like(role)
    for value, name in CLASS_NAMES.items():
        classes = jnp.where(role == value, CLASSES.index(name), classes)
    return classes
