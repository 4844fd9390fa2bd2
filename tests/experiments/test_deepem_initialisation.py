"""DeepEM's first weights: the paper's cannot learn, the others do, and the study shows both."""

import csv

import numpy as np
import pytest

from experiments._hydra import compose
from experiments.deepem_initialisation import InitialisationStudy, choices, run

# Two programs of the simulator are compiled.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    settings = ["experiment=debug", f"out={folder}"]
    assert run(compose(InitialisationStudy, "deepem_initialisation", settings, choices())) == 0
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    with (folder / "curves.csv").open(newline="") as table:
        return [row for row in csv.DictReader(table) if row["split"] == "train"]


def gradients(rows, name):
    return np.array([float(row["gradient_norm"]) for row in rows if row["stage"] == name])


def test_weights_between_0_and_1_have_no_gradient_at_all(rows):
    assert len(gradients(rows, "uniform")) == 4
    np.testing.assert_array_equal(gradients(rows, "uniform"), 0.0)


def test_weights_around_0_have_one(rows):
    assert np.all(gradients(rows, "glorot") > 1e-4)
