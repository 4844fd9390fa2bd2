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
from jaxtyping import Array, Bool, Float, Int

from jaxpick.io.nouns import Micrograph, Picks, make_picks
from jaxpick.numerics.peaks import refine_parabola
from jaxpick.picking.discount import NoiseSpec, discount
from jaxpick.picking.scales import make_coarser, resize_map
from jaxpick.picking.suppression import suppress_complete
from jaxpick.picking.tiles import score_tiled
from jaxpick.preprocess.borders import Box
from jaxpick.preprocess.prepare import PreprocessSpec, prepare
from jaxpick.preprocess.working import WorkingImage
from jaxpick.spec import require
from jaxpick.typing import Image, Images

# Working images and lists of picks are padded to multiples of these, so that mixed sizes share few
# compiled programs.
SHAPE_STEP_PX = 64
PICKS_STEP = 1024


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
    candidate_threshold: float = 0.01
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
class DensePicker:
    """A picker made of a jitted network; see `jaxpick.picking.picker.Picker`.

    Attributes:
        name: of the method.
        score: working images (batch, y, x) -> probabilities of the same shape, jitted.
        reach_px: how far from a pixel an input moves its score.
        stride_multiple: total stride of the network.
        working: how working images are made.
        decode: how score maps become picks.
        diameter_angstrom: of the particle.
        margin_angstrom: no picks this close to the border.
    """

    name: str
    score: Callable[[Images], Images]
    reach_px: int
    stride_multiple: int
    working: PreprocessSpec
    decode: DecodeSpec
    diameter_angstrom: float
    margin_angstrom: float = 0.0

    @property
    def threshold(self) -> float:
        """Score of a pick."""
        return self.decode.threshold

    def choose_threshold(self, scores: Float[np.ndarray, " pick"]) -> float:
        """Return the score of a pick, the same for any data set."""
        return self.decode.threshold

    def prepare(self, micrograph: Micrograph) -> WorkingImage:
        """Make the working image of a micrograph, at the finest scale."""
        return prepare(micrograph, self.diameter_angstrom * min(self.decode.scales), self.working)

    def score_map(self, image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
        """Score every pixel of a working image; beyond its border the network sees its mean, 0."""
        scored = score_tiled(
            self.score,
            pad_to_step(image),
            self.decode.tile_px,
            self.reach_px,
            self.stride_multiple,
        )
        return scored[: image.shape[0], : image.shape[1]]

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

    def candidates(self, working: WorkingImage) -> Picks:
        """Return all candidates of a working image in micrograph pixels, best first."""
        diameter_px = self.diameter_angstrom / working.pixel_size_angstrom
        score_map = self.score_scales(working)
        y, x, score = decode(score_map, diameter_px, self.decode)
        first_y, end_y, first_x, end_x = usable_part(working)
        micrograph_px = self.diameter_angstrom / working.micrograph_pixel_size_angstrom
        area = (end_y - first_y) * (end_x - first_x) / micrograph_px**2
        y, x = working.coordinates.to_micrograph(y, x)
        picks = make_picks(
            working.micrograph,
            x,
            y,
            discount(score, area, self.decode.noise),
            self.diameter_angstrom,
            pixel_size_angstrom=working.micrograph_pixel_size_angstrom,
            method=self.name,
        )
        return picks.select(inside_margin(picks, working, self.margin_angstrom))


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
    refined = _refine(mass, centre_yx)
    return refined[:, 0], refined[:, 1], score.astype(np.float64)


def pad_to_step(image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "padded_y padded_x"]:
    """Append zeros up to multiples of the shape step."""
    return np.pad(image, [(0, -size % SHAPE_STEP_PX) for size in image.shape])


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


def _refine(image: Image, centre_yx: Float[np.ndarray, "pick 2"]) -> Float[np.ndarray, "pick 2"]:
    """Refine peaks by parabolas, their number padded so that few programs are compiled."""
    count = len(centre_yx)
    padded = np.pad(centre_yx.astype(np.float32), ((0, -count % PICKS_STEP), (0, 0)))
    refined = _refine_parabola(image, jnp.asarray(padded))
    return np.asarray(refined)[:count].astype(np.float64)


_refine_parabola = jax.jit(refine_parabola)


def usable_part(working: WorkingImage) -> Box:
    """Return the rows and columns of the micrograph that may hold picks."""
    return working.usable or (0, working.micrograph_shape[0], 0, working.micrograph_shape[1])


def inside_margin(
    picks: Picks, working: WorkingImage, margin_angstrom: float
) -> Bool[np.ndarray, " pick"]:
    """Return which picks lie in the usable part of the micrograph and keep a distance from its border."""
    margin_px = margin_angstrom / working.micrograph_pixel_size_angstrom
    first_y, end_y, first_x, end_x = usable_part(working)
    inside = (picks.x >= first_x + margin_px) & (picks.x <= end_x - 1 - margin_px)
    return inside & (picks.y >= first_y + margin_px) & (picks.y <= end_y - 1 - margin_px)
