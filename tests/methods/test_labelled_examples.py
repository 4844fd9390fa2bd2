"""Training from files: labels matched and split, working images kept, crops whose discs lie on the particles."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick import methods
from jaxpick.io.coordinates import write_picks
from jaxpick.io.files import InputError
from jaxpick.io.micrographs import write_mrc
from jaxpick.io.nouns import make_picks
from jaxpick.methods.box_examples import labelled_boxes
from jaxpick.methods.labelled_examples import (
    draw_discs,
    field_sources,
    labelled_crop,
    patch_sources,
    turned,
)
from jaxpick.methods.labelled_micrographs import (
    LabelledMicrograph,
    LabelledSpec,
)
from jaxpick.methods.labelled_sets import read_sets
from jaxpick.methods.labelled_splits import split
from jaxpick.methods.simulated_examples import FieldSpec
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.simulate.targets import TargetSpec
from jaxpick.spec import SpecError

DIAMETER = 100.0
PIXEL = 4.0
SHAPE = (110, 150)
WORKING = WorkingSpec(diameter_px=10.0)


def write_set(folder, count=4, off_image=0, seed=0):
    """Write micrographs of dark discs and a STAR file of each; return the centres (x, y) by name."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = {}
    for number in range(count):
        centres = rng.uniform((20, 20), (SHAPE[1] - 20, SHAPE[0] - 20), (5, 2))
        image = rng.normal(0.0, 0.3, SHAPE)
        for cx, cy in centres:
            image -= 3.0 * (np.hypot(x - cx, y - cy) < 0.3 * DIAMETER / PIXEL)
        name = f"field_{number}.mrc"
        write_mrc(folder / "micrographs" / name, image.astype(np.float32), PIXEL)
        outside = np.full((off_image, 2), -7.0)
        px, py = np.concatenate([centres, outside]).T
        write_picks([make_picks(name, px, py)], folder / "labels" / f"field_{number}_autopick.star")
        truth[name] = centres
    return truth


def simulate(key, bank):
    raise AssertionError("labelled examples are not simulated")


def spec_of(folder, **settings):
    values = {
        "micrographs": f"{folder}/micrographs/*.mrc",
        "coordinates": f"{folder}/labels/*.star",
        "diameter": DIAMETER,
        **settings,
    }
    return LabelledSpec(**values)


def read(folder, working=WORKING, seed=0, report=print, **settings):
    return read_sets(spec_of(folder, **settings), working, folder / "cache", seed, report)


def test_micrographs_and_coordinates_come_together_or_not_at_all():
    with pytest.raises(SpecError, match="coordinates: expected a value"):
        LabelledSpec(micrographs="*.mrc", diameter=100.0)
    with pytest.raises(SpecError, match="diameter: expected micrographs"):
        LabelledSpec(diameter=100.0)


def test_labels_are_matched_by_name_and_mismatches_told(tmp_path):
    truth = write_set(tmp_path, 3)
    (tmp_path / "labels" / "field_2_autopick.star").rename(tmp_path / "kept.star")
    write_picks(
        [make_picks("other.mrc", np.array([3.0]), np.array([4.0]))],
        tmp_path / "labels" / "other.star",
    )
    told = []
    data = read(tmp_path, report=told.append)
    names = {micrograph.name for micrograph in data.train + data.validation}
    assert names == {"field_0.mrc", "field_1.mrc"}
    assert "other" in told[0] and "field_2" in told[0]
    assert data.summary["unmatched"] == told[0]
    assert data.summary["labels"] == sum(len(truth[name]) for name in names)


def test_nothing_matched_is_refused(tmp_path):
    write_set(tmp_path, 1)
    write_picks(
        [make_picks("other.mrc", np.array([3.0]), np.array([4.0]))],
        tmp_path / "labels" / "other.star",
    )
    (tmp_path / "labels" / "field_0_autopick.star").unlink()
    with pytest.raises(InputError, match=r"data\.coordinates: .*other"):
        read(tmp_path)


def test_labels_off_the_image_are_counted_and_told(tmp_path):
    write_set(tmp_path, 2, off_image=3)
    told = []
    data = read(tmp_path, report=told.append)
    assert data.summary["labels_off_the_image"] == 6
    assert data.summary["labels"] == 10
    assert any("6 of 16 labels lie off their image" in text for text in told)


def test_a_broken_micrograph_is_left_out_and_named(tmp_path):
    write_set(tmp_path, 3)
    (tmp_path / "micrographs" / "field_1.mrc").write_bytes(b"nothing")
    told = []
    data = read(tmp_path, report=told.append)
    assert len(data.train + data.validation) == 2
    assert len(data.summary["left_out"]) == 1
    assert any(text.startswith("left out") and "field_1.mrc" in text for text in told)


def test_the_split_is_by_micrograph_and_seeded(tmp_path):
    write_set(tmp_path, 4)
    data = read(tmp_path, validation_fraction=0.5)
    train, held = ({m.name for m in part} for part in (data.train, data.validation))
    assert len(train) == len(held) == 2 and not train & held
    again = read(tmp_path, validation_fraction=0.5)
    assert again.summary == data.summary
    many = [dataclasses.replace(data.train[0], name=str(number)) for number in range(40)]
    held = [{m.name for m in split(many, 0.25, seed)[1]} for seed in range(3)]
    assert all(len(names) == 10 for names in held)
    assert held[0] != held[1] != held[2]


@pytest.mark.parametrize(
    ("count", "fraction", "expected"),
    [(1, 0.5, [1, 0]), (2, 0.01, [1, 1]), (2, 0.99, [1, 1]), (2, 0.0, [2, 0]), (10, 0.2, [8, 2])],
)
def test_both_parts_of_a_split_have_micrographs_where_there_are_two(count, fraction, expected):
    one = LabelledMicrograph(
        name="a.mrc",
        path=Path("a.npy"),
        centre_yx_px=np.zeros((0, 2)),
        radius_px=1.0,
        usable=(0, 1, 0, 1),
    )
    assert [len(part) for part in split([one] * count, fraction, 0)] == expected


def test_working_images_are_kept_and_made_anew_when_anything_changes(tmp_path):
    write_set(tmp_path, 2)
    first = read(tmp_path)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.npy")}
    assert len(files) == 2
    again = read(tmp_path)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").glob("*.npy")} == files
    assert [m.path for m in again.train] == [m.path for m in first.train]
    changes = (
        {"working": dataclasses.replace(WORKING, clip=4.0)},
        {"pixel_size": 3.9},
    )
    for count, change in enumerate(changes, start=2):
        read(tmp_path, **change)
        assert len(list((tmp_path / "cache").glob("*.npy"))) == 2 * count
    write_set(tmp_path, 2, seed=1)
    read(tmp_path)
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 2 * len(changes) + 4


def test_working_images_are_mapped_not_read(tmp_path):
    write_set(tmp_path, 1)
    image = read(tmp_path).train[0].image()
    assert isinstance(image, np.memmap) and image.dtype == np.float32
    assert image.shape == (44, 60)


def test_discs_agree_with_distances():
    rng = np.random.default_rng(2)
    centres = rng.uniform(-6, 46, (12, 2))
    y, x = np.mgrid[:40, :40]
    distance = np.hypot(y[..., None] - centres[:, 0], x[..., None] - centres[:, 1]).min(axis=-1)
    np.testing.assert_array_equal(draw_discs(centres, 3.3, 40), distance <= 3.3)
    assert not draw_discs(np.zeros((0, 2)), 3.3, 40).any()


def test_targets_lie_on_the_particles(tmp_path):
    """Dark discs, their labels through every conversion, and the crops agree on a non-square field."""
    write_set(tmp_path, 1)
    micrograph = read(tmp_path).train[0]
    rng = np.random.default_rng(0)
    means = []
    for _ in range(20):
        crop = labelled_crop(micrograph, rng, 32, 0.4, 0.5)
        if crop["target"].any():
            means.append(crop["image"][crop["target"] > 0].mean())
            assert crop["image"][crop["target"] == 0].mean() > -0.3
    assert len(means) > 10 and max(means) < -1.0


def test_labels_that_are_not_learnt_from_are_neither_particles_nor_background(tmp_path):
    write_set(tmp_path)
    whole = read(tmp_path).train[0]
    part = dataclasses.replace(whole, positives_yx_px=whole.centre_yx_px[1:3])
    assert part.is_learnt.tolist() == [False, True, True, False, False]
    shape, rng = part.image().shape, np.random.default_rng(0)
    crop = labelled_crop(part, rng, max(shape), 0.5, 0.0)
    y, x = np.indices(crop["target"].shape)
    nearest = [np.hypot(y - cy, x - cx) / part.radius_px for cy, cx in part.centre_yx_px]
    learnt, others = np.min(nearest[1:3], 0), np.min([nearest[i] for i in (0, 3, 4)], 0)
    usable = labelled_crop(whole, rng, max(shape), 0.5, 0.0)["weight"] > 0
    np.testing.assert_array_equal(crop["target"] > 0, (learnt <= 0.5) & usable)
    np.testing.assert_array_equal(crop["weight"] == 0, ((others <= 1) & (learnt > 0.5)) | ~usable)
    boxes = labelled_boxes(part, rng, max(shape), 8, 0.0)
    centres = {tuple(np.float32(c)) for c in part.centre_yx_px[1:3]}
    assert {tuple(box[:2]) for box in boxes["boxes"][boxes["wanted"]]} == centres
    assert boxes["ignored"].sum() == 3 and not np.any(boxes["ignored"] & boxes["wanted"])


def test_a_field_wider_than_the_micrograph_has_no_weight_beyond_it(tmp_path):
    write_set(tmp_path, 1)
    crop = labelled_crop(read(tmp_path).train[0], np.random.default_rng(0), 80, 0.5, 1.0)
    assert crop["weight"].sum() == 44 * 60
    assert not crop["image"][crop["weight"] == 0].any()
    assert not crop["target"][crop["weight"] == 0].any()


def test_crops_about_particles_hold_one(tmp_path):
    write_set(tmp_path, 1)
    micrograph = read(tmp_path).train[0]
    rng = np.random.default_rng(1)
    assert all(labelled_crop(micrograph, rng, 20, 0.5, 1.0)["target"].any() for _ in range(50))


def test_all_eight_orientations_occur_and_are_shared_by_the_entries():
    square = jnp.arange(9.0).reshape(3, 3)
    keys = jax.random.split(jax.random.key(0), 200)
    stacks = jnp.stack([square, square + 10.0])
    ways = np.asarray(jax.vmap(lambda key: turned(key, stacks))(keys))
    seen = {tuple(way.ravel()) for way in ways[:, 0]}
    expected = {
        tuple(np.rot90(way, n).ravel())
        for n in range(4)
        for way in (np.asarray(square), np.asarray(square).T)
    }
    assert seen == expected
    np.testing.assert_array_equal(ways[:, 1], ways[:, 0] + 10.0)


def test_examples_follow_from_seed_and_index(tmp_path):
    write_set(tmp_path, 3)
    data = read(tmp_path, crops_per_micrograph=4)
    field, target = FieldSpec(field_px=32), TargetSpec()
    train, validation = field_sources(data, simulate, field, target)
    assert (train.count, validation.count) == (8, 4)
    one, other = train.load(5), field_sources(data, simulate, field, target)[0].load(5)
    np.testing.assert_array_equal(one["image"], other["image"])
    assert not np.array_equal(one["image"], train.load(7)["image"])
    rows = train.rows(0, 3, 4)
    example = train.example(
        jax.random.key(1), jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), rows), None
    )
    np.testing.assert_allclose(
        np.sort(np.ravel(example["image"])), np.sort(np.ravel(rows["image"][0])), atol=0
    )


def test_patches_are_particles_and_others_half_each(tmp_path):
    write_set(tmp_path, 1)
    source, validation = patch_sources(read(tmp_path), simulate, 16, 8)
    assert validation is None
    patches = source.load(3)
    assert patches["image"].shape == (8, 16, 16)
    np.testing.assert_array_equal(patches["label"], [1, 1, 1, 1, 0, 0, 0, 0])
    middle = patches["image"][:, 7:10, 7:10].mean(axis=(1, 2))
    assert middle[:4].max() < -1.0
    assert np.all(middle[4:][patches["weight"][4:] > 0] > -1.0)


def test_an_empty_micrograph_has_no_particle_patches(tmp_path):
    write_set(tmp_path, 1)
    data = read(tmp_path)
    empty = dataclasses.replace(data.train[0], centre_yx_px=np.zeros((0, 2)))
    data = dataclasses.replace(data, train=(empty,))
    patches = patch_sources(data, simulate, 16, 8)[0].load(0)
    np.testing.assert_array_equal(patches["weight"], [0, 0, 0, 0, 1, 1, 1, 1])
    crop = field_sources(data, simulate, FieldSpec(field_px=32), TargetSpec())[0].load(0)
    assert not crop["target"].any() and crop["weight"].all()


@pytest.mark.parametrize("name", sorted({*methods.NAMES} - {*methods.UNTRAINED}))
def test_every_method_learns_from_labelled_micrographs(name, tmp_path):
    """Traced, not run: each stage's objective takes the examples that it is handed."""
    write_set(tmp_path, 2)
    method = methods.get(name)
    spec = method.Spec()
    for stage in method.training_stages(spec, read(tmp_path, spec.working)):
        rows = stage.examples.rows(0, 0, 2)
        params = jax.eval_shape(lambda key, stage=stage: stage.init(key, None), jax.random.key(0))
        losses, *_ = jax.eval_shape(stage.loss, params, rows, jax.random.split(jax.random.key(0)))
        assert losses.shape == (2,)
        assert stage.validation.rows(0, 0, 2)["image"].shape == rows["image"].shape
