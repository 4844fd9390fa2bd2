"""Whole micrographs: sign, noise, repeatability, batches, margins, asked-for SNR."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.methods.simulated_examples import FieldSpec, draw_field
from jaxpick.parallel import data_mesh, per_example, replicate, shard_batch
from jaxpick.physics.ctf import Envelope, Optics
from jaxpick.physics.wave import form_intensity
from jaxpick.simulate.camera import expose
from jaxpick.simulate.priors import MicroscopePrior, PixelAngstrom, Priors, ScenePrior
from jaxpick.simulate.render import simulate_batch, simulate_micrograph
from jaxpick.simulate.splat import splat
from tests.simulate.scenes import PERFECT_CAMERA, blob_bank, plain_priors
from tests.simulate.test_splat import make_scene

SHAPE, PARTICLES = (96, 80), 24
BANK = blob_bank((15.0, 17.0))
BRIGHT = plain_priors(
    microscope=MicroscopePrior(
        phase_plate_probability=0.0,
        defocus_um=(1.5, 1.5),
        low_defocus_probability=0.0,
        dose_e_per_angstrom2=(2000.0, 2000.0),
        damage=False,
    ),
    scene=ScenePrior(
        empty_probability=0.0,
        coverage=(0.15, 0.15),
        layout_weights=(1.0, 0.0, 0.0, 0.0),
        two_layer_probability=0.0,
        target_mass_kda=(1e-3, 1e6),
    ),
)


@functools.lru_cache
def simulator(priors):
    return jax.jit(lambda key: simulate_micrograph(key, priors, BANK, SHAPE, PARTICLES, 8))


def test_underfocused_particles_are_dark_where_the_truth_says():
    drawn = simulator(BRIGHT)(jax.random.key(0))
    truth = drawn.truth
    inside = np.asarray(truth.valid & (truth.visible_fraction == 1))
    assert inside.sum() > 3
    image = np.asarray(drawn.image)
    for y, x in np.asarray(truth.centre_yx_px)[inside]:
        assert image[round(float(y)), round(float(x))] < image.mean() - 2 * image.std()
    assert (
        image[np.asarray(drawn.mask_mass)].mean()
        < image[np.asarray(drawn.distance) > 2].mean() - 0.01
    )


def test_truth_and_masks_agree():
    drawn = simulator(BRIGHT)(jax.random.key(1))
    truth = drawn.truth
    for i in np.flatnonzero(truth.valid & (truth.visible_fraction == 1)):
        own = np.argwhere(np.asarray(drawn.instance) == i + 1)
        np.testing.assert_allclose(own.mean(0), truth.centre_yx_px[i], atol=0.5)
        y, x = np.round(np.asarray(truth.centre_yx_px[i])).astype(int)
        assert int(drawn.nearest[y, x]) == i + 1
        assert float(drawn.distance[y, x]) < 0.15
    np.testing.assert_array_equal(drawn.mask_disc, drawn.distance <= 1)
    assert float(drawn.pixel_size_angstrom) == 5.0
    defocus = truth.defocus_angstrom.mean(1)
    np.testing.assert_allclose(defocus, 15000.0, rtol=1e-4)


def test_a_picker_is_not_judged_on_weak_particles_and_on_those_whose_centre_is_outside():
    drawn = simulator(BRIGHT)(jax.random.key(1))
    is_outside = np.asarray(drawn.truth.valid & (drawn.truth.visible_fraction < 0.5))
    assert is_outside.any()
    owner = np.concatenate([[False], is_outside])[np.asarray(drawn.nearest)]
    np.testing.assert_array_equal(drawn.ignore_mask, owner & np.asarray(drawn.mask_disc))
    dim = dataclasses.replace(BRIGHT.microscope, dose_e_per_angstrom2=(0.02, 0.02))
    faint = simulator(dataclasses.replace(BRIGHT, microscope=dim))(jax.random.key(1))
    assert float(jnp.max(faint.truth.dprime)) < 3
    np.testing.assert_array_equal(faint.ignore_mask, faint.mask_disc)


def test_same_key_same_image_and_a_batch_equals_its_members():
    keys = jax.random.split(jax.random.key(2), 2)
    one = simulator(BRIGHT)
    np.testing.assert_array_equal(one(keys[0]).image, one(keys[0]).image)
    batch = jax.jit(lambda keys: simulate_batch(keys, BRIGHT, BANK, SHAPE, PARTICLES, 8))(keys)
    for i in range(2):
        alone = one(keys[i])
        np.testing.assert_allclose(batch.image[i], alone.image, atol=1e-6)
        np.testing.assert_array_equal(batch.truth.valid[i], alone.truth.valid)
    assert np.abs(batch.image[0] - batch.image[1]).max() > 0.01


def test_same_keys_same_images_on_one_and_four_devices():
    """As training draws its fields: per example, inside one `shard_map`."""
    keys = jax.random.split(jax.random.key(6), 4)
    spec = FieldSpec(priors=BRIGHT, field_px=64, max_particles=16, max_distractors=4)
    drawn = []
    for count in (1, 4):
        mesh = data_mesh(count)
        simulate = per_example(lambda key, bank: draw_field(key, bank, spec), mesh)
        drawn.append(jax.jit(simulate)(shard_batch(keys, mesh), replicate(BANK, mesh)))
    one, four = drawn
    assert len(four.image.sharding.device_set) == 4
    np.testing.assert_allclose(one.image, four.image, atol=2e-6)
    np.testing.assert_array_equal(one.truth.valid, four.truth.valid)
    np.testing.assert_array_equal(one.instance, four.instance)
    assert np.abs(one.image[0] - one.image[1]).max() > 0.01


def test_asked_for_snr_is_given():
    drawn = simulator(plain_priors(target_snr=0.05, scene=BRIGHT.scene))(jax.random.key(3))
    truth = drawn.truth
    snr = np.asarray(truth.snr)[np.asarray(truth.valid)]
    # The mean over particles of the field and its margin, of which `valid` keeps those in view.
    assert snr.mean() == pytest.approx(0.05, rel=0.15)


def test_a_particle_at_the_edge_equals_the_crop_of_a_larger_field():
    scene = make_scene([(6.2, 30.7), (40.0, 9.4)])
    big = make_scene(np.asarray(scene.centre_yx_px) + 40.0)
    optics = Optics(defocus_u_angstrom=1.2e4, defocus_v_angstrom=1.2e4)
    damping = Envelope(b_factor_angstrom2=600.0)
    margin = 40
    shape, larger = (64 + 2 * margin, 64 + 2 * margin), (64 + 4 * margin, 64 + 4 * margin)
    moved = make_scene(np.asarray(scene.centre_yx_px) + margin)
    far = make_scene(np.asarray(scene.centre_yx_px) + 2 * margin)
    images = []
    for placed, field, cut in ((moved, shape, margin), (far, larger, 2 * margin)):
        phase = 6.5e-4 * splat(placed, blob_bank((15.0,)).views, field, 28, 2).potential
        image = form_intensity(phase, None, optics, damping, 5.0)
        images.append(image[cut : cut + 64, cut : cut + 64])
    assert big.valid.shape == scene.valid.shape
    np.testing.assert_allclose(images[0], images[1], atol=1e-5)
    assert float(images[0].min()) < 0.95


def test_counts_have_the_variance_of_their_dose_and_are_white():
    image = np.asarray(expose(jax.random.key(4), jnp.ones((512, 512)), 40.0, 4.0, PERFECT_CAMERA))
    assert image.mean() == pytest.approx(1.0, abs=1e-5)
    # 262144 pixels: the variance is known to 0.3 %.
    assert image.var() * 40 * 16 == pytest.approx(1.0, abs=0.012)
    residue = image - 1
    for shifted in (residue[:, 1:] * residue[:, :-1], residue[1:] * residue[:-1]):
        assert abs(shifted.mean() / image.var()) < 0.008


def test_a_tilted_stage_gives_every_particle_the_defocus_of_its_place():
    tilted = dataclasses.replace(BRIGHT.microscope, tilt_probability=1.0, tilt_deg=(30.0, 30.0))
    drawn = simulator(dataclasses.replace(BRIGHT, microscope=tilted))(jax.random.key(1))
    level = simulator(BRIGHT)(jax.random.key(1))
    truth = jax.tree.map(np.asarray, drawn.truth)
    places = truth.centre_yx_px[truth.valid] * 5.0
    defocus = truth.defocus_angstrom[truth.valid].mean(axis=1)
    # A plane through the middle of the field, as steep as the stage.
    columns = np.column_stack([places, np.ones(len(places))])
    plane, *_ = np.linalg.lstsq(columns, defocus, rcond=None)
    assert np.hypot(*plane[:2]) == pytest.approx(np.tan(np.pi / 6), rel=1e-3)
    middle = np.array([*(0.5 * 5.0 * (np.array(SHAPE) - 1)), 1.0])
    assert plane @ middle == pytest.approx(15000.0, abs=2.0)
    np.testing.assert_array_equal(drawn.instance, level.instance)
    # The image changes with the distance from the tilt's axis: a change of defocus is to first order one of the image.
    y, x = 5.0 * np.mgrid[: SHAPE[0], : SHAPE[1]]
    change = np.abs(plane[0] * y + plane[1] * x + plane[2] - 15000.0)
    difference = np.abs(drawn.image - level.image)
    near, far = (difference[chosen].mean() for chosen in (change < 30, change > 90))
    assert far > 3 * near


# Counts of 40 electrons per square angstrom in pixels of 4 angstrom: their deviation over their mean.
SHOT = 1.0 / np.sqrt(40.0 * 4.0**2)


def of_camera(**fault):
    """One exposure of nothing by the perfect camera with a fault, and by the perfect camera; of one key."""
    cameras = (dataclasses.replace(PERFECT_CAMERA, **fault), PERFECT_CAMERA)
    level = jnp.ones((128, 128))
    return (np.asarray(expose(jax.random.key(7), level, 40.0, 4.0, camera)) for camera in cameras)


@pytest.mark.parametrize(
    "fault",
    [
        {"beam_edge_probability": 1.0},
        {"read_noise_probability": 1.0},
        {"gain_probability": 1.0, "gain_seam": (0.05, 0.05)},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_a_fault_of_the_whole_field_leaves_its_mean(fault):
    """The image is counts over their mean, whatever the camera does to them."""
    image, perfect = of_camera(**fault)
    assert image.mean() == pytest.approx(1.0, abs=1e-5)
    assert np.abs(image - perfect).max() > 0.05 > SHOT


def test_hot_pixels_are_as_many_and_as_high_as_asked():
    """16 of 16384, each 5 to 50 deviations above its count; the other pixels are what they were."""
    image, perfect = of_camera(hot_pixel_fraction=(1e-3, 1e-3), hot_pixel_sigma=(5.0, 50.0))
    height = (image - perfect)[np.abs(image - perfect) > 1e-5] / SHOT
    assert 14 <= len(height) <= 16, "two may coincide"
    # The mean count is itself known to SHOT / 128.
    assert height.min() > 4.99 and (height.max() < 50.1 or len(height) < 16)


def test_dead_pixels_have_the_mean_of_the_counts():
    """16 of 16384 have the mean, which is 1; the other pixels are what they were."""
    image, perfect = of_camera(dead_pixel_fraction=(1e-3, 1e-3))
    changed = np.abs(image - perfect) > 1e-5
    assert 13 <= np.sum(changed) <= 16, "two may coincide, and one may have had the mean"
    np.testing.assert_allclose(image[changed], 1.0, atol=1e-6)


def test_a_scratch_is_bright_or_dark_and_leaves_the_rest():
    """Strokes of 3 to 20 deviations, of one sign, that cover a small part of the field."""
    image, perfect = of_camera(scratch_probability=1.0, scratch_sigma=(3.0, 20.0))
    mark = (image - perfect) / SHOT
    assert mark.min() > -1e-3 or mark.max() < 1e-3
    assert 2.5 < np.abs(mark).max() < 20.1
    assert np.mean(np.abs(mark) > 1e-3) < 0.25


def test_one_side_of_a_charged_field_loses_its_detail():
    camera = dataclasses.replace(
        PERFECT_CAMERA,
        local_blur_probability=1.0,
        local_blur_b_factor_angstrom2=(4000.0, 4000.0),
    )
    x = np.arange(128)
    waves = jnp.asarray(np.tile(1 + 0.1 * np.sin(2 * np.pi * x / 4), (128, 1)), jnp.float32)
    image = np.asarray(expose(jax.random.key(8), waves, 1e6, 4.0, camera))
    kept = np.abs(np.fft.rfft(image.reshape(128, 8, 16), axis=2)[:, :, 4]) / 8
    kept = kept.reshape(8, 16, 8).mean(axis=1)
    # B = 4000 at 16 angstrom: exp(-4000 / 1024) = 0.02 where the blur is whole.
    assert kept.min() < 0.03 and kept.max() > 0.07


def test_few_electrons_follow_the_law_of_poisson_where_asked():
    camera = dataclasses.replace(PERFECT_CAMERA, exact_counts_below=30.0)
    image = np.asarray(expose(jax.random.key(9), jnp.ones((256, 256)), 0.25, 4.0, camera))
    counts = image * 4.0
    np.testing.assert_allclose(counts / counts[counts > 0].min() % 1.0 % 0.999, 0.0, atol=2e-3)
    z = (image - image.mean()) / image.std()
    # Four electrons a pixel: a skew of one half; 65536 pixels know it to 0.01.
    assert np.mean(z**3) == pytest.approx(0.5, abs=0.05)


def test_every_prior_renders_a_finite_image():
    priors = Priors(pixel=PixelAngstrom(pixel_angstrom=(5.0, 8.0), largest_particle_angstrom=70.0))
    for seed in range(3):
        drawn = simulator(priors)(jax.random.key(seed))
        assert np.isfinite(drawn.image).all()
        assert float(jnp.mean(drawn.image)) == pytest.approx(1.0, abs=0.2)
