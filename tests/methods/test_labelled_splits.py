"""Parts of labelled data: seeded, kept, apart; and working images that are never stale."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest

from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.files import InputError
from jaxpick.io.micrographs import find_micrographs, list_pixel_sizes, write_mrc
from jaxpick.io.nouns import make_picks
from jaxpick.methods.labelled_sets import keep_split, read_sets
from jaxpick.methods.labelled_spec import LabelledSetSpec, LabelledSpec
from jaxpick.methods.labelled_splits import draw_parts
from jaxpick.preprocess.working import WorkingSpec

WORKING, PIXEL, SHAPE = WorkingSpec(diameter_px=10.0), 4.0, (80, 100)


def write_set(folder, count, seed=0):
    rng = np.random.default_rng(seed)
    for number in range(count):
        name = f"{folder.name}_{number}.mrc"
        image = rng.normal(size=SHAPE).astype(np.float32)
        write_mrc(folder / "micrographs" / name, image, PIXEL)
        x, y = rng.uniform(20, 70, (2, 5))
        write_picks([make_picks(name, x, y)], (folder / "labels" / name).with_suffix(".star"))


def setting(folder):
    return {
        "micrographs": f"{folder}/micrographs/*.mrc",
        "coordinates": f"{folder}/labels/*.star",
        "diameter": 100.0,
    }


def read(folder, out, seed=0, kept=None, working=WORKING, **changes):
    spec = LabelledSpec(**{**setting(folder), **changes})
    return read_sets(spec, working, out / "cache", seed, lambda line: None, kept)


@pytest.fixture
def folder(tmp_path):
    write_set(tmp_path / "set", 6)
    return tmp_path / "set"


def names(data):
    return [set(data.summary[part]) for part in ("train", "validation", "test")]


@pytest.mark.parametrize(
    ("count", "shares", "expected"),
    [
        (10, (0.2, 0.3), [5, 2, 3]),
        (10, (0.0, 0.01), [9, 0, 1]),
        (3, (0.01, 0.01), [1, 1, 1]),
        (2, (0.4, 0.4), [1, 1, 0]),
        (1, (0.4, 0.4), [1, 0, 0]),
    ],
)
def test_parts_have_their_shares_and_training_never_goes_without(count, shares, expected):
    parts = draw_parts(count, *shares, seed=3)
    assert [parts.count(name) for name in ("train", "validation", "test")] == expected


def test_every_micrograph_is_as_likely_in_every_part():
    """600 draws: each of 5 is tested on 120 +- 9.8 times; 5 standard deviations are 49."""
    drawn = np.array([draw_parts(5, 0.2, 0.2, seed) for seed in range(600)])
    for part in ("validation", "test"):
        assert np.abs((drawn == part).sum(axis=0) - 120).max() < 49


def test_parts_share_no_micrograph_and_follow_from_the_seed(folder, tmp_path):
    shares = {"validation_fraction": 0.3, "test_fraction": 0.3}
    train, validation, test = names(read(folder, tmp_path, **shares))
    assert [len(train), len(validation), len(test)] == [2, 2, 2]
    assert len(train | validation | test) == 6
    assert names(read(folder, tmp_path, **shares)) == [train, validation, test]
    others = [names(read(folder, tmp_path, seed, **shares)) for seed in (1, 2, 3)]
    assert any(other != [train, validation, test] for other in others)


def test_a_copy_under_another_name_is_in_the_same_part(folder, tmp_path):
    for old in list((folder / "micrographs").iterdir()):
        new = old.with_name(f"copy_{old.name}")
        shutil.copy(old, new)
        (star,) = read_picks(folder / "labels" / f"{old.stem}.star")
        copied = dataclasses.replace(star, micrograph=new.name)
        write_picks([copied], folder / "labels" / f"{new.stem}.star")
    for seed in range(5):
        shares = {"validation_fraction": 0.3, "test_fraction": 0.3}
        data = read(folder, tmp_path, seed, **shares)
        originals = [{name.removeprefix("copy_") for name in part} for part in names(data)]
        assert sum(len(part) for part in originals) == len(set.union(*originals)) == 6


def test_lists_of_the_parts_can_be_picked(folder, tmp_path):
    out = tmp_path / "run"
    data = read(folder, tmp_path, test_fraction=0.3)
    keep_split(out, data)
    for part in ("train", "validation", "test"):
        listed = find_micrographs(out / "split" / f"{part}.star")
        assert {path.name for path in listed} == set(data.summary[part])
        sizes = list_pixel_sizes(out / "split" / f"{part}.star")
        assert set(sizes.values()) == {PIXEL} and len(sizes) == len(listed)
    keep_split(out, read(folder, tmp_path))
    assert not (out / "split" / "test.star").exists()


def test_the_split_of_a_run_is_taken_again(folder, tmp_path):
    """The file decides, not the draw: parts changed by hand stay changed."""
    keep_split(tmp_path, read(folder, tmp_path))
    path = tmp_path / "split.json"
    record = json.loads(path.read_text())
    chosen = {one["name"]: part for one, part in zip(record["files"], [*"tttvvv"], strict=True)}
    for one in record["files"]:
        one["part"] = {"t": "train", "v": "validation"}[chosen[one["name"]]]
    path.write_text(json.dumps(record))
    again = read(folder, tmp_path, kept=tmp_path)
    assert names(again)[1] == {name for name, part in chosen.items() if part == "v"}
    other = read(folder, tmp_path / "other", seed=9, split=str(path))
    assert names(other) == names(again)


def other_pixels(folder):
    """Other pixels in a file of the same size and time."""
    path = sorted((folder / "micrographs").iterdir())[2]
    before, raw = path.stat(), bytearray(path.read_bytes())
    raw[-4:] = np.float32(2.5).tobytes()
    path.write_bytes(raw)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    return path


def another_label(folder):
    write_picks(
        [make_picks("set_2.mrc", np.array([30.0]), np.array([40.0]))],
        folder / "labels" / "set_2.star",
    )


def one_more(folder):
    write_set(folder, 7)
    (folder / "micrographs" / "set_6.mrc").rename(folder / "micrographs" / "set_9.mrc")
    (folder / "labels" / "set_6.star").rename(folder / "labels" / "set_9.star")


def one_less(folder):
    (folder / "micrographs" / "set_2.mrc").unlink()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (other_pixels, r"set_2\.mrc, as its content changed"),
        (another_label, r"set_2\.mrc, as its labels changed"),
        (one_more, r"set_9\.mrc, as it is new"),
        (one_less, r"set_2\.mrc of it is no longer there"),
    ],
)
def test_a_split_of_other_files_is_refused(folder, tmp_path, change, says):
    keep_split(tmp_path, read(folder, tmp_path))
    change(folder)
    with pytest.raises(InputError, match=says):
        read(folder, tmp_path, kept=tmp_path)


def test_a_split_drawn_otherwise_is_refused(folder, tmp_path):
    keep_split(tmp_path, read(folder, tmp_path))
    with pytest.raises(InputError, match=r"settings\.seed=0, not 4"):
        read(folder, tmp_path, seed=4, kept=tmp_path)
    with pytest.raises(InputError, match=r"settings\.test_fraction=0\.0, not 0\.5"):
        read(folder, tmp_path, kept=tmp_path, test_fraction=0.5)
    (tmp_path / "split.json").write_text("{}")
    with pytest.raises(InputError, match=r"expected the split\.json of a training"):
        read(folder, tmp_path, kept=tmp_path)


def test_a_split_of_another_run_must_have_all(folder, tmp_path):
    keep_split(tmp_path, read(folder, tmp_path))
    other_pixels(folder)
    with pytest.raises(InputError, match=r"data\.split: .* does not have set_2\.mrc"):
        read(folder, tmp_path, split=str(tmp_path / "split.json"))


def several(tmp_path, count=4):
    for number in range(count):
        write_set(tmp_path / f"molecule{number}", 2, seed=number)
    more = tuple(LabelledSetSpec(**setting(tmp_path / f"molecule{n}")) for n in range(1, count))
    return {"more": more}


def test_whole_molecules_are_kept_apart(tmp_path):
    more = several(tmp_path)
    shares = {"validation_fraction": 0.25, "test_fraction": 0.25, "split_by": "set"}
    data = read(tmp_path / "molecule0", tmp_path, **more, **shares)
    parts = [{name.split("_")[0] for name in part} for part in names(data)]
    assert [len(part) for part in parts] == [2, 1, 1] and len(set.union(*parts)) == 4
    seen = {
        tuple(sorted(names(read(tmp_path / "molecule0", tmp_path, seed, **more, **shares))[2]))
        for seed in range(8)
    }
    assert len(seen) > 1


def test_molecules_that_share_a_micrograph_cannot_be_kept_apart(tmp_path):
    more = several(tmp_path, 2)
    shared = tmp_path / "molecule1" / "micrographs" / "molecule1_0.mrc"
    shutil.copy(tmp_path / "molecule0" / "micrographs" / "molecule0_0.mrc", shared)
    with pytest.raises(InputError, match="is in two sets"):
        read(tmp_path / "molecule0", tmp_path, **more, split_by="set", validation_fraction=0.5)
    # By micrograph it has one part in both.
    data = read(tmp_path / "molecule0", tmp_path, **more, validation_fraction=0.5)
    both = {"molecule0_0.mrc", "molecule1_0.mrc"}
    assert [part & both for part in names(data)[:2]] in ([both, set()], [set(), both])


def test_a_stale_working_image_is_never_used(folder, tmp_path):
    """Neither where only the bytes of a file change, nor where only a setting does."""

    def images(**changes):
        data = read(folder, tmp_path, validation_fraction=0.0, **changes)
        return {m.name: np.array(m.image()) for m in data.train}

    first, cache = images(), tmp_path / "cache"
    assert len(list(cache.glob("*.npy"))) == 6
    changed = other_pixels(folder)
    second = images()
    differing = [name for name in first if not np.array_equal(first[name], second[name])]
    assert differing == [changed.name]
    assert len(list(cache.glob("*.npy"))) == 7
    clipped = images(working=dataclasses.replace(WORKING, clip=1.5))
    assert all(not np.array_equal(clipped[name], second[name]) for name in second)
    wider = images(diameter=80.0)
    assert all(wider[name].shape != second[name].shape for name in second)
    np.testing.assert_equal(images(), second)


def test_a_working_image_without_its_notes_is_made_anew(folder, tmp_path):
    first = read(folder, tmp_path)
    for notes in (tmp_path / "cache").glob("*.json"):
        notes.unlink()
    again = read(folder, tmp_path)
    assert [m.usable for m in again.train] == [m.usable for m in first.train]


def test_the_truth_of_a_simulated_folder_is_no_picks(tmp_path):
    """Its figure of merit says how visible a particle is: any are learnt from, none is a mistake."""
    folder = tmp_path / "set"
    write_set(folder, 2)
    truth = [
        dataclasses.replace(p, micrograph=f"micrographs/{p.micrograph}", score=np.arange(5.0))
        for name in ("set_0", "set_1")
        for p in read_picks(folder / "labels" / f"{name}.star")
    ]
    write_picks(
        [dataclasses.replace(p, micrograph=f"{p.micrograph}.mrc") for p in truth],
        folder / "particles.star",
    )
    spec = LabelledSpec(layout="simulated", folder=str(folder), diameter=100.0, most_labels=4)
    data = read_sets(spec, WORKING, tmp_path / "cache", 0, lambda line: None)
    both = (*data.train, *data.validation)
    assert sum(len(m.learnt_yx_px) for m in both) == 4
    assert [len(m.centre_yx_px) for m in both] == [5, 5]
    files = dataclasses.replace(spec, layout=None, folder=None, **setting(folder))
    picked = dataclasses.replace(files, coordinates=str(folder / "particles.star"))
    taken = read_sets(picked, WORKING, tmp_path / "cache", 0, lambda line: None)
    assert sum(len(m.centre_yx_px) for m in (*taken.train, *taken.validation)) == 4
