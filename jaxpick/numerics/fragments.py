"""A network with pooling at every window of an image, each value computed once.

A window whose corner is c sees the image through poolings that are aligned with c. Windows whose
corners agree modulo the total stride share all their maps, so the maps after each pooling are kept
in fragments, one for each remainder that the corners 0, step, 2 step, ... leave (Giusti et al. 2013,
arXiv:1302.1700). Axes of the fragments come first: (remainder_y, remainder_x, ...). Entries that
would need pixels beyond the image are filled in; no window inside the image sees them.
"""

import functools
import math
from typing import Literal, TypeAlias

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Pooling: TypeAlias = Literal["mean", "max"]


def remainders(step: int, stride: int) -> tuple[int, ...]:
    """Return the remainders modulo `stride` of all multiples of `step`, ascending."""
    return tuple(range(0, stride, math.gcd(step, stride)))


def num_windows(size: int, window: int, step: int) -> int:
    """Return how many windows lie wholly on an axis, at corners 0, step, 2 step, ..."""
    return max((size - window) // step + 1, 0)


def as_fragment(maps: Array) -> Array:
    """Return maps before any pooling as the one fragment that they are."""
    return maps[None, None]


def pool_fragments(
    maps: Float[Array, "..."], stride: int, pool: int, step: int, kind: Pooling, y_axis: int
) -> Float[Array, "..."]:
    """Pool maps in all the ways in which windows at the step are aligned.

    Args:
        maps: (remainder_y, remainder_x, ...) with y at `y_axis` and x behind it; the total stride
            so far is `stride`.
        pool: side and stride of the pooling.
        step: of the windows, in pixels of the image.
        kind: of the pooling.
        y_axis: of the maps, counted from the first.

    Returns:
        The pooled maps of the total stride `stride * pool`.
    """
    for axis in (0, 1):
        maps = _pool_axis(maps, axis, y_axis + axis, stride, pool, step, kind)
    return maps


def gather_windows(
    maps: Float[Array, "remainder_y remainder_x y x"],
    stride: int,
    step: int,
    counts: tuple[int, int],
) -> Float[Array, "window_y window_x"]:
    """Return the values of all windows from the last fragments.

    Args:
        maps: entry q of remainder r belongs to the window with its corner at r + q stride.
        stride: total stride.
        step: of the windows.
        counts: windows along y and x.
    """
    y, x = (jnp.arange(count) * step for count in counts)
    apart = math.gcd(step, stride)
    rows, columns = ((corner % stride // apart, corner // stride) for corner in (y, x))
    return maps[rows[0][:, None], columns[0][None, :], rows[1][:, None], columns[1][None, :]]


def _pool_axis(
    maps: Array, fragment_axis: int, axis: int, stride: int, pool: int, step: int, kind: str
) -> Array:
    size, apart = maps.shape[axis] // pool, math.gcd(step, stride)
    children = []
    for remainder in remainders(step, stride * pool):
        parent, offset = remainder % stride // apart, remainder // stride
        own = lax.index_in_dim(maps, parent, fragment_axis)
        padding = [(0, 0)] * maps.ndim
        padding[axis] = (0, offset)
        children.append(_pool(jnp.pad(own, padding), axis, offset, size, pool, kind))
    return jnp.concatenate(children, axis=fragment_axis)


def _pool(maps: Array, axis: int, offset: int, size: int, pool: int, kind: str) -> Array:
    """Reduce runs of `pool` entries by strided slices, which CPUs take faster than windows."""
    end = offset + size * pool
    parts = [lax.slice_in_dim(maps, offset + k, end, pool, axis) for k in range(pool)]
    if kind == "max":
        return functools.reduce(jnp.maximum, parts)
    return functools.reduce(jnp.add, parts) / pool
