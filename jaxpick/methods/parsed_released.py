"""PARSED as its authors released it: another network and another order of steps than the paper's supplement.

Fudan-HQLab/PARSED (`parsed_main.py`, `mic_preprocess.py`, `particle_mass.py`, `pre_train_model.h5`): 9 x 9 kernels, no
pooling and one output of any height instead of Table S2's softmax; micrographs normalised by their central half; dust
blanked in the image that the network sees; the map divided by mean + 3 standard deviations of what is positive,
up-sampled twice, and searched for blobs. Weights come from `experiments.import_weights`.

The authors trained on simulated micrographs with a squared error and Adagrad, as the file of weights records; their
simulator and the shape of their maps were not released. `training_stages` does the same with the simulator here.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxpick.losses import squared_error, weighted_mean
from jaxpick.methods.labelled_examples import Data, field_sources
from jaxpick.methods.parsed import PAPER_PRIORS
from jaxpick.methods.simulated_examples import (
    FieldSpec,
    draw_field,
    segmentation_example,
)
from jaxpick.models.parsed import ParsedReleased, released_receptive_field_px
from jaxpick.picking.blob_picker import BlobDecodeSpec, BlobPicker
from jaxpick.preprocess.parsed import ParsedPreprocessSpec
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.targets import TargetSpec
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.stage import Stage, StageSpec
from jaxpick.typing import Images, RandomKey

NAME = "parsed_released"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """The released program's settings.

    Attributes:
        width: filters of every layer.
        working: preprocessing.
        field: simulated micrographs, of the side that the file of weights records.
        target: the segmentation map to be drawn.
        segmenter: the only stage; Adagrad as recorded, its learning rate Keras's default.
        decode: segmentation map to picks, with the program's defaults.
    """

    width: int = 32
    working: ParsedPreprocessSpec = ParsedPreprocessSpec(variant="released")
    field: FieldSpec = FieldSpec(priors=PAPER_PRIORS, field_px=192, max_particles=256)
    target: TargetSpec = TargetSpec(kind="mass")
    segmenter: StageSpec = StageSpec(
        steps=6000,
        batch_size=8,
        optimizer=OptimizerSpec(kind="adagrad", learning_rate=1e-2),
    )
    decode: BlobDecodeSpec = BlobDecodeSpec(enhance=True, mask_input=True)


def training_stages(spec: Spec, bank: Data) -> tuple[Stage, ...]:
    """Return the one stage: the squared error of the segmentation map."""
    segment = _segment(spec)

    def init(key: RandomKey, previous: Any) -> Any:
        image = jnp.zeros((1, 32, 32, 1))
        return ParsedReleased(width=spec.width).init(key, image, image)["params"]

    def draw(key: RandomKey, shared: Bank) -> dict[str, Array]:
        simulated = draw_field(key, shared, spec.field)
        return segmentation_example(simulated, spec.target, spec.working)

    def loss(params: Any, batch: Mapping[str, Array], keys: Any) -> tuple[Array, dict[str, Any]]:
        errors = squared_error(segment(params, batch["image"]), batch["target"])
        return weighted_mean(errors, batch["weight"]), {}

    examples, validation = field_sources(bank, draw, spec.field, spec.target)
    stage = Stage(
        name="segmenter",
        init=init,
        examples=examples,
        loss=loss,
        settings=spec.segmenter,
        validation=validation,
    )
    return (stage,)


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: BlobDecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> BlobPicker:
    """Return the picker that runs the released program's steps.

    Args:
        spec: settings.
        params: of `ParsedReleased`.
        diameter_angstrom: of the particle: the program's `--aperture`.
        decode: in place of the settings' own.
        margin_angstrom: no picks this close to the border; `decode.edge_cut_angstrom` is the program's `--edge_cut`.
    """
    segment, params = _segment(spec), jax.tree.map(jnp.asarray, params)
    return BlobPicker(
        name=NAME,
        score=jax.jit(lambda images: segment(params, images)),
        reach_px=released_receptive_field_px(),
        stride_multiple=1,
        working=spec.working,
        decode=decode or spec.decode,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )


def _segment(spec: Spec) -> Any:
    """Return the network as a function of (parameters, images); the mask only multiplies its output."""
    network = ParsedReleased(width=spec.width)

    def segment(params: Any, images: Images) -> Images:
        whole = jnp.ones((*images.shape, 1), images.dtype)
        return jnp.asarray(network.apply({"params": params}, images[..., None], whole))[..., 0]

    return segment
