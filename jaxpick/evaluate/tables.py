"""Rows for result files: the curve, each micrograph, the matched pairs, the pooled figures.

All are plain numbers, texts and None, ready for CSV and JSON. Whole numbers stay whole.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxpick.evaluate.bootstrap import average_precision_interval, summary_intervals
from jaxpick.evaluate.curves import Curve, average_precision, score_curve
from jaxpick.evaluate.matching import match_hungarian
from jaxpick.evaluate.pairs import Pair
from jaxpick.evaluate.protocols import Matcher, Protocol

Row = dict[str, object]
RATIOS = ("precision", "recall", "f1", "f2", "mean_center_error_angstrom")
CURVE_POINTS = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking:
    """All picks of all micrographs with the verdict of the one matching.

    Attributes:
        score, is_hit, micrograph: one entry a pick; `micrograph` is an index.
        num_true: particles of each micrograph.
    """

    score: Float[np.ndarray, " pick"]
    is_hit: Bool[np.ndarray, " pick"]
    micrograph: Int[np.ndarray, " pick"]
    num_true: Float[np.ndarray, " micrograph"]

    def curve(self) -> Curve:
        """Return the pooled curve."""
        return score_curve(self.score, self.is_hit, float(self.num_true.sum()))

    def curve_of(self, index: int) -> Curve:
        """Return the curve of one micrograph."""
        mine = self.micrograph == index
        return score_curve(self.score[mine], self.is_hit[mine], float(self.num_true[index]))


def rank(pairs: Sequence[Pair], matcher: Matcher) -> Ranking:
    """Match all picks of each micrograph once."""
    hits = []
    for pair in pairs:
        is_hit = np.zeros(len(pair.score), bool)
        is_hit[matcher(pair.picks, pair.score, pair.truth, pair.radius_px).pick] = True
        hits.append(is_hit)
    return Ranking(
        score=np.concatenate([pair.score for pair in pairs]),
        is_hit=np.concatenate(hits),
        micrograph=np.repeat(np.arange(len(pairs)), [len(pair.score) for pair in pairs]),
        num_true=np.asarray([len(pair.truth) for pair in pairs], np.float64),
    )


def curve_rows(curve: Curve) -> list[Row]:
    """Return a row for each distinct score, thresholds descending."""
    columns = {
        "threshold": curve.threshold,
        "picked": curve.picked,
        "matched": curve.matched,
        "precision": curve.precision,
        "recall": curve.recall,
        "f1": curve.f_score(1),
        "f2": curve.f_score(2),
    }
    return [
        {name: plain(values[index], name) for name, values in columns.items()}
        for index in range(len(curve.threshold))
    ]


def counted_curve_rows(pairs: Sequence[Pair], protocol: Protocol) -> list[Row]:
    """Return a row for each of at most 100 thresholds, counting anew at each."""
    distinct = np.unique(np.concatenate([pair.score for pair in pairs]))
    if len(distinct) > CURVE_POINTS:
        distinct = distinct[np.linspace(0, len(distinct) - 1, CURVE_POINTS).round().astype(int)]
    thresholds = distinct[::-1].astype(np.float64)
    counts = count_all(pairs, protocol, thresholds)
    return [
        {"threshold": float(threshold)} | _plain_row(protocol.summarise(counts[:, index]))
        for index, threshold in enumerate(thresholds)
    ]


def count_all(
    pairs: Sequence[Pair], protocol: Protocol, thresholds: Float[np.ndarray, " threshold"]
) -> Float[np.ndarray, "micrograph threshold field"]:
    """Return the counts of every micrograph at every threshold."""
    return np.stack([protocol.count(pair, thresholds) for pair in pairs])


def operating_points(
    counts: Float[np.ndarray, "micrograph threshold field"],
    thresholds: Mapping[str, float],
    protocol: Protocol,
    draws: Int[np.ndarray, "draw micrograph"],
    level: float,
) -> dict[str, Row]:
    """Return the pooled figures and their intervals at each named threshold."""
    points = {}
    for index, (name, threshold) in enumerate(thresholds.items()):
        point: Row = {"threshold": plain(threshold, "threshold")}
        point |= _plain_row(protocol.summarise(counts[:, index]))
        point["intervals"] = summary_intervals(counts[:, index], protocol.summarise, draws, level)
        points[name] = point
    return points


def micrograph_rows(
    pairs: Sequence[Pair],
    counts: Float[np.ndarray, "micrograph field"],
    protocol: Protocol,
    ranking: Ranking | None,
) -> list[Row]:
    """Return the figures of each micrograph at one threshold, in the order of the truth."""
    rows = []
    for index, pair in enumerate(pairs):
        row: Row = {"micrograph": pair.micrograph}
        row |= _plain_row(protocol.summarise(counts[index : index + 1]))
        row["average_precision"] = average_precision(ranking.curve_of(index)) if ranking else None
        rows.append(row)
    return rows


def match_rows(pairs: Sequence[Pair], matcher: Matcher, threshold: float) -> list[Row]:
    """Return the matched pairs of the picks above a threshold; coordinates in pixels."""
    rows: list[Row] = []
    for pair in (pair.above(threshold) for pair in pairs):
        found = matcher(pair.picks, pair.score, pair.truth, pair.radius_px)
        for pick, particle, distance in zip(found.pick, found.truth, found.distance, strict=True):
            (y, x), (true_y, true_x) = pair.picks[pick].tolist(), pair.truth[particle].tolist()
            row: Row = {
                "micrograph": pair.micrograph,
                "x": x,
                "y": y,
                "score": float(pair.score[pick]),
            }
            row |= {"true_x": true_x, "true_y": true_y}
            row["distance_angstrom"] = float(distance) * pair.pixel_size_angstrom
            rows.append(row)
    return rows


def by_radius(
    pairs: Sequence[Pair], fractions: Sequence[float], threshold: float, protocol: Protocol
) -> dict[str, Row]:
    """Return a one-to-one protocol's figures at several radii and one threshold."""
    table = {}
    for fraction in fractions:
        sized = [dataclasses.replace(p, radius_px=fraction * p.diameter_px) for p in pairs]
        summary = protocol.summarise(count_all(sized, protocol, np.asarray([threshold]))[:, 0])
        row: Row = {"average_precision": average_precision(rank(sized, match_hungarian).curve())}
        table[f"{fraction:g}"] = row | _plain_row(
            {name: summary[name] for name in (*RATIOS, "matched")}
        )
    return table


def mean_of_rows(rows: Sequence[Row]) -> Row:
    """Return the mean over micrographs of each figure, over those where it is defined."""
    means: Row = {}
    for name in (*RATIOS, "average_precision"):
        defined = [value for row in rows if isinstance(value := row.get(name), float)]
        means[name] = float(np.mean(defined)) if defined else None
    return means


def average_precision_range(
    ranking: Ranking, draws: Int[np.ndarray, "draw micrograph"], level: float
) -> tuple[float, float] | None:
    """Return the bootstrap interval of the pooled average precision."""
    return average_precision_interval(
        ranking.score, ranking.is_hit, ranking.micrograph, ranking.num_true, draws, level
    )


def plain(value: float | None, name: str = "") -> float | int | None:
    """Return a number as JSON knows it: None where undefined, whole where it counts."""
    if value is None or not np.isfinite(value):
        return None
    return int(value) if name in ("matched", "picked", "true") else float(value)  # type:
    ignore[call - overload]


def _plain_row(summary: Mapping[str, float | None]) -> Row:
    return {name: plain(value, name) for name, value in summary.items()}
