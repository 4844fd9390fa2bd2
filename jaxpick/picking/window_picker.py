"""Picking by a sliding window: a classifier scores every window of a grid, and the score map becomes picks.

The grid's windows are scored together, tile by tile where a working image is large (tiles share
pixels, not windows: the result is that of the whole). What comes after is the method's own decoder.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxpick.numerics.fragments import num_windows
from jaxpick.picking.method_picker import Found, MethodPicker
from jaxpick.preprocess.prepare import PreprocessSpec
from jaxpick.preprocess.working import WorkingImage
from jaxpick.typing import HostImage

Border: TypeAlias = Literal["unseen", "zeros"]
ScoreMap: TypeAlias = Float[np.ndarray, "window_y window_x"]
FoundWindows: TypeAlias = tuple[
    Float[np.ndarray, " pick"], Float[np.ndarray, " pick"], Float[np.ndarray, " pick"]
]

# Grids are rounded up to so many windows, so that mixed sizes share few compiled programs.
COUNT_STEP = 16


@runtime_checkable
class WindowDecoder(Protocol):
    """What a method's decoder gives: a frozen spec with a way to find picks.

    Attributes:
        threshold: score of a pick.
        border: whether windows lie wholly in the micrograph, or reach over its border into zeros.
        tile_px: larger working images are scored in tiles of this side.
    """

    @property
    def threshold(self) -> float: ...

    @property
    def border(self) -> Border: ...

    @property
    def tile_px(self) -> int: ...

    def find(self, scores: ScoreMap, image: HostImage, grid: "Grid") -> FoundWindows:
        """Return row, column (fractions of the grid) and score of the candidates, best first."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """Where windows lie in a working image.

    Attributes:
        window_px: side of a window.
        step_px: from one window to the next.
        centre_px: from a window's corner to where its particle's centre is.
        diameter_px: of the particle.
    """

    window_px: int
    step_px: int
    centre_px: float
    diameter_px: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class WindowPicker(MethodPicker):
    """A picker made of a window classifier.

    Attributes:
        scan: working image (y, x) -> scores of all windows that lie wholly in it.
        grid: of the windows, in working pixels.
    """

    working: PreprocessSpec
    decode: WindowDecoder
    scan: Callable[..., Any]
    grid: Grid

    def score_map(self, image: HostImage) -> ScoreMap:
        """Score every window of a working image."""
        return scan_tiled(self.scan, self._framed(image), self.grid, self.decode.tile_px)

    def find(self, working: WorkingImage) -> Found:
        """Return the centres of the windows that the decoder finds."""
        image = np.asarray(working.image)
        row, column, score = self.decode.find(self.score_map(image), self._framed(image), self.grid)
        shift = self.grid.centre_px - self._frame_px
        return Found(row * self.grid.step_px + shift, column * self.grid.step_px + shift, score)

    @property
    def _frame_px(self) -> int:
        return self.grid.window_px // 2 if self.decode.border == "zeros" else 0

    def _framed(self, image: HostImage) -> Float[np.ndarray, "framed_y framed_x"]:
        return np.pad(image, self._frame_px) if self._frame_px else image


def scan_tiled(scan: Callable[..., Any], image: HostImage, grid: Grid, tile_px: int) -> ScoreMap:
    """Return the scores of all windows of an image, tile by tile where it is larger than a tile.

    Args:
        scan: (y, x) -> scores of the windows wholly in it; compiled once for a shape by the caller.
        image: working image; tiles that reach beyond it see zeros in windows that are not kept.
        grid: of the windows.
        tile_px: side of a tile, at least a window.
    """
    window, step = grid.window_px, grid.step_px
    counts = [num_windows(side, window, step) for side in image.shape]
    scores = np.zeros(counts, np.float32)
    if not scores.size:
        return scores
    most = max(num_windows(tile_px, window, step), 1)
    tile = [min(most, -(-count // COUNT_STEP) * COUNT_STEP) for count in counts]
    sides = [(count - 1) * step + window for count in tile]
    for y in range(0, counts[0], tile[0]):
        for x in range(0, counts[1], tile[1]):
            part = image[y * step : y * step + sides[0], x * step : x * step + sides[1]]
            missing = [(0, side - size) for side, size in zip(sides, part.shape, strict=True)]
            found = np.asarray(scan(jnp.asarray(np.pad(part, missing))))
            place = scores[y : y + tile[0], x : x + tile[1]]
            place[...] = found[: place.shape[0], : place.shape[1]]
    return scores


def scan_patches(
    score: Callable[..., Any], image: HostImage, grid: Grid, batch_size: int = 512
) -> ScoreMap:
    """Return the scores of all windows of an image, each cut out and scored by itself.

    For classifiers that change windows one by one (resize, standardise), and to check the others.

    Args:
        score: windows (batch, y, x) -> scores (batch,), jitted by the caller.
        image: working image.
        grid: of the windows.
        batch_size: windows scored at a time.
    """
    window, step = grid.window_px, grid.step_px
    if min(image.shape) < window:
        return np.zeros([num_windows(side, window, step) for side in image.shape], np.float32)
    view = np.lib.stride_tricks.sliding_window_view(image, (window, window))[::step, ::step]
    rows, columns = (index.ravel() for index in np.indices(view.shape[:2]))
    scores = np.zeros(len(rows), np.float32)
    for first in range(0, len(rows), batch_size):
        batch = slice(first, first + batch_size)
        windows = view[rows[batch], columns[batch]]
        full = np.pad(windows, ((0, batch_size - len(windows)), (0, 0), (0, 0)))
        scores[batch] = np.asarray(score(jnp.asarray(full)))[: len(windows)]
    return scores.reshape(view.shape[:2])


def window_sums(values: Float[np.ndarray, "y x"], window_px: int, step_px: int) -> ScoreMap:
    """Return the sum of every window of the grid, from running sums."""
    total = np.pad(np.cumsum(np.cumsum(values, 0, np.float64), 1), ((1, 0), (1, 0)))
    rows, columns = (
        np.arange(num_windows(side, window_px, step_px)) * step_px for side in values.shape
    )
    corner = [
        total[np.ix_(rows + down, columns + right)]
        for down in (0, window_px)
        for right in (0, window_px)
    ]
    return corner[3] - corner[1] - corner[2] + corner[0]


def window_deviations(image: HostImage, window_px: int, step_px: int) -> ScoreMap:
    """Return the standard deviation of the pixels of every window of the grid."""
    area = window_px**2
    values = np.asarray(image, np.float64)
    mean = window_sums(values, window_px, step_px) / area
    square = window_sums(values**2, window_px, step_px) / area
    return np.sqrt(np.maximum(square - mean**2, 0.0))
