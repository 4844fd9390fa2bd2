"""Short draws from ranges, so that samplers read as the table of priors does."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxpick.typing import RandomKey


def uniform(key: RandomKey, value_range: tuple[float, float]) -> Float[Array, ""]:
    """Draw uniformly between (low, high)."""
    return jax.random.uniform(key, (), jnp.float32, value_range[0], value_range[1])


def log_uniform(key: RandomKey, value_range: tuple[float, float]) -> Float[Array, ""]:
    """Draw uniformly in the logarithm between (low, high), both positive."""
    low, high = jnp.log(jnp.float32(value_range[0])), jnp.log(jnp.float32(value_range[1]))
    return jnp.exp(jax.random.uniform(key, (), jnp.float32, low, high))


def clipped_log_normal(
    key: RandomKey, median: float, log_sd: float, value_range: tuple[float, float]
) -> Float[Array, ""]:
    """Draw log-normally about a median; values outside (low, high) are set to the bound."""
    value = median * jnp.exp(log_sd * jax.random.normal(key, (), jnp.float32))
    return jnp.clip(value, value_range[0], value_range[1])


def choice(
    key: RandomKey, values: tuple[float, ...], weights: tuple[float, ...]
) -> Float[Array, ""]:
    """Draw one of the values with probability proportional to its weight."""
    chance = jnp.asarray(weights, jnp.float32)
    picked = jax.random.choice(key, len(values), p=chance / jnp.sum(chance))
    return jnp.asarray(values, jnp.float32)[picked]


def coin(key: RandomKey, probability: float | Float[Array, ""]) -> Bool[Array, ""]:
    """Return True with the given probability."""
    return jax.random.uniform(key) < probability
