"""Bring picks and truth of a micrograph together: names, pixel size, margin, sizes in pixels.

A micrograph with truth and without picks stays and counts its misses; one with picks and without
truth is left out and named. Picks and truths nearer to the border than the margin are left out on
both sides.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from jaxpick.io.files import InputError
from jaxpick.io.names import match_names, split_inside
from jaxpick.io.nouns import Picks, make_picks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """Picks and true particles of one micrograph, within the scored area; (y, x) in pixels.

    Attributes:
        micrograph: the truth's name for it.
        picks, score, pick_diameter_px: one row a pick.
        truth, truth_diameter_px: one row a particle.
        pixel_size_angstrom: of the micrograph.
        diameter_px: of the particle, as given.
        radius_px: within which a pick finds a particle.
        box_px: side of the square that stands for a particle in box protocols.
        shape: of the micrograph, None where unknown.
        margin_px: width of the border that is not scored.
    """

    micrograph: str
    picks: Float[np.ndarray, "pick 2"]
    score: Float[np.ndarray, " pick"]
    pick_diameter_px: Float[np.ndarray, " pick"]
    truth: Float[np.ndarray, "truth 2"]
    truth_diameter_px: Float[np.ndarray, " truth"]
    pixel_size_angstrom: float
    diameter_px: float
    radius_px: float
    box_px: float
    shape: tuple[int, int] | None
    margin_px: float

    def above(self, threshold: float) -> "Pair":
        """Return the pair with only the picks of score >= threshold."""
        keep = self.score >= threshold
        columns = {
            name: getattr(self, name)[keep] for name in ("picks", "score", "pick_diameter_px")
        }
        return dataclasses.replace(self, **columns)

    @property
    def area_px(self) -> float:
        """Scored area in pixels, NaN where the shape is unknown."""
        if self.shape is None:
            return float("nan")
        return float(np.prod([max(0.0, side - 2 * self.margin_px) for side in self.shape]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """Sizes, and what a missing side means; `image_shape` where a micrograph has no own."""

    diameter_angstrom: float
    radius_angstrom: float
    box_angstrom: float
    margin_angstrom: float = 0.0
    margin_px: float = 0.0
    pixel_size_angstrom: float | None = None
    image_shape: tuple[int, int] | None = None
    missing_picks: Literal["count", "leave_out"] = "count"
    missing_truth: Literal["leave_out", "empty"] = "leave_out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairing:
    """What was brought together and what was not.

    Attributes:
        pairs: one for each micrograph with truth, in the truth's order.
        without_picks: micrographs with truth and without picks, in `pairs` unless left out.
        without_truth: micrographs with picks and without truth; they are left out.
        picks_in_margin, truths_in_margin: numbers left out.
        picks_off_image, truths_off_image: numbers outside an image of known shape; they are scored.
    """

    pairs: tuple[Pair, ...]
    without_picks: tuple[str, ...]
    without_truth: tuple[str, ...]
    picks_in_margin: int
    truths_in_margin: int
    picks_off_image: int
    truths_off_image: int


def pair_micrographs(
    picks: Sequence[Picks],
    truth: Sequence[Picks],
    terms: Terms,
    shapes: Mapping[str, tuple[int, int]] | None = None,
) -> Pairing:
    """Bring picks and truth together by micrograph name (forgiving: see `io.names`).

    Args:
        picks, truth: one entry for each micrograph.
        terms: sizes, and what a missing side means.
        shapes: (height, width) in pixels by micrograph name, where known.

    Raises:
        InputError: on a micrograph given twice, no micrograph in common, a NaN, or an unknown
            pixel size or shape.
    """
    _check("picks", picks)
    _check("truth", truth)
    matched = match_names([p.micrograph for p in picks], [t.micrograph for t in truth])
    without_truth, named = matched.unmatched_wanted, truth
    if terms.missing_truth == "empty":
        truth = [*truth, *(_nothing(name) for name in without_truth)]
        matched = match_names([p.micrograph for p in picks], [t.micrograph for t in truth])
    if terms.missing_picks == "leave_out":
        truth = [t for t in truth if t.micrograph not in matched.unmatched_available]
    if not truth or (picks and not matched.pairs):
        raise InputError(
            f"picks and truth share no micrograph: {_examples(picks)} against {_examples(named)}"
        )
    picks_by_name = {matched.pairs[p.micrograph]: p for p in picks if p.micrograph in matched.pairs}
    shapes = shapes or {}
    shape_of = match_names([t.micrograph for t in truth], list(shapes)).pairs
    shape_by_name = {name: shapes[found] for name, found in shape_of.items()}
    common = _common_pixel_size([*picks, *truth])
    made = [
        _pair(
            picks_by_name.get(t.micrograph, _nothing(t.micrograph)),
            t,
            terms,
            shape_by_name.get(t.micrograph),
            common,
        )
        for t in truth
    ]
    return Pairing(
        pairs=tuple(pair for pair, _ in made),
        without_picks=matched.unmatched_available,
        without_truth=without_truth,
        picks_in_margin=sum(left_out[0] for _, left_out in made),
        truths_in_margin=sum(left_out[1] for _, left_out in made),
        picks_off_image=sum(left_out[2] for _, left_out in made),
        truths_off_image=sum(left_out[3] for _, left_out in made),
    )


def _nothing(micrograph: str) -> Picks:
    return make_picks(micrograph, np.zeros(0), np.zeros(0))


def _examples(entries: Sequence[Picks]) -> str:
    return ", ".join(entry.micrograph for entry in entries[:3]) or "none"


def _check(side: str, entries: Sequence[Picks]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.micrograph in seen:
            raise InputError(
                f"{side}: {entry.micrograph} occurs twice, expected each micrograph once"
            )
        seen.add(entry.micrograph)
        if not (np.isfinite(entry.x).all() and np.isfinite(entry.y).all()):
            raise InputError(
                f"{side}: {entry.micrograph} has a coordinate that is not a finite number"
            )
        if np.isnan(entry.score).any():
            raise InputError(
                f"{side}: {entry.micrograph} has a score that is not a number, expected numbers"
            )


def _pair(
    picks: Picks,
    truth: Picks,
    terms: Terms,
    own_shape: tuple[int, int] | None,
    common_pixel_size: float | None,
) -> tuple[Pair, tuple[int, ...]]:
    """Return the pair in pixels; picks, truths in the margin and picks, truths off the image."""
    pixel_size = _pixel_size(picks, truth, terms, common_pixel_size)
    shape = own_shape or terms.image_shape
    margin_px = terms.margin_px + terms.margin_angstrom / pixel_size
    kept_picks = picks.select(_is_scored(picks, shape, margin_px))
    kept_truth = truth.select(_is_scored(truth, shape, margin_px))
    diameter_px = terms.diameter_angstrom / pixel_size
    pair = Pair(
        micrograph=truth.micrograph,
        picks=np.stack([kept_picks.y, kept_picks.x], 1).astype(np.float64),
        score=np.asarray(kept_picks.score, np.float64),
        pick_diameter_px=_diameters_px(kept_picks, pixel_size, diameter_px),
        truth=np.stack([kept_truth.y, kept_truth.x], 1).astype(np.float64),
        truth_diameter_px=_diameters_px(kept_truth, pixel_size, diameter_px),
        pixel_size_angstrom=pixel_size,
        diameter_px=diameter_px,
        radius_px=terms.radius_angstrom / pixel_size,
        box_px=terms.box_angstrom / pixel_size,
        shape=shape,
        margin_px=margin_px,
    )
    off_image = [split_inside(side, shape)[1] if shape else 0 for side in (picks, truth)]
    return pair, (len(picks) - len(kept_picks), len(truth) - len(kept_truth), *off_image)


def _common_pixel_size(entries: Sequence[Picks]) -> float | None:
    """Return the pixel size that all agree on: one without picks may not tell its own. None if they differ."""
    known = [p.pixel_size_angstrom for p in entries if p.pixel_size_angstrom]
    return known[0] if known and max(known) <= 1.01 * min(known) else None


def _pixel_size(picks: Picks, truth: Picks, terms: Terms, common: float | None) -> float:
    if terms.pixel_size_angstrom is not None:
        return terms.pixel_size_angstrom
    known = [p.pixel_size_angstrom for p in (truth, picks) if p.pixel_size_angstrom]
    if not known and common is not None:
        return float(common)
    if not known:
        raise InputError(f"{truth.micrograph}: pixel size unknown, expected pixel_size=ANGSTROM")
    if len(known) == 2 and abs(known[0] / known[1] - 1) > 0.01:
        raise InputError(
            f"{truth.micrograph}: the truth says {known[0]:g} and the picks {known[1]:g} "
            "angstrom a pixel, expected the same; pixel_size=ANGSTROM overrides both"
        )
    return float(known[0])


def _is_scored(
    entry: Picks, shape: tuple[int, int] | None, margin_px: float
) -> Bool[np.ndarray, " pick"]:
    if margin_px == 0:
        return np.ones(len(entry), bool)
    if shape is None:
        raise InputError(
            f"{entry.micrograph}: its height and width are unknown, a margin needs them"
        )
    in_y = (entry.y >= margin_px) & (entry.y <= shape[0] - 1 - margin_px)
    in_x = (entry.x >= margin_px) & (entry.x <= shape[1] - 1 - margin_px)
    return in_y & in_x


def _diameters_px(entry: Picks, pixel_size: float, otherwise: float) -> Float[np.ndarray, " pick"]:
    own = np.asarray(entry.diameter_angstrom, np.float64) / pixel_size
    return np.where(np.isfinite(own) & (own > 0), own, otherwise)
