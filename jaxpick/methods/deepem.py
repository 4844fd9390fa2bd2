"""DeepEM: a small convolutional network scores boxes (Zhu, Ouyang and Mao 2017, BMC Bioinformatics 18:348).

In the order of the paper: the network for a box (Table 1), training on particle and non-particle
boxes turned by quarters with a squared error and plain gradient descent at a rate of 1, recognition of
the boxes of a whole micrograph by the mean score of four turns, the threshold at the best F2 of a
validation set, and the range of standard deviations (the paper does not print it; here it is that of
the validation set's particles).

The paper scans a raster of 20 px box by box; here all boxes at any step are scored at once, each with the
score that it has alone. Table 1's networks scan at their own stride, 12 or 8 px, which costs least; the
raster is `decode.step_px=20`. They are `method=deepem_klh` and so on, with weights drawn between 0 and 1
as the paper says. From these its networks cannot learn: the sums saturate every sigmoid and the gradient
is zero to the last bit. The default starts as its toolbox (DeepLearnToolbox) does, and its box is that of
the other methods' working pixel. `experiments.deepem_recursive` is the loop of Fig. 2.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxpick import rngs
from jaxpick.losses import squared_error
from jaxpick.methods.labelled_examples import Data, patch_sources
from jaxpick.methods.labelled_micrographs import Labelled
from jaxpick.methods.labelled_negatives import with_negatives
from jaxpick.methods.simulated_examples import FieldSpec, patch_example
from jaxpick.methods.window_training import measure_patches, patch_loss
from jaxpick.models.deepem import (
    Activation,
    DeepEM,
    DeepEMLayers,
    Initialisation,
    layers_for_box,
    scan_logits,
    spectrum_of,
    turn_params,
)
from jaxpick.picking.window_decoders import BoxDecodeSpec
from jaxpick.picking.window_picker import Grid, WindowPicker
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.targets import TargetSpec
from jaxpick.spec import SpecError, require
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.stage import Stage, StageSpec
from jaxpick.typing import Image, RandomKey

NAME = "deepem"
QUARTERS = 4
THRESHOLD_BETA = 2.0
WIDER = 1.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """DeepEM's settings.

    Attributes:
        box_px: side of a box in working pixels; it decides the network (`layers_for_box`).
        working: preprocessing; its `diameter_px` over `box_px` says how much of a box the particle
            fills (two thirds on KLH: 400 angstrom in 272 px of 2.2).
        initialisation: of the weights: `glorot`, or `uniform` between 0 and 1 as in the paper.
        activation: of the convolutions; the paper's `sigmoid`, or `relu`.
        non_particles: boxes without a particle that are learnt from, of labelled micrographs in all (the paper
            takes as many as particles); None: others each time.
        field: simulated micrographs to cut boxes from.
        target: which simulated particles count.
        patches_per_field: boxes of an example, half of them particles.
        least_distance: of a non-particle to any particle, in radii of the particle.
        classifier: the only stage.
        decode: scores to picks.
    """

    box_px: int = 32
    working: WorkingSpec = WorkingSpec(diameter_px=20.0, local_share=0.0)
    initialisation: Initialisation = "glorot"
    activation: Activation = "sigmoid"
    non_particles: int | None = None
    field: FieldSpec = FieldSpec()
    target: TargetSpec = TargetSpec()
    patches_per_field: int = 16
    least_distance: float = 1.2
    classifier: StageSpec = StageSpec(
        steps=6000,
        batch_size=8,
        optimizer=OptimizerSpec(kind="sgd", learning_rate=1.0, momentum=0.0),
    )
    decode: BoxDecodeSpec = BoxDecodeSpec(step_px=2)

    def __post_init__(self) -> None:
        """Refuse boxes without a network, and particles that do not fit them."""
        layers_for_box(self.box_px)
        diameter, box = self.working.diameter_px, self.box_px
        fits = diameter <= box
        require(fits, "working.diameter_px", diameter, f"at most the box of {box} px")
        even = self.patches_per_field >= 2 and self.patches_per_field % 2 == 0
        require(even, "patches_per_field", self.patches_per_field, "an even number from 2")
        number = self.non_particles
        require(number is None or number > 0, "non_particles", number, "a positive number or null")

    @property
    def layers(self) -> DeepEMLayers:
        """The network of the box."""
        return dataclasses.replace(layers_for_box(self.box_px), activation=self.activation)

    @property
    def step_px(self) -> int:
        """From box to box in a scan."""
        return self.decode.step_px or self.layers.stride


def training_stages(spec: Spec, bank: Data) -> tuple[Stage, ...]:
    """Return the one stage: boxes, turned by quarters, against 1 and 0."""
    network = _network(spec)
    if spec.non_particles is not None:
        expected = "null, or labelled micrographs: simulated boxes are new each time"
        if not isinstance(bank, Labelled):
            raise SpecError(f"method.non_particles: {spec.non_particles}; expected {expected}")
        bank = with_negatives(bank, spec.non_particles, spec.least_distance)

    def init(key: RandomKey, previous: Any) -> Any:
        return network.init(key, jnp.zeros((1, spec.box_px, spec.box_px)))["params"]

    def draw(key: RandomKey, shared: Bank) -> dict[str, Array]:
        return patch_example(
            key,
            shared,
            spec.field,
            spec.target,
            spec.working,
            spec.box_px,
            spec.patches_per_field,
            spec.least_distance,
        )

    def loss(params: Any, batch: Mapping[str, Array], keys: Any) -> tuple[Array, dict[str, Any]]:
        scores = jax.nn.sigmoid(logits(spec, params, batch["image"]))
        error = 0.5 * squared_error(scores, batch["label"].astype(jnp.float32))
        return patch_loss(error, scores, batch["label"], batch["weight"])

    examples, validation = patch_sources(
        bank, draw, spec.box_px, spec.patches_per_field, spec.least_distance, quarter_turns
    )
    stage = Stage(
        name="classifier",
        init=init,
        examples=examples,
        loss=loss,
        settings=spec.classifier,
        validation=validation,
    )
    return (stage,)


def quarter_turns(key: RandomKey, example: dict[str, Array]) -> dict[str, Array]:
    """Turn each box of an example by 0, 90, 180 or 270 degrees: the paper's four copies, one at a time."""
    boxes = example["image"]
    turns = jax.random.randint(key, boxes.shape[:1], 0, QUARTERS)
    copies = jnp.stack([jnp.rot90(boxes, k, axes=(1, 2)) for k in range(QUARTERS)])
    return {**example, "image": copies[turns, jnp.arange(len(boxes))]}


def logits(spec: Spec, params: Any, boxes: Float[Array, "*batch y x"]) -> Float[Array, "*batch"]:
    """Return the logit of each box."""
    flat = boxes.reshape(-1, spec.box_px, spec.box_px)
    return jnp.asarray(_network(spec).apply({"params": params}, flat)).reshape(boxes.shape[:-2])


def calibrate(spec: Spec, params: Any, stage: Stage, seed: int) -> Spec:
    """Return the settings with the range of deviations that the validation set's particles have, and a fifth wider."""

    def deviation(example: Mapping[str, Array]) -> Float[Array, "box 1"]:
        return jnp.std(example["image"], axis=(1, 2))[:, None]

    key = rngs.stream(seed, "deepem/deviations")
    values, label, weight = measure_patches(stage, deviation, key)
    if not np.any(label * weight):
        return spec
    low, high = np.quantile(values[label * weight > 0, 0], (0.005, 0.995))
    between = (float(low / WIDER), float(high * WIDER))
    return dataclasses.replace(
        spec, decode=dataclasses.replace(spec.decode, deviation_range=between)
    )


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: BoxDecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> WindowPicker:
    """Return the picker that scores all boxes of a micrograph in four turns."""
    spec = dataclasses.replace(spec, decode=decode or spec.decode)
    grid = Grid(
        window_px=spec.box_px,
        step_px=spec.step_px,
        centre_px=0.5 * (spec.box_px - 1),
        diameter_px=spec.working.diameter_px,
    )
    return WindowPicker(
        name=NAME,
        scan=_scan(spec, params),
        grid=grid,
        working=spec.working,
        decode=spec.decode,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )


def _scan(spec: Spec, params: Any) -> Any:
    """Return a function of a working image: its transform once, four networks turned the other way."""
    params = jax.tree.map(jnp.asarray, params)
    turned = [turn_params(params, turns) for turns in range(QUARTERS)]
    spectrum = jax.jit(spectrum_of)
    scores = jax.jit(partial(_scores, spec.layers, spec.step_px), static_argnames="shape")

    def scan(image: Image) -> Float[Array, "window_y window_x"]:
        transform = spectrum(image)
        four = [scores(one, transform, shape=image.shape) for one in turned]
        return jnp.mean(jnp.stack(four), axis=0)

    return scan


def _scores(
    layers: DeepEMLayers, step: int, params: Any, spectrum: Array, shape: tuple[int, int]
) -> Array:
    return jax.nn.sigmoid(scan_logits(params, layers, spectrum, shape, step))


def _network(spec: Spec) -> DeepEM:
    return DeepEM(layers=spec.layers, initialisation=spec.initialisation)
