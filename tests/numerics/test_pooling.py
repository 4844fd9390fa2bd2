"""The greatest of each block, and where its gradient goes, are those of XLA's window."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics.pooling import max_pool


def windowed(maps):
    return nn.max_pool(maps, (2, 2), (2, 2))


@pytest.mark.parametrize("shape", [(2, 8, 6, 3), (1, 7, 5, 2)])
def test_values_and_gradients_are_those_of_a_window_also_among_equals(shape):
    """Whole numbers from 0 to 2 make most blocks hold their greatest more than once."""
    maps = jax.random.randint(jax.random.key(0), shape, 0, 3).astype(jnp.float32)
    np.testing.assert_array_equal(max_pool(maps), windowed(maps))
    weights = jax.random.normal(jax.random.key(1), windowed(maps).shape)
    found, expected = (
        jax.grad(lambda m, pool=pool: jnp.sum(weights * pool(m)))(maps)
        for pool in (max_pool, windowed)
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("place", range(4))
def test_what_is_not_a_number_is_not_hidden(place):
    maps = jnp.zeros((1, 2, 2, 1)).at[0, place // 2, place % 2, 0].set(jnp.nan)
    assert jnp.isnan(max_pool(maps)).all()
