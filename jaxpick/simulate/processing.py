"""What happens to micrographs between the camera and a shared file: filters, local contrast, tone,
eight bits.

No physics: shared data are often denoised, flattened or saved as 8-bit pictures, and a picker has
to read those as well.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.fourier import filter_image
from jaxpick.numerics.grids import frequency_magnitude
from jaxpick.physics.detector import quantise
from jaxpick.simulate.draws import Unit, log_uniform, sometimes, uniform, units
from jaxpick.simulate.priors import ProcessingPrior
from jaxpick.typing import Image, RandomKey, Scalar

# Filters see a mirrored rim this wide, so that they do not wrap one edge into the other.
RIM_PX = 48


def process(
    key: RandomKey, image: Image, prior: ProcessingPrior, diameter_px: Float[Array, ""]
) -> Image:
    """Draw the processing of one micrograph; most are left alone."""
    u = units(key, 12)
    image = _filter(u[:4], image, prior, diameter_px)
    image = _flatten(u[4:6], image, prior, diameter_px)
    image = _bend(u[6:9], image, prior)
    image = _to_eight_bits(u[9:11], image, prior)
    return sometimes(u[11], prior.invert_probability, _invert, image)


def _invert(image: Image) -> Image:
    return 2.0 * jnp.mean(image) - image


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


def _filter(
    u: tuple[Unit, ...], image: Image, prior: ProcessingPrior, diameter_px: Scalar
) -> Image:
    low_px = diameter_px * log_uniform(u[0], prior.low_pass_diameters)
    high_px = diameter_px * log_uniform(u[1], prior.high_pass_diameters)

    def remove_fine(image: Image) -> Image:
        return gaussian_low_pass(image, low_px)

    def remove_coarse(image: Image) -> Image:
        return image - gaussian_low_pass(image, high_px) + jnp.mean(image)

    image = sometimes(u[2], prior.low_pass_probability, remove_fine, image)
    return sometimes(u[3], prior.high_pass_probability, remove_coarse, image)


def _flatten(
    u: tuple[Unit, ...], image: Image, prior: ProcessingPrior, diameter_px: Scalar
) -> Image:
    window_px = diameter_px * log_uniform(u[0], prior.local_contrast_diameters)

    def flatten(image: Image) -> Image:
        return 1.0 + 0.05 * local_contrast(image, window_px)

    return sometimes(u[1], prior.local_contrast_probability, flatten, image)


def _bend(u: tuple[Unit, ...], image: Image, prior: ProcessingPrior) -> Image:
    """Compress the bright and dark ends, or one more than the other, as display curves do."""
    strength = uniform(u[0], prior.tone_strength)
    skew = strength * uniform(u[1], (-1.0, 1.0))

    def bend(image: Image) -> Image:
        mean, deviation = jnp.mean(image), jnp.std(image)
        z = (image - mean) / jnp.maximum(deviation, 1e-9)
        return mean + deviation * (jnp.tanh(strength * z + skew) - jnp.tanh(skew)) / strength

    return sometimes(u[2], prior.tone_probability, bend, image)


def _to_eight_bits(u: tuple[Unit, ...], image: Image, prior: ProcessingPrior) -> Image:

    def to_eight_bits(image: Image) -> Image:
        reach = jnp.std(image) * uniform(u[0], prior.eight_bit_clip_sigma)
        return quantise(image, 2.0 * reach / 255.0, jnp.mean(image) - reach)

    return sometimes(u[1], prior.eight_bit_probability, to_eight_bits, image)
