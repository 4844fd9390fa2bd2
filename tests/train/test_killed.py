"""`kill -9` at any moment: the resumed run has the figures of one that was not killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent


def start(folder):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, str(HERE / "killed.py"), str(folder)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def saved(folder):
    return sorted(str(path) for path in (folder / "checkpoints").glob("*/*"))


def kill_after_a_save(process, folder, delay):
    """Wait for a new checkpoint to begin or end, then a little, then kill; True if it was killed."""
    before = saved(folder)
    while process.poll() is None and saved(folder) == before:
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_runs_end_as_if_they_had_not_been(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert b"finished" in start(whole).communicate()[0]
    delays = np.random.default_rng(0).uniform(0, 0.4, 4)
    assert sum(kill_after_a_save(start(cut), cut, delay) for delay in delays) >= 2
    assert b"finished" in start(cut).communicate()[0]
    assert (cut / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
