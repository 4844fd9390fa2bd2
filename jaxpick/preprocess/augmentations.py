"""Augmentations of working images: each a pure function of a key; boxes move with their image.

Flips, blur, noise and contrast are those that crYOLO trains with; how strong its are is not told, and the strengths
here are ours. Boxes are (centre y, centre x, height, width) in pixels.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxpick.spec import require
from jaxpick.typing import Image, RandomKey, Scalar

KERNEL_REACH_PX = 4
Side = Float[Array, "side side"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationSpec:
    """How training images are changed; each of blur, noise and contrast in a share of them.

    Attributes:
        flips: one of the eight orientations of a square.
        probability: share of images that are blurred, likewise noisier, likewise of another contrast.
        blur_px: largest standard deviation of a Gaussian blur.
        noise: largest standard deviation of added white noise, in those of a normalised image.
        contrast: largest factor, and one over the smallest.
    """

    flips: bool = True
    probability: float = 0.5
    blur_px: float = 1.0
    noise: float = 0.5
    contrast: float = 1.5

    def __post_init__(self) -> None:
        require(0 <= self.probability <= 1, "probability", self.probability, "0 to 1")
        most = KERNEL_REACH_PX / 2
        require(0 <= self.blur_px <= most, "blur_px", self.blur_px, f"0 to {most:g}")
        require(self.noise >= 0, "noise", self.noise, "0 or above")
        require(self.contrast >= 1, "contrast", self.contrast, "1 or above")


def augment(
    key: RandomKey, image: Side, boxes: Float[Array, "box 4"], spec: AugmentationSpec
) -> tuple[Side, Float[Array, "box 4"]]:
    """Return a changed square image and its boxes."""
    turn_key, blur_key, contrast_key, noise_key, chance_key = jax.random.split(key, 5)
    if spec.flips:
        orientation = jax.random.bernoulli(turn_key, 0.5, (3,))
        image, boxes = orient(orientation, image), orient_boxes(orientation, boxes, image.shape[0])
    blurs, contrasts, noises = jax.random.bernoulli(chance_key, spec.probability, (3,))
    image = jnp.where(blurs, random_blur(blur_key, image, spec.blur_px), image)
    image = jnp.where(contrasts, random_contrast(contrast_key, image, spec.contrast), image)
    return jnp.where(noises, random_noise(noise_key, image, spec.noise), image), boxes


def orient(orientation: Bool[Array, "3"], image: Side) -> Side:
    """Transpose a square image, then turn it upside down, then mirror it, where told to."""
    image = jnp.where(orientation[0], image.T, image)
    image = jnp.where(orientation[1], image[::-1], image)
    return jnp.where(orientation[2], image[:, ::-1], image)


def orient_boxes(
    orientation: Bool[Array, "3"], boxes: Float[Array, "box 4"], side_px: int
) -> Float[Array, "box 4"]:
    """Move boxes as `orient` moves the pixels of a square image of that side."""
    y, x, height, width = boxes.T
    transpose, up, left = orientation
    y, x = jnp.where(transpose, x, y), jnp.where(transpose, y, x)
    height, width = jnp.where(transpose, width, height), jnp.where(transpose, height, width)
    y, x = jnp.where(up, side_px - 1 - y, y), jnp.where(left, side_px - 1 - x, x)
    return jnp.stack([y, x, height, width], axis=1)


def random_blur(key: RandomKey, image: Image, largest_px: float) -> Image:
    """Blur by a Gaussian whose standard deviation is uniform up to the largest."""
    return blur(image, largest_px * jax.random.uniform(key))


def random_noise(key: RandomKey, image: Image, largest: float) -> Image:
    """Add white noise whose standard deviation is uniform up to the largest."""
    strength_key, noise_key = jax.random.split(key)
    strength = largest * jax.random.uniform(strength_key)
    return image + strength * jax.random.normal(noise_key, image.shape)


def random_contrast(key: RandomKey, image: Image, largest: float) -> Image:
    """Scale the deviations from the mean by a factor, log-uniform from 1 / largest to largest."""
    factor = largest ** jax.random.uniform(key, minval=-1.0, maxval=1.0)
    mean = jnp.mean(image)
    return mean + factor * (image - mean)


def blur(image: Image, sigma_px: Scalar) -> Image:
    """Blur by a Gaussian of few pixels; the image is mirrored at its border.

    Args:
        sigma_px: standard deviation, up to half the reach of the kernel; traced.
    """
    steps = jnp.arange(-KERNEL_REACH_PX, KERNEL_REACH_PX + 1)
    kernel = jnp.exp(-0.5 * (steps / jnp.maximum(sigma_px, 1e-3)) ** 2)
    kernel = kernel / jnp.sum(kernel)
    for axis in (0, 1):
        reach = [(KERNEL_REACH_PX,) * 2 if axis == i else (0, 0) for i in (0, 1)]
        padded, size = jnp.pad(image, reach, mode="symmetric"), image.shape[axis]
        shifted = (jax.lax.slice_in_dim(padded, i, i + size, axis=axis) for i in range(len(steps)))
        image = sum((k * part for k, part in zip(kernel, shifted, strict=True)), jnp.zeros(()))
    return image
