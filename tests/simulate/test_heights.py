"""Where particles lie in the ice, and how strongly they show: the priors' laws, and the ice and image rendered."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.physics.ice import IceLayer, ice_thickness_angstrom
from jaxpick.simulate import draws
from jaxpick.simulate.imaging import draw_exposure
from jaxpick.simulate.layouts import BULK, draw_layout
from jaxpick.simulate.priors import IcePrior, MicroscopePrior, ScenePrior
from jaxpick.simulate.render import simulate_micrograph
from jaxpick.simulate.scene import draw_scene
from jaxpick.simulate.truth import make_truth
from tests.simulate.scenes import blob_bank, plain_priors

SHAPE, MARGIN, FIELD = (90, 120), (10, 12), (110, 144)
SCENE = ScenePrior(
    empty_probability=0.0,
    coverage=(0.2, 0.2),
    layout_weights=(1.0, 0.0, 0.0, 0.0),
    chain_probability=0.0,
    two_layer_probability=1.0,
    target_mass_kda=(1e-3, 1e6),
)
BANK = blob_bank((15.0,))


def test_beta_has_its_moments():
    drawn = np.asarray(draws.beta(jnp.linspace(0.0, 1.0, 20001), (8.0, 2.0)))
    assert drawn.mean() == pytest.approx(0.8, abs=1e-3)
    assert drawn.var() == pytest.approx(16 / (100 * 11), rel=0.01)


def test_eight_tenths_of_the_particles_lie_at_an_interface_more_or_less():
    prior = dataclasses.replace(SCENE, second_layer_fraction=(0.25, 0.25))
    draw = jax.vmap(lambda key: draw_layout(key, prior, jnp.float32(10.0), (100, 100), 300).layer)
    layers = np.asarray(jax.jit(draw)(jax.random.split(jax.random.key(0), 500)))
    share = (layers != BULK).mean(axis=1)
    # The mean of 500 shares is known to 0.0055, a share of 300 draws adds its binomial variance.
    assert share.mean() == pytest.approx(0.8, abs=0.02)
    assert share.var() == pytest.approx(0.01455 + 0.145 / 300, rel=0.25)
    assert (layers == 1).sum() / (layers != BULK).sum() == pytest.approx(0.25, abs=0.01)


def heights(scene, seed=0):
    """Return truth, and the thickness that the renderer draws at each particle, of 30 fields."""
    layer = IceLayer(thickness_angstrom=400.0, gradient_y=0.2, gradient_x=-0.1, lens=0.15)
    priors = plain_priors(scene=scene)

    def one(key):
        scene = draw_scene(key, priors, BANK, FIELD, 60, 2)
        exposure = draw_exposure(key, MicroscopePrior(), IcePrior())
        exposure = dataclasses.replace(exposure, ice=jax.tree.map(jnp.float32, layer))
        nothing = jnp.zeros((60,))
        classes = jnp.zeros(SHAPE, jnp.int32)
        truth = make_truth(
            scene, exposure, SHAPE, MARGIN, 60, jnp.float32(1), (nothing, nothing), classes
        )
        plane = ice_thickness_angstrom(key, FIELD, layer, jnp.float32(5.0))
        at = jnp.round(scene.centre_yx_px[:60]).astype(jnp.int32)
        return truth, plane[at[:, 0], at[:, 1]]

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(seed), 30))


def test_particles_touch_the_surfaces_of_the_ice_or_float_between():
    truth, thickness = heights(SCENE)
    valid, layer = np.asarray(truth.valid), np.asarray(truth.layer)
    room = 0.5 * np.asarray(thickness - truth.diameter_angstrom)
    z = np.asarray(truth.z_angstrom)
    for index, sign in ((0, 1), (1, -1)):
        mine = valid & (layer == index)
        beyond = (z - sign * room)[mine]
        assert mine.sum() > 100 and abs(beyond.mean()) < 3.0
        # Deviations are uniform from 5 to 20: their mean square is 175. A pixel of slope adds 1.
        assert beyond.std() == pytest.approx(175**0.5, rel=0.15)
    bulk = valid & (layer == BULK)
    relative = (z / room)[bulk]
    assert np.abs(relative).max() < 1.02
    assert relative.mean() == pytest.approx(0.0, abs=0.12)
    assert relative.var() == pytest.approx(1 / 3, rel=0.2)


def test_overlaps_come_only_where_both_interfaces_are_populated():
    for probability, expected in ((0.0, False), (1.0, True)):
        scene = dataclasses.replace(SCENE, two_layer_probability=probability, contact=(1.0, 1.0))
        truth, _ = heights(scene, seed=1)
        assert (np.asarray(truth.layer)[np.asarray(truth.valid)] == BULK).any()
        assert (float(truth.overlap_fraction.max()) > 0.01) == expected


def test_contrast_is_the_factor_that_the_image_shows():
    priors = {
        name: plain_priors(
            scene=dataclasses.replace(SCENE, contrast_scale=contrast),
            microscope=MicroscopePrior(phase_plate_probability=0.0, defocus_um=(1.5, 1.5)),
        )
        for name, contrast in {"drawn": (0.5, 1.2), "one": (1.0, 1.0), "none": (1e-4, 1e-4)}.items()
    }

    def draw(prior, key):
        return simulate_micrograph(key, prior, BANK, (64, 64), 24, 2)

    jitted = jax.jit(draw, static_argnums=0)
    found = []
    for key in jax.random.split(jax.random.key(2), 3):
        drawn, one, none = (jitted(priors[name], key) for name in ("drawn", "one", "none"))
        valid = np.asarray(one.truth.valid)
        contrast = np.asarray(drawn.truth.contrast)[valid]
        np.testing.assert_array_equal(contrast, contrast[0])
        np.testing.assert_allclose(np.asarray(one.truth.contrast)[valid], 1.0)
        ratio = np.asarray(drawn.truth.dprime / one.truth.dprime)[valid]
        np.testing.assert_allclose(ratio, contrast, rtol=1e-3)
        # The same noise is in all three: what is left is the particles.
        shown, full = drawn.image - none.image, one.image - none.image
        assert float(jnp.vdot(shown, full) / jnp.vdot(full, full)) == pytest.approx(
            float(contrast[0]), rel=0.03
        )
        found.append(contrast[0])
    assert np.ptp(found) > 0.05 and min(found) >= 0.5 and max(found) <= 1.2
