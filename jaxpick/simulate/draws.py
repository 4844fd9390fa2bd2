"""Short draws from ranges, so that samplers read as the table of priors does.

Each takes a number uniform on [0, 1): one call of `units` gives a sampler all it needs, which
compiles and runs many times faster than a key for each scalar.
"""

import itertools
import math
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.special import betaincinv

from jaxpick.typing import RandomKey

Unit = Float[Array, ""]
Tree = TypeVar("Tree")


def units(key: RandomKey, num: int) -> tuple[Unit, ...]:
    """Draw `num` independent numbers uniform on [0, 1)."""
    drawn = jax.random.uniform(key, (num,), jnp.float32)
    return tuple(drawn[i] for i in range(num))


def unit_arrays(key: RandomKey, *shapes: tuple[int, ...]) -> tuple[Float[Array, "..."], ...]:
    """Draw an array of independent numbers uniform on [0, 1) for each shape, in one call."""
    sizes = [math.prod(shape) for shape in shapes]
    drawn = jax.random.uniform(key, (sum(sizes),), jnp.float32)
    parts = jnp.split(drawn, list(itertools.accumulate(sizes))[:-1])
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))


def uniform(u: Float[Array, "*shape"], value_range: tuple[float, float]) -> Float[Array, "*shape"]:
    """Map u to the range (low, high)."""
    return value_range[0] + (value_range[1] - value_range[0]) * u


def log_uniform(
    u: Float[Array, "*shape"], value_range: tuple[float, float]
) -> Float[Array, "*shape"]:
    """Map u to the range (low, high), both positive, uniformly in the logarithm."""
    low, high = jnp.log(jnp.float32(value_range[0])), jnp.log(jnp.float32(value_range[1]))
    return jnp.exp(low + (high - low) * u)


def number(u: Float[Array, "*shape"], count: tuple[int, int]) -> Int[Array, "*shape"]:
    """Map u to a whole number from the fewest to the most, both included, all equally likely."""
    return (count[0] + jnp.floor((count[1] + 1 - count[0]) * u)).astype(jnp.int32)


def log_number(u: Float[Array, "*shape"], count: tuple[int, int]) -> Int[Array, "*shape"]:
    """Map u to a whole number from the fewest to the most, uniformly in the logarithm."""
    drawn = jnp.floor(log_uniform(u, (float(count[0]), count[1] + 1.0))).astype(jnp.int32)
    # Rounding of the logarithm can reach beyond the ends.
    return jnp.clip(drawn, count[0], count[1])


def standard_normal(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Map u to a normal deviate of mean 0 and variance 1."""
    return jax.scipy.special.ndtri(jnp.clip(u, 1e-7, 1.0 - 1e-7))


def clipped_log_normal(
    u: Unit, median: float, log_sd: float, value_range: tuple[float, float]
) -> Float[Array, ""]:
    """Map u log-normally about a median; values outside (low, high) are set to the bound."""
    value = median * jnp.exp(log_sd * standard_normal(u))
    return jnp.clip(value, value_range[0], value_range[1])


def beta(u: Float[Array, "*shape"], shape: tuple[float, float]) -> Float[Array, "*shape"]:
    """Map u to a Beta distribution of the given shapes, by its tabled quantiles."""
    # Densest towards the tails, where quantiles change fastest.
    level = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, 513))
    quantile = betaincinv(shape[0], shape[1], level)
    return jnp.interp(u, jnp.asarray(level, jnp.float32), jnp.asarray(quantile, jnp.float32))


def pick(u: Float[Array, "*shape"], weights: Float[Array, " choice"]) -> Int[Array, "*shape"]:
    """Map u to an index with probability proportional to its weight."""
    share = jnp.cumsum(weights)
    index = jnp.searchsorted(share, u * share[-1], side="right")
    # Rounding can reach the end: the last choice that has a weight is meant.
    last = jnp.max(jnp.where(weights > 0, jnp.arange(weights.shape[0]), 0))
    return jnp.minimum(index, last).astype(jnp.int32)


def choice(u: Unit, values: tuple[float, ...], weights: tuple[float, ...]) -> Float[Array, ""]:
    """Map u to one of the values with probability proportional to its weight."""
    return jnp.asarray(values, jnp.float32)[pick(u, jnp.asarray(weights, jnp.float32))]


def coin(u: Unit, probability: float | Float[Array, ""]) -> Bool[Array, ""]:
    """Return True with the given probability."""
    return u < probability


def sometimes(u: Unit, probability: float, change: Callable[[Tree], Tree], value: Tree) -> Tree:
    """Return `change(value)` with the given probability, else the value as it is.

    What never happens (0) is not compiled; what does not happen in one micrograph is not run, but
    inside a `vmap`.
    """
    if probability <= 0.0:
        return value
    return jax.lax.cond(coin(u, probability), change, lambda value: value, value)
