"""Paired differences: what identical, constant and unequal methods must give, and draws by hand."""

import numpy as np
import pytest

from jaxpick.evaluate.comparison import (
    Resampled,
    difference,
    difference_rows,
    has_ranks,
    mean_of,
    resample,
)
from jaxpick.evaluate.curves import average_precision, score_curve
from jaxpick.evaluate.evaluation import EvaluateSpec
from jaxpick.io.nouns import make_picks

SPEC = EvaluateSpec(
    diameter_angstrom=20.0, protocol="score_order", pixel_size_angstrom=1.0, bootstrap=200
)
NUM_TRUE = (4, 9, 12, 20, 7, 15)


def truth_of(number):
    return np.stack([40.0 * np.arange(1, number + 1), np.full(number, 50.0)], 1)


TRUTH = [make_picks(f"m{i}.mrc", *truth_of(n).T) for i, n in enumerate(NUM_TRUE)]


def picks_with(found, wrong, seed=0):
    """Return picks that find the first `found(n)` particles of each and place `wrong(n)` elsewhere."""
    rng, entries = np.random.default_rng(seed), []
    for i, n in enumerate(NUM_TRUE):
        hits, misses = truth_of(n)[: found(n)], truth_of(wrong(n)) + 500.0
        where = np.concatenate([hits, misses])
        entries.append(make_picks(f"m{i}.mrc", *where.T, rng.uniform(0, 1, len(where))))
    return entries


def test_a_method_does_not_differ_from_itself():
    figures = resample(picks_with(lambda n: n // 2, lambda n: 2), TRUTH, spec=SPEC, name="a")
    for values in figures.values():
        found = difference(values, values, 0.95)
        assert (found.value, found.interval, found.is_clear) == (0.0, (0.0, 0.0), False)


def test_f1_of_a_draw_is_that_of_the_pooled_counts():
    """Methods that find a fixed share everywhere have the same recall in every draw."""
    everything = resample(picks_with(lambda n: n, lambda n: 0), TRUTH, spec=SPEC, name="a")
    doubled = resample(picks_with(lambda n: n, lambda n: n), TRUTH, spec=SPEC, name="a")
    np.testing.assert_allclose(everything["f1"].draws, 1.0)
    np.testing.assert_allclose(doubled["f1"].draws, 2 / 3, rtol=1e-6)
    found = difference(doubled["f1"], everything["f1"], 0.95)
    assert found.value == pytest.approx(-1 / 3) and found.is_clear


def test_average_precision_of_a_draw_is_that_of_the_drawn_micrographs_pooled():
    from jaxpick.evaluate.bootstrap import average_precision_draws

    rng = np.random.default_rng(3)
    micrograph = np.repeat(np.arange(4), 25)
    score, is_hit = rng.uniform(0, 1, 100).round(1), rng.uniform(0, 1, 100) < 0.4
    num_true = np.asarray([20.0, 30.0, 25.0, 40.0])
    draws = rng.integers(0, 4, (10, 4))
    found = average_precision_draws(score, is_hit, micrograph, num_true, draws)
    for draw, value in zip(draws, found, strict=True):
        chosen = np.concatenate([np.flatnonzero(micrograph == m) for m in draw])
        curve = score_curve(score[chosen], is_hit[chosen], float(num_true[draw].sum()))
        assert value == pytest.approx(average_precision(curve))


def test_pairing_narrows_the_interval_of_a_difference():
    """What makes a micrograph hard for both cancels; draws of another set do not cancel it."""
    hard = picks_with(lambda n: n if n < 10 else n // 3, lambda n: 1)
    harder = picks_with(lambda n: n - 1 if n < 10 else n // 3 - 1, lambda n: 1)
    one, other = (resample(p, TRUTH, spec=SPEC, name="a")["f1"] for p in (hard, harder))
    unpaired = resample(harder, TRUTH, spec=SPEC, name="b")["f1"]
    low, high = difference(other, one, 0.95).interval
    wide_low, wide_high = difference(unpaired, one, 0.95).interval
    assert high - low < 0.5 * (wide_high - wide_low)


def test_seeds_are_averaged_draw_by_draw():
    parts = [Resampled(value=v, draws=np.asarray([v, 2 * v])) for v in (0.2, 0.6)]
    mean = mean_of(parts)
    assert mean.value == pytest.approx(0.4)
    np.testing.assert_allclose(mean.draws, [0.4, 0.8])


def test_rows_name_sets_and_their_mean_without_the_baseline():
    def figure(value):
        return {"f1": Resampled(value=value, draws=np.asarray([value, value]))}

    sets = {
        "a": {"base": figure(0.5), "new": figure(0.7), "once": figure(0.1)},
        "b": {"base": figure(0.4), "new": figure(0.5)},
        "without": {"new": figure(0.9)},
    }
    rows = difference_rows(sets, "base", 0.95)
    found = {(row["set"], row["method"]): row["difference"] for row in rows}
    expected = {("a", "new"): 0.2, ("a", "once"): -0.4, ("b", "new"): 0.1}
    assert found == pytest.approx({**expected, ("mean of 2 sets", "new"): 0.15})


def test_picks_without_scores_have_no_average_precision():
    plain = [make_picks(t.micrograph, t.x, t.y) for t in TRUTH]
    assert not has_ranks(plain) and set(resample(plain, TRUTH, spec=SPEC, name="a")) == {"f1"}
    assert has_ranks([make_picks("m0.mrc", np.zeros(0), np.zeros(0))])
