"""PARSED's procedure: stages that hand on their trunk, fields that can be learnt, blobs where the particles are, and a
mass cut found from a whole data set.
"""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from parsed_fields import CLEAR_FIELD, clear_truths, field_of, random_params, small_bank
from scipy import spatial, stats
from scipy.signal import resample

from experiments import pick
from jaxpick.io.coordinates import read_picks
from jaxpick.io.nouns import Micrograph
from jaxpick.methods import parsed, simulated_examples
from jaxpick.methods.simulated_examples import FieldSpec, segmentation_example
from jaxpick.picking.blob_picker import BlobDecodeSpec, BlobPicker, enhance
from jaxpick.picking.blobs import band_pass
from jaxpick.picking.dense import DecodeSpec, DensePicker
from jaxpick.picking.mass_threshold import MassSpec
from jaxpick.preprocess.parsed import ParsedPreprocessSpec, make_parsed_image
from jaxpick.preprocess.prepare import normalise_field
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.spec import SpecError, as_plain, build
from jaxpick.train.stage import StageSpec
from jaxpick.weights.portable import save_weights

TINY = parsed.Spec(
    width=8,
    field=CLEAR_FIELD,
    patch_field=CLEAR_FIELD,
    patch_px=16,
    patches_per_field=4,
    classifier=StageSpec(steps=2, batch_size=2),
    segmenter=StageSpec(steps=2, batch_size=2),
)
PEAKS = DecodeSpec()
NO_DUST = BlobDecodeSpec(dust=None)


@pytest.fixture(scope="module")
def stages(bank):
    return parsed.training_stages(TINY, bank)


def test_segmenter_starts_from_the_classifier(stages):
    """Fig. S1: the trunk is the classifier's, bit for bit; the rest of the segmenter is its own."""
    classifier, segmenter = stages
    assert (classifier.name, segmenter.name) == ("classifier", "segmenter")
    first = jax.jit(classifier.init)(jax.random.key(0), None)
    alone = jax.jit(segmenter.init)(jax.random.key(1), None)
    second = jax.jit(segmenter.init)(jax.random.key(1), first)
    for name, leaves in first["trunk"].items():
        jax.tree.map(np.testing.assert_array_equal, second["trunk"][name], leaves)
        assert np.any(np.asarray(alone["trunk"][name]["kernel"]) != leaves["kernel"])
    for name in second.keys() - {"trunk"}:
        jax.tree.map(np.testing.assert_array_equal, second[name], alone[name])


def test_patches_are_cut_where_their_labels_say(stages, simulated, bank, monkeypatch):
    """Particles in the middle of the first half of the patches, none in the middle of the others."""
    one = field_of(simulated, 0)
    monkeypatch.setattr(simulated_examples, "draw_field", lambda *_: one)
    monkeypatch.setattr(simulated_examples, "normalise_field", lambda *_: -one.distance)
    example = stages[0].examples.draw(jax.random.key(0), bank)
    assert example["image"].shape == (4, 16, 16)
    np.testing.assert_array_equal(example["label"], [1, 1, 0, 0])
    np.testing.assert_array_equal(example["weight"], 1.0)
    middle = -np.asarray(example["image"])[:, 8, 8]
    # Centres are rounded to whole pixels: at most 0.71 px off, in radii of the particle.
    diameter_px = np.asarray(one.truth.diameter_px)[np.asarray(one.truth.valid)]
    assert np.all(middle[:2] <= 0.71 / (diameter_px.min() / 2) + 1e-3)
    assert np.all(middle[2:] >= 1.2)


def test_classifier_loss_of_equal_logits_is_log_two(stages):
    """A network of zeros cannot tell; empty fields weigh nothing."""
    params = jax.tree.map(jnp.zeros_like, random_params(stages[0].init))
    batch = {
        "image": jax.random.normal(jax.random.key(0), (2, 4, 16, 16)),
        "label": jnp.array([[1, 1, 0, 0]] * 2),
        "weight": jnp.array([[1.0] * 4, [0.0] * 4]),
    }
    losses, figures = jax.jit(stages[0].loss)(params, batch, None)
    np.testing.assert_allclose(losses, [np.log(2), 0.0], atol=1e-6)
    np.testing.assert_allclose(figures["accuracy"][1], [4.0, 0.0])


def test_overfits_two_fields(stages, simulated, bank):
    """From chance to nearly every pixel right, in a hundred steps of a network of width 8."""
    segmenter = stages[1]

    def draw(one):
        return segmentation_example(one, TINY.target, TINY.working)

    whole = jax.jit(jax.vmap(draw))(simulated)
    batch = {name: values[:, 24:72, 24:72] for name, values in whole.items()}
    share = float(jnp.mean(batch["target"]))
    assert 0.03 < share < 0.5
    optimizer = optax.adam(1e-2)
    params = jax.jit(segmenter.init)(jax.random.key(0), None)

    @jax.jit
    def step(params, state):
        def mean(params):
            losses, figures = segmenter.loss(params, batch, None)
            return jnp.mean(losses), figures

        (loss, figures), gradient = jax.value_and_grad(mean, has_aux=True)(params)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, loss, figures

    state, losses = optimizer.init(params), []
    for _ in range(100):
        params, state, loss, figures = step(params, state)
        losses.append(float(loss))
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert losses[-1] < 0.3 * entropy
    right, total = figures["accuracy"]
    assert float(jnp.sum(right) / jnp.sum(total)) > 0.97


def test_simulated_and_real_micrographs_are_normalised_alike(simulated):
    """A field at 15 angstrom goes through the functions that a micrograph goes through."""
    image = np.asarray(field_of(simulated, 0).image)
    spec = ParsedPreprocessSpec()
    as_field = normalise_field(jnp.asarray(image), 15.0, spec)
    as_micrograph = make_parsed_image(image, 15.0, "a", spec).image
    np.testing.assert_allclose(as_field, as_micrograph, atol=1e-5)


def test_perfect_map_gives_the_truth(simulated):
    """A map of discs about the true centres, and the picks of it, back in micrograph pixels."""
    for index in range(2):
        one = field_of(simulated, index)
        perfect = (one.distance <= 0.6).astype(jnp.float32)
        picker = BlobPicker(
            name="perfect",
            score=lambda images, perfect=perfect: perfect[None],
            reach_px=0,
            stride_multiple=1,
            working=ParsedPreprocessSpec(),
            decode=NO_DUST,
            diameter_angstrom=150.0,
        )
        micrograph = Micrograph(image=np.asarray(one.image), pixel_size_angstrom=15.0, name="a.mrc")
        picks = picker.candidates(picker.prepare(micrograph))
        assert np.all(np.diff(picks.score) <= 0) and picks.method == "perfect"
        found = spatial.KDTree(np.stack([picks.y, picks.x], axis=1))
        centres = clear_truths(one)
        # Crocker and Grier leave out half a window (21 px at half a pixel) along the border.
        inside = np.all((centres > 7) & (centres < 88), axis=1)
        assert inside.sum() >= 3
        distance, _ = found.query(centres[inside])
        # Discs of whole pixels: their centre of mass is within half a pixel of the particle's.
        assert np.all(distance < 0.5)
        truth = one.truth
        whole = np.asarray(truth.valid & ~truth.is_broken)
        everything = spatial.KDTree(np.asarray(truth.centre_yx_px)[whole])
        assert np.all(everything.query(found.data)[0] < 3)


def _picker(score_map, decode=NO_DUST, **others):
    return BlobPicker(
        name="made",
        score=lambda images: jnp.asarray(score_map)[None],
        reach_px=0,
        stride_multiple=1,
        working=ParsedPreprocessSpec(),
        decode=decode,
        diameter_angstrom=128.0,
        **others,
    )


def _noise_micrograph(shape, pixel=5.0, seed=0):
    image = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return Micrograph(image=image, pixel_size_angstrom=pixel, name="a.mrc")


def _spots(shape, centres, sigma=2.0):
    y, x = np.indices(shape)
    spots = [np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2)) for cy, cx in centres]
    return np.sum(spots, axis=0).astype(np.float32)


def test_score_is_the_mass_at_the_written_position():
    """The disc sum of the band-passed, twice finer map, up to trackpy's 256 grey values (3 %)."""
    score_map = _spots((60, 80), [(20.2, 25.7), (40.0, 60.4)])
    picker = _picker(score_map)
    working = picker.prepare(_noise_micrograph((180, 240)))
    picks = picker.candidates(working)
    assert len(picks) == 2
    fine = resample(resample(score_map, 120, axis=0), 160, axis=1)
    spec = picker.blob_spec(working)
    assert spec.diameter_px == 17  # the program's int(128 // 15) * 2 + 1
    passed = band_pass(fine, spec)
    steps = np.arange(-8, 9)
    disc = steps[:, None] ** 2 + steps[None, :] ** 2 <= 64
    for y, x, score in zip(picks.y / 3 * 2, picks.x / 3 * 2, picks.score, strict=True):
        window = passed[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9]
        assert score == pytest.approx(np.sum(window * disc), rel=0.03)
    # (20.2, 25.7) at 15 angstrom is (60.6, 77.1) at 5.
    nearest = np.abs(np.stack([picks.y - 60.6, picks.x - 77.1])).max(axis=0).min()
    assert nearest < 0.1


def test_margin_and_dust_hold_no_picks():
    score_map = _spots((100, 100), [(8, 50), (50, 50), (75, 75)])
    clean = _noise_micrograph((300, 300))
    counts = []
    for margin in (0.0, 150.0):
        picker = _picker(score_map, margin_angstrom=margin)
        picks = picker.candidates(picker.prepare(clean))
        assert np.all(picks.y * 5.0 >= margin)
        counts.append(len(picks))
    assert counts == [3, 2]
    cut = _picker(score_map, dataclasses.replace(NO_DUST, edge_cut_angstrom=300.0))
    assert len(cut.candidates(cut.prepare(clean))) == 2
    dirty = np.array(clean.image)
    dirty[180:270, 180:270] -= 8.0  # dark: a dense lump of 450 angstrom about (75, 75)
    dirty = dataclasses.replace(clean, image=dirty)
    for decode, expected in ((NO_DUST, 3), (BlobDecodeSpec(), 2)):
        picker = _picker(score_map, decode)
        assert len(picker.candidates(picker.prepare(dirty))) == expected


def test_enhanced_map_does_not_depend_on_its_brightness():
    score_map = _spots((40, 40), [(20, 20)])
    np.testing.assert_allclose(enhance(7 * score_map), enhance(score_map), rtol=1e-5)
    np.testing.assert_array_equal(enhance(np.zeros((4, 4), np.float32)), 0.0)


def test_cut_is_found_from_all_masses_unless_given():
    random = np.random.default_rng(0)
    light, heavy = stats.gamma(4, scale=2), stats.norm(35, 6)
    masses = np.concatenate(
        [law.rvs(count, random_state=random) for law, count in ((light, 900), (heavy, 1500))]
    )
    score_map = np.zeros((4, 4), np.float32)
    automatic = _picker(score_map)
    assert automatic.threshold is None
    assert 12 < automatic.choose_threshold(masses) < 26
    assert 0.5 <= automatic.choose_threshold(heavy.rvs(900, random_state=random)) < 0.5001
    given = _picker(score_map, BlobDecodeSpec(mass=MassSpec(cutoff=10.3)))
    assert given.threshold == pytest.approx(10.3) and given.threshold > 10.3
    assert given.choose_threshold(masses) == given.threshold


def test_working_scale_and_decoder_are_chosen_by_kind():
    plain = as_plain(parsed.Spec())
    assert build(parsed.Spec, plain) == parsed.Spec()
    assert (plain["working"]["kind"], plain["decode"]["kind"]) == ("note_s3", "blobs")
    scaled = {"kind": "scaled"}
    fields = {name: as_plain(FieldSpec()) for name in ("field", "patch_field")}
    spec = build(parsed.Spec, {"working": scaled, "decode": {"kind": "peaks"}, **fields})
    assert (spec.working, spec.decode) == (WorkingSpec(), PEAKS)
    with pytest.raises(SpecError, match=r"field\.priors\.pixel\.kind: expected diameter_px"):
        build(parsed.Spec, {"working": scaled})
    with pytest.raises(SpecError, match=r"at the working pixel 8"):
        build(parsed.Spec, {"working": {"kind": "note_s3", "working_pixel_angstrom": 8.0}})
    params = {"trunk": {}}
    kinds = {NO_DUST: BlobPicker, PEAKS: DensePicker}
    for decode, kind in kinds.items():
        assert isinstance(parsed.make_picker(TINY, params, 150.0, decode), kind)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of weights of an untrained network."""
    spec = parsed.Spec(width=2)
    params = random_params(parsed.segmenter_stage(spec, small_bank()).init)
    folder = tmp_path_factory.mktemp("weights")
    save_weights(folder, params, {"method": "parsed", "config": as_plain(spec)})
    return folder


def _pick(folder, weights, **settings):
    spec = pick.PickSpec(
        micrographs=str(folder / "*.mrc"),
        diameter=90.0,
        out=str(folder / "picks"),
        method="parsed",
        weights=str(weights),
        **settings,
    )
    assert pick.run(spec) == 0
    candidates = read_picks(folder / "picks" / "picks.csv")
    kept = {p.name: read_picks(p) for p in sorted((folder / "picks").glob("m*.star"))}
    return candidates, kept, json.loads((folder / "picks" / "pick.json").read_text())


def test_pick_cuts_all_micrographs_at_one_mass(tmp_path, weights, monkeypatch):
    """STAR files follow when all masses are known; an interrupted run goes on where it stopped."""
    import mrcfile

    random = np.random.default_rng(0)
    for name in ("m1", "m2"):
        mrcfile.write(tmp_path / f"{name}.mrc", random.normal(size=(300, 320)).astype(np.float32))
    monkeypatch.setattr(BlobPicker, "choose_threshold", lambda self, s: float(np.median(s)))
    candidates, kept, summary = _pick(tmp_path, weights, pixel_size=6.0)
    scores = np.concatenate([picks.score for picks in candidates])
    assert len(scores) >= 4 and summary["threshold"] == pytest.approx(np.median(scores), rel=1e-5)
    counts = [sum(len(p) for p in kept[f"m{i}.star"]) for i in (1, 2)]
    assert counts == [int(np.sum(p.score >= np.median(scores))) for p in candidates]
    (tmp_path / "picks" / "m2.star").unlink()
    for path in (tmp_path / "picks" / "candidates").glob("m2*"):
        path.unlink()
    again = _pick(tmp_path, weights, pixel_size=6.0)
    assert again[2]["picks"] == summary["picks"] and sorted(again[1]) == ["m1.star", "m2.star"]
    heavy = {"mass": {"cutoff": float(scores.max()) + 1.0}}
    _, kept, summary = _pick(tmp_path, weights, pixel_size=6.0, decode=heavy, overwrite=True)
    assert summary["total"] == 0
    with pytest.raises(SpecError, match=r"decode\.mass\.cutof: unknown setting"):
        _pick(tmp_path, weights, pixel_size=6.0, decode={"mass": {"cutof": 1}}, overwrite=True)


def test_noise_is_measured_for_peaks_alone():
    with pytest.raises(SpecError, match="noise_fields"):
        build(parsed.Spec, {"noise_fields": 2})
