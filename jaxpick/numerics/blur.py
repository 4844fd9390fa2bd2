"""A wide Gaussian blur of any width at the cost of a narrow one.

A Gaussian is the convolution of two that are narrower by the square root of 2; sampled at knots
half a standard deviation apart, the sum over them equals the integral to 5e-9 (the trapezoidal rule
on a Gaussian). So the blur of n pixels is a product of two thin matrices, n x r and r x n, with r
about 2 n / sigma.
"""

import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxpick.typing import Image

_KNOTS_PER_SIGMA = 2.0
_MARGIN_SIGMAS = 3.0


def gaussian_factor(size: int, sigma_px: float) -> Float[np.ndarray, "size knot"]:
    """Return F such that F F^T blurs a line by a Gaussian of unit sum that falls off at the ends.

    Args:
        size: pixels of the line.
        sigma_px: standard deviation in pixels, 1 or more.
    """
    spacing = sigma_px / _KNOTS_PER_SIGMA
    beyond = int(_MARGIN_SIGMAS * _KNOTS_PER_SIGMA)
    knots = spacing * np.arange(-beyond, int((size - 1) / spacing) + beyond + 2)
    offset = (np.arange(size)[:, None] - knots[None, :]) / sigma_px
    scale = np.sqrt(spacing / np.pi) / sigma_px
    return (scale * np.exp(-(offset**2))).astype(np.float32)


def gaussian_blur(image: Image, sigma_px: float) -> Float[Array, "y x"]:
    """Blur by a Gaussian, zero beyond the border; divide by the blur of ones to correct the edges.

    Args:
        image: real image.
        sigma_px: standard deviation in pixels, 1 or more; static.
    """
    ny, nx = image.shape
    factor_y, factor_x = gaussian_factor(ny, sigma_px), gaussian_factor(nx, sigma_px)
    # Full float32: accelerators round products to 10 bits otherwise.
    precise = lax.Precision.HIGHEST
    knots = lax.dot(lax.dot(factor_y.T, image, precision=precise), factor_x, precision=precise)
    return lax.dot(lax.dot(factor_y, knots, precision=precise), factor_x.T, precision=precise)
