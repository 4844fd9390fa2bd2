"""Micrograph -> working image: the same particle size in pixels whatever the molecule, microscope and pixel size.

A network that sees particles at one size only has to know one size. The user's diameter sets the working pixel:
``pixel = diameter / diameter_px``; Fourier cropping brings the micrograph there. Then the background is subtracted (a
Gaussian mean a few diameters wide), extreme pixels are clipped and the contrast is divided by the local standard
deviation, so that ice gradients, carbon and detector scale do not matter. Simulated and real micrographs pass through
the same functions.
"""

import dataclasses
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.numerics.fourier import fourier_crop
from jaxpick.spec import require


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
        require(4 <= self.diameter_px <= 128, "diameter_px", self.diameter_px, "4 to 128")
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
    """

    image: Float[Array, "y x"] | Float[np.ndarray, "y x"]
    coordinates: CoordinateMap
    pixel_size_angstrom: float
    micrograph: str
    micrograph_shape: tuple[int, int]
    micrograph_pixel_size_angstrom: float


def working_shape(
    shape: tuple[int, int], pixel_size_angstrom: float, working_pixel_angstrom: float
) -> tuple[int, int]:
    """Return the (ny, nx) nearest to the wanted working pixel; never larger than the micrograph."""
    scale = max(working_pixel_angstrom / pixel_size_angstrom, 1.0)
    return max(round(shape[0] / scale), 1), max(round(shape[1] / scale), 1)


def gaussian_matrix(size: int, sigma_px: float) -> Float[np.ndarray, "size size"]:
    """Return the matrix that blurs a line of `size` pixels, each row summing to 1 (so edges are not darkened)."""
    offset = np.subtract.outer(np.arange(size), np.arange(size)) / sigma_px
    weights = np.exp(-0.5 * offset**2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def blur(image: Float[Array, "y x"], sigma_px: float) -> Float[Array, "y x"]:
    """Blur by a Gaussian with edge-corrected weights, as two matrix products (any width costs the same)."""
    ny, nx = image.shape
    return gaussian_matrix(ny, sigma_px) @ image @ gaussian_matrix(nx, sigma_px).T


@partial(jax.jit, static_argnames="spec")
def normalise(image: Float[Array, "y x"], spec: WorkingSpec) -> Float[Array, "y x"]:
    """Subtract the background, clip extremes and divide by the local standard deviation.

    Two rounds of clipping keep gold, ice crystals and replicated borders from setting the scale of everything else.
    """
    sigma_px = spec.background_diameters * spec.diameter_px
    image = (image - jnp.mean(image)) / (jnp.std(image) + 1e-12)
    for _ in range(2):
        flat = image - blur(image, sigma_px)
        scale = jnp.sqrt(jnp.mean(flat**2)) + 1e-6
        image = blur(image, sigma_px) + jnp.clip(flat, -spec.clip * scale, spec.clip * scale)
    flat = image - blur(image, sigma_px)
    local_variance = blur(flat**2, spec.local_diameters * spec.diameter_px)
    variance = spec.local_share * local_variance + (1 - spec.local_share) * jnp.mean(flat**2)
    return jnp.clip(flat / (jnp.sqrt(variance) + 1e-6), -spec.clip, spec.clip)


def make_working_image(
    image: np.ndarray,
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
    """
    shape = (image.shape[0], image.shape[1])
    small_shape = working_shape(shape, pixel_size_angstrom, diameter_angstrom / spec.diameter_px)
    small = (
        jnp.asarray(image)
        if small_shape == shape
        else fourier_crop(jnp.asarray(image), small_shape)
    )
    coordinates = CoordinateMap.between(shape, small_shape)
    return WorkingImage(
        image=normalise(small, spec),
        coordinates=coordinates,
        pixel_size_angstrom=pixel_size_angstrom
        * (coordinates.scale_y * coordinates.scale_x) ** 0.5,
        micrograph=name,
        micrograph_shape=shape,
        micrograph_pixel_size_angstrom=pixel_size_angstrom,
    )
