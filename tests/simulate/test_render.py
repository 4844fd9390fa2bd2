"""Whole micrographs: sign, noise, repeatability, batches, margins, asked-for SNR."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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


def test_every_prior_renders_a_finite_image():
    priors = Priors(pixel=PixelAngstrom(pixel_angstrom=(5.0, 8.0), largest_particle_angstrom=70.0))
    for seed in range(3):
        drawn = simulator(priors)(jax.random.key(seed))
        assert np.isfinite(drawn.image).all()
        assert float(jnp.mean(drawn.image)) == pytest.approx(1.0, abs=0.2)
