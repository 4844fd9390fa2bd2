"""Curves and ratios: the conformance cases, Topaz's curves, ties, empties, best thresholds."""

import json

import numpy as np
import pytest

from jaxpick.evaluate import curves
from jaxpick.evaluate.matching import match_hungarian, match_topaz


def hits_of(found, count):
    is_hit = np.zeros(count, bool)
    is_hit[found.pick] = True
    return is_hit


def value(number):
    return None if number is None else pytest.approx(number, abs=1e-9)


@pytest.mark.oracle
def test_conformance_cases(oracles):
    for case in json.loads((oracles / "metrics_cases.json").read_text())["cases"]:
        picks = np.asarray(case["picks_xy"], np.float64).reshape(-1, 2)
        truth = np.asarray(case["truth_xy"], np.float64).reshape(-1, 2)
        score, expected = np.asarray(case["scores"], np.float64), case["expected"]
        is_hit = hits_of(match_hungarian(picks, score, truth, case["radius"]), len(picks))
        tp, fp, fn = is_hit.sum(), (~is_hit).sum(), len(truth) - is_hit.sum()
        assert (tp, fp, fn) == (expected["tp"], expected["fp"], expected["fn"])
        precision, recall = curves.precision_of(tp, fp), curves.recall_of(tp, fn)
        assert precision == value(expected["precision"]), case["name"]
        assert recall == value(expected["recall"]), case["name"]
        assert curves.f_score(precision, recall, 1) == value(expected["f1"]), case["name"]
        assert curves.f_score(precision, recall, 2) == value(expected["f2"]), case["name"]
        assert curves.jaccard_of(tp, fp, fn) == value(expected["jaccard"]), case["name"]
        curve = curves.score_curve(score, is_hit, len(truth))
        average = curves.average_precision(curve)
        assert average == value(expected["average_precision"]), case["name"]


@pytest.mark.oracle
@pytest.mark.parametrize("case", [0, 2])
def test_topaz_curve(oracles, case):
    stored = np.load(oracles / "topaz_nms.npz")
    get = lambda name: stored[f"match{case}/{name}"].astype(np.float64)  # noqa: E731
    score, truth = get("scores"), get("targets_xy")
    found = match_topaz(get("preds_xy"), score, truth, 8.0)
    curve = curves.score_curve(score, hits_of(found, len(score)), len(truth))
    np.testing.assert_array_equal(curve.threshold, get("thresholds"))
    np.testing.assert_allclose(curve.precision, get("precision"), atol=1e-9)
    np.testing.assert_allclose(curve.recall, get("recall"), atol=1e-9)
    assert curves.average_precision(curve) == pytest.approx(
        float(get("average_precision")), abs=1e-6
    )


@pytest.mark.oracle
def test_topaz_curve_with_ties(oracles):
    stored = np.load(oracles / "topaz_nms.npz")
    score, is_hit = stored["match1/scores"].astype(np.float64), stored["match1/assignment"] == 1
    curve = curves.score_curve(score, is_hit, 40)
    np.testing.assert_array_equal(curve.threshold, stored["match1/thresholds"])
    np.testing.assert_allclose(curve.precision, stored["match1/precision"], atol=1e-9)
    np.testing.assert_allclose(curve.recall, stored["match1/recall"], atol=1e-9)
    expected = float(stored["match1/average_precision"])
    assert curves.average_precision(curve) == pytest.approx(expected, abs=1e-6)


def test_tied_scores_stand_or_fall_together():
    score = np.asarray([0.9, 0.5, 0.5, 0.5])
    for hits in ([True, True, False, False], [True, False, False, True]):
        curve = curves.score_curve(score, np.asarray(hits), 4)
        assert curve.threshold.tolist() == [0.9, 0.5]
        assert curve.picked.tolist() == [1, 4] and curve.matched.tolist() == [1, 2]
        # 1 * 1/4 + (2/4) * 1/4, by hand.
        assert curves.average_precision(curve) == pytest.approx(0.375, abs=1e-12)


def test_missed_particles_lower_the_average_precision():
    score, hits = np.asarray([3.0, 2.0, 1.0]), np.asarray([True, True, True])
    for num_true in (3, 6, 30):
        curve = curves.score_curve(score, hits, num_true)
        assert curves.average_precision(curve) == pytest.approx(3 / num_true, abs=1e-12)


def test_a_monotone_change_of_scores_changes_only_thresholds():
    rng = np.random.default_rng(0)
    score, hits = rng.normal(size=50), rng.uniform(size=50) < 0.5
    one = curves.score_curve(score, hits, 40)
    other = curves.score_curve(np.exp(score), hits, 40)
    np.testing.assert_array_equal(one.matched, other.matched)
    assert curves.average_precision(one) == curves.average_precision(other)


def test_weights_count_as_repeated_picks():
    rng = np.random.default_rng(1)
    score, hits = rng.integers(0, 6, 20).astype(float), rng.uniform(size=20) < 0.5
    times = rng.integers(0, 4, 20)
    weighted = curves.score_curve(score, hits, 30, times.astype(float))
    repeated = curves.score_curve(np.repeat(score, times), np.repeat(hits, times), 30)
    one, other = curves.average_precision(weighted), curves.average_precision(repeated)
    assert one == pytest.approx(other, abs=1e-12)


def test_nothing_picked_and_nothing_true():
    none = curves.score_curve(np.zeros(0), np.zeros(0, bool), 5)
    assert curves.average_precision(none) == 0.0 and len(none.threshold) == 0
    no_truth = curves.score_curve(np.ones(2), np.zeros(2, bool), 0)
    assert curves.average_precision(no_truth) is None
    assert np.isnan(no_truth.recall).all() and np.isnan(no_truth.f_score(1)).all()
    assert curves.best_threshold(no_truth.threshold, no_truth.f_score(1)) is None


def test_best_threshold_is_the_highest_of_equals_and_f2_prefers_recall():
    assert curves.best_threshold(np.asarray([3.0, 2.0, 1.0]), np.asarray([0.5, 0.7, 0.7])) == 2.0
    score = np.arange(10.0)[::-1]
    hits = np.asarray([1, 1, 1, 0, 0, 1, 0, 0, 1, 1], bool)
    curve = curves.score_curve(score, hits, 6)
    by_f1 = curves.best_threshold(curve.threshold, curve.f_score(1))
    by_f2 = curves.best_threshold(curve.threshold, curve.f_score(2))
    assert by_f2 <= by_f1
    for beta in (1, 2):
        for index, measured in enumerate(curve.f_score(beta)):
            by_hand = curves.f_score(curve.precision[index], curve.recall[index], beta)
            assert measured == pytest.approx(by_hand, abs=1e-12)
