"""The scale-normalised Laplacian of Gaussian: its real-space form, its best diameter, its scale."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxpick.numerics.laplacian import best_response, laplacian_of_gaussian


def disc(size, diameter, centre):
    y, x = np.mgrid[:size, :size]
    return (np.hypot(y - centre[0], x - centre[1]) <= diameter / 2).astype(np.float32)


def respond(image, pixel, diameter):
    transfer = laplacian_of_gaussian(image.shape, pixel, diameter)
    return np.asarray(jnp.fft.irfft2(jnp.fft.rfft2(jnp.asarray(image)) * transfer, s=image.shape))


@pytest.mark.parametrize(("pixel", "diameter"), [(1.0, 24.0), (3.5, 70.0)])
def test_it_is_minus_the_scaled_laplacian_of_a_gaussian(pixel, diameter):
    """(2 D f)^2 exp(-(2 D f)^2 / 2) = -(D / pi)^2 laplacian of the Gaussian of sigma = D / pi."""
    image = np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)
    sigma_px = diameter / np.pi / pixel
    f = np.fft.fftfreq(96)
    square = f[:, None] ** 2 + f[None, :] ** 2
    gaussian = np.exp(-2 * np.pi**2 * sigma_px**2 * square)
    expected = np.fft.ifft2(np.fft.fft2(image) * 4 * np.pi**2 * sigma_px**2 * square * gaussian)
    assert np.allclose(respond(image, pixel, diameter), expected.real, atol=1e-5)
    by_scipy = -(sigma_px**2) * ndimage.gaussian_laplace(
        image.astype(float), sigma_px, mode="wrap", truncate=6
    )
    assert np.allclose(expected.real, by_scipy, atol=2e-2 * by_scipy.std())


def test_a_disc_answers_best_near_its_own_diameter_whatever_its_size():
    tried = jnp.arange(10.0, 90.0, 4.0)
    heights = []
    for diameter in (26.0, 50.0):
        merit, best = best_response(jnp.asarray(disc(256, diameter, (100, 140))), 1.0, tried)
        at = np.unravel_index(int(np.argmax(merit)), merit.shape)
        assert np.hypot(at[0] - 100, at[1] - 140) <= 1
        # A disc of radius r answers best at sigma = r / sqrt 2: D = pi r / sqrt 2 = 1.11 diameters.
        assert abs(float(best[at]) / (1.11 * diameter) - 1) < 0.1
        heights.append(float(merit[at]))
    assert abs(heights[0] / heights[1] - 1) < 0.05


def test_ties_go_to_the_first_diameter_and_jit_agrees():
    image = jnp.zeros((32, 32))
    _, best = best_response(image, 1.0, jnp.array([8.0, 16.0]))
    assert np.all(np.asarray(best) == 8.0)
    noise = jax.random.normal(jax.random.key(0), (32, 32))
    with jax.disable_jit():
        plain = best_response(noise, 1.0, jnp.array([8.0, 16.0]))
    for a, b in zip(plain, best_response(noise, 1.0, jnp.array([8.0, 16.0])), strict=True):
        assert np.allclose(a, b, atol=1e-6)
