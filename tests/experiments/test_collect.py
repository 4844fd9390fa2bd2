"""`experiments.collect`: what differs and what came out, whatever command made the runs."""

import csv
import json
import sys

import pytest

from experiments import collect
from experiments._collect_runs import find_runs, flatten, varying
from jaxpick.io.files import InputError, write_text


def config(rate=0.1, seed=0, optimizer=None, **other):
    """The settings of a run of train, as far as they matter here."""
    method = {"name": "unet", "segmenter": {"rate": rate, "steps": 4}}
    own = {"method": method, "optimizer": optimizer, "seed": seed, "specimens": {}, "training": {}}
    return {**own, "cached_examples": 0, **other}


def write_json(path, values):
    write_text(path, json.dumps(values))


def write_training(folder, loss, is_finished=True, **settings):
    """A folder as train leaves it: two rows of figures, the best in the first."""
    write_json(folder / "config.json", config(out=str(folder), **settings))
    rows = "stage,step,split,loss,accuracy\n"
    rows += f"segmenter,2,train,{2 * loss},\nsegmenter,2,validation,{loss},0.9\n"
    rows += f"segmenter,4,train,{3 * loss},\nsegmenter,4,validation,{4 * loss},0.5\n"
    write_text(folder / "metrics.csv", rows)
    stages = [{"stage": "segmenter", "step": 2, "validation": {"loss": loss, "accuracy": 0.9}}]
    if is_finished:
        write_json(folder / "train.json", {"stages": stages})


def gathered(tmp_path, status=0, pattern="runs/*", **settings):
    spec = collect.CollectSpec(runs=str(tmp_path / pattern), out=str(tmp_path / "out"), **settings)
    assert collect.run(spec) == status
    with (tmp_path / "out" / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def sweep(tmp_path):
    """2 x 2 runs whose loss is rate + seed / 100; the last is not finished."""
    for number, (rate, seed) in enumerate([(0.1, 0), (0.1, 1), (0.2, 0), (0.2, 1)]):
        folder = tmp_path / "runs" / str(number)
        write_training(folder, rate + seed / 100, number < 3, rate=rate, seed=seed)
    return tmp_path


def test_a_row_a_run_with_what_differs_and_every_figure(sweep):
    rows = gathered(sweep, status=1)
    assert len(rows) == 4
    settings = [name for name in rows[0] if "." in name or name == "seed"]
    assert settings == ["method.segmenter.rate", "seed"], "not out, nor what all share"
    for row in rows[:3]:
        loss = float(row["method.segmenter.rate"]) + float(row["seed"]) / 100
        assert float(row["best/segmenter/validation/loss"]) == loss
        assert float(row["last/segmenter/validation/loss"]) == 4 * loss
        assert float(row["last/segmenter/train/loss"]) == 3 * loss
        assert (row["best/segmenter/step"], row["last/segmenter/step"]) == ("2", "4")
        assert row["last/segmenter/validation/accuracy"] == "0.5"


def test_unfinished_runs_are_kept_and_named(sweep, capsys):
    last = gathered(sweep, status=1)[3]
    assert (last["finished"], last["best/segmenter/validation/loss"]) == ("False", "")
    assert last["last/segmenter/validation/loss"] != ""
    output = capsys.readouterr()
    assert output.err == f"not finished: {sweep / 'runs' / '3'}\n"
    assert "4 runs (1 not finished), 2 settings that differ" in output.out


def test_parquet_holds_the_same_table_with_types(sweep):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    rows = gathered(sweep, status=1)
    table = parquet.read_table(sweep / "out" / "runs.parquet").to_pylist()
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in table] == rows
    assert table[0]["finished"] is True and isinstance(table[0]["method.segmenter.rate"], float)


def test_without_pyarrow_the_csv_is_written_and_one_sentence_says_so(sweep, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert len(gathered(sweep, status=1)) == 4
    path = sweep / "out" / "runs.parquet"
    assert not path.exists()
    said = f"{path}: not written, as pyarrow is not installed (pip install pyarrow)\n"
    assert capsys.readouterr().out.startswith(said)


def test_each_setting_that_differs_has_its_picture(sweep):
    gathered(sweep, status=1)
    pictures = sorted(path.name for path in (sweep / "out").glob("*.png"))
    assert pictures == ["method.segmenter.rate.png", "seed.png"]


def test_only_so_many_settings_and_the_figures_asked_for_are_drawn(sweep, capsys):
    gathered(sweep, status=1, pictures=1)
    assert [path.name for path in (sweep / "out").glob("*.png")] == ["method.segmenter.rate.png"]
    assert "the first 1 settings are drawn" in capsys.readouterr().out
    (sweep / "out" / "method.segmenter.rate.png").unlink()
    gathered(sweep, status=1, metrics=("nothing/*",))
    assert not list((sweep / "out").glob("*.png"))


def test_runs_of_every_command_are_understood(tmp_path):
    """An evaluation, picks and a comparison, gathered from the folder that holds them all."""
    home = tmp_path / "runs" / "all"
    write_json(home / "evaluation" / "config.json", {"diameter": 100.0, "out": "a"})
    figures = {"average_precision": 0.5, "average_precision_interval": [0.4, 0.6]}
    write_json(home / "evaluation" / "metrics.json", {**figures, "thresholds": {"all": {"f1": 1}}})
    write_json(home / "picks" / "config.json", {"diameter": 120.0, "out": "b"})
    told = {"total": 7, "micrographs": 2, "candidates": 9, "threshold": 0.3, "left_out": ["x"]}
    write_json(home / "picks" / "pick.json", {**told, "picks": {"a.mrc": 7}})
    write_json(home / "comparison" / "config.json", {"seed": 1})
    write_text(home / "comparison" / "table.csv", "set,method,f1\ntiny,unet,0.9\ntiny,log,0.8\n")
    write_training(home / "comparison" / "unet" / "training", 1.0)
    rows = {(row["run"].split("/")[-1], row["table/method"]): row for row in gathered(tmp_path)}
    assert len(rows) == 4, "a comparison has a row a line; its trainings are its own"
    evaluation, picks = rows["evaluation", ""], rows["picks", ""]
    assert float(evaluation["metrics/average_precision"]) == 0.5
    assert float(evaluation["metrics/average_precision_interval/low"]) == 0.4
    assert evaluation["metrics/thresholds/all/f1"] == "1"
    assert (picks["diameter"], picks["pick/total"], picks["pick/left_out"]) == ("120.0", "7", "1")
    assert [rows["comparison", name]["table/f1"] for name in ("unet", "log")] == ["0.9", "0.8"]


def test_a_setting_that_another_brings_with_it_differs_but_another_methods_does_not(tmp_path):
    write_training(tmp_path / "runs" / "a", 1.0)
    write_training(tmp_path / "runs" / "b", 1.0, optimizer={"kind": "adam", "rate": 0.3})
    other = {"name": "parsed", "classifier": {"steps": 3}}
    write_training(tmp_path / "runs" / "c", 1.0, method=other)
    assert varying(find_runs(str(tmp_path / "runs" / "*"))) == [
        *("method.name", "optimizer.kind", "optimizer.rate")
    ]


def test_flatten_keeps_lists_and_empty_settings_whole():
    assert flatten({"a": {"b": [1, 2], "c": {}}, "d": None}, ".") == {
        "a.b": [1, 2],
        "a.c": {},
        "d": None,
    }


def test_nothing_found_is_said(tmp_path):
    with pytest.raises(InputError, match=r"nothing/\*: no folder of a run"):
        find_runs(str(tmp_path / "nothing" / "*"))
