"""Checkpoints of one stage: the best and the last, written whole or not at all, read back exactly.

A thin cover over orbax: relative paths work, a write that a `kill -9` cut short is invisible, and
each checkpoint carries the settings it was made with, so that another run's is refused rather than
continued.
"""

import contextlib
import dataclasses
import logging
import math
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from jaxtyping import PyTree
from orbax.checkpoint import v1 as ocp

from jaxpick.io.files import InputError, OutputError
from jaxpick.parallel import is_first_host

ITEM = "state"
SCORE = "score"
SECONDS_TO_FAIL = 30.0
HALF_WRITTEN = ".orbax-checkpoint-tmp"
_LOGGER = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Restored:
    """A checkpoint read back; its score is None if it was not validated."""

    step: int
    state: PyTree
    score: float | None
    notes: Mapping[str, Any]


class Checkpoints:
    """The checkpoints in a folder; a `with` block waits for what is still being written."""

    def __init__(self, folder: Path | str) -> None:
        """Open or make the folder."""
        self.folder = Path(folder).absolute()
        policies = ocp.training.preservation_policies
        best = policies.BestN(
            get_metric_fn=lambda metrics: metrics[SCORE],
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        self._manager = ocp.training.Checkpointer(
            self.folder,
            # Orbax's default policy skips saves that follow each other quickly.
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(1), best]),
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> "Checkpoints":
        """Return itself; what orbax logs of failures in its threads is raised by the next call."""
        self._level = _LOGGER.level
        _LOGGER.setLevel(logging.CRITICAL)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the last write; what did not fit onto a full disk takes none of it."""
        try:
            with self._told():
                self._manager.close()
        finally:
            _join_writers()
            _LOGGER.setLevel(self._level)
            for half in self.folder.glob(f"*{HALF_WRITTEN}") if is_first_host() else ():
                shutil.rmtree(half, ignore_errors=True)

    @property
    def last_step(self) -> int | None:
        """Step of the newest checkpoint, None if there is none."""
        latest = self._manager.latest
        return None if latest is None else latest.step

    def save(self, step: int, state: PyTree, score: float | None, notes: Mapping[str, Any]) -> None:
        """Begin to write a checkpoint; training goes on while it is written.

        Args:
            step: its number.
            state: tree of arrays; copied before this returns.
            score: larger is better; NaN counts as the worst; None if it was not validated.
            notes: plain data that come back with it.

        Raises:
            OutputError: when this one, or the one before, cannot be written; older ones stay.
        """
        metrics = None if score is None else {SCORE: _finite(score)}
        with self._told():
            self._manager.save_async(
                step,
                state,
                checkpointable_name=ITEM,
                metrics=metrics,
                custom_metadata=dict(notes),
                overwrite=True,
            )

    def restore(self, like: PyTree, step: int | None = None) -> Restored:
        """Read a checkpoint (the newest if None) into the structure and placement of `like`."""
        self._wait()
        step = self._manager.latest.step if step is None else step
        record = self._manager.metadata(step)
        state = self._manager.load(step, like, checkpointable_name=ITEM)
        score = (record.metrics or {}).get(SCORE)
        return Restored(step=step, state=state, score=score, notes=record.custom_metadata or {})

    def notes(self, step: int) -> Mapping[str, Any]:
        """Return a checkpoint's notes without reading its arrays."""
        return self._manager.metadata(step).custom_metadata or {}

    def _wait(self) -> None:
        with self._told():
            self._manager.wait()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what orbax and tensorstore raise on full disks and closed folders into a sentence."""
        try:
            yield
        except (OSError, ValueError) as error:
            known = re.search(r"([\w ]+) \[os_error_code", str(error))
            reason = known[1].strip() if known else getattr(error, "strerror", None)
            if reason is None:
                raise
            raise OutputError(
                f"{self.folder}: a checkpoint cannot be written ({reason}); the same command goes "
                "on from the last one"
            ) from error

    def best_step(self) -> int | None:
        """Return the step of the best validated checkpoint, the later among equals."""
        self._wait()
        scored = [(c.metrics[SCORE], c.step) for c in self._manager.checkpoints if c.metrics]
        return max(scored)[1] if scored else None

    def has_stalled(self, steps: int) -> bool:
        """Return whether the best validated checkpoint is so many steps or more behind the last."""
        best, last = self.best_step(), self.last_step
        return best is not None and last is not None and last - best >= steps


def _join_writers() -> None:
    """Wait for threads of orbax's that go on when another has failed, and have more to say of it."""
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("orbax."):
            with contextlib.suppress(Exception):  # they raise again what they failed with
                thread.join(SECONDS_TO_FAIL)


def check_same_settings(
    saved: Mapping[str, Any], current: Mapping[str, Any], folder: Path | str, free: tuple[str, ...]
) -> None:
    """Refuse to continue a run with other settings.

    Args:
        saved: nested plain data that the checkpoint was made with.
        current: those of this run.
        folder: named in the message.
        free: last parts of dotted paths, or whole branches, that may differ.

    Raises:
        InputError: names the first setting that differs and both values.
    """
    old, new = _flatten(saved), _flatten(current)
    for path in sorted(old.keys() | new.keys()):
        if set(path.split(".")) & set(free) or old.get(path) == new.get(path):
            continue
        raise InputError(
            f"{folder}: its checkpoint was made with {path}={old.get(path)!r}, not "
            f"{new.get(path)!r}; repeat that setting, choose another folder, or give overwrite=true"
        )


def _flatten(values: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(values, Mapping):
        return {path: list(values) if isinstance(values, tuple) else values}
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flatten(value, f"{path}.{name}" if path else str(name))
    return flat


def _finite(score: float) -> float:
    return score if math.isfinite(score) else -1e300
