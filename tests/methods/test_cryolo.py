"""crYOLO from examples to picks: boxes of fields and labels, anchors, stages, learning, decoding."""

import csv
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from parsed_fields import CLEAR_PRIORS, clear_truths, field_of

from jaxpick.io.nouns import Micrograph
from jaxpick.methods import cryolo
from jaxpick.methods.box_examples import augmented, box_sources, labelled_boxes, simulated_boxes
from jaxpick.methods.detection import ObjectiveSpec, detection_stage
from jaxpick.methods.labelled_micrographs import Labelled, LabelledMicrograph, LabelledSpec
from jaxpick.methods.simulated_examples import FieldSpec
from jaxpick.methods.warm_start import start_from
from jaxpick.models.cryolo import DetectionNetwork
from jaxpick.parallel import HardwareSpec
from jaxpick.picking.box_picker import BoxDecodeSpec, BoxPicker, suppress_boxes
from jaxpick.preprocess.augmentations import AugmentationSpec
from jaxpick.preprocess.cryolo import CryoloPreprocessSpec, standardise
from jaxpick.simulate.targets import TargetSpec
from jaxpick.spec import SpecError, as_plain, build
from jaxpick.train import OptimizerSpec, Simulated, StageSpec, TrainSpec, train_stages

WORKING = CryoloPreprocessSpec(input_px=64, low_pass_frequency=None)
DISCS_WORKING = CryoloPreprocessSpec(input_px=96, low_pass_frequency=None)
NUM_STEPS = 300
UNCHANGED = AugmentationSpec(flips=False, probability=0.0)


def write_micrograph(folder, shape=(70, 90), count=12, radius=6.0, usable=None, seed=0):
    """A working image on disk that is 1 at the labelled centres and 0 elsewhere."""
    random = np.random.default_rng(seed)
    pixels = np.stack([random.integers(0, side, count) for side in shape], 1)
    image = np.zeros(shape, np.float32)
    image[tuple(pixels.T)] = 1.0
    path = folder / f"image_{seed}.npy"
    np.save(path, image)
    return LabelledMicrograph(
        name=f"m{seed}.mrc",
        path=path,
        centre_yx_px=pixels.astype(np.float64),
        radius_px=radius,
        usable=usable or (0, shape[0], 0, shape[1]),
    )


def labelled(micrographs, validation=()):
    spec = LabelledSpec(micrographs="m", coordinates="c", diameter=100.0)
    return Labelled(
        train=tuple(micrographs), validation=tuple(validation), spec=spec, seed=0, summary={}
    )


def test_boxes_of_a_field_are_its_particles(simulated):
    target = TargetSpec(least_dprime=0.0)
    for index in (0, 1):
        field = field_of(simulated, index)
        example = simulated_boxes(field, target, WORKING)
        boxes = np.asarray(example["boxes"])[np.asarray(example["wanted"])]
        truths = clear_truths(field)
        assert 3 < len(truths) <= len(boxes)
        found = {tuple(centre) for centre in boxes[:, :2]}
        assert {tuple(centre) for centre in truths} <= found
        diameters = np.asarray(field.truth.diameter_px)[np.asarray(example["wanted"])]
        np.testing.assert_array_equal(boxes[:, 2:], np.stack([diameters] * 2, 1))
        # Particles are dark: the image within the inner half of the boxes is below its mean of 0.
        image = np.asarray(example["image"])
        y, x = np.mgrid[: image.shape[0], : image.shape[1]]
        for cy, cx, height, width in boxes:
            inner = (abs(y - cy) <= height / 4) & (abs(x - cx) <= width / 4)
            assert image[inner].mean() < 0
        assert not np.any(np.asarray(example["wanted"] & example["ignored"]))
        np.testing.assert_array_equal(example["usable"], [47.5, 47.5, 96.0, 96.0])


def test_weak_particles_are_not_judged(simulated):
    example = simulated_boxes(field_of(simulated, 0), TargetSpec(least_dprime=1e9), WORKING)
    assert not np.any(np.asarray(example["wanted"])) and np.any(np.asarray(example["ignored"]))


@pytest.mark.parametrize("side", [32, 64, 96])
def test_boxes_of_labels_lie_where_the_labels_are(tmp_path, side):
    micrograph = write_micrograph(tmp_path, usable=(10, 70, 0, 80))
    for seed in range(5):
        made = labelled_boxes(micrograph, np.random.default_rng(seed), side, 32, 0.5)
        boxes = made["boxes"][made["wanted"]]
        seen = np.stack(np.nonzero(made["image"]), 1)
        assert {tuple(b) for b in boxes[:, :2]} == {tuple(p) for p in seen.astype(float)}
        np.testing.assert_array_equal(boxes[:, 2:], 12.0)
        y, x, height, width = made["usable"]
        top, left = y - (height - 1) / 2, x - (width - 1) / 2
        assert (height, width) == (60, 80)
        # The first usable row and column lie as far from any label as in the micrograph.
        if len(seen):
            offsets = {tuple(np.array([10, 0]) - c) for c in micrograph.centre_yx_px}
            assert tuple(np.array([top, left]) - seen[0]) in offsets


def test_augmented_examples_keep_boxes_on_their_pixels(tmp_path):
    """Of a micrograph that fills half of the square: the usable part moves with its labels."""
    micrograph = write_micrograph(tmp_path, shape=(64, 30), count=8)
    made = labelled_boxes(micrograph, np.random.default_rng(0), 64, 32, 0.0)
    example = {name: jnp.asarray(value) for name, value in made.items()}
    change = jax.jit(lambda key: augmented(key, example, AugmentationSpec(probability=0.0)))
    places = set()
    for key in jax.random.split(jax.random.key(0), 12):
        found = change(key)
        boxes = np.asarray(found["boxes"])[np.asarray(found["wanted"])]
        seen = np.stack(np.nonzero(np.asarray(found["image"])), 1)
        assert {tuple(b) for b in boxes[:, :2]} == {tuple(p) for p in seen.astype(float)}
        centre, size = np.asarray(found["usable"])[:2], np.asarray(found["usable"])[2:]
        assert np.all(abs(boxes[:, :2] - centre) <= size / 2)
        places.add(tuple(found["usable"].tolist()))
    assert len(places) == 4


def test_sources_of_labels_have_room_for_all_and_leave_validation_as_it_is(tmp_path):
    micrographs = [write_micrograph(tmp_path, count=40, seed=s) for s in (0, 1)]
    data = labelled(micrographs[:1], micrographs[1:])
    train, validation = box_sources(
        data, FieldSpec(field_px=64), TargetSpec(), WORKING, AugmentationSpec()
    )
    rows = train.rows(0, 0, 2)
    assert rows["boxes"].shape == (2, 64, 4)
    assert train.augment is not None and validation.augment is None
    assert (
        box_sources(labelled(micrographs), FieldSpec(), TargetSpec(), WORKING, UNCHANGED)[1] is None
    )


def test_the_anchor_is_the_box_of_the_labels_or_the_middle_of_what_is_simulated(tmp_path, bank):
    spec = cryolo.Spec(architecture="cryolo", width=1 / 64)
    data = labelled(
        [write_micrograph(tmp_path, radius=9.0), write_micrograph(tmp_path, radius=11.0)]
    )
    for source, expected in ((data, 20.0), (bank, 32.0)):
        stage = cryolo.training_stages(spec, source)[0]
        params = jax.jit(stage.init, static_argnums=1)(jax.random.key(0), None)
        assert float(params["batch_stats"]["anchor_px"]) == pytest.approx(expected)
    fixed = dataclasses.replace(spec, anchor_px=27.0)
    assert cryolo._anchor_px(fixed, data) == 27.0
    angstrom = dataclasses.replace(spec, field=FieldSpec(priors=CLEAR_PRIORS, field_px=96))
    with pytest.raises(SpecError, match="anchor_px"):
        cryolo.training_stages(angstrom, bank)


def test_stages_are_warm_up_and_detector_and_fine_tuning_keeps_the_anchor(bank):
    spec = cryolo.Spec(architecture="cryolo", width=1 / 64)
    stages = cryolo.training_stages(spec, bank)
    assert [stage.name for stage in stages] == ["warm_up", "detector"]
    # Of 200 epochs, 5 warm up; Adam at 1e-4, batches of 6, the documentation's 5/1/1/1 and 0.6.
    assert [stage.settings.steps for stage in stages] == [100, 3900]
    assert {stage.settings.batch_size for stage in stages} == {6}
    assert {stage.settings.optimizer.learning_rate for stage in stages} == {1e-4}
    assert as_plain(spec.objective) == {
        "object_scale": 5.0,
        "no_object_scale": 1.0,
        "coordinate_scale": 1.0,
        "class_scale": 1.0,
        "no_object_overlap": 0.6,
    }
    (alone,) = cryolo.training_stages(dataclasses.replace(spec, warm_up=None), bank)
    assert alone.name == "detector"
    trained = jax.jit(stages[0].init, static_argnums=1)(jax.random.key(0), None)
    trained["batch_stats"]["anchor_px"] = jnp.float32(19.0)
    (tuned,) = start_from(stages, trained, "weights")
    assert float(tuned.init(jax.random.key(1), None)["batch_stats"]["anchor_px"]) == 19.0


def test_settings_survive_the_card_and_impossible_ones_are_refused():
    spec = cryolo.Spec(width=0.25, warm_up=None, anchor_px=30.0)
    assert build(cryolo.Spec, as_plain(spec)) == spec
    for wrong in ({"width": 0.0}, {"anchor_px": -1.0}, {"field": FieldSpec(field_px=100)}):
        with pytest.raises(SpecError, match=next(iter(wrong))):
            cryolo.Spec(**wrong)


DISCS_SIDE = 96


def discs(key):
    """Dark discs of 16 to 26 pixels on noise, hardly touching, as an example."""
    jitter_key, size_key, noise_key, there_key = jax.random.split(key, 4)
    middle = jnp.array([16.0, 48.0, 80.0])
    grid = jnp.stack(jnp.meshgrid(middle, middle, indexing="ij"), -1).reshape(9, 2)
    centres = grid + jax.random.uniform(jitter_key, (9, 2), minval=-8.0, maxval=8.0)
    sizes = jax.random.uniform(size_key, (9, 1), minval=16.0, maxval=26.0)
    there = jax.random.bernoulli(there_key, 0.7, (9,))
    pixels = jnp.arange(DISCS_SIDE, dtype=jnp.float32)
    y, x = pixels[None, :, None], pixels[None, None, :]
    distance = jnp.hypot(y - centres[:, :1, None], x - centres[:, 1:, None])
    inside = (distance < sizes[:, :, None] / 2) & there[:, None, None]
    noise = 0.3 * jax.random.normal(noise_key, (DISCS_SIDE, DISCS_SIDE))
    return {
        "image": standardise(noise - 2.0 * jnp.any(inside, axis=0)),
        "boxes": jnp.concatenate([centres, sizes, sizes], 1),
        "wanted": there,
        "ignored": jnp.zeros(9, bool),
        "usable": jnp.array([47.5, 47.5, 96.0, 96.0]),
    }


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A narrow network that has seen 2400 images of discs, none twice, and its figures."""
    spec = cryolo.Spec(architecture="cryolo", width=1 / 8, anchor_px=20.0)
    network = cryolo._network(spec, anchor_px=20.0)
    optimizer = OptimizerSpec(learning_rate=3e-3, schedule="warmup_cosine", warmup_steps=10)
    stage = detection_stage(
        "discs",
        network,
        lambda key, previous: network.init(key, jnp.zeros((1, 96, 96, 1))),
        (Simulated(draw=lambda key, shared: discs(key)), None),
        ObjectiveSpec(),
        StageSpec(steps=NUM_STEPS, batch_size=8, optimizer=optimizer),
    )
    run = TrainSpec(log_every=10, validate_every=NUM_STEPS, validation_batches=2)
    folder = tmp_path_factory.mktemp("discs")
    (result,) = train_stages([stage], run, folder, hardware=HardwareSpec(num_devices=1))
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    return jax.device_get(result.params), rows, result.figures


def test_places_and_sizes_are_learnt_from_few_examples(learnt):
    """A guess of the centre costs 1/12; from usual last weights: size 0.06, precision 0.3 after as many steps."""
    _, rows, figures = learnt
    first, last = ([r for r in rows if r["split"] == "train"][i] for i in (0, -1))
    assert float(first["centre"]) > 0.04 and float(last["centre"]) < 0.02
    assert figures["centre"] < 0.02 and figures["size"] < 0.03
    assert figures["recall"] > 0.9 and figures["precision"] > 0.8 and figures["overlap"] > 0.7
    parts = [figures[name] for name in ("centre", "size", "confidence", "class")]
    assert sum(parts) == pytest.approx(figures["loss"], rel=1e-3)


def test_new_discs_are_picked_in_place_and_with_their_sizes(learnt):
    """With the running statistics, as picking uses them: every disc once. The middle of its cell would be 6 pixels off
    in the median, the anchor would know nothing of sizes.
    """
    spec = cryolo.Spec(architecture="cryolo", width=1 / 8, working=DISCS_WORKING)
    picker = cryolo.make_picker(spec, learnt[0], 20.0)
    errors, sizes, true_sizes, missed, false = [], [], [], 0, 0
    for seed in range(12):
        made = discs(jax.random.key(1000 + seed))
        image, there = np.asarray(made["image"]), np.asarray(made["wanted"])
        boxes = np.asarray(made["boxes"])[there]
        micrograph = Micrograph(image=image, pixel_size_angstrom=1.0, name="m.mrc")
        found = picker.candidates(picker.prepare(micrograph))
        picks = found.select(found.score >= picker.threshold)
        distance = np.hypot(picks.y[:, None] - boxes[:, 0], picks.x[:, None] - boxes[:, 1])
        nearest = distance.argmin(0)
        hit = distance.min(0) < 8.0
        missed += np.sum(~hit)
        false += len(picks) - np.sum(hit)
        errors.extend(distance.min(0)[hit])
        sizes.extend(picks.diameter_angstrom[nearest[hit]])
        true_sizes.extend(boxes[hit, 2])
    assert missed <= 0.05 * len(errors) and false <= 0.05 * len(errors)
    assert np.median(errors) < 2.5
    assert np.corrcoef(sizes, true_sizes)[0, 1] > 0.7


def by_hand(boxes, confidence, **decode):
    """A picker whose detector gives these boxes, over a micrograph of twice the working size."""

    def detect(images):
        return jnp.asarray(boxes, jnp.float32)[None], jnp.asarray(confidence, jnp.float32)[None]

    picker = BoxPicker(
        name="hand",
        detect=detect,
        working=WORKING,
        decode=BoxDecodeSpec(**decode),
        diameter_angstrom=40.0,
    )
    image = np.random.default_rng(0).normal(size=(128, 193)).astype(np.float32)
    made = picker.prepare(Micrograph(image=image, pixel_size_angstrom=2.0, name="m.mrc"))
    return picker, made


BOXES = [
    [
        [10.0, 20.0, 12.0, 16.0],
        [11.0, 22.0, 12.0, 16.0],
        [40.0, 60.0, 10.0, 10.0],
        [50.0, 90.0, 4.0, 4.0],
    ]
]


def test_boxes_become_picks_in_micrograph_pixels_with_sizes_and_scores():
    picker, made = by_hand(BOXES, [[0.6, 0.9, 0.2, 0.05]])
    picks = picker.candidates(made)
    assert made.coordinates.scale_y == 2.0 and made.coordinates.scale_x == 193 / 96
    np.testing.assert_allclose(picks.score, [0.9, 0.2, 0.05], rtol=1e-6)
    np.testing.assert_allclose(picks.y, [22.0, 80.0, 100.0])
    np.testing.assert_allclose(picks.x, np.array([22.0, 60.0, 90.0]) * 193 / 96)
    sizes = np.array([(12 * 2.0 + 16 * 193 / 96) / 2, 5 * (2 + 193 / 96), 2 * (2 + 193 / 96)])
    np.testing.assert_allclose(picks.diameter_angstrom, 2.0 * sizes)
    assert picks.method == "hand" and picks.pixel_size_angstrom == 2.0
    np.testing.assert_allclose(picks.extra["box_width_px"], 20.0)


def test_candidates_far_below_the_threshold_are_kept_and_the_rest_is_not():
    picker, made = by_hand(BOXES, [[0.6, 0.9, 0.02, 0.009]])
    assert picker.threshold == 0.3
    np.testing.assert_allclose(picker.candidates(made).score, [0.9, 0.02], rtol=1e-6)


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"least_diameters": 0.6}, [0.9, 0.2]),
        ({"largest_diameters": 1.1}, [0.2, 0.05]),
        ({"least_diameters": 0.6, "largest_diameters": 1.1}, [0.2]),
    ],
)
def test_sizes_out_of_range_are_dropped(limits, kept):
    """Sizes are 56, 40 and 16 angstrom of a particle of 40."""
    picker, made = by_hand(BOXES, [[0.6, 0.9, 0.2, 0.05]], **limits)
    np.testing.assert_allclose(picker.candidates(made).score, kept, rtol=1e-6)


def test_boxes_in_the_padding_are_no_picks():
    """96 working columns are padded to 128 and 64 rows to none."""
    boxes = [[[30.0, 95.4, 8.0, 8.0], [30.0, 95.6, 8.0, 8.0], [63.6, 30.0, 8.0, 8.0]]]
    picker, made = by_hand(boxes, [[0.5, 0.6, 0.7]])
    np.testing.assert_allclose(picker.candidates(made).score, [0.5], rtol=1e-6)


def test_ties_and_no_boxes_are_settled():
    boxes = np.array([[5.0, 5, 4, 4], [5.0, 5, 4, 4], [50.0, 5, 4, 4]], np.float32)
    found, score = suppress_boxes(boxes, np.array([0.5, 0.5, 0.5], np.float32), 0.3)
    np.testing.assert_array_equal(found, boxes[[0, 2]])
    assert len(score) == 2
    none, score = suppress_boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.3)
    assert none.shape == (0, 4) and len(score) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.0},
        {"candidate_threshold": 0.5},
        {"overlap_limit": 1.5},
        {"least_diameters": 0.0},
        {"largest_diameters": -1.0},
    ],
)
def test_impossible_decoders_are_refused(wrong):
    with pytest.raises(SpecError, match=next(iter(wrong))):
        BoxDecodeSpec(**wrong)


@pytest.mark.parametrize("architecture", ["cryolo", "phosaurus", "yolo"])
def test_the_score_of_a_pick_is_the_confidence_of_its_cell(architecture):
    """Random parameters, a micrograph that is not square; nothing depends on the padding's side."""
    spec = cryolo.Spec(architecture=architecture, width=1 / 64, working=WORKING)
    network = DetectionNetwork(architecture=architecture, width=1 / 64, anchor_px=9.0)
    params = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 1)))
    params["params"]["detection"]["kernel"] *= 30.0  # as of a trained network: cells differ
    decode = BoxDecodeSpec(candidate_threshold=1e-4, threshold=1e-3, overlap_limit=1.0)
    picker = cryolo.make_picker(spec, params, 40.0, decode)
    image = np.random.default_rng(1).normal(size=(64, 100)).astype(np.float32)
    made = picker.prepare(Micrograph(image=image, pixel_size_angstrom=4.0, name="m.mrc"))
    assert made.image.shape == (64, 100)
    picks = picker.candidates(made)
    padded = np.pad(np.asarray(made.image), ((0, 0), (0, 28)))
    maps = np.asarray(network.apply(params, jnp.asarray(padded)[None, ..., None]))[0]
    cells = np.floor((np.stack([picks.y, picks.x], 1) + 0.5) / network.stride).astype(int)
    expected = 1 / (1 + np.exp(-maps[cells[:, 0], cells[:, 1], 4]))
    np.testing.assert_allclose(picks.score, expected, rtol=1e-4)
    # Every cell whose box is centred on the micrograph gave one.
    assert len(picks) >= (64 // network.stride) * (100 // network.stride)
