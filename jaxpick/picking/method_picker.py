"""What the pickers of all methods share: a working image is searched, and what is found in it becomes picks.

A method's picker says how a working image is searched (`find`) and with what. From working pixels to those of the
micrograph, the border without picks and the columns of the picks are the same for all.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from jaxpick.io.files import InputError
from jaxpick.io.nouns import Micrograph, Picks, make_picks
from jaxpick.preprocess.borders import Box
from jaxpick.preprocess.prepare import AnyPreprocessSpec, prepare
from jaxpick.preprocess.working import WorkingImage


@runtime_checkable
class Decoder(Protocol):
    """How what was found becomes picks: a frozen spec of the method's own."""

    @property
    def threshold(self) -> float | None:
        """Score of a pick; None where it depends on the whole data set."""
        ...


class Found(NamedTuple):
    """Candidates in a working image, best first.

    Attributes:
        y, x: in working pixels.
        score: larger is more certain.
        diameter_angstrom: of each; None for the one that the user gave.
        extra: further columns.
    """

    y: Float[np.ndarray, " pick"]
    x: Float[np.ndarray, " pick"]
    score: Float[np.ndarray, " pick"]
    diameter_angstrom: Float[np.ndarray, " pick"] | None = None
    extra: Mapping[str, np.ndarray] = {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class MethodPicker(abc.ABC):
    """A method made ready for one particle; see `jaxpick.picking.picker.Picker`.

    Attributes:
        name: of the method.
        working: how working images are made.
        decode: how what is found becomes picks.
        diameter_angstrom: of the particle.
        margin_angstrom: no picks this close to the border.
    """

    name: str
    working: AnyPreprocessSpec
    decode: Decoder
    diameter_angstrom: float
    margin_angstrom: float = 0.0

    @abc.abstractmethod
    def find(self, working: WorkingImage) -> Found:
        """Return all candidates of a working image, far below the threshold too."""

    @property
    def threshold(self) -> float | None:
        """Score of a pick; None where it depends on the whole data set."""
        return self.decode.threshold

    def prepare(self, micrograph: Micrograph) -> WorkingImage:
        """Make the working image of a micrograph."""
        return prepare(micrograph, self.diameter_angstrom, self.working)

    def candidates(self, working: WorkingImage) -> Picks:
        """Return all candidates of a working image in micrograph pixels, best first.

        Raises:
            InputError: when the margin leaves nothing of the micrograph.
        """
        first_y, last_y, first_x, last_x = inside_margin(working, self.margin_angstrom)
        found = self.find(working)
        y, x = working.coordinates.to_micrograph(found.y, found.x)
        diameter = found.diameter_angstrom
        picks = make_picks(
            working.micrograph,
            x,
            y,
            found.score,
            self.diameter_angstrom if diameter is None else diameter,
            pixel_size_angstrom=working.micrograph_pixel_size_angstrom,
            method=self.name,
            extra=found.extra,
        )
        inside = (y >= first_y) & (y <= last_y) & (x >= first_x) & (x <= last_x)
        return picks.select(inside)


def usable_part(working: WorkingImage) -> Box:
    """Return the rows and columns of the micrograph that may hold picks."""
    return working.usable or (0, working.micrograph_shape[0], 0, working.micrograph_shape[1])


def inside_margin(
    working: WorkingImage, margin_angstrom: float
) -> tuple[float, float, float, float]:
    """Return the first and last row, the first and last column that may hold picks.

    Raises:
        InputError: when there are none.
    """
    margin_px = margin_angstrom / working.micrograph_pixel_size_angstrom
    first_y, end_y, first_x, end_x = usable_part(working)
    if 2 * margin_px > min(end_y - first_y, end_x - first_x) - 1:
        raise InputError(
            f"{working.micrograph}: a margin of {margin_angstrom:g} angstrom leaves nothing of its "
            f"{end_y - first_y} x {end_x - first_x} pixels of "
            f"{working.micrograph_pixel_size_angstrom:g} angstrom"
        )
    return first_y + margin_px, end_y - 1 - margin_px, first_x + margin_px, end_x - 1 - margin_px
