"""What a picker got wrong on labelled micrographs, to be learnt from next time.

Zhu, Ouyang and Mao (2017), DeepEM, Fig. 2: false and missed particles of further micrographs, told by a
person, join the training set. Here the labels tell them.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxpick.evaluate.matching import match_hungarian, nearest
from jaxpick.methods.labelled_micrographs import LabelledMicrograph
from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.picking.picker import Picker
from jaxpick.preprocess.working import WorkingImage


def hard_examples(
    picker: Picker, micrographs: Sequence[LabelledMicrograph], threshold: float
) -> tuple[LabelledMicrograph, ...]:
    """Return micrographs of which only the mistakes are learnt from; those without any are left out.

    Args:
        picker: made for the diameter that these working images were made for, in working pixels.
        micrographs: with all their labels.
        threshold: score of a pick.
    """
    judged = [hard_example(picker, micrograph, threshold) for micrograph in micrographs]
    return tuple(one for one in judged if len(one.learnt_yx_px) + len(_known(one)))


def hard_example(
    picker: Picker, micrograph: LabelledMicrograph, threshold: float
) -> LabelledMicrograph:
    """Return a micrograph whose positives are the missed labels and whose negatives the false picks.

    A pick is right if it is matched to a label within half a diameter, and false if no label is
    that near; a second pick of one particle is neither.
    """
    picks = picker.candidates(working_image(micrograph))
    found = np.stack([picks.y, picks.x], axis=1)[picks.score >= threshold]
    labels, radius = micrograph.centre_yx_px.astype(np.float64), float(micrograph.radius_px)
    matching = match_hungarian(found, np.ones(len(found)), labels, radius)
    missed = np.ones(len(labels), np.bool_)
    missed[matching.truth] = False
    _, distance = nearest(found, labels)
    return dataclasses.replace(
        micrograph, positives_yx_px=labels[missed], negatives_yx_px=found[distance > radius]
    )


def working_image(micrograph: LabelledMicrograph) -> WorkingImage:
    """Return a labelled micrograph's working image as a picker takes it, a pixel an angstrom."""
    image = np.asarray(micrograph.image())
    return WorkingImage(
        image=image,
        coordinates=CoordinateMap(scale_y=1.0, scale_x=1.0),
        pixel_size_angstrom=1.0,
        micrograph=micrograph.name,
        micrograph_shape=(image.shape[0], image.shape[1]),
        micrograph_pixel_size_angstrom=1.0,
        usable=micrograph.usable,
    )


def _known(micrograph: LabelledMicrograph) -> Float[np.ndarray, "negative 2"]:
    negatives = micrograph.negatives_yx_px
    return np.zeros((0, 2)) if negatives is None else negatives
