"""From an optimizer's settings to what updates parameters: rate, clipping, average; built from optax."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PyTree

from jaxpick.train.optimizers import OptimizerSpec


class AverageState(NamedTuple):
    """A running average of the parameters and how often it was updated."""

    steps: Int[Array, ""]
    average: PyTree


def learning_rate(spec: OptimizerSpec, num_steps: int) -> optax.Schedule:
    """Return the learning rate as a function of the step."""
    peak = spec.learning_rate
    if spec.schedule == "constant":
        return optax.constant_schedule(peak)
    if spec.schedule == "staircase":
        return optax.exponential_decay(peak, spec.decay_steps, spec.decay_factor, staircase=True)
    warmup = min(spec.warmup_steps, num_steps - 1)
    end = peak * spec.final_fraction
    return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, max(num_steps, 1), end)


def make_optimizer(spec: OptimizerSpec, num_steps: int) -> optax.GradientTransformation:
    """Build gradient clipping, the optimizer and the average of parameters, in that order."""
    rate = learning_rate(spec, num_steps)
    parts = [_optimizer(spec, rate)]
    if spec.clip_norm is not None:
        parts.insert(0, optax.clip_by_global_norm(spec.clip_norm))
    if spec.average_decay is not None:
        parts.append(average_of_parameters(spec.average_decay))
    return optax.chain(*parts)


def average_of_parameters(decay: float) -> optax.GradientTransformation:
    """Keep a running average of the parameters; put it last in a chain, where updates are final.

    The decay rises from 0 as (1 + n) / (10 + n), so that the average does not remember the initial
    parameters.
    """

    def init(params: Any) -> AverageState:
        # A copy: the state is donated, and one buffer cannot be donated twice.
        return AverageState(jnp.zeros([], jnp.int32), jax.tree.map(jnp.copy, params))

    def update(updates: Any, state: AverageState, params: Any = None) -> tuple[Any, AverageState]:
        count = jnp.asarray(state.steps, jnp.float32)
        now = jnp.minimum(decay, (1.0 + count) / (10.0 + count))
        new = optax.apply_updates(params, updates)
        average = optax.incremental_update(new, state.average, 1.0 - now)
        return updates, AverageState(state.steps + 1, average)

    return optax.GradientTransformation(init, update)


def averaged(params: PyTree, opt_state: PyTree) -> PyTree:
    """Return the running average of the parameters, or the parameters where none is kept."""
    average = optax.tree.get(opt_state, "average")
    return params if average is None else average


def _optimizer(spec: OptimizerSpec, rate: optax.Schedule) -> optax.GradientTransformation:
    b1, b2 = spec.b1, spec.b2
    if spec.kind == "adam":
        return optax.adam(rate, b1, b2, spec.epsilon or 1e-8)
    if spec.kind == "adamw":
        return optax.adamw(rate, b1, b2, spec.epsilon or 1e-8, weight_decay=spec.weight_decay)
    if spec.kind == "sgd":
        return optax.sgd(rate, spec.momentum or None, spec.nesterov)
    return optax.adagrad(rate, spec.initial_accumulator, spec.epsilon or 1e-7)
