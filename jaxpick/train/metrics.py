"""Figures of a step as weighted sums, which merge over devices, steps and batches."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float

Sums: TypeAlias = dict[str, tuple[Any, Any]]


def weigh(figures: Mapping[str, Any]) -> Sums:
    """Sum the figures of a batch: an array [batch] counts each example once, a pair is (sum,
    weight).

    Returns:
        name -> (sum, weight), float32 scalars.
    """
    return {name: _weigh(value) for name, value in figures.items()}


def merge(first: Sums, second: Sums) -> Sums:
    """Add two sets of sums; a name that one of them lacks is taken from the other."""
    merged = dict(first)
    for name, (total, weight) in second.items():
        old_total, old_weight = merged.get(name, (0.0, 0.0))
        merged[name] = (old_total + total, old_weight + weight)
    return merged


def means(sums: Sums) -> dict[str, float]:
    """Return the weighted mean of each figure, NaN where nothing was weighed."""
    return {
        name: float(total) / float(weight) if float(weight) else float("nan")
        for name, (total, weight) in sums.items()
    }


def _weigh(value: Any) -> tuple[Float[Array, ""], Float[Array, ""]]:
    values, weights = value if isinstance(value, tuple) else (value, jnp.ones_like(value))
    return _sum(values), _sum(weights)


def _sum(values: Any) -> Float[Array, ""]:
    return jnp.sum(jnp.asarray(values, jnp.float32))
