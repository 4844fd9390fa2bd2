"""Where particles lie: candidate points in order of priority, thinned by random sequential adsorption.

Adsorbing candidates one after another, each refused when it conflicts with one already there, equals the maximal
independent set of the conflict graph taken greedily by priority; it is found in parallel in a few rounds (Luby 1986;
Blelloch, Fineman & Shun 2012). All layouts use it, so that no layout can place two particles closer than allowed.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from jaxpick.typing import RandomKey, Scalar

_WORD = 32


def adsorb(
    centre_yx_px: Float[Array, "candidate 2"],
    exclusion_px: Float[Array, " candidate"],
    layer: Int[Array, " candidate"],
    eligible: Bool[Array, " candidate"],
) -> Bool[Array, " candidate"]:
    """Accept candidates in the order given, as sequential random adsorption would.

    Two candidates of the same layer conflict when their distance is below the sum of their exclusion radii.
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
    """Return, as bits of words (32 times less memory), which earlier candidates each one conflicts with."""
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
    """Return the indices of the first `capacity` chosen candidates; free slots hold the number of candidates."""
    return jnp.nonzero(chosen, size=capacity, fill_value=chosen.shape[0])[0].astype(jnp.int32)


def uniform_points(
    key: RandomKey, num: int, extent_yx_px: tuple[float, float]
) -> Float[Array, "candidate 2"]:
    """Draw points uniformly over the field."""
    extent = jnp.asarray(extent_yx_px, jnp.float32)
    return jax.random.uniform(key, (num, 2), jnp.float32) * extent[None, :]


def clustered_points(
    key: RandomKey,
    num: int,
    extent_yx_px: tuple[float, float],
    num_clusters: Scalar,
    spread_px: Scalar,
    max_clusters: int = 12,
) -> Float[Array, "candidate 2"]:
    """Draw points of a Thomas process: Gaussian clouds about uniform parents."""
    parent_key, offset_key = jax.random.split(key)
    u = jax.random.uniform(parent_key, (num + 2 * max_clusters,), jnp.float32)
    extent = jnp.asarray(extent_yx_px, jnp.float32)
    parents = u[num:].reshape(max_clusters, 2) * extent[None, :]
    choice = u[:num] * jnp.minimum(num_clusters, max_clusters)
    offset = spread_px * jax.random.normal(offset_key, (num, 2), jnp.float32)
    return parents[jnp.floor(choice).astype(jnp.int32)] + offset


def packed_points(
    key: RandomKey,
    num: int,
    extent_yx_px: tuple[float, float],
    spacing_px: Scalar,
    jitter: Scalar,
) -> Float[Array, "candidate 2"]:
    """Draw the sites of a randomly turned close-packed lattice in random order.

    `jitter` is the standard deviation of each site's displacement in units of the spacing. Where `num` sites of that
    spacing cannot cover the field, the spacing grows until they do.
    """
    jitter_key, order_key = jax.random.split(key)
    u = jax.random.uniform(order_key, (num + 1,), jnp.float32)
    height, width = extent_yx_px
    side = int(num**0.5)
    reach = (height**2 + width**2) ** 0.5
    spacing = jnp.maximum(spacing_px, 1.08 * reach / side)
    row, column = jnp.divmod(jnp.arange(num), side)
    x = (column - side / 2 + 0.5 * (row % 2)) * spacing
    y = (row - side / 2) * spacing * (3.0**0.5 / 2.0)
    angle = 2.0 * jnp.pi * u[-1]
    turned = jnp.stack(
        [jnp.sin(angle) * x + jnp.cos(angle) * y, jnp.cos(angle) * x - jnp.sin(angle) * y], axis=-1
    )
    shift = jitter * spacing * jax.random.normal(jitter_key, (num, 2), jnp.float32)
    centre = jnp.asarray([height / 2.0, width / 2.0], jnp.float32)
    return (turned + shift + centre[None, :])[jnp.argsort(u[:-1])]


def log_density(
    key: RandomKey, points_yx_px: Float[Array, "candidate 2"], length_px: Scalar, num_waves: int = 8
) -> Float[Array, " candidate"]:
    """Return a smooth random field of unit variance at the points: a sum of random plane waves.

    Its exponential is the intensity of a log-Gaussian Cox process with correlation length `length_px`.
    """
    wave_key, phase_key = jax.random.split(key)
    waves = jax.random.normal(wave_key, (num_waves, 2), jnp.float32) / length_px
    phase = jax.random.uniform(phase_key, (num_waves,), jnp.float32, 0.0, 2.0 * jnp.pi)
    return (2.0 / num_waves) ** 0.5 * jnp.sum(
        jnp.cos(points_yx_px @ waves.T + phase[None, :]), axis=-1
    )


def inside(
    points_yx_px: Float[Array, "candidate 2"], extent_yx_px: tuple[float, float]
) -> Bool[Array, " candidate"]:
    """Return which points lie in the field."""
    extent = jnp.asarray(extent_yx_px, jnp.float32)
    return jnp.all((points_yx_px >= 0) & (points_yx_px <= extent[None, :] - 1), axis=-1)


def grow_aggregate(
    key: RandomKey, start_yx_px: Float[Array, "2"], step_px: Float[Array, " member"]
) -> Float[Array, "member 2"]:
    """Grow a cluster by contact: each member sits at its step from a random earlier one."""
    num = step_px.shape[0]
    u, v = jax.random.uniform(key, (2, num), jnp.float32)
    parent = jnp.floor(u * jnp.arange(num)).astype(jnp.int32)
    angle = 2.0 * jnp.pi * v
    step = step_px[:, None] * jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1)

    def attach(i: Array, members: Float[Array, "member 2"]) -> Float[Array, "member 2"]:
        return members.at[i].set(members[parent[i]] + step[i])

    members = jnp.broadcast_to(start_yx_px[None, :], (num, 2))
    return jax.lax.fori_loop(1, num, attach, members)
