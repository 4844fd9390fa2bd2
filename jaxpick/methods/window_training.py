"""What classifiers of windows share in training: the mean over an example's patches, and scored patches."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxpick import rngs
from jaxpick.train.stage import Stage
from jaxpick.typing import RandomKey

Measured: TypeAlias = tuple[
    Float[np.ndarray, "box value"], Float[np.ndarray, " box"], Float[np.ndarray, " box"]
]


def patch_loss(
    losses: Float[Array, "batch patch"],
    scores: Float[Array, "batch patch"],
    labels: Int[Array, "batch patch"],
    weight: Float[Array, "batch patch"],
) -> tuple[Float[Array, " batch"], dict[str, Any]]:
    """Return the mean loss of each example's patches, and their accuracy at a score of 0.5."""
    total = jnp.sum(weight, axis=1)
    right = ((scores > 0.5) == (labels > 0)).astype(jnp.float32)
    per_example = jnp.sum(losses * weight, axis=1) / jnp.maximum(total, 1.0)
    return per_example, {"accuracy": (jnp.sum(right * weight, axis=1), total)}


def measure_patches(
    stage: Stage,
    measure: Callable[[Mapping[str, Array]], Float[Array, "box value"]],
    key: RandomKey,
    num_examples: int = 64,
) -> Measured:
    """Return values, label and weight of the patches of fresh validation examples.

    Args:
        stage: trained; its validation source, or else its examples, are drawn from.
        measure: values of each patch of one example.
        key: the same key gives the same patches.
        num_examples: to draw.
    """
    source: Any = stage.validation or stage.examples
    keys = rngs.per_example(key, num_examples)
    rows = source.rows(0, 0, num_examples) if hasattr(source, "rows") else None

    @jax.jit
    def one(example_key: RandomKey, row: Any, shared: Any) -> tuple[Array, Array, Array]:
        example = source.example(example_key, row, shared)
        return measure(example), example["label"], example["weight"]

    drawn = []
    for index in range(num_examples):
        row = None if rows is None else jax.tree.map(lambda leaf, i=index: leaf[i], rows)
        drawn.append(one(keys[index], row, source.shared))
    values, label, weight = (np.concatenate(part) for part in zip(*drawn, strict=True))
    return values.astype(np.float64), label.astype(np.float64), weight.astype(np.float64)
