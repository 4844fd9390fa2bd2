"""The mass cut lies in the valley of two peaks, and one peak is not cut."""

import numpy as np
import pytest
from scipy import stats

from jaxpick.picking.mass_threshold import MassSpec, find_mass_cut, heavier, mass_histogram
from jaxpick.spec import SpecError


def _two_peaks(num_light, num_heavy, seed=0):
    """Return masses as in Fig. S4A: false blobs near 6, particles near 35."""
    random = np.random.default_rng(seed)
    light, heavy = stats.gamma(4, scale=2), stats.norm(35, 6)
    masses = [d.rvs(n, random_state=random) for d, n in ((light, num_light), (heavy, num_heavy))]
    grid = np.linspace(8, 35, 1000)
    density = num_light * light.pdf(grid) + num_heavy * heavy.pdf(grid)
    return np.concatenate(masses), grid, density


@pytest.mark.parametrize("counts", [(3000, 5000), (6000, 2000), (300, 500)])
def test_cut_lies_in_the_valley(counts):
    mass, grid, density = _two_peaks(*counts)
    cut = find_mass_cut(mass, MassSpec())
    assert cut.reason == "valley between two peaks" and cut.p_value < 0.05
    # Anywhere the density is within a few per cent of the lower peak of its minimum is the valley.
    at_cut = np.interp(cut.threshold, grid, density)
    assert at_cut < density.min() + 0.05 * min(density[0], density[-1])
    kept = heavier(mass, cut)
    assert abs(kept.sum() - counts[1]) < 0.03 * sum(counts)


def test_one_peak_is_rarely_cut():
    """At p = 0.05 a one-peaked law is cut at most as often; 40 data sets give 6 or fewer with p
    = 0.986.
    """
    laws = (
        stats.gamma(6, scale=4),
        stats.expon(0.5, 5),
        stats.norm(30, 5),
        stats.lognorm(0.8, 0, 7),
    )
    cuts = [
        find_mass_cut(
            np.maximum(law.rvs(1500, random_state=seed), 0.01), MassSpec(num_resamples=100)
        )
        for law in laws
        for seed in range(10)
    ]
    assert sum(cut.threshold > 0 for cut in cuts) <= 6


def test_a_handful_of_heavy_blobs_is_no_peak():
    mass, _, _ = _two_peaks(3000, 60)
    assert find_mass_cut(mass, MassSpec()).threshold == 0


def test_given_cutoff_and_mass_min_rule():
    mass, _, _ = _two_peaks(3000, 5000)
    assert find_mass_cut(mass, MassSpec(cutoff=10.3)).threshold == 10.3
    assert find_mass_cut(mass, MassSpec(cutoff=2.0, mass_min=4.0)).threshold == 4.0
    only_heavy = find_mass_cut(mass, MassSpec(mass_min=25.0))
    assert only_heavy == (25.0, "one peak", only_heavy.p_value)


@pytest.mark.parametrize("mass", [np.zeros(0), np.full(5, 2.0), np.full(100, 3.0)])
def test_few_or_equal_masses_are_not_cut(mass):
    assert find_mass_cut(mass, MassSpec()).threshold == 0
    counts, edges = mass_histogram(mass, 10)
    assert counts.sum() == len(mass) and len(edges) == 11


def test_impossible_settings_are_refused():
    for wrong in ({"p_value": 0.0}, {"share_min": 0.6}, {"mass_min": -1.0}):
        with pytest.raises(SpecError, match=next(iter(wrong))):
            MassSpec(**wrong)
