"""Blurs against scipy's, borders included."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from jaxpick.numerics.blur import gaussian_blur, gaussian_window_px, running_mean


def _image():
    return np.random.default_rng(0).normal(size=(23, 30)).astype(np.float32)


def test_gaussian_blur_equals_scipy():
    sigma = 1.5
    half = gaussian_window_px(sigma)
    found = jax.jit(gaussian_blur, static_argnums=2)(jnp.asarray(_image()), sigma, half)
    np.testing.assert_allclose(found, ndimage.gaussian_filter(_image(), sigma), atol=1e-6)


def test_gaussian_of_no_width_is_the_identity():
    np.testing.assert_array_equal(gaussian_blur(jnp.asarray(_image()), 0.0, 3), _image())


def test_running_mean_equals_scipy_and_keeps_constants():
    found = running_mean(jnp.asarray(_image()), 5)
    np.testing.assert_allclose(found, ndimage.uniform_filter(_image(), 5), atol=1e-6)
    np.testing.assert_allclose(running_mean(jnp.full((9, 9), 2.0), 3), 2.0, rtol=1e-6)
