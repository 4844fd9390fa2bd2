"""Matching: conformance cases, exhaustive enumeration, Topaz's outputs, what must not matter."""

import itertools
import json
import time

import numpy as np
import pytest

from jaxpick.evaluate.matching import match_by_score, match_hungarian, match_topaz, nearest


def points(values):
    return np.asarray(values, np.float64).reshape(-1, 2)


def random_case(rng, num_picks, num_truths, size=30.0):
    return rng.uniform(0, size, (num_picks, 2)), rng.uniform(0, size, (num_truths, 2))


def best_by_enumeration(picks, truth, radius):
    """Return the largest number of pairs and its least total distance, trying every way."""
    distance = np.hypot(*(picks[:, None, :] - truth[None, :, :]).transpose(2, 0, 1))
    slots = [*range(len(truth)), *([None] * len(picks))]
    best = (0, 0.0)
    for chosen in set(itertools.permutations(slots, len(picks))):
        pairs = [(i, j) for i, j in enumerate(chosen) if j is not None]
        if all(distance[i, j] <= radius for i, j in pairs):
            total = sum(distance[i, j] for i, j in pairs)
            best = min(best, (-len(pairs), total))
    return -best[0], best[1]


@pytest.mark.oracle
def test_conformance_cases(oracles):
    cases = json.loads((oracles / "metrics_cases.json").read_text())["cases"]
    assert len(cases) == 12
    for case in cases:
        picks, truth = points(case["picks_xy"]), points(case["truth_xy"])
        score, expected = np.asarray(case["scores"], np.float64), case["expected"]
        found = match_hungarian(picks, score, truth, case["radius"])
        assert len(found) == expected["tp"], case["name"]
        assert found.distance.sum() == pytest.approx(expected["total_distance"], abs=1e-9)
        if expected["assignment_unique"]:
            pairs = np.stack([found.pick, found.truth], 1).tolist()
            assert pairs == expected["matches"], case["name"]
        by_score = match_by_score(picks, score, truth, case["radius"])
        assert len(by_score) == expected["tp_if_greedy_by_score"], case["name"]
        strict = match_hungarian(picks, score, truth, np.nextafter(case["radius"], 0))
        assert len(strict) == expected["tp_if_strict_less_than"], case["name"]


@pytest.mark.oracle
@pytest.mark.parametrize("case", [0, 1, 2])
def test_topaz_matching(oracles, case):
    stored = np.load(oracles / "topaz_nms.npz")
    picks, truth, score, assignment, distance = (
        stored[f"match{case}/{name}"].astype(np.float64)
        for name in ("preds_xy", "targets_xy", "scores", "assignment", "dist")
    )
    found = match_topaz(picks, score, truth, 8.0)
    gain = np.sum(found.distance**2 - 64)
    expected_gain = np.sum(distance[assignment == 1] ** 2 - 64)
    assert len(found) == assignment.sum()
    assert gain == pytest.approx(expected_gain, abs=1e-9)
    if case != 1:  # Integer coordinates leave several optimal assignments in case 1.
        np.testing.assert_array_equal(found.pick, np.flatnonzero(assignment == 1))
        np.testing.assert_allclose(found.distance, distance[assignment == 1], atol=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_hungarian_equals_enumeration(seed):
    rng = np.random.default_rng(seed)
    picks, truth = random_case(rng, *rng.integers(1, 5, 2), size=12.0)
    radius = float(rng.uniform(1, 8))
    found = match_hungarian(picks, np.zeros(len(picks)), truth, radius)
    count, total = best_by_enumeration(picks, truth, radius)
    assert len(found) == count
    assert found.distance.sum() == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("matcher", [match_hungarian, match_topaz, match_by_score])
@pytest.mark.parametrize("seed", range(4))
def test_matching_is_one_to_one_within_the_radius_and_ignores_order(matcher, seed):
    rng = np.random.default_rng(seed)
    picks, truth = random_case(rng, 60, 45)
    score = rng.integers(0, 5, 60).astype(np.float64)
    found = matcher(picks, score, truth, 3.0)
    assert 0 < len(found) == len(set(found.pick)) == len(set(found.truth))
    offset = picks[found.pick] - truth[found.truth]
    np.testing.assert_array_equal(found.distance, np.hypot(offset[:, 0], offset[:, 1]))
    assert found.distance.max() <= 3.0
    shuffle, other = rng.permutation(60), rng.permutation(45)
    again = matcher(picks[shuffle], score[shuffle], truth[other], 3.0)
    pairs = {(p, t) for p, t in zip(found.pick, found.truth, strict=True)}
    assert {(shuffle[p], other[t]) for p, t in zip(again.pick, again.truth, strict=True)} == pairs


def test_matching_is_symmetric_between_picks_and_truth():
    picks, truth = random_case(np.random.default_rng(5), 40, 50)
    one = match_hungarian(picks, np.zeros(40), truth, 4.0)
    other = match_hungarian(truth, np.zeros(50), picks, 4.0)
    assert len(one) == len(other)
    assert one.distance.sum() == pytest.approx(other.distance.sum(), abs=1e-9)


def test_score_order_is_the_same_with_or_without_weaker_picks():
    rng = np.random.default_rng(6)
    picks, truth = random_case(rng, 80, 60)
    score = rng.uniform(size=80)
    whole = match_by_score(picks, score, truth, 3.0)
    strong = score >= 0.5
    part = match_by_score(picks[strong], score[strong], truth, 3.0)
    kept = strong[whole.pick]
    np.testing.assert_array_equal(np.flatnonzero(strong)[part.pick], whole.pick[kept])
    np.testing.assert_array_equal(part.truth, whole.truth[kept])


@pytest.mark.parametrize("matcher", [match_hungarian, match_topaz, match_by_score])
@pytest.mark.parametrize(("num_picks", "num_truths"), [(0, 0), (0, 3), (3, 0), (2, 2)])
def test_nothing_to_match(matcher, num_picks, num_truths):
    picks, truth = np.zeros((num_picks, 2)), np.full((num_truths, 2), 100.0)
    assert len(matcher(picks, np.zeros(num_picks), truth, 5.0)) == 0


def test_coincident_points_match_at_distance_zero():
    same = points([[4, 4], [4, 4], [9, 9]])
    found = match_hungarian(same, np.zeros(3), same, 2.0)
    assert len(found) == 3 and found.distance.sum() == 0


def test_ten_thousand_crowded_particles_take_seconds():
    rng = np.random.default_rng(7)
    truth = rng.uniform(0, 4096, (10_000, 2))
    picks = truth + rng.normal(0, 15, truth.shape)
    start = time.perf_counter()
    found = match_hungarian(picks, np.zeros(10_000), truth, 60.0)
    assert time.perf_counter() - start < 15
    assert len(found) > 9_900


def test_nearest_of_nothing_is_infinitely_far():
    index, distance = nearest(np.zeros((2, 2)), np.zeros((0, 2)))
    assert index.tolist() == [-1, -1] and np.isinf(distance).all()
