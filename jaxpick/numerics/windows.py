"""Square windows of an image: a half-overlapping grid of them, their moments, their
cross-correlations.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float
from scipy import ndimage

from jaxpick.typing import HostImage

# Values of correlations computed at a time: what fits a processor's cache.
_VALUES = 2_000_000


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
    """Return the maximum less the mean of each circular cross-correlation of a window and a
    reference.

    Args:
        windows: of an even side.
        references: of the same side.
    """
    count, side = windows.shape[:2]
    batch = max(_VALUES // (side**2 * len(references)), 1)
    missing = np.zeros((-count % batch, side, side), np.float32)
    padded = np.concatenate([windows, missing])
    spectra = _spectra(jnp.asarray(references))
    parts = [
        _highest_correlation(jnp.asarray(padded[start : start + batch]), spectra)
        for start in range(0, len(padded), batch)
    ]
    return np.concatenate([np.asarray(part) for part in parts])[:count]


@jax.jit
def _spectra(
    windows: Float[Array, "window side side"],
) -> Complex[Array, "window side half"]:
    """Return half-plane spectra without their mean, which only shifts a correlation as a whole."""
    return jnp.fft.rfft2(windows).at[:, 0, 0].set(0.0)


@jax.jit
def _highest_correlation(
    windows: Float[Array, "window side side"], references: Complex[Array, "reference side half"]
) -> Float[Array, "window reference"]:
    """Return the maximum of each correlation, inverse transforms written as products of matrices.

    Along y the sum over frequencies is also the product of the two spectra: for each column it is
    the matrix (phase at y times window, frequency) times (frequency, reference), real and imaginary
    part. Along x the cosine terms are even and the sine terms odd, so that x and -x together have
    the maximum cosine + |sine|. Several times faster on a CPU than that many small transforms.
    """
    count, side = windows.shape[:2]
    half = side // 2 + 1
    phase = np.exp(2j * np.pi * np.outer(np.arange(side), np.arange(side)) / side)
    moved = (
        jnp.asarray(phase, jnp.complex64)[None, :, None]
        * jnp.transpose(_spectra(windows), (2, 0, 1))[:, None]
    )
    moved = moved.reshape(half, side * count, side)
    column = jnp.transpose(references, (2, 1, 0))
    column_parts = jnp.concatenate([column.real, column.imag], axis=1)
    real = jnp.concatenate([moved.real, moved.imag], axis=2) @ column_parts
    imaginary = jnp.concatenate([moved.imag, -moved.real], axis=2) @ column_parts
    index = np.arange(half)
    angle = 2 * np.pi * np.outer(index, index) / side
    weight = np.where((index == 0) | (index == side // 2), 1.0, 2.0) / side**2
    cosine, sine = (jnp.asarray(f(angle) * weight, jnp.float32) for f in (np.cos, np.sin))
    highest = cosine @ real.reshape(half, -1) + jnp.abs(sine @ imaginary.reshape(half, -1))
    return jnp.max(highest.reshape(half * side, count, -1), axis=0)
