"""The training loop.

Stages run in order, each from the parameters of the one before. Within a stage:

1. the state is the last checkpoint's, or a fresh one;
2. for each step: the host's part of the batch, if any; the step itself (keys, examples, loss and
gradient, update); its
   figures are fetched only when the next step is under way, so that the device never waits for the
   host;
3. every `validate_every` steps and at the end: validation on the same examples each time, and a
checkpoint of the state
   with the step count, its score and the figures not yet written as a row; a stage with a patience
   ends when so many validations brought nothing better;
4. the stage's result is its best (or last) validated parameters.

Nothing random depends on what ran before: keys follow from seed, stage and step. A run that was
killed and started again draws what it would have drawn and writes the rows it would have written.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from jaxtyping import PyTree

from jaxpick import rngs
from jaxpick.io.files import InputError
from jaxpick.io.locks import sole_writer
from jaxpick.parallel import (
    HardwareSpec,
    Parallelism,
    any_host,
    is_first_host,
    parallelism,
    replicate,
    shard_batch,
)
from jaxpick.spec import as_plain
from jaxpick.train.checkpoint import Checkpoints, check_same_settings
from jaxpick.train.log import MetricsTable, Progress, Recorder
from jaxpick.train.metrics import Sums, means, merge
from jaxpick.train.sources import feed
from jaxpick.train.stage import Params, Stage
from jaxpick.train.state import TrainState, create_state
from jaxpick.train.step import TrainStep, make_eval_step, make_train_step
from jaxpick.train.stops import Interrupted, StopRequest, stop_requests
from jaxpick.train.train_spec import TrainSpec
from jaxpick.train.updates import averaged, learning_rate, make_optimizer

FREE_SETTINGS = ("out", "hardware", "tensorboard", "overwrite")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageResult:
    """A trained stage: its parameters, the step they are from, and their validation."""

    name: str
    params: Params
    step: int
    figures: Mapping[str, float]
    examples_per_second: float


class DivergedError(InputError):
    """The loss is no longer a number."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Run:
    """What every part of a stage's loop needs."""

    stage: Stage
    spec: TrainSpec
    seed: int
    parallel: Parallelism
    table: MetricsTable
    config: Mapping[str, Any]
    folder: Path

    @property
    def steps(self) -> int:
        """Number of steps of the stage."""
        return min(self.stage.settings.steps, self.spec.max_steps or sys.maxsize)

    def place(self, rows: PyTree) -> PyTree:
        """Split the host's part of a batch over the devices."""
        return shard_batch(rows, self.parallel.mesh)


def train_stages(
    stages: Sequence[Stage],
    spec: TrainSpec,
    out: Path | str,
    *,
    seed: int = 0,
    hardware: HardwareSpec = HardwareSpec(),
    config: Mapping[str, Any] | None = None,
) -> tuple[StageResult, ...]:
    """Train stages in order, resuming whatever `out` already holds.

    Args:
        stages: of one method, each starting from the parameters of the one before.
        spec: how to run.
        out: folder; `checkpoints/<stage>/` and `metrics.csv` are written in it.
        seed: of parameters, examples and everything else.
        hardware: strategy and devices; they change no figure beyond rounding.
        config: further settings that a resumed run must share, as plain data.

    Returns:
        The result of each stage; the method's weights are the last one's.

    Raises:
        InputError: when `out` holds a run with other settings or another process trains in it, or
            the loss diverges.
        Interrupted: after Ctrl-C, SIGTERM or a scheduler's signal; the state is saved.
    """
    out, parallel = Path(out), parallelism(hardware)
    settings = {stage.name: as_plain(stage.settings) for stage in stages}
    own = {"seed": seed, "training": as_plain(spec), "stages": settings}
    config = {**own, **(config or {})}
    board = out / "tensorboard" if spec.tensorboard else None
    results: list[StageResult] = []
    with contextlib.ExitStack() as stack:
        if is_first_host():
            stack.enter_context(sole_writer(out))
        table = stack.enter_context(contextlib.closing(MetricsTable(out / "metrics.csv", board)))
        for stage in stages:
            run = _Run(
                stage=stage,
                spec=spec,
                seed=seed,
                parallel=parallel,
                table=table,
                config=config,
                folder=out / "checkpoints" / stage.name,
            )
            results.append(_train_stage(run, [result.name for result in results], results))
    return tuple(results)


def _train_stage(run: _Run, done: list[str], results: list[StageResult]) -> StageResult:
    """Run one stage from its last checkpoint to its end and choose its parameters."""
    stage, parallel = run.stage, run.parallel
    optimizer = make_optimizer(stage.settings.optimizer, run.steps)
    previous = jax.device_get(results[-1].params) if results else None
    with Checkpoints(run.folder) as checkpoints, stop_requests() as stop:
        key = rngs.stream(run.seed, f"{stage.name}/init")
        if checkpoints.last_step is not None:
            saved = checkpoints.notes(checkpoints.last_step)["config"]
            check_same_settings(saved, run.config, run.folder, FREE_SETTINGS)
        params = jax.jit(stage.init)(key, previous)
        state = replicate(create_state(params, optimizer), parallel.mesh)
        like = jax.tree.map(_abstract, vars(state))
        window: Mapping[str, Any] = {}
        if checkpoints.last_step is not None:
            restored = checkpoints.restore(like)
            state, window = TrainState(**restored.state), restored.notes["window"]
        start = int(state.step)
        is_over = start >= run.steps or _has_stalled(run, checkpoints)
        followed = None if is_over else {*done}
        run.table.keep(
            lambda name, step: (
                step <= start if name == stage.name else followed is None or name in followed
            )
        )
        rate = 0.0
        if not is_over:
            step = make_train_step(stage, optimizer, parallel, run.spec.precision)
            rate = _run_steps(run, state, start, step, checkpoints, window, stop)
        return _choose(run, checkpoints, like, rate)


def _run_steps(
    run: _Run,
    state: TrainState,
    start: int,
    train_step: TrainStep,
    checkpoints: Checkpoints,
    window: Mapping[str, Any],
    stop: StopRequest,
) -> float:
    """Take the steps from `start` to the end; return the examples per second."""
    stage, spec, mesh = run.stage, run.spec, run.parallel.mesh
    size = stage.settings.batch_size
    schedule = learning_rate(stage.settings.optimizer, run.steps)
    progress = Progress(stage.name, start, run.steps, size)
    losses: list[float] = []

    def emit(step: int, figures: dict[str, float]) -> None:
        if figures["loss"] != figures["loss"]:
            raise DivergedError(
                f"{stage.name}: the loss is not a number by step {step}; lower "
                "optimizer.learning_rate or set optimizer.clip_norm"
            )
        losses[:] = [figures["loss"]]
        run.table.add(
            stage.name, step, "train", {**figures, "learning_rate": float(schedule(step - 1))}
        )

    recorder = Recorder(
        every=spec.log_every,
        last_step=run.steps,
        emit=emit,
        window={name: (total, weight) for name, (total, weight) in window.items()},
    )
    is_shared = jax.process_count() > 1
    shared = replicate(stage.examples.shared, mesh)
    validate = _validator(run, shared)
    key = replicate(rngs.stream(run.seed, f"{stage.name}/train"), mesh)
    batches = feed(stage.examples, run.seed, size, range(start, run.steps), run.place)
    for step, rows in enumerate(batches, start=start + 1):
        with jax.transfer_guard("disallow"):
            state, sums = train_step(state, shared, rows, key)
        recorder.add(step, sums)
        progress.step(step, losses[0] if losses else None)
        validates = step % spec.validate_every == 0 or step == run.steps
        # Several hosts agree where they meet anyway: a request of one alone would leave the others waiting.
        stops = any_host(stop.is_set()) if validates else stop.is_set() and not is_shared
        if validates or stops:
            recorder.flush()
            score, figures = validate(state, step) if validates else (None, {})
            run.table.write()
            notes = {"config": run.config, "window": recorder.window, "figures": figures}
            checkpoints.save(step, vars(state), score, notes)
        if stops:
            raise Interrupted(
                f"stopped at step {step} of {run.steps} of {stage.name} and saved; "
                "the same command goes on from there",
                stop.signal_number,
            )
        if validates and _has_stalled(run, checkpoints):
            break
    return progress.examples_per_second


def _has_stalled(run: _Run, checkpoints: Checkpoints) -> bool:
    patience = run.stage.settings.patience
    return patience is not None and checkpoints.has_stalled(patience * run.spec.validate_every)


def _validator(run: _Run, train_shared: PyTree) -> Callable[..., tuple[float, dict[str, float]]]:
    """Return `validate(state, step) -> (score, figures)`; larger scores are better."""
    stage, spec, mesh = run.stage, run.spec, run.parallel.mesh
    source = stage.validation or stage.examples
    shared = train_shared if source is stage.examples else replicate(source.shared, mesh)
    eval_step = make_eval_step(stage, run.parallel, spec.precision)
    stream = rngs.stream(run.seed, f"{stage.name}/validation")

    def validate(state: TrainState, step: int) -> tuple[float, dict[str, float]]:
        params = averaged(state.params, state.opt_state)
        sums: Sums = {}
        steps = range(spec.validation_batches)
        batches = feed(source, run.seed, stage.settings.batch_size, steps, run.place)
        for index, rows in enumerate(batches):
            key = replicate(rngs.at_step(stream, index), mesh)
            sums = merge(sums, jax.device_get(eval_step(params, shared, rows, key)))
        figures = means(sums)
        run.table.add(stage.name, step, "validation", figures)
        value = figures[stage.monitor]
        return (-value if stage.best_is == "lowest" else value), figures

    return validate


def _choose(run: _Run, checkpoints: Checkpoints, like: PyTree, rate: float) -> StageResult:
    """Read the best (or last) validated parameters back."""
    step = checkpoints.best_step() if run.spec.keep == "best" else None
    chosen = checkpoints.restore(like, step)
    return StageResult(
        name=run.stage.name,
        params=averaged(chosen.state["params"], chosen.state["opt_state"]),
        step=chosen.step,
        figures=chosen.notes["figures"],
        examples_per_second=rate,
    )


def _abstract(leaf: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
