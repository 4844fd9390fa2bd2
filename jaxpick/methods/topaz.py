"""Topaz: a classifier of crops learnt from positive and unlabelled pixels (Bepler et al. 2019, Nature Methods 16:1153).

In its order: micrographs down-sampled and normalised by their background, minibatches of crops of which one in
sixteen lies at a labelled pixel, a network that turns a crop into one logit, an objective that knows how many
particles to expect, and picks from the dense map of logits. Facts and defaults are those of topaz-em 0.3.

Where Topaz is wrong, this is not: the disc of radius 3 counts 29 pixels whatever the data (from 0.3.0 on Topaz's counts
a sphere), dense maps equal the scores of crops with every option, a border takes no picks from the opposite one, and a
seed repeats a run. `slack` and the decoder are as there; the running mean of GE-KL is not, its default has no memory.

On simulated micrographs every particle is labelled unless `sampler.labelled_share` hides some. On labelled ones, the
expected number of particles (`expected_particles`, Topaz's -n) or the share of their pixels (`pi`) tells how many are
not; with neither, all count as labelled. Where nothing is left to expect, the objective is PN, as Topaz's is.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxpick.methods.labelled_examples import Data
from jaxpick.methods.labelled_micrographs import Labelled, LabelledSpec
from jaxpick.methods.simulated_examples import FieldSpec
from jaxpick.methods.topaz_examples import (
    LabelledPixels,
    SamplerSpec,
    rotated_side_px,
    turn_and_mirror,
)
from jaxpick.methods.topaz_fields import simulated_minibatch
from jaxpick.methods.topaz_objective import Kind, ObjectiveSpec, initial_params, minibatch_loss
from jaxpick.methods.topaz_picker import TopazDecodeSpec, TopazPicker
from jaxpick.models.topaz import TopazNetwork
from jaxpick.models.topaz_layers import NetworkSpec
from jaxpick.preprocess.topaz import TopazPreprocessSpec
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.targets import TargetSpec
from jaxpick.spec import require
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.sources import ExampleSource, Loaded, Simulated
from jaxpick.train.stage import Stage, StageSpec
from jaxpick.typing import Images, RandomKey

NAME = "topaz"
THRESHOLD_BETA = 1.0
VALIDATION_MINIBATCHES = 64
SUSPICIOUS_REACH = 0.7


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """Topaz's settings.

    Attributes:
        network: which network.
        working: preprocessing.
        sampler: minibatches.
        objective: what is minimised.
        expected_particles: in a labelled micrograph, on average (`-n`).
        pi: share of the pixels that belong to particles, in place of the expected number.
        field: simulated micrographs.
        target: which simulated particles must be found and which are not judged.
        classifier: the only stage; an example is a minibatch, of which a step takes `batch_size`: one as in Topaz, or
            one for each of several devices.
        decode: score map to picks.
    """

    network: NetworkSpec = NetworkSpec()
    working: TopazPreprocessSpec = TopazPreprocessSpec()
    sampler: SamplerSpec = SamplerSpec()
    objective: ObjectiveSpec = ObjectiveSpec()
    expected_particles: float | None = None
    pi: float | None = None
    field: FieldSpec = FieldSpec()
    target: TargetSpec = TargetSpec()
    classifier: StageSpec = StageSpec(
        steps=10_000, batch_size=1, optimizer=OptimizerSpec(kind="adam", learning_rate=2e-4)
    )
    decode: TopazDecodeSpec = TopazDecodeSpec()

    def __post_init__(self) -> None:
        number, share = self.expected_particles, self.pi
        require(number is None or number > 0, "expected_particles", number, "above 0")
        require(share is None or 0 < share < 1, "pi", share, "between 0 and 1")
        require(number is None or share is None, "pi", share, "null beside expected_particles")


def training_stages(spec: Spec, data: Data) -> tuple[Stage, ...]:
    """Return the one stage, and say what share of pixels is expected to be of particles.

    Raises:
        SpecError: when a setting would change nothing with these data.
    """
    kind, examples, validation = _sources(spec, data)
    objective = spec.objective.of_kind(kind)
    stage = Stage(
        name="classifier",
        init=lambda key, previous: initial_params(spec.network, spec.objective, key),
        examples=examples,
        loss=minibatch_loss(spec.network, objective, train=True),
        validation_loss=minibatch_loss(spec.network, objective, train=False),
        settings=spec.classifier,
        validation=validation,
    )
    return (stage,)


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: TopazDecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> TopazPicker:
    """Return the picker that scores whole micrographs with trained parameters."""
    network, params = TopazNetwork(spec.network), jax.tree.map(jnp.asarray, params)

    @jax.jit
    def score(params: Any, images: Images) -> Images:
        return jnp.asarray(network.apply(params, images[..., None], True))[..., 0]

    return TopazPicker(
        name=NAME,
        score=partial(score, params),
        reach_px=spec.network.receptive_field_px // 2,
        stride_multiple=spec.network.total_stride,
        working=spec.working,
        decode=decode or spec.decode,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )


def _sources(spec: Spec, data: Data) -> tuple[Kind, ExampleSource, ExampleSource | None]:
    """Return the objective that fits the data, and minibatches to train and to validate on."""
    if isinstance(data, Bank):
        return _simulated(spec, data)
    return _labelled(spec, data)


def _simulated(spec: Spec, bank: Bank) -> tuple[Kind, ExampleSource, None]:
    for name in ("expected_particles", "pi"):
        value = getattr(spec, name)
        require(value is None, name, value, "null: simulated micrographs tell it themselves")
    pixel = spec.field.priors.pixel.kind
    require(
        (pixel == "diameter_px") == (spec.working.diameter_px is not None),
        "working.diameter_px",
        spec.working.diameter_px,
        f"a number of pixels with field.priors.pixel.kind=diameter_px, else null; it is {pixel}",
    )
    kind: Kind = spec.objective.kind
    share = spec.sampler.labelled_share
    if share == 1 and kind.startswith("ge_"):
        print(f"topaz: every simulated particle is labelled: objective pn in place of {kind}")
        kind = "pn"

    def draw(key: RandomKey, shared: Bank) -> dict[str, Array]:
        crop_px = spec.network.receptive_field_px
        settings = (spec.field, spec.target, spec.working, spec.sampler, crop_px, kind != "pu")
        return simulated_minibatch(key, shared, *settings)

    return kind, Simulated(draw=draw, shared=bank), None


def _labelled(spec: Spec, data: Labelled) -> tuple[Kind, ExampleSource, ExampleSource | None]:
    require_untouched(data.spec)
    pixels = LabelledPixels.of(data.train, spec.sampler.radius_px)
    prior, kind = expected_prior(spec, pixels)
    count = spec.classifier.steps * spec.classifier.batch_size
    examples = _loaded(spec, pixels, prior, kind, data.seed, count)
    if not data.validation:
        return kind, examples, None
    held = LabelledPixels.of(data.validation, spec.sampler.radius_px)
    seed = data.seed + 1
    return kind, examples, _loaded(spec, held, prior, kind, seed, VALIDATION_MINIBATCHES)


def require_untouched(spec: LabelledSpec) -> None:
    """Refuse settings of other methods' crops: here `sampler` says where crops lie, and none is drawn twice."""
    for name in ("crops_per_micrograph", "particle_share"):
        usual = getattr(LabelledSpec, name)
        given = getattr(spec, name)
        require(given == usual, f"data.{name}", given, f"{usual}: topaz has method.sampler instead")


def expected_prior(
    spec: Spec, pixels: LabelledPixels, report: Callable[[str], Any] = print
) -> tuple[float, Kind]:
    """Return the share of pixels that belong to particles, and the objective that goes with it.

    Args:
        spec: what the user expects.
        pixels: what is labelled.
        report: is told the shares, and a warning when more is labelled than expected.
    """
    observed = pixels.observed_share
    kind: Kind = spec.objective.kind
    prior, expects = spec.pi, spec.pi is not None or spec.expected_particles is not None
    if spec.expected_particles is not None:
        prior = pixels.expected_share(spec.expected_particles, spec.sampler.radius_px)
    prior = observed if prior is None else prior
    require(prior < 1, "expected_particles", spec.expected_particles, "fewer: pi is 1 or more")
    report(
        f"topaz: pi = {prior:.4g}, p_obs = {observed:.4g} ({pixels.num_labelled} labelled pixels of "
        f"{pixels.num_pixels} in {len(pixels.micrographs)} micrographs)"
    )
    if pixels.num_labelled and max(pixels.reach) < SUSPICIOUS_REACH:
        report(
            f"topaz: warning: no label lies beyond {100 * SUSPICIOUS_REACH:.0f} % of either axis of its "
            "micrograph; are the coordinates in pixels of these micrographs?"
        )
    if kind.startswith("ge_") and prior <= observed:
        why = "pi <= p_obs, more is labelled than expected" if expects else "all count as labelled"
        hint = "give method.expected_particles=NUMBER if particles are unlabelled"
        report(f"topaz: {'warning: ' if expects else ''}{why}: objective pn; {hint}")
        kind = "pn"
    return prior, kind


def _loaded(
    spec: Spec, pixels: LabelledPixels, prior: float, kind: Kind, seed: int, count: int
) -> Loaded:
    crop_px, rotate = spec.network.receptive_field_px, spec.sampler.rotate
    side = rotated_side_px(crop_px) if rotate else crop_px
    shares = {"prior": np.float32(prior), "observed": np.float32(pixels.observed_share)}

    def load(index: int) -> dict[str, Any]:
        rng = np.random.default_rng([seed, index])
        return {**pixels.draw(rng, spec.sampler, side, kind != "pu"), **shares}

    def augment(key: RandomKey, example: dict[str, Array]) -> dict[str, Array]:
        return {**example, "image": turn_and_mirror(key, example["image"], crop_px)}

    return Loaded(load=load, count=count, augment=augment if rotate else None)
