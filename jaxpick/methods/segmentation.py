"""What all segmenters trained on simulated fields share: one stage of training and one picker."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.losses import sigmoid_cross_entropy, weighted_mean
from jaxpick.methods.labelled_examples import Data, field_sources
from jaxpick.methods.simulated_examples import (
    FieldSpec,
    draw_field,
    segmentation_example,
)
from jaxpick.picking.dense import DecodeSpec, DensePicker
from jaxpick.preprocess.prepare import PreprocessSpec
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.targets import TargetSpec
from jaxpick.train.stage import Stage, StageSpec
from jaxpick.typing import Images, RandomKey

Logits = Callable[[Any, Images], Images]


def segmentation_stage(
    name: str,
    init: Callable[..., Any],
    logits: Logits,
    bank: Data,
    field: FieldSpec,
    target: TargetSpec,
    working: PreprocessSpec,
    settings: StageSpec,
) -> Stage:
    """Return a stage that trains `logits(params, images)` to draw the target of simulated fields.

    Args:
        name: of the stage.
        init: `(key, previous parameters or None) -> parameters`.
        logits: particle logits of each pixel.
        bank: species to draw from, or labelled micrographs to learn from.
        field: the simulated fields.
        target: the map to be drawn.
        working: preprocessing.
        settings: steps, batch and optimizer.
    """

    def draw(key: RandomKey, shared: Bank) -> dict[str, Array]:
        return segmentation_example(draw_field(key, shared, field), target, working)

    def loss(params: Any, batch: Mapping[str, Array], keys: Any) -> tuple[Array, dict[str, Any]]:
        return segmentation_loss(logits(params, batch["image"]), batch["target"], batch["weight"])

    examples, validation = field_sources(bank, draw, field, target)
    return Stage(
        name=name,
        init=init,
        examples=examples,
        loss=loss,
        settings=settings,
        validation=validation,
    )


def segmentation_loss(
    logits: Float[Array, "batch y x"],
    target: Float[Array, "batch y x"],
    weight: Float[Array, "batch y x"],
) -> tuple[Float[Array, " batch"], dict[str, Any]]:
    """Return the mean cross-entropy of each field, and accuracy, precision and recall of its pixels at 0.5."""
    losses = weighted_mean(sigmoid_cross_entropy(logits, target), weight)
    drawn = (logits > 0).astype(jnp.float32)
    hit = jnp.sum(drawn * target * weight, axis=(1, 2))
    right = jnp.sum((drawn == target) * weight, axis=(1, 2))
    return losses, {
        "accuracy": (right, jnp.sum(weight, axis=(1, 2))),
        "precision": (hit, jnp.sum(drawn * weight, axis=(1, 2))),
        "recall": (hit, jnp.sum(target * weight, axis=(1, 2))),
    }


def segmentation_picker(
    name: str,
    logits: Logits,
    params: Any,
    reach_px: int,
    stride_multiple: int,
    working: PreprocessSpec,
    decode: DecodeSpec,
    diameter_angstrom: float,
    margin_angstrom: float = 0.0,
) -> DensePicker:
    """Return the picker that scores whole micrographs with a trained segmenter."""
    params = jax.tree.map(jnp.asarray, params)

    @jax.jit
    def score(images: Images) -> Images:
        return jax.nn.sigmoid(logits(params, images))

    return DensePicker(
        name=name,
        score=score,
        reach_px=reach_px,
        stride_multiple=stride_multiple,
        working=working,
        decode=decode,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )
