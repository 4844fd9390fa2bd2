"""Everything in a micrograph that is not a whole particle, each kind present by its own
probability.

All are added before the lens, as potential and absorption, so that they get the same fringes as
particles. Aggregates, two-dimensional crystals, broken particles and small proteins are molecules
of the bank (`scene.py`); the rest is drawn here.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxpick.numerics.memory import computed_once
from jaxpick.pytrees import pytree
from jaxpick.simulate.contaminant_ranges import ContaminantRanges
from jaxpick.simulate.draws import coin, units
from jaxpick.simulate.frozen_contaminants import (
    add_ethane,
    add_gold_beads,
    add_ice_crystals,
    add_support,
)
from jaxpick.simulate.molecular_contaminants import add_denatured, add_filaments, add_vesicles
from jaxpick.simulate.planes import (
    CLASSES,
    INSTANCES_PER_CLASS,
    Planes,
    Site,
    class_of_label,
    empty_planes,
)
from jaxpick.simulate.priors import ContaminantsPrior
from jaxpick.simulate.roles import class_of_role
from jaxpick.simulate.soluble_contaminants import (
    Clumps,
    add_aggregate_fog,
    add_coil_fog,
    add_micelles,
    mark_rings,
)
from jaxpick.typing import RandomKey

# Instances of slots (aggregated, broken, small) are numbered above those that are painted.
FIRST_SLOT_INSTANCE = len(CLASSES) * INSTANCES_PER_CLASS
# Probabilities, and what is painted with them.
Paint = Callable[[RandomKey, Planes, Site, ContaminantRanges], Planes]
Painters = tuple[tuple[float, Paint], ...]


def draw_contaminants(
    key: RandomKey,
    prior: ContaminantsPrior,
    shape: tuple[int, int],
    site: Site,
    is_dirty: Bool[Array, ""],
    clumps: Clumps | None = None,
) -> Planes:
    """Draw the painted contaminants of one field; none where it is not dirty.

    Args:
        key: of this field.
        prior: probabilities, sizes and numbers.
        shape: (y, x) of the field.
        site: what sizes are measured against.
        is_dirty: contaminants are allowed.
        clumps: members of aggregates, which get their rings and their haze.
    """
    planes = empty_planes(shape)
    if prior.amount == 0 or prior.clean_probability == 1:
        return planes  # known before anything is compiled
    if clumps is not None and clumps.valid.size:
        planes = _add_surroundings(jax.random.fold_in(key, 1), prior, planes, site, clumps)
    # Two lists, each with keys of its own: what is drawn of one does not depend on the other.
    for part, painters in ((jax.random.fold_in(key, 2), _haze(prior)), (key, _painters(prior))):
        planes = _paint_some(part, prior.amount * is_dirty, painters, planes, site, prior.ranges)
    return planes


def _paint_some(
    key: RandomKey,
    amount: Float[Array, ""],
    painters: Painters,
    planes: Planes,
    site: Site,
    ranges: ContaminantRanges,
) -> Planes:
    """Let each painter paint with its probability times `amount`."""
    if not painters:
        return planes
    unit_key, *paint_keys = jax.random.split(key, len(painters) + 1)
    u = units(unit_key, len(painters))
    for i, (probability, _) in enumerate(painters):
        planes = jax.lax.cond(
            coin(u[i], jnp.minimum(probability * amount, 1.0)),
            lambda planes, i=i: painters[i][1](paint_keys[i], planes, site, ranges),
            lambda planes: planes,
            planes,
        )
    return planes


def _add_surroundings(
    key: RandomKey, prior: ContaminantsPrior, planes: Planes, site: Site, clumps: Clumps
) -> Planes:
    """Draw the haze that some aggregates lie in, and mark the ring around all."""
    coin_key, fog_key = jax.random.split(key)
    is_there = jnp.any(clumps.valid)
    planes = jax.lax.cond(
        is_there & coin(units(coin_key, 1)[0], prior.aggregate_fog),
        lambda planes: add_aggregate_fog(fog_key, planes, site, prior.ranges, clumps),
        lambda planes: planes,
        planes,
    )
    return jax.lax.cond(
        is_there, lambda planes: mark_rings(planes, site, clumps), lambda planes: planes, planes
    )


def _haze(prior: ContaminantsPrior) -> Painters:
    """Return painters of what other contaminants cover."""
    painters = ((prior.coil_fog, add_coil_fog), (prior.micelles, add_micelles))
    return tuple(painter for painter in painters if painter[0] > 0)


def _painters(prior: ContaminantsPrior) -> Painters:
    """Return each painter with its probability; later ones cover earlier ones."""

    def add_film(key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges) -> Planes:
        return add_support(key, planes, site, ranges, prior.carbon_is_gold)

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
