"""crYOLO: YOLOv2 for particles (Wagner et al. 2019, Communications Biology 2:218; documentation to version 1.9).

In the order of the paper: whole micrographs at 1024 pixels on the short side, the network that predicts one box a cell
relative to one anchor, whose side is the box size, augmentation by flips, blur, noise and contrast, YOLOv2's objective
after a warm-up that ignores sizes, and boxes above a confidence of 0.3 as picks. Clean-room: from the paper, the
documentation's tables and YOLOv2; crYOLO's own source was never read. What none of these tell is ours and said where it
stands: strengths of augmentation, resampling, the limit of overlap.

crYOLO trains on labelled micrographs, ten times each in an epoch, up to 200 epochs of which 5 are the warm-up. Here one
network also learns from simulated fields, of the particle sizes that micrographs have at this scale. There the anchor
is the geometric mean of those sizes; weights keep the anchor that they were trained with.
"""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxpick.methods.box_examples import box_sources
from jaxpick.methods.detection import ObjectiveSpec, detection_stage
from jaxpick.methods.labelled_examples import Data
from jaxpick.methods.labelled_micrographs import Labelled
from jaxpick.methods.simulated_examples import TRAINING_PRIORS, FieldSpec
from jaxpick.models.cryolo import SIDE_MULTIPLE, Architecture, DetectionNetwork
from jaxpick.numerics.boxes import boxes_of_maps
from jaxpick.picking.box_picker import BoxDecodeSpec, BoxPicker
from jaxpick.preprocess.augmentations import AugmentationSpec
from jaxpick.preprocess.cryolo import CryoloPreprocessSpec
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.simulate.priors import DiameterPixels
from jaxpick.simulate.targets import TargetSpec
from jaxpick.spec import SpecError, require
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.stage import STATISTICS, Stage, StageSpec
from jaxpick.typing import Images, RandomKey

NAME = "cryolo"

# 10 repeats of a dozen micrographs in batches of 6: 20 steps an epoch.
STEPS_PER_EPOCH = 20
ADAM = OptimizerSpec(kind="adam", learning_rate=1e-4)

# 100 to 300 angstrom at 4 to 6 angstrom a pixel, which is 1024 pixels of a usual field of view.
WORKING_PRIORS = dataclasses.replace(
    TRAINING_PRIORS, pixel=DiameterPixels(diameter_px=(16.0, 64.0), diameter_error=0.15)
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """crYOLO's settings.

    Attributes:
        architecture: `phosaurus` (the documentation's recommendation), `cryolo` (the paper's) or
            `yolo`.
        width: factor on the maps of every layer.
        anchor_px: side of the anchor in working pixels; the box size of labelled data, or the
            middle of the simulated sizes, if None.
        working: preprocessing; with `kind=scaled` (conf/method/cryolo_small.yaml, not crYOLO's) the
            working pixel follows the diameter that the user gives and gradients are taken off, so
            that a small network has less to learn.
        field: simulated fields; `field_px` is also the side of crops of labelled micrographs, where
            1024 takes the whole short side.
        target: which simulated particles must be found.
        augmentation: of training images.
        objective: weights of the loss.
        warm_up: first stage, in which empty cells learn the anchor; None leaves it out.
        detector: second stage.
        decode: boxes to picks.
    """

    architecture: Architecture = "phosaurus"
    width: float = 1.0
    anchor_px: float | None = None
    working: CryoloPreprocessSpec | WorkingSpec = CryoloPreprocessSpec()
    field: FieldSpec = FieldSpec(
        priors=WORKING_PRIORS, field_px=1024, max_particles=2000, max_distractors=200
    )
    target: TargetSpec = TargetSpec()
    augmentation: AugmentationSpec = AugmentationSpec()
    objective: ObjectiveSpec = ObjectiveSpec()
    warm_up: StageSpec | None = StageSpec(steps=5 * STEPS_PER_EPOCH, batch_size=6, optimizer=ADAM)
    detector: StageSpec = StageSpec(steps=195 * STEPS_PER_EPOCH, batch_size=6, optimizer=ADAM)
    decode: BoxDecodeSpec = BoxDecodeSpec()

    def __post_init__(self) -> None:
        require(0 < self.width <= 4, "width", self.width, "above 0, at most 4")
        anchor, side = self.anchor_px, self.field.field_px
        require(anchor is None or anchor > 0, "anchor_px", anchor, "above 0, or null")
        fits = side % SIDE_MULTIPLE == 0
        require(fits, "field.field_px", side, f"a multiple of {SIDE_MULTIPLE}")


def training_stages(spec: Spec, data: Data) -> tuple[Stage, ...]:
    """Return the warm-up, unless it is left out, and the training of the detector."""
    network = _network(spec, _anchor_px(spec, data))
    side = (1, SIDE_MULTIPLE, SIDE_MULTIPLE, 1)

    def init(key: RandomKey, previous: Any) -> Any:
        return network.init(key, jnp.zeros(side)) if previous is None else previous

    sources = box_sources(data, spec.field, spec.target, spec.working, spec.augmentation)
    detector = detection_stage("detector", network, init, sources, spec.objective, spec.detector)
    if spec.warm_up is None:
        return (detector,)
    warm_up = detection_stage(
        "warm_up", network, init, sources, spec.objective, spec.warm_up, is_warm_up=True
    )
    return warm_up, detector


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: BoxDecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> BoxPicker:
    """Return the picker that boxes the particles of whole micrographs.

    Args:
        spec: settings that the parameters were trained with.
        params: parameters and running statistics, the anchor among them.
        diameter_angstrom: of the particle. The network finds the size by itself; this is the box
            that is written, and the unit of limits on sizes.
        decode: in place of the settings' own.
        margin_angstrom: no picks this close to the border.
    """
    network = _network(spec, anchor_px=1.0)

    # An argument and not a constant of the program: 50 million numbers would be compiled in.
    @jax.jit
    def detect(params: Any, images: Images) -> tuple[Array, Array]:
        maps = jnp.asarray(network.apply(params, images[..., None]))
        anchor_px = params[STATISTICS]["anchor_px"]
        boxes = jax.vmap(lambda one: boxes_of_maps(one, network.stride, anchor_px))(maps)
        return boxes, jax.nn.sigmoid(maps[..., 4])

    return BoxPicker(
        name=NAME,
        detect=partial(detect, jax.device_put(params)),
        working=spec.working,
        decode=decode or spec.decode,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )


def _network(spec: Spec, anchor_px: float) -> DetectionNetwork:
    return DetectionNetwork(architecture=spec.architecture, width=spec.width, anchor_px=anchor_px)


def _anchor_px(spec: Spec, data: Data) -> float:
    """Return the side of the anchor: as given, the labelled boxes', or the middle of what is simulated."""
    if spec.anchor_px is not None:
        return spec.anchor_px
    if isinstance(data, Labelled):
        sizes = [2 * micrograph.radius_px for micrograph in (*data.train, *data.validation)]
        return sum(sizes) / len(sizes)
    pixel = spec.field.priors.pixel
    if isinstance(pixel, DiameterPixels):
        return (pixel.diameter_px[0] * pixel.diameter_px[1]) ** 0.5
    raise SpecError("anchor_px: expected a size, as the priors give pixels in angstrom, got None")
