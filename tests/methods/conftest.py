"""Fields that the tests of several methods share: simulated once."""

import jax
import pytest
from parsed_fields import CLEAR_FIELD, small_bank

from jaxpick.methods.simulated_examples import draw_field


@pytest.fixture(scope="session")
def bank():
    return small_bank()


@pytest.fixture(scope="session")
def simulated(bank):
    """Two clear fields."""
    draw = jax.jit(jax.vmap(lambda key: draw_field(key, bank, CLEAR_FIELD)))
    return draw(jax.random.split(jax.random.key(3), 2))
