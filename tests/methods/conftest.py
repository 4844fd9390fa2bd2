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
    keys = jax.random.split(jax.random.key(3), 2)
    return jax.jit(lambda keys: jax.lax.map(lambda k: draw_field(k, bank, CLEAR_FIELD), keys))(keys)
