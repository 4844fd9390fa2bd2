"""Topaz's shares of pixels, its minibatches, its objective within the trainer, and its extraction."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick import losses
from jaxpick.io.nouns import Micrograph
from jaxpick.methods import topaz, topaz_fields
from jaxpick.methods.labelled_micrographs import Labelled, LabelledMicrograph, LabelledSpec
from jaxpick.methods.topaz_examples import (
    LabelledPixels,
    SamplerSpec,
    disc_offsets,
    rotated_side_px,
    turn_and_mirror,
)
from jaxpick.methods.topaz_objective import ObjectiveSpec, objective_value
from jaxpick.models.topaz_decoder import TopazDecoder, reconstruction_error
from jaxpick.models.topaz_layers import NetworkSpec
from jaxpick.parallel import HardwareSpec
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.simulated import Simulated
from jaxpick.simulate.truth import Truth
from jaxpick.spec import SpecError, as_plain, build
from jaxpick.train import StageSpec, TrainSpec, train_stages

SHAPE = (60, 80)
TINY = topaz.Spec(
    network=NetworkSpec(architecture="conv31", units=1, unit_scaling=1, batch_norm=True),
    sampler=SamplerSpec(items=8, positive_share=0.5),
    classifier=StageSpec(steps=2, batch_size=4),
)


def labelled(folder, count=2, centres=((20.0, 30.0), (21.4, 31.0), (0.0, 79.0))):
    """Micrographs whose pixels are 100 y + x, with labels, one of them in a corner."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    micrographs = []
    for number in range(count):
        path = folder / f"{number}.npy"
        np.save(path, (100.0 * y + x).astype(np.float32))
        micrographs.append(
            LabelledMicrograph(
                name=f"{number}.mrc",
                path=path,
                centre_yx_px=np.array(centres, np.float64).reshape(-1, 2),
                radius_px=10.0,
                usable=(0, SHAPE[0], 0, SHAPE[1]),
            )
        )
    return tuple(micrographs)


def data_of(micrographs, **settings):
    spec = LabelledSpec(micrographs="*", coordinates="*", diameter=100.0, **settings)
    return Labelled(train=micrographs, validation=(), spec=spec, seed=3, summary={})


def test_the_disc_of_radius_three_has_29_pixels():
    assert [len(disc_offsets(radius)) for radius in (0.0, 1.0, 2.0, 3.0, 4.0)] == [1, 5, 13, 29, 49]


def test_shares_of_pixels_by_hand(tmp_path):
    """A disc of 29, one pixel beside it (a column of seven more), and what a corner leaves of a disc."""
    pixels = LabelledPixels.of(labelled(tmp_path), 3.0)
    corner = sum(1 for y in range(4) for x in range(4) if y * y + x * x <= 9)
    both = {(y + dy, x + dx) for y, x in ((20, 30), (21, 31)) for dy, dx in disc_offsets(3.0)}
    assert pixels.num_labelled == 2 * (len(both) + corner)
    assert pixels.num_pixels == 2 * 60 * 80
    assert pixels.observed_share == pixels.num_labelled / 9600
    assert pixels.expected_share(30.0, 3.0) == 30 * 29 * 2 / 9600


def test_labels_that_are_not_learnt_from_are_unlabelled(tmp_path):
    (one, *others) = labelled(tmp_path)
    hidden = dataclasses.replace(one, positives_yx_px=one.centre_yx_px[:1])
    assert LabelledPixels.of([hidden, *others], 3.0).pixels[0].shape == (29, 2)


def told(spec, pixels):
    lines = []
    prior, kind = topaz.expected_prior(spec, pixels, lines.append)
    return prior, kind, lines


def test_shares_are_told_and_a_warning_where_nothing_is_left_to_expect(tmp_path):
    pixels = LabelledPixels.of(labelled(tmp_path), 3.0)
    prior, kind, lines = told(topaz.Spec(expected_particles=30.0), pixels)
    assert prior == pytest.approx(0.18125) and kind == "ge_binomial"
    assert lines[0].startswith("topaz: pi = 0.1812, p_obs = 0.01") and len(lines) == 1
    prior, kind, lines = told(topaz.Spec(expected_particles=1.0), pixels)
    assert prior < pixels.observed_share and kind == "pn"
    assert "warning: pi <= p_obs" in lines[1]
    prior, kind, lines = told(topaz.Spec(), pixels)
    assert prior == pixels.observed_share and kind == "pn" and "warning" not in lines[1]
    kept = dataclasses.replace(topaz.Spec(pi=0.001), objective=ObjectiveSpec(kind="pu"))
    assert told(kept, pixels)[:2] == (0.001, "pu")


def test_labels_of_a_smaller_image_are_suspected(tmp_path):
    whole = LabelledPixels.of(labelled(tmp_path), 3.0)
    assert whole.reach == (24 / 60, 79 / 80)
    small = LabelledPixels.of(labelled(tmp_path, centres=((10.0, 12.0), (20.0, 15.0))), 3.0)
    assert small.reach == (23 / 60, 18 / 80)
    assert any("are the coordinates in pixels" in line for line in told(topaz.Spec(), small)[2])
    assert not any("are the coordinates" in line for line in told(topaz.Spec(), whole)[2])


def test_positives_lie_at_labelled_pixels_and_the_others_elsewhere(tmp_path):
    pixels = LabelledPixels.of(labelled(tmp_path), 3.0)
    known = {tuple(yx) for yx in pixels.pixels[0].tolist()}
    spec, counts, seen = SamplerSpec(), [], set()
    for index in range(30):
        drawn = pixels.draw(np.random.default_rng(index), spec, 1, excludes=True)
        places = [divmod(int(value), 100) for value in drawn["image"][:, 0, 0]]
        positive = drawn["label"] == 1
        counts.append(positive.sum())
        assert all((place in known) == is_on for place, is_on in zip(places, positive, strict=True))
        seen |= {place for place, is_on in zip(places, positive, strict=True) if is_on}
    assert seen == known
    # Sixteen of 256, a binomial spread of 3.9: thirty of them scatter about their mean by 0.7.
    assert abs(np.mean(counts) - 16) < 3 and 2 < np.std(counts) < 6


def test_unlabelled_items_may_lie_anywhere_where_the_objective_wants_it(tmp_path):
    pixels = LabelledPixels.of(labelled(tmp_path), 3.0)
    whole = dataclasses.replace(pixels, pixels=(np.argwhere(np.ones(SHAPE)),) * 2)
    spec = SamplerSpec(items=64)
    drawn = whole.draw(np.random.default_rng(0), spec, 1, excludes=False)
    assert drawn["label"].sum() < 20 and len(np.unique(drawn["image"])) > 55


def test_the_same_seed_gives_the_same_minibatch(tmp_path):
    pixels = LabelledPixels.of(labelled(tmp_path), 3.0)
    draws = [
        pixels.draw(np.random.default_rng([5, index]), SamplerSpec(items=16), 5, True)["image"]
        for index in (1, 1, 2)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_crops_are_centred_and_zero_beyond_the_border(tmp_path):
    pixels = LabelledPixels.of(labelled(tmp_path, centres=((0.0, 79.0),)), 0.0)
    spec = SamplerSpec(items=4, positive_share=0.999)
    drawn = pixels.draw(np.random.default_rng(0), spec, 5, True)
    crop = drawn["image"][0]
    assert drawn["label"].all()
    assert crop[2, 2] == 79 and crop[3, 1] == 178
    assert not crop[:2].any() and not crop[:, 3:].any()


def test_micrographs_without_labels_give_unlabelled_items(tmp_path):
    pixels = LabelledPixels.of(labelled(tmp_path, centres=()), 3.0)
    drawn = pixels.draw(np.random.default_rng(0), SamplerSpec(items=8), 3, True)
    assert not drawn["label"].any() and drawn["image"].shape == (8, 3, 3)


def test_turning_keeps_the_centre_and_the_distance_from_it():
    side, crop = rotated_side_px(31), 31
    assert side == 45
    y, x = np.mgrid[:side, :side] - side // 2
    rings = jnp.asarray(np.hypot(y, x), jnp.float32)
    slope = jnp.asarray(np.arctan2(y, x), jnp.float32)
    crops = jnp.concatenate([jnp.stack([rings] * 4), jnp.stack([slope] * 4)])
    turned = np.asarray(turn_and_mirror(jax.random.key(0), crops, crop))
    assert turned.shape == (8, crop, crop)
    wanted = np.asarray(rings)[7:-7, 7:-7]
    assert np.abs(turned[:4] - wanted).max() < 0.75
    angles = turned[4:, 15, 25]  # what lies to the right of the centre
    assert np.ptp(angles) > 0.5


CENTRES = ((12.2, 14.0), (1.0, 62.0), (40.0, 20.0), (44.0, 50.0), (20.0, 40.0))


def partly(kind, **fields):
    """One of the simulator's records with some of its fields, without simulating anything."""
    record = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(record, name, value)
    return record


@pytest.fixture
def known_field(monkeypatch):
    """A field whose pixels are 100 y + x: two particles to be found, one lost in noise, one broken, one empty slot."""
    truth = partly(
        Truth,
        centre_yx_px=jnp.asarray(CENTRES, jnp.float32),
        valid=jnp.array([True, True, True, True, False]),
        is_inside=jnp.ones(5, bool),
        is_broken=jnp.array([False, False, False, True, False]),
        overlap_fraction=jnp.zeros(5),
        visible_fraction=jnp.ones(5),
        dprime=jnp.array([9.0, 9.0, 1.0, 9.0, 9.0]),
        contaminant=jnp.zeros(5, jnp.int32),
    )
    y, x = np.mgrid[:64, :64]
    far = np.stack([np.hypot(y - cy, x - cx) / 8.0 for cy, cx in CENTRES[:3]])
    near = partly(
        Simulated,
        image=jnp.asarray(100.0 * y + x, jnp.float32),
        truth=truth,
        distance=jnp.asarray(far.min(axis=0), jnp.float32),
        nearest=jnp.asarray(far.argmin(axis=0) + 1, jnp.int32),
        contaminant_mask=jnp.zeros((64, 64), jnp.int32),
        pixel_size_angstrom=jnp.float32(5.0),
    )
    monkeypatch.setattr(topaz_fields, "draw_field", lambda *_: near)
    monkeypatch.setattr(topaz_fields, "normalise_field", lambda image, *_: image)
    return near


def minibatch(sampler, seed=0, excludes=True, crop_px=1):
    spec, bank = topaz.Spec(), partly(Bank)
    settings = (bank, spec.field, spec.target, spec.working, sampler, crop_px, excludes)
    return topaz_fields.simulated_minibatch(jax.random.key(seed), *settings)


def within(radius, *slots):
    """Pixels about the rounded centres of some particles."""
    y, x = np.mgrid[:64, :64]
    close = [np.hypot(y - round(CENTRES[i][0]), x - round(CENTRES[i][1])) <= radius for i in slots]
    return {tuple(yx) for yx in np.argwhere(np.any(close, axis=0)).tolist()}


def test_simulated_items_lie_where_they_should(known_field):
    """Positives in both discs, one cut by the border; others not there, nor at what nobody could find."""
    sampler = SamplerSpec(items=2000, positive_share=0.5, fields_per_minibatch=2)
    drawn = minibatch(sampler)
    places = [divmod(int(value), 100) for value in drawn["image"][:, 0, 0]]
    is_on = np.asarray(drawn["label"]) == 1
    discs = within(3, 0, 1)
    assert {p for p, on in zip(places, is_on, strict=True) if on} == discs
    others = {p for p, on in zip(places, is_on, strict=True) if not on}
    assert not others & discs and not others & within(3.5, 2)
    assert others & within(4, 3) and len(others) > 600
    assert abs(is_on.mean() - 0.5) < 0.06
    assert drawn["prior"] == drawn["observed"]
    hidden = len(within(4, 2))
    np.testing.assert_allclose(drawn["prior"], len(discs) / (64 * 64 - hidden), rtol=1e-5)


def test_hidden_particles_are_among_the_unlabelled(known_field):
    sampler = SamplerSpec(items=32, fields_per_minibatch=1, labelled_share=0.5)
    drawn = [minibatch(sampler, seed) for seed in range(12)]
    full, cut = 29, len(within(3, 1))
    total = 64 * 64 - len(within(4, 2))
    shares = {round(float(d["observed"]) * total) for d in drawn}
    assert shares <= {0, full, cut, full + cut} and len(shares) > 1
    assert {round(float(d["prior"]) * total) for d in drawn} == {full + cut}
    empty = [d for d in drawn if d["observed"] == 0]
    assert all(not d["label"].any() for d in empty)


def test_simulated_crops_are_centred_and_zero_beyond(known_field):
    sampler = SamplerSpec(items=64, positive_share=0.9, fields_per_minibatch=1)
    for seed in range(2):
        crops = np.asarray(minibatch(sampler, seed, crop_px=9)["image"])
        y = crops[:, 4, 4] // 100
        np.testing.assert_array_equal(crops[:, 5, 4][y < 63], (crops[:, 4, 4] + 100)[y < 63])
        assert np.all(crops[y < 4, 0] == 0) and np.any(y < 4)


@pytest.mark.parametrize("kind", ["ge_kl", "ge_binomial"])
def test_expectations_leave_out_what_is_labelled(kind):
    logits = jnp.asarray(np.random.default_rng(0).normal(size=12), jnp.float32)
    label = jnp.asarray(np.arange(12) < 3, jnp.float32)
    spec = ObjectiveSpec(kind=kind)
    value = objective_value(spec, logits, label, jnp.float32(0.3), jnp.float32(0.1))
    own = {"ge_kl": losses.expectation_divergence, "ge_binomial": losses.expectation_binomial}
    np.testing.assert_allclose(value, own[kind](logits, label, jnp.float32(0.2)), rtol=1e-5)


def test_parameters_do_not_depend_on_how_devices_are_used(tmp_path):
    """Norms, dropout, decoder and expectation see one minibatch each, wherever it is."""
    spec = dataclasses.replace(
        TINY,
        network=dataclasses.replace(TINY.network, dropout=0.2),
        objective=ObjectiveSpec(l2=1e-3, autoencoder=1e-3),
        expected_particles=20.0,
    )
    data = data_of(labelled(tmp_path))
    found = []
    for strategy, devices in (("jit", 1), ("pmap", 4)):
        stages = topaz.training_stages(spec, data)
        (result,) = train_stages(
            stages,
            TrainSpec(validation_batches=1),
            tmp_path / strategy,
            hardware=HardwareSpec(strategy=strategy, num_devices=devices),
        )
        found.append(result.params)
    leaves = [jax.tree.leaves(params) for params in found]
    for one, other in zip(*leaves, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-4)
    moved = found[0]["batch_stats"]
    assert np.any(moved["layer0"]["norm"]["mean"] != 0)
    assert np.any(moved["decoder"]["norm0"]["mean"] != 0)


def test_decoder_gives_the_middle_of_a_crop():
    assert [TopazDecoder(side).image_px for side in (31, 63, 71, 91, 127)] == [31, 63, 63, 63, 127]
    images, crops = jnp.zeros((2, 3, 3, 1)), np.zeros((2, 7, 7, 1), np.float32)
    crops[0, 2:5, 2:5], crops[1, 0] = 2.0, 100.0
    np.testing.assert_allclose(reconstruction_error(images, jnp.asarray(crops)), 0.5 * 9 * 4)
    decoder = TopazDecoder(31)
    shapes = jax.eval_shape(lambda k: decoder.init(k, jnp.zeros((1, 1, 1, 5))), jax.random.key(0))
    features = jnp.zeros((3, 1, 1, 5))
    drawn = jax.eval_shape(decoder.apply, shapes, features)
    assert drawn.shape == (3, 31, 31, 1)


def test_tiles_give_the_map_of_the_whole(tmp_path):
    network = NetworkSpec(architecture="conv31", units=1, unit_scaling=1)
    params = topaz.initial_params(network, ObjectiveSpec(), jax.random.key(1))
    image = np.random.default_rng(0).normal(size=(100, 140)).astype(np.float32)
    spec = topaz.Spec(network=network)
    whole, tiled = (
        topaz.make_picker(spec, params, 100.0, topaz.TopazDecodeSpec(tile_px=side)).score_map(image)
        for side in (768, 64)
    )
    assert whole.shape == image.shape and whole.std() > 1e-3
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def brightness_picker(decode=topaz.TopazDecodeSpec(), margin=0.0):
    """A picker whose logit is the pixel itself."""
    spec = topaz.Spec(network=NetworkSpec(architecture="conv31", units=1))
    picker = topaz.make_picker(spec, {"params": {}}, 100.0, decode, margin)
    return dataclasses.replace(picker, score=lambda images: images, reach_px=1)


@pytest.mark.oracle
@pytest.mark.parametrize("case", ["interior", "buggy_at_border"])
def test_extraction_is_topaz_without_its_border(oracles, case):
    reference = np.load(oracles / "topaz_nms.npz")
    picker = brightness_picker(topaz.TopazDecodeSpec(candidate_threshold=-1.0))
    image = reference[f"{case}/map"]
    working = picker.prepare(Micrograph(image=image, pixel_size_angstrom=5.0, name="a.mrc"))
    # Seven pixels of a diameter of 14; the working image is put in its place.
    working = dataclasses.replace(working, image=image, pixel_size_angstrom=50.0 / 7.0)
    picks = picker.candidates(working)
    np.testing.assert_array_equal(picks.x, reference[f"{case}/clean_xy"][:, 0])
    np.testing.assert_array_equal(picks.y, reference[f"{case}/clean_xy"][:, 1])
    np.testing.assert_array_equal(picks.score.astype(np.float32), reference[f"{case}/clean_scores"])
    if case == "interior":
        np.testing.assert_array_equal(picks.x, reference["interior/picks_xy"][:, 0])


def test_scores_are_those_of_the_map_where_picks_lie():
    image = np.random.default_rng(0).normal(size=(150, 170)).astype(np.float32)
    picker = brightness_picker(margin=50.0)
    working = picker.prepare(Micrograph(image=image, pixel_size_angstrom=2.0, name="a.mrc"))
    picks = picker.candidates(working)
    y, x = working.coordinates.to_working(picks.y, picks.x)
    at = (np.round(y).astype(int), np.round(x).astype(int))
    np.testing.assert_array_equal(np.asarray(working.image)[at], picks.score.astype(np.float32))
    assert np.all(np.diff(picks.score) <= 0) and picks.score[-1] < 0
    assert picks.x.min() >= 25 and picks.x.max() <= 144
    assert picker.threshold == 0.0


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"pi": 0.1, "expected_particles": 3.0}, "pi"),
        ({"pi": 1.0}, "pi"),
        ({"objective": {"kind": "pn", "slack": 2.0}}, "slack"),
        ({"objective": {"kind": "pu", "entropy_penalty": 2.0}}, "entropy_penalty"),
        ({"sampler": {"labelled_share": 0.0}}, "labelled_share"),
        ({"decode": {"candidate_threshold": 1.0}}, "candidate_threshold"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(SpecError, match=message):
        build(topaz.Spec, settings)


def test_settings_that_would_change_nothing_are_refused(tmp_path):
    bank = partly(Bank)
    with pytest.raises(SpecError, match="expected_particles"):
        topaz.training_stages(topaz.Spec(expected_particles=3.0), bank)
    with pytest.raises(SpecError, match=r"method\.sampler"):
        topaz.training_stages(TINY, data_of(labelled(tmp_path), particle_share=0.1))
    relion = dataclasses.replace(TINY.working, diameter_px=None)
    with pytest.raises(SpecError, match=r"working\.diameter_px"):
        topaz.training_stages(dataclasses.replace(TINY, working=relion), bank)


def test_defaults_are_topaz():
    spec = topaz.Spec()
    assert (spec.network.architecture, spec.network.units) == ("resnet8", 32)
    assert spec.network.receptive_field_px == 71 and not spec.network.batch_norm
    assert (spec.sampler.items, spec.sampler.positive_share) == (256, 0.0625)
    assert (spec.classifier.steps, spec.classifier.batch_size) == (10_000, 1)
    assert spec.classifier.optimizer.learning_rate == 2e-4
    assert spec.decode.candidate_threshold == -6.0
    assert build(topaz.Spec, as_plain(spec)) == spec
