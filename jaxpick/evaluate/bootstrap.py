"""Intervals by resampling micrographs.

Picks of one micrograph share its ice, focus and crowding, so they are drawn together.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxpick.evaluate.curves import Curve, average_precision, ends_of_ties

Interval = tuple[float, float]


def draw_micrographs(
    num_micrographs: int, num_draws: int, seed: int
) -> Int[np.ndarray, "draw micrograph"]:
    """Return for each draw the micrographs it holds, with replacement, by a seed."""
    shape = (num_draws, num_micrographs)
    return np.random.default_rng(seed).integers(0, num_micrographs, shape)


def percentile_interval(values: Float[np.ndarray, " draw"], level: float = 0.95) -> Interval | None:
    """Return the percentile interval (Efron 1979) of the defined values, None without any."""
    defined = values[np.isfinite(values)]
    if len(defined) == 0:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def summary_intervals(
    counts: Float[np.ndarray, "micrograph field"],
    summarise: Callable[[np.ndarray], Mapping[str, float | None]],
    draws: Int[np.ndarray, "draw micrograph"],
    level: float,
) -> dict[str, Interval | None]:
    """Return an interval for each ratio that `summarise` makes of resampled micrographs."""
    drawn = [summarise(counts[draw]) for draw in draws]
    names = [
        name for name in (drawn[0] if drawn else {}) if name not in ("matched", "picked", "true")
    ]
    undefined = float("nan")
    columns = {
        name: np.asarray([undefined if row[name] is None else row[name] for row in drawn], float)
        for name in names
    }
    return {name: percentile_interval(column, level) for name, column in columns.items()}


def average_precision_draws(
    score: Float[np.ndarray, " pick"],
    is_hit: Bool[np.ndarray, " pick"],
    micrograph: Int[np.ndarray, " pick"],
    num_true: Float[np.ndarray, " micrograph"],
    draws: Int[np.ndarray, "draw micrograph"],
) -> Float[np.ndarray, " draw"]:
    """Return the pooled average precision of each draw, NaN where it is undefined.

    A pick weighs as much as its micrograph is often drawn.
    """
    order = np.argsort(-score, kind="stable")
    is_last, hit, micrograph = ends_of_ties(score[order]), is_hit[order], micrograph[order]
    thresholds, values = score[order][is_last], []
    for draw in draws:
        times = np.bincount(draw, minlength=len(num_true)).astype(np.float64)
        weight = times[micrograph]
        curve = Curve(
            threshold=thresholds,
            picked=np.cumsum(weight)[is_last],
            matched=np.cumsum(weight * hit)[is_last],
            num_true=float(times @ num_true),
        )
        value = average_precision(curve)
        values.append(float("nan") if value is None else value)
    return np.asarray(values, np.float64)


def average_precision_interval(
    score: Float[np.ndarray, " pick"],
    is_hit: Bool[np.ndarray, " pick"],
    micrograph: Int[np.ndarray, " pick"],
    num_true: Float[np.ndarray, " micrograph"],
    draws: Int[np.ndarray, "draw micrograph"],
    level: float,
) -> Interval | None:
    """Return an interval for the pooled average precision."""
    values = average_precision_draws(score, is_hit, micrograph, num_true, draws)
    return percentile_interval(values, level)
