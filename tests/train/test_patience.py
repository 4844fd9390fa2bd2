"""A stage that gets no better ends early with its best state, and is not taken up again."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from toy import stages

from jaxpick.spec import SpecError
from jaxpick.train import StageSpec, TrainSpec, train_stages

SPEC = TrainSpec(log_every=2, validate_every=2, validation_batches=1)
RUN_AWAY = 1.0  # the error falls in no step


def patient(patience, rate, steps=40):
    (stage,) = stages(("one",), steps=steps, learning_rate=rate, momentum=0.0)
    settings = dataclasses.replace(stage.settings, patience=patience)
    return [dataclasses.replace(stage, settings=settings)]


def steps_of(folder):
    lines = (folder / "metrics.csv").read_text().splitlines()[1:]
    return [int(line.split(",")[1]) for line in lines if line.split(",")[2] == "train"]


def test_it_ends_when_patience_is_exhausted_and_keeps_the_best(tmp_path):
    (result,) = train_stages(patient(3, RUN_AWAY), SPEC, tmp_path)
    assert result.step == 2 and steps_of(tmp_path)[-1] == 2 + 3 * 2
    whole = tmp_path / "whole"
    (reached,) = train_stages(patient(None, RUN_AWAY, steps=2), SPEC, whole)
    np.testing.assert_array_equal(result.params["w"], reached.params["w"])


def test_the_step_limit_also_leaves_the_best_state(tmp_path):
    """DeepPicker's program wrote its model only when patience ran out."""
    (result,) = train_stages(patient(100, RUN_AWAY, steps=8), SPEC, tmp_path)
    assert result.step == 2 and bool(jnp.all(jnp.isfinite(result.params["w"])))


def test_a_stage_that_ended_early_stays_as_it_is(tmp_path):
    first = train_stages(patient(3, RUN_AWAY), SPEC, tmp_path)
    written = (tmp_path / "metrics.csv").read_text()
    again = train_stages(patient(3, RUN_AWAY), SPEC, tmp_path)
    assert (tmp_path / "metrics.csv").read_text() == written
    np.testing.assert_array_equal(first[0].params["w"], again[0].params["w"])


def test_progress_is_not_cut_short(tmp_path):
    (result,) = train_stages(patient(2, 0.02), SPEC, tmp_path)
    assert result.step > 30 and steps_of(tmp_path)[-1] == 40


def test_no_patience_at_all_is_refused():
    with pytest.raises(SpecError, match="patience"):
        StageSpec(patience=0)
