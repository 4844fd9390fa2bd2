"""PARSED: a segmenter trained on simulated micrographs alone (Yao, Qian and Huang 2020, Bioinformatics 36:1252).

In the order of the paper: the networks (Table S2), micrographs normalised at 15 angstrom per pixel (Note S3), the two
stages of training of Fig. S1 (a particle / non-particle classifier whose convolutions initialise the segmenter, then
the segmenter on simulated micrographs and their segmentation maps), the blobs of the segmentation with their mass, and
the mass cut between the two peaks of a data set's histogram (Fig. S4).

Training fields are simulated at 15 angstrom per pixel and normalised by Note S3 as micrographs are. One network then
serves particles near 200 angstrom. With `working.kind=scaled` (conf/method/parsed_scaled.yaml) the working pixel
follows the diameter that the user gives; with `decode.kind=peaks` picks are peaks with scores from 0 to 1. So do the
weights that ship (conf/experiment/train/parsed_shipped.yaml); those of the paper are `weights=parsed_paper`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxpick.losses import softmax_cross_entropy
from jaxpick.methods.labelled_examples import Data, patch_sources
from jaxpick.methods.segmentation import Logits, segmentation_picker, segmentation_stage
from jaxpick.methods.simulated_examples import (
    TRAINING_PRIORS,
    FieldSpec,
    patch_example,
)
from jaxpick.models.parsed import (
    STRIDE_MULTIPLE,
    ParsedClassifier,
    ParsedSegmenter,
    initialise_segmenter,
    receptive_field_px,
)
from jaxpick.picking.blob_picker import BlobDecodeSpec, BlobPicker
from jaxpick.picking.dense import DecodeSpec, DensePicker
from jaxpick.picking.noise import with_noise
from jaxpick.preprocess.parsed import ParsedPreprocessSpec
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.priors import PixelAngstrom
from jaxpick.simulate.targets import TargetSpec
from jaxpick.spec import require
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.stage import Stage, StageSpec
from jaxpick.typing import Images, RandomKey

NAME = "parsed"

# Note S1: complexes above 200 kDa; Note S3: 15 angstrom per pixel.
PAPER_PRIORS = dataclasses.replace(
    TRAINING_PRIORS,
    pixel=PixelAngstrom(pixel_angstrom=(15.0, 15.0)),
    scene=dataclasses.replace(TRAINING_PRIORS.scene, target_mass_kda=(200.0, 1e6)),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """PARSED's settings: Table S2, Fig. S1, Note S3 and what the text leaves open.

    Attributes:
        width: filters of every layer (32 in Table S2).
        head_kernel_px: side of the last kernel, see `ParsedSegmenter`.
        working: preprocessing; the priors' pixel must go with it.
        field: simulated micrographs of the segmenter.
        target: the segmentation map to be drawn.
        patch_px: side of the classifier's patches, a multiple of 4; 480 angstrom at 15.
        patches_per_field: patches taken from each simulated field, half of them particles.
        patch_field: simulated micrographs of the classifier.
        classifier: first stage.
        segmenter: second stage.
        decode: segmentation map to picks.
        noise_fields: fields of noise that a trained picker of peaks is tried on, so that its scores can be
            discounted by what noise gives (`picking.discount`; not the paper's); 0 for no discount.
    """

    width: int = 32
    head_kernel_px: int = 1
    working: ParsedPreprocessSpec | WorkingSpec = ParsedPreprocessSpec()
    field: FieldSpec = FieldSpec(priors=PAPER_PRIORS, max_particles=256)
    target: TargetSpec = TargetSpec(kind="mass")
    patch_px: int = 32
    patches_per_field: int = 16
    patch_field: FieldSpec = FieldSpec(
        priors=PAPER_PRIORS, field_px=128, max_particles=120, max_distractors=24
    )
    classifier: StageSpec = StageSpec(
        steps=1500,
        batch_size=8,
        optimizer=OptimizerSpec(kind="adamw", learning_rate=1e-3, schedule="warmup_cosine"),
    )
    segmenter: StageSpec = StageSpec(
        steps=6000,
        batch_size=8,
        optimizer=OptimizerSpec(
            kind="adamw",
            learning_rate=2e-3,
            schedule="warmup_cosine",
            warmup_steps=200,
            final_fraction=0.02,
            clip_norm=1.0,
            average_decay=0.998,
        ),
    )
    # Table S7: 100 angstrom for beta-galactosidase, which is 175 to 190 long.
    decode: BlobDecodeSpec | DecodeSpec = BlobDecodeSpec(aperture_diameters=0.55)
    noise_fields: int = 0

    def __post_init__(self) -> None:
        """Refuse fields simulated at another pixel than the working images'."""
        side = self.patch_px
        require(side >= 8 and side % 4 == 0, "patch_px", side, "a multiple of 4 from 8")
        even = self.patches_per_field >= 2 and self.patches_per_field % 2 == 0
        require(even, "patches_per_field", self.patches_per_field, "an even number from 2")
        fields, kind = self.noise_fields, self.decode.kind
        require(fields >= 0, "noise_fields", fields, "0 or more")
        require(not fields or kind == "peaks", "noise_fields", fields, "0, as picks are no peaks")
        for name in ("field", "patch_field"):
            pixel = getattr(self, name).priors.pixel
            if isinstance(self.working, WorkingSpec):
                path, fits = f"{name}.priors.pixel.kind", pixel.kind == "diameter_px"
                require(fits, path, pixel.kind, "diameter_px, as working.kind is scaled")
                continue
            low, high = pixel.pixel_angstrom if isinstance(pixel, PixelAngstrom) else (0.0, 0.0)
            wanted = self.working.working_pixel_angstrom
            expected = f"angstrom at the working pixel {wanted:g}"
            require(low <= wanted <= high, f"{name}.priors.pixel", pixel, expected)


def training_stages(spec: Spec, bank: Data) -> tuple[Stage, ...]:
    """Return the two stages of Fig. S1."""
    return classifier_stage(spec, bank), segmenter_stage(spec, bank)


def classifier_stage(spec: Spec, bank: Data) -> Stage:
    """Return the particle / non-particle classifier (Fig. S2): cross-entropy on patches."""
    network = ParsedClassifier(width=spec.width)

    def init(key: RandomKey, previous: Any) -> Any:
        return network.init(key, jnp.zeros((1, spec.patch_px, spec.patch_px, 1)))["params"]

    def draw(key: RandomKey, shared: Bank) -> dict[str, Array]:
        return patch_example(
            key,
            shared,
            spec.patch_field,
            spec.target,
            spec.working,
            spec.patch_px,
            spec.patches_per_field,
        )

    def loss(params: Any, batch: Mapping[str, Array], keys: Any) -> tuple[Array, dict[str, Any]]:
        count, patches = batch["image"].shape[:2]
        images = batch["image"].reshape(count * patches, spec.patch_px, spec.patch_px, 1)
        logits = jnp.asarray(network.apply({"params": params}, images))
        logits = logits.reshape(count, patches, 2)
        losses = softmax_cross_entropy(logits, batch["label"])
        right = (jnp.argmax(logits, axis=-1) == batch["label"]).astype(jnp.float32)
        weight = batch["weight"]
        per_field = jnp.sum(losses * weight, axis=1) / jnp.maximum(jnp.sum(weight, axis=1), 1.0)
        return per_field, {"accuracy": (jnp.sum(right * weight, axis=1), jnp.sum(weight, axis=1))}

    examples, validation = patch_sources(bank, draw, spec.patch_px, spec.patches_per_field)
    return Stage(
        name="classifier",
        init=init,
        examples=examples,
        loss=loss,
        settings=spec.classifier,
        validation=validation,
    )


def segmenter_stage(spec: Spec, bank: Data) -> Stage:
    """Return the segmenter, whose trunk starts from the classifier's: cross-entropy of every pixel."""
    network = _segmenter(spec)

    def init(key: RandomKey, previous: Any) -> Any:
        params = network.init(key, jnp.zeros((1, 64, 64, 1)))["params"]
        return params if previous is None else initialise_segmenter(previous, params)

    return segmentation_stage(
        name="segmenter",
        init=init,
        logits=_logits(spec),
        bank=bank,
        field=spec.field,
        target=spec.target,
        working=spec.working,
        settings=spec.segmenter,
    )


def calibrate(spec: Spec, params: Any, stage: Stage, seed: int) -> Spec:
    """Return the settings with the peaks that noise gives with trained parameters, if they are wanted."""
    if not spec.noise_fields:
        return spec
    picker = make_picker(spec, params, diameter_angstrom=200.0)
    assert isinstance(picker, DensePicker)  # as settings with other picks have no fields of noise
    return with_noise(spec, picker, seed)


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: BlobDecodeSpec | DecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> BlobPicker | DensePicker:
    """Return the picker that segments whole micrographs with a trained segmenter.

    Args:
        spec: settings that the parameters were trained with.
        params: of the segmenter.
        diameter_angstrom: of the particle: the aperture.
        decode: in place of the settings' own.
        margin_angstrom: no picks this close to the border.
    """
    decode = decode or spec.decode
    reach_px = receptive_field_px(spec.head_kernel_px)
    if isinstance(decode, BlobDecodeSpec):
        return BlobPicker(
            name=NAME,
            score=_probability(spec, params),
            reach_px=reach_px,
            stride_multiple=STRIDE_MULTIPLE,
            working=spec.working,
            decode=decode,
            diameter_angstrom=diameter_angstrom,
            margin_angstrom=margin_angstrom,
        )
    return segmentation_picker(
        name=NAME,
        logits=_logits(spec),
        params=params,
        reach_px=reach_px,
        stride_multiple=STRIDE_MULTIPLE,
        working=spec.working,
        decode=decode,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )


def _probability(spec: Spec, params: Any) -> Callable[[Images], Images]:
    """Return the softmax probability of "particle" as a jitted function of working images."""
    logits, params = _logits(spec), jax.tree.map(jnp.asarray, params)
    return jax.jit(lambda images: jax.nn.sigmoid(logits(params, images)))


def _segmenter(spec: Spec) -> ParsedSegmenter:
    return ParsedSegmenter(width=spec.width, head_kernel_px=spec.head_kernel_px)


def _logits(spec: Spec) -> Logits:
    """Two softmax channels hold one free logit: particle minus background."""
    network = _segmenter(spec)

    def logits(params: Any, images: Images) -> Images:
        both = jnp.asarray(network.apply({"params": params}, images[..., None]))
        return both[..., 1] - both[..., 0]

    return logits
