"""The U-Net picker: PARSED's idea (simulated micrographs alone) with a network that sees more and costs less.

One stage: a small U-Net draws the central discs of particles in simulated fields. It is the method behind the default
weights, and the shortest example of a method: a network in `models/` and this file.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp

from jaxpick.methods.labelled_examples import Data
from jaxpick.methods.segmentation import Logits, segmentation_picker, segmentation_stage
from jaxpick.methods.simulated_examples import FieldSpec
from jaxpick.models.unet import UNet
from jaxpick.picking.dense import DecodeSpec, DensePicker
from jaxpick.picking.noise import with_noise
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.simulate.targets import TargetSpec
from jaxpick.spec import require
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.stage import Stage, StageSpec
from jaxpick.typing import Images, RandomKey

NAME = "unet"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """Settings of the U-Net picker.

    Attributes:
        widths: filters at 1/2, 1/4, 1/8, 1/16 of the working resolution.
        working: preprocessing.
        field: simulated micrographs.
        target: the map to be drawn.
        segmenter: the only stage.
        decode: score map to picks.
        noise_fields: fields of noise that a trained picker is tried on, so that its scores can be discounted by
            what noise gives (`picking.discount`); 0 for no discount.
    """

    widths: tuple[int, ...] = (32, 48, 64, 64)
    working: WorkingSpec = WorkingSpec()
    field: FieldSpec = FieldSpec()
    target: TargetSpec = TargetSpec()
    segmenter: StageSpec = StageSpec(
        steps=6000,
        batch_size=8,
        optimizer=OptimizerSpec(
            kind="adamw",
            learning_rate=3e-3,
            schedule="warmup_cosine",
            warmup_steps=200,
            final_fraction=0.02,
            clip_norm=1.0,
            average_decay=0.998,
        ),
    )
    decode: DecodeSpec = DecodeSpec()
    noise_fields: int = 24

    def __post_init__(self) -> None:
        require(self.noise_fields >= 0, "noise_fields", self.noise_fields, "0 or more")


def training_stages(spec: Spec, bank: Data) -> tuple[Stage, ...]:
    """Return the one stage."""
    network = UNet(widths=spec.widths)
    side = 4 * network.stride_multiple

    def init(key: RandomKey, previous: Any) -> Any:
        return network.init(key, jnp.zeros((1, side, side, 1)))["params"]

    stage = segmentation_stage(
        name="segmenter",
        init=init,
        logits=_logits(spec),
        bank=bank,
        field=spec.field,
        target=spec.target,
        working=spec.working,
        settings=spec.segmenter,
    )
    return (stage,)


def calibrate(spec: Spec, params: Any, stage: Stage, seed: int) -> Spec:
    """Return the settings with the peaks that noise gives with trained parameters."""
    if not spec.noise_fields:
        return spec
    return with_noise(spec, make_picker(spec, params, diameter_angstrom=200.0), seed)


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: DecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> DensePicker:
    """Return the picker that scores whole micrographs with trained parameters."""
    network = UNet(widths=spec.widths)
    return segmentation_picker(
        name=NAME,
        logits=_logits(spec),
        params=params,
        reach_px=network.reach_px,
        stride_multiple=network.stride_multiple,
        working=spec.working,
        decode=decode or spec.decode,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )


def _logits(spec: Spec) -> Logits:
    network = UNet(widths=spec.widths)

    def logits(params: Any, images: Images) -> Images:
        return jnp.asarray(network.apply({"params": params}, images[..., None]))[..., 0]

    return logits
