"""crYOLO's working images: whole micrographs, 1024 pixels on the short side whatever the molecule.

Its documentation gives the size of the input (the short side, with the aspect kept), the low-pass at 0.1 cycles per
pixel of the micrograph and the normalisation by mean and standard deviation of each image. The shape of its filter and
its resampling are not told: here both are done in Fourier space. The long side is rounded to a whole pixel and each
axis keeps its true factor; the network pads sides to multiples of 32 with the mean, so that nothing is squeezed.
Borders that a program filled in count in neither mean nor deviation, and come out as 0. Particles stay dark.
"""

import dataclasses
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.numerics.fourier import band_pass, fourier_resample
from jaxpick.preprocess.borders import usable_box
from jaxpick.preprocess.working import WorkingImage, check_diameter, inside_plane, working_box
from jaxpick.spec import require
from jaxpick.typing import HostImage, Image


@dataclasses.dataclass(frozen=True, kw_only=True)
class CryoloPreprocessSpec:
    """How a micrograph becomes crYOLO's working image.

    Attributes:
        kind: the working pixel is a fixed share of the micrograph.
        input_px: pixels along the short side.
        low_pass_frequency: in cycles per pixel of the micrograph; None filters nothing.
    """

    kind: Literal["short_side"] = "short_side"
    input_px: int = 1024
    low_pass_frequency: float | None = 0.1

    def __post_init__(self) -> None:
        side, frequency = self.input_px, self.low_pass_frequency
        require(side >= 64 and side % 32 == 0, "input_px", side, "a multiple of 32 from 64")
        fits = frequency is None or 0 < frequency <= 0.5
        require(fits, "low_pass_frequency", frequency, "above 0, at most 0.5, or null")


def make_cryolo_image(
    image: HostImage,
    pixel_size_angstrom: float,
    diameter_angstrom: float,
    name: str,
    spec: CryoloPreprocessSpec,
) -> WorkingImage:
    """Resample, filter and normalise one micrograph.

    Args:
        image: micrograph.
        pixel_size_angstrom: of the micrograph.
        diameter_angstrom: of the particle; it changes nothing here, but has to fit the micrograph.
        name: file name of the micrograph.
        spec: size and filter.

    Raises:
        InputError: when the diameter does not fit the micrograph.
    """
    shape = (image.shape[0], image.shape[1])
    check_diameter(shape, pixel_size_angstrom, diameter_angstrom, name)
    small = input_shape(shape, spec.input_px)
    coordinates = CoordinateMap.between(shape, small)
    usable = usable_box(image)
    box = jnp.asarray(working_box(usable, coordinates))
    scale = (coordinates.scale_y * coordinates.scale_x) ** 0.5
    normal = _resample_and_normalise(jnp.asarray(image, jnp.float32), small, scale, spec, box)
    return WorkingImage(
        image=np.asarray(normal),
        coordinates=coordinates,
        pixel_size_angstrom=pixel_size_angstrom * scale,
        micrograph=name,
        micrograph_shape=shape,
        micrograph_pixel_size_angstrom=pixel_size_angstrom,
        usable=usable,
    )


def input_shape(shape: tuple[int, int], input_px: int) -> tuple[int, int]:
    """Return the working (ny, nx): `input_px` along the short side, the aspect kept to a pixel."""
    scale = input_px / min(shape)
    return max(round(shape[0] * scale), 1), max(round(shape[1] * scale), 1)


def standardise(image: Image, usable: Int[Array, "4"] | None = None) -> Float[Array, "y x"]:
    """Subtract the mean and divide by the standard deviation of what is usable; the rest becomes 0.

    Args:
        image: at the working pixel.
        usable: first and last + 1 row, first and last + 1 column, traced; all if None.
    """
    inside = inside_plane(image.shape, usable)
    share = inside / jnp.maximum(jnp.sum(inside), 1.0)
    # Taking off one pixel first keeps the digits of images with a large offset.
    image = image - image[image.shape[0] // 2, image.shape[1] // 2]
    image = image - jnp.sum(share * image)
    return inside * image / jnp.maximum(jnp.sqrt(jnp.sum(share * image**2)), 1e-12)


@partial(jax.jit, static_argnames=("shape", "scale", "spec"))
def _resample_and_normalise(
    image: Image,
    shape: tuple[int, int],
    scale: float,
    spec: CryoloPreprocessSpec,
    usable: Int[Array, "4"],
) -> Float[Array, "small_y small_x"]:
    image = fourier_resample(image, shape)
    frequency = spec.low_pass_frequency
    # Beyond the corner of the working spectrum there is nothing left to remove.
    if frequency is not None and frequency * scale < 0.75:
        image = band_pass(image, 1.0, low_pass_angstrom=1.0 / (frequency * scale))
    return standardise(image, usable)
