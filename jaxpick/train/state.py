"""The state of training: step, parameters, the optimizer's memory; no keys, no functions."""

import dataclasses

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from jaxpick.pytrees import pytree
from jaxpick.train.stage import Params


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainState:
    """Everything a checkpoint needs beside the settings: keys follow from seed and step."""

    step: PyTree  # an int32 scalar; JAX rebuilds pytrees with leaves that are no arrays, too
    params: Params
    opt_state: PyTree


def create_state(params: Params, optimizer: optax.GradientTransformation) -> TrainState:
    """Start at step zero with a copy of `params` (the state's memory is reused by each step)."""
    params = jax.tree.map(jnp.copy, params)
    return TrainState(
        step=jnp.zeros([], jnp.int32), params=params, opt_state=optimizer.init(params)
    )
