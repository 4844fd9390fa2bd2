"""PARSED's working images: Note S3 of the supplement, and the order of its released
`mic_preprocess.py`.

Yao, Qian and Huang (2020), Bioinformatics 36:1252. Both normalise by the centre of the micrograph,
keep 500 to 30 angstrom and bring it to 15 angstrom a pixel, the Nyquist sampling of 30. The filters
are applied after the Fourier crop, where they cost next to nothing: crop and filter are both
products in Fourier space. The released code resizes by bilinear interpolation, half a pixel off at
every factor; here it is the Fourier crop too.

Particles are dark in micrographs and bright in working images (the released code inverts; Note S3
does not say).
"""

import dataclasses
import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.numerics.fourier import band_pass_transfer, filter_image, fourier_crop
from jaxpick.numerics.grids import frequency_magnitude
from jaxpick.preprocess.borders import usable_box
from jaxpick.preprocess.working import WorkingImage, working_shape
from jaxpick.spec import require
from jaxpick.typing import HostImage, Image, Mask, Scalar

_HARD_EDGE = 1e-3  # width of a filter's edge, as a fraction of its frequency


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParsedPreprocessSpec:
    """How a micrograph becomes PARSED's working image.

    Attributes:
        kind: the working pixel is the same for all particles.
        variant: "paper" (Note S3) or "released": normalised by the central half instead of the
            central quarter of each axis, a Gaussian low-pass three standard deviations wide at
            `low_pass_angstrom` before the hard band-pass, sides that are multiples of 4, zero mean
            and unit variance at the end.
        working_pixel_angstrom: pixel of the working image; a coarser micrograph keeps its own.
        high_pass_angstrom: coarser detail is removed.
        low_pass_angstrom: finer detail is removed; two working pixels if None.
        invert: dark particles become bright.
    """

    kind: Literal["note_s3"] = "note_s3"
    variant: Literal["paper", "released"] = "paper"
    working_pixel_angstrom: float = 15.0
    high_pass_angstrom: float = 500.0
    low_pass_angstrom: float | None = None
    invert: bool = True

    def __post_init__(self) -> None:
        pixel = self.working_pixel_angstrom
        require(pixel > 0, "working_pixel_angstrom", pixel, "above 0")
        low_pass, high_pass = self.low_pass, self.high_pass_angstrom
        require(low_pass > 0, "low_pass_angstrom", low_pass, "above 0")
        require(high_pass > low_pass, "high_pass_angstrom", high_pass, f"above {low_pass:g}")

    @property
    def low_pass(self) -> float:
        """Resolution of the low-pass in angstrom."""
        given = self.low_pass_angstrom
        return 2 * self.working_pixel_angstrom if given is None else given


def make_parsed_image(
    image: HostImage, pixel_size_angstrom: float, name: str, spec: ParsedPreprocessSpec
) -> WorkingImage:
    """Normalise, filter and down-sample one micrograph.

    Args:
        image: micrograph.
        pixel_size_angstrom: of the micrograph.
        name: file name of the micrograph.
        spec: which variant, at which scale.
    """
    shape = (image.shape[0], image.shape[1])
    multiple = 4 if spec.variant == "released" else 1
    small = _small_shape(shape, pixel_size_angstrom, spec.working_pixel_angstrom, multiple)
    coordinates = CoordinateMap.between(shape, small)
    pixel = pixel_size_angstrom * (coordinates.scale_y * coordinates.scale_x) ** 0.5
    return WorkingImage(
        image=_normalise_and_filter(jnp.asarray(image, jnp.float32), small, pixel, spec),
        coordinates=coordinates,
        pixel_size_angstrom=pixel,
        micrograph=name,
        micrograph_shape=shape,
        micrograph_pixel_size_angstrom=pixel_size_angstrom,
        usable=usable_box(image),
    )


def normalise_parsed(
    image: Image, pixel_size_angstrom: Scalar, spec: ParsedPreprocessSpec
) -> Image:
    """Normalise and filter an image that has the working pixel already, as simulated fields do.

    The low-pass then only rounds the corners of the spectrum: two working pixels are its Nyquist
    limit along the axes.
    """
    return _normalise_and_filter(image, image.shape, pixel_size_angstrom, spec)


def normalise_by_centre(image: Image, share: float) -> Image:
    """Subtract the mean and divide by the standard deviation of the central `share` of each axis.

    Note S3. A saturated or empty centre does not blow the image up: its deviation counts as at
    least a thousandth of the whole image's.
    """
    centre = _centre(image, share)
    deviation = jnp.maximum(jnp.std(centre), 1e-3 * jnp.std(image))
    return (image - jnp.mean(centre)) / jnp.maximum(deviation, 1e-12)


@jax.jit
def mask_and_standardise(image: Image, mask: Mask) -> Image:
    """Set what is masked out to 0, then give the image zero mean and unit variance (released
    code).
    """
    return _standardise(jnp.where(mask, image, 0.0))


@functools.partial(jax.jit, static_argnames=("shape", "spec"))
def _normalise_and_filter(
    image: Image, shape: tuple[int, int], pixel_size_angstrom: Scalar, spec: ParsedPreprocessSpec
) -> Float[Array, "small_y small_x"]:
    normal = normalise_by_centre(image, 0.5 if spec.variant == "released" else 0.25)
    small = normal if shape == image.shape else fourier_crop(normal, shape)
    small = -small if spec.invert else small
    low_pass, high_pass = spec.low_pass, spec.high_pass_angstrom
    transfer = band_pass_transfer(shape, pixel_size_angstrom, low_pass, high_pass, _HARD_EDGE)
    if spec.variant == "paper":
        return filter_image(small, transfer)
    frequency = frequency_magnitude(shape, pixel_size_angstrom)
    gaussian = jnp.exp(-0.5 * (3.0 * low_pass * frequency) ** 2)
    return _standardise(filter_image(small, transfer * gaussian))


def _standardise(image: Image) -> Image:
    return (image - jnp.mean(image)) / jnp.maximum(jnp.std(image), 1e-12)


def _centre(image: Image, share: float) -> Float[Array, "centre_y centre_x"]:
    rows, columns = (max(round(size * share), 1) for size in image.shape)
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    return image[top : top + rows, left : left + columns]


def _small_shape(
    shape: tuple[int, int], pixel_size_angstrom: float, working_pixel_angstrom: float, multiple: int
) -> tuple[int, int]:
    """Return the working shape; sides go down to a multiple, since a crop cannot go up."""
    nearest = np.array(working_shape(shape, pixel_size_angstrom, working_pixel_angstrom))
    ny, nx = np.where(nearest >= multiple, nearest // multiple * multiple, nearest).tolist()
    return ny, nx
