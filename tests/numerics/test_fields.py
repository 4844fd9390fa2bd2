"""Gaussian random fields: their law, and independence of mirror images, of each other, of keys."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxpick.numerics import fields
from jaxpick.numerics.fourier import radial_average

SHAPE = (48, 60)


def white(frequency):
    return jnp.ones_like(frequency)


def draw(amplitude, num_fields=256, pair=False, unit_variance=False, shape=SHAPE):
    keys = jax.random.split(jax.random.key(5), num_fields)
    sample = fields.gaussian_field_pair if pair else fields.gaussian_field
    return jax.jit(jax.vmap(lambda key: sample(key, shape, amplitude, unit_variance)))(keys)


def correlation(a, b):
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    return np.mean(a * b) / np.sqrt(np.mean(a**2) * np.mean(b**2))


def mirrored(images):
    """Pixel -r for every pixel r."""
    return np.roll(np.asarray(images)[:, ::-1, ::-1], (1, 1), (1, 2))


def test_white_noise_is_normal_far_into_its_tails():
    sample = np.asarray(
        jax.jit(lambda key: fields.white_noise(key, (2001, 1000)))(jax.random.key(0))
    )
    assert sample.shape == (2001, 1000)
    values = sample.ravel().astype(np.float64)
    assert stats.kstest(values[:400000], "norm").pvalue > 0.001
    # Moments 1 to 6 within 4.5 standard errors of those of the normal law: 0, 1, 0, 3, 0, 15.
    for order, (mean, variance) in enumerate(
        [(0, 1), (1, 2), (0, 15), (3, 96), (0, 945), (15, 10170)], start=1
    ):
        error = 4.5 * np.sqrt(variance / values.size)
        np.testing.assert_allclose(np.mean(values**order), mean, atol=error)
    beyond = np.count_nonzero(np.abs(values) > 4)
    expected = 2 * stats.norm.sf(4) * values.size
    assert abs(beyond - expected) < 4 * np.sqrt(expected)


def test_the_two_pixels_of_a_word_are_independent():
    sample = np.asarray(
        jax.jit(lambda key: fields.white_noise(key, (1000, 1000)))(jax.random.key(1))
    )
    first, second = sample[:500].astype(np.float64), sample[500:].astype(np.float64)
    # 500 000 pairs: 4 standard errors are 0.0057.
    assert abs(correlation(first, second)) < 0.0057
    assert abs(np.corrcoef(first.ravel() ** 2, second.ravel() ** 2)[0, 1]) < 0.0057
    angle = np.arctan2(second, first).ravel() / (2 * np.pi) + 0.5
    assert stats.kstest(angle[:100000], "uniform").pvalue > 0.001


@pytest.mark.parametrize("pair", [False, True])
def test_white_fields_are_normal_and_know_nothing_of_their_mirror_image(pair):
    drawn = draw(white, 64, pair)
    for images in drawn if pair else (drawn,):
        sample = np.asarray(images).ravel()
        # 184320 pixels: 4 standard errors are 0.009 of a mean or correlation, 0.013 of a variance.
        assert abs(sample.mean()) < 0.01
        np.testing.assert_allclose(sample.var(), 1.0, atol=0.014)
        assert stats.kstest(sample[:20000], "norm").pvalue > 0.001
        # The four pixels that are their own mirror image are left out.
        keep = np.ones(SHAPE, bool)
        keep[:: SHAPE[0] // 2, :: SHAPE[1] // 2] = False
        for other in (mirrored(images), np.roll(images, 1, 0), np.roll(images, 1, 2)):
            assert abs(correlation(np.asarray(images)[:, keep], np.asarray(other)[:, keep])) < 0.01


def test_the_two_fields_of_a_pair_are_independent():
    amplitude = fields.gaussian_correlation(2.0)
    first, second = draw(amplitude, 256, pair=True)
    for other in (second, mirrored(second), np.roll(second, 3, 1), np.roll(second, -3, 2)):
        # 256 x 2880 pixels, one independent value for each 4 pi l^2 = 50: 14 700 values, 4 sd =
        # 0.033.
        assert abs(correlation(first, other)) < 0.033


@pytest.mark.parametrize("pair", [False, True])
def test_power_follows_the_amplitude(pair):
    def amplitude(frequency):
        return 1.0 / (0.05 + frequency)

    drawn = draw(amplitude, 256, pair)
    for images in drawn if pair else (drawn,):
        power = np.mean(np.abs(np.fft.rfft2(np.asarray(images))) ** 2, axis=0) / (
            SHAPE[0] * SHAPE[1]
        )
        f = np.hypot(*np.meshgrid(np.fft.fftfreq(48), np.fft.rfftfreq(60), indexing="ij"))
        ratio = radial_average(jnp.asarray(power * (0.05 + f) ** 2, jnp.float32), SHAPE)
        # Shells beyond the first hold at least 6 x 256 / 2 independent values.
        np.testing.assert_allclose(ratio[1:], 1.0, atol=4 / np.sqrt(6 * 128))
        np.testing.assert_allclose(np.mean(ratio[4:]), 1.0, atol=0.02)


@pytest.mark.parametrize("pair", [False, True])
def test_unit_variance_is_that_of_the_ensemble(pair):
    drawn = draw(fields.power_law(2.0), 512, pair, unit_variance=True)
    for images in drawn if pair else (drawn,):
        np.testing.assert_allclose(np.var(np.asarray(images)), 1.0, atol=0.05)
        np.testing.assert_allclose(np.mean(np.asarray(images), axis=(1, 2)), 0.0, atol=1e-5)


def test_power_law_has_its_slope():
    amplitude = fields.power_law(3.0)(jnp.asarray([[0.0, 0.1, 0.2]]))
    np.testing.assert_allclose(amplitude[0, 1] ** 2 / amplitude[0, 2] ** 2, 8.0, rtol=1e-5)
    assert float(amplitude[0, 0]) == 0.0


def test_gaussian_correlation_is_the_correlation():
    images = np.asarray(draw(fields.gaussian_correlation(2.5), 512))
    np.testing.assert_allclose(images.var(), 1.0, atol=0.05)
    for lag in (1, 2, 4):
        expected = np.exp(-(lag**2) / (2 * 2.5**2))
        np.testing.assert_allclose(
            correlation(images, np.roll(images, lag, 2)), expected, atol=0.03
        )


def test_smooth_field_has_unit_variance_its_correlation_and_no_period():
    keys = jax.random.split(jax.random.key(1), 1500)
    shape, length = (24, 32), 8.0
    images = np.asarray(
        jax.jit(jax.vmap(lambda key: fields.smooth_field(key, shape, length)))(keys)
    )
    assert images.shape == (1500, *shape)
    # 4 standard errors of a variance or correlation at one pixel over 1500 draws: 0.15, 0.10.
    np.testing.assert_allclose(images.var(0), 1.0, atol=0.17)
    np.testing.assert_allclose(images.mean(0), 0.0, atol=0.12)
    for lag in (4, 8, 16):
        expected = np.exp(-(lag**2) / (2 * length**2))
        np.testing.assert_allclose(
            correlation(images[:, 3, 2], images[:, 3, 2 + lag]), expected, atol=0.1
        )
        np.testing.assert_allclose(
            correlation(images[:, 2, 3], images[:, 2 + lag, 3]), expected, atol=0.1
        )
    assert abs(correlation(images[:, 5, 0], images[:, 5, -1])) < 0.1
    assert abs(correlation(images[:-1, 5, 5], images[1:, 5, 5])) < 0.1


def test_same_key_same_field_and_other_key_other_field():
    key = jax.random.key(3)
    first = fields.gaussian_field(key, SHAPE, white)
    np.testing.assert_array_equal(first, fields.gaussian_field(key, SHAPE, white))
    assert abs(correlation(first, fields.gaussian_field(jax.random.key(4), SHAPE, white))) < 0.08
