"""`experiments.train` from settings to weights: its files, its resume, and its optimizer override."""

import json

import pytest

from experiments import _hydra, train
from jaxpick import methods
from jaxpick.spec import as_plain, build
from jaxpick.weights.portable import load_weights


def debug(out, *overrides):
    arguments = [f"out={out}", "experiment=debug", *overrides]
    return _hydra.compose(train.TrainExperiment, "train", arguments, train.choices())


@pytest.mark.slow
def test_debug_run_writes_what_the_contract_names_and_is_not_repeated(tmp_path):
    """The whole simulator is compiled: minutes on a busy machine."""
    spec = debug(tmp_path)
    assert train.run(spec) == 0
    names = {path.name for path in tmp_path.iterdir()}
    expected = {"checkpoints", "weights", "metrics.csv", "train.json", "config.json"}
    assert expected | {"provenance.json"} <= names
    params, card = load_weights(tmp_path / "weights")
    assert params and card["method"] == spec.method["name"]
    build(methods.get(card["method"]).Spec, card["config"])
    written = (tmp_path / "metrics.csv").read_text()
    assert train.run(spec) == 0
    assert (tmp_path / "metrics.csv").read_text() == written
    assert json.loads((tmp_path / "train.json").read_text())["stages"][-1]["step"] == 2


def test_saved_settings_build_the_same_run(tmp_path):
    spec = debug(tmp_path, "optimizer=adamw", "seed=3")
    assert build(train.TrainExperiment, as_plain(spec)) == spec
