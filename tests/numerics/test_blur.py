"""The wide blur against the Gaussian's own matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxpick.numerics.blur import gaussian_blur, gaussian_factor


@pytest.mark.parametrize(("size", "sigma"), [(1, 3.0), (40, 1.5), (97, 24.0), (30, 64.0)])
def test_the_factor_times_itself_is_a_gaussian_of_unit_sum(size, sigma):
    offset = np.subtract.outer(np.arange(size), np.arange(size)) / sigma
    gaussian = np.exp(-0.5 * offset**2) / (np.sqrt(2 * np.pi) * sigma)
    factor = gaussian_factor(size, sigma).astype(np.float64)
    np.testing.assert_allclose(factor @ factor.T, gaussian, atol=1e-6 / sigma)


def test_the_factor_is_thin():
    assert gaussian_factor(1000, 24.0).shape[1] < 100


def test_blur_equals_scipy_with_zeros_beyond_the_border():
    image = np.random.default_rng(0).normal(size=(48, 61)).astype(np.float32)
    found = jax.jit(gaussian_blur, static_argnums=1)(jnp.asarray(image), 3.0)
    expected = ndimage.gaussian_filter(image, 3.0, mode="constant", truncate=8)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_edge_corrected_blur_keeps_constants():
    ones = jnp.ones((30, 20))
    blurred = gaussian_blur(5.0 * ones, 7.0) / gaussian_blur(ones, 7.0)
    np.testing.assert_allclose(blurred, 5.0, rtol=1e-5)
