"""The APPLE picker: the published program's centres, planted particles, its parts one by one."""

import sys

import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.nouns import Micrograph
from jaxpick.methods import apple
from jaxpick.picking.apple_objects import ObjectLimits, object_centres
from jaxpick.picking.apple_picker import (
    AppleDecodeSpec,
    limits,
    matched_share,
    reference_windows,
    training_windows,
    window_side,
)
from jaxpick.picking.picker import Picker
from jaxpick.spec import SpecError, as_plain, build

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
RELEASED = apple.Spec(decode=AppleDecodeSpec(crop="released"))


def pick(image, diameter_px, spec=apple.Spec()):
    picker = apple.make_picker(spec, {}, 4.0 * diameter_px)
    micrograph = Micrograph(
        image=np.asarray(image, np.float32), pixel_size_angstrom=4.0, name="m.mrc"
    )
    return picker.candidates(picker.prepare(micrograph))


@pytest.fixture(scope="module")
def planted():
    """Dark balls on noise, as in the oracle, and their centres."""
    rng = np.random.default_rng(4)
    grid = np.stack(np.meshgrid(np.arange(50, 400, 75), np.arange(50, 300, 75)), -1).reshape(-1, 2)
    centres = grid + rng.uniform(-8, 8, grid.shape)
    y, x = np.mgrid[:340, :420]
    image = rng.normal(size=y.shape)
    for cx, cy in centres:
        height = 1 - np.hypot(y - cy, x - cx) ** 2 / 19**2
        image -= np.sqrt(np.maximum(height, 0))
    return image, centres


@pytest.mark.oracle
@pytest.mark.parametrize("size", [38, 48])
def test_centres_are_those_of_the_published_program(oracles, size):
    with np.load(oracles / "relion_log.npz") as file:
        image, truth = file["image_q"] / np.float32(16), file["truth_xy"]
    with np.load(oracles / "apple.npz") as file:
        wanted = file[f"size{size}/centres_xy"]
    found = pick(image, size, RELEASED)
    position = np.stack([found.x, found.y], axis=1)
    to_wanted = np.linalg.norm(position[None] - wanted[:, None], axis=-1).min(axis=1)
    assert np.mean(to_wanted <= 12) > 0.94
    to_truth = np.linalg.norm(position[:, None] - truth[None], axis=-1).min(axis=1)
    assert np.sum(to_truth <= 12) >= (45 if size == 38 else 41)
    assert len(found) - np.sum(to_truth <= 12) <= 5
    assert position.min() > 99 and position.max() < 1024 - 100


def test_planted_particles_are_found_to_a_pixel_or_two(planted):
    image, centres = planted
    found = pick(image, 38)
    apart = np.hypot(found.x[:, None] - centres[:, 0], found.y[:, None] - centres[:, 1])
    assert np.mean(apart.min(axis=0) < 5) >= 0.9
    assert np.mean(apart.min(axis=1) < 5) >= 0.9
    assert np.all((found.score >= 0) & (found.score <= 1))
    assert np.all(np.diff(found.score) <= 0)


def test_picks_repeat_and_are_blind_to_gain_and_offset(planted):
    image, _ = planted
    one, again, other = pick(image, 38), pick(image, 38), pick(25 * image + 500, 38)
    assert np.array_equal(one.x, again.x)
    apart = np.hypot(one.x[:, None] - other.x, one.y[:, None] - other.y)
    assert len(one) == len(other)
    assert apart.min(axis=1).max() < 1


def test_a_micrograph_smaller_than_the_released_border_has_no_picks_and_no_error(planted):
    image, _ = planted
    assert len(pick(image[:220, :210], 38, RELEASED)) == 0


@pytest.mark.parametrize(
    ("size", "query", "least", "largest", "overlap"), [(38, 24, 9, 76, 3), (48, 32, 12, 96, 4)]
)
def test_sizes_are_those_of_the_published_program(size, query, least, largest, overlap):
    assert window_side(float(size), 2.0, AppleDecodeSpec()) == query // 2
    expected = ObjectLimits(least / 2, largest / 2, (size - overlap) / 2)
    assert limits(float(size), 2.0, AppleDecodeSpec()) == expected


def test_every_container_gives_its_four_extreme_windows():
    at_grid = np.random.default_rng(0).normal(size=(8, 8, 2))
    chosen = reference_windows(at_grid, 4)
    assert len(chosen) == 16
    first = at_grid[:4, :4].reshape(-1, 2)
    expected = {*first.argmax(axis=0).tolist(), *first.argmin(axis=0).tolist()}
    number = np.arange(64).reshape(8, 8)[:4, :4].ravel()
    assert set(chosen[:4].tolist()) == {int(number[i]) for i in expected}


def test_a_window_answers_the_references_above_a_share_of_the_range():
    response = np.array([[0.0, 10.0, 20.0], [100.0, 4.0, 6.0]])
    assert np.allclose(matched_share(response, 0.05), [2 / 3, 2 / 3])


def test_noise_windows_overlap_none_that_may_be_something_else():
    best = np.random.default_rng(0).permutation(400)
    particle, noise = training_windows(best, (20, 20), AppleDecodeSpec(other_share=0.1))
    assert particle.sum() == 12
    other = np.zeros(400, bool)
    other[best[:40]] = True
    for y, x in zip(*np.nonzero(noise), strict=True):
        assert not other.reshape(20, 20)[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].any()


def test_objects_that_cannot_be_particles_are_dropped():
    y, x = np.mgrid[:200, :200]

    def disc(cy, cx, radius):
        return np.hypot(y - cy, x - cx) <= radius

    hollow = disc(40, 40, 12) & ~disc(40, 40, 5)
    speck, large = disc(40, 120, 2), disc(140, 140, 40)
    limit = ObjectLimits(least_px=8.0, largest_px=50.0, distance_px=30.0)
    assert np.allclose(object_centres(hollow | speck | large, limit), [[40, 40]])
    near = disc(40, 40, 10) | disc(40, 65, 10)
    assert len(object_centres(near, limit)) == 0
    assert len(object_centres(near, limit._replace(distance_px=20.0))) == 2
    assert object_centres(np.zeros((50, 50), bool), limit).shape == (0, 2)
    bar = (np.abs(y - 100) < 20) & (np.abs(x - 100) < 80)
    assert len(object_centres(bar, limit)) == 0


def test_without_scikit_learn_a_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(InputError, match="needs scikit-learn"):
        apple.make_picker(apple.Spec(), {}, 100.0)


def test_settings_are_checked_and_survive_as_plain_data():
    assert build(apple.Spec, as_plain(RELEASED)) == RELEASED
    assert isinstance(apple.make_picker(RELEASED, {}, 100.0), Picker)
    with pytest.raises(SpecError, match="particle_share"):
        AppleDecodeSpec(particle_share=0.5)
