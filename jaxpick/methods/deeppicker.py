"""DeepPicker: a classifier of 64 x 64 windows (Wang et al. 2016, J. Struct. Biol. 195:325).

In the order of its Fig. 1: (1) training on particles of other molecules or of the same one, with as many
windows at least 0.6 windows from any particle; (2) scoring every fourth pixel; (3) cleaning of large
connected regions; (4) filtering by a peak window and by the number of extreme pixels; (5) sorting;
(6) iteration, `experiments.iterate`, with the 10,000 best picks. Several molecules in equal shares are
`data.more`, a number of particles `data.most_labels`.

Windows of any size are brought to 64 px. Where the working pixel is chosen so that a window spans 64
pixels already (the default), the whole micrograph is resampled once and all windows are scored
together, each with the score that it has alone. Where windows are resized (`window_px` other than 64)
or standardised one by one (`standardise_windows`), they share nothing and are scored one by one.

The released programs differ from the paper: `method=deeppicker_python` has non-particles from 0.5
windows, windows standardised one by one, a peak window of 0.6, and neither cleaning nor the filter of
extreme pixels (its rounding of windows to 8 bits is left out); `method=deeppicker_lua` has 64 hidden
units, batches of 200, and no weight decay (its rate falls with the error there, here not at all).
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.losses import softmax_cross_entropy
from jaxpick.methods.labelled_examples import Data, patch_sources
from jaxpick.methods.simulated_examples import TRAINING_PRIORS, FieldSpec, patch_example
from jaxpick.methods.window_training import patch_loss
from jaxpick.models.deeppicker import (
    PARTICLE,
    WINDOW_PX,
    DeepPicker,
    resize,
    scan_logits,
    standardise,
)
from jaxpick.picking.window_decoders import RegionDecodeSpec
from jaxpick.picking.window_picker import Grid, WindowPicker, scan_patches
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.priors import DiameterPixels
from jaxpick.simulate.targets import TargetSpec
from jaxpick.spec import require
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.stage import Stage, StageSpec
from jaxpick.typing import Image, RandomKey

NAME = "deeppicker"
THRESHOLD_BETA = 1.0

# As the other methods' fields, at the working pixel of 64 px windows.
PRIORS = dataclasses.replace(TRAINING_PRIORS, pixel=DiameterPixels(diameter_px=(41.4, 42.8)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """DeepPicker's settings, the paper's and, where it is silent, the Python program's.

    Attributes:
        hidden: units of the first full layer (64 in the Lua program).
        dropout: share of the flattened maps left out in training.
        weight_decay: half the sum of squares of the full layers' weights counts so much.
        window_px: side of the sliding window in working pixels, slightly larger than the particle.
        working: preprocessing; its `diameter_px` over `window_px` is the particle's share of a window.
        standardise_windows: give each window zero mean and unit variance, as the program does.
        negative_windows: least distance of a non-particle to any particle, in windows.
        field: simulated micrographs to cut windows from.
        target: which simulated particles count.
        patches_per_field: windows of an example, half of them particles.
        classifier: the only stage; 100 windows a step, the rate times 0.95 every 10 epochs of 20,000
            windows, stopped when 10 validations brought nothing better, the best state kept.
        decode: scores to picks.
    """

    hidden: int = 128
    dropout: float = 0.5
    weight_decay: float = 5e-4
    window_px: int = WINDOW_PX
    working: WorkingSpec = WorkingSpec(diameter_px=45.0)
    standardise_windows: bool = False
    negative_windows: float = 0.6
    field: FieldSpec = FieldSpec(priors=PRIORS, field_px=256, max_particles=96, max_distractors=24)
    target: TargetSpec = TargetSpec()
    patches_per_field: int = 20
    classifier: StageSpec = StageSpec(
        steps=40000,
        batch_size=5,
        patience=10,
        optimizer=OptimizerSpec(
            kind="sgd",
            learning_rate=0.01,
            momentum=0.9,
            schedule="staircase",
            decay_steps=2000,
            decay_factor=0.95,
        ),
    )
    decode: RegionDecodeSpec = RegionDecodeSpec()

    def __post_init__(self) -> None:
        """Refuse windows that a particle does not fit."""
        require(self.hidden > 0, "hidden", self.hidden, "a positive number")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "0 to below 1")
        require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "0 or more")
        require(self.window_px >= 16, "window_px", self.window_px, "16 or more")
        diameter, window = self.working.diameter_px, self.window_px
        fits = diameter <= window
        require(fits, "working.diameter_px", diameter, f"at most the window of {window} px")
        away = self.negative_windows
        require(0 < away <= 2, "negative_windows", away, "above 0, at most 2")
        even = self.patches_per_field >= 2 and self.patches_per_field % 2 == 0
        require(even, "patches_per_field", self.patches_per_field, "an even number from 2")

    @property
    def is_dense(self) -> bool:
        """Whether windows are scored as they lie, and so together."""
        return self.window_px == WINDOW_PX and not self.standardise_windows

    @property
    def least_distance(self) -> float:
        """Distance of a non-particle to any particle in radii of the particle."""
        return self.negative_windows * self.window_px / (0.5 * self.working.diameter_px)


def training_stages(spec: Spec, bank: Data) -> tuple[Stage, ...]:
    """Return the one stage: cross-entropy of windows, weight decay of the full layers, dropout."""
    network = DeepPicker(hidden=spec.hidden, dropout=spec.dropout)

    def init(key: RandomKey, previous: Any) -> Any:
        return network.init(key, jnp.zeros((1, WINDOW_PX, WINDOW_PX)))["params"]

    def draw(key: RandomKey, shared: Bank) -> dict[str, Array]:
        return patch_example(
            key,
            shared,
            spec.field,
            spec.target,
            spec.working,
            spec.window_px,
            spec.patches_per_field,
            spec.least_distance,
        )

    def loss(
        params: Any, batch: Mapping[str, Array], keys: Any, is_training: bool = True
    ) -> tuple[Array, dict[str, Any]]:
        def logits(windows: Array, key: RandomKey) -> Array:
            rngs = {"dropout": key}
            inputs = as_inputs(spec, windows)
            return jnp.asarray(network.apply({"params": params}, inputs, is_training, rngs=rngs))

        both = jax.vmap(logits)(batch["image"], keys)
        scores = jax.nn.softmax(both)[..., PARTICLE]
        losses = softmax_cross_entropy(both, batch["label"])
        mean, figures = patch_loss(losses, scores, batch["label"], batch["weight"])
        return mean + weight_penalty(spec, params) * is_training, figures

    examples, validation = patch_sources(
        bank, draw, spec.window_px, spec.patches_per_field, spec.least_distance, as_drawn
    )
    stage = Stage(
        name="classifier",
        init=init,
        examples=examples,
        loss=loss,
        validation_loss=partial(loss, is_training=False),
        settings=spec.classifier,
        validation=validation,
    )
    return (stage,)


def as_drawn(key: RandomKey, example: dict[str, Array]) -> dict[str, Array]:
    """Return windows as they are: the authors turned none."""
    return example


def as_inputs(spec: Spec, windows: Float[Array, "window y x"]) -> Float[Array, "window 64 64"]:
    """Return windows of any size as the network takes them."""
    inputs = resize(windows)
    return standardise(inputs) if spec.standardise_windows else inputs


def weight_penalty(spec: Spec, params: Any) -> Float[Array, ""]:
    """Return the weight decay of the full layers: half the sum of squares of their weights."""
    squares = [jnp.sum(params[name]["kernel"] ** 2) for name in ("hidden", "output")]
    return spec.weight_decay * 0.5 * (squares[0] + squares[1])


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: RegionDecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> WindowPicker:
    """Return the picker that scores every `decode.step_px`-th window of a micrograph."""
    decode = decode or spec.decode
    grid = Grid(
        window_px=spec.window_px,
        step_px=decode.step_px,
        centre_px=float(spec.window_px // 2),
        diameter_px=spec.working.diameter_px,
    )
    params = jax.tree.map(jnp.asarray, params)
    return WindowPicker(
        name=NAME,
        scan=_together(params, grid) if spec.is_dense else _one_by_one(spec, params, grid),
        grid=grid,
        working=spec.working,
        decode=decode,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )


def _together(params: Any, grid: Grid) -> Any:
    """Return a function of a working image: the logit of each window, from shared maps."""

    @jax.jit
    def scan(image: Image) -> Float[Array, "window_y window_x"]:
        both = scan_logits(params, image, grid.step_px)
        return both[..., PARTICLE] - both[..., 1 - PARTICLE]

    return scan


def _one_by_one(spec: Spec, params: Any, grid: Grid) -> Any:
    """Return a function of a working image: the logit of each window, cut out and made an input."""
    network = DeepPicker(hidden=spec.hidden)

    @jax.jit
    def score(windows: Float[Array, "batch y x"]) -> Float[Array, " batch"]:
        both = jnp.asarray(network.apply({"params": params}, as_inputs(spec, windows)))
        return both[..., PARTICLE] - both[..., 1 - PARTICLE]

    return lambda image: scan_patches(score, jax.device_get(image), grid)
