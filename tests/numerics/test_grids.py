"""Frequencies and pixel coordinates against numpy's definitions."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics import grids

SHAPES = [(8, 8), (7, 9), (6, 9), (5, 12)]


@pytest.mark.parametrize("shape", SHAPES)
def test_frequencies_are_those_of_numpy(shape):
    fy, fx = grids.frequency_grid(shape, 2.5)
    assert fy.shape == fx.shape == (shape[0], shape[1] // 2 + 1)
    np.testing.assert_allclose(fy[:, 0], np.fft.fftfreq(shape[0], 2.5), rtol=1e-6)
    np.testing.assert_allclose(fx[0], np.fft.rfftfreq(shape[1], 2.5), rtol=1e-6)
    full_y, full_x = grids.full_frequency_grid(shape, jnp.float32(2.5))
    np.testing.assert_allclose(full_y[:, -1], np.fft.fftfreq(shape[0], 2.5), rtol=1e-6)
    np.testing.assert_allclose(full_x[-1], np.fft.fftfreq(shape[1], 2.5), rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_half_plane_weights_make_parseval_hold(shape):
    image = np.random.default_rng(0).normal(size=shape)
    power = np.abs(np.fft.rfft2(image)) ** 2 * np.asarray(grids.half_plane_weights(shape))
    np.testing.assert_allclose(power.sum() / image.size, np.sum(image**2), rtol=1e-6)


def test_magnitude_is_the_length_of_the_frequency():
    magnitude = grids.frequency_magnitude((6, 8), 0.5)
    np.testing.assert_allclose(magnitude[1, 2], np.hypot(1 / 3, 2 / 4), rtol=1e-6)


def test_pixel_grids_count_from_the_corner_and_from_the_middle():
    y, x = grids.pixel_grid((3, 4))
    assert (float(y[2, 1]), float(x[2, 1])) == (2.0, 1.0)
    y, x = grids.centred_pixel_grid((4, 8))
    np.testing.assert_allclose(x[0], (np.arange(8) - 3.5) / 4, rtol=1e-6)
    np.testing.assert_allclose(y[:, 0], (np.arange(4) - 1.5) / 4, rtol=1e-6)
