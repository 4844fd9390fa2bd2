"""Precision, recall, F, and how they move with the score threshold.

With TP matched picks, FP other picks and FN missed particles:

    precision = TP / (TP + FP)          0 without picks
    recall    = TP / (TP + FN)          undefined (None) without particles
    F_beta    = (1 + beta^2) P R / (beta^2 P + R)        0 where P = R = 0
    jaccard   = TP / (TP + FP + FN)
    AP        = sum over distinct scores t of precision(t) (TP(t) - TP(next higher t)) / all
    particles

The curve comes from one matching of all picks, cut at each distinct score (equal scores stand or
fall together), and particles never found count in AP as missed: no interpolation, no normalisation
by the recall reached.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

Number = float | int | np.integer


def precision_of(true_positive: Number, false_positive: Number) -> float:
    """Return TP / (TP + FP), 0 without picks."""
    picked = true_positive + false_positive
    return float(true_positive / picked) if picked > 0 else 0.0


def recall_of(true_positive: Number, false_negative: Number) -> float | None:
    """Return TP / (TP + FN), None without particles."""
    true = true_positive + false_negative
    return float(true_positive / true) if true > 0 else None


def f_score(precision: float, recall: float | None, beta: float | int) -> float | None:
    """Return F_beta (van Rijsbergen 1979), None without recall, 0 where both are 0."""
    if recall is None:
        return None
    weighted = beta**2 * precision + recall
    return float((1 + beta**2) * precision * recall / weighted) if weighted > 0 else 0.0


def jaccard_of(
    true_positive: Number, false_positive: Number, false_negative: Number
) -> float | None:
    """Return TP / (TP + FP + FN), None where there is neither pick nor particle."""
    union = true_positive + false_positive + false_negative
    return float(true_positive / union) if union > 0 else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """Counts at each distinct score, thresholds descending.

    Attributes:
        threshold: picks with score >= threshold are kept.
        picked: number kept.
        matched: number kept and matched.
        num_true: number of particles.
    """

    threshold: Float[np.ndarray, " threshold"]
    picked: Float[np.ndarray, " threshold"]
    matched: Float[np.ndarray, " threshold"]
    num_true: float

    @property
    def precision(self) -> Float[np.ndarray, " threshold"]:
        """Precision at each threshold."""
        return self.matched / np.maximum(self.picked, 1e-300)

    @property
    def recall(self) -> Float[np.ndarray, " threshold"]:
        """Recall at each threshold, NaN without particles."""
        if self.num_true == 0:
            return np.full(len(self.threshold), np.nan)
        return self.matched / self.num_true

    def f_score(self, beta: float | int) -> Float[np.ndarray, " threshold"]:
        """F_beta at each threshold, NaN without particles."""
        precision, recall = self.precision, self.recall
        weighted = beta**2 * precision + recall
        return (1 + beta**2) * precision * recall / np.where(weighted == 0, 1.0, weighted)


def score_curve(
    score: Float[np.ndarray, " pick"],
    is_hit: Bool[np.ndarray, " pick"],
    num_true: float | int,
    weight: Float[np.ndarray, " pick"] | None = None,
) -> Curve:
    """Return the counts at each distinct score.

    Args:
        score: of each pick, all micrographs together.
        is_hit: whether the one matching pairs it with a particle.
        num_true: number of particles, found or not.
        weight: how often each pick counts (bootstrap), 1 when left out.
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    weights = np.ones(len(score)) if weight is None else weight[order]
    is_last = ends_of_ties(ordered)
    return Curve(
        threshold=ordered[is_last],
        picked=np.cumsum(weights)[is_last],
        matched=np.cumsum(weights * is_hit[order])[is_last],
        num_true=float(num_true),
    )


def ends_of_ties(ordered: Float[np.ndarray, " pick"]) -> Bool[np.ndarray, " pick"]:
    """Return which of the sorted scores is the last of its equals."""
    return np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]


def average_precision(curve: Curve) -> float | None:
    """Return the average precision over all particles, None without particles."""
    if curve.num_true == 0:
        return None
    newly_matched = np.diff(curve.matched, prepend=0.0)
    return float(np.sum(curve.precision * newly_matched) / curve.num_true)


def best_threshold(
    threshold: Float[np.ndarray, " threshold"], value: Float[np.ndarray, " threshold"]
) -> float | None:
    """Return the highest threshold of the largest value, None where all are undefined."""
    defined = np.isfinite(value)
    if not defined.any():
        return None
    best = np.max(value[defined])
    return float(np.max(threshold[defined & (value >= best)]))
