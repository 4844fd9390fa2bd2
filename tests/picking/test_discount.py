"""Discounted scores: nothing survives in noise, everything where particles are, and the order never changes."""

import numpy as np
import pytest

from jaxpick.picking.discount import NoiseSpec, discount
from jaxpick.spec import SpecError

# Peaks in noise fall off exponentially with their score: 0.2 exp(-8 s) in a square diameter.
SCORE = tuple(float(s) for s in np.linspace(0.02, 1.0, 50))
NOISE = NoiseSpec(
    score=SCORE, per_square_diameter=tuple(0.2 * float(np.exp(-8 * s)) for s in SCORE)
)
AREA = 1000.0


def noise_scores(rng, area=AREA):
    number = rng.poisson(0.2 * np.exp(-8 * 0.02) * area)
    return np.sort(np.minimum(0.02 + rng.exponential(1 / 8, number), 1.0))[::-1]


@pytest.mark.parametrize("seed", range(20))
def test_pure_noise_keeps_at_most_two(seed):
    scores = discount(noise_scores(np.random.default_rng(seed)), AREA, NOISE)
    assert np.sum(scores >= 0.3) <= 2


@pytest.mark.parametrize("number", [3, 300])
def test_particles_keep_their_scores(number):
    rng = np.random.default_rng(1)
    particles = rng.uniform(0.95, 0.99, number)
    mixed = np.sort(np.concatenate([particles, noise_scores(rng)]))[::-1]
    scores = discount(mixed, AREA, NOISE)
    assert np.sum(scores >= 0.3) >= number


def test_order_is_kept_and_scores_only_fall():
    rng = np.random.default_rng(2)
    mixed = np.sort(np.concatenate([rng.uniform(0.3, 1, 50), noise_scores(rng)]))[::-1]
    scores = discount(mixed, AREA, NOISE)
    assert np.all(np.diff(scores) <= 0)
    assert np.all((scores <= mixed) & (scores >= 0))


def test_without_a_measurement_nothing_changes():
    scores = np.array([0.9, 0.5])
    assert np.array_equal(discount(scores, AREA, NoiseSpec()), scores)
    assert len(discount(np.zeros(0), AREA, NOISE)) == 0


def test_unequal_lists_are_refused():
    with pytest.raises(SpecError, match="per_square_diameter: expected as many"):
        NoiseSpec(score=(0.1, 0.2), per_square_diameter=(1.0,))
