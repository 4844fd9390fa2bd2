"""From the intensity behind the lens to the image that a camera writes, divided by its mean."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.physics import detector
from jaxpick.simulate.draws import Unit, coin, log_uniform, uniform, unit_arrays
from jaxpick.simulate.planes import size_of
from jaxpick.simulate.priors import DetectorPrior
from jaxpick.typing import Image, RandomKey, Scalar

MAX_HOT_PIXELS = 32


def expose(
    key: RandomKey,
    intensity: Image,
    dose_e_per_angstrom2: Scalar,
    pixel_angstrom: Scalar,
    prior: DetectorPrior,
) -> Image:
    """Draw the counts of one exposure over their mean, with the marks of the camera."""
    unit_key, count_key, read_key, gain_key = jax.random.split(key, 4)
    u, spots = unit_arrays(unit_key, (13,), (MAX_HOT_PIXELS, 3))
    beam = _beam(u[:4], prior, size_of(intensity))
    expected = detector.expected_counts(intensity * beam, dose_e_per_angstrom2, 1.0, pixel_angstrom)
    counts = detector.sample_counts(count_key, expected)
    counts = _dip_noise(u[4:7], prior, counts, expected)
    counts = _add_read_noise(read_key, u[7:9], prior, counts, jnp.mean(expected))
    counts *= _draw_gain(gain_key, u[9:12], prior, size_of(intensity))
    counts = _add_hot_pixels(spots, u[12], prior, counts)
    return counts / jnp.mean(counts)


def _beam(u: Float[Array, " number"], prior: DetectorPrior, shape: tuple[int, int]) -> Image:
    return detector.vignetting(
        shape,
        uniform(u[0], prior.vignetting),
        uniform(u[1], (-0.7, 0.7)),
        uniform(u[2], (-0.7, 0.7)),
        uniform(u[3], (0.8, 2.0)),
    )


def _dip_noise(
    u: Float[Array, " number"], prior: DetectorPrior, counts: Image, expected: Image
) -> Image:
    """Lower the noise at low frequency, as coincidence loss does, in some micrographs."""

    def dip(counts: Image) -> Image:
        depth, corner = uniform(u[0], prior.noise_dip), uniform(u[1], (0.05, 0.3))
        return expected + detector.dip_noise_power(counts - expected, depth, corner)

    is_dipped = coin(u[2], prior.noise_dip_probability)
    return jax.lax.cond(is_dipped, dip, lambda counts: counts, counts)


def _add_read_noise(
    key: RandomKey,
    u: Float[Array, " number"],
    prior: DetectorPrior,
    counts: Image,
    mean: Float[Array, ""],
) -> Image:
    """Add the white noise of a charge-integrating camera to some micrographs, relative to shot."""
    deviation = uniform(u[0], prior.read_noise) * jnp.sqrt(mean)
    return jax.lax.cond(
        coin(u[1], prior.read_noise_probability),
        lambda counts: detector.add_read_noise(key, counts, deviation),
        lambda counts: counts,
        counts,
    )


def _draw_gain(
    key: RandomKey, u: Float[Array, " number"], prior: DetectorPrior, shape: tuple[int, int]
) -> Image:

    def gain() -> Image:
        deviation = log_uniform(u[0], prior.gain_residue)
        seam = uniform(u[1], prior.gain_seam)
        return detector.gain_residual(key, shape, deviation, 0.3 * deviation, seam)

    is_uneven = coin(u[2], prior.gain_probability)
    return jax.lax.cond(is_uneven, gain, lambda: jnp.ones(shape, jnp.float32))


def _add_hot_pixels(
    u: Float[Array, "spot 3"], for_number: Unit, prior: DetectorPrior, counts: Image
) -> Image:
    """Add spikes of so many standard deviations at random pixels."""
    number = jnp.round(log_uniform(for_number, prior.hot_pixel_fraction) * counts.size)
    place = (u[:, :2] * jnp.asarray(counts.shape, jnp.float32)[None, :]).astype(jnp.int32)
    height = uniform(u[:, 2], prior.hot_pixel_sigma) * jnp.std(counts)
    spikes = jnp.where(jnp.arange(u.shape[0]) < number, height, 0.0)
    return counts.at[place[:, 0], place[:, 1]].add(spikes)
