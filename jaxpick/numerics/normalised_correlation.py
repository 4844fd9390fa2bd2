"""Normalised cross-correlation with many templates inside a mask: the best at every pixel.

At pixel p the score of template t is sum_u t(u) (I(p + u) - m(p)) / (|t| |I - m|_p), u running over
the mask, m(p) the mean of the image in the mask around p and |I - m|_p the root of the sum of
squares about it: Pearson's correlation coefficient, between -1 and 1, blind to gain and offset of
the image and of the templates.

The masks of particles at their working size hold a few hundred pixels, so a product of matrices
(templates x neighbourhoods) takes fewer operations than a Fourier transform for each template, and
local mean and variance come without cancellation.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxpick.typing import HostImage

# Rows scored at a time, and neighbourhoods whose spread is below this share of the image's.
_ROWS = 8
_LEAST_SPREAD = 1e-3

Offsets = Int[np.ndarray, "pixel 2"]


def disc_offsets(radius_px: float) -> Offsets:
    """Return the (y, x) offsets of the pixels of a closed disc, row by row."""
    half = int(radius_px)
    steps = np.arange(-half, half + 1)
    inside = steps[:, None] ** 2 + steps[None, :] ** 2 <= radius_px**2
    return np.argwhere(inside) - half


def normalised_templates(
    images: Float[Array, "template box box"], offsets: Offsets
) -> Float[Array, "template pixel"]:
    """Return the values of the images at the offsets from pixel `box // 2`, mean 0 and norm 1."""
    centre = images.shape[-1] // 2
    y, x = (jnp.asarray(offsets[:, axis] + centre) for axis in range(2))
    values = images[:, y, x]
    values = values - jnp.mean(values, axis=1, keepdims=True)
    return values / jnp.maximum(jnp.linalg.norm(values, axis=1, keepdims=True), 1e-20)


def best_correlation(
    image: HostImage, templates: Float[Array, "template pixel"], offsets: Offsets
) -> HostImage:
    """Return the highest coefficient over all templates at every pixel; 0 lies beyond the border.

    Args:
        image: of mean 0.
        templates: as `normalised_templates` gives them.
        offsets: of their pixels.
    """
    reach = int(np.abs(offsets).max())
    height, width = image.shape
    padded = np.pad(image, ((reach, reach + -height % _ROWS), (reach, reach)))
    floor = jnp.float32(_LEAST_SPREAD * float(image.std()) * len(offsets) ** 0.5 + 1e-20)
    first = jnp.asarray((offsets[:, 0] + reach) * padded.shape[1] + offsets[:, 1] + reach)
    whole = jnp.asarray(padded)
    parts = [
        _best_of_rows(whole, row, first, templates, floor, width) for row in range(0, height, _ROWS)
    ]
    return np.concatenate([np.asarray(part) for part in parts])[:height]


def correlation_at(
    image: HostImage,
    centre_yx: Int[np.ndarray, "pick 2"],
    templates: Float[Array, "template pixel"],
    offsets: Offsets,
) -> Int[np.ndarray, " pick"]:
    """Return which template correlates best at each pixel."""
    reach = int(np.abs(offsets).max())
    padded = np.pad(image, reach)
    y, x = (centre_yx[:, None, axis] + offsets[None, :, axis] + reach for axis in range(2))
    neighbourhoods = padded[y, x]
    return np.argmax(neighbourhoods @ np.asarray(templates).T, axis=1)


@partial(jax.jit, static_argnames="width")
def _best_of_rows(
    padded: Float[Array, "padded_y padded_x"],
    row: Int[Array, ""] | int,
    first: Int[Array, " pixel"],
    templates: Float[Array, "template pixel"],
    floor: Float[Array, ""],
    width: int,
) -> Float[Array, "rows x"]:
    """Score some rows: gather every neighbourhood, one product, the best of each column."""
    y, x = jnp.arange(_ROWS)[:, None], jnp.arange(width)[None, :]
    corner = ((y + row) * padded.shape[1] + x).ravel()
    neighbourhoods = padded.ravel()[first[:, None] + corner[None, :]]
    centred = neighbourhoods - jnp.mean(neighbourhoods, axis=0)[None, :]
    spread = jnp.sqrt(jnp.sum(centred**2, axis=0))
    product = jnp.matmul(templates, centred, precision=jax.lax.Precision.HIGHEST)
    best = jnp.max(product, axis=0) / jnp.maximum(spread, floor)
    return best.reshape(_ROWS, width)
