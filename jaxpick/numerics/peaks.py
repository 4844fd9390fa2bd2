"""Peaks of a map: local maxima, the strongest of them, greedy suppression by distance, positions
below a pixel.

Order is total: a higher score first, at equal scores the smaller row-major index first. Every
function keeps it, so that results equal those of a sequential search to the last pick.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from jaxpick.typing import Image, Mask, Scalar

_LOWEST = -jnp.inf


def local_maxima(image: Image, window_px: int = 3) -> Mask:
    """Mark the pixels that come first in their square window; a flat top is marked at its first
    pixel.

    Windows are cut at the border. NaN is never a maximum.

    Args:
        window_px: odd side of the window; 1 marks every pixel.
    """
    if window_px < 1 or window_px % 2 == 0:
        raise ValueError(f"window_px: expected an odd number, got {window_px}")
    half = window_px // 2
    if half == 0:
        return ~jnp.isnan(image)
    rows = _window_max(
        jnp.pad(image, ((0, 0), (half, half)), constant_values=_LOWEST), (1, window_px)
    )
    above, below = _before_and_after(rows, half, axis=0)
    left, right = _before_and_after(image, half, axis=1)
    return (image > jnp.maximum(above, left)) & (image >= jnp.maximum(below, right))


def strongest(
    image: Image, candidates: Mask, capacity: int
) -> tuple[Float[Array, "peak 2"], Float[Array, " peak"], Bool[Array, " peak"]]:
    """Return the highest candidates in order: (y, x) as floats, score, and which rows hold one.

    Args:
        capacity: number of rows returned; weaker candidates are left out.
    """
    kept = jnp.where(candidates, image, _LOWEST).ravel()
    num_taken = min(capacity, kept.size)
    score, index = lax.top_k(kept, num_taken)
    valid = jnp.pad(candidates.ravel()[index], (0, capacity - num_taken))
    centre_yx = jnp.stack([index // image.shape[1], index % image.shape[1]], axis=1)
    centre_yx = jnp.pad(centre_yx.astype(jnp.float32), ((0, capacity - num_taken), (0, 0)))
    score = jnp.pad(score, (0, capacity - num_taken))
    return jnp.where(valid[:, None], centre_yx, 0.0), jnp.where(valid, score, 0.0), valid


def greedy_by_distance(
    centre_yx: Float[Array, "peak 2"], valid: Bool[Array, " peak"], radius_px: Scalar
) -> Bool[Array, " peak"]:
    """Return which peaks remain when each, in order, removes all later ones within the radius
    (closed disc).

    The sequential search itself, one vectorised comparison a peak: at the few thousand peaks of a
    micrograph that is quicker on a CPU than rounds over a neighbour matrix, and it is exact by
    construction.

    Args:
        centre_yx: in descending order of score, the valid ones first.
        radius_px: traced.
    """

    def judge(i: Array, kept: Array) -> Array:
        squared = jnp.sum((centre_yx - centre_yx[i][None, :]) ** 2, axis=1)
        return kept.at[i].set(~jnp.any(kept & (squared <= radius_px**2)))

    nothing = jnp.zeros_like(valid)
    return lax.fori_loop(0, jnp.sum(valid), judge, nothing) & valid


def refine_parabola(image: Image, centre_yx: Float[Array, "peak 2"]) -> Float[Array, "peak 2"]:
    """Move whole-pixel maxima to the vertex of the parabola through three pixels along each axis.

    The move is at most half a pixel, and none along an axis where the pixel is at the border or no
    maximum.
    """
    y, x = centre_yx.astype(jnp.int32).T
    height, width = image.shape
    move_y = _vertex(image, (y - 1, x), (y, x), (y + 1, x), (y > 0) & (y < height - 1))
    move_x = _vertex(image, (y, x - 1), (y, x), (y, x + 1), (x > 0) & (x < width - 1))
    return centre_yx + jnp.stack([move_y, move_x], axis=1)


def refine_centroid(
    image: Image,
    centre_yx: Float[Array, "peak 2"],
    radius_px: Scalar,
    half_window_px: int,
    floor: Scalar = 0.0,
) -> Float[Array, "peak 2"]:
    """Return the centre of mass of what rises above `floor` in the disc around each centre's pixel.

    A disc without mass keeps its centre; pixels beyond the border weigh nothing.

    Args:
        radius_px: of the disc, traced.
        half_window_px: at least the radius, static.
    """
    steps = jnp.arange(-half_window_px, half_window_px + 1)
    dy, dx = jnp.meshgrid(steps, steps, indexing="ij")
    disc = dy**2 + dx**2 <= radius_px**2
    above = jnp.pad(jnp.maximum(image - floor, 0.0), half_window_px)

    def centroid(centre: Float[Array, "2"]) -> Float[Array, "2"]:
        corner = jnp.round(centre).astype(jnp.int32)
        window = lax.dynamic_slice(above, tuple(corner), (len(steps), len(steps)))
        mass = jnp.where(disc, window, 0.0)
        move = jnp.stack([jnp.sum(mass * dy), jnp.sum(mass * dx)]) / jnp.maximum(
            jnp.sum(mass), 1e-30
        )
        return jnp.where(jnp.sum(mass) > 0, corner + move, centre)

    return jax.vmap(centroid)(centre_yx)


def _window_max(image: Image, sides: tuple[int, int]) -> Float[Array, "windows_y windows_x"]:
    return lax.reduce_window(image, _LOWEST, lax.max, sides, (1, 1), "VALID")


def _before_and_after(image: Image, half: int, axis: int) -> tuple[Image, Image]:
    """Return the maximum of the `half` pixels before and of those after each pixel along an
    axis.
    """
    padding = [(half, half) if axis == i else (0, 0) for i in range(2)]
    sides = (half, 1) if axis == 0 else (1, half)
    runs = _window_max(jnp.pad(image, padding, constant_values=_LOWEST), sides)
    size = image.shape[axis]
    before = lax.slice_in_dim(runs, 0, size, axis=axis)
    return before, lax.slice_in_dim(runs, half + 1, half + 1 + size, axis=axis)


def _vertex(
    image: Image, before: tuple, at: tuple, after: tuple, inside: Array
) -> Float[Array, " peak"]:
    a, b, c = (image.at[place].get(mode="clip") for place in (before, at, after))
    curvature = a - 2 * b + c
    bent = inside & (curvature < 0)
    move = 0.5 * (a - c) / jnp.where(bent, curvature, 1.0)
    return jnp.where(bent, jnp.clip(move, -0.5, 0.5), 0.0)
