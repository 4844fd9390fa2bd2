"""Where particles lie: candidate points in order of priority, thinned by random sequential
adsorption.

Adsorbing candidates one after another, each refused when it conflicts with one already there,
equals the maximal independent set of the conflict graph taken greedily by priority; it is found in
parallel in a few rounds (Luby 1986; Blelloch, Fineman & Shun 2012). All layouts use it, so that no
layout can place two particles closer than allowed.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from jaxpick.simulate.draws import standard_normal
from jaxpick.typing import Scalar

_WORD = 32


def adsorb(
    centre_yx_px: Float[Array, "candidate 2"],
    exclusion_px: Float[Array, " candidate"],
    layer: Int[Array, " candidate"],
    eligible: Bool[Array, " candidate"],
) -> Bool[Array, " candidate"]:
    """Accept candidates in the order given, as sequential random adsorption would.

    Two candidates of the same layer conflict when their distance is below the sum of their
    exclusion radii.
    """
    conflicts = _earlier_conflicts(centre_yx_px, exclusion_px, layer)

    def decide(state: tuple[Array, Array]) -> tuple[Array, Array]:
        accepted, undecided = state
        is_killed = _meets(conflicts, accepted)
        is_free = ~_meets(conflicts, undecided) & ~is_killed
        return accepted | (undecided & is_free), undecided & ~is_killed & ~is_free

    start = (jnp.zeros_like(eligible), eligible)
    return jax.lax.while_loop(lambda state: jnp.any(state[1]), decide, start)[0]


def _earlier_conflicts(
    centre_yx_px: Float[Array, "candidate 2"],
    exclusion_px: Float[Array, " candidate"],
    layer: Int[Array, " candidate"],
) -> UInt32[Array, "candidate word"]:
    """Return which earlier candidates each one conflicts with, as bits: 32 times less memory."""
    num = layer.shape[0]
    padding = -num % _WORD
    y, x = jnp.pad(centre_yx_px, ((0, padding), (0, 0))).reshape(-1, _WORD, 2).transpose(2, 0, 1)
    reach = jnp.pad(exclusion_px, (0, padding)).reshape(-1, _WORD)
    other_layer = jnp.pad(layer, (0, padding)).reshape(-1, _WORD)
    order = jnp.arange(num + padding).reshape(-1, _WORD)
    squared = (centre_yx_px[:, 0, None, None] - y[None]) ** 2
    squared += (centre_yx_px[:, 1, None, None] - x[None]) ** 2
    near = squared < (exclusion_px[:, None, None] + reach[None]) ** 2
    earlier = order[None] < jnp.arange(num)[:, None, None]
    bits = near & earlier & (other_layer[None] == layer[:, None, None])
    return _pack(bits)


def _pack(bits: Bool[Array, "*rows word 32"]) -> UInt32[Array, "*rows word"]:
    place = jnp.uint32(1) << jnp.arange(_WORD, dtype=jnp.uint32)
    place = place.reshape((1,) * (bits.ndim - 1) + (_WORD,))
    return jnp.sum(jnp.where(bits, place, jnp.uint32(0)), axis=-1, dtype=jnp.uint32)


def _meets(
    conflicts: UInt32[Array, "candidate word"], chosen: Bool[Array, " candidate"]
) -> Bool[Array, " candidate"]:
    """Return which candidates conflict with an earlier one among the chosen."""
    words = _pack(jnp.pad(chosen, (0, -chosen.shape[0] % _WORD)).reshape(-1, _WORD))
    return jnp.any(conflicts & words[None, :] != 0, axis=1)


def keep_first(accepted: Bool[Array, " candidate"], num: Scalar) -> Bool[Array, " candidate"]:
    """Keep the first `num` accepted candidates in order of priority."""
    return accepted & (jnp.cumsum(accepted) <= num)


def compact(chosen: Bool[Array, " candidate"], capacity: int) -> Int[Array, " particle"]:
    """Return the indices of the first `capacity` chosen candidates; free slots hold their number."""
    return jnp.nonzero(chosen, size=capacity, fill_value=chosen.shape[0])[0].astype(jnp.int32)


def uniform_points(
    u: Float[Array, "candidate 2"], extent_yx_px: tuple[int, int]
) -> Float[Array, "candidate 2"]:
    """Map numbers on [0, 1) to points uniform over the field."""
    return u * jnp.asarray(extent_yx_px, jnp.float32)[None, :]


def clustered_points(
    parents_yx_px: Float[Array, "cluster 2"],
    u: Float[Array, "candidate 3"],
    num_clusters: Scalar,
    spread_px: Scalar,
) -> Float[Array, "candidate 2"]:
    """Map numbers on [0, 1) to points of a Thomas process: Gaussian clouds about the first parents."""
    used = jnp.clip(num_clusters, 1.0, parents_yx_px.shape[0] - 0.001)
    parent = jnp.floor(u[:, 0] * used).astype(jnp.int32)
    return parents_yx_px[parent] + spread_px * standard_normal(u[:, 1:])


def packed_points(
    u: Float[Array, "site 3"],
    num: int,
    extent_yx_px: tuple[int, int],
    spacing_px: Scalar,
    jitter: Scalar,
    angle_rad: Scalar,
) -> Float[Array, "candidate 2"]:
    """Map numbers on [0, 1) to `num` sites of a turned close-packed lattice in random order.

    Sites outside the field are left out as long as others remain. `jitter` is the standard
    deviation of each site's displacement in units of the spacing. Where the sites cannot cover the
    field at that spacing, it grows until they do.
    """
    height, width = extent_yx_px
    num_sites = u.shape[0]
    side = int(num_sites**0.5)
    reach = (height**2 + width**2) ** 0.5
    spacing = jnp.maximum(spacing_px, 1.08 * reach / side)
    row, column = jnp.divmod(jnp.arange(num_sites), side)
    x = (column - side / 2 + 0.5 * (row % 2)) * spacing
    y = (row - side / 2) * spacing * (3.0**0.5 / 2.0)
    c, s = jnp.cos(angle_rad), jnp.sin(angle_rad)
    turned = jnp.stack([s * x + c * y, c * x - s * y], axis=-1)
    centre = jnp.asarray([height / 2.0, width / 2.0], jnp.float32)
    sites = turned + centre[None, :] + jitter * spacing * standard_normal(u[:, 1:])
    order = jnp.argsort(jnp.where(inside(sites, extent_yx_px), u[:, 0], 2.0))
    return sites[order[:num]]


def log_density(
    points_yx_px: Float[Array, "candidate 2"], u: Float[Array, "wave 3"], length_px: Scalar
) -> Float[Array, " candidate"]:
    """Return a smooth random field of unit variance at the points: a sum of random plane waves.

    Its exponential is the intensity of a log-Gaussian Cox process of correlation `length_px`.
    """
    waves = standard_normal(u[:, 1:]) / length_px
    phase = 2.0 * jnp.pi * u[:, 0]
    height = (2.0 / u.shape[0]) ** 0.5
    return height * jnp.sum(jnp.cos(points_yx_px @ waves.T + phase[None, :]), axis=-1)


def inside(
    points_yx_px: Float[Array, "candidate 2"], extent_yx_px: tuple[int, int]
) -> Bool[Array, " candidate"]:
    """Return which points lie in the field."""
    extent = jnp.asarray(extent_yx_px, jnp.float32)
    return jnp.all((points_yx_px >= 0) & (points_yx_px <= extent[None, :] - 1), axis=-1)


def grow_aggregates(
    u: Float[Array, "member 2"],
    first: Int[Array, " member"],
    start_yx_px: Float[Array, "member 2"],
    step_px: Float[Array, " member"],
) -> Float[Array, "member 2"]:
    """Grow clusters by contact: each member sits at its step from a random earlier one of its own.

    Args:
        u: numbers on [0, 1), for the one it touches and for the direction.
        first: index of the first member of each one's cluster, which lies at the start.
        start_yx_px: of each one's cluster.
        step_px: between the centres of a member and the one it touches.
    """
    index = jnp.arange(first.shape[0])
    parent = first + jnp.floor(u[:, 0] * (index - first)).astype(first.dtype)
    angle = 2.0 * jnp.pi * u[:, 1]
    step = step_px[:, None] * jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1)
    offset = jnp.where((index == first)[:, None], 0.0, step)
    # Pointers jump to the parent's parent: sums along lines of descent take log2 n rounds.
    for _ in range(max(1, first.shape[0] - 1).bit_length()):
        offset, parent = offset + offset[parent], parent[parent]
    return start_yx_px + offset
