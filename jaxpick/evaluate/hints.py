"""Is one side upside down or transposed? Programs disagree on where y starts."""

import dataclasses
from collections.abc import Sequence

from jaxpick.evaluate.matching import match_hungarian
from jaxpick.evaluate.pairs import Pair


def orientation_hint(pairs: Sequence[Pair]) -> str | None:
    """Return a remark where flipping or transposing the picks would find far more particles.

    Far more: at least 20, and twice as many as there are now. Flips need the micrographs' shapes.
    """
    now = _num_matched(pairs)
    if 2 * now > sum(min(len(pair.picks), len(pair.truth)) for pair in pairs):
        return None
    for change in ("flipped in y", "flipped in x", "with x and y exchanged"):
        changed = [_changed(pair, change) for pair in pairs]
        found = _num_matched(changed)
        if found >= max(20, 2 * now):
            return f"picks {change} would find {found} particles instead of {now}"
    return None


def _num_matched(pairs: Sequence[Pair]) -> int:
    return sum(len(match_hungarian(p.picks, p.score, p.truth, p.radius_px)) for p in pairs)


def _changed(pair: Pair, change: str) -> Pair:
    if "exchanged" in change:
        return dataclasses.replace(pair, picks=pair.picks[:, ::-1].copy())
    if pair.shape is None:
        return pair
    axis = 0 if change.endswith("y") else 1
    picks = pair.picks.copy()
    picks[:, axis] = pair.shape[axis] - 1 - picks[:, axis]
    return dataclasses.replace(pair, picks=picks)
