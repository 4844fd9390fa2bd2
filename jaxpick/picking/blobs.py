"""Crocker-Grier blobs of a segmentation map: band-pass, local maxima, centres of mass, and their
moments.

Crocker and Grier (1996), J. Colloid Interface Sci. 179:298, as trackpy's `locate` does it, which
PARSED picks with; the numbers equal trackpy's. It finds and measures on a map of 256 grey values;
`quantise=False` measures the same windows on the map itself (positions move by up to 0.01 px,
masses by up to 3 %).

On the host: a map at PARSED's scale has some 10^5 pixels and its blobs differ in number from map to
map.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage, spatial

from jaxpick.spec import require

_TRUNCATE = 4.0  # of the band-pass's Gaussian, in standard deviations
_SHIFT_PX = 0.6  # a blob further than this off its window's centre moves the window


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlobSpec:
    """How blobs are found.

    Attributes:
        diameter_px: odd side of the window, a little larger than a blob.
        mass_min: blobs of this mass or less are left out, in units of the map.
        separation_px: of two blobs nearer than this the lighter is dropped; diameter + 1 if None.
        noise_px: standard deviation of the smoothing Gaussian.
        background_px: odd side of the running mean that is the background; the diameter if None.
        threshold: band-passed values below it are set to 0.
        percentile: a maximum must exceed this percentile of the band-passed values above 0.
        max_iterations: moves of the window at most.
        band_pass: False measures on the map as it is.
        quantise: measure on 256 grey values, rounded down, as trackpy does.
    """

    diameter_px: int = 17
    mass_min: float = 0.0
    separation_px: int | None = None
    noise_px: float = 1.0
    background_px: int | None = None
    threshold: float = 1.0 / 255.0
    percentile: float = 64.0
    max_iterations: int = 10
    band_pass: bool = True
    quantise: bool = True

    def __post_init__(self) -> None:
        is_odd = self.diameter_px >= 3 and self.diameter_px % 2 == 1
        require(is_odd, "diameter_px", self.diameter_px, "an odd number from 3")
        background = self.background_px
        is_odd = background is None or (background >= 3 and background % 2 == 1)
        require(is_odd, "background_px", background, "an odd number from 3")
        require(self.noise_px > 0, "noise_px", self.noise_px, "above 0")
        require(0 <= self.percentile < 100, "percentile", self.percentile, "0 to below 100")
        require(self.max_iterations >= 1, "max_iterations", self.max_iterations, "1 or more")

    @property
    def radius_px(self) -> int:
        """Radius of the window: pixels on either side of its centre."""
        return self.diameter_px // 2

    @property
    def separation(self) -> int:
        """Least distance of two blobs in pixels."""
        return self.diameter_px + 1 if self.separation_px is None else self.separation_px

    @property
    def background(self) -> int:
        """Side of the running mean in pixels."""
        return self.diameter_px if self.background_px is None else self.background_px


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blobs:
    """Blobs in row-major order of the maxima they grew from.

    Attributes:
        x, y: centre of mass in pixels of the map.
        mass: sum over the disc of the band-passed map.
        size: radius of gyration in pixels.
        ecc: eccentricity, 0 for a circle.
        signal: largest band-passed value.
        raw_mass: sum over the disc of the map itself.
        ep: standard error of the position in pixels (Savin and Doyle 2005), NaN without a
            background.
    """

    x: Float[np.ndarray, " blob"]
    y: Float[np.ndarray, " blob"]
    mass: Float[np.ndarray, " blob"]
    size: Float[np.ndarray, " blob"]
    ecc: Float[np.ndarray, " blob"]
    signal: Float[np.ndarray, " blob"]
    raw_mass: Float[np.ndarray, " blob"]
    ep: Float[np.ndarray, " blob"]

    def __len__(self) -> int:
        return len(self.x)

    def select(self, keep: np.ndarray) -> "Blobs":
        """Return the blobs chosen by a boolean mask or by indices."""
        names = (field.name for field in dataclasses.fields(self))
        return Blobs(**{name: getattr(self, name)[keep] for name in names})


def locate(score_map: Float[np.ndarray, "y x"], spec: BlobSpec) -> Blobs:
    """Find blobs and measure them.

    A margin of half the window, of half the background's window or of half the separation
    (whichever is largest) has no blobs.

    Args:
        score_map: bright blobs on a dark ground; values below 0 count as 0.
    """
    passed = band_pass(score_map, spec) if spec.band_pass else score_map
    passed = np.maximum(passed, 0.0)
    scale = 255.0 / max(float(passed.max()), 1e-30)
    grey = np.floor(passed * scale)
    centre_yx = _follow_centres(grey, _candidate_maxima(grey, spec), spec)
    blobs = _measure(score_map, grey / scale if spec.quantise else passed, centre_yx, spec)
    blobs = blobs.select(~_lighter_of_close(blobs, spec.separation))
    return blobs.select(blobs.mass > spec.mass_min)


def band_pass(score_map: Float[np.ndarray, "y x"], spec: BlobSpec) -> Float[np.ndarray, "y x"]:
    """Return the map smoothed by a Gaussian minus its running mean, values below the threshold
    set to 0.
    """
    image = np.asarray(score_map, np.float64)
    smooth = ndimage.gaussian_filter(image, spec.noise_px, mode="constant", truncate=_TRUNCATE)
    flat = smooth - ndimage.uniform_filter(image, spec.background, mode="nearest")
    return np.where(flat >= spec.threshold, flat, 0.0)


def _candidate_maxima(
    grey: Float[np.ndarray, "y x"], spec: BlobSpec
) -> Int[np.ndarray, "candidate 2"]:
    """Return (y, x) of the maxima over the largest square in a circle of the separation's
    radius.
    """
    positive = grey[grey > 0]
    if not len(positive):
        return np.zeros((0, 2), np.int64)
    side = int(2 * spec.separation / math.sqrt(2))
    dilated = ndimage.grey_dilation(grey, size=(side, side), mode="constant")
    is_maximum = (grey == dilated) & (grey > np.percentile(positive, spec.percentile))
    margin = max(spec.radius_px, spec.separation // 2 - 1, spec.background // 2)
    centre_yx = np.argwhere(is_maximum)
    last = np.array(grey.shape) - margin - 1
    return centre_yx[np.all((centre_yx >= margin) & (centre_yx <= last), axis=1)]


def _follow_centres(
    grey: Float[np.ndarray, "y x"], centre_yx: Int[np.ndarray, "candidate 2"], spec: BlobSpec
) -> Int[np.ndarray, "candidate 2"]:
    """Move each window by whole pixels to its centre of mass."""
    radius = spec.radius_px
    last = np.array(grey.shape) - 1 - radius
    for _ in range(spec.max_iterations):
        offset = _centre_of_mass(grey, centre_yx, radius)
        step = np.where(np.abs(offset) > _SHIFT_PX, np.sign(offset), 0).astype(np.int64)
        if not step.any():
            break
        centre_yx = np.clip(centre_yx + step, radius, last)
    return centre_yx


def _centre_of_mass(
    measured: Float[np.ndarray, "y x"], centre_yx: Int[np.ndarray, "blob 2"], radius: int
) -> Float[np.ndarray, "blob 2"]:
    window = _windows(measured, centre_yx, radius)
    mass = np.maximum(window.sum(axis=(1, 2)), 1e-30)
    steps = np.arange(-radius, radius + 1)
    moments = [window.sum(axis=2) @ steps, window.sum(axis=1) @ steps]
    return np.stack(moments, axis=1) / mass[:, None]


def _windows(
    image: Float[np.ndarray, "y x"], centre_yx: Int[np.ndarray, "blob 2"], radius: int
) -> Float[np.ndarray, "blob side side"]:
    """Return the disc around each centre, 0 outside it."""
    side = 2 * radius + 1
    if not len(centre_yx):  # then the map may be smaller than the window
        return np.zeros((0, side, side))
    views = np.lib.stride_tricks.sliding_window_view(np.asarray(image, np.float64), (side, side))
    corner = centre_yx - radius
    return views[corner[:, 0], corner[:, 1]] * _disc(radius)


def _disc(radius: int) -> Bool[np.ndarray, "side side"]:
    steps = np.arange(-radius, radius + 1)
    return steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2


def _measure(
    score_map: Float[np.ndarray, "y x"],
    measured: Float[np.ndarray, "y x"],
    centre_yx: Int[np.ndarray, "blob 2"],
    spec: BlobSpec,
) -> Blobs:
    radius = spec.radius_px
    offset = _centre_of_mass(measured, centre_yx, radius)
    window = _windows(measured, centre_yx, radius)
    steps = np.arange(-radius, radius + 1, dtype=np.float64)
    dy, dx = steps[:, None], steps[None, :]
    angle = 2 * np.arctan2(dy, dx)
    mass = window.sum(axis=(1, 2))
    safe_mass = np.maximum(mass, 1e-30)
    elongation = np.hypot(
        np.sum(window * np.cos(angle), axis=(1, 2)), np.sum(window * np.sin(angle), axis=(1, 2))
    )
    off_centre = np.maximum(mass - window[:, radius, radius], 1e-30)
    raw_mass = _windows(score_map, centre_yx, radius).sum(axis=(1, 2))
    return Blobs(
        x=centre_yx[:, 1] + offset[:, 1],
        y=centre_yx[:, 0] + offset[:, 0],
        mass=mass,
        size=np.sqrt(np.sum(window * (dy**2 + dx**2), axis=(1, 2)) / safe_mass),
        ecc=elongation / off_centre,
        signal=window.max(axis=(1, 2), initial=0.0),
        raw_mass=raw_mass,
        ep=_position_error(score_map, measured, raw_mass, spec),
    )


def _position_error(
    score_map: Float[np.ndarray, "y x"],
    measured: Float[np.ndarray, "y x"],
    raw_mass: Float[np.ndarray, " blob"],
    spec: BlobSpec,
) -> Float[np.ndarray, " blob"]:
    """Return noise / mass times the second moment of the disc; the noise is that of pixels far
    from all blobs.
    """
    disc = _disc(spec.radius_px)
    ground = score_map[~ndimage.binary_dilation(measured > 0, structure=disc)]
    if not len(ground):
        return np.full(len(raw_mass), np.nan)
    mass = raw_mass - disc.sum() * float(ground.mean(dtype=np.float64))
    steps = np.arange(-spec.radius_px, spec.radius_px + 1)
    moment = math.sqrt(float(np.sum(disc * steps[:, None] ** 2)))
    noise = float(ground.std(dtype=np.float64))
    return noise * spec.noise_px * moment / np.where(mass == 0, np.nan, mass)


def _lighter_of_close(blobs: Blobs, separation: int) -> Bool[np.ndarray, " blob"]:
    """Mark every blob with a heavier one nearer than the separation; at equal mass, the one
    nearer the origin.
    """
    drop = np.zeros(len(blobs), bool)
    if not len(blobs):
        return drop
    centre = np.stack([blobs.y, blobs.x], axis=1)
    pairs = spatial.KDTree(centre).query_pairs(separation * (1 - 1e-7), output_type="ndarray")
    first, second = pairs[:, 0], pairs[:, 1]
    heavier = blobs.mass[first] > blobs.mass[second]
    further = centre[first].sum(axis=1) > centre[second].sum(axis=1)
    keeps_first = np.where(blobs.mass[first] == blobs.mass[second], further, heavier)
    drop[np.where(keeps_first, second, first)] = True
    return drop
