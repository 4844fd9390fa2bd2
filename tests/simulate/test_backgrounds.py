"""Real surroundings: measured noise comes back, and particles are all that is added to a background."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics.fields import gaussian_field
from jaxpick.numerics.fourier import radial_power_spectrum
from jaxpick.simulate.backgrounds import (
    NUM_SHELLS,
    Background,
    draw_background,
    measure_spectrum,
)
from jaxpick.simulate.priors import MicroscopePrior, ScenePrior
from jaxpick.simulate.render import simulate_micrograph
from tests.simulate.scenes import blob_bank, plain_priors

SHAPE = (96, 80)


def red_noise(key, shape, level=0.05):
    return level * gaussian_field(key, shape, lambda f: 0.5 + 4.0 * jnp.exp(-((f / 0.06) ** 2)))


def test_the_spectrum_that_is_measured_is_the_one_that_was_drawn():
    keys = jax.random.split(jax.random.key(0), 6)
    ramp = np.linspace(0.9, 1.1, 240)[:, None]
    images = [np.asarray(ramp + red_noise(key, (240, 200))) for key in keys]
    amplitude = np.asarray(measure_spectrum(images).amplitude)
    wave = np.linspace(0, 0.5, NUM_SHELLS)
    expected = 0.05 * (0.5 + 4.0 * np.exp(-((wave / 0.06) ** 2)))
    np.testing.assert_allclose(amplitude[8:120], expected[8:120], rtol=0.25)
    assert np.mean(amplitude[8:120] / expected[8:120]) == pytest.approx(1.0, abs=0.03)


def test_drawn_noise_has_the_spectrum_and_the_grey_values_that_were_measured():
    keys = jax.random.split(jax.random.key(1), 8)
    # Skewed, as thick and thin ice make it.
    images = [np.asarray(1.0 + 0.05 * (jnp.exp(6.0 * red_noise(k, (192, 192))) - 1)) for k in keys]
    spectrum = measure_spectrum(images)
    draw = jax.jit(lambda key: draw_background(key, spectrum, (160, 208)))
    drawn = np.stack([draw(key) for key in jax.random.split(jax.random.key(2), 8)])
    assert drawn.mean() == pytest.approx(1.0, abs=2e-3)

    def skew(stack):
        level = stack - stack.mean(axis=(1, 2), keepdims=True)
        return np.mean(level**3) / np.mean(level**2) ** 1.5

    assert skew(np.stack(images)) > 0.5
    assert skew(drawn) == pytest.approx(skew(np.stack(images)), rel=0.15)
    power = np.mean([radial_power_spectrum(jnp.asarray(one - one.mean())) for one in drawn], axis=0)
    wave = np.arange(len(power)) / 160
    expected = np.interp(wave, np.linspace(0, 0.5, NUM_SHELLS), spectrum.amplitude) ** 2
    assert np.mean(power[4:70] / expected[4:70]) == pytest.approx(1.0, abs=0.08)


def priors(empty):
    return plain_priors(
        microscope=MicroscopePrior(phase_plate_probability=0.0, defocus_um=(1.5, 1.5)),
        scene=ScenePrior(
            empty_probability=empty,
            coverage=(0.1, 0.1),
            layout_weights=(1.0, 0.0, 0.0, 0.0),
            target_mass_kda=(1e-3, 1e6),
        ),
    )


@functools.lru_cache
def simulator(empty):
    bank = blob_bank((15.0,))

    def simulate(key, image):
        around = Background(image=image)
        return simulate_micrograph(key, priors(empty), bank, SHAPE, 20, 4, None, around)

    return jax.jit(simulate)


def test_without_particles_the_background_is_left_as_it_is():
    image = 1.0 + red_noise(jax.random.key(3), SHAPE)
    drawn = simulator(1.0)(jax.random.key(4), image)
    np.testing.assert_allclose(drawn.image, image, rtol=2e-5)


def test_particles_are_multiplied_onto_the_background():
    noisy = 1.0 + red_noise(jax.random.key(5), SHAPE)
    flat = 1.0 + 1e-4 * red_noise(jax.random.key(6), SHAPE)
    on_noise, on_flat = (simulator(0.0)(jax.random.key(7), image) for image in (noisy, flat))
    assert int(on_noise.truth.valid.sum()) > 3
    np.testing.assert_allclose(on_noise.image / noisy, on_flat.image / flat, rtol=2e-4)
    # Dark where the truth says, and level elsewhere.
    shown = np.asarray(on_flat.image)
    assert shown[np.asarray(on_flat.mask_mass)].mean() < 0.98
    assert shown[np.asarray(on_flat.distance) > 3].mean() == pytest.approx(1.0, abs=5e-3)


def test_the_matched_filter_knows_the_noise_of_the_background():
    white = jax.random.normal(jax.random.key(8), SHAPE)
    ratio = [
        np.asarray(simulator(0.0)(jax.random.key(7), 1.0 + level * white).truth.dprime)
        for level in (0.05, 0.1)
    ]
    found = ratio[0] > 0
    assert found.sum() > 3
    np.testing.assert_allclose(ratio[0][found] / ratio[1][found], 2.0, rtol=1e-3)


def test_a_background_of_another_size_is_refused():
    with pytest.raises(ValueError, match="background"):
        simulator(0.0)(jax.random.key(7), jnp.ones((64, 64)))
