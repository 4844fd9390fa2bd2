"""`experiments.iterate`: weights, their picks, weights from those, and their picks; and DeepEM's recursion."""

import csv
import json

import pytest
from labelled_set import DIAMETER, write_labelled_set

from experiments import _hydra, deepem_recursive, iterate, pick, train
from jaxpick.io.files import InputError
from jaxpick.methods import deepem
from jaxpick.methods.labelled_spec import LabelledSpec
from jaxpick.spec import SpecError, build
from jaxpick.train import TrainSpec
from jaxpick.weights.portable import load_weights

SMALL = {
    "name": "deepem",
    "box_px": 24,
    "working": {"kind": "scaled", "diameter_px": 14.0, "local_share": 0.0},
    "decode": {"border": "zeros", "step_px": 2, "candidate_threshold": 0.05},
    "classifier": {"steps": 60, "batch_size": 4},
}
TRAINING = TrainSpec(log_every=20, validate_every=20, validation_batches=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_labelled_set(folder, count=4)
    return folder


def labelled(files, fraction):
    return LabelledSpec(
        micrographs=f"{files}/micrographs/*.mrc",
        coordinates=f"{files}/labels/*.star",
        diameter=DIAMETER,
        validation_fraction=fraction,
    )


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    """DeepEM trained on discs, from the command's settings to weights with a threshold."""
    out = tmp_path_factory.mktemp("trained")
    spec = train.TrainExperiment(
        out=str(out), method=SMALL, data=labelled(files, 0.25), training=TRAINING
    )
    assert train.run(spec) == 0
    return out


def counted(folder):
    with (folder / "picks.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_training_ends_in_picks_on_the_particles(files, trained, tmp_path):
    _, card = load_weights(trained / "weights")
    settings = build(deepem.Spec, card["config"])
    assert settings.decode.deviation_range is not None
    spec = pick.PickSpec(
        micrographs=f"{files}/micrographs/*.mrc",
        diameter=DIAMETER,
        out=str(tmp_path),
        method="deepem",
        weights=str(trained / "weights"),
    )
    assert pick.run(spec) == 0
    assert json.loads((tmp_path / "pick.json").read_text())
    rows = counted(tmp_path)
    best = [row for row in rows if float(row["score"]) > settings.decode.threshold]
    assert 8 <= len(best) <= 24  # there are 20 discs, some of which touch


def test_a_round_learns_from_the_best_picks(files, trained, tmp_path):
    spec = iterate.IterateSpec(
        micrographs=f"{files}/micrographs/*.mrc",
        diameter=DIAMETER,
        out=str(tmp_path),
        method="deepem",
        weights=str(trained / "weights"),
        best=7,
        steps=20,
        validation_fraction=0.25,
        training=TRAINING,
    )
    assert iterate.run(spec) == 0
    record = json.loads((tmp_path / "round_1" / "training" / "train.json").read_text())
    assert record["data"]["labels"] == 7
    assert record["stages"][-1]["step"] <= 20
    assert counted(tmp_path / "picks") and counted(tmp_path / "round_1" / "picks")


def test_an_iteration_needs_a_method_that_learns():
    with pytest.raises(SpecError, match="method: expected a method that learns"):
        iterate.IterateSpec(micrographs="a", diameter=1.0, out="b", method="log")


def recursion(files, out, **changes):
    settings = {"data": labelled(files, 0.25), "training": TRAINING, "rounds": 2, **changes}
    return deepem_recursive.RecursionSpec(out=str(out), method=SMALL, **settings)


def rounds(out):
    with (out / "recursion.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_the_recursion_ends_at_the_limit(files, tmp_path):
    assert deepem_recursive.run(recursion(files, tmp_path, error_limit=0.99)) == 0
    assert [row["round"] for row in rounds(tmp_path)] == [1]
    params, card = load_weights(tmp_path / "weights")
    assert params and card["method"] == "deepem" and card["recursion"]


def test_mistakes_join_what_is_learnt_from(files, tmp_path, monkeypatch):
    """Two steps of training find little; what was missed comes back in the second round."""
    seen = []
    stages = deepem.training_stages

    def spy(settings, data):
        seen.append(data.train)
        return stages(settings, data)

    monkeypatch.setattr(deepem, "training_stages", spy)
    short = TrainSpec(max_steps=2, log_every=1, validate_every=2, validation_batches=1)
    spec = recursion(files, tmp_path, error_limit=0.0, training=short)
    assert deepem_recursive.run(spec) == 0
    found = rounds(tmp_path)
    if len(found) == 2:
        first, second = seen
        added = second[len(first) :]
        assert second[: len(first)] == first
        missed = sum(len(m.positives_yx_px) for m in added)
        false = sum(len(m.negatives_yx_px) for m in added)
        assert (missed, false) == (found[0]["missed_added"], found[0]["false_added"])
        assert missed + false > 0


def test_a_recursion_needs_three_micrographs_and_labels(files, tmp_path):
    with pytest.raises(SpecError, match="labelled micrographs"):
        deepem_recursive.RecursionSpec(out="a")
    with pytest.raises(InputError, match="three or more"):
        deepem_recursive.run(recursion(files, tmp_path, data=labelled(files, 0.0)))


@pytest.mark.parametrize("method", ["deepem", "deepem_klh"])
def test_the_recursion_composes(method):
    given = ["out=D", "data.micrographs=a", "data.coordinates=b", "data.diameter=100"]
    spec = _hydra.compose(
        deepem_recursive.RecursionSpec,
        "deepem_recursive",
        [*given, f"method={method}"],
        deepem_recursive.choices(),
    )
    values = {name: value for name, value in spec.method.items() if name != "name"}
    assert build(deepem.Spec, values).box_px == {"deepem": 32, "deepem_klh": 272}[method]
