"""What a run writes while it trains: rows of figures, a line of progress, TensorBoard."""

import csv
import dataclasses
import io
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from jaxpick.io.files import InputError, write_text
from jaxpick.train.metrics import Sums, means, merge

FIRST_COLUMNS = ("stage", "step", "split", "loss")
SECONDS_BETWEEN_WRITES = 1.0
SECONDS_BETWEEN_LINES = 5.0


class MetricsTable:
    """Rows of figures in a CSV that is always whole: written anew and renamed."""

    def __init__(self, path: Path | str, tensorboard: Path | None = None) -> None:
        """Read the rows of an earlier run, if there is one.

        Args:
            path: of the table.
            tensorboard: folder of a board with the same figures, none if None.
        """
        self.path = Path(path)
        self.rows: list[dict[str, str]] = _read_rows(self.path)
        self._written_at = 0.0
        self._make_writer = None if tensorboard is None else _board_maker(tensorboard)
        self._board: Any = None

    def keep(self, belongs: Callable[[str, int], bool]) -> None:
        """Keep the rows whose (stage, step) belongs: those up to the checkpoint resumed."""
        self.rows = [row for row in self.rows if belongs(row["stage"], int(row["step"]))]

    def add(self, stage: str, step: int, split: str, figures: Mapping[str, float]) -> None:
        """Append one row."""
        row = {"stage": stage, "step": str(step), "split": split}
        self._open_board()
        self.rows.append(row | {name: repr(float(value)) for name, value in figures.items()})
        self._show(self.rows[-1])
        if time.monotonic() - self._written_at > SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Write all rows now; only the first process of several does."""
        self._written_at = time.monotonic()
        if jax.process_index() != 0:
            return
        names = dict.fromkeys(FIRST_COLUMNS)
        for row in self.rows:
            names |= dict.fromkeys(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(names), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())

    def close(self) -> None:
        """Write what is left."""
        self.write()
        self._open_board()
        if self._board is not None:
            self._board.close()

    def _open_board(self) -> None:
        """Begin the board anew with the rows so far: that of a killed run shows other ones."""
        if self._make_writer is None or self._board is not None:
            return
        self._board = self._make_writer()
        for row in self.rows:
            self._show(row)

    def _show(self, row: Mapping[str, str]) -> None:
        if self._board is None:
            return
        stage, split, step = row["stage"], row["split"], int(row["step"])
        for name in row.keys() - {"stage", "step", "split"}:
            self._board.add_scalar(f"{stage}/{split}/{name}", float(row[name]), step)


@dataclasses.dataclass(kw_only=True)
class Recorder:
    """Collects the sums of steps without waiting for the device, and turns every `every` steps into
    a row.

    The newest step's sums stay on the device until the next step is under way. `window`, the sums
    since the last row, goes into checkpoints, so that a resumed run's rows equal those of an
    uninterrupted one.
    """

    every: int
    last_step: int
    emit: Callable[[int, dict[str, float]], None]
    window: Sums = dataclasses.field(default_factory=dict)
    _pending: list[tuple[int, Sums]] = dataclasses.field(default_factory=list)

    def add(self, step: int, sums: Sums) -> None:
        """Take the sums of a finished or running step."""
        self._pending.append((step, sums))
        if len(self._pending) > min(self.every, 64):
            self._collect(self._pending[:-1])

    def flush(self) -> None:
        """Wait for all steps so far."""
        self._collect(list(self._pending))

    def _collect(self, ready: list[tuple[int, Sums]]) -> None:
        self._pending = self._pending[len(ready) :]
        for (step, _), sums in zip(ready, jax.device_get([s for _, s in ready]), strict=True):
            exact = {name: (float(total), float(weight)) for name, (total, weight) in sums.items()}
            self.window = merge(self.window, exact)
            if step % self.every == 0 or step == self.last_step:
                figures, self.window = means(self.window), {}
                self.emit(step, figures)


class Progress:
    """A line now and then: stage, step, loss, examples per second and the time left."""

    def __init__(self, stage: str, start: int, steps: int, batch_size: int) -> None:
        """Start to count at `start` of `steps`; the first step, which compiles, does not count."""
        self._stage, self._steps, self._batch_size = stage, steps, batch_size
        self._start, self._began, self._shown = start, 0.0, 0.0
        self.examples_per_second = 0.0

    def step(self, step: int, loss: float | None) -> None:
        """Note that `step` is done, and say so when it is time."""
        now = time.monotonic()
        if not self._began:
            self._start, self._began, self._shown = step, now, now
        elif step > self._start:
            rate = (step - self._start) / max(now - self._began, 1e-9)
            self.examples_per_second = rate * self._batch_size
            if now - self._shown >= SECONDS_BETWEEN_LINES or step == self._steps:
                self._shown = now
                self._say(step, loss, (self._steps - step) / rate)

    def _say(self, step: int, loss: float | None, seconds_left: float) -> None:
        if jax.process_index() != 0:
            return
        shown = "" if loss is None else f"  loss {loss:.4g}"
        rate = f"{self.examples_per_second:.3g} examples/s"
        left = f"{duration(seconds_left)} left"
        print(f"{self._stage}  {step}/{self._steps}{shown}  {rate}  {left}", file=sys.stderr)


def duration(seconds: float) -> str:
    """Return seconds as `2 h 5 min`, `3 min 20 s` or `12 s`."""
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def _read_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    try:
        return [{k: v for k, v in row.items() if v and int(row["step"]) >= 0} for row in rows]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: expected rows of figures by stage and step") from None


def _board_maker(folder: Path) -> Callable[[], Any] | None:
    """Return what begins a board in a folder; None where another process writes it."""
    if jax.process_index() != 0:
        return None
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise InputError(
            "tensorboard=true: tensorboardX is not installed; pip install tensorboardX"
        ) from None

    def begin() -> Any:
        for old in folder.glob("events.*"):
            old.unlink()
        return SummaryWriter(str(folder))

    return begin
