"""Intervals: seeded, shaped by the number of micrographs, and covering what they should."""

import numpy as np
import pytest

from jaxpick.evaluate.bootstrap import (
    average_precision_interval,
    draw_micrographs,
    percentile_interval,
    summary_intervals,
)
from jaxpick.evaluate.summaries import Counts, summarise_pooled


def counts_of(hits, picked, true):
    fields = zip(hits, picked, true, strict=True)
    return np.asarray([Counts(h, p - h, t - h, p, t, matched=h) for h, p, t in fields], float)


def test_the_seed_decides_the_draws():
    one, same, other = (draw_micrographs(7, 50, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert one.shape == (50, 7) and one.min() == 0 and one.max() == 6


def test_equal_micrographs_leave_no_spread():
    counts = counts_of([6] * 5, [10] * 5, [8] * 5)
    found = summary_intervals(counts, summarise_pooled, draw_micrographs(5, 40, 0), 0.95)
    assert found["precision"] == pytest.approx((0.6, 0.6))
    assert found["recall"] == pytest.approx((0.75, 0.75))
    assert "matched" not in found


def test_the_interval_of_a_mean_is_that_of_the_central_limit():
    rng = np.random.default_rng(0)
    picked = np.full(400, 100.0)
    hits = rng.binomial(100, 0.7, 400).astype(float)
    counts = counts_of(hits, picked, picked)
    low, high = summary_intervals(counts, summarise_pooled, draw_micrographs(400, 500, 1), 0.95)[
        "precision"
    ]
    expected = 2 * 1.96 * np.std(hits / 100) / np.sqrt(400)
    assert high - low == pytest.approx(expected, rel=0.15)
    assert low < hits.mean() / 100 < high


def test_average_precision_interval_equals_explicit_resampling():
    rng = np.random.default_rng(2)
    score, hits = rng.integers(0, 9, 60).astype(float), rng.uniform(size=60) < 0.6
    micrograph, num_true = rng.integers(0, 4, 60), np.asarray([12.0, 9.0, 15.0, 0.0])
    draws = draw_micrographs(4, 30, 5)

    def explicit(draw):
        chosen = np.concatenate([np.flatnonzero(micrograph == m) for m in draw])
        s, h, true = score[chosen], hits[chosen], num_true[draw].sum()
        if true == 0:
            return np.nan
        total, before = 0.0, 0
        for threshold in np.unique(s)[::-1]:
            kept = s >= threshold
            total += h[kept].mean() * (h[kept].sum() - before)
            before = h[kept].sum()
        return total / true

    expected = percentile_interval(np.asarray([explicit(draw) for draw in draws]), 0.9)
    found = average_precision_interval(score, hits, micrograph, num_true, draws, 0.9)
    assert found == pytest.approx(expected, abs=1e-12)


def test_undefined_draws_are_left_out_and_none_gives_none():
    assert percentile_interval(np.asarray([np.nan, 0.5, 0.5]), 0.95) == (0.5, 0.5)
    assert percentile_interval(np.asarray([np.nan]), 0.95) is None
    assert percentile_interval(np.zeros(0), 0.95) is None
    assert summary_intervals(np.zeros((1, 8)), summarise_pooled, np.zeros((0, 1), int), 0.95) == {}
