"""Ice: levels of its structural noise against published numbers, motion, thickness and mottling."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxpick.numerics.fourier import radial_power_spectrum
from jaxpick.physics import ice


def spectra(sample, num_draws, pixel):
    keys = jax.random.split(jax.random.key(2), num_draws)
    return np.asarray(
        jax.jit(jax.vmap(lambda key: radial_power_spectrum(sample(key), pixel)))(keys)
    ).mean(0)


def test_density_of_uncorrelated_and_of_liquid_water():
    # The image of phase noise has at most 4 times its power: 0.34 and 0.020 angstrom^2 for 300
    # angstrom.
    np.testing.assert_allclose(4 * ice.ice_phase_density(300.0, 300.0, 1.0), 0.34, atol=0.005)
    np.testing.assert_allclose(4 * ice.ice_phase_density(300.0, 300.0), 0.020, atol=0.0005)
    np.testing.assert_allclose(
        ice.ice_phase_density(300.0, 600.0), 2 * ice.ice_phase_density(300.0, 300.0), rtol=1e-6
    )


def test_motion_averaging_table_and_its_definition():
    frequency = np.array([1 / 8, 1 / 16, 1 / 30])
    factor = ice.motion_averaging(40.0, jnp.asarray(frequency, jnp.float32))
    np.testing.assert_allclose(factor, (0.34, 0.71, 0.90), atol=0.0055)
    # Double average of the pattern's correlation over the exposure.
    time = (np.arange(1000) + 0.5) / 1000 * 40
    lag = np.abs(time[:, None] - time[None, :])
    for f, value in zip(frequency, factor, strict=True):
        correlation = np.exp(-2 * np.pi**2 * f**2 * 1.1 * lag / 3)
        np.testing.assert_allclose(value, correlation.mean(), rtol=1e-4)


def test_motion_averaging_is_smooth_where_the_series_takes_over():
    frequency = jnp.sqrt(jnp.linspace(1e-7, 5e-4, 2001))
    factor = np.asarray(ice.motion_averaging(40.0, frequency))
    assert factor[0] > 0.99999
    # Neighbours differ by b D / 3 of each step, 2.4e-5, and by single-precision rounding of x - 1 +
    # exp(-x).
    assert np.abs(np.diff(factor)).max() < 1.5e-4


def test_phase_noise_has_its_density_at_any_pixel_size():
    for pixel in (2.0, 5.0):
        density = spectra(
            lambda key, p=pixel: ice.ice_phase_noise(key, (64, 64), 0.006, p), 64, pixel
        )
        np.testing.assert_allclose(density[8:].mean(), 0.006, rtol=0.02)


def test_moving_water_loses_its_fine_detail():
    def moving(key):
        return ice.ice_phase_noise(key, (64, 64), 0.006, 4.0, motion_dose_e_per_angstrom2=40.0)

    density = spectra(moving, 256, 4.0)
    # Shell 16 is at 16 angstrom and shell 32 at 8 angstrom.
    np.testing.assert_allclose(density[15:18].mean() / 0.006, 0.71, atol=0.03)
    np.testing.assert_allclose(density[30:33].mean() / 0.006, 0.35, atol=0.03)


def test_relative_density_gives_kappa_times_shot_noise():
    # Shot noise of relative intensity has the density 1 / D; contrast transfer takes the phase
    # times 2.
    np.testing.assert_allclose(4 * ice.relative_phase_density(40.0, 0.5), 0.5 / 40.0, rtol=1e-6)


def test_thickness_is_plane_and_lens_without_roughness():
    layer = ice.IceLayer(thickness_angstrom=400.0, gradient_y=0.2, gradient_x=-0.1, lens=0.3)
    draw = jax.jit(lambda key: ice.ice_thickness_angstrom(key, (20, 40), layer, 4.0))
    thickness = np.asarray(draw(jax.random.key(0)))
    y, x = ((np.arange(n) - (n - 1) / 2) / 20 for n in (20, 40))
    expected = 1 + 0.2 * y[:, None] - 0.1 * x[None, :] + 0.3 * (y[:, None] ** 2 + x[None, :] ** 2)
    np.testing.assert_allclose(thickness, 400 * expected, rtol=1e-5)


def test_rough_thickness_has_its_deviation_and_stays_positive():
    layer = ice.IceLayer(thickness_angstrom=300.0, roughness=0.1, correlation_angstrom=40.0)
    keys = jax.random.split(jax.random.key(1), 500)
    draw = jax.jit(jax.vmap(lambda key: ice.ice_thickness_angstrom(key, (16, 16), layer, 4.0)))
    drawn = np.asarray(draw(keys))
    np.testing.assert_allclose(drawn.std(0).mean(), 30.0, rtol=0.06)
    rough = dataclasses.replace(layer, roughness=2.0)
    draw = jax.jit(jax.vmap(lambda key: ice.ice_thickness_angstrom(key, (16, 16), rough, 4.0)))
    np.testing.assert_allclose(np.asarray(draw(keys[:4])).min(), 30.0, rtol=1e-5)


def test_texture_has_its_density_at_50_angstrom_and_its_slope():
    draw = jax.vmap(lambda key: ice.ice_texture(key, (128, 128), 0.02, 2.0, 8.0))
    fields = jax.jit(draw)(jax.random.split(jax.random.key(5), 64))
    density = np.mean([radial_power_spectrum(field, 8.0) for field in fields], axis=0)
    frequency = np.arange(len(density)) / (128 * 8.0)
    # 64 fields of tens of coefficients a shell: 3 % each at most; rounding of radii to shells.
    known = slice(6, 60)
    expected = 0.02 * (50.0 * frequency[known]) ** -2.0
    np.testing.assert_allclose(density[known], expected, rtol=0.12)
    assert density[0] < 1e-6 and density[1] < 0.02 * 12.0**2 * 1.2


def test_mottling_has_unit_variance_no_mean_and_its_band():
    def mottle(key):
        return ice.mottling(key, (96, 96), 64.0, 4.0)

    keys = jax.random.split(jax.random.key(7), 200)
    images = np.asarray(jax.jit(jax.vmap(mottle))(keys))
    np.testing.assert_allclose(images.var(), 1.0, atol=0.05)
    np.testing.assert_allclose(images.mean((1, 2)), 0.0, atol=1e-5)
    # 1 / 64 angstrom is shell 6 of 96 pixels of 4 angstrom.
    density = spectra(mottle, 200, 4.0)
    assert np.argmax(density) in (5, 6, 7)
    relative = np.arange(1, 16) / 6
    shape = relative**2 * np.exp(-(relative**2))
    np.testing.assert_allclose(density[1:16] / density[6], shape / shape[5], atol=0.1)
