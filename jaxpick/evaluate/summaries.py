"""From counts to ratios: how a set of micrographs becomes one precision, one recall, one F.

Counts are a matrix, one row a micrograph, columns as in `Counts`. Pooled ratios add the counts up
first; the others take ratios first and then their mean, or (as two published evaluations did) their
maximum.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxpick.evaluate.curves import f_score, jaccard_of, precision_of, recall_of

Summary = dict[str, float | None]


class Counts(NamedTuple):
    """What one micrograph gives at one threshold.

    TP, FP and FN are in the protocol's own unit (picks, truths or pixels); `picked` and `true` are
    always particles. `matched` is NaN where the protocol pairs nothing. `area` is the scored area
    in the protocol's own unit.
    """

    true_positive: float
    false_positive: float
    false_negative: float
    picked: float
    true: float
    matched: float = float("nan")
    distance_angstrom: float = 0.0
    area: float = float("nan")


def summarise_pooled(counts: Float[np.ndarray, "micrograph field"]) -> Summary:
    """Return the ratios of the summed counts."""
    total = Counts(*counts.sum(axis=0))
    return ratios(total) | _particles(total)


def summarise_parsed(counts: Float[np.ndarray, "micrograph field"]) -> Summary:
    """Return the pooled ratios with PARSED's accuracy (Note S2, equations 1 and 4), also corrected.

    As printed a particle's area is pi phi^2 with phi the aperture's diameter, four times the disc
    it means; the corrected one takes pi (phi / 2)^2. `area` is in squares of phi. A crowded
    micrograph can make TN negative.
    """
    total = Counts(*counts.sum(axis=0))
    printed = total.area / np.pi - total.true
    corrected = total.area / (np.pi / 4) - total.true
    accuracy = {
        "accuracy": _accuracy(total, printed),
        "accuracy_corrected": _accuracy(total, corrected),
    }
    return summarise_pooled(counts) | accuracy


def summarise_iou(counts: Float[np.ndarray, "micrograph field"]) -> Summary:
    """Return the pooled ratios with F3, which Cryo-EMMAE reports."""
    summary = summarise_pooled(counts)
    return summary | {"f3": f_score(summary["precision"] or 0.0, summary["recall"], 3)}


def summarise_mean(counts: Float[np.ndarray, "micrograph field"]) -> Summary:
    """Return the mean over micrographs of each ratio, over those where it is defined."""
    rows = [ratios(Counts(*row)) for row in counts]
    return _reduce(rows, np.mean) | _particles(Counts(*counts.sum(axis=0)))


def summarise_boxes(counts: Float[np.ndarray, "micrograph field"]) -> Summary:
    """Return the means over micrographs with REPIC's share of the area that is picked."""
    share = (counts[:, 0] + counts[:, 1]) / counts[:, Counts._fields.index("area")]
    return summarise_mean(counts) | {"picked_area_share": float(np.mean(share))}


def summarise_maximum(counts: Float[np.ndarray, "micrograph field"]) -> Summary:
    """Return each ratio's maximum over micrographs, smoothed by 0.001, and F of the maxima."""
    smooth = 0.001
    hit, other, missed = counts[:, 0] + smooth, counts[:, 1], counts[:, 2]
    precision, recall = float(np.max(hit / (hit + other))), float(np.max(hit / (hit + missed)))
    twice = 2 * counts[:, 0]
    dice = float(np.max((twice + smooth) / (twice + other + missed + smooth)))
    summary: Summary = {"precision": precision, "recall": recall}
    summary |= {f"f{beta}": f_score(precision, recall, beta) for beta in (1, 2)}
    best_jaccard = _reduce([ratios(Counts(*row)) for row in counts], np.max)["jaccard"]
    return (
        summary | {"jaccard": best_jaccard, "dice": dice} | _particles(Counts(*counts.sum(axis=0)))
    )


def ratios(counts: Counts) -> Summary:
    """Return precision, recall, F1, F2 and Jaccard of one set of counts."""
    precision = precision_of(counts.true_positive, counts.false_positive)
    recall = recall_of(counts.true_positive, counts.false_negative)
    return {
        "precision": precision,
        "recall": recall,
        "f1": f_score(precision, recall, 1),
        "f2": f_score(precision, recall, 2),
        "jaccard": jaccard_of(*counts[:3]),
    }


def _particles(total: Counts) -> Summary:
    paired = np.isfinite(total.matched)
    has_distance = paired and total.matched > 0
    return {
        "matched": total.matched if paired else None,
        "picked": total.picked,
        "true": total.true,
        "mean_center_error_angstrom": total.distance_angstrom / total.matched
        if has_distance
        else None,
    }


def _accuracy(total: Counts, true_negative: float) -> float | None:
    right = total.true_positive + true_negative
    everything = right + total.false_positive + total.false_negative
    return float(right / everything) if everything else None


def _reduce(rows: list[Summary], reduction: Callable[[list[float]], float]) -> Summary:
    summary: Summary = {}
    for name in rows[0]:
        defined = [value for row in rows if (value := row[name]) is not None]
        summary[name] = float(reduction(defined)) if defined else None
    return summary
