"""Where nothing may be picked: dust, ice and other dense dirt much larger than a particle, and the
border.

PARSED's released `mic_preprocess.py`: a map of the working image at 500 angstrom, a threshold found
from its histogram, dilation by the aperture, contours above 225 pixels (at 15 angstrom). It does
not say what a clean field looks like; here the histogram of a clean map is taken as symmetric about
its peak, its lower half gives the spread, and what lies many spreads above the peak is dirt. So a
clean micrograph loses nothing. Where most of a micrograph is empty, crowds of particles lie as far above
the peak; but dirt fills the map's resolution with dense pixels somewhere, which particles beside each other do not.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from jaxpick.numerics.components import remove_small
from jaxpick.spec import require
from jaxpick.typing import HostImage

_HALVING_SIGMA = math.sqrt(2 * math.log(2)) / (2 * math.pi)  # Gaussian that halves the amplitude
_LARGEST_APERTURE_ANGSTROM = 160.0
_AREA_PIXEL_ANGSTROM = 15.0
_HALF_NORMAL = 0.6745  # the median distance from the mean, in standard deviations


@dataclasses.dataclass(frozen=True, kw_only=True)
class DustSpec:
    """How dust is told from a clean field.

    Attributes:
        resolution_angstrom: of the map in which dust is seen.
        clip: the image is clipped to 0..clip standard deviations first, so that one bright pixel is
            no dust.
        spreads: dust exceeds the peak of the histogram by this many standard deviations of its
            lower half.
        least: and somewhere this share of the clip: crowded particles do not.
        area_min_px: smaller patches (after dilation) are no dust, in pixels of 15 angstrom.
    """

    resolution_angstrom: float = 500.0
    clip: float = 3.0
    spreads: float = 6.0
    least: float = 0.3
    area_min_px: float = 225.0

    def __post_init__(self) -> None:
        resolution = self.resolution_angstrom
        require(resolution > 0, "resolution_angstrom", resolution, "above 0")
        require(self.clip > 0, "clip", self.clip, "above 0")
        require(self.spreads > 0, "spreads", self.spreads, "above 0")
        require(0 <= self.least < 1, "least", self.least, "0 to below 1")
        require(self.area_min_px >= 0, "area_min_px", self.area_min_px, "0 or above")


def clean_mask(
    image: HostImage,
    pixel_size_angstrom: float,
    aperture_angstrom: float,
    spec: DustSpec = DustSpec(),
    edge_cut_px: int = 0,
) -> Bool[np.ndarray, "y x"]:
    """Return where particles may be picked: neither dust nor within the edge cut.

    Args:
        image: working image with zero mean and unit variance, particles bright.
        pixel_size_angstrom: of the working image.
        aperture_angstrom: diameter by which dust is dilated.
        edge_cut_px: working pixels along the border that are left out.
    """
    dust = dust_mask(image, pixel_size_angstrom, aperture_angstrom, spec)
    return ~dust & inside_mask(image.shape, edge_cut_px)


def dust_mask(
    image: HostImage, pixel_size_angstrom: float, aperture_angstrom: float, spec: DustSpec
) -> Bool[np.ndarray, "y x"]:
    """Return where large dense dirt lies, dilated by the aperture.

    Resolution and area grow with apertures above 160 angstrom, the largest of the paper: a particle
    is never dust by its size alone.
    """
    growth = max(1.0, aperture_angstrom / _LARGEST_APERTURE_ANGSTROM)
    clipped = np.clip(image, 0.0, spec.clip) / spec.clip
    sigma_angstrom = _HALVING_SIGMA * spec.resolution_angstrom * growth
    coarse = ndimage.gaussian_filter(clipped, sigma_angstrom / pixel_size_angstrom, mode="reflect")
    dirt = coarse > histogram_threshold(coarse, spec.spreads)
    dirt = ndimage.binary_propagation(dirt & (coarse > spec.least), mask=dirt)
    if not dirt.any():
        return dirt
    dilated = ndimage.distance_transform_edt(~dirt) <= aperture_angstrom / (2 * pixel_size_angstrom)
    area_min = spec.area_min_px * (growth * _AREA_PIXEL_ANGSTROM / pixel_size_angstrom) ** 2
    return remove_small(dilated, math.ceil(area_min), diagonal=True)


def histogram_threshold(values: Float[np.ndarray, "y x"], spreads: float) -> float:
    """Return the peak of the histogram plus `spreads` standard deviations of what lies below it."""
    counts, edges = np.histogram(values, bins=256)
    smooth = ndimage.gaussian_filter1d(counts.astype(np.float64), 4.0, mode="constant")
    peak = float(edges[int(np.argmax(smooth))] + (edges[1] - edges[0]) / 2)
    below = values[values <= peak]
    spread = float(np.median(peak - below)) / _HALF_NORMAL if len(below) else 0.0
    return peak + spreads * spread


def inside_mask(shape: tuple[int, ...], edge_cut_px: int) -> Bool[np.ndarray, "y x"]:
    """Return all but a frame of `edge_cut_px` pixels."""
    inside = np.zeros(shape, bool)
    rows, columns = (slice(edge_cut_px, size - edge_cut_px) for size in shape)
    inside[rows, columns] = True
    return inside
