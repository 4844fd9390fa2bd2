"""Micrograph -> working image as the APPLE picker makes it: standardised, shrunk, lightly blurred.

The released program shrinks twofold and blurs by a Gaussian of 0.5 pixels. Here shrinking is a
Fourier crop, which moves no position.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxpick.io.nouns import Micrograph
from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.numerics.fourier import filter_image, fourier_crop
from jaxpick.numerics.grids import frequency_magnitude
from jaxpick.preprocess.working import WorkingImage, check_diameter
from jaxpick.spec import require
from jaxpick.typing import Image


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShrunkSpec:
    """How a working image is made.

    Attributes:
        shrink: factor.
        blur_px: standard deviation of the Gaussian, in working pixels; 0 for none.
    """

    shrink: int = 2
    blur_px: float = 0.5

    def __post_init__(self) -> None:
        require(1 <= self.shrink <= 16, "shrink", self.shrink, "1 to 16")
        require(0 <= self.blur_px <= 10, "blur_px", self.blur_px, "0 to 10")


def make_shrunk_image(
    micrograph: Micrograph, diameter_angstrom: float, spec: ShrunkSpec
) -> WorkingImage:
    """Return the standardised, shrunk micrograph, particles still dark.

    Raises:
        InputError: when the diameter does not fit the micrograph.
    """
    pixel, image = micrograph.pixel_size_angstrom, micrograph.image
    shape = (image.shape[0], image.shape[1])
    check_diameter(shape, pixel, diameter_angstrom, micrograph.name)
    small = (max(round(shape[0] / spec.shrink), 1), max(round(shape[1] / spec.shrink), 1))
    coordinates = CoordinateMap.between(shape, small)
    return WorkingImage(
        image=np.asarray(_shrink(jnp.asarray(image), small, spec.blur_px)),
        coordinates=coordinates,
        pixel_size_angstrom=pixel * (coordinates.scale_y * coordinates.scale_x) ** 0.5,
        micrograph=micrograph.name,
        micrograph_shape=shape,
        micrograph_pixel_size_angstrom=pixel,
    )


@partial(jax.jit, static_argnames=("shape", "blur_px"))
def _shrink(
    image: Image, shape: tuple[int, int], blur_px: float
) -> Float[Array, "small_y small_x"]:
    # Taking off one pixel first keeps the digits of images with a large offset.
    image = image - image[0, 0]
    image = image - jnp.mean(image)
    image = image / (jnp.sqrt(jnp.mean(image**2)) + 1e-12)
    small = fourier_crop(image, shape) if shape != image.shape else image
    frequency = frequency_magnitude(shape)
    return filter_image(small, jnp.exp(-2.0 * (jnp.pi * blur_px * frequency) ** 2))
