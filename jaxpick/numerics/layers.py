"""Convolutions of networks that are as fast backward as forward: `nn.Conv(..., conv_general_dilated=convolve)`.

XLA's programs for a CPU reach 80 % of its peak on most layers going forward, as PyTorch's do. What they lose was
measured layer by layer (one thread, AVX-512, jax 0.10.1), and those layers are put into other words:

| layer | what is slow | instead | ms |
|---|---|---|---|
| 1 x 1, from 32 to 2 maps of 8 x 128 x 128 | gradient of the kernel | a product, fewer maps first | 31 to 0.9 |
| kernel as large as the map, 256 of 5 x 5 x 64 | gradient of the maps, over zeros | a product | 12 to 0.5 |
| stride 2, dilation 2, 256 of 25 x 25 x 32 | gradient of the maps, over zeros | every second pixel | 32 to 9 |
| valid, 3 x 3, 256 of 33 x 33 x 32 | gradient of the maps: its padding | zeros laid around before | 34 to 24 |
| the same | gradient of the kernel: the batch turned inside out, past all caches | in parts of it | 70 to 45 |
| 3 x 3, from 1 to 8 maps of 4 x 256 x 256 | vectors of 16 numbers, half empty | 2 x 2 places at once | 7.4 to 1.0 |

The last three are left to the compiler on other devices. The gradient of a 3 x 3 kernel of 32 maps stays at half of
PyTorch's speed: sums of products of shifted maps, in nine, three or one and of either order, were slower than XLA's.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxpick.numerics.convolution import correlate_folded
from jaxpick.typing import FeatureMaps

Padding: TypeAlias = Literal["SAME", "VALID"]
Kernel: TypeAlias = Float[Array, "ky kx channel filter"]
Convolved: TypeAlias = Float[Array, "batch out_y out_x filter"]

PART_IMAGES = 32
FOLDED_CHANNELS, FOLDED_FILTERS = 8, 16  # at most
FOLDED_SIDE = 5  # at least, of more than one channel
USUAL = {"lhs_dilation": (1, 1), "feature_group_count": 1, "precision": None}


def convolve(
    maps: FeatureMaps,
    kernel: Kernel,
    strides: Sequence[int],
    padding: Padding,
    *,
    rhs_dilation: Sequence[int] = (1, 1),
    **settings: Any,
) -> Convolved:
    """Return `lax.conv_general_dilated` of maps with channels last, called as `nn.Conv` calls it.

    Args:
        maps: of a batch.
        kernel: from all channels to all filters.
        strides: along y and x.
        padding: `SAME` or `VALID`.
        rhs_dilation: of the kernel, along y and x.
        settings: what `nn.Conv` hands on besides.

    Raises:
        ValueError: for other settings than the usual ones.
    """
    for name, value in USUAL.items():
        if settings.get(name, value) != value:
            raise ValueError(f"{name}: expected {value}, got {settings[name]}")
    (down, across), dilation, sides = strides, tuple(rhs_dilation), kernel.shape[:2]
    if sides == (1, 1) or (padding == "VALID" and tuple(strides) == dilation):
        maps, down, across, dilation = maps[:, ::down, ::across], 1, 1, (1, 1)
    if sides == maps.shape[1:3] and padding == "VALID" and dilation == (1, 1):
        maps = maps.reshape(maps.shape[0], 1, 1, -1)
        kernel = kernel.reshape(1, 1, -1, kernel.shape[-1])
    if (down, across) != (1, 1):
        return _plain(maps, kernel, padding, dilation, (down, across))
    return _convolve(maps, kernel, padding, dilation)


def _plain(
    maps: FeatureMaps,
    kernel: Kernel,
    padding: Padding,
    dilation: tuple[int, ...],
    strides: tuple[int, int] = (1, 1),
) -> Convolved:
    """Return the convolution as XLA makes it."""
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        maps, kernel, strides, padding, rhs_dilation=dilation, dimension_numbers=layout
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(
    maps: FeatureMaps, kernel: Kernel, padding: Padding, dilation: tuple[int, ...]
) -> Convolved:
    """Return a convolution of stride 1."""
    if kernel.shape[:2] == (1, 1):
        return maps @ kernel[0, 0]
    plain = functools.partial(_plain, padding=padding, dilation=dilation)
    if not _is_folded(kernel, dilation):
        return plain(maps, kernel)
    folded = functools.partial(_folded, padding=padding)
    return jnp.asarray(lax.platform_dependent(maps, kernel, cpu=folded, default=plain))


def _forward(
    maps: FeatureMaps, kernel: Kernel, padding: Padding, dilation: tuple[int, ...]
) -> tuple[Convolved, tuple[Array, Array]]:
    return _convolve(maps, kernel, padding, dilation), (maps, kernel)


def _backward(
    padding: Padding, dilation: tuple[int, ...], kept: tuple[Array, Array], above: Convolved
) -> tuple[Array, Array]:
    maps, kernel = kept
    if kernel.shape[:2] == (1, 1):
        return above @ kernel[0, 0].T, _product_gradient(maps, above)[None, None]
    plain = functools.partial(_plain, padding=padding, dilation=dilation)
    if _is_folded(kernel, dilation):
        fast = _gradients_of(functools.partial(_folded, padding=padding))
    else:
        fast = functools.partial(_gradients, plain, padding=padding, dilation=dilation)
    found = lax.platform_dependent(maps, kernel, above, cpu=fast, default=_gradients_of(plain))
    return found[0], found[1]


_convolve.defvjp(_forward, _backward)


def _product_gradient(maps: FeatureMaps, above: Convolved) -> Float[Array, "channel filter"]:
    """Return the sum over all places of a map times the gradient of an output."""
    pair = maps.reshape(-1, maps.shape[-1]), above.reshape(-1, above.shape[-1])
    over_places = (((0,), (0,)), ((), ()))
    if maps.shape[-1] <= above.shape[-1]:
        return lax.dot_general(*pair, over_places)
    # Behind a barrier, since the compiler would turn the product and not its result.
    return lax.optimization_barrier(lax.dot_general(*pair[::-1], over_places)).T


def _gradients_of(call: Callable[..., Array]) -> Callable[..., tuple[Array, Array]]:
    """Return the function of maps, kernel and gradient above that is the gradient of a convolution."""
    return lambda maps, kernel, above: jax.vjp(call, maps, kernel)[1](above)


def _gradients(
    plain: Callable[..., Array],
    maps: FeatureMaps,
    kernel: Kernel,
    above: Convolved,
    padding: Padding,
    dilation: tuple[int, ...],
) -> tuple[Array, Array]:
    """Return both gradients as CPUs like them."""
    of_kernel = sum(
        jax.vjp(functools.partial(plain, part), kernel)[1](above_part)[0]
        for part, above_part in zip(_parts(maps), _parts(above), strict=True)
    )
    if padding == "SAME":
        return jax.vjp(lambda m: plain(m, kernel), maps)[1](above)[0], of_kernel
    y, x = (d * (side - 1) for d, side in zip(dilation, kernel.shape[:2], strict=True))
    # Behind a barrier, since the compiler would hand the padding back to the convolution.
    wide = lax.optimization_barrier(jnp.pad(above, ((0, 0), (y, y), (x, x), (0, 0))))
    return plain(wide, jnp.flip(kernel, (0, 1)).swapaxes(2, 3)), of_kernel


def _parts(maps: FeatureMaps) -> list[Array]:
    """Return parts of a batch, each with images of every device that shares it."""
    count, left = divmod(maps.shape[0], PART_IMAGES)
    if left:
        return [maps]
    mixed = maps.reshape(PART_IMAGES, count, *maps.shape[1:])
    return [mixed[:, i] for i in range(count)]


def _is_folded(kernel: Kernel, dilation: tuple[int, ...]) -> bool:
    height, width, channels, filters = kernel.shape
    is_small = channels <= FOLDED_CHANNELS and filters <= FOLDED_FILTERS
    is_worth_it = is_small and (channels == 1 or height >= FOLDED_SIDE)
    return is_worth_it and height == width and height % 2 == 1 and dilation == (1, 1)


def _folded(maps: FeatureMaps, kernel: Kernel, padding: Padding) -> Convolved:
    """Return the convolution by blocks of 2 x 2 places."""
    reach = kernel.shape[0] // 2
    before = reach if padding == "SAME" else 0
    height, width = (side + 2 * (before - reach) for side in maps.shape[1:3])
    around = [(before, before + side % 2) for side in (height, width)]
    blocks = correlate_folded(jnp.pad(maps, ((0, 0), *around, (0, 0))), kernel)
    batch, half_y, half_x, _, _, filters = blocks.shape
    even = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, 2 * half_y, 2 * half_x, filters)
    return even[:, :height, :width]
