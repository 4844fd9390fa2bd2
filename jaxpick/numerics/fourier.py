"""Operations on images through their Fourier transform: crop, pad, filter, radial averages.

Everything uses the half plane of real images. Cropping keeps the sample at pixel 0 in place, so
that a centre at x moves to x' = x n'/n exactly, and keeps the mean.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jaxpick.numerics.grids import frequency_magnitude, half_plane_weights
from jaxpick.typing import Image, Scalar, Spectrum


def filter_image(image: Image, transfer: Float[Array, "fy fx"] | Complex[Array, "fy fx"]) -> Image:
    """Multiply the spectrum of an image by `transfer`, given on the half plane."""
    return jnp.fft.irfft2(jnp.fft.rfft2(image) * transfer, s=image.shape)


@partial(jax.jit, static_argnames="shape")
def fourier_crop(
    image: Float[Array, "y x"], shape: tuple[int, ...]
) -> Float[Array, "small_y small_x"]:
    """Resample an image to a smaller `shape` (y, x) by cutting its spectrum; the mean is kept.

    Columns that are cut are not transformed along y.

    The Nyquist row and column of an even output take the average of the two input coefficients that
    fall on them, which is what the real part of the inverse transform of the cut centre of the
    plane holds.

    Raises:
        ValueError: if `shape` is larger than the image along an axis.
    """
    if shape[0] > image.shape[0] or shape[1] > image.shape[1]:
        raise ValueError(f"shape: expected at most {image.shape} to crop, got {shape}")
    kept = jnp.fft.rfft(image, axis=1)[:, : shape[1] // 2 + 1]
    spectrum = crop_spectrum(jnp.fft.fft(kept, axis=0), shape)
    scale = shape[0] * shape[1] / (image.shape[0] * image.shape[1])
    return jnp.fft.irfft2(spectrum, s=shape) * scale


def fourier_pad(
    image: Float[Array, "small_y small_x"], shape: tuple[int, ...]
) -> Float[Array, "y x"]:
    """Resample an image to a larger `shape` (y, x) by trigonometric interpolation.

    Raises:
        ValueError: if `shape` is smaller than the image along an axis.
    """
    if shape[0] < image.shape[0] or shape[1] < image.shape[1]:
        raise ValueError(f"shape: expected at least {image.shape} to pad, got {shape}")
    spectrum = pad_spectrum(jnp.fft.rfft2(image), image.shape, shape)
    scale = shape[0] * shape[1] / (image.shape[0] * image.shape[1])
    return jnp.fft.irfft2(spectrum, s=shape) * scale


def fourier_resample(
    image: Float[Array, "y x"], shape: tuple[int, ...]
) -> Float[Array, "other_y other_x"]:
    """Bring an image to another `shape` (y, x): cropped, padded, or left alone where it fits.

    Raises:
        ValueError: if one axis shrinks and the other grows.
    """
    if shape == image.shape:
        return image
    shrinks = shape[0] < image.shape[0] or shape[1] < image.shape[1]
    return fourier_crop(image, shape) if shrinks else fourier_pad(image, shape)


def crop_spectrum(
    spectrum: Spectrum, shape: tuple[int, ...]
) -> Complex[Array, "small_fy small_fx"]:
    """Cut a half-plane spectrum down to that of an image of `shape` (y, x), without scaling."""
    ny, nx = shape
    columns = spectrum[:, : nx // 2 + 1]
    if ny == columns.shape[0]:
        return columns
    top, bottom = columns[: (ny + 1) // 2], columns[columns.shape[0] - ny // 2 :]
    if ny % 2 == 0:
        nyquist = (columns[ny // 2] + bottom[0]) / 2
        if nx % 2 == 0:
            # The cut centre holds one diagonal pair of the four corners, not their average.
            nyquist = nyquist.at[-1].set(columns[ny // 2, -1])
        bottom = bottom.at[0].set(nyquist)
    return jnp.concatenate([top, bottom], axis=0)


def pad_spectrum(
    spectrum: Complex[Array, "small_fy small_fx"],
    from_shape: tuple[int, ...],
    shape: tuple[int, ...],
) -> Complex[Array, "fy fx"]:
    """Extend a half-plane spectrum from one image shape to a larger one, without scaling.

    The Nyquist row and column of an even size are shared out between +Nyquist and -Nyquist.
    """
    (ny, nx), (to_ny, to_nx) = from_shape, shape
    if nx % 2 == 0 and to_nx > nx:
        spectrum = spectrum.at[:, -1].multiply(0.5)
    if to_ny > ny:
        top, bottom = spectrum[: (ny + 1) // 2], spectrum[(ny + 1) // 2 :]
        if ny % 2 == 0:
            bottom = bottom.at[0].multiply(0.5)
            top = jnp.concatenate([top, bottom[:1]], axis=0)
        rows = to_ny - top.shape[0] - bottom.shape[0]
        middle = jnp.zeros((rows, spectrum.shape[1]), spectrum.dtype)
        spectrum = jnp.concatenate([top, middle, bottom], axis=0)
    return jnp.pad(spectrum, ((0, 0), (0, to_nx // 2 + 1 - spectrum.shape[1])))


def band_pass_transfer(
    shape: tuple[int, ...],
    pixel_size_angstrom: Scalar,
    low_pass_angstrom: Scalar | None = None,
    high_pass_angstrom: Scalar | None = None,
    edge: float = 0.2,
) -> Float[Array, "fy fx"]:
    """Return a band-pass with raised-cosine edges on the half plane; any high-pass drops the mean.

    Args:
        shape: of the image, (y, x).
        pixel_size_angstrom: pixel size.
        low_pass_angstrom: resolution where finer detail is at one half; None keeps all.
        high_pass_angstrom: resolution where coarser detail is at one half; None keeps all.
        edge: full width of each edge, as a fraction of its frequency.
    """
    frequency = frequency_magnitude(shape, pixel_size_angstrom)
    transfer = jnp.ones_like(frequency)
    if low_pass_angstrom is not None:
        transfer = transfer * (1.0 - _raised_cosine(frequency * low_pass_angstrom, edge))
    if high_pass_angstrom is not None:
        transfer = transfer * _raised_cosine(frequency * high_pass_angstrom, edge)
    return transfer


def band_pass(
    image: Image,
    pixel_size_angstrom: Scalar,
    low_pass_angstrom: Scalar | None = None,
    high_pass_angstrom: Scalar | None = None,
    edge: float = 0.2,
) -> Image:
    """Filter an image by `band_pass_transfer`."""
    transfer = band_pass_transfer(
        image.shape, pixel_size_angstrom, low_pass_angstrom, high_pass_angstrom, edge
    )
    return filter_image(image, transfer)


def radial_average(values: Float[Array, "fy fx"], shape: tuple[int, ...]) -> Float[Array, " shell"]:
    """Average half-plane values over shells one coefficient of the shorter side wide.

    Shell i is centred at i / min(shape) cycles per pixel, from 0 up to Nyquist; corners beyond are
    left out.
    """
    size = min(shape)
    shells = jnp.round(frequency_magnitude(shape) * size).astype(jnp.int32)
    weights = jnp.broadcast_to(half_plane_weights(shape)[None, :], values.shape)
    num_shells = size // 2 + 1
    index = jnp.minimum(shells, num_shells).ravel()
    total = jax.ops.segment_sum((weights * values).ravel(), index, num_shells + 1)
    count = jax.ops.segment_sum(weights.ravel(), index, num_shells + 1)
    return (total / count)[:num_shells]


def radial_power_spectrum(
    image: Image, pixel_size_angstrom: Scalar = 1.0
) -> Float[Array, " shell"]:
    """Return the radially averaged power spectral density, in (unit of the image)^2 angstrom^2.

    White noise of standard deviation s has s^2 pixel_size^2 in every shell. The mean is not
    removed.
    """
    power = jnp.abs(jnp.fft.rfft2(image)) ** 2 * (pixel_size_angstrom**2 / image.size)
    return radial_average(power, image.shape)


def smooth_next_size(size: int) -> int:
    """Return the smallest 2^a 3^b 5^c that is at least `size`: a length with a fast transform."""
    while not _is_smooth(size):
        size += 1
    return size


def _is_smooth(size: int) -> bool:
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    return size == 1


def _raised_cosine(relative: Float[Array, "fy fx"], edge: float) -> Float[Array, "fy fx"]:
    position = jnp.clip((relative - 1.0) / edge + 0.5, 0.0, 1.0)
    return 0.5 - 0.5 * jnp.cos(jnp.pi * position)
