"""From a score map to centres: local maxima above a threshold, each suppressing the weaker ones
within a radius.

`suppress` has a fixed capacity and runs inside jit. `suppress_exact` runs on the host without a
capacity. `suppress_complete` takes the first and falls back to the second where the capacity does
not hold a crowded field, so that no pick is ever lost in silence. All three agree pick by pick.
Unlike Topaz's search, a disc over the border suppresses nothing on the other side.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy import ndimage

from jaxpick.numerics.peaks import (
    greedy_by_distance,
    local_maxima,
    refine_parabola,
    strongest,
)
from jaxpick.typing import Image, Scalar

CHUNK = 2048  # candidates looked at together on the host
# Lists of picks are padded to multiples of this, so that few programs are compiled.
PICKS_STEP = 1024


@functools.partial(jax.jit, static_argnames=("capacity", "window_px"))
def suppress(
    score_map: Image,
    radius_px: Scalar,
    threshold: Scalar,
    capacity: int = 4096,
    window_px: int = 3,
) -> tuple[Float[Array, "pick 2"], Float[Array, " pick"], Bool[Array, " pick"]]:
    """Pick the local maxima above the threshold, best first, none within the radius of a better
    one.

    Only the `capacity` highest maxima are looked at. Where there are more (`count_candidates`), the
    picks returned are still the first ones of the complete search: the weakest are missing, none is
    wrong.

    Args:
        radius_px: no pick has a better one at this distance or nearer; traced.
        threshold: exclusive; traced.
        capacity: rows of the result; static.
        window_px: odd side of the window of a local maximum; 1 makes every pixel a candidate
            (Topaz's search); static.

    Returns:
        Centres (y, x) at whole pixels, scores in descending order, and which rows hold a pick.
    """
    candidates = local_maxima(score_map, window_px) & (score_map > threshold)
    centre_yx, score, valid = strongest(score_map, candidates, capacity)
    kept = greedy_by_distance(centre_yx, valid, radius_px)
    first = jnp.argsort(~kept, stable=True)
    valid = kept[first]
    return (
        jnp.where(valid[:, None], centre_yx[first], 0.0),
        jnp.where(valid, score[first], 0.0),
        valid,
    )


@functools.partial(jax.jit, static_argnames=("window_px",))
def count_candidates(score_map: Image, threshold: Scalar, window_px: int = 3) -> Int[Array, ""]:
    """Return how many local maxima exceed the threshold: above the capacity of `suppress`, its
    result is cut short.
    """
    return jnp.sum(local_maxima(score_map, window_px) & (score_map > threshold))


def suppress_exact(
    score_map: Float[np.ndarray, "y x"], radius_px: float, threshold: float, window_px: int = 3
) -> tuple[Float[np.ndarray, "pick 2"], Float[np.ndarray, " pick"]]:
    """Pick as `suppress` does, on the host, however many there are.

    Returns:
        Centres (y, x) at whole pixels and scores, in descending order.
    """
    candidates = _local_maxima(score_map, window_px) & (score_map > threshold)
    y, x = np.nonzero(candidates)
    order = np.argsort(-score_map[y, x], kind="stable")
    half = math.floor(radius_px)
    steps = np.arange(-half, half + 1)
    disc = steps[:, None] ** 2 + steps[None, :] ** 2 <= radius_px**2
    side, outside = len(steps), ~disc
    free = np.ones((score_map.shape[0] + 2 * half, score_map.shape[1] + 2 * half), bool)
    picks = []
    # What the candidates before have taken is dropped many at a time.
    for first in range(0, len(order), CHUNK):
        some = order[first : first + CHUNK]
        some = some[free[y[some] + half, x[some] + half]]
        for row, column in zip(y[some].tolist(), x[some].tolist(), strict=True):
            if free[row + half, column + half]:
                picks.append((row, column))
                free[row : row + side, column : column + side] &= outside
    centre_yx = np.array(picks, np.int64).reshape(-1, 2)
    return centre_yx.astype(np.float32), score_map[centre_yx[:, 0], centre_yx[:, 1]]


def suppress_complete(
    score_map: Image,
    radius_px: float,
    threshold: float,
    capacity: int = 4096,
    window_px: int = 3,
) -> tuple[Float[np.ndarray, "pick 2"], Float[np.ndarray, " pick"]]:
    """Pick on the device, or on the host where the field is more crowded than the capacity;
    returns host arrays.
    """
    if int(count_candidates(score_map, threshold, window_px)) > capacity:
        return suppress_exact(np.asarray(score_map), radius_px, threshold, window_px)
    centre_yx, score, valid = suppress(score_map, radius_px, threshold, capacity, window_px)
    kept = np.asarray(valid)
    return np.asarray(centre_yx)[kept], np.asarray(score)[kept]


def refine_peaks(
    score_map: Image, centre_yx: Float[np.ndarray, "pick 2"]
) -> Float[np.ndarray, "pick 2"]:
    """Return whole-pixel peaks moved to a fraction of a pixel by parabolas, float64."""
    count = len(centre_yx)
    padded = np.pad(centre_yx.astype(np.float32), ((0, -count % PICKS_STEP), (0, 0)))
    return np.asarray(_refine_parabola(score_map, jnp.asarray(padded)))[:count].astype(np.float64)


_refine_parabola = jax.jit(refine_parabola)


def _local_maxima(image: Float[np.ndarray, "y x"], window_px: int) -> Bool[np.ndarray, "y x"]:
    """Return `numerics.peaks.local_maxima`, found by scipy: above what comes first in the
    window, not below the rest.
    """
    if window_px == 1:
        return ~np.isnan(image)
    earlier = np.zeros((window_px, window_px), bool)
    earlier.ravel()[: window_px**2 // 2] = True
    settings = {"mode": "constant", "cval": -np.inf}
    before = ndimage.maximum_filter(image, footprint=earlier, **settings)
    after = ndimage.maximum_filter(image, footprint=earlier[::-1, ::-1], **settings)
    return (image > before) & (image >= after)
