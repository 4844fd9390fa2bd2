"""Micrograph -> working image as RELION's blob picker makes it.

The micrograph is standardised as a whole, extreme pixels become the mean, and Fourier cropping
brings it to the smallest even size that keeps the wanted resolution, but for sizes whose transforms
would be slow. A micrograph that is not square is treated as a part of the square of its longer
side, so that its pixels stay square; the rest of that square is for the picker to fill.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxpick.io.nouns import Micrograph
from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.numerics.fourier import fourier_crop
from jaxpick.preprocess.working import WorkingImage, check_diameter
from jaxpick.spec import require
from jaxpick.typing import Image

# RELION 3.1 takes no size n where n or n / 2 + 1 has a larger prime factor.
LARGEST_PRIME = 43


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandardisedSpec:
    """How a working image is made.

    Attributes:
        resolution_angstrom: finest detail that is kept (`--lowpass`): twice the working pixel.
        outlier_deviations: pixels further than this many standard deviations from the mean become
            the mean (`--outlier_removal_zscore`); None keeps all.
        optimise_size: move on to a size with a fast transform (not `--skip_optimise_scale`).
    """

    resolution_angstrom: float = 20.0
    outlier_deviations: float | None = 8.0
    optimise_size: bool = True

    def __post_init__(self) -> None:
        resolution, outlier = self.resolution_angstrom, self.outlier_deviations
        require(resolution > 0, "resolution_angstrom", resolution, "above 0")
        require(outlier is None or outlier > 0, "outlier_deviations", outlier, "above 0, or null")


def make_standardised_image(
    micrograph: Micrograph, diameter_angstrom: float, spec: StandardisedSpec
) -> WorkingImage:
    """Return the standardised micrograph, particles still dark, at the working size.

    Raises:
        InputError: when the diameter does not fit the micrograph.
    """
    pixel, shape = micrograph.pixel_size_angstrom, micrograph.image.shape
    check_diameter((shape[0], shape[1]), pixel, diameter_angstrom, micrograph.name)
    side = max(shape)
    size = working_size(side, pixel, spec)
    coordinates = CoordinateMap.between((side, side), (size, size))
    square = _standardise(jnp.asarray(micrograph.image), size, spec.outlier_deviations)
    end_y, end_x = (-(-length * size // side) for length in shape)
    return WorkingImage(
        image=np.asarray(square)[:end_y, :end_x],
        coordinates=coordinates,
        pixel_size_angstrom=pixel * side / size,
        micrograph=micrograph.name,
        micrograph_shape=(shape[0], shape[1]),
        micrograph_pixel_size_angstrom=pixel,
    )


def working_size(side: int, pixel_size_angstrom: float, spec: StandardisedSpec) -> int:
    """Return the even side of the working image of a square micrograph; never above its own."""
    wanted = 2.0 * side * pixel_size_angstrom / spec.resolution_angstrom
    if wanted >= side:
        return side
    size = max(2 * round(wanted / 2), 2)
    steps = (sign * step for step in range(0, side, 2) for sign in (-1, 1))
    near = (size + step for step in steps if 2 <= size + step <= side)
    return next((n for n in near if _is_fast(n)), size) if spec.optimise_size else size


def _is_fast(size: int) -> bool:
    return max(_largest_prime(size), _largest_prime(size // 2 + 1)) <= LARGEST_PRIME


def _largest_prime(number: int) -> int:
    """Return the largest prime factor of a number from 2."""
    factor = 2
    while factor * factor <= number:
        if number % factor:
            factor += 1
        else:
            number //= factor
    return number


@partial(jax.jit, static_argnames=("size", "outlier_deviations"))
def _standardise(
    image: Image, size: int, outlier_deviations: float | None
) -> Float[Array, "size size"]:
    # Taking off one pixel first keeps the digits of images with a large offset.
    image = image - image[0, 0]
    image = image - jnp.mean(image)
    image = image / (jnp.sqrt(jnp.mean(image**2)) + 1e-12)
    if outlier_deviations is not None:
        image = jnp.where(jnp.abs(image) > outlier_deviations, 0.0, image)
    side = max(image.shape)
    square = jnp.pad(image, [(0, side - length) for length in image.shape])
    return fourier_crop(square, (size, size)) if size < side else square
