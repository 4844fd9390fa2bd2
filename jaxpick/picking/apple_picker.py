"""The APPLE picker's search: windows that answer many references teach a classifier of windows.

Heimowitz, Anden and Singer (2018), J Struct Biol 204:215, and the released program. Half-overlapping
windows are cross-correlated with references taken from the micrograph itself: in each container the
windows of highest and lowest mean and standard deviation. The windows that answer most references
are particles, those away from all that answer many are noise; a support vector machine on mean and
standard deviation then classifies the window around every pixel.
"""

import dataclasses
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from jaxpick.numerics.windows import correlation_responses, moments, window_grid
from jaxpick.picking.apple_objects import ObjectLimits, object_centres
from jaxpick.picking.method_picker import Found, MethodPicker
from jaxpick.picking.window_classifier import decide, fit
from jaxpick.preprocess.shrunk import ShrunkSpec
from jaxpick.preprocess.working import WorkingImage
from jaxpick.spec import require

_RELEASED_BORDER_PX = (99, 100)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AppleDecodeSpec:
    """The APPLE picker's numbers; lengths in particle sizes s (diameters) unless they end in _px.

    Attributes:
        crop: pick the whole micrograph, or the square of the shorter side less 99 and 100 pixels of
            it that the released program looks at.
        query: side of a window, rounded to pixels and down to a multiple of 4.
        container_px: side of the containers that references are taken from.
        threshold_share: a window answers a reference when its response exceeds the least of all
            responses by this share of their range.
        particle_share: share of windows that are surely particles, tau 1.
        other_share: share of windows that may be something else than noise, tau 2.
        least, largest: see `ObjectLimits`.
        overlap: centres nearer than 1 - overlap are both dropped.
    """

    crop: Literal["none", "released"] = "none"
    query: float = 2 / 3
    container_px: int = 450
    threshold_share: float = 0.05
    particle_share: float = 0.03
    other_share: float = 0.3
    least: float = 0.25
    largest: float = 2.0
    overlap: float = 0.1

    def __post_init__(self) -> None:
        first, second = self.particle_share, self.other_share
        require(0 < first <= second, "particle_share", first, "above 0, at most other_share")
        require(second < 1, "other_share", second, "below 1")
        require(0 < self.query <= 2, "query", self.query, "above 0, at most 2")
        require(self.container_px >= 16, "container_px", self.container_px, "16 or more")
        share, largest = self.threshold_share, self.largest
        require(0 < share < 1, "threshold_share", share, "0 to 1")
        require(
            0 < self.least < largest, "least", self.least, f"above 0, below largest ({largest})"
        )
        require(0 <= self.overlap < 1, "overlap", self.overlap, "0 to 1")

    @property
    def threshold(self) -> float:
        """Every object that is left is a pick."""
        return 0.0


class Classified(NamedTuple):
    """What is known of the window whose corner is each pixel.

    Attributes:
        decision: of the machine; above 0 for particles.
        matched: share of the references that the nearest query window answers.
    """

    decision: Float[np.ndarray, "rows columns"]
    matched: Float[np.ndarray, "rows columns"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApplePicker(MethodPicker):
    """The APPLE picker; the diameter is its particle size s."""

    working: ShrunkSpec
    decode: AppleDecodeSpec

    def find(self, working: WorkingImage) -> Found:
        """Return the centres of all objects."""
        image, first = np.asarray(working.image), 0
        if self.decode.crop == "released":
            image, first = _released_part(image, working)
        size_px = self.diameter_angstrom / working.micrograph_pixel_size_angstrom
        shrink = working.pixel_size_angstrom / working.micrograph_pixel_size_angstrom
        side = window_side(size_px, shrink, self.decode)
        if min(image.shape) < 2 * side:
            return Found(np.zeros(0), np.zeros(0), np.zeros(0))
        found = classify(image, side, round(self.decode.container_px / shrink), self.decode)
        centres = object_centres(found.decision > 0, limits(size_px, shrink, self.decode))
        corner = np.round(centres).astype(int)
        score = found.matched[corner[:, 0], corner[:, 1]]
        order = np.argsort(-score, kind="stable")
        y, x = (centres[order] + (side - 1) / 2 + first).T
        return Found(y, x, score[order])


def window_side(size_px: float, shrink: float, decode: AppleDecodeSpec) -> int:
    """Return the side of a query window in working pixels: an even number from 4."""
    query_px = round(size_px * decode.query) // 4 * 4
    return max(2 * round(query_px / shrink / 2), 4)


def limits(size_px: float, shrink: float, decode: AppleDecodeSpec) -> ObjectLimits:
    """Return the limits of an object in working pixels, each first cut to whole pixels."""
    least, largest = int(size_px * decode.least), int(size_px * decode.largest)
    apart = size_px - int(size_px * decode.overlap)
    return ObjectLimits(least / shrink, largest / shrink, apart / shrink)


def classify(
    image: Float[np.ndarray, "y x"], side: int, container: int, decode: AppleDecodeSpec
) -> Classified:
    """Classify the window around every pixel by a machine that this image alone has taught."""
    mean, deviation = moments(image, side)
    step = side // 2
    grid = window_grid(image, side, step)
    rows, columns = grid.shape[:2]
    at_grid = np.stack([mean[::step, ::step], deviation[::step, ::step]], axis=-1)
    windows = np.ascontiguousarray(grid, np.float32).reshape(rows * columns, side, side)
    chosen = reference_windows(at_grid, max((container - side) // step + 1, 1))
    response = correlation_responses(windows, windows[chosen])
    matched = matched_share(response, decode.threshold_share)
    best = np.lexsort((-response.mean(axis=1), -matched))
    particle, noise = training_windows(best, (rows, columns), decode)
    teaching = np.concatenate([at_grid[particle], at_grid[noise]])
    machine = fit(teaching, np.arange(len(teaching)) < particle.sum())
    features = np.stack([mean.ravel(), deviation.ravel()], axis=1)
    nearest_y, nearest_x = (
        np.minimum((np.arange(length) + step // 2) // step, count - 1)
        for length, count in zip(mean.shape, (rows, columns), strict=True)
    )
    return Classified(
        decision=decide(machine, features).reshape(mean.shape),
        matched=matched.reshape(rows, columns)[nearest_y[:, None], nearest_x[None, :]],
    )


def reference_windows(
    at_grid: Float[np.ndarray, "row column feature"], windows_per_container: int
) -> Int[np.ndarray, " reference"]:
    """Return the windows of highest and lowest mean and standard deviation of each container.

    Containers cover the grid evenly; a window that stands out twice counts twice.
    """
    rows, columns = at_grid.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    chosen: list[int] = []
    for part in np.array_split(number, max(round(rows / windows_per_container), 1), axis=0):
        across = max(round(columns / windows_per_container), 1)
        for container in np.array_split(part, across, axis=1):
            of_container = at_grid.reshape(-1, at_grid.shape[-1])[container.ravel()]
            ends = [*of_container.argmax(axis=0), *of_container.argmin(axis=0)]
            chosen += container.ravel()[ends].tolist()
    return np.array(chosen)


def matched_share(
    response: Float[np.ndarray, "window reference"], threshold_share: float
) -> Float[np.ndarray, " window"]:
    """Return the share of references that each window answers."""
    low, high = float(response.min()), float(response.max())
    return np.mean(response > low + threshold_share * (high - low), axis=1)


def training_windows(
    best: Int[np.ndarray, " window"], shape: tuple[int, int], decode: AppleDecodeSpec
) -> tuple[Bool[np.ndarray, "row column"], Bool[np.ndarray, "row column"]]:
    """Return which windows are surely particles and which are surely noise.

    Args:
        best: windows, the best first.
        shape: of the grid: neighbours overlap.
        decode: shares of both.
    """
    particle, other = np.zeros(shape, bool), np.zeros(shape, bool)
    particle.flat[best[: max(int(decode.particle_share * best.size), 1)]] = True
    other.flat[best[: max(int(decode.other_share * best.size), 1)]] = True
    apart = ~ndimage.binary_dilation(other, np.ones((3, 3), bool))
    return particle, apart if apart.any() else ~other


def _released_part(
    image: Float[np.ndarray, "y x"], working: WorkingImage
) -> tuple[Float[np.ndarray, "side side"], int]:
    """Return the square that the released program looks at, and where it begins."""
    shrink = working.pixel_size_angstrom / working.micrograph_pixel_size_angstrom
    first = round(_RELEASED_BORDER_PX[0] / shrink)
    side = int((min(working.micrograph_shape) - sum(_RELEASED_BORDER_PX)) / shrink)
    side = max(side, 0)
    return image[first : first + side, first : first + side], first
