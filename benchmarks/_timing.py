"""Times that can be trusted: a warm-up, several runs, the median and the spread; ours and a peer's in turn."""

import dataclasses
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

KIBIBYTE = 1024
STARTER = """
import os, sys, time
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - start, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


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

    It is started by a small process, since a fork counts the memory of the one that it was forked from.

    Raises:
        RuntimeError: with the end of what it said, when it fails.
    """
    starter = [sys.executable, "-S", "-c", STARTER, *command]
    done = subprocess.run(
        starter, capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr[-400:]}")
    seconds, peak = done.stdout.split()[-2:]
    return Timing((float(seconds),), int(peak) * KIBIBYTE)


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds until the device has finished."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start
