"""The threshold of a trained picker: the best F score of all on whole fields, right and ignored picks told apart."""

import dataclasses
import types

import jax
import numpy as np
import pytest

from jaxpick.evaluate import field_threshold
from jaxpick.evaluate.field_threshold import (
    Field,
    best_f_threshold,
    judge_picks,
    simulated_fields,
    with_best_threshold,
)
from jaxpick.methods import deepem
from jaxpick.methods.simulated_examples import FieldSpec
from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.picking.method_picker import Found, MethodPicker
from jaxpick.picking.window_decoders import BoxDecodeSpec
from jaxpick.preprocess.working import WorkingImage, WorkingSpec
from jaxpick.simulate.bank import BankSpec, build_bank
from jaxpick.simulate.phantoms import PhantomSpec, phantom_library

EMPTY = np.zeros((0, 2))


def field(wanted, ignored=EMPTY, name="field"):
    working = WorkingImage(
        image=np.zeros((100, 100), np.float32),
        coordinates=CoordinateMap(scale_y=1.0, scale_x=1.0),
        pixel_size_angstrom=1.0,
        micrograph=name,
        micrograph_shape=(100, 100),
        micrograph_pixel_size_angstrom=1.0,
    )
    wanted, ignored = np.asarray(wanted, np.float64), np.asarray(ignored, np.float64)
    return Field(working=working, diameter_px=10.0, wanted_yx_px=wanted, ignored_yx_px=ignored)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planted(MethodPicker):
    """A picker that finds what it is told."""

    yx: np.ndarray
    score: np.ndarray

    def find(self, working):
        y, x = self.yx.T
        return Found(y, x, self.score)


def planted(yx, score):
    yx, score = np.asarray(yx, np.float64).reshape(-1, 2), np.asarray(score, np.float64)
    common = {"name": "planted", "working": WorkingSpec(), "decode": BoxDecodeSpec()}
    return Planted(**common, diameter_angstrom=10.0, yx=yx, score=score)


def test_right_wrong_and_ignored_picks_are_told_apart():
    """Two picks of one particle: the better is right, the other wrong; those at an ignored one do not count."""
    picker = planted([(10, 10), (12, 10), (50, 50), (80, 20)], [0.6, 0.9, 0.8, 0.7])
    score, hit = judge_picks(picker, field([(11, 10), (30, 30)], [(52, 50)]))
    assert dict(zip(score, hit, strict=True)) == {0.6: False, 0.9: True, 0.7: False}


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_no_other_score_has_a_better_f(beta):
    rng = np.random.default_rng(3)
    hit = rng.random(80) < 0.5
    score = np.round(np.clip(rng.normal(0.3 + 0.4 * hit, 0.2), 0, 1), 2)
    fields = [field(rng.random((30, 2))), field(rng.random((25, 2)))]
    halves = [(score[:30], hit[:30]), (score[30:], hit[30:])]

    def value(threshold):
        right, picked = np.sum(hit & (score >= threshold)), np.sum(score >= threshold)
        return (1 + beta**2) * right / (beta**2 * 55 + picked)

    found = best_f_threshold(halves, fields, beta)
    assert value(found) == max(value(threshold) for threshold in np.unique(score))


@pytest.mark.parametrize("picks", [([], []), ([(1, 1)], [0.5])])
def test_without_particles_there_is_no_best(picks):
    one = field(EMPTY)
    assert best_f_threshold([judge_picks(planted(*picks), one)], [one], 1.0) is None


SPEC = deepem.Spec(
    field=FieldSpec(field_px=64, max_particles=8, max_distractors=4),
    decode=BoxDecodeSpec(threshold=0.3),
)


@pytest.fixture(scope="module")
def bank():
    library = phantom_library(2, 5, PhantomSpec(mass_kda=(900.0, 1200.0)))
    return build_bank(library, BankSpec(num_views=8, box_px=36, diameter_px=20.0))


@pytest.fixture(scope="module")
def fields(bank):
    return simulated_fields(SPEC, bank, jax.random.key(0), 4)


def test_simulated_fields_are_those_of_training(fields):
    assert {one.diameter_px for one in fields} == {SPEC.working.diameter_px}
    for one in fields:
        assert abs(float(np.mean(one.working.image))) < 0.5
        for centres in (one.wanted_yx_px, one.ignored_yx_px):
            assert np.all((centres > -0.5) & (centres < 63.5))
    assert sum(len(one.wanted_yx_px) for one in fields) > 0


def test_a_threshold_is_one_that_the_decoder_takes(bank, fields, monkeypatch):
    """A score that rounds to 1 is as high as a probability may be; the best of certain picks is just below it."""
    method = types.SimpleNamespace(
        make_picker=lambda *_: planted(np.stack(np.mgrid[2:64:6, 2:64:6], -1), np.ones(121)),
        THRESHOLD_BETA=1.0,
    )
    monkeypatch.setattr(field_threshold, "simulated_fields", lambda *_: fields)
    found = with_best_threshold(method, SPEC, None, bank, seed=0)
    assert 0.999 < found.decode.threshold < 1
