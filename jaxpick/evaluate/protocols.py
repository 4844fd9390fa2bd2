"""The named ways in which pickers have been scored, each with its source and what is wrong with it.

A protocol counts, for one micrograph and many thresholds at once, and then sums up the counts of a
set of micrographs. `hungarian` is the default and the yardstick; the others exist so that published
figures can be understood.
"""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Float

from jaxpick.evaluate import matching, pixels, summaries
from jaxpick.evaluate.pairs import Pair
from jaxpick.evaluate.summaries import Counts, Summary

Matcher = Callable[[np.ndarray, np.ndarray, np.ndarray, float], matching.Matching]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way of scoring.

    Attributes:
        about: source, rule and faults, for the reader of a result file.
        count: counts of one micrograph at each of some thresholds, columns as in `Counts`.
        summarise: ratios of the counts of a set of micrographs.
        matcher: the one-to-one matching behind the precision-recall curve and the average
            precision; None where the protocol has none: the curve then counts anew at each
            threshold and there is no average precision.
        radius_fraction: of the diameter, unless told otherwise.
        headline: which threshold the figures at the top of a result belong to when none is given.
        needs_shape: whether the size of the micrographs must be known.
    """

    about: str
    count: Callable[[Pair, np.ndarray], np.ndarray]
    summarise: Callable[[np.ndarray], Summary] = summaries.summarise_pooled
    matcher: Matcher | None = None
    radius_fraction: float = 0.5
    headline: Literal["all", "best_f2"] = "all"
    needs_shape: bool = False


def count_matched(
    pair: Pair, thresholds: Float[np.ndarray, " threshold"], matcher: Matcher
) -> Float[np.ndarray, "threshold field"]:
    """Count one-to-one pairs, matching anew the picks above each threshold."""
    return _at_each(pair, thresholds, lambda kept: _count_one(kept, matcher))


def count_parsed(
    pair: Pair, thresholds: Float[np.ndarray, " threshold"]
) -> Float[np.ndarray, "threshold field"]:
    """Count picks whose nearest truth is nearer than the radius.

    A truth is missed when no such pick has it as its nearest. Several picks may find one
    truth, and each counts as right.
    """

    def one(kept: Pair) -> Counts:
        index, distance = matching.nearest(kept.picks, kept.truth)
        is_hit = distance < kept.radius_px
        hits, found = float(is_hit.sum()), len(np.unique(index[is_hit]))
        return Counts(
            true_positive=hits,
            false_positive=len(kept.picks) - hits,
            false_negative=len(kept.truth) - found,
            picked=len(kept.picks),
            true=len(kept.truth),
            matched=hits,
            distance_angstrom=float(distance[is_hit].sum()) * kept.pixel_size_angstrom,
            area=kept.area_px / kept.diameter_px**2,
        )

    return _at_each(pair, thresholds, one)


def count_iou06(
    pair: Pair, thresholds: Float[np.ndarray, " threshold"]
) -> Float[np.ndarray, "threshold field"]:
    """Count truths whose nearest pick overlaps them, as equal squares, with IoU > 0.6.

    One pick may serve several truths, so FP = picks - TP can even be negative and the precision
    exceed 1.
    """

    def one(kept: Pair) -> Counts:
        index, distance = matching.nearest(kept.truth, kept.picks)
        is_found = np.zeros(len(index), bool)
        if len(kept.picks):
            is_found = square_iou(kept.truth - kept.picks[index], kept.box_px) > 0.6
        found = float(is_found.sum())
        return Counts(
            true_positive=found,
            false_positive=len(kept.picks) - found,
            false_negative=len(kept.truth) - found,
            picked=len(kept.picks),
            true=len(kept.truth),
            matched=found,
            distance_angstrom=float(distance[is_found].sum()) * kept.pixel_size_angstrom,
        )

    return _at_each(pair, thresholds, one)


def count_disc_pixels(
    pair: Pair, thresholds: Float[np.ndarray, " threshold"]
) -> Float[np.ndarray, "threshold field"]:
    """Count pixels of discs around picks against discs around truths."""
    return _with_particles(pair, thresholds, pixels.disc_counts(pair, thresholds))


def count_square_pixels(
    pair: Pair, thresholds: Float[np.ndarray, " threshold"]
) -> Float[np.ndarray, "threshold field"]:
    """Count pixels of squares around picks against squares around truths."""
    return _with_particles(pair, thresholds, pixels.square_counts(pair, thresholds))


def square_iou(offset: Float[np.ndarray, "pair 2"], side: float) -> Float[np.ndarray, " pair"]:
    """Return the IoU of equal squares: i / (2 b^2 - i), i = (b - |dx|)(b - |dy|)."""
    overlap = np.prod(np.maximum(side - np.abs(offset), 0.0), axis=1)
    return overlap / (2 * side**2 - overlap)


def _at_each(
    pair: Pair, thresholds: Float[np.ndarray, " threshold"], count: Callable[[Pair], Counts]
) -> Float[np.ndarray, "threshold field"]:
    rows = [count(pair.above(threshold)) for threshold in thresholds]
    return np.asarray(rows, np.float64).reshape(len(thresholds), len(Counts._fields))


def _count_one(pair: Pair, matcher: Matcher) -> Counts:
    found = matcher(pair.picks, pair.score, pair.truth, pair.radius_px)
    return Counts(
        true_positive=len(found),
        false_positive=len(pair.picks) - len(found),
        false_negative=len(pair.truth) - len(found),
        picked=len(pair.picks),
        true=len(pair.truth),
        matched=len(found),
        distance_angstrom=float(found.distance.sum()) * pair.pixel_size_angstrom,
    )


def _with_particles(
    pair: Pair,
    thresholds: Float[np.ndarray, " threshold"],
    counts: Float[np.ndarray, "threshold 3"],
) -> Float[np.ndarray, "threshold field"]:
    rows = [
        Counts(
            hit, other, missed, np.sum(pair.score >= threshold), len(pair.truth), area=pair.area_px
        )
        for (hit, other, missed), threshold in zip(counts, thresholds, strict=True)
    ]
    return np.asarray(rows, np.float64).reshape(len(thresholds), len(Counts._fields))


def _one_to_one(
    matcher: Matcher, about: str, headline: Literal["all", "best_f2"] = "all"
) -> Protocol:
    return Protocol(
        about=about,
        count=lambda pair, thresholds: count_matched(pair, thresholds, matcher),
        matcher=matcher,
        headline=headline,
    )


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "hungarian": _one_to_one(
            matching.match_hungarian,
            "One-to-one: most pairs with d <= r (half the diameter), then least total distance; "
            "pooled; average precision over all particles from one matching of all picks. The "
            "yardstick here. Fault: the one matching ignores scores, so among duplicates the "
            "better placed counts, not the better scored.",
        ),
        "score_order": _one_to_one(
            matching.match_by_score,
            "One-to-one, each pick in descending score taking its nearest free particle with d <= "
            "r (half the diameter); as detection benchmarks do (PASCAL VOC, COCO). Fault: in "
            "crowds it can miss pairs that an assignment finds.",
        ),
        "deepem_f2": _one_to_one(
            matching.match_hungarian,
            "DeepEM (Zhu 2017, doi:10.1186/s12859-017-1757-y, equation 8): precision-recall "
            "curve, threshold at the largest F2. Faults: the threshold is chosen on the data it "
            "is judged on; the paper states neither match rule nor tolerance, so the yardstick's "
            "(one-to-one, half the diameter) stand in.",
            headline="best_f2",
        ),
        "topaz_ap": _one_to_one(
            matching.match_topaz,
            "Topaz (Bepler 2019, doi:10.1038/s41592-019-0575-8; topaz 0.3.20 match_coordinates): "
            "assignment of least sum of min(0, d^2 - r^2), d < r, average precision over all "
            "particles at distinct scores. Faults: squared distances may trade two far pairs for "
            "a near one; the radius is the user's (half the diameter here).",
        ),
        "parsed_accuracy": Protocol(
            about="PARSED (Yao 2020, supplement Note S2): a pick is right when its nearest "
            "particle is nearer than 0.3 apertures (the diameter here); accuracy with TN "
            "from the empty area, and F1. Faults: not one-to-one, duplicates count as "
            "right; TN takes the aperture's diameter for its radius (accuracy_corrected "
            "does not) and outweighs everything else on sparse micrographs; FN is not spelt "
            "out (here: particles that are no right pick's nearest).",
            count=count_parsed,
            summarise=summaries.summarise_parsed,
            radius_fraction=0.3,
            needs_shape=True,
        ),
        "iou06_nearest": Protocol(
            about="Cryo-EMMAE (azamanos/Cryo-EMMAE, utils/evaluation_utils.py): each particle "
            "takes its nearest pick, right when the equal squares overlap with IoU > 0.6; "
            "pooled, with F3. Faults: not one-to-one, one pick may serve several particles "
            "and the precision can exceed 1; squares are stricter along diagonals; their "
            "code leaves out the particles of a micrograph without a prediction file.",
            count=count_iou06,
            summarise=summaries.summarise_iou,
        ),
        "pixel_mean": Protocol(
            about="Pixels of discs around picks against discs around particles (as CryoFSL), "
            "ratios per micrograph, then their mean; F1 equals Dice for each micrograph. "
            "Faults: blind to duplicates and to merged neighbours, and it rewards a right "
            "diameter as much as a right place.",
            count=count_disc_pixels,
            summarise=summaries.summarise_mean,
            needs_shape=True,
        ),
        "pixel_cryosegnet_released": Protocol(
            about="CryoSegNet as released (utils/precision_recall.py; VMPicker copies it): pixels "
            "of discs, 0.001 smoothing, and the MAXIMUM over micrographs of each ratio, F1 "
            "from the two maxima. Faults: the maximum (0.893 where the mean is 0.776 on "
            "CryoFSL's own figures), so more micrographs can only help; an empty prediction "
            "has precision 1. Not copied: skipped first 20 micrographs, swallowed failures, "
            "rounding, JPEG masks.",
            count=count_disc_pixels,
            summarise=summaries.summarise_maximum,
            needs_shape=True,
        ),
        "repic_box_pixels": Protocol(
            about="REPIC (ccameron/REPIC, repic/utils/score_detections.py): pixels of the union "
            "of square boxes, mean over micrographs of precision, recall, F1, and the "
            "picked share of the area. Faults: pixels as above; boxes wider than particles "
            "forgive misplacement; score cuts differ by picker; truth is the deposited set, "
            "incomplete. Not copied: boxes over the top or left edge vanish there; here "
            "they are cut at the edge.",
            count=count_square_pixels,
            summarise=summaries.summarise_boxes,
            needs_shape=True,
        ),
    }
)
