"""The part of a micrograph that was measured: without borders that a program filled in.

Motion correction and conversion leave rows and columns that repeat a neighbour or hold one value.
There the difference of adjacent rows (columns) all but vanishes, while noise gives every measured
pair much the same; JPEG compression leaves a hundredth of it.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from jaxpick.typing import HostImage

# First row, last row + 1, first column, last column + 1, in pixels of the micrograph.
Box: TypeAlias = tuple[int, int, int, int]

_REPEATED_SHARE = 0.1
_SAMPLES = 128


def usable_box(image: HostImage) -> Box:
    """Return the rows and columns inside all repeated or constant borders.

    An image that would not keep half of an axis is taken whole: it is smooth, not bordered.

    Args:
        image: micrograph; some hundred samples of each row and column are looked at.
    """
    step_y, step_x = (max(size // _SAMPLES, 1) for size in image.shape)
    first_y, end_y = _usable_range(np.abs(np.diff(image[:, ::step_x], axis=0)).mean(axis=1))
    first_x, end_x = _usable_range(np.abs(np.diff(image[::step_y], axis=1)).mean(axis=0))
    return first_y, end_y, first_x, end_x


def _usable_range(differences: Float[np.ndarray, " pair"]) -> tuple[int, int]:
    size = len(differences) + 1
    measured = np.flatnonzero(differences > _REPEATED_SHARE * np.median(differences))
    if not len(measured):
        return 0, size
    first, end = int(measured[0]), int(measured[-1]) + 2
    # Beside a constant border the last of its rows differs from the next, but is constant too.
    first, end = first + (first > 0), end - (end < size)
    return (first, end) if end - first >= size / 2 else (0, size)
