"""Optimizers and learning rates by spec, built from optax."""

import dataclasses
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PyTree

from jaxpick.spec import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """An optimizer, its learning rate over the steps, and what is done to gradients and parameters.

    Attributes:
        kind: `sgd` uses `momentum`; `adamw` uses `weight_decay`; both Adams use `b1`, `b2`.
        learning_rate: the constant, initial (staircase) or peak (warmup_cosine) rate.
        schedule: `staircase` multiplies by `decay_factor` every `decay_steps`; `warmup_cosine`
            rises linearly for `warmup_steps`, then falls along a cosine to `final_fraction` of the
            peak at the last step.
        epsilon: added to denominators; the optimizer's usual value if None.
        initial_accumulator: first value of Adagrad's sum of squares.
        clip_norm: largest global norm of a gradient, unlimited if None.
        average_decay: decay of a running average of the parameters, which then is what is validated
            and exported; no average if None.
    """

    kind: Literal["adam", "adamw", "sgd", "adagrad"] = "adam"
    learning_rate: float = 1e-3
    schedule: Literal["constant", "staircase", "warmup_cosine"] = "constant"
    decay_steps: int = 1000
    decay_factor: float = 0.5
    warmup_steps: int = 100
    final_fraction: float = 0.0
    b1: float = 0.9
    b2: float = 0.999
    epsilon: float | None = None
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    initial_accumulator: float = 0.1
    clip_norm: float | None = None
    average_decay: float | None = None

    def __post_init__(self) -> None:
        """Refuse rates and factors that cannot train."""
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "a positive number")
        require(self.decay_steps > 0, "decay_steps", self.decay_steps, "a positive number")
        require(self.warmup_steps >= 0, "warmup_steps", self.warmup_steps, "zero or more")
        clips = self.clip_norm is None or self.clip_norm > 0
        require(clips, "clip_norm", self.clip_norm, "a positive number or null")
        for name in ("b1", "b2", "momentum", "final_fraction"):
            require(
                0 <= getattr(self, name) <= 1, name, getattr(self, name), "a number from 0 to 1"
            )
        averages = self.average_decay is None or 0 < self.average_decay < 1
        require(averages, "average_decay", self.average_decay, "a number between 0 and 1 or null")


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
