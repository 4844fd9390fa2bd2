"""Pixels covered by discs or squares around picks and truths, at many thresholds in one painting.

Each pixel keeps the first (highest) threshold at which any pick covers it, so all thresholds come
from one pass.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxpick.evaluate.pairs import Pair

LONGEST_WORK_SIDE = 1024


def disc_counts(
    pair: Pair, thresholds: Float[np.ndarray, " threshold"]
) -> Float[np.ndarray, "threshold 3"]:
    """Return (TP, FP, FN) in pixels for discs of each pick's and truth's own diameter.

    Drawn on the micrograph shrunk until its longer side is at most 1024 pixels (the input size of
    CryoSegNet); a pixel belongs to a disc when its centre does.
    """
    scale = min(1.0, LONGEST_WORK_SIDE / max(_shape(pair)))
    shape = tuple(max(1, round(side * scale)) for side in _shape(pair))
    picked = _paint(
        shape, _levels(pair, thresholds), pair.picks, pair.pick_diameter_px, scale, _disc
    )
    true = _paint(
        shape, np.zeros(len(pair.truth), int), pair.truth, pair.truth_diameter_px, scale, _disc
    )
    return _count(picked, true, pair.margin_px * scale, thresholds)


def square_counts(
    pair: Pair, thresholds: Float[np.ndarray, " threshold"]
) -> Float[np.ndarray, "threshold 3"]:
    """Return (TP, FP, FN) in pixels for squares of the box size, rounded as REPIC does."""
    shape = _shape(pair)
    sides = (np.full(len(points), pair.box_px) for points in (pair.picks, pair.truth))
    pick_sides, true_sides = sides
    picked = _paint(shape, _levels(pair, thresholds), pair.picks, pick_sides, 1.0, _square)
    true = _paint(shape, np.zeros(len(pair.truth), int), pair.truth, true_sides, 1.0, _square)
    return _count(picked, true, pair.margin_px, thresholds)


def _shape(pair: Pair) -> tuple[int, int]:
    if pair.shape is None:
        raise ValueError(f"{pair.micrograph}: its height and width are unknown, expected both")
    return pair.shape


def _levels(pair: Pair, thresholds: Float[np.ndarray, " threshold"]) -> Int[np.ndarray, " pick"]:
    """Return how many of the thresholds, in descending order, each pick fails."""
    descending = np.sort(thresholds)[::-1]
    return np.sum(pair.score[:, None] < descending[None, :], axis=1)


def _paint(
    shape: tuple[int, ...],
    level: Int[np.ndarray, " shape"],
    centre: Float[np.ndarray, "shape 2"],
    size: Float[np.ndarray, " shape"],
    scale: float,
    draw: Callable[[np.ndarray, float, float, float, int], None],
) -> Int[np.ndarray, "y x"]:
    """Return for each pixel the lowest level of the shapes over it, a large number without."""
    canvas = np.full(shape, np.iinfo(np.int32).max, np.int32)
    for index in np.argsort(-level, kind="stable"):
        y, x = (centre[index] + 0.5) * scale - 0.5
        draw(canvas, float(y), float(x), float(size[index]) * scale, int(level[index]))
    return canvas


def _disc(canvas: Int[np.ndarray, "y x"], y: float, x: float, diameter: float, level: int) -> None:
    radius = diameter / 2
    y_from, x_from = max(0, int(np.ceil(y - radius))), max(0, int(np.ceil(x - radius)))
    y_to, x_to = max(y_from, int(y + radius) + 1), max(x_from, int(x + radius) + 1)
    patch = canvas[y_from:y_to, x_from:x_to]
    dy = np.arange(y_from, y_from + patch.shape[0]) - y
    dx = np.arange(x_from, x_from + patch.shape[1]) - x
    patch[dy[:, None] ** 2 + dx[None, :] ** 2 <= radius**2] = level


def _square(canvas: Int[np.ndarray, "y x"], y: float, x: float, side: float, level: int) -> None:
    y_corner, x_corner, length = round(y - side / 2), round(x - side / 2), round(side)
    y_to, x_to = max(0, y_corner + length), max(0, x_corner + length)
    canvas[max(0, y_corner) : y_to, max(0, x_corner) : x_to] = level


def _count(
    picked: Int[np.ndarray, "y x"],
    true: Int[np.ndarray, "y x"],
    margin: float,
    thresholds: Float[np.ndarray, " threshold"],
) -> Float[np.ndarray, "threshold 3"]:
    border = round(margin)
    inner = (slice(border, picked.shape[0] - border), slice(border, picked.shape[1] - border))
    is_true: Bool[np.ndarray, "y x"] = true[inner] == 0
    level = np.minimum(picked[inner], len(thresholds))
    hits = np.cumsum(np.bincount(level[is_true], minlength=len(thresholds) + 1))[:-1]
    others = np.cumsum(np.bincount(level[~is_true], minlength=len(thresholds) + 1))[:-1]
    descending = np.stack([hits, others, is_true.sum() - hits], 1).astype(np.float64)
    counts = np.empty_like(descending)
    counts[np.argsort(-thresholds, kind="stable")] = descending
    return counts
