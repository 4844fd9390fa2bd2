"""PARSED's picking: the segmentation map's Crocker-Grier blobs, their mass the score, cut once all masses are known.

Yao, Qian and Huang (2020), Bioinformatics 36:1252, and the released `parsed_main.py` and `particle_mass.py`. The window
of the blobs is the aperture, which is the diameter that the user gives. Dust and the border are masked out. The mass
cut lies between the two peaks of the histogram of a whole data set's masses (Fig. S4), so there is no threshold until
every micrograph has been scored.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxpick.numerics.fourier import fourier_pad
from jaxpick.picking.blobs import Blobs, BlobSpec, locate
from jaxpick.picking.dust import DustSpec, clean_mask, inside_mask
from jaxpick.picking.mass_threshold import MassSpec, find_mass_cut
from jaxpick.picking.method_picker import Found, MethodPicker
from jaxpick.picking.tiles import score_tiled
from jaxpick.preprocess.parsed import mask_and_standardise
from jaxpick.preprocess.prepare import KnownPixelSpec, nominal_pixel_angstrom
from jaxpick.preprocess.working import WorkingImage
from jaxpick.spec import require
from jaxpick.typing import Images

EXTRA = ("size", "ecc", "signal", "raw_mass", "ep")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlobDecodeSpec:
    """How a segmentation map becomes picks.

    Attributes:
        kind: picks are blobs.
        mass: which blobs are kept: `mass_min`, and `cutoff` in place of the automatic cut.
        candidate_threshold: blobs of this mass or less are not even kept for later; those up to `mass.mass_min` are no
            picks and do not count in the automatic cut.
        aperture_diameters: the aperture in diameters given by the user; two picks are never nearer than an aperture.
            The authors took 100 angstrom for the 190 of beta-galactosidase (Table S7), about this share.
        distance_diameters: least distance of two picks; Crocker and Grier's aperture + 1 pixel if None.
        upsample: the map is resampled by this factor before blobs are sought.
        enhance: the map is divided by its brightness first (`enhance`), so that weak maps count as much.
        mask_input: dust is also blanked in the image that the network sees, as the released program does.
        dust: what is dust; None looks for none.
        edge_cut_angstrom: width of the border that is blanked like dust (`edge_cut`); what is left of a particle there
            may be picked, where a margin drops picks by their position.
        tile_px: larger working images are scored in tiles of this side.
    """

    kind: Literal["blobs"] = "blobs"
    mass: MassSpec = MassSpec(mass_min=0.5)
    candidate_threshold: float = 0.02
    aperture_diameters: float = 1.0
    distance_diameters: float | None = None
    upsample: int = 2
    enhance: bool = False
    mask_input: bool = False
    dust: DustSpec | None = DustSpec()
    edge_cut_angstrom: float = 0.0
    tile_px: int = 1536

    def __post_init__(self) -> None:
        aperture, distance = self.aperture_diameters, self.distance_diameters
        lowest = self.candidate_threshold
        require(lowest >= 0, "candidate_threshold", lowest, "0 or above")
        require(0 < aperture <= 2, "aperture_diameters", aperture, "above 0, at most 2")
        allowed = distance is None or 0 < distance <= 2
        require(allowed, "distance_diameters", distance, "above 0, at most 2")
        edge_cut = self.edge_cut_angstrom
        require(edge_cut >= 0, "edge_cut_angstrom", edge_cut, "0 or above")
        require(1 <= self.upsample <= 8, "upsample", self.upsample, "1 to 8")

    @property
    def threshold(self) -> float | None:
        """Mass of a pick if it was given, else None."""
        return None if self.mass.cutoff is None else self.mass_above(np.zeros(0))

    def mass_above(self, masses: Float[np.ndarray, " pick"]) -> float:
        """Return the smallest mass that is kept: the cut keeps what is heavier, picks are at or above a threshold."""
        return float(np.nextafter(find_mass_cut(masses, self.mass).threshold, np.inf))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlobPicker(MethodPicker):
    """A picker made of a jitted network and PARSED's blobs; the diameter is the aperture.

    Attributes:
        score: working images (batch, y, x) -> segmentation maps of the same shape, 0 or above, jitted.
        reach_px: how far from a pixel an input moves its score.
        stride_multiple: total stride of the network.
    """

    working: KnownPixelSpec
    decode: BlobDecodeSpec
    score: Callable[[Images], Images]
    reach_px: int
    stride_multiple: int

    def choose_threshold(self, scores: Float[np.ndarray, " pick"]) -> float:
        """Return the mass of a pick, given the masses of a whole data set (Fig. S4)."""
        return self.decode.mass_above(np.asarray(scores, np.float64))

    def segment(self, working: WorkingImage) -> Float[np.ndarray, "y x"]:
        """Return the segmentation map of a working image, 0 in dust and in the edge cut."""
        image, mask = np.asarray(working.image), self.mask(working)
        if self.decode.mask_input:
            image = np.asarray(mask_and_standardise(jnp.asarray(image), jnp.asarray(mask)))
        tile, reach = self.decode.tile_px, self.reach_px
        return score_tiled(self.score, image, tile, reach, self.stride_multiple) * mask

    def mask(self, working: WorkingImage) -> Bool[np.ndarray, "y x"]:
        """Return where picks may lie."""
        image, pixel = np.asarray(working.image), working.pixel_size_angstrom
        edge_cut = min(round(self.decode.edge_cut_angstrom / pixel), min(image.shape) // 2)
        if self.decode.dust is None:
            return inside_mask(image.shape, edge_cut)
        normal = (image - image.mean()) / max(float(image.std()), 1e-12)
        return clean_mask(normal, pixel, self.aperture_angstrom, self.decode.dust, edge_cut)

    def find(self, working: WorkingImage) -> Found:
        """Return all blobs, heaviest first; their mass is their score."""
        blobs = find_blobs(self.segment(working), self.blob_spec(working), self.decode)
        blobs = blobs.select(np.argsort(-blobs.mass, kind="stable"))
        extra = {name: getattr(blobs, name) for name in EXTRA}
        return Found(blobs.y, blobs.x, blobs.mass, extra=extra)

    @property
    def aperture_angstrom(self) -> float:
        """Diameter of the blobs' window."""
        return self.decode.aperture_diameters * self.diameter_angstrom

    def blob_spec(self, working: WorkingImage) -> BlobSpec:
        """Return the window in pixels of the up-sampled map: int(aperture / pixel) 2 + 1 at factor 2 (released)."""
        own = working.micrograph_pixel_size_angstrom
        pixel = nominal_pixel_angstrom(self.working, self.diameter_angstrom, own)
        diameter_px = (int(self.aperture_angstrom / pixel + 1e-6) * self.decode.upsample) | 1
        distance = self.decode.distance_diameters
        if distance is not None:
            distance = round(distance * self.diameter_angstrom / pixel * self.decode.upsample)
        return BlobSpec(
            diameter_px=max(diameter_px, 3),
            mass_min=min(self.decode.candidate_threshold, self.decode.mass.mass_min),
            separation_px=distance,
        )


def find_blobs(
    score_map: Float[np.ndarray, "y x"], spec: BlobSpec, decode: BlobDecodeSpec
) -> Blobs:
    """Find the blobs of a map; positions in its own pixels, all else in those of the up-sampled map."""
    score_map = enhance(score_map) if decode.enhance else score_map
    if decode.upsample == 1:
        return locate(score_map, spec)
    shape = (score_map.shape[0] * decode.upsample, score_map.shape[1] * decode.upsample)
    blobs = locate(np.asarray(fourier_pad(jnp.asarray(score_map), shape)), spec)
    return dataclasses.replace(blobs, y=blobs.y / decode.upsample, x=blobs.x / decode.upsample)


def enhance(score_map: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Divide a map by the mean + 3 standard deviations of its values above 0 (released program)."""
    positive = score_map[score_map > 0]
    if not len(positive):
        return score_map
    return score_map / np.float32(positive.mean() + 3 * positive.std())
