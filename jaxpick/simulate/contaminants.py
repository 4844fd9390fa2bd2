"""Everything in a micrograph that is not a whole particle, each kind present by its own
probability.

All are added before the lens, as potential and absorption, so that they get the same fringes as
particles. Aggregates, broken particles and small proteins are molecules of the bank (`scene.py`);
the rest is drawn here.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from jaxpick.numerics.memory import computed_once
from jaxpick.pytrees import pytree
from jaxpick.simulate.draws import coin, units
from jaxpick.simulate.frozen_contaminants import (
    add_ethane,
    add_gold_beads,
    add_ice_crystals,
    add_support,
)
from jaxpick.simulate.molecular_contaminants import add_denatured, add_filaments, add_vesicles
from jaxpick.simulate.planes import CLASSES, Planes, Site, class_of_label, empty_planes
from jaxpick.simulate.priors import ContaminantsPrior
from jaxpick.simulate.scene import AGGREGATE, BROKEN, SMALL
from jaxpick.typing import RandomKey

# Instances of slots (aggregated, broken, small) are numbered above those that are painted.
FIRST_SLOT_INSTANCE = 1024


def draw_contaminants(
    key: RandomKey,
    prior: ContaminantsPrior,
    shape: tuple[int, int],
    site: Site,
    is_dirty: Bool[Array, ""],
) -> Planes:
    """Draw the painted contaminants of one field; none where it is not dirty."""
    planes = empty_planes(shape)
    painters = _painters(prior)
    unit_key, *paint_keys = jax.random.split(key, len(painters) + 1)
    u = units(unit_key, len(painters))
    for i, (probability, _) in enumerate(painters):
        chance = jnp.float32(min(probability * prior.amount, 1.0)) * is_dirty
        planes = jax.lax.cond(
            coin(u[i], chance),
            lambda planes, i=i: painters[i][1](paint_keys[i], planes, site),
            lambda planes: planes,
            planes,
        )
    return planes


def _painters(
    prior: ContaminantsPrior,
) -> tuple[tuple[float, Callable[[RandomKey, Planes, Site], Planes]], ...]:
    """Return each painter with its probability; later ones cover earlier ones."""

    def add_film(key: RandomKey, planes: Planes, site: Site) -> Planes:
        return add_support(key, planes, site, prior.carbon_is_gold)

    painters = (
        (prior.denatured, add_denatured),
        (prior.ethane, add_ethane),
        (prior.filaments, add_filaments),
        (prior.vesicles, add_vesicles),
        (prior.ice_crystals, add_ice_crystals),
        (prior.carbon, add_film),
        (prior.gold_beads, add_gold_beads),
    )
    return tuple(painter for painter in painters if painter[0] > 0)


def class_of_role(role: Int[Array, " slot"]) -> Int[Array, " slot"]:
    """Return the contaminant class of a slot's role; 0 for whole particles."""
    classes = jnp.zeros_like(role)
    for name, value in (("broken", BROKEN), ("aggregate", AGGREGATE), ("small_protein", SMALL)):
        classes = jnp.where(role == value, CLASSES.index(name), classes)
    return classes


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Labels:
    """Contaminants of a field by pixel: class (`CLASSES`) and instance, 0 for none."""

    classes: Int[Array, "*batch y x"]
    instances: Int[Array, "*batch y x"]


def label_contaminants(
    planes: Planes, owner: Int[Array, "y x"], role: Int[Array, " slot"]
) -> Labels:
    """Merge painted contaminants with slots that are no whole particles; opaque paint wins."""
    table = computed_once(
        jnp.any(role > 0), lambda: jnp.pad(class_of_role(role), (1, 0)).astype(jnp.int32)
    )
    of_slot = table[owner]
    # A net of denatured protein or a thin film does not hide what lies on it.
    painted = class_of_label(planes.label)
    is_slot = (of_slot > 0) & (planes.absorption < 0.2)
    return Labels(
        classes=jnp.where(is_slot, of_slot, painted),
        instances=jnp.where(is_slot, FIRST_SLOT_INSTANCE + owner, planes.label),
    )
