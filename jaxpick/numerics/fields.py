"""Gaussian random fields with a given power spectrum.

A field is described by its amplitude as a function of frequency in cycles per pixel: amplitude 1
everywhere is white noise of unit variance, and a power spectral density P (unit^2 angstrom^2) on
pixels of p angstrom is the amplitude sqrt(P) / p. White noise is drawn in real space, or as a
circular complex normal spectrum, so that no pixel knows of its mirror image through the origin. All
but `smooth_field` are periodic over their own shape.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jaxpick.numerics.fourier import filter_image
from jaxpick.numerics.grids import frequency_magnitude, half_plane_weights
from jaxpick.numerics.trigonometry import cos_sin
from jaxpick.typing import Image, RandomKey, Scalar

Amplitude = Callable[[Float[Array, "fy fx"]], Float[Array, "fy fx"]]


def white_noise(key: RandomKey, shape: tuple[int, ...]) -> Image:
    """Draw independent standard normal pixels at half the cost of `jax.random.normal`.

    Box and Muller's transform turns each random word into two pixels, half an image apart: 20 bits
    of radius and 12 of angle, so that values end at 5.4 standard deviations.
    """
    ny, nx = shape
    word = jax.random.bits(key, ((ny + 1) // 2, nx), jnp.uint32)
    uniform = ((word >> 12).astype(jnp.float32) + 0.5) * 2.0**-20
    radius = jnp.sqrt(-2.0 * jnp.log(uniform))
    cosine, sine = cos_sin((word & 0xFFF).astype(jnp.float32) * (2 * math.pi / 4096))
    return jnp.concatenate([radius * cosine, radius * sine], axis=0)[:ny]


def gaussian_field(
    key: RandomKey,
    shape: tuple[int, int],
    amplitude_of_frequency: Amplitude,
    unit_variance: bool = False,
) -> Image:
    """Draw a real Gaussian random field.

    Args:
        key: random key.
        shape: (y, x).
        amplitude_of_frequency: amplitude at frequencies in cycles per pixel, elementwise.
        unit_variance: divide by the standard deviation that the amplitude implies for this shape.
    """
    amplitude = amplitude_of_frequency(frequency_magnitude(shape))
    if unit_variance:
        amplitude = amplitude / _standard_deviation(amplitude, shape)
    return filter_image(white_noise(key, shape), amplitude)


def gaussian_field_pair(
    key: RandomKey,
    shape: tuple[int, int],
    amplitude_of_frequency: Amplitude,
    unit_variance: bool = False,
) -> tuple[Image, Image]:
    """Draw two independent fields of one spectrum by one inverse transform.

    With an even amplitude, the real and the imaginary part of a circular complex field are
    independent of each other and each has the whole power spectrum.
    """
    half = amplitude_of_frequency(frequency_magnitude(shape))
    # The left half of an even, isotropic amplitude mirrors the right half.
    amplitude = jnp.concatenate([half, half[:, 1 : (shape[1] + 1) // 2][:, ::-1]], axis=1)
    if unit_variance:
        amplitude = amplitude / jnp.sqrt(jnp.mean(amplitude**2))
    real, imaginary = (amplitude * white_noise(part, shape) for part in jax.random.split(key))
    field = jnp.fft.ifft2(jax.lax.complex(real, imaginary)) * (shape[0] * shape[1]) ** 0.5
    return field.real, field.imag


def power_law(exponent: Scalar) -> Amplitude:
    """Return the amplitude of a field with power 1/f^exponent and no mean."""

    def amplitude(frequency: Float[Array, "fy fx"]) -> Float[Array, "fy fx"]:
        positive = jnp.where(frequency > 0, frequency, 1.0)
        return jnp.where(frequency > 0, positive ** (-exponent / 2), 0.0)

    return amplitude


def gaussian_correlation(correlation_px: Scalar) -> Amplitude:
    """Return the amplitude for unit variance and correlation exp(-r^2 / (2 l^2)), l >= 1 pixel."""

    def amplitude(frequency: Float[Array, "fy fx"]) -> Float[Array, "fy fx"]:
        height = jnp.sqrt(2 * jnp.pi) * correlation_px
        return height * jnp.exp(-((jnp.pi * correlation_px * frequency) ** 2))

    return amplitude


def smooth_field(
    key: RandomKey, shape: tuple[int, int], correlation_px: Scalar, num_modes: int = 8
) -> Image:
    """Draw a non-periodic field of unit variance and correlation exp(-r^2 / (2 l^2)).

    It is the sum of the lowest modes of a box of twice the longer side, evaluated as two small
    matrix products: exact and cheap for l from an eighth of the longer side (at 8 modes) up to half
    of it.

    Args:
        key: random key.
        shape: (y, x).
        correlation_px: l.
        num_modes: waves per box side to keep, each way.
    """
    box = 2.0 * max(shape)
    wave_y = jnp.arange(-num_modes, num_modes + 1, dtype=jnp.float32)
    wave_x = jnp.arange(0, num_modes + 1, dtype=jnp.float32)
    square = wave_y[:, None] ** 2 + wave_x[None, :] ** 2
    # Columns beyond 0 stand for two conjugate modes; the real part of a circular mode holds half of
    # its power.
    weight = jnp.where(wave_x > 0, 2.0, 1.0)[None, :]
    power = jnp.exp(-2 * (jnp.pi * correlation_px / box) ** 2 * square) * weight
    amplitude = jnp.sqrt(2 * power / jnp.sum(power))
    coefficients = jax.random.normal(key, square.shape, jnp.complex64) * amplitude
    rows = _waves(shape[0], wave_y, box) @ coefficients
    columns = _waves(shape[1], wave_x, box)
    return rows.real @ columns.real.T - rows.imag @ columns.imag.T


def _waves(size: int, wave: Float[Array, " mode"], box: float) -> Complex[Array, "pixel mode"]:
    position = jnp.arange(size, dtype=jnp.float32)
    angle = (2 * jnp.pi / box) * position[:, None] * wave[None, :]
    return jax.lax.complex(jnp.cos(angle), jnp.sin(angle))


def _standard_deviation(
    amplitude: Float[Array, "fy fx"], shape: tuple[int, int]
) -> Float[Array, ""]:
    power = jnp.sum(amplitude**2 * half_plane_weights(shape)[None, :])
    return jnp.sqrt(power / (shape[0] * shape[1]))
