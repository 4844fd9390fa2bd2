"""Times that can be trusted: a warm-up, several runs, the median and the spread; ours and a peer's in turn."""

import dataclasses
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

KIBIBYTE = 1024


@dataclasses.dataclass(frozen=True)
class Timing:
    """Several runs of one thing.

    Attributes:
        seconds: of each run.
        peak_bytes: largest resident memory of a process, 0 where it was not asked for.
    """

    seconds: tuple[float, ...]
    peak_bytes: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def divided(self, count: float) -> "Timing":
        """Return the time of each of `count` equal parts."""
        return Timing(tuple(second / count for second in self.seconds), self.peak_bytes)


def repeated(call: Callable[[], Any], runs: int) -> Timing:
    """Run once to compile, then time what the device has finished."""
    jax.block_until_ready(call())
    return Timing(tuple(timed(call) for _ in range(runs)))


def in_turn(
    ours: Callable[[], float], theirs: Callable[[], float], runs: int
) -> tuple[Timing, Timing]:
    """Return both timings of functions that give seconds, A B A B ..., so that a drifting machine wrongs neither."""
    pairs = [(ours(), theirs()) for _ in range(runs)]
    first, second = zip(*pairs, strict=True)
    return Timing(first), Timing(second)


def ratios(ours: Timing, theirs: Timing) -> Timing:
    """Return theirs over ours, run by run."""
    return Timing(tuple(b / a for a, b in zip(ours.seconds, theirs.seconds, strict=True)))


def process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Timing:
    """Time a whole process and its largest memory.

    Raises:
        RuntimeError: with the end of what it said, when it fails.
    """
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=said, stderr=said, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise RuntimeError(f"{command[0]}: {said.read()[-400:].decode(errors='replace')}")
    return Timing((seconds,), usage.ru_maxrss * KIBIBYTE)


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds until the device has finished."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start
