"""Separable blurs of images: the Gaussian and the running mean, as weighted sums over rows and
columns.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxpick.typing import Image, Scalar


def gaussian_blur(image: Image, sigma_px: Scalar, half_window_px: int) -> Image:
    """Blur by a sampled Gaussian, the image mirrored at its border (the edge pixel repeated).

    Args:
        sigma_px: standard deviation, traced; 0 returns the image.
        half_window_px: where the Gaussian is cut off, static; four standard deviations lose 6e-5 of
            it. Less than the size of the image.
    """
    offset = jnp.arange(-half_window_px, half_window_px + 1, dtype=jnp.float32)
    safe = jnp.maximum(jnp.asarray(sigma_px, jnp.float32), 1e-6)
    weights = jnp.exp(-0.5 * (offset / safe) ** 2)
    return weighted_sum(image, weights / jnp.sum(weights))


def running_mean(image: Image, window_px: int) -> Image:
    """Return the mean over a square of odd side around each pixel, the image mirrored at its
    border.
    """
    return weighted_sum(image, jnp.full(window_px, 1.0 / window_px, jnp.float32))


def weighted_sum(image: Image, weights: Float[Array, " tap"]) -> Image:
    """Correlate an image with the same odd number of weights along rows and columns, mirrored at
    its border.
    """
    half = len(weights) // 2
    for axis in range(2):
        padding = [(half, half) if axis == i else (0, 0) for i in range(2)]
        padded = jnp.pad(image, padding, mode="symmetric")
        kernel = jnp.expand_dims(weights, 1 - axis)[None, None]
        image = lax.conv_general_dilated(padded[None, None], kernel, (1, 1), "VALID")[0, 0]
    return image


def gaussian_window_px(sigma_px: float, truncate: float = 4.0) -> int:
    """Return the half window of a Gaussian cut off at `truncate` standard deviations, at least
    1.
    """
    return max(int(np.ceil(truncate * sigma_px)), 1)
