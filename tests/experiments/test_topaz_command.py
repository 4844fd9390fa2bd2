"""Topaz through the commands: labelled micrographs to weights, weights to picks, thresholds below zero."""

import csv
import json

import numpy as np
import pytest
from labelled_set import DIAMETER, write_labelled_set

from experiments import _hydra, pick, train
from jaxpick.io.coordinates import read_picks
from jaxpick.weights.portable import load_weights


def composed(files, out):
    """Settings of four steps with a network of a few maps."""
    arguments = [
        f"out={out}",
        "method=topaz",
        "method.network.architecture=conv31",
        "method.network.units=2",
        "method.network.batch_norm=true",
        "method.sampler.items=16",
        "method.sampler.positive_share=0.3",
        "method.expected_particles=12",
        f"data.micrographs={files}/micrographs/*.mrc",
        f"data.coordinates={files}/labels/*.star",
        f"data.diameter={DIAMETER}",
        "data.validation_fraction=0.5",
        "hardware=one_device",
        "training.max_steps=4",
        "training.log_every=1",
        "training.validate_every=2",
        "training.validation_batches=1",
    ]
    return _hydra.compose(train.TrainExperiment, "train", arguments, train.choices())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("topaz")
    write_labelled_set(folder)
    spec = composed(folder, folder / "run")
    assert train.run(spec) == 0
    return folder


def test_training_leaves_weights_and_figures(trained):
    params, card = load_weights(trained / "run" / "weights")
    assert card["method"] == "topaz"
    assert card["config"]["expected_particles"] == 12
    assert {"params", "batch_stats"} == set(params)
    with (trained / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"train", "validation"} == {row["split"] for row in rows}
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    assert all(0 <= float(row["unlabelled_share"]) <= 1 for row in rows)


def test_picking_keeps_what_lies_below_zero(trained):
    out = trained / "picks"
    spec = pick.PickSpec(
        micrographs=str(trained / "micrographs/*.mrc"),
        diameter=DIAMETER,
        out=str(out),
        method="topaz",
        weights=str(trained / "run" / "weights"),
        threshold=-1.5,
    )
    assert pick.run(spec) == 0
    candidates = {p.micrograph: p for p in read_picks(out / "picks.csv")}
    picked = {p.micrograph: p for p in read_picks(out / "picks.star")}
    assert len(candidates) == 2
    scores = np.concatenate([p.score for p in candidates.values()])
    assert scores.min() > -6 and np.any(scores < 0)
    assert json.loads((out / "pick.json").read_text())["threshold"] == -1.5
    for name, found in candidates.items():
        kept = [p for n, p in picked.items() if n.split(".")[0] == name.split(".")[0]]
        assert sum(len(p) for p in kept) == np.sum(found.score >= -1.5)
    assert "-1.5" in (out / "report.html").read_text()


def test_training_again_gives_the_same_weights(trained):
    spec = composed(trained, trained / "again")
    assert train.run(spec) == 0
    first, _ = load_weights(trained / "run" / "weights")
    second, _ = load_weights(trained / "again" / "weights")
    one = first["params"]["layer0"]["conv"]["kernel"]
    np.testing.assert_array_equal(one, second["params"]["layer0"]["conv"]["kernel"])
