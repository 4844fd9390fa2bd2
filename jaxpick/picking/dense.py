"""Dense picking: a network scores every working pixel, and the peaks of the score map become picks.

The score of a position is the mean of the map over a disc (the mass of the blob over the mass of a full one, which is
Crocker and Grier's mass on a scale from 0 to 1). Peaks closer than a distance keep the better one; the position is
refined to a fraction of a pixel by a parabola through the peak.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxpick.io.nouns import Micrograph, Picks, make_picks
from jaxpick.picking.suppression import suppress_complete
from jaxpick.picking.tiles import score_tiled
from jaxpick.preprocess.prepare import PreprocessSpec, prepare
from jaxpick.preprocess.working import WorkingImage
from jaxpick.spec import require
from jaxpick.typing import Image, Images

# Working images are padded to multiples of this, so that micrographs of mixed sizes share few compiled programs.
SHAPE_STEP_PX = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodeSpec:
    """How a score map becomes picks; lengths in particle diameters.

    Attributes:
        kind: picks are peaks of the averaged map.
        threshold: score of a pick.
        candidate_threshold: lowest score that is kept for later.
        aperture_diameters: radius of the disc that scores are averaged over.
        distance_diameters: least distance of two picks.
        tile_px: larger working images are scored in tiles of this side.
    """

    kind: Literal["peaks"] = "peaks"
    threshold: float = 0.3
    candidate_threshold: float = 0.02
    aperture_diameters: float = 0.2
    distance_diameters: float = 0.5
    tile_px: int = 1536

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
        """Make the working image of a micrograph."""
        return prepare(micrograph, self.diameter_angstrom, self.working)

    def score_map(self, image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
        """Score every pixel of a working image."""
        ny, nx = image.shape
        padded = np.pad(
            image,
            ((0, -ny % SHAPE_STEP_PX), (0, -nx % SHAPE_STEP_PX)),
            mode="reflect" if min(ny, nx) > SHAPE_STEP_PX else "constant",
        )
        scored = score_tiled(
            self.score, padded, self.decode.tile_px, self.reach_px, self.stride_multiple
        )
        return scored[:ny, :nx]

    def candidates(self, working: WorkingImage) -> Picks:
        """Return all candidates of a working image in micrograph pixels, best first."""
        diameter_px = self.diameter_angstrom / working.pixel_size_angstrom
        score_map = self.score_map(np.asarray(working.image))
        y, x, score = decode(score_map, diameter_px, self.decode)
        y, x = working.coordinates.to_micrograph(y, x)
        picks = make_picks(
            working.micrograph,
            x,
            y,
            score,
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
    mass = aperture_mean(jnp.asarray(score_map), radius_px)
    centre_yx, score = suppress_complete(
        mass, spec.distance_diameters * diameter_px, spec.candidate_threshold
    )
    refined = refine_peaks(np.asarray(mass), centre_yx)
    return refined[:, 0], refined[:, 1], score.astype(np.float64)


@partial(jax.jit, static_argnames="radius_px")
def aperture_mean(image: Image, radius_px: int) -> Float[Array, "y x"]:
    """Return the mean over a disc around each pixel, zero beyond the border."""
    steps = np.arange(-radius_px, radius_px + 1)
    disc = (steps[:, None] ** 2 + steps[None, :] ** 2 <= radius_px**2).astype(np.float32)
    kernel = jnp.asarray(disc / disc.sum())[:, :, None, None]
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        image[None, :, :, None], kernel, (1, 1), "SAME", dimension_numbers=layout
    )[0, :, :, 0]


def refine_peaks(
    image: Float[np.ndarray, "y x"], centre_yx: Float[np.ndarray, "pick 2"]
) -> Float[np.ndarray, "pick 2"]:
    """Move each peak by the vertex of a parabola through it and its neighbours, at most half a pixel along each axis."""
    y, x = centre_yx.astype(np.int64).T
    padded = np.pad(image, 1, mode="edge")
    middle = padded[y + 1, x + 1]
    refined = centre_yx.astype(np.float64)
    for axis, (before, after) in enumerate(
        ((padded[y, x + 1], padded[y + 2, x + 1]), (padded[y + 1, x], padded[y + 1, x + 2]))
    ):
        curvature = before + after - 2 * middle
        shift = np.where(
            curvature < -1e-9, 0.5 * (before - after) / np.minimum(curvature, -1e-9), 0.0
        )
        refined[:, axis] += np.clip(shift, -0.5, 0.5)
    return refined


def inside_margin(
    picks: Picks, working: WorkingImage, margin_angstrom: float
) -> Bool[np.ndarray, " pick"]:
    """Return which picks keep a distance from the micrograph's border."""
    margin_px = margin_angstrom / working.micrograph_pixel_size_angstrom
    ny, nx = working.micrograph_shape
    inside = (picks.x >= margin_px) & (picks.x <= nx - 1 - margin_px)
    return inside & (picks.y >= margin_px) & (picks.y <= ny - 1 - margin_px)
