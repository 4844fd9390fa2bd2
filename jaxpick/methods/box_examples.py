"""Training examples for box detectors: an image and the boxes of the particles in it.

An example holds `image` (y, x), `boxes` (box, 4), `wanted` and `ignored` (box,) and `usable`, a box that holds all
pixels worth judging. From a bank the boxes are the true diameters of simulated particles; from labelled micrographs
they all have the diameter given. `box_sources` is what a method calls, whichever data it is given.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxpick.methods.labelled_examples import Data, Sources, choose_corner, cut_square
from jaxpick.methods.labelled_micrographs import Labelled, LabelledMicrograph
from jaxpick.methods.simulated_examples import FieldSpec, draw_field
from jaxpick.preprocess.augmentations import AugmentationSpec, augment
from jaxpick.preprocess.prepare import PreprocessSpec, normalise_field
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.simulated import Simulated as SimulatedField
from jaxpick.simulate.targets import TargetSpec, judge
from jaxpick.train.sources import Loaded, Simulated
from jaxpick.typing import RandomKey

Example = dict[str, Array]
# Labelled examples hold a multiple of so many boxes.
BOX_STEP = 32


def box_sources(
    data: Data,
    field: FieldSpec,
    target: TargetSpec,
    working: PreprocessSpec,
    augmentation: AugmentationSpec,
) -> Sources:
    """Return examples to train on, augmented, and to validate on, as they are.

    Args:
        data: a bank to simulate with, or labelled micrographs.
        field: simulated fields; its side is that of crops of labelled micrographs.
        target: which simulated particles must be found, and which are not judged.
        working: preprocessing.
        augmentation: of training examples.
    """

    def draw(key: RandomKey, shared: Bank) -> Example:
        return simulated_boxes(draw_field(key, shared, field), target, working)

    def draw_augmented(key: RandomKey, shared: Bank) -> Example:
        field_key, change_key = jax.random.split(key)
        return augmented(change_key, draw(field_key, shared), augmentation)

    if isinstance(data, Bank):
        return Simulated(draw=draw_augmented, shared=data), Simulated(draw=draw, shared=data)
    training = _loaded(
        data, data.train, field.field_px, lambda key, example: augmented(key, example, augmentation)
    )
    return training, _loaded(data, data.validation, field.field_px) if data.validation else None


def simulated_boxes(
    simulated: SimulatedField, target: TargetSpec, working: PreprocessSpec
) -> Example:
    """Return the example of a simulated field."""
    truth, side = simulated.truth, simulated.image.shape[0]
    wanted, ignored = judge(truth, target)
    sizes = truth.diameter_px[:, None]
    return {
        "image": normalise_field(simulated.image, simulated.pixel_size_angstrom, working),
        "boxes": jnp.concatenate([truth.centre_yx_px, sizes, sizes], axis=1),
        "wanted": wanted & truth.is_inside,
        "ignored": ignored & truth.is_inside,
        "usable": jnp.array([0.5 * (side - 1), 0.5 * (side - 1), side, side], jnp.float32),
    }


def labelled_boxes(
    micrograph: LabelledMicrograph,
    rng: np.random.Generator,
    side_px: int,
    num_boxes: int,
    particle_share: float,
) -> dict[str, np.ndarray]:
    """Cut a square and list the boxes of the labels in it; those that are not learnt from are ignored.

    Args:
        micrograph: working image and centres.
        rng: chooses the place.
        side_px: of the square; a smaller micrograph is surrounded by zeros that are not usable.
        num_boxes: room for labels, enough for all of the micrograph.
        particle_share: probability that the square is chosen to hold some particle.
    """
    image = micrograph.image()
    corner = choose_corner(image.shape, micrograph.learnt_yx_px, rng, side_px, particle_share)
    centres = micrograph.centre_yx_px - corner[None, :]
    is_inside = np.all((centres >= -0.5) & (centres < side_px - 0.5), axis=1)
    inside, count = centres[is_inside], int(is_inside.sum())
    wanted = np.pad(micrograph.is_learnt[is_inside], (0, num_boxes - count))
    boxes = np.zeros((num_boxes, 4), np.float32)
    boxes[: len(inside), :2], boxes[: len(inside), 2:] = inside, 2 * micrograph.radius_px
    top, bottom, left, right = micrograph.usable
    low = np.array([top, left]) - corner
    size = np.array([bottom - top, right - left])
    return {
        "image": cut_square(image, corner, side_px).astype(np.float32),
        "boxes": boxes,
        "wanted": wanted,
        "ignored": ~wanted & (np.arange(num_boxes) < count),
        "usable": np.concatenate([low + 0.5 * (size - 1), size]).astype(np.float32),
    }


def augmented(key: RandomKey, example: Example, spec: AugmentationSpec) -> Example:
    """Return the example changed; what is usable moves with the boxes."""
    together = jnp.concatenate([example["boxes"], example["usable"][None, :]])
    image, moved = augment(key, example["image"], together, spec)
    return {**example, "image": image, "boxes": moved[:-1], "usable": moved[-1]}


def _loaded(
    data: Labelled,
    micrographs: Sequence[LabelledMicrograph],
    side_px: int,
    change: Callable[..., Example] | None = None,
) -> Loaded:
    most = max(len(micrograph.centre_yx_px) for micrograph in (*data.train, *data.validation))
    num_boxes = -(-max(most, 1) // BOX_STEP) * BOX_STEP
    share = data.spec.particle_share

    def load(index: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([data.seed, index])
        micrograph = micrographs[index % len(micrographs)]
        return labelled_boxes(micrograph, rng, side_px, num_boxes, share)

    count = len(micrographs) * data.spec.crops_per_micrograph
    return Loaded(load=load, count=count, augment=change)
