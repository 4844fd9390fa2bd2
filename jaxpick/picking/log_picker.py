"""RELION's Laplacian-of-Gaussian picker: the best response over diameters, its greedy maxima.

RELION 3.1's `relion_autopick --LoG`. The figure of merit of a pixel is its largest response over
all diameters tried, 0 where the diameter that gave it is outside the range wanted. Pixels are
picked from the highest down, each clearing a disc around it.

RELION's threshold is a number of standard deviations above the mean figure of merit of each
micrograph, so the score of a pick is just that number: figures of merit in this unit rank as they
are within a micrograph and compare better between micrographs. The raw one is kept as
`figure_of_merit`.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxpick.io.nouns import Micrograph
from jaxpick.numerics.fourier import filter_image
from jaxpick.numerics.grids import frequency_grid
from jaxpick.numerics.laplacian import best_response
from jaxpick.physics.ctf import Optics, aberration_phase, amplitude_contrast_angle
from jaxpick.picking.known_optics import KnownOptics, optics_of
from jaxpick.picking.method_picker import Found, MethodPicker
from jaxpick.preprocess.prepare import prepare
from jaxpick.preprocess.standardised import StandardisedSpec
from jaxpick.preprocess.working import WorkingImage
from jaxpick.spec import require
from jaxpick.typing import Image, Scalar

_CHUNK = 4096
# At frequency 0 the transfer is the amplitude contrast, which may be 0.
_LEAST_TRANSFER = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogDecodeSpec:
    """Which maxima of the figure of merit are picks.

    Attributes:
        adjust_threshold: score of a pick (`--LoG_adjust_threshold`).
        upper_threshold: maxima above this score are none, yet clear their disc
            (`--LoG_upper_threshold`).
        neighbour: share of (best diameter + least diameter) / 2 that two picks are apart
            (`--LoG_neighbour` / 100).
        distance_diameters: distance of two picks in diameters given by the user, in place of that.
    """

    adjust_threshold: float = 0.0
    upper_threshold: float = 99999.0
    neighbour: float = 1.0
    distance_diameters: float | None = None

    def __post_init__(self) -> None:
        lower, upper, distance = (
            self.adjust_threshold,
            self.upper_threshold,
            self.distance_diameters,
        )
        require(lower < upper, "adjust_threshold", lower, f"below upper_threshold ({upper:g})")
        require(0 < self.neighbour <= 5, "neighbour", self.neighbour, "above 0, at most 5")
        allowed = distance is None or 0 < distance <= 2
        require(allowed, "distance_diameters", distance, "above 0, at most 2")

    @property
    def threshold(self) -> float:
        """Standard deviations above the mean figure of merit."""
        return self.adjust_threshold


class Responses(NamedTuple):
    """Figures of merit of a working image, and what RELION's thresholds are counted in."""

    figure_of_merit: Float[np.ndarray, "y x"]
    best_diameter_angstrom: Float[np.ndarray, "y x"]
    mean: float
    deviation: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogPicker(MethodPicker):
    """RELION's LoG picker.

    Attributes:
        range_angstrom: least and largest diameter of a particle.
        search_factor: diameters up to this many times the largest are tried, and down to a fifth
            of the least (`--Log_max_search`).
        optics: divide by their contrast transfer up to its first peak (`--LoG_use_ctf`); None does
            not.
    """

    working: StandardisedSpec
    decode: LogDecodeSpec
    range_angstrom: tuple[float, float]
    search_factor: float
    optics: KnownOptics = None

    def prepare(self, micrograph: Micrograph) -> WorkingImage:
        """Make the working image of a micrograph, which the least diameter has to fit."""
        return prepare(micrograph, self.range_angstrom[0], self.working)

    def find(self, working: WorkingImage) -> Found:
        """Return all maxima above 0.

        Raises:
            InputError: when the micrograph's optics are not known.
        """
        found = self.responses(working)
        merit, diameter = found.figure_of_merit, found.best_diameter_angstrom
        clears = (diameter + self.range_angstrom[0]) / 2 * self.decode.neighbour
        if self.decode.distance_diameters is not None:
            distance = self.decode.distance_diameters * self.diameter_angstrom
            clears = np.full_like(diameter, distance)
        y, x = greedy_maxima(merit, clears / working.pixel_size_angstrom)
        score = (merit[y, x] - found.mean) / max(found.deviation, 1e-12)
        wanted = score <= self.decode.upper_threshold
        y, x, score = y[wanted], x[wanted], score[wanted]
        size, raw = diameter[y, x].astype(np.float64), merit[y, x].astype(np.float64)
        places = (y.astype(np.float64), x.astype(np.float64))
        return Found(*places, score, size, {"figure_of_merit": raw})

    def responses(self, working: WorkingImage) -> Responses:
        """Return figures of merit with a border of half the least diameter cleared.

        Mean and deviation are those of all pixels whose best diameter is in the range, cleared ones
        counted as 0 (3.1.3).
        """
        image = np.asarray(working.image)
        tried = jnp.asarray(tried_diameters(self.range_angstrom, self.search_factor))
        pixel = working.pixel_size_angstrom
        square = jnp.asarray(-_fill_square(image, working))
        optics = optics_of(self.optics, working.micrograph)
        if optics is not None:
            square = undo_first_peak(square, pixel, optics)
        response, diameter = map(np.asarray, best_response(square, pixel, tried))
        least, largest = self.range_angstrom
        wanted = (diameter >= least) & (diameter <= largest)
        border = int(least / 2 / pixel)
        merit = np.zeros_like(response)
        inside = tuple(slice(border, length - border) for length in image.shape)
        merit[inside] = np.where(wanted, response, 0.0)[inside]
        of_range = merit[wanted].astype(np.float64)
        mean = float(of_range.mean()) if len(of_range) else 0.0
        return Responses(merit, diameter, mean, float(of_range.std()) if len(of_range) else 0.0)


def tried_diameters(range_angstrom: tuple[float, float], search_factor: float) -> list[float]:
    """Return the diameters tried: in whole angstrom outside the range, three within it."""
    least, largest = range_angstrom
    below = [_rounded(least / share) for share in (5, 4, 3, 2)]
    above = [_rounded(largest * factor) for factor in range(2, int(search_factor) + 1)]
    return [*below, least, (least + largest) / 2, largest, *above]


def greedy_maxima(
    merit: Float[np.ndarray, "y x"], clears_px: Float[np.ndarray, "y x"]
) -> tuple[Int[np.ndarray, " pick"], Int[np.ndarray, " pick"]]:
    """Take the highest pixel above 0 that is left and clear a disc around it, until none is left.

    Args:
        merit: figure of merit; 0 and below are never taken.
        clears_px: radius of the closed disc that each pixel would clear.

    Returns:
        Rows and columns, the highest first; equal ones in the order of the image.
    """
    order = np.flatnonzero(merit > 0)
    order = order[np.argsort(-merit.ravel()[order], kind="stable")]
    half = int(clears_px.ravel()[order].max(initial=0.0))
    steps = np.arange(-half, half + 1)
    square = steps[:, None] ** 2 + steps[None, :] ** 2
    free = np.pad(np.ones(merit.shape, bool), half)
    rows, columns = np.divmod(order, merit.shape[1])
    places = (rows + half) * free.shape[1] + columns + half
    taken: list[int] = []
    start = 0
    while start < len(places):
        left = free.ravel()[places[start : start + _CHUNK]]
        first = int(left.argmax())
        if not left[first]:
            start += _CHUNK
            continue
        start += first
        taken.append(start)
        y, x = rows[start], columns[start]
        free[y : y + 2 * half + 1, x : x + 2 * half + 1] &= square > clears_px[y, x] ** 2
    return rows[taken], columns[taken]


@jax.jit
def undo_first_peak(image: Image, pixel_size_angstrom: Scalar, optics: Optics) -> Image:
    """Divide by |sin(chi + asin Q)| from 0 to its first maximum; what is finer stays as it is."""
    fy, fx = frequency_grid(image.shape, pixel_size_angstrom)
    angle = aberration_phase(optics, fy, fx) + amplitude_contrast_angle(optics)
    transfer = jnp.where(angle < jnp.pi / 2, jnp.sin(angle), 1.0)
    return filter_image(image, 1.0 / jnp.maximum(transfer, _LEAST_TRANSFER))


def _fill_square(
    image: Float[np.ndarray, "y x"], working: WorkingImage
) -> Float[np.ndarray, "side side"]:
    """Fill the square of the longer side with unit noise of the micrograph's pixels, as they are
    once cropped to the working size; the same each time.
    """
    side = max(image.shape)
    if image.shape == (side, side):
        return image
    scale = working.pixel_size_angstrom / working.micrograph_pixel_size_angstrom
    square = np.random.default_rng(0).standard_normal((side, side), np.float32) / np.float32(scale)
    square[: image.shape[0], : image.shape[1]] = image
    return square


def _rounded(value: float) -> float:
    return float(int(value + 0.5))
