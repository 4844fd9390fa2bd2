"""The comparison from settings to tables: its debug variant, resuming, failures, refusals."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import _hydra, compare
from experiments._data_sets import HELD_OUT_PHANTOMS, SetSpec, named_sets
from experiments._members import (
    SMALL,
    Member,
    members_of,
    over,
    trained_weights,
    training_of,
    training_seconds,
)
from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import InputError, write_text
from jaxpick.spec import SpecError, as_plain
from jaxpick.weights.portable import load_weights, save_weights
from jaxpick.weights.shipped import FOLDER


def composed(out, *overrides):
    return _hydra.compose(compare.CompareSpec, "compare", [f"out={out}", *overrides])


def rows_of(out):
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    return {(row["set"], row["method"]): row for row in rows}


@pytest.fixture(scope="module")
def debug(tmp_path_factory):
    """The debug variant, with the truth itself as another program's picks."""
    out = tmp_path_factory.mktemp("comparison") / "out"
    spec = composed(out, "experiment=debug")
    spec = dataclasses.replace(spec, external={"oracle": str(out / "data/tiny/particles.star")})
    assert compare.run(spec) == 0
    return spec, out


def test_everything_is_written(debug):
    _, out = debug
    names = ("table.md", "table.tex", "differences.csv", "curves_tiny.svg", "report.html")
    for name in (*names, "config.json", "unet/tiny/metrics.json", "log/tiny/picks/picks.star"):
        assert (out / name).stat().st_size > 0
    found = rows_of(out)
    assert {method for _, method in found} == {"unet", "log", "oracle", "consensus"}
    unet = found["tiny", "unet"]
    assert float(unet["seconds_per_micrograph"]) > 0 and int(unet["parameters"]) > 1e5
    assert unet["training_overlap"].startswith("none")


def test_figures_are_those_of_evaluate(debug):
    """Picks and truth of the folders, scored by the other command."""
    from experiments import evaluate

    _, out = debug
    threshold = json.loads((out / "log/tiny/picks/pick.json").read_text())["threshold"]
    diameter = json.loads((out / "log/tiny/metrics.json").read_text())["diameter_angstrom"]
    spec = evaluate.EvaluateExperimentSpec(
        picks=str(out / "log/tiny/picks/picks.csv"),
        truth=str(out / "data/tiny/particles.star"),
        diameter=diameter,
        threshold=threshold,
        protocol="score_order",
        missing_truth="empty",
        bootstrap=0,
        out=str(out / "again"),
    )
    assert evaluate.run(spec) == 0
    metrics = json.loads((out / "again" / "metrics.json").read_text())
    row = rows_of(out)["tiny", "log"]
    for name in ("average_precision", "f1", "precision", "recall", "matched", "picked", "true"):
        assert float(row[name]) == pytest.approx(metrics[name])
    assert float(row["best_f1"]) == pytest.approx(metrics["thresholds"]["best_f1"]["f1"])


def test_the_truth_as_picks_is_perfect(debug):
    _, out = debug
    row = rows_of(out)["tiny", "oracle"]
    assert float(row["f1"]) == 1.0 and float(row["mean_center_error_angstrom"]) < 1e-3
    differences = list(csv.DictReader((out / "differences.csv").read_text().splitlines()))
    unet = float(rows_of(out)["tiny", "unet"]["f1"])
    mine = [r for r in differences if (r["method"], r["figure"]) == ("oracle", "f1")]
    assert float(mine[0]["difference"]) == pytest.approx(1 - unet)


def test_consensus_picks_are_picks_of_its_members(debug):
    _, out = debug
    members = {
        (p.micrograph, x, y)
        for name in ("unet", "log")
        for p in read_picks(out / name / "tiny/picks/picks.csv")
        for x, y in zip(p.x.tolist(), p.y.tolist(), strict=True)
    }
    found = read_picks(out / "consensus/tiny/picks/picks.csv")
    agreed = {(p.micrograph, x, y) for p in found for x, y in zip(p.x, p.y, strict=True)}
    assert agreed and agreed <= members


def test_what_is_finished_is_not_done_again(debug, capsys):
    spec, out = debug
    stamp = {name: (out / name / "tiny/result.json").stat().st_mtime_ns for name in ("unet", "log")}
    table = (out / "table.md").read_text()
    (out / "log/tiny/result.json").unlink()
    shutil.rmtree(out / "log/tiny/picks")
    assert compare.run(spec) == 0
    assert "simulated_00000.mrc: " in capsys.readouterr().out, "log picked again"
    assert (out / "unet/tiny/result.json").stat().st_mtime_ns == stamp["unet"]
    assert (out / "log/tiny/result.json").stat().st_mtime_ns > stamp["log"]
    same = [line for line in table.splitlines() if "| unet" in line or "| consensus" in line]
    assert all(line in (out / "table.md").read_text() for line in same)


def test_other_settings_are_scored_anew(debug):
    spec, out = debug
    copy = out.parent / "copy"
    shutil.copytree(out, copy)
    changed = dataclasses.replace(spec, out=str(copy), radius=0.1, external={}, consensus=())
    assert compare.run(changed) == 0
    assert rows_of(copy)["tiny", "log"]["f1"] < rows_of(out)["tiny", "log"]["f1"]


def test_a_failure_is_listed_and_stops_nothing(debug):
    spec, out = debug
    copy = out.parent / "failing"
    shutil.copytree(out, copy)
    changed = dataclasses.replace(
        spec,
        out=str(copy),
        methods=("unet", "template", "log"),
        external={"nobody": str(out / "none/*.star")},
        pick={"template": {"template": {"phantom_seed": 1, "structure": "two.pdb"}}},
        consensus=("log", "template"),
    )
    assert compare.run(changed) == 1
    assert {method for _, method in rows_of(copy)} == {"unet", "log"}
    text = (copy / "table.md").read_text()
    for start in ("- template on tiny: ", "- nobody on tiny: ", "- consensus on tiny: "):
        assert start in text


def test_data_may_be_simulated_one_set_or_several():
    def names(*overrides):
        return list(named_sets(composed("D", *overrides).data))

    assert names() == names("data=simulated") == [f"phantom_{s}" for s in HELD_OUT_PHANTOMS]
    files = ("micrographs=a/*.mrc", "truth=labels", "diameter=180")
    assert names(*(f"data.{setting}" for setting in files)) == ["data"]
    assert names("data.count=3") == ["data"]
    assert names(*(f"data.b.{s}" for s in files), "data.a.phantom=3") == ["b", "a"]


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        (["methods=[unet,nothing]"], "weights.nothing"),
        (["methods=[unet]", "weights.log=x"], "log"),
        (["data.micrographs=a.mrc"], "data.truth"),
        (["data.x.truht=a"], "data.x.truht"),
        (["data.truth=a"], "data.truth"),
        (["baseline=log", "methods=[unet]"], "baseline"),
        (["methods=[unet]", "pick.log.threshold=0.1"], "pick"),
        (["methods=[unet]", "train.unte.seed=1"], "train"),
        (["methods=[log]", "retrain=[log]"], "retrain"),
        (
            ["methods=[topaz]", "retrain=[topaz]", "train.topaz.trainings.max_steps=2"],
            "train.topaz.trainings",
        ),
    ],
)
def test_mistakes_are_refused_before_anything_runs(tmp_path, overrides, word):
    with pytest.raises((SpecError, InputError), match=word.replace(".", r"\.")):
        compare.run(composed(tmp_path / "out", *overrides))
    assert not (tmp_path / "out").exists()


def test_members_are_loaded_where_weights_are_and_trained_where_not(tmp_path):
    given = {"unet": [str(tmp_path / "a"), str(tmp_path / "b")]}
    members = members_of(("unet", "parsed", "topaz", "log"), given, SMALL, ("topaz",), 2)
    told = [(m.path, m.source) for m in members]
    assert told == [
        ("unet/seed_0", "given"),
        ("unet/seed_1", "given"),
        ("parsed", "shipped"),
        ("topaz/seed_0", "trained here"),
        ("topaz/seed_1", "trained here"),
        ("log", "none"),
    ]
    seeds = [training_of(m, tmp_path).seed for m in members if m.training]
    assert seeds == [0, 1]


def test_training_time_is_all_examples_at_their_speed():
    stage = {"steps": 100, "batch_size": 8}
    record = {"config": {"method": {"segmenter": stage}}, "examples_per_second": {"segmenter": 40}}
    assert training_seconds(record) == pytest.approx(20.0)
    assert training_seconds(record | {"seconds": 33.0}) == 33.0
    assert training_seconds({}) is None


def test_files_and_simulations_do_not_mix():
    with pytest.raises(SpecError, match="count"):
        SetSpec(micrographs="a", truth="b", diameter=100.0, count=3)
    with pytest.raises(SpecError, match="margin"):
        SetSpec(margin=10.0)


def test_several_weights_are_seeds_of_one_method(debug):
    """The mean of both stands in the table; a seed without a difference adds none."""
    spec, out = debug
    copy = out.parent / "seeds"
    shutil.copytree(out, copy)
    params, card = load_weights(FOLDER / "unet")
    save_weights(copy / "other", jax.tree.map(lambda a: 0.9 * a, params), card)
    changed = dataclasses.replace(
        spec,
        out=str(copy),
        weights={"unet": [str(FOLDER / "unet"), str(copy / "other")]},
        external={},
        consensus=(),
        baseline="log",
    )
    assert compare.run(changed) == 0
    text = (copy / "table.csv").read_text().splitlines()
    rows = [row for row in csv.DictReader(text) if row["method"] == "unet"]
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert rows[0]["f1"] == rows_of(out)["tiny", "unet"]["f1"]
    mean = np.mean([float(row["average_precision"]) for row in rows])
    assert f"| unet | {mean:.3f} ± " in (copy / "table.md").read_text()
    assert 'fill-opacity="0.18"' in (copy / "curves_tiny.svg").read_text(), "a band over seeds"


def test_a_training_is_done_once_and_anew_when_its_settings_change(tmp_path, monkeypatch):
    runs = []

    def trained(settings):
        runs.append(settings.overwrite)
        folder = Path(settings.out)
        plain = as_plain(settings)
        write_text(folder / "config.json", json.dumps(plain))
        write_text(folder / "train.json", json.dumps({"config": plain}))
        return 0

    monkeypatch.setattr("experiments.train.run", trained)

    def weights(steps):
        training = over(SMALL["unet"], {"method": {"segmenter": {"steps": steps}}})
        member = Member(label="unet", method="unet", seed=0, training=training)
        return trained_weights(member, tmp_path / "training")

    assert weights(5) == weights(5) == str(tmp_path / "training" / "weights")
    assert runs == [False]
    assert weights(6) == weights(6)
    assert runs == [False, True]


def test_an_interrupted_run_keeps_what_it_had(debug, monkeypatch):
    spec, out = debug
    copy = out.parent / "interrupted"
    shutil.copytree(out / "data", copy / "data", copy_function=shutil.copy2)
    stopped = dataclasses.replace(spec, out=str(copy), external={}, consensus=())
    score = compare.score_member

    def stop_at_log(member, *arguments):
        if member.label == "log":
            raise KeyboardInterrupt
        return score(member, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(compare, "score_member", stop_at_log)
        compare.run(stopped)
    stamp = (copy / "unet/tiny/result.json").stat().st_mtime_ns
    assert compare.run(stopped) == 0
    assert (copy / "unet/tiny/result.json").stat().st_mtime_ns == stamp
    for method in ("unet", "log"):
        figures = (rows_of(folder)["tiny", method] for folder in (out, copy))
        one, other = ({**row, "seconds_per_micrograph": ""} for row in figures)
        assert [name for name in one if not same(one[name], other[name])] == []


def same(one, other):
    """Whether two cells agree; a program compiled anew may round the last digits differently."""
    try:
        return float(one) == pytest.approx(float(other), rel=1e-4)
    except ValueError:
        return one == other
