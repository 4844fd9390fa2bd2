"""The polynomial cosine and sine against numpy in double precision."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxpick.numerics.trigonometry import cos_sin


def test_equals_double_precision_up_to_the_rounding_of_the_angle():
    angle = np.linspace(-60, 60, 20001).astype(np.float32)
    cosine, sine = jax.jit(cos_sin)(jnp.asarray(angle))
    # 60 rad are rounded to 4e-6 when reduced in single precision; the series itself is good to
    # 3e-7.
    tolerance = 3e-7 + 2 * np.finfo(np.float32).eps * np.abs(angle)
    assert np.all(np.abs(cosine - np.cos(angle.astype(np.float64))) < tolerance)
    assert np.all(np.abs(sine - np.sin(angle.astype(np.float64))) < tolerance)


def test_derivative_of_sine_is_cosine():
    angle = jnp.linspace(-20.0, 20.0, 101)
    slope = jax.vmap(jax.grad(lambda a: cos_sin(a)[1]))(angle)
    np.testing.assert_allclose(slope, np.cos(np.asarray(angle)), atol=2e-5)
