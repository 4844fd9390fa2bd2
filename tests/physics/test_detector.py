"""Detector: counting statistics, whiteness, each mark of a camera against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jaxpick.numerics.fourier import radial_power_spectrum
from jaxpick.physics import detector

KEY = jax.random.key(11)


def lag_correlation(image, axis):
    centred = np.asarray(image, np.float64) - np.mean(np.asarray(image, np.float64))
    return np.mean(centred * np.roll(centred, 1, axis)) / np.mean(centred**2)


@pytest.mark.parametrize(("exact", "mean"), [(False, 640.0), (True, 640.0), (True, 4.0)])
def test_counts_have_the_variance_of_poisson_and_are_white(exact, mean):
    draw = jax.jit(lambda key: detector.sample_counts(key, jnp.full((1024, 1024), mean), exact))
    sample = np.asarray(draw(KEY), np.float64)
    np.testing.assert_allclose(sample.mean(), mean, rtol=0.002)
    np.testing.assert_allclose(sample.var() / sample.mean(), 1.0, atol=0.005)
    assert abs(lag_correlation(sample, 0)) < 0.005
    assert abs(lag_correlation(sample, 1)) < 0.005
    power = np.abs(np.fft.rfft2(sample - mean)) ** 2 / sample.size / mean
    fy, fx = np.meshgrid(np.fft.fftfreq(1024), np.fft.rfftfreq(1024), indexing="ij")
    # 16 rings of equal area up to Nyquist: some 25 700 independent coefficients, a standard error
    # of 0.6 % each.
    ring = np.floor(64 * (fy**2 + fx**2)).astype(int)
    for i in range(16):
        np.testing.assert_allclose(power[(ring == i) & (fx > 0)].mean(), 1.0, atol=0.02)


def test_exact_counts_follow_the_poisson_law():
    counts = np.asarray(detector.sample_counts(KEY, jnp.full((256, 256), 3.0), exact=True)).astype(
        int
    )
    observed = np.bincount(counts.ravel(), minlength=12)
    expected = stats.poisson.pmf(np.arange(11), 3.0) * counts.size
    observed = np.append(observed[:11], observed[11:].sum())
    expected = np.append(expected, counts.size - expected.sum())
    assert stats.chisquare(observed, expected).pvalue > 0.001


def test_limit_and_exact_law_agree_at_many_counts():
    expected = jnp.full((128, 128), 400.0)
    exact = np.asarray(detector.sample_counts(KEY, expected, exact=True)).ravel()
    # Counts are whole numbers: compare after half a count of uniform dither.
    dithered = exact + np.random.default_rng(0).uniform(-0.5, 0.5, exact.size)
    limit = np.asarray(detector.sample_counts(jax.random.key(12), expected)).ravel()
    # The remaining skew 1/sqrt(400) moves the distribution function by at most 0.0034; the test
    # allows 0.02.
    assert stats.ks_2samp(dithered, limit).statistic < 0.02


def test_noise_follows_the_local_expectation():
    expected = jnp.broadcast_to(jnp.asarray([[50.0], [800.0]]), (2, 200000))
    counts = np.asarray(detector.sample_counts(KEY, expected))
    np.testing.assert_allclose(counts.var(1), [50.0, 800.0], rtol=0.015)


def test_expected_counts():
    counts = detector.expected_counts(jnp.full((2, 3), 0.9), 40.0, 0.8, 4.0)
    np.testing.assert_allclose(counts, 0.9 * 40 * 0.8 * 16, rtol=1e-6)


def test_gain_residual_adds_up_its_parts():
    draw = jax.jit(lambda *parts: detector.gain_residual(KEY, (256, 256), *parts))
    gain = np.asarray(draw(0.01, 0.02, 0.03), np.float64)
    np.testing.assert_allclose(gain.mean(), 1.0, atol=0.05)
    tiles = gain.reshape(2, 128, 4, 64)
    within = tiles - tiles.mean((1, 3), keepdims=True)
    rows, columns = within.mean(3, keepdims=True), within.mean(1, keepdims=True)
    np.testing.assert_allclose((within - rows - columns).std(), 0.01, rtol=0.02)
    lines = np.asarray(draw(0.0, 0.02, 0.0)) - 1
    np.testing.assert_allclose(lines.mean(1).std(), 0.02, rtol=0.15)
    np.testing.assert_allclose(lines.mean(0).std(), 0.02, rtol=0.15)
    seams = np.asarray(detector.gain_residual(KEY, (64, 64), 0.0, 0.0, 0.03))
    assert len(np.unique(seams)) == 8
    assert np.ptp(seams[:32, :16]) == 0


@pytest.mark.parametrize("count", [0, 3, 32])
def test_hot_and_dead_pixels_come_in_the_number_asked_for(count):
    image = jnp.zeros((512, 512))
    add = jax.jit(lambda n: detector.add_hot_pixels(KEY, image, n, (50.0, 60.0)))
    hot = np.asarray(add(count))
    assert count - 1 <= np.count_nonzero(hot) <= count
    assert hot.sum() == 0 if count == 0 else 50 * count <= hot.sum() <= 60 * count
    dead = np.asarray(detector.replace_dead_pixels(KEY, image, count, -7.0))
    assert count - 1 <= np.count_nonzero(dead == -7.0) <= count
    assert set(np.unique(dead)) <= {0.0, -7.0}


def test_vignetting_is_brightest_at_its_centre_and_loses_its_depth():
    bright = np.asarray(detector.vignetting((33, 65), 0.15, centre_y=0.0, centre_x=0.0, radius=0.5))
    assert np.unravel_index(bright.argmax(), bright.shape) == (16, 32)
    np.testing.assert_allclose(bright.max(), 1.0, atol=1e-6)
    edge = 1 - 0.15 + 0.15 * np.exp(-((32 / 32.5) ** 2) / 0.5)
    np.testing.assert_allclose(bright[16, 0], edge, atol=1e-5)
    np.testing.assert_allclose(detector.vignetting((8, 8), 0.0), 1.0)


def test_edge_fringes_are_those_of_fresnel():
    u = np.linspace(-6, 6, 2401)
    sine, cosine = special.fresnel(u)
    expected = 0.5 * ((0.5 + cosine) ** 2 + (0.5 + sine) ** 2)
    ours = np.asarray(detector.fresnel_edge(jnp.asarray(u, jnp.float32)))
    np.testing.assert_allclose(ours, expected, atol=0.006)
    np.testing.assert_allclose(ours[u == 0], 0.25, atol=0.002)


def test_beam_edge_lights_the_disc_alone():
    light = np.asarray(detector.beam_edge((64, 64), 32.0, 32.0, 20.0, 1.0))
    np.testing.assert_allclose(light[32, 32], 1.0, atol=0.05)
    assert light[32, 60] < 0.01
    np.testing.assert_allclose(light[32, 52], 0.25, atol=0.005)


def test_pixel_wise_gain_adds_its_variance_to_that_of_the_counts():
    expected = jnp.full((512, 512), 900.0)
    counts = np.asarray(detector.sample_counts(KEY, expected, relative_deviation=0.05))
    # 900 + (0.05 x 900)^2 = 2925; 262144 pixels know it to 0.3 %.
    np.testing.assert_allclose(counts.var(), 2925.0, rtol=0.015)


def test_strokes_follow_their_curve_with_their_width_and_height():
    knots = jnp.asarray([[[10.0, 5.0], [10.0, 40.0], [10.0, 90.0]], [[60.0, 30.0]] * 3])
    drawn = np.asarray(
        detector.strokes((64, 80), knots, jnp.asarray([2.0, 3.0]), jnp.asarray([4.0, 7.0]))
    )
    # Samples are up to 0.42 px apart: at most 0.21 px off, 3 % of this cross-section.
    np.testing.assert_allclose(drawn[10, 6:80], 4.0, rtol=0.031)
    np.testing.assert_allclose(drawn[11, 6:79], 2.0, rtol=0.031)
    assert drawn[60, 30] == pytest.approx(7.0) and drawn[20:50].max() == 0
    assert drawn[57:64, 27:34].sum() == drawn[30:].sum()
    # The middle of a quadratic Bezier curve: a quarter, a half, a quarter of its knots.
    bent = jnp.asarray([[[10.0, 10.0], [50.0, 30.0], [10.0, 50.0]]])
    drawn = np.asarray(detector.strokes((64, 80), bent, jnp.asarray([2.0]), jnp.asarray([1.0])))
    assert drawn[30, 30] > 0.99 and drawn[:, 30].argmax() == 30


def test_strokes_that_leave_the_image_do_not_come_back_on_the_other_side():
    knots = jnp.asarray([[[-20.0, -20.0], [-2.0, -2.0], [5.0, 5.0]]])
    drawn = np.asarray(detector.strokes((40, 40), knots, jnp.asarray([2.0]), jnp.asarray([1.0])))
    assert drawn[:10, :10].max() > 0.9 and drawn[12:].max() == 0 and drawn[:, 12:].max() == 0


def test_noise_dip_and_mtf_have_their_transfer():
    noise = jax.random.normal(KEY, (256, 256))
    frequency = np.arange(129) / 256

    @jax.jit
    def power_ratio(filtered):
        return radial_power_spectrum(filtered) / radial_power_spectrum(noise)

    dip = np.asarray(power_ratio(detector.dip_noise_power(noise, 0.2, 0.1)))
    expected = (1 - 0.2 * np.exp(-((frequency / 0.1) ** 2))) ** 2
    np.testing.assert_allclose(dip[8:], expected[8:], rtol=0.02)
    blurred = np.asarray(power_ratio(detector.blur_by_mtf(noise, 0.25)))
    np.testing.assert_allclose(blurred[8:], np.exp(-8 * frequency[8:]), rtol=0.03)


def test_read_noise_adds_its_variance_to_that_of_the_counts():
    counts = detector.sample_counts(KEY, jnp.full((400, 400), 100.0))
    read = np.asarray(detector.add_read_noise(jax.random.key(1), counts, 10.0))
    np.testing.assert_allclose(read.var(), 200.0, rtol=0.02)


def test_quantised_values_lie_on_their_levels():
    image = jnp.asarray([[-5.0, 0.26, 0.74, 1000.0]])
    np.testing.assert_allclose(detector.quantise(image, 0.5, -1.0, 256), [[-1.0, 0.5, 0.5, 126.5]])
