"""From a map of "particle" windows to centres: morphology of the APPLE picker.

Holes are filled, the rest is eroded by a small disc; objects that hold a large disc or cover a
large area are no particles; the others give their centres of mass, and two that are too close are
both dropped.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage, spatial


class ObjectLimits(NamedTuple):
    """Sizes of a particle in pixels of the map.

    Attributes:
        least_px: diameter of the disc that erodes, `min`.
        largest_px: diameter of the disc that a particle does not hold, and side of the square that
            it does not exceed in area, `max`.
        distance_px: centres nearer than this are both dropped.
    """

    least_px: float
    largest_px: float
    distance_px: float


def object_centres(
    segmentation: Bool[np.ndarray, "y x"], limits: ObjectLimits
) -> Float[np.ndarray, "object 2"]:
    """Return the centres (y, x) of the objects that can be particles, in the order of the image."""
    filled = np.pad(ndimage.binary_fill_holes(segmentation), 1)
    depth = ndimage.distance_transform_edt(filled)[1:-1, 1:-1]
    labels, count = ndimage.label(depth > limits.least_px / 2)
    if not count:
        return np.zeros((0, 2))
    index = np.arange(1, count + 1)
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    deepest = np.asarray(ndimage.maximum(depth, labels, index))
    kept = (deepest <= limits.largest_px / 2) & (area <= limits.largest_px**2)
    centres = np.asarray(ndimage.center_of_mass(labels > 0, labels, index[kept])).reshape(-1, 2)
    return centres[~_too_close(centres, limits.distance_px)]


def _too_close(
    centres: Float[np.ndarray, "object 2"], distance_px: float
) -> Bool[np.ndarray, " object"]:
    close = np.zeros(len(centres), bool)
    if len(centres) > 1:
        nearest = spatial.cKDTree(centres).query(centres, k=2)[0][:, 1]
        close = nearest < distance_px
    return close
