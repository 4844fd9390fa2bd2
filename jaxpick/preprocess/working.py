"""Micrograph -> working image: the same particle size in pixels whatever the molecule, microscope and pixel size.

A network that sees particles at one size only has to know one size. The user's diameter sets the working pixel:
``pixel = diameter / diameter_px``; Fourier cropping (padding, where the micrograph is coarser) brings the micrograph
there. Then the background is subtracted (a Gaussian mean a few diameters wide), extreme pixels are clipped and the
contrast is divided by the local standard deviation, so that ice gradients, carbon and detector scale do not matter.
Borders without information of their own (replicated, constant) count in none of this and come out as 0. Simulated and
real micrographs pass through the same functions.
"""

import dataclasses
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxpick.io.files import InputError
from jaxpick.numerics.blur import gaussian_blur
from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.numerics.fourier import fourier_resample
from jaxpick.preprocess.borders import Box, usable_box
from jaxpick.spec import require
from jaxpick.typing import HostImage, Image

# Micrographs are padded to multiples of this, so that mixed sizes share few compiled programs and
# all sides have fast transforms.
SIDE_STEP_PX = 64
LEAST_DIAMETER_PX = 6.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkingSpec:
    """How a working image is made.

    Attributes:
        kind: the working pixel scales with the diameter.
        diameter_px: working pixels that span the diameter given by the user.
        background_diameters: standard deviation of the background's Gaussian, in diameters.
        clip: pixels further than this many standard deviations from the background are clipped.
        local_share: share of the local variance in the divisor, the rest is the whole image's (0 to 1).
        local_diameters: standard deviation of the window of the local variance, in diameters.
    """

    kind: Literal["scaled"] = "scaled"
    diameter_px: float = 20.0
    background_diameters: float = 1.5
    clip: float = 5.0
    local_share: float = 0.75
    local_diameters: float = 4.0

    def __post_init__(self) -> None:
        require(4 <= self.diameter_px <= 512, "diameter_px", self.diameter_px, "4 to 512")
        require(
            self.background_diameters > 0.5,
            "background_diameters",
            self.background_diameters,
            "above 0.5",
        )
        require(self.clip > 1, "clip", self.clip, "above 1")
        require(0 <= self.local_share <= 1, "local_share", self.local_share, "0 to 1")
        require(self.local_diameters > 0.5, "local_diameters", self.local_diameters, "above 0.5")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkingImage:
    """What a picker scores: a normalised image and the way back to the micrograph.

    Attributes:
        image: normalised working image.
        coordinates: map to the micrograph's pixels.
        pixel_size_angstrom: of the working image (mean of both axes).
        micrograph: file name of the micrograph.
        micrograph_shape: its (ny, nx).
        micrograph_pixel_size_angstrom: its pixel size.
        usable: the part of the micrograph, in its pixels, that may hold picks; None for all of it.
    """

    image: Float[Array, "y x"] | Float[np.ndarray, "y x"]
    coordinates: CoordinateMap
    pixel_size_angstrom: float
    micrograph: str
    micrograph_shape: tuple[int, int]
    micrograph_pixel_size_angstrom: float
    usable: Box | None = None


def working_shape(
    shape: tuple[int, int], pixel_size_angstrom: float, working_pixel_angstrom: float
) -> tuple[int, int]:
    """Return the (ny, nx) nearest to the wanted working pixel; never larger than the micrograph."""
    scale = max(working_pixel_angstrom / pixel_size_angstrom, 1.0)
    return max(round(shape[0] / scale), 1), max(round(shape[1] / scale), 1)


@partial(jax.jit, static_argnames="spec")
def normalise(
    image: Image, spec: WorkingSpec, usable: Int[Array, "4"] | None = None
) -> Float[Array, "y x"]:
    """Subtract the background, clip extremes and divide by the local standard deviation.

    Two rounds of clipping keep gold and ice crystals from setting the scale of everything else.

    Args:
        image: at the working pixel.
        spec: scales of background and contrast.
        usable: first and last + 1 row, first and last + 1 column that count, traced; all if None.
            The rest becomes 0.
    """
    inside = inside_plane(image.shape, usable)
    share = inside / jnp.sum(inside)

    def blur(values: Image, sigma_diameters: float) -> Image:
        sigma_px = sigma_diameters * spec.diameter_px
        weight = gaussian_blur(inside, sigma_px)
        return gaussian_blur(values * inside, sigma_px) / jnp.maximum(weight, 1e-6)

    def spread(values: Image) -> Float[Array, ""]:
        return jnp.sqrt(jnp.sum(share * values**2))

    # Taking off one pixel first keeps the digits of images with a large offset.
    image = image - image[image.shape[0] // 2, image.shape[1] // 2]
    image = image - jnp.sum(share * image)
    image = image / (spread(image) + 1e-12)
    for _ in range(2):
        background = blur(image, spec.background_diameters)
        limit = spec.clip * (spread(image - background) + 1e-6)
        image = background + jnp.clip(image - background, -limit, limit)
    flat = image - blur(image, spec.background_diameters)
    local_variance = blur(flat**2, spec.local_diameters)
    variance = spec.local_share * local_variance + (1 - spec.local_share) * spread(flat) ** 2
    return inside * jnp.clip(flat / (jnp.sqrt(variance) + 1e-6), -spec.clip, spec.clip)


def inside_plane(shape: tuple[int, ...], usable: Int[Array, "4"] | None) -> Float[Array, "y x"]:
    """Return 1 within the usable rows and columns (first, last + 1), 0 beyond; 1 everywhere if None."""
    if usable is None:
        return jnp.ones(shape, jnp.float32)
    y, x = (jnp.arange(size) for size in shape)
    rows = (y >= usable[0]) & (y < usable[1])
    columns = (x >= usable[2]) & (x < usable[3])
    return (rows[:, None] & columns[None, :]).astype(jnp.float32)


def make_working_image(
    image: HostImage,
    pixel_size_angstrom: float,
    diameter_angstrom: float,
    name: str,
    spec: WorkingSpec,
) -> WorkingImage:
    """Bring one micrograph to the working pixel of a diameter and normalise it.

    Args:
        image: micrograph, (ny, nx).
        pixel_size_angstrom: of the micrograph.
        diameter_angstrom: particle diameter that the user gives.
        name: file name of the micrograph.
        spec: how the working image is made.

    Raises:
        InputError: when the diameter does not fit the micrograph.
    """
    shape = (image.shape[0], image.shape[1])
    check_diameter(shape, pixel_size_angstrom, diameter_angstrom, name)
    usable = usable_box(image)
    padded = _pad_sides(image)
    scale = diameter_angstrom / spec.diameter_px / pixel_size_angstrom
    small = (max(round(padded.shape[0] / scale), 1), max(round(padded.shape[1] / scale), 1))
    coordinates = CoordinateMap.between((padded.shape[0], padded.shape[1]), small)
    box = working_box(usable, coordinates)
    normal = np.asarray(_resample_and_normalise(jnp.asarray(padded), small, spec, jnp.asarray(box)))
    end_y, end_x = working_box((0, shape[0], 0, shape[1]), coordinates)[[1, 3]]
    return WorkingImage(
        image=normal[:end_y, :end_x],
        coordinates=coordinates,
        pixel_size_angstrom=pixel_size_angstrom
        * (coordinates.scale_y * coordinates.scale_x) ** 0.5,
        micrograph=name,
        micrograph_shape=shape,
        micrograph_pixel_size_angstrom=pixel_size_angstrom,
        usable=usable,
    )


def check_diameter(
    shape: tuple[int, int], pixel_size_angstrom: float, diameter_angstrom: float, name: str
) -> None:
    """Refuse a diameter that is finer than the micrograph resolves or larger than it is.

    Raises:
        InputError: naming the micrograph, the diameter and its pixels.
    """
    diameter_px = diameter_angstrom / pixel_size_angstrom
    if LEAST_DIAMETER_PX <= diameter_px <= min(shape):
        return
    expected = (
        f"{LEAST_DIAMETER_PX:g} or more"
        if diameter_px < LEAST_DIAMETER_PX
        else f"at most the {min(shape)} of its shorter side"
    )
    raise InputError(
        f"{name}: a diameter of {diameter_angstrom:g} angstrom spans {diameter_px:.3g} pixels of "
        f"{pixel_size_angstrom:g} angstrom; expected {expected} (both are in angstrom)"
    )


def _pad_sides(image: HostImage) -> Float[np.ndarray, "padded_y padded_x"]:
    """Repeat the last row and column up to multiples of the step, as few bytes moved as can be."""
    missing = [(0, -size % SIDE_STEP_PX) for size in image.shape]
    return np.pad(image, missing, mode="edge") if any(after for _, after in missing) else image


def working_box(usable: Box, coordinates: CoordinateMap) -> Int[np.ndarray, "4"]:
    """Return the working pixels whose centres lie in the usable part of the micrograph."""
    scale = np.repeat([coordinates.scale_y, coordinates.scale_x], 2)
    last = np.array([0, 1, 0, 1])
    edges = (np.array(usable) - last) / scale
    inwards = np.where(last, np.floor(edges + 1e-9) + 1, np.ceil(edges - 1e-9))
    return inwards.astype(np.int32)


@partial(jax.jit, static_argnames=("shape", "spec"))
def _resample_and_normalise(
    image: Image, shape: tuple[int, int], spec: WorkingSpec, usable: Int[Array, "4"]
) -> Float[Array, "small_y small_x"]:
    return normalise(fourier_resample(image, shape), spec, usable)
