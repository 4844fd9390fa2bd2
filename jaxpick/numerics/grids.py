"""Coordinates of pixels and of Fourier coefficients.

Pixel centres are at integers. Spatial frequency is in cycles per angstrom when the pixel size is in
angstrom, and in cycles per pixel when it is 1. Rows run in `numpy.fft.fftfreq` order (an even size
holds -Nyquist, not +Nyquist); the half plane keeps the columns from 0 to +Nyquist, as `rfft2` does.
Every result follows the precision of the pixel size.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxpick.typing import Scalar

HalfPlane = Float[Array, "fy fx"]
Plane = Float[Array, "y x"]


def frequency_grid(
    shape: tuple[int, ...], pixel_size_angstrom: Scalar = 1.0
) -> tuple[HalfPlane, HalfPlane]:
    """Return (fy, fx) of the half plane of a real image of `shape` (y, x), in 1/angstrom."""
    ny, nx = shape
    fy = _scaled(np.fft.fftfreq(ny, 1 / ny), ny, pixel_size_angstrom)
    fx = _scaled(np.fft.rfftfreq(nx, 1 / nx), nx, pixel_size_angstrom)
    return _mesh(fy, fx)


def full_frequency_grid(
    shape: tuple[int, ...], pixel_size_angstrom: Scalar = 1.0
) -> tuple[Plane, Plane]:
    """Return (fy, fx) of the whole Fourier plane of an image of `shape` (y, x), in 1/angstrom."""
    ny, nx = shape
    fy = _scaled(np.fft.fftfreq(ny, 1 / ny), ny, pixel_size_angstrom)
    fx = _scaled(np.fft.fftfreq(nx, 1 / nx), nx, pixel_size_angstrom)
    return _mesh(fy, fx)


def frequency_magnitude(shape: tuple[int, ...], pixel_size_angstrom: Scalar = 1.0) -> HalfPlane:
    """Return |f| on the half plane of a real image of `shape` (y, x), in 1/angstrom."""
    fy, fx = frequency_grid(shape, pixel_size_angstrom)
    return jnp.sqrt(fy**2 + fx**2)


def pixel_grid(shape: tuple[int, ...]) -> tuple[Plane, Plane]:
    """Return (y, x) of every pixel centre: 0, 1, 2, ..."""
    y, x = (jnp.arange(n, dtype=jnp.float32) for n in shape)
    return _mesh(y, x)


def centred_pixel_grid(shape: tuple[int, ...]) -> tuple[Plane, Plane]:
    """Return (y, x) of every pixel from the middle of the image, in half its longer side.

    The longer side then runs from -1 + 1/n to 1 - 1/n; the scale is the same on both axes, so that
    circles stay circles.
    """
    half = max(shape) / 2
    y, x = ((jnp.arange(n, dtype=jnp.float32) - (n - 1) / 2) / half for n in shape)
    return _mesh(y, x)


def half_plane_weights(shape: tuple[int, ...]) -> Float[Array, " fx"]:
    """Return how often a half-plane column is in the whole plane: 1 at 0 and Nyquist, else 2."""
    nx = shape[1]
    weights = np.full(nx // 2 + 1, 2.0, np.float32)
    weights[0] = 1.0
    if nx % 2 == 0:
        weights[-1] = 1.0
    return jnp.asarray(weights)


def _scaled(
    index: np.ndarray, size: int, pixel_size_angstrom: Scalar
) -> Float[Array, " frequency"]:
    return jnp.asarray(index, jnp.result_type(float)) / (size * pixel_size_angstrom)


def _mesh(y: Float[Array, " y"], x: Float[Array, " x"]) -> tuple[Plane, Plane]:
    shape = (y.shape[0], x.shape[0])
    return jnp.broadcast_to(y[:, None], shape), jnp.broadcast_to(x[None, :], shape)
