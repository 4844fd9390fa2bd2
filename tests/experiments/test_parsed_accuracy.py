"""PARSED's accuracy from simulation to figures, with an untrained network."""

import csv
import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import parsed_accuracy
from jaxpick.methods import parsed
from jaxpick.models.parsed import ParsedSegmenter
from jaxpick.simulate.priors import ContaminantsPrior, PixelAngstrom
from jaxpick.spec import as_plain
from jaxpick.weights.portable import save_weights


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Four small micrographs, scored."""
    folder = tmp_path_factory.mktemp("accuracy")
    spec = parsed.Spec(width=2)
    params = ParsedSegmenter(width=2).init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    save_weights(
        folder / "weights", params["params"], {"method": "parsed", "config": as_plain(spec)}
    )
    default = parsed_accuracy.AccuracySpec(out=str(folder / "out"))
    priors = dataclasses.replace(
        default.simulator.priors,
        pixel=PixelAngstrom(pixel_angstrom=(10.0, 10.0)),
        contaminants=ContaminantsPrior(amount=0.0),
    )
    simulator = dataclasses.replace(default.simulator, priors=priors, num_views=4)
    settings = dataclasses.replace(
        default,
        weights=str(folder / "weights"),
        count=4,
        size=(144, 120),
        bootstrap=10,
        simulator=simulator,
    )
    assert parsed_accuracy.run(settings) == 0
    return folder / "out"


def test_figures_and_settings_are_written(outcome):
    for name in ("curve.png", "masses.png", "config.json", "picks/picks.star"):
        assert (outcome / name).stat().st_size > 0
    metrics = json.loads((outcome / "metrics.json").read_text())
    assert metrics["protocol"] == "parsed_accuracy" and metrics["micrographs"] == 4
    assert metrics["match_radius_angstrom"] == pytest.approx(0.3 * metrics["diameter_angstrom"])
    summary = json.loads((outcome / "picks" / "pick.json").read_text())
    assert metrics["threshold"] == summary["threshold"]
    assert metrics["picked"] == summary["total"]


def test_every_row_of_the_curve_follows_note_s2(outcome):
    """Recall, precision, F1 and both accuracies from the counts in the same row (equations 1 to 5)."""
    metrics = json.loads((outcome / "metrics.json").read_text())
    area = 4 * 144 * 120 * 100.0 / metrics["diameter_angstrom"] ** 2
    rows = list(csv.DictReader((outcome / "curve.csv").read_text().splitlines()))
    thresholds = [float(row["threshold"]) for row in rows]
    assert len(rows) > 3 and thresholds == sorted(thresholds, reverse=True)
    for row in rows:
        picked, true, hits = (float(row[name]) for name in ("picked", "true", "matched"))
        precision, recall = hits / picked, float(row["recall"])
        assert float(row["precision"]) == pytest.approx(precision)
        if precision and recall:
            assert float(row["f1"]) == pytest.approx(2 / (1 / precision + 1 / recall))
        missed = hits / recall - hits if recall else true
        for name, unit in (("accuracy", np.pi), ("accuracy_corrected", np.pi / 4)):
            right = hits + area / unit - true
            expected = right / (right + picked - hits + missed)
            assert float(row[name]) == pytest.approx(expected)
