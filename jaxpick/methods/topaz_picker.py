"""Topaz's extraction: the logit of every working pixel, and greedy picks from the highest down.

Bepler et al. (2019), Nature Methods 16:1153; topaz-em 0.3 (`topaz extract`). The best pixel left is a pick and
takes a disc about it, until none is above the lowest score that is kept. Every pixel may become a pick, a local
maximum or not. Unlike Topaz's, a disc over the right border takes nothing at the left one.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float

from jaxpick.picking.method_picker import Found, MethodPicker
from jaxpick.picking.suppression import suppress_exact
from jaxpick.picking.tiles import score_padded
from jaxpick.preprocess.prepare import PreprocessSpec
from jaxpick.preprocess.working import WorkingImage
from jaxpick.spec import require
from jaxpick.typing import Images


@dataclasses.dataclass(frozen=True, kw_only=True)
class TopazDecodeSpec:
    """How a map of logits becomes picks.

    Attributes:
        kind: Topaz's.
        threshold: log odds of a pick; 0 is even odds.
        candidate_threshold: lowest log odds that are kept for later (`topaz extract -t`).
        distance_diameters: radius of the disc that a pick takes (`-r`), in particle diameters; RELION's is half of one.
        tile_px: larger working images are scored in tiles of this side.
    """

    kind: Literal["topaz"] = "topaz"
    threshold: float = 0.0
    candidate_threshold: float = -6.0
    distance_diameters: float = 0.5
    tile_px: int = 768

    def __post_init__(self) -> None:
        lowest, distance = self.candidate_threshold, self.distance_diameters
        require(lowest <= self.threshold, "candidate_threshold", lowest, "at most threshold")
        require(0 < distance <= 2, "distance_diameters", distance, "above 0, at most 2")
        require(self.tile_px >= 64, "tile_px", self.tile_px, "64 or more")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TopazPicker(MethodPicker):
    """A picker made of a jitted network.

    Attributes:
        score: working images (batch, y, x) -> logits of the same shape, zeros beyond, jitted.
        reach_px: how far from a pixel an input moves its score.
        stride_multiple: total stride of the network.
    """

    working: PreprocessSpec
    decode: TopazDecodeSpec
    score: Callable[[Images], Images]
    reach_px: int
    stride_multiple: int

    def score_map(self, image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
        """Score every pixel of a working image; beyond its border the network sees the background's mean, 0."""
        tile = self.decode.tile_px
        return score_padded(self.score, image, tile, self.reach_px, self.stride_multiple)

    def find(self, working: WorkingImage) -> Found:
        """Return the highest pixels, each with its disc taken from those below."""
        distance_angstrom = self.decode.distance_diameters * self.diameter_angstrom
        radius_px = distance_angstrom / working.pixel_size_angstrom
        score_map = self.score_map(np.asarray(working.image))
        lowest = self.decode.candidate_threshold
        centre_yx, score = suppress_exact(score_map, radius_px, lowest, window_px=1)
        y, x = centre_yx.astype(np.float64).T
        return Found(y, x, score)
