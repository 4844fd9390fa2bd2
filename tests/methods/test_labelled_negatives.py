"""A fixed number of non-particles: so many, inside, far from every label, and DeepEM learns from no others."""

from pathlib import Path

import numpy as np
import pytest

from jaxpick.methods import deepem
from jaxpick.methods.labelled_micrographs import Labelled, LabelledMicrograph, LabelledSpec
from jaxpick.methods.labelled_negatives import with_negatives
from jaxpick.simulate.bank import BankSpec, build_bank
from jaxpick.simulate.phantoms import PhantomSpec, phantom_library
from jaxpick.spec import SpecError

RADIUS = 4.0


def labelled(centres, count=3):
    one = LabelledMicrograph(
        name="a.mrc",
        path=Path("a.npy"),
        centre_yx_px=centres,
        radius_px=RADIUS,
        usable=(5, 95, 10, 60),
    )
    return Labelled(
        train=(one,) * count, validation=(one,), spec=LabelledSpec(), seed=3, summary={}
    )


def test_places_are_as_many_as_asked_for_and_far_from_labels():
    centres = np.random.default_rng(0).uniform((5, 10), (94, 59), (12, 2))
    data = with_negatives(labelled(centres), 100, 1.5)
    found = [one.negatives_yx_px for one in data.train]
    assert [len(places) for places in found] == [34, 33, 33]
    every = np.concatenate(found)
    assert len(np.unique(every, axis=0)) == 100
    assert np.all((every >= (5, 10)) & (every <= (94, 59)))
    distance = np.linalg.norm(every[:, None] - centres[None], axis=-1)
    assert distance.min() >= 1.5 * RADIUS
    assert data.validation[0].negatives_yx_px is None


def test_no_room_is_told():
    grid = np.stack(np.meshgrid(np.arange(0.0, 100, 4), np.arange(0.0, 100, 4)), -1).reshape(-1, 2)
    with pytest.raises(SpecError, match="no room"):
        with_negatives(labelled(grid), 5, 1.5)


def test_simulated_boxes_have_no_fixed_number():
    bank = build_bank(
        phantom_library(1, 0, PhantomSpec()), BankSpec(num_views=1, diameter_px=10.0, box_px=16)
    )
    with pytest.raises(SpecError, match=r"method\.non_particles"):
        deepem.training_stages(deepem.Spec(non_particles=5), bank)
