"""crYOLO through the commands: trained on labels, picked with the weights, candidates as CSV, CBOX, BOX and STAR."""

import dataclasses
import json

import numpy as np
import pytest
from labelled_set import DIAMETER, PIXEL, write_labelled_set

from experiments import _hydra, convert, pick, train
from jaxpick.io.coordinates import read_picks
from jaxpick.methods import cryolo
from jaxpick.spec import SpecError, build
from jaxpick.weights.portable import load_weights


def composed(files, out, *overrides):
    """Settings of four steps of each stage with a network of a few maps."""
    arguments = [
        f"out={out}",
        "method=cryolo_paper",
        "method.width=0.02",
        "method.working.input_px=128",
        "method.field.field_px=64",
        "method.warm_up.batch_size=4",
        "method.detector.batch_size=4",
        f"data.micrographs={files}/micrographs/*.mrc",
        f"data.coordinates={files}/labels/*.star",
        f"data.diameter={DIAMETER}",
        "data.validation_fraction=0.5",
        "training.max_steps=4",
        "training.log_every=1",
        "training.validate_every=2",
        "training.validation_batches=1",
    ]
    return _hydra.compose(train.TrainExperiment, "train", [*arguments, *overrides], train.choices())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_labelled_set(folder)
    return folder


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    assert train.run(composed(files, out)) == 0
    return out


@pytest.fixture(scope="module")
def picked(files, trained, tmp_path_factory):
    """Picks of a network that has learnt next to nothing, half of its candidates; and the threshold."""
    out = tmp_path_factory.mktemp("picked")
    spec = pick.PickSpec(
        micrographs=f"{files}/micrographs/*.mrc",
        diameter=DIAMETER,
        out=str(out),
        method="cryolo",
        weights=str(trained / "weights"),
        subpixel=True,
    )
    assert pick.run(spec) == 0
    scores = np.concatenate([picks.score for picks in read_picks(out / "picks.csv")])
    threshold = float(np.median(scores))
    assert pick.run(dataclasses.replace(spec, threshold=threshold)) == 0
    return out, threshold


def test_both_stages_are_trained_and_the_weights_bring_statistics_and_anchor(trained):
    stages = json.loads((trained / "train.json").read_text())["stages"]
    assert [stage["stage"] for stage in stages] == ["warm_up", "detector"]
    assert {"recall", "precision", "overlap", "centre", "size"} <= set(stages[1]["validation"])
    params, card = load_weights(trained / "weights")
    spec = build(cryolo.Spec, card["config"])
    assert spec.architecture == "cryolo" and spec.anchor_px is None
    # The short side of 128 pixels is kept: the anchor is the diameter in pixels.
    assert float(params["batch_stats"]["anchor_px"]) == pytest.approx(DIAMETER / PIXEL)
    assert np.any(params["batch_stats"]["trunk_0_norm"]["mean"] != 0)


def test_every_candidate_is_in_the_table_with_its_own_size(picked):
    folder, threshold = picked
    candidates = {picks.micrograph: picks for picks in read_picks(folder / "picks.csv")}
    stars = {picks.micrograph: len(picks) for picks in read_picks(folder / "picks.star")}
    assert len(candidates) == 2
    for name, picks in candidates.items():
        assert stars.get(name, 0) == np.sum(picks.score >= threshold)
        assert len(picks) > 5 and len(np.unique(picks.diameter_angstrom)) > 0.8 * len(picks)
    assert sum(map(len, candidates.values())) > sum(stars.values()) > 0


@pytest.mark.parametrize("suffix", ["cbox", "box"])
def test_candidates_become_boxes(picked, tmp_path, suffix):
    """CBOX keeps confidences and sizes; both hold the box that the user named, 25 pixels."""
    spec = convert.ConvertSpec(
        input=str(picked[0] / "picks.csv"),
        output=f"{tmp_path}/",
        output_format=suffix,
        pixel_size=PIXEL,
        subpixel=True,
    )
    assert convert.run(spec) == 0
    for before in read_picks(picked[0] / "picks.csv"):
        stem = before.micrograph.removesuffix(".mrc")
        (after,) = read_picks(tmp_path / f"{stem}.{suffix}", pixel_size_angstrom=PIXEL)
        tolerance = 1e-6 if suffix == "cbox" else 1.0
        np.testing.assert_allclose(after.x, before.x, atol=tolerance)
        np.testing.assert_allclose(after.y, before.y, atol=tolerance)
        np.testing.assert_allclose(after.extra["box_width_px"], DIAMETER / PIXEL)
        if suffix == "cbox":
            np.testing.assert_allclose(after.score, before.score, rtol=1e-6)
            np.testing.assert_allclose(after.diameter_angstrom, before.diameter_angstrom, rtol=1e-6)


def test_settings_of_other_decoders_are_refused(files, trained, tmp_path):
    spec = pick.PickSpec(
        micrographs=f"{files}/micrographs/*.mrc",
        diameter=DIAMETER,
        out=str(tmp_path),
        method="cryolo",
        weights=str(trained / "weights"),
        distance=50.0,
    )
    with pytest.raises(SpecError, match="distance_diameters: unknown setting"):
        pick.run(spec)
