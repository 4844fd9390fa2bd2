"""Boxes as picks: a detector predicts one box a cell, the confident ones suppress those that overlap them.

The score is the confidence, the size of a pick the mean side of its own box. Boxes of all confidences down to a low
limit are kept as candidates, as crYOLO's `.cbox` files keep them.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxpick.numerics.boxes import greedy_by_overlap
from jaxpick.picking.method_picker import Found, MethodPicker
from jaxpick.picking.tiles import pad_to_step
from jaxpick.preprocess.prepare import PreprocessSpec
from jaxpick.preprocess.working import WorkingImage
from jaxpick.spec import require

# Images (batch, y, x) -> boxes (batch, cell y, cell x, 4) in pixels and confidences.
Detect: TypeAlias = Callable[..., tuple[Array, Array]]
HostBoxes: TypeAlias = Float[np.ndarray, "box 4"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoxDecodeSpec:
    """How predicted boxes become picks.

    Attributes:
        kind: picks are boxes.
        threshold: confidence of a pick.
        candidate_threshold: lowest confidence that is kept for later.
        overlap_limit: a box that overlaps a better one more than this (intersection over union) is
            dropped; crYOLO's own value is not told, this is YOLOv2's.
        least_diameters: smaller boxes are dropped, in diameters given by the user; None keeps all
            (crYOLO's `--minsize`).
        largest_diameters: larger ones likewise (`--maxsize`).
    """

    kind: Literal["boxes"] = "boxes"
    threshold: float = 0.3
    candidate_threshold: float = 0.01
    overlap_limit: float = 0.3
    least_diameters: float | None = None
    largest_diameters: float | None = None

    def __post_init__(self) -> None:
        threshold, candidate = self.threshold, self.candidate_threshold
        require(0 < threshold < 1, "threshold", threshold, "0 to 1")
        fits = 0 < candidate <= threshold
        require(fits, "candidate_threshold", candidate, "above 0, at most threshold")
        require(0 <= self.overlap_limit <= 1, "overlap_limit", self.overlap_limit, "0 to 1")
        least, largest = self.least_diameters, self.largest_diameters
        require(least is None or least > 0, "least_diameters", least, "above 0, or null")
        fits = largest is None or largest > (least or 0.0)
        require(fits, "largest_diameters", largest, f"above {least or 0:g}, or null")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoxPicker(MethodPicker):
    """A picker made of a jitted detector; the diameter is the side of the boxes written.

    Attributes:
        detect: working images -> boxes in working pixels and confidences of each cell, jitted.
    """

    working: PreprocessSpec
    decode: BoxDecodeSpec
    detect: Detect

    def find(self, working: WorkingImage) -> Found:
        """Return the boxes that no better one overlaps.

        Beyond the border the network sees the image's mean, 0. `diameter_angstrom` is the mean side
        of each box, the extra columns `box_width_px` and `box_height_px` the box that users cut.
        """
        image = pad_to_step(np.asarray(working.image))
        boxes, confidence = (np.asarray(part)[0] for part in self.detect(jnp.asarray(image)[None]))
        boxes, score = boxes.reshape(-1, 4), confidence.ravel()
        kept = (score >= self.decode.candidate_threshold) & self._has_size(boxes, working)
        kept &= np.all(boxes[:, :2] < np.array(working.image.shape) - 0.5, axis=1)
        found, score = suppress_boxes(boxes[kept], score[kept], self.decode.overlap_limit)
        own_px = working.micrograph_pixel_size_angstrom
        box = np.full(len(score), self.diameter_angstrom / own_px)
        extra = {"box_width_px": box, "box_height_px": box.copy()}
        y, x = found[:, :2].T.astype(np.float64)
        return Found(y, x, score, _diameters_px(found, working) * own_px, extra)

    def _has_size(self, boxes: HostBoxes, working: WorkingImage) -> Bool[np.ndarray, " box"]:
        own_px = working.micrograph_pixel_size_angstrom
        diameters = _diameters_px(boxes, working) * own_px / self.diameter_angstrom
        least, largest = self.decode.least_diameters, self.decode.largest_diameters
        return (diameters >= (least or 0.0)) & (diameters <= (largest or np.inf))


def suppress_boxes(
    boxes: HostBoxes, score: Float[np.ndarray, " box"], overlap_limit: float
) -> tuple[Float[np.ndarray, "kept 4"], Float[np.ndarray, " kept"]]:
    """Return the boxes that no better one overlaps more than the limit, best first, and their scores."""
    order = np.argsort(-score, kind="stable")
    boxes, score = boxes[order], score[order]
    if not len(boxes):
        return boxes, score
    room = -len(boxes) % 1024  # so that few programs are compiled
    padded = jnp.asarray(np.pad(boxes, ((0, room), (0, 0))))
    valid = jnp.arange(len(boxes) + room) < len(boxes)
    kept = np.asarray(_greedy(padded, valid, overlap_limit))[: len(boxes)]
    return boxes[kept], score[kept]


_greedy = jax.jit(greedy_by_overlap)


def _diameters_px(boxes: HostBoxes, working: WorkingImage) -> Float[np.ndarray, " box"]:
    """Return the mean side of each box in micrograph pixels."""
    way = working.coordinates
    sides = boxes[:, 2:].astype(np.float64) * np.array([[way.scale_y, way.scale_x]])
    return sides.mean(axis=1)
