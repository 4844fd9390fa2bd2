"""The part of a micrograph that was measured: without borders that a program filled in.

Motion correction and conversion leave rows and columns that repeat a neighbour or hold one value.
There the difference of adjacent rows (columns) all but vanishes, while noise gives every measured
pair much the same; JPEG compression leaves a hundredth of it. Where the micrograph was filtered
afterwards, the border fades into the image, and over the edge into the opposite side: what lies
outside repeated lines is border too, and so is what is still too smooth inside them.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from jaxpick.typing import HostImage

# First row, last row + 1, first column, last column + 1, in pixels of the micrograph.
Box: TypeAlias = tuple[int, int, int, int]

_REPEATED, _SMOOTH = 0.1, 0.5  # shares of the usual difference of adjacent lines
_RUN_LINES = 4  # repeated lines that make a border which does not reach the edge
_WIDEST_SHARE = 0.125  # of an axis
_SAMPLES = 128


def usable_box(image: HostImage) -> Box:
    """Return the rows and columns inside all repeated or constant borders.

    Args:
        image: micrograph; some hundred samples of each row and column are looked at.
    """
    step_y, step_x = (max(size // _SAMPLES, 1) for size in image.shape)
    first_y, end_y = _usable_range(np.abs(np.diff(image[:, ::step_x], axis=0)).mean(axis=1))
    first_x, end_x = _usable_range(np.abs(np.diff(image[::step_y], axis=1)).mean(axis=0))
    return first_y, end_y, first_x, end_x


def _usable_range(differences: Float[np.ndarray, " pair"]) -> tuple[int, int]:
    size = len(differences) + 1
    return _border_lines(differences), size - _border_lines(differences[::-1])


def _border_lines(differences: Float[np.ndarray, " pair"]) -> int:
    """Count the lines of the border at the beginning, given the differences of adjacent lines."""
    usual = float(np.median(differences)) if len(differences) else 0.0
    repeated = differences[: int(len(differences) * _WIDEST_SHARE)] < _REPEATED * usual
    runs = np.lib.stride_tricks.sliding_window_view(np.pad(repeated, (0, _RUN_LINES)), _RUN_LINES)
    inside = np.flatnonzero(runs.all(axis=1))
    leading = int(np.argmin(np.append(repeated, False)))
    count = max(int(inside[-1]) + _RUN_LINES if len(inside) else 0, leading)
    if not count:
        return 0
    while count < len(differences) and differences[count] < _SMOOTH * usual:
        count += 1
    # The last repeated line is one too, or the measured one that it repeats.
    return count + 1
