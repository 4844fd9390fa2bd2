"""Methods against each other on the same micrographs: paired differences and what seeds add.

All methods of a set are resampled with the same draws of micrographs, so that what makes one
micrograph hard for everybody cancels in a difference (the paired bootstrap of Efron and Tibshirani
1993, section 8.3). Several seeds of a method are averaged within each draw; over several sets a
difference is the mean of theirs, each set with draws of its own.
"""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from jaxpick.evaluate import tables
from jaxpick.evaluate.bootstrap import (
    average_precision_draws,
    draw_micrographs,
    percentile_interval,
)
from jaxpick.evaluate.curves import average_precision
from jaxpick.evaluate.evaluation import EvaluateSpec, terms_of
from jaxpick.evaluate.pairs import pair_micrographs
from jaxpick.evaluate.protocols import PROTOCOLS
from jaxpick.io.nouns import Picks

FIGURES = ("average_precision", "f1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resampled:
    """One figure of one method: on all micrographs, and on each draw of them (NaN: undefined)."""

    value: float
    draws: Float[np.ndarray, " draw"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """A method's figure less the baseline's.

    Attributes:
        value: on all micrographs.
        interval: of the percentiles of the draws, None without draws.
    """

    value: float
    interval: tuple[float, float] | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


def resample(
    picks: Sequence[Picks],
    truth: Sequence[Picks],
    *,
    spec: EvaluateSpec,
    name: str,
    shapes: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, Resampled]:
    """Return average precision and F1 (at the settings' threshold) on the draws of a set.

    Args:
        picks, truth: one entry a micrograph.
        spec: how to score; its `bootstrap` is the number of draws.
        name: of the set: its draws depend on it, on the seed and on the micrographs with truth.
        shapes: (height, width) by micrograph.
    """
    protocol = PROTOCOLS[spec.protocol]
    pairs = pair_micrographs(picks, truth, terms_of(spec), shapes).pairs
    seed = zlib.crc32(f"{spec.seed}/{name}".encode())
    draws = draw_micrographs(len(pairs), spec.bootstrap if len(pairs) > 1 else 0, seed)
    threshold = -np.inf if spec.threshold is None else spec.threshold
    counts = tables.count_all(pairs, protocol, np.asarray([threshold]))[:, 0]
    drawn = [protocol.summarise(counts[draw])["f1"] for draw in draws]
    figures = {"f1": _resampled(protocol.summarise(counts)["f1"], drawn)}
    if protocol.matcher is not None and has_ranks(picks):
        ranking = tables.rank(pairs, protocol.matcher)
        columns = (ranking.score, ranking.is_hit, ranking.micrograph, ranking.num_true)
        values = average_precision_draws(*columns, draws)
        pooled = average_precision(ranking.curve())
        figures["average_precision"] = _resampled(pooled, values.tolist())
    return figures


def has_ranks(picks: Sequence[Picks]) -> bool:
    """Return whether scores tell picks apart; one point is no curve and has no average precision."""
    scores = np.concatenate([np.zeros(0), *(entry.score for entry in picks)])
    return len(scores) < 2 or bool(np.ptp(scores) > 0)


def mean_of(parts: Sequence[Resampled]) -> Resampled:
    """Return the mean of seeds, or of sets, draw by draw."""
    return Resampled(
        value=float(np.mean([part.value for part in parts])),
        draws=np.mean([part.draws for part in parts], axis=0),
    )


def difference(one: Resampled, baseline: Resampled, level: float) -> Difference:
    """Return how much larger the one is than the baseline on the same draws."""
    return Difference(
        value=one.value - baseline.value,
        interval=percentile_interval(one.draws - baseline.draws, level),
    )


def difference_rows(
    resampled: Mapping[str, Mapping[str, Mapping[str, Resampled]]], baseline: str, level: float
) -> list[dict[str, object]]:
    """Return a row for each set, method and figure, then the means over the sets that a method shares.

    Args:
        resampled: set -> method -> figure.
        baseline: name of the method that the others are compared with; sets without it are left
            out.
        level: of the intervals.
    """
    sets = {name: methods for name, methods in resampled.items() if baseline in methods}
    others = dict.fromkeys(m for methods in sets.values() for m in methods if m != baseline)
    rows = [
        _row(name, method, figure, values, methods[baseline][figure], level)
        for name, methods in sets.items()
        for method in others
        for figure, values in methods.get(method, {}).items()
        if figure in methods[baseline]
    ]
    for method in others if len(sets) > 1 else ():
        shared = [methods for methods in sets.values() if method in methods]
        both = [f for f in FIGURES if all(f in m[method] and f in m[baseline] for m in shared)]
        for figure in both if len(shared) > 1 else ():
            one = mean_of([methods[method][figure] for methods in shared])
            base = mean_of([methods[baseline][figure] for methods in shared])
            rows.append(_row(f"mean of {len(shared)} sets", method, figure, one, base, level))
    return rows


def _row(
    name: str, method: str, figure: str, one: Resampled, baseline: Resampled, level: float
) -> dict[str, object]:
    found = difference(one, baseline, level)
    low, high = found.interval or (None, None)
    row: dict[str, object] = {"set": name, "method": method, "figure": figure}
    row |= {"difference": tables.plain(found.value), "low": low, "high": high}
    return row | {"is_clear": found.is_clear}


def _resampled(value: float | None, draws: Sequence[float | None]) -> Resampled:
    undefined = float("nan")
    return Resampled(
        value=undefined if value is None else value,
        draws=np.asarray([undefined if v is None else v for v in draws], np.float64),
    )
