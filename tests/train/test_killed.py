"""`kill -9` at any moment: the resumed run has the figures of one that was not killed."""

from pathlib import Path

import numpy as np
import pytest
from killing import Runs, leftovers

TOY = Path(__file__).resolve().parent / "killed.py"


def check(runs, whole, cut, kills, longest, arguments=()):
    """Kill so often, half of the times while a checkpoint is written; figures and weights are the same."""
    assert runs.finish(whole, *arguments)[0] == 0
    cut.mkdir()
    hits = [
        runs.kill(cut, longest, cut, *arguments, in_a_write=number % 2 == 0)
        for number in range(kills)
    ]
    status, told = runs.finish(cut, *arguments)
    assert status == 0, told
    assert sum(was_alive for was_alive, _ in hits) >= kills // 2
    assert sum(bool(half_written) for _, half_written in hits) >= max(1, kills // 4)
    assert (cut / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    np.testing.assert_equal(*(dict(np.load(out / "weights.npz")) for out in (cut, whole)))
    assert not leftovers(cut)


def test_killed_runs_end_as_if_they_had_not_been(tmp_path):
    """Examples that are simulated, drawn from a set of simulated ones, and loaded; a stage of each."""
    with Runs(TOY, tmp_path / "compiled", seed=2) as runs:
        check(runs, tmp_path / "whole", tmp_path / "cut", kills=3, longest=0.5, arguments=[12])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_many_kills(tmp_path, seed):
    with Runs(TOY, tmp_path / "compiled", seed=seed) as runs:
        check(runs, tmp_path / "whole", tmp_path / "cut", kills=20, longest=1.0, arguments=[40])
