"""How particles are spread over a field: how many, in which pattern, in one layer or two,
at which height."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxpick.numerics.memory import computed_once
from jaxpick.pytrees import pytree
from jaxpick.simulate import placement
from jaxpick.simulate.draws import (
    Unit,
    beta,
    coin,
    log_uniform,
    pick,
    standard_normal,
    uniform,
    unit_arrays,
)
from jaxpick.simulate.priors import ScenePrior
from jaxpick.typing import RandomKey

ADSORBED, CLUSTERED, GRADED, PACKED = 0, 1, 2, 3
BULK = 2
MAX_CLUSTERS = 12
NUM_WAVES = 8
# A lattice that covers the field at any angle has more than twice as many sites as lie in it.
SITES_PER_CANDIDATE = 2


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Candidate positions in order of priority, and what to do with them.

    Attributes:
        keep: candidates that are there at all (in the field, not thinned out).
        layer: air-water interface of each candidate, 0 or 1, or `BULK` between them.
        level: candidates of one level repel each other: layers, where there are two interfaces.
        height: of each candidate, from -1 at layer 1 to 1 at layer 0.
        shift_angstrom: how far it lies above that.
        contact: factor on the sum of the radii below which two conflict.
        num_wanted: particles to accept at most.
    """

    points_yx_px: Float[Array, "*batch candidate 2"]
    keep: Bool[Array, "*batch candidate"]
    layer: Int[Array, "*batch candidate"]
    level: Int[Array, "*batch candidate"]
    height: Float[Array, "*batch candidate"]
    shift_angstrom: Float[Array, "*batch candidate"]
    contact: Float[Array, "*batch"]
    num_wanted: Float[Array, "*batch"]


def draw_layout(
    key: RandomKey,
    prior: ScenePrior,
    diameter_px: Float[Array, ""],
    field_yx_px: tuple[int, int],
    num: int,
) -> Layout:
    """Draw one layout of `num` candidates for particles of a diameter."""
    scalars, for_points, for_sites, for_parents, for_waves, for_thinning, for_layers = unit_arrays(
        key,
        (10,),
        (num, 3),
        (SITES_PER_CANDIDATE * num, 3),
        (MAX_CLUSTERS, 2),
        (NUM_WAVES, 3),
        (num,),
        (num,),
    )
    kind = pick(scalars[0], jnp.asarray(prior.layout_weights, jnp.float32))
    coverage = _coverage(scalars[1], scalars[2], prior, kind)
    area_px = field_yx_px[0] * field_yx_px[1]
    num_wanted = jnp.round(coverage * area_px / (0.25 * jnp.pi * diameter_px**2))
    # Sites of a triangular lattice are sqrt(3) / 2 spacing^2 each; a tenth of them stay vacant.
    spacing_px = diameter_px * jnp.sqrt(jnp.pi * 0.9 / (12.0**0.5 * jnp.maximum(coverage, 0.05)))
    jitter, angle = uniform(scalars[3], (0.03, 0.15)), 2.0 * jnp.pi * scalars[4]
    packed = placement.packed_points(for_sites, num, field_yx_px, spacing_px, jitter, angle)
    parents = placement.uniform_points(for_parents, field_yx_px)
    spread_px = diameter_px * uniform(scalars[5], (1.0, 3.0))
    clustered = placement.clustered_points(parents, for_points, num_wanted / 12.0, spread_px)
    scattered = placement.uniform_points(for_points[:, :2], field_yx_px)
    points = jnp.where(kind == PACKED, packed, jnp.where(kind == CLUSTERED, clustered, scattered))
    contact = uniform(scalars[6], prior.contact)
    closest = 0.9 * spacing_px / diameter_px
    contact = jnp.where(kind == PACKED, jnp.minimum(contact, closest), contact)
    # A log-Gaussian Cox process: candidates are thinned by a smooth random density.
    length_px = diameter_px * log_uniform(scalars[7], (2.0, 12.0))
    log_density = placement.log_density(points, for_waves, length_px)
    chance = jnp.exp(uniform(scalars[8], (0.5, 2.5)) * (log_density - 1.0))
    surface = _surfaces(for_layers, scalars[9], prior)
    layer, height, shift = _heights(jax.random.fold_in(key, 1), prior, surface)
    # In memory: fused into the conflicts of all pairs, layers would be drawn anew for each pair.
    has_second = coin(scalars[9], prior.two_layer_probability)
    level = computed_once(has_second, lambda: layer)
    return Layout(
        points_yx_px=points,
        keep=placement.inside(points, field_yx_px) & ((kind != GRADED) | (for_thinning < chance)),
        layer=layer,
        level=level,
        height=height,
        shift_angstrom=shift,
        contact=contact,
        num_wanted=num_wanted,
    )


def _coverage(
    for_empty: Unit, for_coverage: Unit, prior: ScenePrior, kind: Int[Array, ""]
) -> Float[Array, ""]:
    sparse = log_uniform(for_coverage, prior.coverage)
    dense = uniform(for_coverage, prior.dense_coverage)
    coverage = jnp.where(kind == PACKED, dense, sparse)
    return jnp.where(coin(for_empty, prior.empty_probability), 0.0, coverage)


def _surfaces(
    for_layers: Float[Array, " candidate"], u: Unit, prior: ScenePrior
) -> Int[Array, " candidate"]:
    """Return each candidate's air-water interface; most micrographs have particles at one only."""
    # Below the probability, u is uniform once more within it: how full the second layer is.
    has_second = u < prior.two_layer_probability
    share = u / max(prior.two_layer_probability, 1e-6)
    fraction = jnp.where(has_second, uniform(share, prior.second_layer_fraction), 0.0)
    return (for_layers < fraction).astype(jnp.int32)


def _heights(
    key: RandomKey, prior: ScenePrior, surface: Int[Array, " candidate"]
) -> tuple[Int[Array, " candidate"], Float[Array, " candidate"], Float[Array, " candidate"]]:
    """Return layers, heights and shifts: at the interfaces given, but for those in the bulk."""
    scalars, u = unit_arrays(key, (2,), (surface.shape[0], 3))
    is_bulk = u[:, 0] >= beta(scalars[0], prior.interface_beta)
    deviation = uniform(scalars[1], prior.interface_sd_angstrom)
    height = jnp.where(is_bulk, uniform(u[:, 1], (-1.0, 1.0)), 1.0 - 2.0 * surface)
    shift = jnp.where(is_bulk, 0.0, deviation * standard_normal(u[:, 2]))
    return jnp.where(is_bulk, BULK, surface), height, shift
