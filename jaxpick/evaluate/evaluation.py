"""Score picks against true particles under a named protocol: the function the others serve."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from jaxpick.evaluate import tables
from jaxpick.evaluate.bootstrap import draw_micrographs
from jaxpick.evaluate.curves import average_precision, best_threshold
from jaxpick.evaluate.hints import orientation_hint
from jaxpick.evaluate.pairs import Pair, Pairing, Terms, pair_micrographs
from jaxpick.evaluate.protocols import PROTOCOLS, Protocol
from jaxpick.evaluate.tables import Ranking, Row
from jaxpick.io.files import InputError
from jaxpick.io.nouns import Picks
from jaxpick.spec import require

ProtocolName = Literal[
    "hungarian",
    "score_order",
    "deepem_f2",
    "topaz_ap",
    "parsed_accuracy",
    "iou06_nearest",
    "pixel_mean",
    "pixel_cryosegnet_released",
    "repic_box_pixels",
]
MissingPicks = Literal["count", "leave_out"]
MissingTruth = Literal["leave_out", "empty"]
REPORTED_FRACTIONS = (0.2, 0.3, 0.5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateSpec:
    """How to score picks.

    Attributes:
        diameter_angstrom: of the particle.
        protocol: see `protocols.PROTOCOLS`.
        radius_fraction: of the diameter, within which a pick finds a particle; the protocol's
            own when left out.
        pixel_size_angstrom: overrides what the files say.
        margin_px, margin_angstrom: width of a border where picks and truths are left out (they
            add up).
        image_shape: (height, width) of every micrograph whose own is not known.
        box_angstrom: side of the squares in box protocols, the diameter when left out.
        threshold: picks of score >= threshold count; every pick when left out.
        missing_picks: a micrograph with truth and no picks counts its misses, or is left out.
        missing_truth: a micrograph with picks and no truth is left out, or is empty.
        bootstrap: number of draws of micrographs behind the intervals, 0 for none.
        confidence: of the intervals.
        seed: of the draws.
    """

    diameter_angstrom: float
    protocol: ProtocolName = "hungarian"
    radius_fraction: float | None = None
    pixel_size_angstrom: float | None = None
    margin_px: float = 0.0
    margin_angstrom: float = 0.0
    image_shape: tuple[int, int] | None = None
    box_angstrom: float | None = None
    threshold: float | None = None
    missing_picks: MissingPicks = "count"
    missing_truth: MissingTruth = "leave_out"
    bootstrap: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        require(
            self.protocol in PROTOCOLS, "protocol", self.protocol, f"one of {', '.join(PROTOCOLS)}"
        )
        for name in ("diameter_angstrom", "radius_fraction", "pixel_size_angstrom", "box_angstrom"):
            value = getattr(self, name)
            require(value is None or 0 < value < np.inf, name, value, "a number above 0")
        for name in ("margin_px", "margin_angstrom", "bootstrap"):
            require(0 <= getattr(self, name) < np.inf, name, getattr(self, name), "0 or more")
        require(0 < self.confidence < 1, "confidence", self.confidence, "a number between 0 and 1")
        require(
            self.threshold is None or math.isfinite(self.threshold),
            "threshold",
            self.threshold,
            "a number",
        )

    @property
    def radius_angstrom(self) -> float:
        """Match radius in angstrom."""
        fraction = self.radius_fraction
        return self.diameter_angstrom * (
            PROTOCOLS[self.protocol].radius_fraction if fraction is None else fraction
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The outcome, in plain numbers.

    Attributes:
        metrics: pooled figures with their settings, as `metrics.json` holds them.
        curve: a row for each threshold, descending.
        per_micrograph: a row for each micrograph with truth, at the threshold of the figures on
            top.
        matches: a row for each matched pair at that threshold; empty for protocols that are not
            one-to-one.
    """

    metrics: Mapping[str, object]
    curve: tuple[Row, ...]
    per_micrograph: tuple[Row, ...]
    matches: tuple[Row, ...]


def evaluate(
    picks: Sequence[Picks],
    truth: Sequence[Picks],
    *,
    spec: EvaluateSpec,
    shapes: Mapping[str, tuple[int, int]] | None = None,
) -> Evaluation:
    """Score picks against truth.

    The curve and the average precision come from one matching of all picks; the figures at a named
    threshold are those of the picks above it alone, as though no other had been made.

    Args:
        picks, truth: one entry for each micrograph; names are matched forgivingly.
        spec: the settings.
        shapes: (height, width) by micrograph name; margins, areas and pixel protocols need them
            (or `image_shape`).

    Raises:
        InputError: when picks and truth cannot be brought together (see `pair_micrographs`) or
            a needed shape is unknown.
    """
    protocol = PROTOCOLS[spec.protocol]
    pairing = pair_micrographs(picks, truth, terms_of(spec), shapes)
    _require_shapes(pairing.pairs, spec.protocol)
    ranking = tables.rank(pairing.pairs, protocol.matcher) if protocol.matcher else None
    curve = (
        tables.curve_rows(ranking.curve())
        if ranking
        else tables.counted_curve_rows(pairing.pairs, protocol)
    )
    thresholds = _named_thresholds(curve, spec.threshold)
    counts = tables.count_all(pairing.pairs, protocol, np.asarray(list(thresholds.values())))
    headline = _headline(thresholds, protocol)
    at_headline = counts[:, list(thresholds).index(headline)]
    rows = tables.micrograph_rows(pairing.pairs, at_headline, protocol, ranking)
    draws = _draws(pairing.pairs, spec)
    points = tables.operating_points(counts, thresholds, protocol, draws, spec.confidence)
    metrics = _ranked_figures(ranking, draws, spec.confidence) | _on_top(points[headline], headline)
    metrics |= {"thresholds": points, "mean_over_micrographs": tables.mean_of_rows(rows)}
    metrics["by_radius_fraction"] = tables.by_radius(
        pairing.pairs, REPORTED_FRACTIONS, thresholds[headline], PROTOCOLS["hungarian"]
    )
    matches = (
        tables.match_rows(pairing.pairs, protocol.matcher, thresholds[headline])
        if protocol.matcher
        else []
    )
    return Evaluation(
        metrics=metrics | _settings(spec, protocol, pairing),
        curve=tuple(curve),
        per_micrograph=tuple(rows),
        matches=tuple(matches),
    )


def terms_of(spec: EvaluateSpec) -> Terms:
    """Return what bringing picks and truth together needs of the settings."""
    return Terms(
        diameter_angstrom=spec.diameter_angstrom,
        radius_angstrom=spec.radius_angstrom,
        box_angstrom=spec.box_angstrom or spec.diameter_angstrom,
        margin_angstrom=spec.margin_angstrom,
        margin_px=spec.margin_px,
        pixel_size_angstrom=spec.pixel_size_angstrom,
        image_shape=spec.image_shape,
        missing_picks=spec.missing_picks,
        missing_truth=spec.missing_truth,
    )


def _require_shapes(pairs: Sequence[Pair], name: str) -> None:
    unknown = [pair.micrograph for pair in pairs if pair.shape is None]
    if PROTOCOLS[name].needs_shape and unknown:
        raise InputError(
            f"{unknown[0]}: its height and width are unknown, the protocol {name} needs them"
        )


def _named_thresholds(curve: Sequence[Row], given: float | None) -> dict[str, float]:
    """Return the thresholds worth a name; where a best one is undefined every pick counts."""
    named = {"all": -np.inf} if given is None else {"given": given, "all": -np.inf}
    accuracies = [name for name in ("accuracy", "accuracy_corrected") if curve and name in curve[0]]
    for name in ("f1", "f2", *accuracies):
        best = best_threshold(_column(curve, "threshold"), _column(curve, name))
        named[f"best_{name}"] = -np.inf if best is None else best
    return named


def _column(curve: Sequence[Row], name: str) -> np.ndarray:
    values = [row[name] for row in curve]
    return np.asarray([np.nan if value is None else value for value in values], np.float64)


def _headline(thresholds: Mapping[str, float], protocol: Protocol) -> str:
    return "given" if "given" in thresholds else protocol.headline


def _draws(pairs: Sequence[Pair], spec: EvaluateSpec) -> np.ndarray:
    """Return the bootstrap's draws, none where a single micrograph could only be drawn again."""
    num_draws = spec.bootstrap if len(pairs) > 1 else 0
    return draw_micrographs(len(pairs), num_draws, spec.seed)


def _ranked_figures(ranking: Ranking | None, draws: np.ndarray, level: float) -> Row:
    if ranking is None:
        return {"average_precision": None, "average_precision_interval": None}
    interval = tables.average_precision_range(ranking, draws, level)
    return {
        "average_precision": average_precision(ranking.curve()),
        "average_precision_interval": interval,
    }


def _on_top(point: Row, headline: str) -> Row:
    return {"at_threshold": headline} | point


def _settings(spec: EvaluateSpec, protocol: Protocol, pairing: Pairing) -> Row:
    sizes = sorted({pair.pixel_size_angstrom for pair in pairing.pairs})
    return {
        "protocol": spec.protocol,
        "about_protocol": protocol.about,
        "match_radius_angstrom": spec.radius_angstrom,
        "diameter_angstrom": spec.diameter_angstrom,
        "pixel_size_angstrom": sizes[0] if len(sizes) == 1 else sizes,
        "margin_px": sorted({pair.margin_px for pair in pairing.pairs}),
        "picks_in_margin": pairing.picks_in_margin,
        "truths_in_margin": pairing.truths_in_margin,
        "picks_off_image": pairing.picks_off_image,
        "truths_off_image": pairing.truths_off_image,
        "orientation_hint": orientation_hint(pairing.pairs),
        "micrographs": len(pairing.pairs),
        "micrographs_without_picks": list(pairing.without_picks),
        "micrographs_without_truth": list(pairing.without_truth),
        "bootstrap": {"draws": spec.bootstrap, "confidence": spec.confidence, "seed": spec.seed},
    }
