"""How particles are spread over a field: how many, in which pattern, in one layer or two."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxpick.simulate import placement
from jaxpick.simulate.draws import Unit, coin, log_uniform, pick, uniform, units
from jaxpick.simulate.priors import ScenePrior
from jaxpick.typing import RandomKey

ADSORBED, CLUSTERED, GRADED, PACKED = 0, 1, 2, 3


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Candidate positions in order of priority, and what to do with them.

    Attributes:
        keep: candidates that are there at all (in the field, not thinned out).
        layer: air-water interface of each candidate; only those of one layer repel each other.
        contact: factor on the sum of the radii below which two conflict.
        num_wanted: particles to accept at most.
    """

    points_yx_px: Float[Array, "candidate 2"]
    keep: Bool[Array, " candidate"]
    layer: Int[Array, " candidate"]
    contact: Float[Array, ""]
    num_wanted: Float[Array, ""]


def draw_layout(
    key: RandomKey,
    prior: ScenePrior,
    diameter_px: Float[Array, ""],
    field_yx_px: tuple[int, int],
    num: int,
) -> Layout:
    """Draw one layout of `num` candidates for particles of a diameter."""
    unit_key, point_key, thin_key, layer_key = jax.random.split(key, 4)
    for_kind, for_empty, for_coverage, for_contact = units(unit_key, 4)
    kind = pick(for_kind, jnp.asarray(prior.layout_weights, jnp.float32))
    coverage = _coverage(for_empty, for_coverage, prior, kind)
    area_px = field_yx_px[0] * field_yx_px[1]
    num_wanted = jnp.round(coverage * area_px / (0.25 * jnp.pi * diameter_px**2))
    points, spacing_px = _draw_points(
        point_key, kind, coverage, num_wanted, diameter_px, field_yx_px, num
    )
    contact = uniform(for_contact, prior.contact)
    contact = jnp.where(
        kind == PACKED, jnp.minimum(contact, 0.9 * spacing_px / diameter_px), contact
    )
    keep = placement.inside(points, field_yx_px)
    keep &= (kind != GRADED) | _thin(thin_key, points, diameter_px)
    return Layout(
        points_yx_px=points,
        keep=keep,
        layer=_draw_layers(layer_key, prior, num),
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


def _draw_points(
    key: RandomKey,
    kind: Int[Array, ""],
    coverage: Float[Array, ""],
    num_wanted: Float[Array, ""],
    diameter_px: Float[Array, ""],
    field_yx_px: tuple[int, int],
    num: int,
) -> tuple[Float[Array, "candidate 2"], Float[Array, ""]]:
    """Return candidates of the layout's kind, and the lattice spacing if it is packed."""
    unit_key, uniform_key, cluster_key, packed_key = jax.random.split(key, 4)
    for_spread, for_jitter = units(unit_key, 2)
    scattered = placement.uniform_points(uniform_key, num, field_yx_px)
    num_clusters = jnp.maximum(num_wanted / 12.0, 1.0)
    spread_px = diameter_px * uniform(for_spread, (1.0, 3.0))
    clustered = placement.clustered_points(cluster_key, num, field_yx_px, num_clusters, spread_px)
    # Sites of a triangular lattice are sqrt(3) / 2 spacing^2 each; a tenth of them stay vacant.
    spacing_px = diameter_px * jnp.sqrt(jnp.pi * 0.9 / (12.0**0.5 * jnp.maximum(coverage, 0.05)))
    packed = placement.packed_points(
        packed_key, num, field_yx_px, spacing_px, uniform(for_jitter, (0.03, 0.15))
    )
    points = jnp.where(kind == PACKED, packed, jnp.where(kind == CLUSTERED, clustered, scattered))
    return points, spacing_px


def _thin(
    key: RandomKey, points_yx_px: Float[Array, "candidate 2"], diameter_px: Float[Array, ""]
) -> Bool[Array, " candidate"]:
    """Thin the candidates by a smooth random density (log-Gaussian Cox process)."""
    unit_key, field_key, coin_key = jax.random.split(key, 3)
    for_length, for_strength = units(unit_key, 2)
    length_px = diameter_px * log_uniform(for_length, (2.0, 12.0))
    log_density = placement.log_density(field_key, points_yx_px, length_px)
    strength = uniform(for_strength, (0.5, 2.5))
    chance = jnp.exp(strength * (log_density - 1.0))
    return jax.random.uniform(coin_key, chance.shape) < chance


def _draw_layers(key: RandomKey, prior: ScenePrior, num: int) -> Int[Array, " candidate"]:
    """Draw the air-water interface of each candidate; most micrographs have particles at one only."""
    u = jax.random.uniform(key, (num + 2,), jnp.float32)
    fraction = uniform(u[0], prior.second_layer_fraction)
    fraction *= coin(u[1], prior.two_layer_probability)
    return (u[2:] < fraction).astype(jnp.int32)
