"""Splatting: centres, turns, sums and owners of molecules whose projections are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.simulate import splat as splatting
from jaxpick.simulate.roles import SMALL, TARGET
from jaxpick.simulate.scene import Scene
from jaxpick.simulate.species import Species
from jaxpick.simulate.splat import FAR, splat
from tests.simulate.scenes import blob_bank

FIELD, PATCH = (60, 72), 28


def make_scene(centres, pixel=5.0, bank_pixel=4.0, diameter_angstrom=60.0, role=None, **others):
    num = len(centres)
    drawn = Species(
        weights=jnp.ones((1,)),
        target=jnp.int32(0),
        pixel_angstrom=jnp.float32(pixel),
        nominal_diameter_angstrom=jnp.float32(diameter_angstrom),
    )
    fields = {
        "centre_yx_px": jnp.asarray(centres, jnp.float32),
        "valid": jnp.ones((num,), bool),
        "species": jnp.zeros((num,), jnp.int32),
        "view": jnp.zeros((num,), jnp.int32),
        "rot_tilt_deg": jnp.zeros((num, 2)),
        "psi_deg": jnp.zeros((num,)),
        "diameter_px": jnp.full((num,), diameter_angstrom / pixel),
        "magnification": jnp.full((num,), pixel / bank_pixel),
        "strength": jnp.ones((num,)),
        "cut": jnp.tile(jnp.asarray([[0.0, 0.0, 1.0]]), (num, 1)),
        "layer": jnp.zeros((num,), jnp.int32),
        "height": jnp.zeros((num,)),
        "height_shift_angstrom": jnp.zeros((num,)),
        "role": jnp.full((num,), TARGET, jnp.int32) if role is None else jnp.asarray(role),
    }
    return Scene(
        species_drawn=drawn,
        is_dirty=jnp.asarray(False),
        num_wanted=jnp.float32(num),
        **(fields | others),
    )


@jax.jit
def centroid(image):
    y, x = jnp.mgrid[: image.shape[0], : image.shape[1]]
    return jnp.stack([jnp.sum(image * y), jnp.sum(image * x)]) / jnp.sum(image)


@pytest.mark.parametrize("centre", [(30.0, 40.0), (30.37, 40.81), (29.5, 40.5)])
def test_a_bead_at_a_subpixel_place_has_its_centroid_there(centre):
    # Three pixels of the bank wide: smooth on both grids, so that sums are integrals.
    bank = blob_bank((12.0,))
    planes = splat(make_scene([centre]), bank.views, FIELD, PATCH, 1)
    np.testing.assert_allclose(centroid(planes.potential), centre, atol=0.02)
    # What was projected is there, whatever the sampling: volt angstrom x area.
    total = float(planes.potential.sum()) * 5.0**2
    assert total == pytest.approx(400 * 2 * np.pi * 12.0**2, rel=0.01)


@pytest.mark.parametrize("psi", [0.0, 30.0, 90.0, -120.0])
def test_psi_turns_the_image_as_relion_does(psi):
    # x_image = A x_body: a mass at (x, y) of the view comes to (c x + s y, -s x + c y).
    bank = blob_bank((8.0,), offset_angstrom=(-9.0, 17.0))
    scene = make_scene([(30.0, 40.0)], psi_deg=jnp.asarray([psi]))
    c, s = np.cos(np.deg2rad(psi)), np.sin(np.deg2rad(psi))
    x, y = 17.0 / 5, -9.0 / 5
    expected = [30.0 - s * x + c * y, 40.0 + c * x + s * y]
    planes = splat(scene, bank.views, FIELD, PATCH, 1)
    np.testing.assert_allclose(centroid(planes.potential), expected, atol=0.03)


def crowd(num=12, seed=0):
    rng = np.random.default_rng(seed)
    return make_scene(
        rng.uniform(-3, 70, (num, 2)),
        psi_deg=jnp.asarray(rng.uniform(-180, 180, num), jnp.float32),
        strength=jnp.asarray(rng.uniform(0.5, 1.5, num), jnp.float32),
        valid=jnp.asarray(rng.random(num) < 0.8),
        role=np.where(rng.random(num) < 0.7, TARGET, SMALL).astype(np.int32),
    )


def test_both_ways_of_adding_give_the_same_planes():
    bank, scene = blob_bank((12.0,), offset_angstrom=(0.0, 9.0)), crowd()
    shape = (FIELD[0] + 2 * PATCH, FIELD[1] + 2 * PATCH)
    in_turn, _ = jax.jit(lambda s: splatting._add_in_turn(s, bank.views, shape, PATCH))(scene)
    at_once, _ = jax.jit(lambda s: splatting._add_at_once(s, bank.views, shape, PATCH))(scene)
    np.testing.assert_allclose(in_turn[0], at_once[0], rtol=1e-5, atol=1e-3)
    for one, other in zip(in_turn[1:], at_once[1:], strict=True):
        slot_mask = 2**splatting.SLOT_BITS - 1
        np.testing.assert_array_equal(one & slot_mask, other & slot_mask)
        # Fused differently, a rank may round the other way.
        ranks = np.asarray(one >> splatting.SLOT_BITS) - np.asarray(other >> splatting.SLOT_BITS)
        assert np.abs(ranks).max() <= 1


def test_planes_of_a_crowd_equal_those_of_its_members():
    bank, scene = blob_bank((12.0,)), crowd()
    whole = splat(scene, bank.views, FIELD, PATCH, 12)
    y, x = np.mgrid[: FIELD[0], : FIELD[1]].astype(float)
    total, best, owner = np.zeros((3, *FIELD))
    distance, nearest = np.full(FIELD, FAR), np.zeros(FIELD)
    for i in np.flatnonzero(scene.valid):
        dy, dx = y - float(scene.centre_yx_px[i, 0]), x - float(scene.centre_yx_px[i, 1])
        mass = 400 * float(scene.strength[i]) * np.exp(-((dy * 5) ** 2 + (dx * 5) ** 2) / 2 / 144)
        total += mass
        owns = (mass > best) & (mass > max(68.0, 0.15 * 400 * float(scene.strength[i])))
        best, owner = np.where(owns, mass, best), np.where(owns, i + 1, owner)
        if int(scene.role[i]) == TARGET:
            radii = np.hypot(dy, dx) / 6.0
            near = (radii < distance) & (radii < 1.9)
            distance, nearest = np.where(near, radii, distance), np.where(near, i + 1, nearest)
    # Bilinear sampling of a blob of 2.4 px blunts it by some percent.
    np.testing.assert_allclose(whole.potential, total, atol=0.05 * 400)
    assert (np.asarray(whole.owner) == owner).mean() > 0.98
    close = distance < 1.9
    np.testing.assert_allclose(np.asarray(whole.distance)[close], distance[close], atol=1e-4)
    np.testing.assert_array_equal(np.asarray(whole.nearest)[close], nearest[close])


def test_mask_covers_the_projected_mass_above_its_threshold():
    # 400 V angstrom peak: the threshold is 68, at r = sigma sqrt(2 ln(400 / 68)).
    planes = splat(make_scene([(30.2, 40.4)]), blob_bank((15.0,)).views, FIELD, PATCH, 1)
    area = float(jnp.sum(planes.owner > 0)) * 25
    assert area == pytest.approx(np.pi * 15.0**2 * 2 * np.log(400 / 68), rel=0.05)


def test_mask_is_the_support_of_the_body_seen_from_its_side():
    """A ball's mask against the ball cut in three dimensions: where its chord is above the threshold."""
    radius, pixel, box = 60.0, 4.0, 48
    y, x = np.mgrid[:box, :box] - box // 2
    chord = 2 * np.sqrt(np.maximum(radius**2 - (x**2 + y**2) * pixel**2, 0.0))
    views = jnp.asarray(3.38 * chord[None, None], jnp.float32)
    scene = make_scene([(30.3, 40.8)], pixel=pixel, bank_pixel=pixel, diameter_angstrom=120.0)
    owner = np.asarray(splat(scene, views, FIELD, 44, 1).owner) > 0
    # The ball on a grid of quarter pixels, summed along z to lengths of protein.
    fine = (np.arange(-80, 80) + 0.5) * 1.0
    solid = fine[:, None, None] ** 2 + fine[:, None] ** 2 + fine**2 <= radius**2
    length = solid.sum(axis=0) * 1.0
    yy, xx = np.mgrid[: FIELD[0], : FIELD[1]]
    index = np.round([(yy - 30.3) * pixel + 79.5, (xx - 40.8) * pixel + 79.5]).astype(int)
    inside = np.all((index >= 0) & (index < 160), axis=0)
    support = np.where(inside, length[tuple(np.clip(index, 0, 159))], 0) * 3.38
    support = support >= max(0.15 * support.max(), 68.0)
    overlap = np.sum(owner & support) / np.sum(owner | support)
    assert overlap > 0.97


def test_a_cut_removes_one_side_of_a_particle():
    cut = jnp.asarray([[0.0, 1.0, 0.0]])
    planes = splat(make_scene([(30.0, 40.0)], cut=cut), blob_bank((15.0,)).views, FIELD, PATCH, 1)
    left, right = planes.potential[:, :39].sum(), planes.potential[:, 42:].sum()
    assert float(right) < 0.02 * float(left)


def test_too_many_slots_are_refused():
    scene = make_scene(np.zeros((4096, 2)))
    with pytest.raises(ValueError, match="4096"):
        splat(scene, blob_bank().views, FIELD, PATCH, 1)
