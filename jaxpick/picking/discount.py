"""Scores discounted by what pure noise would give in the same area.

A network gives a few confident peaks in any large field of noise. Where particles are many they drown; in an
empty micrograph they would be all its picks. How many peaks noise gives per square diameter at or above each score
is measured once with the weights. A score is multiplied by the share of its micrograph's peaks, at or above it,
that noise does not explain: one minus an upper bound of the false discovery rate (Benjamini and Hochberg 1995, with
a known null). The order of the picks of a micrograph does not change.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from jaxpick.spec import require

# Weak candidates keep an order among them, for those who want them all the same.
LEAST_SHARE = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoiseSpec:
    """Peaks in pure noise; empty tuples discount nothing.

    Attributes:
        score: ascending.
        per_square_diameter: mean number of peaks with at least that score in an area of one diameter squared.
    """

    score: tuple[float, ...] = ()
    per_square_diameter: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        same = len(self.score) == len(self.per_square_diameter)
        require(same, "per_square_diameter", self.per_square_diameter, "as many values as scores")
        ascending = list(self.score) == sorted(self.score)
        require(ascending, "score", self.score, "ascending values")


def discount(
    score: Float[np.ndarray, " pick"], area_square_diameters: float, noise: NoiseSpec
) -> Float[np.ndarray, " pick"]:
    """Return the discounted scores.

    Args:
        score: of one micrograph's picks, best first.
        area_square_diameters: usable area of the micrograph over the squared diameter of the particle.
        noise: peaks in pure noise.
    """
    if not noise.score or not len(score):
        return score
    per_area = np.interp(score, noise.score, noise.per_square_diameter)
    expected = per_area * area_square_diameters
    # Noise is not the same everywhere (its rate was seen to double), and an empty micrograph must not keep its lucky
    # peaks: twice the mean and three standard deviations.
    bound = 2 * expected + 3 * np.sqrt(expected)
    share = np.clip(1 - bound / np.arange(1, len(score) + 1), LEAST_SHARE, 1)
    # What holds for a longer list holds for its better part.
    return score * np.maximum.accumulate(share[::-1])[::-1]
