"""Learning rates at the steps where their formulas are known, and settings that are refused."""

import numpy as np
import pytest

from jaxpick.spec import SpecError
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.updates import learning_rate


def test_constant():
    rate = learning_rate(OptimizerSpec(learning_rate=0.3), 100)
    assert [float(rate(step)) for step in (0, 50, 99)] == pytest.approx([0.3] * 3)


def test_staircase_halves_at_each_stair():
    spec = OptimizerSpec(learning_rate=0.8, schedule="staircase", decay_steps=10, decay_factor=0.5)
    rate = learning_rate(spec, 100)
    rates = [float(rate(step)) for step in (0, 9, 10, 19, 20, 35)]
    assert rates == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.2, 0.1])


def test_warmup_rises_linearly_then_follows_a_cosine():
    spec = OptimizerSpec(
        learning_rate=1.0, schedule="warmup_cosine", warmup_steps=10, final_fraction=0.1
    )
    rate = learning_rate(spec, 110)
    steps = np.array([0, 5, 10, 35, 60, 110])
    cosine = 0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * np.maximum(steps - 10, 0) / 100))
    expected = np.where(steps < 10, steps / 10, cosine)
    assert [float(rate(step)) for step in steps] == pytest.approx(list(expected), abs=1e-6)


def test_warmup_longer_than_the_run_still_trains():
    spec = OptimizerSpec(schedule="warmup_cosine", warmup_steps=100)
    rate = learning_rate(spec, 2)
    assert np.isfinite([float(rate(step)) for step in (0, 1, 2)]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate: expected a positive number, got 0.0"),
        ({"clip_norm": -1.0}, "clip_norm: expected a positive number or null, got -1.0"),
        ({"b1": 1.5}, "b1: expected a number from 0 to 1, got 1.5"),
        ({"average_decay": 1.0}, "average_decay: expected a number between 0 and 1 or null"),
        ({"decay_steps": 0}, "decay_steps: expected a positive number, got 0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(SpecError, match=message):
        OptimizerSpec(**settings)
