"""Real surroundings for simulated particles: a user's own particle-free micrographs, or noise with
the spectrum and the grey values of a user's micrographs.

Both are images of relative intensity, mean 1, that hold ice, shot noise and camera already. The
simulated specimen is multiplied onto them: what it takes from the beam it takes from the noise too
(blending in the intensity domain, as VirtualIce does).
"""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxpick.numerics.fields import gaussian_field
from jaxpick.numerics.fourier import radial_power_spectrum
from jaxpick.physics.constants import ice_mean_free_path_angstrom
from jaxpick.physics.ice import IceLayer
from jaxpick.pytrees import pytree
from jaxpick.simulate.imaging import Exposure
from jaxpick.simulate.priors import Priors
from jaxpick.typing import Image, RandomKey, Scalar

NUM_SHELLS = 129
NUM_QUANTILES = 257


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Background:
    """A micrograph without particles: its counts over their mean, at the simulated pixel."""

    image: Float[Array, "*batch y x"]


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class NoiseSpectrum:
    """What the noise of a set of micrographs is like, at the simulated pixel.

    Attributes:
        amplitude: root of the power spectral density of the relative intensity, in units of a
            pixel, at frequencies from 0 to Nyquist in equal steps.
        quantiles: of the grey values less their mean over their standard deviation, at equal steps
            of probability.
    """

    amplitude: Float[Array, "*batch shell"]
    quantiles: Float[Array, "*batch level"]


Surroundings = Background | NoiseSpectrum


def measure_spectrum(images: Sequence[Float[np.ndarray, "y x"]]) -> NoiseSpectrum:
    """Measure the mean radial spectrum and the grey values of images of mean 1.

    Slow changes over a field are level planes: those are taken out, and a window of Hann keeps the
    edges from leaking into all frequencies.
    """
    powers, quantiles = [], []
    for image in images:
        level = _without_plane(np.asarray(image, np.float64))
        window = np.hanning(level.shape[0])[:, None] * np.hanning(level.shape[1])[None, :]
        scaled = jnp.asarray(level * window / math.sqrt(float(np.mean(window**2))), jnp.float32)
        power = np.asarray(radial_power_spectrum(scaled))
        wave = np.arange(len(power)) / min(level.shape)
        powers.append(np.interp(np.linspace(0.0, 0.5, NUM_SHELLS), wave, power))
        probability = (np.arange(NUM_QUANTILES) + 0.5) / NUM_QUANTILES
        quantiles.append(np.quantile(level, probability) / level.std())
    return NoiseSpectrum(
        amplitude=jnp.sqrt(jnp.asarray(np.mean(powers, axis=0), jnp.float32)),
        quantiles=jnp.asarray(np.mean(quantiles, axis=0), jnp.float32),
    )


def draw_background(key: RandomKey, spectrum: NoiseSpectrum, shape: tuple[int, int]) -> Image:
    """Draw a background of mean 1 with the spectrum; its grey values are then bent to the quantiles.

    The field is Gaussian, so that its ranks are known without sorting it.
    """
    waves = jnp.linspace(0.0, 0.5, NUM_SHELLS)

    def amplitude(frequency: Float[Array, "fy fx"]) -> Float[Array, "fy fx"]:
        height = jnp.interp(frequency, waves, spectrum.amplitude)
        return jnp.where(frequency > 0, height, 0.0)

    noise = gaussian_field(key, shape, amplitude)
    deviation = jnp.std(noise)
    rank = jax.scipy.special.ndtr(noise / deviation) * NUM_QUANTILES - 0.5
    levels = jnp.arange(NUM_QUANTILES, dtype=jnp.float32)
    return 1.0 + deviation * jnp.interp(rank, levels, spectrum.quantiles)


def background_of(key: RandomKey, surroundings: Surroundings, shape: tuple[int, int]) -> Image:
    """Return the background itself, or draw one of the measured noise."""
    if isinstance(surroundings, NoiseSpectrum):
        return draw_background(key, surroundings, shape)
    if surroundings.image.shape != shape:
        raise ValueError(f"background: expected {shape} pixels, got {surroundings.image.shape}")
    return surroundings.image


def still_priors(priors: Priors) -> Priors:
    """Return the priors without the texture of the ice: the background has its own."""
    return dataclasses.replace(priors, ice=dataclasses.replace(priors.ice, texture_probability=0.0))


def still_exposure(exposure: Exposure, background: Image, pixel_angstrom: Scalar) -> Exposure:
    """Return the exposure in even ice without structure, of the dose whose noise the background has.

    Radiation damage stays that of the dose drawn.
    """
    dose = 1.0 / (_local_variance(background) * pixel_angstrom**2)
    return dataclasses.replace(
        exposure,
        ice=IceLayer(thickness_angstrom=exposure.ice.thickness_angstrom),
        dose_e_per_angstrom2=dose,
        structure_to_shot=jnp.zeros_like(exposure.structure_to_shot),
    )


def _local_variance(image: Image) -> Float[Array, ""]:
    """Return the mean variance within blocks of 8 pixels: what is slower is no noise to a particle."""
    ny, nx = image.shape[0] // 8, image.shape[1] // 8
    blocks = image[: 8 * ny, : 8 * nx].reshape(ny, 8, nx, 8)
    return jnp.mean(jnp.var(blocks, axis=(1, 3)))


def blend(background: Image, intensity: Image, exposure: Exposure) -> Image:
    """Multiply the specimen's intensity, relative to that of empty ice, onto the background."""
    free_path = ice_mean_free_path_angstrom(exposure.optics.voltage_kv)
    passed = jnp.exp(-exposure.ice.thickness_angstrom / free_path)
    empty = passed + jnp.where(exposure.is_filtered, 0.0, 1.0) * (1.0 - passed)
    return background * intensity / empty


def _without_plane(image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Take out the mean and the linear trends along y and x."""
    y = np.linspace(-1.0, 1.0, image.shape[0])[:, None]
    x = np.linspace(-1.0, 1.0, image.shape[1])[None, :]
    level = image - image.mean()
    return level - y * (level * y).mean() / (y**2).mean() - x * (level * x).mean() / (x**2).mean()
