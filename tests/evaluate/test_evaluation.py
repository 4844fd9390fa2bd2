"""The whole evaluation: figures by hand, invariances, margins, names, empties, refusals."""

import dataclasses
import json

import numpy as np
import pytest

from jaxpick.evaluate import PROTOCOLS, EvaluateSpec, evaluate
from jaxpick.io.files import InputError
from jaxpick.io.nouns import make_picks
from jaxpick.spec import SpecError, build

SPEC = EvaluateSpec(
    diameter_angstrom=20.0, pixel_size_angstrom=2.0, image_shape=(100, 120), bootstrap=20
)


def picks_at(name, places, score=None, **others):
    """Return picks at (x, y) places."""
    places = np.asarray(places, float).reshape(-1, 2)
    score = None if score is None else np.asarray(score, float)
    return make_picks(name, places[:, 0], places[:, 1], score, **others)


@pytest.fixture
def two_micrographs():
    """Picks and truth of two micrographs with known figures at a radius of 5 pixels.

    a: 3 particles, 2 found, 1 duplicate. b: 2 particles, 1 found, 1 false pick.
    """
    truth = [
        picks_at("a.mrc", [[20, 20], [60, 20], [40, 80]]),
        picks_at("b.mrc", [[30, 30], [70, 70]]),
    ]
    picks = [
        picks_at("a.mrc", [[20, 21], [62, 20], [64, 20]], [0.9, 0.8, 0.3]),
        picks_at("b.mrc", [[30, 33], [50, 10]], [0.7, 0.6]),
    ]
    return picks, truth


def spec_with(**changes):
    return dataclasses.replace(SPEC, **changes)


def same(one, other):
    return json.dumps(one.metrics, sort_keys=True) == json.dumps(other.metrics, sort_keys=True)


def test_figures_by_hand(two_micrographs):
    metrics = evaluate(*two_micrographs, spec=SPEC).metrics
    assert (metrics["matched"], metrics["picked"], metrics["true"]) == (3, 5, 5)
    assert metrics["match_radius_angstrom"] == 10.0
    assert metrics["precision"] == pytest.approx(0.6) and metrics["recall"] == pytest.approx(0.6)
    # Distances 1, 2 and 3 pixels of 2 angstrom.
    assert metrics["mean_center_error_angstrom"] == pytest.approx(4.0)
    # Hits at ranks 1, 2, 3 of 5 particles.
    assert metrics["average_precision"] == pytest.approx(3 / 5)
    best = metrics["thresholds"]["best_f1"]
    assert best["threshold"] == 0.7 and best["precision"] == 1.0
    assert best["f1"] == pytest.approx(2 * 0.6 / 1.6)
    assert metrics["mean_over_micrographs"]["precision"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert metrics["by_radius_fraction"]["0.2"]["matched"] == 2
    assert metrics["by_radius_fraction"]["0.5"]["matched"] == 3


def test_rows(two_micrographs):
    outcome = evaluate(*two_micrographs, spec=SPEC)
    assert [row["threshold"] for row in outcome.curve] == [0.9, 0.8, 0.7, 0.6, 0.3]
    assert [row["matched"] for row in outcome.curve] == [1, 2, 3, 3, 3]
    first = outcome.per_micrograph[0]
    assert first["micrograph"] == "a.mrc" and first["matched"] == 2 and first["true"] == 3
    assert first["average_precision"] == pytest.approx(2 / 3)
    assert len(outcome.matches) == 3
    match = outcome.matches[2]
    assert (match["x"], match["y"], match["true_y"], match["distance_angstrom"]) == (30, 33, 30, 6)


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_order_of_picks_and_micrographs_does_not_matter(two_micrographs, protocol):
    picks, truth = two_micrographs
    shuffled = [entry.select(np.arange(len(entry))[::-1]) for entry in picks]
    spec = spec_with(protocol=protocol)
    one = evaluate(picks, truth, spec=spec)
    assert same(one, evaluate(shuffled[::-1], truth, spec=spec))
    swapped = evaluate(picks, truth[::-1], spec=spec_with(protocol=protocol, bootstrap=0))
    for name in ("average_precision", "precision", "recall", "f1", "f2", "matched"):
        assert swapped.metrics[name] == pytest.approx(one.metrics[name], abs=1e-12)


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_every_protocol_survives_empties_and_speaks_json(protocol):
    spec = spec_with(protocol=protocol)
    full, none = [picks_at("a", [[20, 20], [60, 60]])], [picks_at("a", [])]
    for picks, truth in ((full, full), (none, full), (full, none), (none, none), ([], full)):
        outcome = evaluate(picks, truth, spec=spec)
        json.dumps([outcome.metrics, outcome.curve, outcome.per_micrograph], allow_nan=False)
    perfect = evaluate(full, full, spec=spec).metrics
    assert perfect["f1"] == pytest.approx(1.0)
    missed = evaluate(none, full, spec=spec).metrics
    assert missed["recall"] == pytest.approx(0.0, abs=1e-3)
    assert missed["picked"] == 0 and missed["true"] == 2
    unknown = evaluate(full, none, spec=spec).metrics
    assert unknown["true"] == 0 and unknown["picked"] == 2
    if protocol != "pixel_cryosegnet_released":  # It smooths 0/0 into 1.
        assert missed["precision"] == 0.0
        assert unknown["recall"] is None and unknown["f1"] is None


def test_a_threshold_equals_leaving_weaker_picks_out(two_micrographs):
    picks, truth = two_micrographs
    with_threshold = evaluate(picks, truth, spec=spec_with(threshold=0.65))
    kept = [entry.select(entry.score >= 0.65) for entry in picks]
    without = evaluate(kept, truth, spec=SPEC)
    assert with_threshold.metrics["at_threshold"] == "given"
    for name in ("precision", "recall", "f1", "f2", "matched", "mean_center_error_angstrom"):
        assert with_threshold.metrics[name] == without.metrics[name]
    # All candidates still make the curve.
    assert len(with_threshold.curve) == 5


def test_picks_above_a_threshold_are_matched_anew():
    truth = [picks_at("a", [[20, 20]])]
    picks = [picks_at("a", [[24, 20], [20, 21]], [0.99, 0.4])]
    metrics = evaluate(picks, truth, spec=spec_with(threshold=0.9)).metrics
    assert metrics["matched"] == 1 and metrics["precision"] == 1.0
    assert metrics["average_precision"] == pytest.approx(0.5)
    ordered = evaluate(picks, truth, spec=spec_with(protocol="score_order")).metrics
    assert ordered["average_precision"] == pytest.approx(1.0)


def test_the_margin_leaves_both_sides_out(two_micrographs):
    truth = [picks_at("a", [[9, 50], [10, 50], [60, 89], [60, 90], [109, 50], [110, 50]])]
    metrics = evaluate(truth, truth, spec=spec_with(margin_px=10.0)).metrics
    assert metrics["matched"] == metrics["true"] == 3
    assert metrics["picks_in_margin"] == metrics["truths_in_margin"] == 3
    in_angstrom = evaluate(truth, truth, spec=spec_with(margin_angstrom=20.0)).metrics
    assert in_angstrom["matched"] == 3
    with pytest.raises(InputError, match="height and width"):
        evaluate(truth, truth, spec=spec_with(margin_px=10.0, image_shape=None))
    shapes = {"a.mrc": (100, 120)}
    spec = spec_with(margin_px=10.0, image_shape=None)
    assert evaluate(truth, truth, spec=spec, shapes=shapes).metrics["matched"] == 3


def test_missing_sides_are_counted_and_named(two_micrographs):
    picks, truth = two_micrographs
    only_a = evaluate(picks[:1], truth, spec=SPEC).metrics
    assert only_a["true"] == 5 and only_a["micrographs_without_picks"] == ["b.mrc"]
    left_out = evaluate(picks[:1], truth, spec=spec_with(missing_picks="leave_out")).metrics
    assert left_out["true"] == 3 and left_out["micrographs"] == 1
    no_truth = evaluate(picks, truth[:1], spec=SPEC).metrics
    assert no_truth["picked"] == 3 and no_truth["micrographs_without_truth"] == ["b.mrc"]
    empty = evaluate(picks, truth[:1], spec=spec_with(missing_truth="empty")).metrics
    assert empty["picked"] == 5 and empty["true"] == 3


def test_names_are_matched_forgivingly(two_micrographs):
    picks, truth = two_micrographs
    names = {"a.mrc": "job/012345678901234567890_a.star", "b.mrc": "other/b"}
    renamed = [dataclasses.replace(p, micrograph=names[p.micrograph]) for p in picks]
    assert evaluate(renamed, truth, spec=SPEC).metrics["matched"] == 3


def test_off_image_labels_are_counted(two_micrographs):
    picks, truth = two_micrographs
    truth = [*truth[:1], picks_at("b.mrc", [[30, 30], [70, 170]])]
    metrics = evaluate(picks, truth, spec=SPEC).metrics
    assert metrics["truths_off_image"] == 1 and metrics["picks_off_image"] == 0


def test_a_micrograph_without_picks_has_the_pixel_size_of_the_others():
    truth = [picks_at(name, [[20, 20]]) for name in "ab"]
    found = [picks_at("a", [[20, 20]], pixel_size_angstrom=2.0)]
    assert evaluate(found, truth, spec=spec_with(pixel_size_angstrom=None)).metrics["recall"] == 0.5
    mixed = [*found, picks_at("b", [], pixel_size_angstrom=1.0), picks_at("c", [])]
    truth.append(picks_at("c", [[20, 20]]))
    with pytest.raises(InputError, match="c: pixel size unknown"):
        evaluate(mixed, truth, spec=spec_with(pixel_size_angstrom=None))


def test_the_pixel_size_comes_from_the_files_unless_given():
    truth = [picks_at("a", [[20, 20]], pixel_size_angstrom=1.0)]
    picks = [picks_at("a", [[28, 20]])]
    spec = spec_with(pixel_size_angstrom=None)
    assert evaluate(picks, truth, spec=spec).metrics["matched"] == 1
    assert evaluate(picks, truth, spec=SPEC).metrics["matched"] == 0
    with pytest.raises(InputError, match="pixel_size="):
        evaluate(picks, picks, spec=spec)
    other = [picks_at("a", [[28, 20]], pixel_size_angstrom=1.3)]
    with pytest.raises(InputError, match=r"1 and the picks 1\.3"):
        evaluate(other, truth, spec=spec)


def test_bad_input_is_refused(two_micrographs):
    picks, truth = two_micrographs
    with pytest.raises(InputError, match=r"a\.mrc occurs twice"):
        evaluate([*picks, picks[0]], truth, spec=SPEC)
    with pytest.raises(InputError, match="share no micrograph"):
        evaluate([picks_at("c", [[1, 1]])], truth, spec=SPEC)
    with pytest.raises(InputError, match="score"):
        evaluate([picks_at("a.mrc", [[1, 1]], [np.nan])], truth, spec=SPEC)
    with pytest.raises(InputError, match="coordinate"):
        evaluate(picks, [picks_at("a.mrc", [[np.nan, 1]])], spec=SPEC)
    with pytest.raises(InputError, match="parsed_accuracy needs"):
        evaluate(picks, truth, spec=spec_with(protocol="parsed_accuracy", image_shape=None))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("diameter_angstrom", 0.0),
        ("protocol", "best"),
        ("radius_fraction", -0.5),
        ("margin_px", -1.0),
        ("confidence", 1.0),
        ("threshold", float("nan")),
        ("bootstrap", -1),
    ],
)
def test_impossible_settings_are_refused(field, value):
    with pytest.raises(SpecError, match=field):
        build(EvaluateSpec, {"diameter_angstrom": 20.0, field: value})


def test_intervals_are_seeded_and_absent_for_one_micrograph(two_micrographs):
    picks, truth = two_micrographs
    spec = spec_with(bootstrap=200)
    one, again = evaluate(picks, truth, spec=spec), evaluate(picks, truth, spec=spec)
    assert same(one, again)
    low, high = one.metrics["intervals"]["recall"]
    assert (low, high) == pytest.approx((1 / 2, 2 / 3))
    single = evaluate(picks[:1], truth[:1], spec=spec).metrics
    assert single["intervals"] == {} and single["average_precision_interval"] is None


@pytest.mark.parametrize(
    ("turn", "remark"),
    [
        (lambda x, y: (x, 99 - y), "flipped in y"),
        (lambda x, y: (119 - x, y), "flipped in x"),
        (lambda x, y: (y, x), "exchanged"),
    ],
)
def test_a_wrong_orientation_is_remarked(turn, remark):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 120, 40), rng.uniform(0, 100, 40)
    truth = [picks_at("a", np.stack([x, y], 1))]
    turned = [picks_at("a", np.stack(turn(x, y), 1))]
    spec = spec_with(radius_fraction=0.1)
    assert remark in evaluate(turned, truth, spec=spec).metrics["orientation_hint"]
    assert evaluate(truth, truth, spec=spec).metrics["orientation_hint"] is None
