"""From the scores of windows to picks, as DeepEM and as DeepPicker do it.

Both take local maxima of the score map that keep a distance. DeepEM then looks at the standard
deviation of the pixels of each box; DeepPicker first clears large connected regions (ice) and then
looks at the number of extreme pixels of each window.
"""

import dataclasses
import math
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxpick.numerics.components import component_areas, label_components
from jaxpick.numerics.peaks import refine_parabola
from jaxpick.picking.suppression import suppress_complete
from jaxpick.picking.window_picker import (
    Border,
    FoundWindows,
    Grid,
    ScoreMap,
    window_deviations,
    window_sums,
)
from jaxpick.spec import require
from jaxpick.typing import HostImage

# Lower than any score of a window, and still a number.
NOTHING = np.float32(-1e30)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoxDecodeSpec:
    """DeepEM's recognition: threshold, local maximum, standard deviation.

    Attributes:
        kind: picks are the boxes of the highest scores.
        threshold: score of a pick; training sets it to the best F2 of its validation set (0.84 on KLH).
        candidate_threshold: lowest score that is kept for later.
        step_px: working pixels from box to box; the network's own stride if None, at which a dense
            scan costs least (12 for the KLH network, where the paper's raster has 20).
        distance_diameters: least distance of two picks.
        deviation_range: standard deviations of a pick's box, in those of the micrograph (its working
            image has 1), that are accepted; all if None. Training sets it to that of the validation
            set's particles.
        border: boxes lie wholly in the micrograph, as in the paper, or reach over it into zeros.
        tile_px: larger working images are scored in tiles of this side.
    """

    kind: Literal["boxes"] = "boxes"
    threshold: float = 0.84
    candidate_threshold: float = 0.01
    step_px: int | None = None
    distance_diameters: float = 0.5
    deviation_range: tuple[float, float] | None = None
    border: Border = "unseen"
    tile_px: int = 2048

    def __post_init__(self) -> None:
        _check_thresholds(self.threshold, self.candidate_threshold)
        step, distance = self.step_px, self.distance_diameters
        require(step is None or step > 0, "step_px", step, "a positive number or null")
        require(0 < distance <= 2, "distance_diameters", distance, "above 0, at most 2")
        low, high = self.deviation_range or (0.0, 1.0)
        require(0 <= low < high, "deviation_range", self.deviation_range, "two rising numbers")

    def find(self, scores: ScoreMap, image: HostImage, grid: Grid) -> FoundWindows:
        """Return row, column and score of the candidates, best first."""
        distance = self.distance_diameters * grid.diameter_px / grid.step_px
        centre, place, score = _peaks(scores, distance, self.candidate_threshold, 3)
        keep = self._accepted(image, place, grid)
        return place_columns(centre, score.astype(np.float64), keep)

    def _accepted(
        self, image: HostImage, place: np.ndarray, grid: Grid
    ) -> Bool[np.ndarray, " pick"]:
        if self.deviation_range is None or not len(place):
            return np.ones(len(place), np.bool_)
        deviations = window_deviations(image, grid.window_px, grid.step_px)
        own = deviations[place[:, 0], place[:, 1]]
        low, high = self.deviation_range
        return (own >= low) & (own <= high)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegionDecodeSpec:
    """DeepPicker's steps 3 to 5: cleaning, filtering, sorting (section 4.5).

    Attributes:
        kind: picks are the peaks of what is left of the score map's regions.
        threshold: score of a pick.
        candidate_threshold: lowest score that is kept for later.
        step_px: working pixels from window to window.
        region_threshold: neighbouring positions with scores above it are one region (0.5 in the paper).
            Where many places of empty ice reach it, regions of single particles are large beside theirs
            and would be cleared, so that it goes with the threshold of picks.
        region_limit: regions whose area exceeds the mean area so many times are cleared, as ice; None
            clears none (the released Python program).
        peak_window: side of the window whose maximum is a pick, in sliding windows (0.6 in the
            program); two picks keep half of it.
        distance_diameters: least distance of two picks in place of that half.
        extreme_deviations: pixels so many standard deviations from the micrograph's mean are
            extreme; candidates whose number of them is as far from the candidates' mean are bad.
            None keeps all (the program).
        border: windows lie wholly in the micrograph, as in the paper, or reach over it into zeros.
        tile_px: larger working images are scored in tiles of this side.
    """

    kind: Literal["regions"] = "regions"
    threshold: float = 0.5
    candidate_threshold: float = 0.01
    step_px: int = 4
    region_threshold: float = 0.5
    region_limit: float | None = 4.0
    peak_window: float = 0.8
    distance_diameters: float | None = None
    extreme_deviations: float | None = 3.0
    border: Border = "unseen"
    tile_px: int = 1024

    def __post_init__(self) -> None:
        _check_thresholds(self.threshold, self.candidate_threshold)
        require(self.step_px > 0, "step_px", self.step_px, "a positive number")
        peak, distance = self.peak_window, self.distance_diameters
        require(0 < peak <= 2, "peak_window", peak, "above 0, at most 2")
        allowed = distance is None or 0 < distance <= 2
        require(allowed, "distance_diameters", distance, "above 0, at most 2")
        level = self.region_threshold
        require(0 < level < 1, "region_threshold", level, "above 0, below 1")
        for name in ("region_limit", "extreme_deviations"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "a positive number or null")

    def find(self, scores: ScoreMap, image: HostImage, grid: Grid) -> FoundWindows:
        """Return row, column and score of the candidates, best first.

        Args:
            scores: logits, whose order does not end where probabilities round to 1.
            image: working image.
            grid: of the windows.
        """
        cleaned = clear_regions(scores, self.region_limit, self.region_threshold)
        side = self.peak_window * grid.window_px / grid.step_px
        distance = 0.5 * side
        if self.distance_diameters is not None:
            distance = self.distance_diameters * grid.diameter_px / grid.step_px
        window = max(2 * math.floor(side / 2) + 1, 3)
        centre, place, logit = _peaks(cleaned, distance, _logit(self.candidate_threshold), window)
        score = 1 / (1 + np.exp(-logit.astype(np.float64)))
        keep = self._accepted(image, place, score >= self.threshold, grid)
        return place_columns(centre, score, keep)

    def _accepted(
        self, image: HostImage, place: np.ndarray, is_pick: np.ndarray, grid: Grid
    ) -> Bool[np.ndarray, " pick"]:
        if self.extreme_deviations is None or np.sum(is_pick) < 2:
            return np.ones(len(place), np.bool_)
        far = np.abs(image - image.mean()) > self.extreme_deviations * image.std()
        counts = window_sums(far.astype(np.float64), grid.window_px, grid.step_px)
        count = counts[place[:, 0], place[:, 1]]
        mean, deviation = count[is_pick].mean(), count[is_pick].std()
        return np.abs(count - mean) <= max(self.extreme_deviations * deviation, 1e-9)


def clear_regions(scores: ScoreMap, limit: float | None, threshold: float = 0.5) -> ScoreMap:
    """Return logits without the connected regions above a score that are `limit` times the mean area."""
    if limit is None:
        return scores
    labels, count = label_components(scores > _logit(threshold))
    areas = component_areas(labels, count)
    if not count:
        return scores
    is_ice = np.append(False, areas > limit * areas.mean())
    return np.where(is_ice[labels], NOTHING, scores)


def _logit(score: float) -> float:
    return math.log(score / (1 - score))


def place_columns(
    centre: Float[np.ndarray, "candidate 2"],
    score: Float[np.ndarray, " candidate"],
    keep: Bool[np.ndarray, " candidate"],
) -> FoundWindows:
    """Return row, column and score of what is kept."""
    rows = centre.astype(np.float64)[keep]
    return rows[:, 0], rows[:, 1], score[keep]


def _peaks(
    scores: ScoreMap, distance: float, threshold: float, window: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return peaks to a fraction of the grid, their places on it, and their scores."""
    if not scores.size:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.int64), np.zeros(0, np.float32)
    on_device = jnp.asarray(scores)
    centre, score = suppress_complete(on_device, distance, threshold, window_px=window)
    refined = np.asarray(refine_parabola(on_device, jnp.asarray(centre)))
    return refined, centre.astype(np.int64), score


def _check_thresholds(threshold: float, candidate_threshold: float) -> None:
    require(0 < threshold < 1, "threshold", threshold, "0 to 1")
    fits = 0 < candidate_threshold <= threshold
    require(fits, "candidate_threshold", candidate_threshold, "above 0, at most threshold")
