"""How particles are spread over a field: how many, in which pattern, in one layer or two."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxpick.simulate import placement
from jaxpick.simulate.draws import coin, log_uniform, uniform
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
    kind_key, count_key, point_key, contact_key, layer_key, thin_key = jax.random.split(key, 6)
    weights = jnp.asarray(prior.layout_weights, jnp.float32)
    kind = jax.random.categorical(kind_key, jnp.log(jnp.maximum(weights, 1e-20)))
    coverage = _draw_coverage(count_key, prior, kind)
    area_px = field_yx_px[0] * field_yx_px[1]
    num_wanted = jnp.round(coverage * area_px / (0.25 * jnp.pi * diameter_px**2))
    points, spacing_px = _draw_points(
        point_key, kind, coverage, num_wanted, diameter_px, field_yx_px, num
    )
    contact = uniform(contact_key, prior.contact)
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


def _draw_coverage(key: RandomKey, prior: ScenePrior, kind: Int[Array, ""]) -> Float[Array, ""]:
    empty_key, sparse_key, dense_key = jax.random.split(key, 3)
    sparse = log_uniform(sparse_key, prior.coverage)
    dense = uniform(dense_key, prior.dense_coverage)
    coverage = jnp.where(kind == PACKED, dense, sparse)
    return jnp.where(coin(empty_key, prior.empty_probability), 0.0, coverage)


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
    uniform_key, cluster_key, spread_key, packed_key, jitter_key = jax.random.split(key, 5)
    scattered = placement.uniform_points(uniform_key, num, field_yx_px)
    num_clusters = jnp.maximum(num_wanted / 12.0, 1.0)
    spread_px = diameter_px * uniform(spread_key, (1.0, 3.0))
    clustered = placement.clustered_points(cluster_key, num, field_yx_px, num_clusters, spread_px)
    # Sites of a triangular lattice are sqrt(3) / 2 spacing^2 each; a tenth of them stay vacant.
    spacing_px = diameter_px * jnp.sqrt(jnp.pi * 0.9 / (12.0**0.5 * jnp.maximum(coverage, 0.05)))
    packed = placement.packed_points(
        packed_key, num, field_yx_px, spacing_px, uniform(jitter_key, (0.03, 0.15))
    )
    points = jnp.where(kind == PACKED, packed, jnp.where(kind == CLUSTERED, clustered, scattered))
    return points, spacing_px


def _thin(
    key: RandomKey, points_yx_px: Float[Array, "candidate 2"], diameter_px: Float[Array, ""]
) -> Bool[Array, " candidate"]:
    """Thin the candidates by a smooth random density (log-Gaussian Cox process)."""
    field_key, length_key, strength_key, coin_key = jax.random.split(key, 4)
    length_px = diameter_px * log_uniform(length_key, (2.0, 12.0))
    log_density = placement.log_density(field_key, points_yx_px, length_px)
    strength = uniform(strength_key, (0.5, 2.5))
    chance = jnp.exp(strength * (log_density - 1.0))
    return jax.random.uniform(coin_key, chance.shape) < chance


def _draw_layers(key: RandomKey, prior: ScenePrior, num: int) -> Int[Array, " candidate"]:
    """Draw the air-water interface of each candidate; most micrographs have particles at one only."""
    is_key, fraction_key, which_key = jax.random.split(key, 3)
    fraction = uniform(fraction_key, prior.second_layer_fraction)
    fraction *= coin(is_key, prior.two_layer_probability)
    return (jax.random.uniform(which_key, (num,)) < fraction).astype(jnp.int32)
