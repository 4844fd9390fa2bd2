"""What happens to micrographs between the camera and a shared file: filters, local contrast, tone, eight bits.

No physics: shared data are often denoised, flattened or saved as 8-bit pictures, and a picker has to read those as well.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.fourier import filter_image
from jaxpick.numerics.grids import frequency_magnitude
from jaxpick.physics.detector import quantise
from jaxpick.simulate.draws import coin, log_uniform, uniform
from jaxpick.simulate.priors import ProcessingPrior
from jaxpick.typing import Image, RandomKey, Scalar

# Filters see a mirrored rim this wide, so that they do not wrap one edge into the other.
RIM_PX = 48


def process(
    key: RandomKey, image: Image, prior: ProcessingPrior, diameter_px: Float[Array, ""]
) -> Image:
    """Draw the processing of one micrograph; most are left alone."""
    band_key, local_key, tone_key, bit_key, invert_key = jax.random.split(key, 5)
    image = _filter(band_key, image, prior, diameter_px)
    image = _flatten(local_key, image, prior, diameter_px)
    image = _bend(tone_key, image, prior)
    image = _to_eight_bits(bit_key, image, prior)
    is_inverted = coin(invert_key, prior.invert_probability)
    return jnp.where(is_inverted, 2.0 * jnp.mean(image) - image, image)


def gaussian_low_pass(image: Image, wavelength_px: Scalar) -> Image:
    """Halve waves of this length, by a Gaussian; the rim is mirrored."""
    rim = min(RIM_PX, min(image.shape) - 1)
    padded = jnp.pad(image, rim, mode="reflect")
    relative = frequency_magnitude(padded.shape) * wavelength_px
    low = filter_image(padded, jnp.exp(-math.log(2.0) * relative**2))
    return low[rim:-rim, rim:-rim]


def local_contrast(image: Image, window_px: Scalar) -> Image:
    """Divide what deviates from the local mean by the local standard deviation."""
    deviation = image - gaussian_low_pass(image, window_px)
    variance = gaussian_low_pass(deviation**2, window_px)
    return deviation / jnp.sqrt(jnp.maximum(variance, 1e-3 * jnp.mean(variance) + 1e-12))


def _filter(key: RandomKey, image: Image, prior: ProcessingPrior, diameter_px: Scalar) -> Image:
    low_key, high_key, low_cut_key, high_cut_key = jax.random.split(key, 4)
    low_px = diameter_px * log_uniform(low_cut_key, prior.low_pass_diameters)
    high_px = diameter_px * log_uniform(high_cut_key, prior.high_pass_diameters)

    def remove_fine(image: Image) -> Image:
        return gaussian_low_pass(image, low_px)

    def remove_coarse(image: Image) -> Image:
        return image - gaussian_low_pass(image, high_px) + jnp.mean(image)

    is_fine_removed = coin(low_key, prior.low_pass_probability)
    image = jax.lax.cond(is_fine_removed, remove_fine, lambda image: image, image)
    is_coarse_removed = coin(high_key, prior.high_pass_probability)
    return jax.lax.cond(is_coarse_removed, remove_coarse, lambda image: image, image)


def _flatten(key: RandomKey, image: Image, prior: ProcessingPrior, diameter_px: Scalar) -> Image:
    coin_key, window_key = jax.random.split(key)
    window_px = diameter_px * log_uniform(window_key, prior.local_contrast_diameters)
    return jax.lax.cond(
        coin(coin_key, prior.local_contrast_probability),
        lambda image: 1.0 + 0.05 * local_contrast(image, window_px),
        lambda image: image,
        image,
    )


def _bend(key: RandomKey, image: Image, prior: ProcessingPrior) -> Image:
    """Compress the bright and dark ends, or one more than the other, as display curves do."""
    coin_key, strength_key, skew_key = jax.random.split(key, 3)
    strength = uniform(strength_key, prior.tone_strength)
    skew = strength * uniform(skew_key, (-1.0, 1.0))

    def bend(image: Image) -> Image:
        mean, deviation = jnp.mean(image), jnp.std(image)
        z = (image - mean) / jnp.maximum(deviation, 1e-9)
        return mean + deviation * (jnp.tanh(strength * z + skew) - jnp.tanh(skew)) / strength

    return jax.lax.cond(coin(coin_key, prior.tone_probability), bend, lambda image: image, image)


def _to_eight_bits(key: RandomKey, image: Image, prior: ProcessingPrior) -> Image:
    coin_key, clip_key = jax.random.split(key)
    reach = jnp.std(image) * uniform(clip_key, prior.eight_bit_clip_sigma)
    return jax.lax.cond(
        coin(coin_key, prior.eight_bit_probability),
        lambda image: quantise(image, 2.0 * reach / 255.0, jnp.mean(image) - reach),
        lambda image: image,
        image,
    )
