"""Square windows of an image: a half-overlapping grid of them, their moments, their
cross-correlations.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import ndimage

from jaxpick.typing import HostImage

# Pairs of windows correlated at a time.
_PAIRS = 4096


def window_grid(
    image: HostImage, side: int, step: int
) -> Float[np.ndarray, "row column side side"]:
    """Return a view of the windows whose corners are `step` apart, from the first pixel on."""
    views = np.lib.stride_tricks.sliding_window_view(image, (side, side))
    return views[::step, ::step]


def moments(
    image: HostImage, side: int
) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]]:
    """Return mean and standard deviation of every window that lies within the image.

    Entry (y, x) is that of the window whose corner is pixel (y, x).
    """
    height, width = image.shape
    first = side // 2
    within = (slice(first, first + height - side + 1), slice(first, first + width - side + 1))
    wide = image.astype(np.float64) - float(image.mean())
    mean = ndimage.uniform_filter(wide, side)[within]
    square = ndimage.uniform_filter(wide**2, side)[within]
    return mean + float(image.mean()), np.sqrt(np.maximum(square - mean**2, 0.0))


def correlation_responses(
    windows: Float[np.ndarray, "window side side"],
    references: Float[np.ndarray, "reference side side"],
) -> Float[np.ndarray, "window reference"]:
    """Return the maximum less the mean of each circular cross-correlation of a window and a reference."""
    count, side = len(windows), windows.shape[-1]
    batch = max(_PAIRS // len(references), 1)
    padded = np.concatenate([windows, np.zeros((-count % batch, side, side), np.float32)])
    conjugate = jnp.conj(_spectra(jnp.asarray(references)))
    parts = [
        _responses(jnp.asarray(padded[start : start + batch]), conjugate)
        for start in range(0, count, batch)
    ]
    return np.concatenate([np.asarray(part) for part in parts])[:count]


@jax.jit
def _spectra(windows: Float[Array, "window side side"]) -> Array:
    """Return half-plane spectra without their mean, which shifts a correlation as a whole."""
    return jnp.fft.rfft2(windows).at[:, 0, 0].set(0.0)


@jax.jit
def _responses(
    windows: Float[Array, "window side side"], conjugate: Array
) -> Float[Array, "window reference"]:
    products = _spectra(windows)[:, None] * conjugate[None]
    correlation = jnp.fft.irfft2(products, s=windows.shape[1:])
    return jnp.max(correlation, axis=(2, 3))
