"""The command: what it writes, what it refuses, and that its settings reach the library."""

import csv
import json

import numpy as np
import pytest

from experiments._hydra import compose
from experiments._plot import precision_recall
from experiments.evaluate import EvaluateExperimentSpec, run
from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.files import InputError
from jaxpick.io.nouns import make_picks
from jaxpick.spec import SpecError


def overrides(folder, **changes):
    settings = {"picks": folder / "picks.star", "truth": folder / "truth.csv"}
    settings |= {"diameter": 20.0, "out": folder / "out", "bootstrap": 50} | changes
    return [f"{name}={value}" for name, value in settings.items()]


@pytest.fixture
def folder(tmp_path):
    """Picks as STAR and truth as CSV for two micrographs; one pick in three is wrong."""
    at = np.asarray([10.0, 40.0, 70.0])
    picks, truth = [], []
    for name in ("first.mrc", "second.mrc"):
        score = np.asarray([0.9, 0.5, 0.8])
        picks.append(
            make_picks(name, at, at + np.asarray([1, 20, 1]), score, pixel_size_angstrom=2.0)
        )
        truth.append(make_picks(name, at, at))
    write_picks(picks, tmp_path / "picks.star")
    write_picks(truth, tmp_path / "truth.csv")
    return tmp_path


def composed(folder, **changes):
    return compose(EvaluateExperimentSpec, "evaluate", overrides(folder, **changes))


def test_output_folder(folder, capsys):
    assert run(composed(folder)) == 0
    out = folder / "out"
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["matched"] == 4 and metrics["true"] == 6 and metrics["picked"] == 6
    promised = {"average_precision", "precision", "recall", "f1", "f2", "protocol", "intervals"}
    assert promised | {"mean_center_error_angstrom", "match_radius_angstrom"} <= set(metrics)
    assert metrics["mean_center_error_angstrom"] == pytest.approx(2.0)
    with (out / "per_micrograph.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["micrograph"] for row in rows] == ["first.mrc", "second.mrc"]
    with (out / "curve.csv").open() as file:
        assert [row["matched"] for row in csv.DictReader(file)] == ["2", "4", "4"]
    assert (out / "curve.png").read_bytes().startswith(b"\x89PNG")
    config = json.loads((out / "config.json").read_text())
    assert config["diameter"] == 20.0
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["seed"] == 0 and provenance["packages"]["numpy"]
    assert "average precision" in capsys.readouterr().out


def test_settings_reach_the_library(folder):
    run(composed(folder, threshold=0.85, protocol="topaz_ap", radius=0.25, pixel_size=1.0))
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["protocol"] == "topaz_ap" and metrics["at_threshold"] == "given"
    assert metrics["picked"] == 2 and metrics["match_radius_angstrom"] == 5.0


@pytest.mark.parametrize(
    ("changes", "picked"), [({}, 2), ({"threshold": 0.7}, 4), ({"protocol": "deepem_f2"}, 4)]
)
def test_all_candidates_of_a_folder_of_picks_count_at_its_threshold(folder, changes, picked):
    """A threshold that is given counts more, and so does that of a protocol which finds its own."""
    write_picks(read_picks(folder / "picks.star"), folder / "picks.csv")
    (folder / "pick.json").write_text('{"threshold": 0.85}')
    run(composed(folder, picks=folder / "picks.csv", **changes))
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["picked"] == picked
    assert metrics["thresholds"]["all"]["picked"] == 6


def test_micrographs_tell_their_size(folder):
    from jaxpick.io.mrc import write_mrc

    for name in ("first", "second"):
        image = np.zeros((80, 90), np.float32)
        write_mrc(folder / "micrographs" / f"{name}.mrc", image, 2.0)
    pattern = folder / "micrographs" / "*.mrc"
    assert run(composed(folder, micrographs=pattern, protocol="parsed_accuracy", margin=30)) == 0
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["margin_px"] == [15.0] and metrics["true"] == 2
    (folder / "micrographs" / "first.mrc").write_bytes(b"broken")
    assert run(composed(folder, micrographs=pattern)) == 1


def test_bad_settings_name_what_was_typed(folder):
    with pytest.raises(SpecError, match="diameter: expected a number above 0"):
        composed(folder, diameter=-1)
    with pytest.raises(SpecError, match="protocol"):
        composed(folder, protocol="guess")
    with pytest.raises(InputError, match=r"nothing\.star"):
        run(composed(folder, picks=folder / "nothing.star"))


def test_a_figure_of_nothing_is_still_a_figure(tmp_path):
    precision_recall(tmp_path / "empty.png", {"none": []}, {"all": (None, 0.0)})
    assert (tmp_path / "empty.png").stat().st_size > 0
