"""Several labelled sets as one: equal shares, and as many particles as are asked for."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from jaxpick.io.coordinates import write_picks
from jaxpick.io.micrographs import write_mrc
from jaxpick.io.nouns import make_picks
from jaxpick.methods.labelled_examples import labelled_patches, patch_sources
from jaxpick.methods.labelled_micrographs import LabelledMicrograph
from jaxpick.methods.labelled_sets import limit_labels, read_sets
from jaxpick.methods.labelled_spec import LabelledSetSpec, LabelledSpec
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.spec import SpecError, build

WORKING = WorkingSpec(diameter_px=10.0)
PIXEL, SHAPE = 4.0, (110, 150)


def write_set(folder, count, level, labels=6):
    """Write micrographs of noise with a bright level each, and labels of each."""
    rng = np.random.default_rng(count)
    for number in range(count):
        name = f"{folder.name}_{number}.mrc"
        image = rng.normal(level, 1.0, SHAPE).astype(np.float32)
        write_mrc(folder / "micrographs" / name, image, PIXEL)
        x, y = rng.uniform(20, 90, (2, labels))
        star = (folder / "labels" / name).with_suffix(".star")
        write_picks([make_picks(name, x, y)], star)


def setting(folder, diameter):
    return {
        "micrographs": f"{folder}/micrographs/*.mrc",
        "coordinates": f"{folder}/labels/*.star",
        "diameter": diameter,
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A set of five micrographs and one of two."""
    made = []
    for name, count in (("many", 5), ("few", 2)):
        folder = tmp_path_factory.mktemp(name)
        write_set(folder, count, 0.0)
        made.append(folder)
    return made


def read(folders, tmp_path, **changes):
    many, few = folders
    spec = LabelledSpec(
        **setting(many, 100.0), more=(LabelledSetSpec(**setting(few, 60.0)),), **changes
    )
    return read_sets(spec, WORKING, tmp_path, 0, lambda line: None)


def micrograph(number=0, score=None, count=6):
    centre = np.random.default_rng(number).uniform(10, 90, (count, 2))
    return LabelledMicrograph(
        name=f"{number}.mrc",
        path=Path("a.npy"),
        centre_yx_px=centre,
        radius_px=5.0,
        usable=(0, 100, 0, 100),
        score=score,
    )


def test_sets_have_equal_shares_whatever_their_size(folders, tmp_path):
    data = read(folders, tmp_path, validation_fraction=0.0)
    assert [m.data_set for m in data.train] == [0] * 5 + [1] * 2
    assert data.summary["labels"] == 42 and len(data.summary["train"]) == 7
    seen = []

    def patches(one, *arguments):
        seen.append(one.data_set)
        return labelled_patches(one, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("jaxpick.methods.labelled_examples.labelled_patches", patches)
        source, _ = patch_sources(data, lambda key, shared: None, 8, 4)
        for index in range(100):
            source.load(index)
    assert seen.count(0) == seen.count(1) == 50


def test_each_set_is_scaled_by_its_own_diameter(folders, tmp_path):
    data = read(folders, tmp_path, validation_fraction=0.0)
    shapes = {m.data_set: m.image().shape for m in data.train}
    assert shapes[0] == (44, 60) and shapes[1] == (73, 100)
    assert [m.radius_px for m in data.train] == pytest.approx([5.0] * 7, rel=0.02)


def test_each_set_is_split_and_limited(folders, tmp_path):
    data = read(folders, tmp_path, validation_fraction=0.2, most_labels=10)
    for number in (0, 1):
        both = [m for m in (*data.train, *data.validation) if m.data_set == number]
        assert sum(len(m.learnt_yx_px) for m in both) == 5
        assert any(m.data_set == number for m in data.validation)
    assert data.summary["labels"] == 10


def test_known_particles_that_are_not_taken_are_no_place_for_others():
    limited = limit_labels([micrograph(n) for n in range(3)], 7, seed=0)
    assert sum(len(m.learnt_yx_px) for m in limited) == 7
    assert [len(m.centre_yx_px) for m in limited] == [6, 6, 6]
    other = limit_labels([micrograph(n) for n in range(3)], 7, seed=1)
    assert [m.learnt_yx_px.tolist() for m in limited] != [m.learnt_yx_px.tolist() for m in other]


def test_of_earlier_picks_the_best_are_taken_and_the_rest_forgotten():
    scores = [np.linspace(0, 0.45, 6), np.linspace(0.4, 0.9, 6)]
    limited = limit_labels([micrograph(n, s) for n, s in enumerate(scores)], 5, seed=0)
    assert [len(m.centre_yx_px) for m in limited] == [0, 5]
    np.testing.assert_array_equal(limited[1].centre_yx_px, micrograph(1).centre_yx_px[1:])


def test_fewer_labels_than_the_limit_are_all_taken():
    given = [micrograph(n) for n in range(2)]
    assert limit_labels(given, 12, seed=0) == tuple(given)


def test_known_mistakes_are_what_patches_are_cut_about(tmp_path):
    image = np.arange(100.0 * 100).reshape(100, 100).astype(np.float32)
    np.save(tmp_path / "a.npy", image)
    one = dataclasses.replace(
        micrograph(),
        path=tmp_path / "a.npy",
        positives_yx_px=np.array([[20.0, 30.0]]),
        negatives_yx_px=np.array([[70.0, 60.0], [50.0, 40.0]]),
    )
    patches = labelled_patches(one, np.random.default_rng(0), 8, 40, 1.2)
    middle = patches["image"][:, 4, 4]
    assert set(middle[:20]) == {2030.0} and set(middle[20:]) == {7060.0, 5040.0}
    assert patches["weight"].all()
    none = dataclasses.replace(one, positives_yx_px=np.zeros((0, 2)))
    weight = labelled_patches(none, np.random.default_rng(0), 8, 40, 1.2)["weight"]
    np.testing.assert_array_equal(weight, np.repeat([0, 1], 20))


def test_settings_of_further_sets_come_from_plain_data():
    plain = {"micrographs": "a", "coordinates": "b", "diameter": 5}
    spec = build(LabelledSpec, {**plain, "more": [plain, plain], "most_labels": 9})
    assert [one.most_labels for one in spec.sets()] == [3, 3, 3] and not spec.sets()[1].more
    with pytest.raises(SpecError, match="more"):
        build(LabelledSpec, {"more": [plain]})
    with pytest.raises(SpecError, match="most_labels"):
        build(LabelledSpec, {**plain, "most_labels": 0})
