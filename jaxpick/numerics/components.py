"""Connected components of masks: labels, areas, centroids, and masks without their small parts.

On the host, by scipy: where components are needed (dust, segmentation masks) the mask is small and
their number is not known before.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

_CROSS = ndimage.generate_binary_structure(2, 1)
_SQUARE = ndimage.generate_binary_structure(2, 2)


def label_components(
    mask: Bool[np.ndarray, "y x"], diagonal: bool = False
) -> tuple[Int[np.ndarray, "y x"], int]:
    """Number the connected parts of a mask from 1, in the order of their first pixels; 0 is
    outside.

    Args:
        mask: what is connected.
        diagonal: pixels that touch at a corner are connected too.

    Returns:
        Labels and the number of components.
    """
    return ndimage.label(mask, structure=_SQUARE if diagonal else _CROSS)


def component_areas(
    labels: Int[np.ndarray, "y x"], num_components: int
) -> Int[np.ndarray, " component"]:
    """Return the number of pixels of components 1, 2, ..."""
    return np.bincount(labels.ravel(), minlength=num_components + 1)[1:]


def component_centroids(
    labels: Int[np.ndarray, "y x"],
    num_components: int,
    weights: Float[np.ndarray, "y x"] | None = None,
) -> Float[np.ndarray, "component 2"]:
    """Return the (y, x) centre of mass of components 1, 2, ..., the geometric one without weights.

    Args:
        weights: above 0 somewhere in each component.
    """
    values = np.ones(labels.shape) if weights is None else weights.astype(np.float64)
    rows, columns = np.indices(labels.shape)
    flat, length = labels.ravel(), num_components + 1
    mass = np.bincount(flat, values.ravel(), length)[1:]
    moments = [np.bincount(flat, (values * axis).ravel(), length)[1:] for axis in (rows, columns)]
    return np.stack(moments, axis=1) / mass[:, None]


def remove_small(
    mask: Bool[np.ndarray, "y x"], area_min_px: int, diagonal: bool = False
) -> Bool[np.ndarray, "y x"]:
    """Return the mask without its components of fewer than `area_min_px` pixels."""
    labels, num_components = label_components(mask, diagonal)
    large = np.append(False, component_areas(labels, num_components) >= area_min_px)
    return large[labels]
