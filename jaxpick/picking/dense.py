"""Dense picking: a network scores every working pixel, and the peaks of the score map become picks.

The score of a position is the mean of the map over a disc (the mass of the blob over the mass of a full one, which is
Crocker and Grier's mass on a scale from 0 to 1). Peaks closer than a distance keep the better one; the position is
refined to a fraction of a pixel by a parabola through the peak.
"""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxpick.io.nouns import Micrograph
from jaxpick.picking.discount import NoiseSpec, discount
from jaxpick.picking.method_picker import Found, MethodPicker, usable_part
from jaxpick.picking.scales import make_coarser, resize_map
from jaxpick.picking.suppression import refine_peaks, suppress_complete
from jaxpick.picking.tiles import pad_to_step, score_padded
from jaxpick.preprocess.prepare import PreprocessSpec, prepare
from jaxpick.preprocess.working import WorkingImage
from jaxpick.spec import require
from jaxpick.typing import Image, Images


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodeSpec:
    """How a score map becomes picks; lengths in particle diameters.

    Attributes:
        kind: picks are peaks of the averaged map.
        threshold: score of a pick.
        candidate_threshold: lowest score that is kept for later.
        aperture_diameters: radius of the disc that scores are averaged over.
        distance_diameters: least distance of two picks.
        scales: multiples of the diameter at which the image is scored; the maps are averaged. A diameter that is
            not quite the particle's then matters less, at the cost of 1 / scale^2 for each.
        tile_px: larger working images are scored in tiles of this side.
        noise: peaks that pure noise gives with these weights; scores are discounted by them.
    """

    kind: Literal["peaks"] = "peaks"
    threshold: float = 0.3
    candidate_threshold: float = 0.001
    aperture_diameters: float = 0.2
    distance_diameters: float = 0.5
    scales: tuple[float, ...] = (1.0,)
    tile_px: int = 1536
    noise: NoiseSpec = NoiseSpec()

    def __post_init__(self) -> None:
        require(0 < self.threshold < 1, "threshold", self.threshold, "0 to 1")
        require(
            0 < self.candidate_threshold <= self.threshold,
            "candidate_threshold",
            self.candidate_threshold,
            "above 0, at most threshold",
        )
        require(
            0 < self.aperture_diameters <= 1,
            "aperture_diameters",
            self.aperture_diameters,
            "above 0, at most 1",
        )
        require(
            0 < self.distance_diameters <= 2,
            "distance_diameters",
            self.distance_diameters,
            "above 0, at most 2",
        )
        fit = len(self.scales) > 0 and all(0.25 <= scale <= 4 for scale in self.scales)
        require(fit, "scales", self.scales, "one or more from 0.25 to 4")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DensePicker(MethodPicker):
    """A picker made of a jitted network.

    Attributes:
        score: working images (batch, y, x) -> probabilities of the same shape, jitted.
        reach_px: how far from a pixel an input moves its score.
        stride_multiple: total stride of the network.
    """

    working: PreprocessSpec
    decode: DecodeSpec
    score: Callable[[Images], Images]
    reach_px: int
    stride_multiple: int

    def prepare(self, micrograph: Micrograph) -> WorkingImage:
        """Make the working image of a micrograph, at the finest scale."""
        return prepare(micrograph, self.diameter_angstrom * min(self.decode.scales), self.working)

    def score_map(self, image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
        """Score every pixel of a working image; beyond its border the network sees its mean, 0."""
        tile = self.decode.tile_px
        return score_padded(self.score, image, tile, self.reach_px, self.stride_multiple)

    def score_scales(self, working: WorkingImage) -> Float[np.ndarray, "y x"]:
        """Score every pixel of a working image at each scale, and return the mean."""
        image = np.asarray(working.image)
        finest, *others = sorted(self.decode.scales)
        total = self.score_map(image)
        for scale in others:
            coarse = make_coarser(working, scale / finest, self.working)
            scored = self.score_map(np.asarray(coarse.image))
            total = total + resize_map(scored, coarse.coordinates, image.shape)
        return total / len(self.decode.scales)

    def find(self, working: WorkingImage) -> Found:
        """Return the peaks of the score map, discounted by what noise gives."""
        diameter_px = self.diameter_angstrom / working.pixel_size_angstrom
        y, x, score = decode(self.score_scales(working), diameter_px, self.decode)
        first_y, end_y, first_x, end_x = usable_part(working)
        micrograph_px = self.diameter_angstrom / working.micrograph_pixel_size_angstrom
        area = (end_y - first_y) * (end_x - first_x) / micrograph_px**2
        return Found(y, x, discount(score, area, self.decode.noise))


def decode(
    score_map: Float[np.ndarray, "y x"], diameter_px: float, spec: DecodeSpec
) -> tuple[Float[np.ndarray, " pick"], Float[np.ndarray, " pick"], Float[np.ndarray, " pick"]]:
    """Return y, x (sub-pixel) and score of the peaks of a score map, best first."""
    radius_px = max(round(spec.aperture_diameters * diameter_px), 1)
    extent = np.array(score_map.shape, np.int32)
    padded = jnp.asarray(pad_to_step(score_map))
    mass = aperture_mean(padded, radius_px, jnp.asarray(extent))
    centre_yx, score = suppress_complete(
        mass, spec.distance_diameters * diameter_px, spec.candidate_threshold
    )
    refined = refine_peaks(mass, centre_yx)
    return refined[:, 0], refined[:, 1], score.astype(np.float64)


@partial(jax.jit, static_argnames="radius_px")
def aperture_mean(
    image: Image, radius_px: int, extent: Int[Array, "2"] | None = None
) -> Float[Array, "y x"]:
    """Return the mean over a disc around each pixel, zero beyond the border.

    The disc is summed row by row, each row from the one that is two pixels narrower.

    Args:
        image: any.
        radius_px: of the disc, static.
        extent: (ny, nx) of the image within its padding, traced: the result is zero beyond.
    """
    height, width = image.shape
    padded = jnp.pad(image, radius_px)
    rows = [padded[:, radius_px : radius_px + width]]
    for half in range(1, radius_px + 1):
        left = padded[:, radius_px - half : radius_px - half + width]
        right = padded[:, radius_px + half : radius_px + half + width]
        rows.append(rows[-1] + left + right)
    total, area = jnp.zeros_like(image), 0
    for step in range(-radius_px, radius_px + 1):
        half = math.isqrt(radius_px**2 - step**2)
        total = total + rows[half][radius_px + step : radius_px + step + height]
        area += 2 * half + 1
    if extent is None:
        return total / area
    inside_y, inside_x = jnp.arange(height) < extent[0], jnp.arange(width) < extent[1]
    return jnp.where(inside_y[:, None] & inside_x[None, :], total / area, 0.0)
