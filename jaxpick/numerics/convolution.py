"""Valid correlation of images with kernels, through Fourier space where kernels are large.

As networks call it a convolution: out[j, y, x] = sum over i, u, v of image[i, y + u, x + v]
kernel[u, v, i, j], at the places where the kernel lies wholly inside the image. A transform at least
as long as the image wraps nothing into these places, so no padding by the kernel is needed.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float

from jaxpick.numerics.fourier import smooth_next_size

# On a CPU a kernel of this side costs about the same either way.
DIRECT_BELOW_PX = 6


def correlate(
    images: Float[Array, "*batch channel y x"], kernels: Float[Array, "ky kx channel filter"]
) -> Float[Array, "*batch filter valid_y valid_x"]:
    """Return the valid correlation, by whichever way suits the kernel's size."""
    if max(kernels.shape[:2]) < DIRECT_BELOW_PX:
        return correlate_direct(images, kernels)
    height, width = images.shape[-2:]
    return correlate_spectrum(image_spectrum(images), kernels, (height, width))


def correlate_direct(
    images: Float[Array, "*batch channel y x"], kernels: Float[Array, "ky kx channel filter"]
) -> Float[Array, "*batch filter valid_y valid_x"]:
    """Return the valid correlation as a sum over the kernel."""
    flat = images.reshape(-1, *images.shape[-3:])
    found = lax.conv_general_dilated(
        jnp.moveaxis(flat, 1, -1),
        kernels,
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    found = jnp.moveaxis(found, -1, 1)
    return found.reshape(*images.shape[:-3], *found.shape[1:])


def image_spectrum(
    images: Float[Array, "*batch channel y x"],
) -> Complex[Array, "*batch channel fy fx"]:
    """Return the transform of images on the sides that `correlate_spectrum` works on."""
    return jnp.fft.rfft2(images, s=transform_sides((images.shape[-2], images.shape[-1])))


def transform_sides(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the sides of the transforms of images of a shape: the next fast ones."""
    return smooth_next_size(shape[0]), smooth_next_size(shape[1])


def correlate_spectrum(
    spectrum: Complex[Array, "*batch channel fy fx"],
    kernels: Float[Array, "ky kx channel filter"],
    shape: tuple[int, int],
) -> Float[Array, "*batch filter valid_y valid_x"]:
    """Return the valid correlation of images whose transform is known already.

    Args:
        spectrum: by `image_spectrum`.
        kernels: at most as large as the images.
        shape: (y, x) of the images.
    """
    sides = transform_sides(shape)
    turned = kernels.transpose(3, 2, 0, 1)
    other = jnp.conj(jnp.fft.rfft2(turned, s=sides))
    flat = spectrum.reshape(-1, *spectrum.shape[-3:])
    product = sum(flat[:, None, i] * other[None, :, i] for i in range(other.shape[1]))
    height, width = (n - k + 1 for n, k in zip(shape, kernels.shape[:2], strict=True))
    found = jnp.fft.irfft2(jnp.asarray(product), s=sides)[..., :height, :width]
    return found.reshape(*spectrum.shape[:-3], *found.shape[1:])


def correlate_folded(
    images: Float[Array, "batch y x channel"], kernel: Float[Array, "k k channel filter"]
) -> Float[Array, "batch half_y half_x 2 2 filter"]:
    """Return the valid correlation of few channels with odd kernels, by 2 x 2 blocks of its places.

    Blocks of pixels become channels, and four shifted kernels make the four places of a block: more operations by
    ((k + 1) / k)^2, but on channels that a processor takes side by side (9 x 9 from 1 to 8 maps: seven times faster).

    Args:
        images: of even sides; others lose nothing by a padding with zeros, as what it makes can be cut off.
        kernel: square, of an odd side.

    Returns:
        Entry [..., i, j, a, b, :] is the correlation at the place (2 i + a, 2 j + b).
    """
    batch, height, width, channels = images.shape
    side, filters = kernel.shape[0], kernel.shape[-1]
    split = (batch, height // 2, 2, width // 2, 2, channels)
    blocks = images.reshape(split).transpose(0, 1, 3, 2, 4, 5)
    places = [(a, b) for a in (0, 1) for b in (0, 1)]
    shifted = [jnp.pad(kernel, ((a, 1 - a), (b, 1 - b), (0, 0), (0, 0))) for a, b in places]
    half = (side + 1) // 2
    four = jnp.stack(shifted, -2).reshape(half, 2, half, 2, channels, 4 * filters)
    found = lax.conv_general_dilated(
        blocks.reshape(*blocks.shape[:3], 4 * channels),
        four.transpose(0, 2, 1, 3, 4, 5).reshape(half, half, 4 * channels, 4 * filters),
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return found.reshape(*found.shape[:3], 2, 2, filters)


def correlate_doubling(
    maps: Float[Array, "batch y x channel"], kernel: Float[Array, "3 3 channel filter"]
) -> Float[Array, "batch y2 x2 filter"]:
    """Return the transposed convolution of stride 2 that doubles maps, as an ordinary one.

    Output o of a line is k[0] m[o/2 - 1] + k[2] m[o/2] where o is even and k[1] m[(o - 1)/2] where it is odd: four
    sets of 2 x 2 kernels, whose maps are interleaved. The same as `lax.conv_transpose` with SAME padding, whose
    gradient on a CPU goes over a map of three quarters zeros: nine times slower.
    """
    both = _phases(jnp.swapaxes(_phases(kernel), 0, 2))  # tap x, phase x, phase y, tap y, ...
    batch, height, width, channels = maps.shape
    filters = kernel.shape[-1]
    four = both.transpose(3, 0, 4, 2, 1, 5).reshape(2, 2, channels, 4 * filters)
    layout = ("NHWC", "HWIO", "NHWC")
    padding = [(1, 0), (1, 0)]
    found = lax.conv_general_dilated(maps, four, (1, 1), padding, dimension_numbers=layout)
    found = found.reshape(batch, height, width, 2, 2, filters).transpose(0, 1, 3, 2, 4, 5)
    return found.reshape(batch, 2 * height, 2 * width, filters)


def _phases(kernel: Float[Array, "3 ..."]) -> Float[Array, "tap phase ..."]:
    """Return the two taps of even and of odd outputs."""
    zero = jnp.zeros_like(kernel[1])
    return jnp.stack([jnp.stack([kernel[0], zero]), jnp.stack([kernel[2], kernel[1]])])
