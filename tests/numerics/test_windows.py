"""Windows of an image: their moments and their correlations, against plain numpy."""

import numpy as np
import pytest

from jaxpick.numerics.windows import correlation_responses, moments, window_grid

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("side", [4, 12])
def test_moments_are_those_of_each_window(side):
    image = (1000 + RNG.normal(size=(30, 41))).astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(image.astype(float), (side, side))
    mean, deviation = moments(image, side)
    assert np.allclose(mean, views.mean(axis=(2, 3)), atol=1e-4)
    assert np.allclose(deviation, views.std(axis=(2, 3)), atol=1e-3)


def test_a_grid_of_windows_steps_over_the_image():
    image = np.arange(70.0).reshape(7, 10)
    grid = window_grid(image, 4, 2)
    assert grid.shape == (2, 4, 4, 4)
    assert np.array_equal(grid[1, 2], image[2:6, 4:8])


@pytest.mark.parametrize(("side", "count"), [(4, 3), (12, 37), (26, 5)])
def test_responses_are_maximum_less_mean_of_every_circular_correlation(side, count):
    windows = RNG.normal(3, 1, (count, side, side)).astype(np.float32)
    references = RNG.normal(-1, 2, (6, side, side)).astype(np.float32)
    spectra = np.fft.fft2(windows)[:, None] * np.conj(np.fft.fft2(references))[None]
    correlation = np.fft.ifft2(spectra).real
    expected = correlation.max(axis=(2, 3)) - correlation.mean(axis=(2, 3))
    found = correlation_responses(windows, references)
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_a_window_answers_itself_by_its_variance():
    window = RNG.normal(5, 2, (1, 10, 10)).astype(np.float32)
    expected = 100 * window.astype(float).var()
    assert np.allclose(correlation_responses(window, window), expected, rtol=1e-4)
