"""What box detectors share: YOLOv2's objective and a stage of training.

Redmon and Farhadi (2017), YOLO9000, with the coefficients of crYOLO's documentation. In a cell that a particle's centre
lies in, centre, size and confidence are wanted, the latter to be the overlap (intersection over union) of the predicted
box with the true one; in all others a confidence of 0, but where the predicted box overlaps some particle well. Squared
errors, each a half and over the number of its cells; lengths in cells.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxpick.losses import softmax_cross_entropy, squared_error
from jaxpick.models.cryolo import DetectionNetwork
from jaxpick.numerics.boxes import (
    boxes_of_cells,
    boxes_of_maps,
    cell_centres,
    intersection_over_union,
)
from jaxpick.spec import require
from jaxpick.train.stage import STATISTICS, Stage, StageSpec
from jaxpick.typing import Scalar

Maps: TypeAlias = Float[Array, "cell_y cell_x map"]
CellMask: TypeAlias = Bool[Array, "cell_y cell_x"]
PICKED = 0.3  # confidence that counts as found in the figures


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveSpec:
    """Weights of the objective's parts.

    Attributes:
        object_scale: of the confidence where a particle is: missing particles.
        no_object_scale: of the confidence where none is: picking background.
        coordinate_scale: of centres and sizes.
        class_scale: of the class; the cross-entropy of one class alone is 0.
        no_object_overlap: background is not punished where the box overlaps a particle by this.
    """

    object_scale: float = 5.0
    no_object_scale: float = 1.0
    coordinate_scale: float = 1.0
    class_scale: float = 1.0
    no_object_overlap: float = 0.6

    def __post_init__(self) -> None:
        for name in ("object_scale", "no_object_scale", "coordinate_scale", "class_scale"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or above")
        limit = self.no_object_overlap
        require(0 < limit <= 1, "no_object_overlap", limit, "above 0, at most 1")


def detection_loss(
    maps: Maps,
    example: Mapping[str, Array],
    anchor_px: Scalar,
    stride_px: int,
    spec: ObjectiveSpec,
    is_warm_up: bool = False,
) -> tuple[dict[str, Float[Array, ""]], dict[str, tuple[Array, Array]]]:
    """Return the parts of one example's loss (their sum is the loss) and figures.

    Confidences are not pulled towards their own overlap's gradient: the overlap is a constant, as in YOLOv2.

    Args:
        maps: of the network, before their activations.
        example: see `jaxpick.methods.box_examples`.
        anchor_px: side of the anchor.
        stride_px: side of a cell.
        spec: weights.
        is_warm_up: cells without a particle are pulled to their middle and to the anchor's size.
    """
    shape = (maps.shape[0], maps.shape[1])
    truth, has = boxes_of_cells(example["boxes"], example["wanted"], shape, stride_px)
    judged, near = _judged_cells(example, shape, stride_px)
    has &= judged
    predicted = boxes_of_maps(maps, stride_px, anchor_px)
    overlap = jax.lax.stop_gradient(intersection_over_union(predicted, truth))
    confidence = jax.nn.sigmoid(maps[..., 4])
    is_background = judged & ~has & ~near
    is_background &= _best_overlap(predicted, example) < spec.no_object_overlap

    located = judged if is_warm_up else has
    anchor = jnp.broadcast_to(jnp.asarray(anchor_px, jnp.float32), (*shape, 2))
    resting = jnp.concatenate([cell_centres(shape, stride_px), anchor], axis=-1)
    errors = squared_error(predicted, jnp.where(has[..., None], truth, resting)) / stride_px**2
    scales = spec.object_scale * has + spec.no_object_scale * is_background
    missed = squared_error(confidence, jnp.where(has, overlap, 0.0))
    labels = jnp.zeros(shape, jnp.int32)
    parts = {
        "centre": 0.5 * spec.coordinate_scale * _mean(jnp.sum(errors[..., :2], -1), located),
        "size": 0.5 * spec.coordinate_scale * _mean(jnp.sum(errors[..., 2:], -1), located),
        "confidence": 0.5 * _mean(scales * missed, has | is_background),
        "class": spec.class_scale * _mean(softmax_cross_entropy(maps[..., 5:], labels), has),
    }
    return parts, _figures(confidence, overlap, has, is_background)


def detection_stage(
    name: str,
    network: DetectionNetwork,
    init: Callable[..., Any],
    sources: tuple[Any, Any],
    objective: ObjectiveSpec,
    settings: StageSpec,
    is_warm_up: bool = False,
) -> Stage:
    """Return a stage that trains a network to box particles.

    Args:
        name: of the stage.
        network: which one.
        init: `(key, previous parameters or None) -> parameters`.
        sources: of training and of validation examples.
        objective: weights of its parts.
        settings: steps, batch and optimizer.
        is_warm_up: see `detection_loss`; validation is the same without.
    """

    def judge(
        params: Any, batch: Mapping[str, Array], maps: Array, warm_up: bool
    ) -> tuple[Array, dict[str, Any]]:
        # Fixed: its gradient would count in the norm that gradients are clipped by.
        anchor_px = jax.lax.stop_gradient(params[STATISTICS]["anchor_px"])

        def one(maps: Maps, example: Mapping[str, Array]) -> Any:
            return detection_loss(maps, example, anchor_px, network.stride, objective, warm_up)

        parts, figures = jax.vmap(one)(maps.astype(jnp.float32), batch)
        return sum(parts.values(), jnp.zeros(maps.shape[0])), {**parts, **figures}

    def loss(params: Any, batch: Mapping[str, Array], keys: Any) -> tuple[Any, ...]:
        images = batch["image"][..., None]
        maps, new = network.apply(params, images, keys, mutable=[STATISTICS])
        return *judge(params, batch, jnp.asarray(maps), is_warm_up), new[STATISTICS]

    def validation_loss(params: Any, batch: Mapping[str, Array], keys: Any) -> tuple[Any, ...]:
        maps = network.apply(params, batch["image"][..., None])
        return judge(params, batch, jnp.asarray(maps), False)

    return Stage(
        name=name,
        init=init,
        examples=sources[0],
        loss=loss,
        validation_loss=validation_loss,
        settings=settings,
        validation=sources[1],
    )


def _judged_cells(
    example: Mapping[str, Array], shape: tuple[int, int], stride_px: int
) -> tuple[CellMask, CellMask]:
    """Return the cells whose middle is usable, and those near the middle of an ignored particle."""
    middle = cell_centres(shape, stride_px)
    usable, boxes = example["usable"], example["boxes"]
    offset = jnp.abs(middle - usable[None, None, :2])
    judged = jnp.all(offset <= 0.5 * usable[None, None, 2:], axis=-1)
    reach = jnp.maximum(0.25 * boxes[:, 2:], 0.5 * stride_px)
    away = jnp.abs(middle[:, :, None, :] - boxes[None, None, :, :2])
    close = jnp.all(away <= reach[None, None, :, :], axis=-1)
    return judged, jnp.any(close & example["ignored"][None, None, :], axis=-1)


def _best_overlap(
    predicted: Float[Array, "cell_y cell_x 4"], example: Mapping[str, Array]
) -> Float[Array, "cell_y cell_x"]:
    """Return the best overlap of each cell's box with any particle, judged or not."""
    boxes = example["boxes"][None, None, :, :]
    overlap = intersection_over_union(predicted[:, :, None, :], boxes)
    is_particle = example["wanted"] | example["ignored"]
    best = jnp.max(jnp.where(is_particle[None, None, :], overlap, 0.0), axis=-1)
    return jax.lax.stop_gradient(best)


def _mean(values: Float[Array, "cell_y cell_x"], mask: CellMask) -> Float[Array, ""]:
    return jnp.sum(values * mask) / jnp.maximum(jnp.sum(mask), 1)


def _figures(
    confidence: Float[Array, "cell_y cell_x"],
    overlap: Float[Array, "cell_y cell_x"],
    has: CellMask,
    is_background: CellMask,
) -> dict[str, tuple[Array, Array]]:
    """Return recall, precision and mean overlap of cells as (sum, weight)."""
    picked = confidence >= PICKED
    hits, count = jnp.sum(picked & has), jnp.sum(has)
    return {
        "recall": (hits, count),
        "precision": (hits, hits + jnp.sum(picked & is_background)),
        "overlap": (jnp.sum(overlap * has), count),
    }
