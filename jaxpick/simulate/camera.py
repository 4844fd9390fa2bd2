"""From the intensity behind the lens to the image that a camera writes, divided by its mean."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.physics import detector
from jaxpick.simulate.draws import coin, log_uniform, uniform
from jaxpick.simulate.priors import DetectorPrior
from jaxpick.typing import Image, RandomKey, Scalar


def expose(
    key: RandomKey,
    intensity: Image,
    dose_e_per_angstrom2: Scalar,
    pixel_angstrom: Scalar,
    prior: DetectorPrior,
) -> Image:
    """Draw the counts of one exposure over their mean, with the marks of the camera."""
    light_key, count_key, dip_key, read_key, gain_key, hot_key = jax.random.split(key, 6)
    beam = _draw_beam(light_key, prior, intensity.shape)
    expected = detector.expected_counts(intensity * beam, dose_e_per_angstrom2, 1.0, pixel_angstrom)
    counts = detector.sample_counts(count_key, expected)
    counts = _dip_noise(dip_key, prior, counts, expected)
    counts = _add_read_noise(read_key, prior, counts, jnp.mean(expected))
    counts *= _draw_gain(gain_key, prior, intensity.shape)
    counts = _add_hot_pixels(hot_key, prior, counts)
    return counts / jnp.mean(counts)


def _draw_beam(key: RandomKey, prior: DetectorPrior, shape: tuple[int, int]) -> Image:
    depth_key, y_key, x_key, radius_key = jax.random.split(key, 4)
    return detector.vignetting(
        shape,
        uniform(depth_key, prior.vignetting),
        uniform(y_key, (-0.7, 0.7)),
        uniform(x_key, (-0.7, 0.7)),
        uniform(radius_key, (0.8, 2.0)),
    )


def _dip_noise(key: RandomKey, prior: DetectorPrior, counts: Image, expected: Image) -> Image:
    """Lower the noise at low frequency, as coincidence loss does, in some micrographs."""
    coin_key, depth_key, corner_key = jax.random.split(key, 3)

    def dip(counts: Image) -> Image:
        depth, corner = uniform(depth_key, prior.noise_dip), uniform(corner_key, (0.05, 0.3))
        return expected + detector.dip_noise_power(counts - expected, depth, corner)

    is_dipped = coin(coin_key, prior.noise_dip_probability)
    return jax.lax.cond(is_dipped, dip, lambda counts: counts, counts)


def _add_read_noise(
    key: RandomKey, prior: DetectorPrior, counts: Image, mean: Float[Array, ""]
) -> Image:
    """Add the white noise of a charge-integrating camera, relative to shot noise, in some micrographs."""
    coin_key, level_key, noise_key = jax.random.split(key, 3)
    deviation = uniform(level_key, prior.read_noise) * jnp.sqrt(mean)
    return jax.lax.cond(
        coin(coin_key, prior.read_noise_probability),
        lambda counts: detector.add_read_noise(noise_key, counts, deviation),
        lambda counts: counts,
        counts,
    )


def _draw_gain(key: RandomKey, prior: DetectorPrior, shape: tuple[int, int]) -> Image:
    coin_key, pixel_key, seam_key, draw_key = jax.random.split(key, 4)

    def gain() -> Image:
        deviation = log_uniform(pixel_key, prior.gain_residue)
        seam = uniform(seam_key, prior.gain_seam)
        return detector.gain_residual(draw_key, shape, deviation, 0.3 * deviation, seam)

    is_uneven = coin(coin_key, prior.gain_probability)
    return jax.lax.cond(is_uneven, gain, lambda: jnp.ones(shape, jnp.float32))


def _add_hot_pixels(key: RandomKey, prior: DetectorPrior, counts: Image) -> Image:
    fraction_key, height_key, spot_key = jax.random.split(key, 3)
    expected_number = log_uniform(fraction_key, prior.hot_pixel_fraction) * counts.size
    number = jax.random.poisson(height_key, expected_number)
    low, high = (sigma * jnp.std(counts) for sigma in prior.hot_pixel_sigma)
    return detector.add_hot_pixels(spot_key, counts, number.astype(jnp.float32), (low, high))
