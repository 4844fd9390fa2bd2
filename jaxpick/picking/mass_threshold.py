"""The mass below which blobs are no particles, found from the histogram of all masses.

PARSED (Yao, Qian and Huang 2020, Fig. S4) draws the histogram of a whole data set and cuts, by eye,
between its two peaks; where there is one peak, everything is kept. Here the eye is Silverman's test
(1981, J. R. Stat. Soc. B 43:97): the histogram, smoothed just enough to have one peak, is
resampled; if the resampled histograms seldom need as much smoothing, there are two peaks, and the
cut is the valley between them.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage, signal

from jaxpick.spec import require

_BINS = 512
_PADDING = 160  # empty bins on either side, so that a peak at the first bin is seen as one
_WIDEST = 0.3  # of the range: no histogram needs more smoothing to lose its second peak
_LEAST_BLOBS = 40
_TESTED_BLOBS = 4000


@dataclasses.dataclass(frozen=True, kw_only=True)
class MassSpec:
    """Which blobs are kept by their mass.

    Attributes:
        mass_min: blobs of this mass or less are not even in the histogram.
        cutoff: keep what is heavier than this, whatever the histogram; None finds it.
        p_value: two peaks are believed when one would look like it more rarely than this.
        share_min: each side of the cut must hold this share of the blobs.
        num_resamples: of Silverman's test.
    """

    mass_min: float = 0.0
    cutoff: float | None = None
    p_value: float = 0.05
    share_min: float = 0.05
    num_resamples: int = 200

    def __post_init__(self) -> None:
        require(self.mass_min >= 0, "mass_min", self.mass_min, "0 or above")
        require(self.cutoff is None or self.cutoff >= 0, "cutoff", self.cutoff, "0 or above")
        require(0 < self.p_value < 1, "p_value", self.p_value, "0 to 1")
        require(0 <= self.share_min < 0.5, "share_min", self.share_min, "0 to below 0.5")
        require(self.num_resamples >= 20, "num_resamples", self.num_resamples, "20 or more")


class MassCut(NamedTuple):
    """Where masses are cut: `threshold` (keep what is heavier), why, and how sure the two peaks
    are.
    """

    threshold: float
    reason: str
    p_value: float


def find_mass_cut(mass: Float[np.ndarray, " blob"], spec: MassSpec) -> MassCut:
    """Return the cut of the masses of a whole data set; `spec.mass_min` where there is one peak."""
    if spec.cutoff is not None:
        return MassCut(max(spec.cutoff, spec.mass_min), "given", float("nan"))
    mass = mass[mass > spec.mass_min]
    if len(mass) < _LEAST_BLOBS:
        return MassCut(spec.mass_min, f"fewer than {_LEAST_BLOBS} blobs", float("nan"))
    counts, edges = mass_histogram(mass, _BINS)
    valley, p_value = _two_peaks(counts, spec.num_resamples)
    if p_value >= spec.p_value:
        return MassCut(spec.mass_min, "one peak", p_value)
    threshold = float(edges[0] + (valley + 0.5) * (edges[1] - edges[0]))
    lighter = float(np.mean(mass <= threshold))
    if not spec.share_min <= lighter <= 1 - spec.share_min:
        return MassCut(spec.mass_min, "the second peak is too small", p_value)
    return MassCut(threshold, "valley between two peaks", p_value)


def heavier(mass: Float[np.ndarray, " blob"], cut: MassCut) -> Bool[np.ndarray, " blob"]:
    """Return which blobs are kept."""
    return mass > cut.threshold


def mass_histogram(
    mass: Float[np.ndarray, " blob"], num_bins: int = 60
) -> tuple[Int[np.ndarray, " bin"], Float[np.ndarray, " edge"]]:
    """Return counts and bin edges from the smallest mass to the 99.5th percentile (heavier ones
    are left out).
    """
    if not len(mass):
        return np.zeros(num_bins, np.int64), np.linspace(0.0, 1.0, num_bins + 1)
    low, high = float(mass.min()), float(np.percentile(mass, 99.5))
    counts, edges = np.histogram(mass, num_bins, (low, high if high > low else low + 1.0))
    return counts, edges


def _two_peaks(counts: Int[np.ndarray, " bin"], num_resamples: int) -> tuple[float, float]:
    """Return the bin of the valley and the probability that one peak looks as much like two."""
    counts = np.pad(counts, _PADDING)
    one, two = (_least_smoothing(counts, num_peaks) for num_peaks in (1, 2))
    if not two < one:
        return float("nan"), 1.0
    smooth = _smooth(counts, float(np.sqrt(one * two)))
    first, last = _peaks(smooth)[[0, -1]]
    valley = first + int(np.argmin(smooth[first : last + 1])) - _PADDING
    return float(valley), _p_value(counts, one, num_resamples)


def _p_value(counts: Int[np.ndarray, " padded"], width: float, num_resamples: int) -> float:
    """Return how often samples of the one-peaked density have two peaks at the same smoothing.

    The samples are shrunk to the variance of the data (Efron and Tibshirani 1993, section 16.5).
    """
    random = np.random.default_rng(0)
    num_blobs = int(counts.sum())
    bins = np.repeat(np.arange(len(counts)), counts).astype(np.float64)
    spread = 1.0 / np.sqrt(1.0 + width**2 / bins.var())
    num_two = 0
    for _ in range(num_resamples):
        drawn = random.choice(bins, min(num_blobs, _TESTED_BLOBS))
        drawn = drawn + width * random.standard_normal(len(drawn))
        drawn = bins.mean() + spread * (drawn - bins.mean())
        nearest = np.round(drawn).astype(np.int64)
        inside = nearest[(nearest >= 0) & (nearest < len(counts))]
        resampled = np.bincount(inside, minlength=len(counts))
        num_two += len(_peaks(_smooth(resampled, width))) > 1
    return num_two / num_resamples


def _least_smoothing(counts: Int[np.ndarray, " padded"], num_peaks: int) -> float:
    """Return the smallest Gaussian width, in bins, that leaves at most `num_peaks` peaks (by
    bisection).
    """
    low, high = 0.5, _WIDEST * _BINS
    for _ in range(14):
        middle = (low + high) / 2
        few = len(_peaks(_smooth(counts, middle))) <= num_peaks
        low, high = (low, middle) if few else (middle, high)
    return high


def _smooth(counts: Int[np.ndarray, " padded"], width: float) -> Float[np.ndarray, " padded"]:
    values = counts.astype(np.float64)
    return ndimage.gaussian_filter1d(values, width, mode="constant", truncate=5.0)


def _peaks(smooth: Float[np.ndarray, " padded"]) -> Int[np.ndarray, " peak"]:
    """Return the maxima that stand out from the rounding of the sum."""
    return signal.find_peaks(smooth, prominence=1e-9 * float(smooth.max()))[0]
