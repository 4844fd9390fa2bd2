"""`experiments.tune`: where it looks, what it keeps when it is killed, and that it finds what is best."""

import csv
import json
import math

import pytest
from labelled_set import DIAMETER, write_labelled_set

from experiments import train, tune
from experiments._hydra import compose
from experiments._tune_space import read_space
from jaxpick.io.files import InputError
from jaxpick.spec import SpecError
from jaxpick.train.loop import DivergedError

pytest.importorskip("optuna", reason="Optuna is not installed")
RATE = "space.method.segmenter.optimizer.learning_rate=log(1e-4,1e-1)"


def composed(tmp_path, *overrides):
    return compose(tune.TuneSpec, "tune", [f"out={tmp_path}", *overrides])


@pytest.fixture
def bowl(monkeypatch):
    """A training whose loss is known: least at a rate of 0.003."""
    tried = []

    def run_trial(folder, overrides, spec):
        rate = float(overrides[0].partition("=")[2])
        tried.append(rate)
        return (math.log10(rate) - math.log10(0.003)) ** 2

    monkeypatch.setattr(tune, "run_trial", run_trial)
    return tried


def rows(tmp_path):
    with (tmp_path / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_finds_the_least_and_says_so(bowl, tmp_path, capsys):
    assert tune.run(composed(tmp_path, RATE, "trials=25", "train=method=unet seed=3")) == 0
    best = json.loads((tmp_path / "trials.json").read_text())["best"]
    found = best["method.segmenter.optimizer.learning_rate"]
    assert found == min(bowl, key=lambda rate: abs(math.log(rate / 0.003)))
    misses = [abs(math.log(rate / 0.003)) for rate in bowl]
    assert sum(misses[-10:]) < sum(misses[:10]), "the first ten are drawn at random"
    assert len(rows(tmp_path)) == 25 and f"learning_rate={found}" in capsys.readouterr().out


def test_a_search_that_was_killed_goes_on_as_if_it_had_not(bowl, tmp_path, monkeypatch):
    """The same trials in the same order, with the one under way tried again; more can be added."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert tune.run(composed(whole, RATE, "trials=8")) == 0
    expected = list(bowl)
    bowl.clear()
    run_trial = tune.run_trial

    def killed(folder, overrides, spec):
        if folder.name == "trial_5":
            raise KeyboardInterrupt
        return run_trial(folder, overrides, spec)

    monkeypatch.setattr(tune, "run_trial", killed)
    with pytest.raises(KeyboardInterrupt):
        tune.run(composed(cut, RATE, "trials=6"))
    assert bowl == expected[:5]
    monkeypatch.setattr(tune, "run_trial", run_trial)
    assert tune.run(composed(cut, RATE, "trials=8")) == 0
    assert bowl == expected
    assert (cut / "trials.csv").read_text() == (whole / "trials.csv").read_text()
    with pytest.raises(InputError, match="holds a search with another seed, train"):
        tune.run(composed(cut, RATE, "trials=8", "train=seed=1", "seed=2"))


@pytest.mark.slow
def test_trials_train_and_one_that_diverges_is_told(tmp_path, monkeypatch, capsys):
    """The command itself, on labelled micrographs; the third trial has no loss."""
    write_labelled_set(tmp_path / "files")
    run, calls = train.run, []

    def diverging(spec):
        calls.append(spec)
        if len(calls) == 3:
            raise DivergedError("segmenter: the loss is not a number by step 1")
        return run(spec)

    monkeypatch.setattr(train, "run", diverging)
    files = tmp_path / "files"
    shared = (
        f"method=unet data.micrographs={files}/micrographs/*.mrc method.widths=[4,4,4,4] "
        f"data.coordinates={files}/labels/*.star data.diameter={DIAMETER} method.noise_fields=0 "
        "data.validation_fraction=0.5 method.field.field_px=32 method.segmenter.batch_size=4 "
        "method.working.diameter_px=10 training.max_steps=2 training.validation_batches=1"
    )
    looked_for = ("space.training.keep=choice(best,last)", "space.seed=int(0,9)")
    spec = composed(tmp_path / "out", f"train={shared}", *looked_for, "trials=3")
    assert tune.run(spec) == 0
    table = rows(tmp_path / "out")
    assert [row["state"] for row in table] == ["complete", "complete", "fail"]
    for row, used in zip(table, calls, strict=True):
        assert (row["seed"], row["training.keep"]) == (str(used.seed), used.training.keep)
    losses = [float(row["value"]) for row in table[:2]]
    record = json.loads((tmp_path / "out" / "trial_0" / "training" / "train.json").read_text())
    assert record["stages"][-1]["validation"]["loss"] == losses[0]
    assert f"best/*/validation/loss {min(losses):.6g}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0.1", "expected uniform(a,b), log(a,b), int(a,b), logint(a,b) or choice(a,b,...)"),
        ("normal(0,1)", "expected uniform(a,b), log(a,b), int(a,b), logint(a,b) or choice"),
        ("log(0,1)", "expected numbers above 0 on a logarithmic scale"),
        ("uniform(2,1)", "expected two numbers, the lower one first"),
        ("uniform(1,2,3)", "expected two numbers, the lower one first"),
        ("int(1,x)", "expected two numbers"),
        ("int(1,2.5)", "expected whole numbers"),
        ("choice(a)", "expected two values or more"),
    ],
)
def test_a_space_that_is_none_is_refused(text, sentence):
    with pytest.raises(SpecError) as refused:
        read_space({"optimizer": {"learning_rate": text}})
    assert str(refused.value).startswith(f"space.optimizer.learning_rate: {sentence}")
    assert text in str(refused.value)


def test_figures_say_by_their_name_which_end_is_best(tmp_path):
    for metric, expected in (
        ("best/*/validation/loss", True),
        ("metrics/average_precision", False),
        ("metrics/mean_center_error_angstrom", True),
    ):
        assert composed(tmp_path, RATE, f"metric={metric}").is_lowest_best is expected
    assert composed(tmp_path, RATE, "best=highest").is_lowest_best is False
