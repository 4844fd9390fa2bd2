"""One model on two processes, each with one device: the losses, weights and files of one process."""

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parent / "train" / "hosts.py"
SECONDS = 120


def start(folder, count):
    """Start the processes of a run; one alone knows of no others."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    base = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(SCRIPT.parents[2])}
    processes = []
    for number in range(count):
        ours = {"JAX_NUM_PROCESSES": str(count), "JAX_PROCESS_ID": str(number)}
        ours |= {"JAX_COORDINATOR_ADDRESS": address}
        command = [sys.executable, str(SCRIPT), str(folder)]
        output = Path(folder).parent / f"output_{count}_{number}.txt"
        environment = base | (ours if count > 1 else {})
        with output.open("w") as file:
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        processes.append(process)
    return processes


def finish(processes):
    """Wait for all; a process that hangs is killed (JAX swallows SIGTERM), and that is a failure."""
    end = time.monotonic() + SECONDS
    try:
        return [process.wait(max(end - time.monotonic(), 0.1)) for process in processes]
    finally:
        for process in processes:
            process.kill()


def weights(folder, count, number):
    text = (folder / f"output_{count}_{number}.txt").read_text()
    return np.array(eval(text.split("weights ")[1]))


def rows(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_processes_train_to_the_losses_of_one(tmp_path):
    """Simulated, loaded and cached examples, one stage each; the weights are read back from checkpoints."""
    assert finish(start(tmp_path / "one", 1)) == [0]
    both = finish(start(tmp_path / "two", 2))
    assert both == [0, 0], (tmp_path / "output_2_0.txt").read_text()[-2000:]
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert len(one) == len(two) == 3 * (12 // 2 + 12 // 4)
    for ours, theirs in zip(two, one, strict=True):
        assert [ours[n] for n in ("stage", "step", "split")] == [
            theirs[n] for n in ("stage", "step", "split")
        ]
        assert float(ours["loss"]) == pytest.approx(float(theirs["loss"]), rel=1e-4), theirs
    ours = [weights(tmp_path, 2, number) for number in range(2)]
    np.testing.assert_array_equal(*ours)
    np.testing.assert_allclose(ours[0], weights(tmp_path, 1, 0), rtol=1e-4)


@pytest.mark.slow
def test_a_request_to_stop_ends_both_at_the_same_step(tmp_path):
    """SIGTERM to one of them: both save, and the resumed run has the figures of an uninterrupted one."""
    assert finish(start(tmp_path / "one", 1)) == [0]
    processes = start(tmp_path / "two", 2)
    while not any((tmp_path / "two" / "checkpoints").glob("simulated/[0-9]*")):
        time.sleep(0.01)
        assert processes[0].poll() is None
    processes[1].send_signal(signal.SIGTERM)
    assert 0 not in finish(processes)
    assert len(rows(tmp_path / "two")) < len(rows(tmp_path / "one"))
    assert finish(start(tmp_path / "two", 2)) == [0, 0]
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    for ours, theirs in zip(two, one, strict=True):
        assert float(ours["loss"]) == pytest.approx(float(theirs["loss"]), rel=1e-4), theirs
