"""One step of training and one batch of validation: pure functions of state, arrays and a key,
compiled once.

A training step reads top to bottom: keys, examples (simulated or augmented on their own device),
loss and gradient, update, figures. The figures are those of the parameters before the update.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from jaxpick import rngs
from jaxpick.parallel import Parallelism
from jaxpick.train.metrics import Sums, weigh
from jaxpick.train.sources import ExampleSource
from jaxpick.train.stage import STATISTICS, Loss, Params, Stage
from jaxpick.train.state import TrainState
from jaxpick.typing import RandomKey

Precision: TypeAlias = Literal["float32", "bfloat16"]
TrainStep: TypeAlias = Callable[
    [TrainState, PyTree, PyTree, RandomKey], tuple[TrainState, dict[str, Any]]
]
EvalStep: TypeAlias = Callable[[Params, PyTree, PyTree, RandomKey], dict[str, Any]]


def make_train_step(
    stage: Stage,
    optimizer: optax.GradientTransformation,
    parallel: Parallelism,
    precision: Precision = "float32",
) -> TrainStep:
    """Return the compiled `step(state, shared, rows, stream_key) -> (state, sums)`; `state` is used
    up by it.

    Args:
        stage: examples, objective and batch size.
        optimizer: made by `make_optimizer`.
        parallel: strategy and devices.
        precision: of the network's arithmetic; parameters, loss and updates are float32 always.

    Raises:
        SpecError: when the batch cannot be shared equally by the devices.
    """
    parallel.check_batch(stage.settings.batch_size)

    def step(
        state: TrainState, shared: PyTree, rows: PyTree, stream_key: RandomKey
    ) -> tuple[TrainState, Sums]:
        batch, keys = _draw(stage, stage.examples, parallel, shared, rows, stream_key, state.step)

        def objective(params: Params) -> tuple[Float[Array, ""], tuple[dict[str, Any], PyTree]]:
            losses, figures, statistics = _losses(stage.loss, stage, params, batch, keys, precision)
            return jnp.mean(losses), ({"loss": losses, **figures}, statistics)

        gradients, (figures, statistics) = jax.grad(objective, has_aux=True)(state.params)
        gradients = parallel.average(gradients)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        params = _with_statistics(params, parallel.average(statistics))
        sums = parallel.total(weigh(figures))
        sums["gradient_norm"] = (optax.tree.norm(gradients), jnp.ones([], jnp.float32))
        return TrainState(step=state.step + 1, params=params, opt_state=opt_state), sums

    return parallel.compile(step, donate_first=True)


def make_eval_step(
    stage: Stage, parallel: Parallelism, precision: Precision = "float32"
) -> EvalStep:
    """Return the compiled `step(params, shared, rows, key) -> sums` of one batch."""
    source, loss = stage.validation or stage.examples, stage.validation_loss or stage.loss

    def step(params: Params, shared: PyTree, rows: PyTree, key: RandomKey) -> Sums:
        batch, keys = _draw(stage, source, parallel, shared, rows, key, 0)
        losses, figures, _ = _losses(loss, stage, params, batch, keys, precision)
        return parallel.total(weigh({"loss": losses, **figures}))

    return parallel.compile(step)


def _draw(
    stage: Stage,
    source: ExampleSource,
    parallel: Parallelism,
    shared: PyTree,
    rows: PyTree,
    stream_key: RandomKey,
    step: Any,
) -> tuple[PyTree, Key[Array, " batch"]]:
    """Draw a batch and the keys of its loss: one of each per example, on any device."""
    example_key, loss_key = jax.random.split(rngs.at_step(stream_key, step))
    size = stage.settings.batch_size
    keys = parallel.local(rngs.per_example(example_key, size))
    draw = parallel.per_example(lambda one, arrays: source.example(one[0], one[1], arrays))
    return draw((keys, rows), shared), parallel.local(rngs.per_example(loss_key, size))


def _losses(
    loss: Loss,
    stage: Stage,
    params: Params,
    batch: PyTree,
    keys: Key[Array, " batch"],
    precision: Precision,
) -> tuple[Float[Array, " batch"], dict[str, Any], PyTree]:
    """Return the loss of each example, figures, and the next running statistics (None without)."""
    if precision == "bfloat16":
        # Running statistics move by less than bfloat16 resolves.
        params = _with_statistics(_half(params), _statistics(params))
        batch = {k: _half(v) if k in stage.compute_names else v for k, v in batch.items()}
    losses, figures, *statistics = loss(params, batch, keys)
    return jnp.asarray(losses, jnp.float32), dict(figures), statistics[0] if statistics else None


def _statistics(params: Params) -> PyTree:
    return params.get(STATISTICS) if isinstance(params, Mapping) else None


def _with_statistics(params: Params, statistics: PyTree) -> Params:
    return params if statistics is None else {**params, STATISTICS: statistics}


def _half(tree: PyTree) -> PyTree:
    def cast(leaf: Any) -> Any:
        return leaf.astype(jnp.bfloat16) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, tree)
