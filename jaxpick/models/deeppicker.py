"""DeepPicker's network: four convolutions with max pooling and two full layers, for 64 x 64 windows.

Wang et al. (2016), J. Struct. Biol. 195:325, section 4.2, with the sizes of its released programs
(DeepPicker-python and -lua, which differ in the units of the first full layer: 128 and 64). All
convolutions are valid; every pooling divides its map. 49,922 or 33,346 parameters.

The window is scored by the module; a micrograph at all windows of a step at once by `scan_logits`, with
the same result, as long as windows are taken as they lie: a window that is resized or standardised by
itself shares nothing with its neighbours.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxpick.models.convolution import Conv
from jaxpick.numerics.convolution import correlate_folded
from jaxpick.numerics.fragments import as_fragment, gather_windows, num_windows, pool_fragments
from jaxpick.numerics.pooling import max_pool
from jaxpick.typing import Image, Images

WINDOW_PX = 64
STRIDE = 16
FILTERS = (8, 16, 32, 64)
KERNELS = (9, 5, 3, 2)
LAST_PX = 2
PARTICLE = 1

_START = nn.initializers.truncated_normal(0.05)


class DeepPicker(nn.Module):
    """Logits of "no particle" and "particle" of each window.

    Attributes:
        hidden: units of the first full layer.
        dropout: share of the flattened maps that are left out in training.
    """

    hidden: int = 128
    dropout: float = 0.5

    @nn.compact
    def __call__(
        self, windows: Float[Array, "batch 64 64"], is_training: bool = False
    ) -> Float[Array, "batch 2"]:
        """Return the logits; training needs a key named `dropout`."""
        maps = FirstLayer(name="conv1")(windows)
        for index in range(1, len(FILTERS)):
            filters, kernel = FILTERS[index], KERNELS[index]
            layer = Conv(
                filters,
                (kernel, kernel),
                padding="VALID",
                kernel_init=_START,
                name=f"conv{index + 1}",
            )
            maps = max_pool(nn.relu(layer(maps)))
        flat = maps.reshape(maps.shape[0], -1)
        flat = nn.Dropout(self.dropout, deterministic=not is_training)(flat)
        hidden = nn.relu(nn.Dense(self.hidden, kernel_init=_START, name="hidden")(flat))
        return nn.Dense(2, kernel_init=_START, name="output")(hidden)


class FirstLayer(nn.Module):
    """The first convolution, its rectification and its pooling, with the parameters of `nn.Conv`."""

    @nn.compact
    def __call__(self, windows: Float[Array, "batch y x"]) -> Float[Array, "batch half_y half_x 8"]:
        """Return the pooled maps; sides are even."""
        side, filters = KERNELS[0], FILTERS[0]
        kernel = self.param("kernel", _START, (side, side, 1, filters))
        bias = self.param("bias", nn.initializers.zeros, (filters,))
        return _first_maps(windows, jnp.asarray(kernel), jnp.asarray(bias))


def _first_maps(
    images: Float[Array, "batch y x"],
    kernel: Float[Array, "ky kx 1 filter"],
    bias: Float[Array, " filter"],
) -> Float[Array, "batch half_y half_x filter"]:
    """Return the first layer's maps, pooled by the blocks that they are made in."""
    blocks = correlate_folded(images[..., None], kernel)
    return jax.nn.relu(jnp.max(blocks, axis=(3, 4)) + bias[None, None, None, :])


def scan_logits(
    params: Mapping[str, Any], image: Image, step: int
) -> Float[Array, "window_y window_x 2"]:
    """Return the logits of all windows of an image whose corners are multiples of a step."""
    first = params["conv1"]
    if step % 2 == 0:  # every window is aligned with the first pooling alike
        even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        maps = as_fragment(_first_maps(even[None], first["kernel"], first["bias"])[0])
        stride = 2
    else:
        maps, stride = as_fragment(image[..., None]), 1
    for index in range(1 + (stride == 2), 5):
        layer = params[f"conv{index}"]
        maps = jax.nn.relu(_correlate(maps, layer["kernel"], layer["bias"]))
        maps = pool_fragments(maps, stride, 2, step, "max", y_axis=2)
        stride *= 2
    flat = (LAST_PX, LAST_PX, FILTERS[-1], -1)
    hidden, output = params["hidden"], params["output"]
    maps = jax.nn.relu(_correlate(maps, hidden["kernel"].reshape(flat), hidden["bias"]))
    logits = _correlate(maps, output["kernel"][None, None], output["bias"])
    counts = [num_windows(side, WINDOW_PX, step) for side in image.shape]
    windows = [
        gather_windows(logits[..., channel], STRIDE, step, (counts[0], counts[1]))
        for channel in (0, 1)
    ]
    return jnp.stack(windows, axis=-1)


def standardise(windows: Images) -> Images:
    """Give each window zero mean and unit variance, at least 1 / its side as deviation."""
    least = 1.0 / windows.shape[-1]
    mean = jnp.mean(windows, axis=(-2, -1), keepdims=True)
    deviation = jnp.std(windows, axis=(-2, -1), keepdims=True)
    return (windows - mean) / jnp.maximum(deviation, least)


def resize(
    windows: Float[Array, "batch y x"], side: int = WINDOW_PX
) -> Float[Array, "batch side side"]:
    """Bring windows of any side to the network's, bilinearly."""
    if windows.shape[1:] == (side, side):
        return windows
    shape = (windows.shape[0], side, side)
    return jax.image.resize(windows, shape, "bilinear", antialias=False)


def _correlate(
    maps: Float[Array, "remainder_y remainder_x y x channel"],
    kernel: Float[Array, "ky kx channel filter"],
    bias: Float[Array, " filter"],
) -> Float[Array, "remainder_y remainder_x valid_y valid_x filter"]:
    flat = maps.reshape(-1, *maps.shape[2:])
    layout = ("NHWC", "HWIO", "NHWC")
    found = lax.conv_general_dilated(flat, kernel, (1, 1), "VALID", dimension_numbers=layout)
    return (found + bias[None, None, None, :]).reshape(*maps.shape[:2], *found.shape[1:])
