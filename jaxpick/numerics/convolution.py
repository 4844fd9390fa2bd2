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
