"""The default picker's training step, as `experiments.train` compiles it."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from benchmarks._micrographs import simulator
from jaxpick.methods import unet
from jaxpick.parallel import HardwareSpec, parallelism, replicate
from jaxpick.train.sources import cache_examples
from jaxpick.train.state import create_state
from jaxpick.train.step import make_train_step
from jaxpick.train.updates import make_optimizer

CACHED = 64


class Steps(NamedTuple):
    """A function that does several steps, each after the one before, and the compiled program's text."""

    run: Callable[[], Any]
    program: str
    batch_size: int


def compiled_steps(num_devices: int, is_cached: bool, steps: int) -> Steps:
    """Compile the step.

    Args:
        num_devices: that share the batch.
        is_cached: examples are taken from a set made before, in place of new ones.
        steps: that a run does.
    """
    bank, _ = simulator(250.0, 0.25)
    (stage,) = unet.training_stages(unet.Spec(), bank)
    parallel = parallelism(HardwareSpec(num_devices=num_devices))
    if is_cached:
        cached = cache_examples(stage.examples, jax.random.key(5), CACHED, parallel)
        stage = dataclasses.replace(stage, examples=cached)
    optimizer = make_optimizer(stage.settings.optimizer, stage.settings.steps)
    params = jax.jit(stage.init, static_argnums=1)(jax.random.key(0), None)
    step = make_train_step(stage, optimizer, parallel)
    shared, key, first = replicate(
        (stage.examples.shared, jax.random.key(1), create_state(params, optimizer)), parallel.mesh
    )
    program = step.lower(first, shared, None, key).compile().as_text()  # type: ignore[attr-defined]
    state = [first]

    def run() -> Any:
        for _ in range(steps):
            state[0], sums = step(state[0], shared, None, key)
        return sums

    return Steps(run, program, stage.settings.batch_size)
