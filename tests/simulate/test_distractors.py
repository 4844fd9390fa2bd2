"""Molecules that are no particles: crystalline patches lie on a lattice in one pose, kept clear of
particles."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from jaxpick.simulate.contaminant_ranges import ContaminantRanges
from jaxpick.simulate.distractors import require_slots
from jaxpick.simulate.priors import ContaminantsPrior, PixelAngstrom
from jaxpick.simulate.render import simulate_micrograph
from jaxpick.simulate.roles import AGGREGATE, LATTICE, TARGET
from jaxpick.simulate.scene import draw_scene
from jaxpick.spec import SpecError
from tests.simulate.scenes import blob_bank, plain_priors

BANK = blob_bank((15.0, 16.0), num_views=40)


def scenes(num, **contaminants):
    prior = ContaminantsPrior(clean_probability=0.0, **contaminants)
    pixel = PixelAngstrom(pixel_angstrom=(5.0, 5.0), largest_particle_angstrom=70.0)
    priors = plain_priors(contaminants=prior, pixel=pixel)
    draw = jax.jit(jax.vmap(lambda key: draw_scene(key, priors, BANK, (200, 220), 60, 80)))
    return draw(jax.random.split(jax.random.key(0), num))


def test_crystalline_patches_are_lattices_of_one_view():
    drawn = scenes(12, lattices=1.0, broken=0.0, small_proteins=0.0)
    is_member = np.asarray(drawn.valid & (drawn.role == LATTICE))
    assert (is_member.sum(1) > 0).all() and is_member.sum(1).max() <= 40
    for i in range(12):
        one = jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), drawn)
        points = one.centre_yx_px[is_member[i]]
        for same in (one.view, one.psi_deg, one.species):
            assert len(np.unique(same[is_member[i]])) == 1
        if len(points) < 9:
            continue
        diameter = one.diameter_px[is_member[i]][0]
        steps = points[None] - points[:, None]
        length = np.hypot(steps[..., 0], steps[..., 1])
        assert length[length > 0].min() > 0.89 * diameter
        # The two shortest steps that are not parallel span the lattice.
        order = np.argsort(length, axis=None)[len(points) :]
        flat = steps.reshape(-1, 2)[order]
        first = flat[0]
        normal = np.array([-first[1], first[0]])
        across = np.abs(flat @ normal) > 0.3 * np.linalg.norm(first) ** 2
        basis = np.stack([first, flat[across][0]])
        index = flat @ np.linalg.inv(basis)
        np.testing.assert_allclose(index, np.round(index), atol=0.02)


def test_particles_stay_clear_of_a_crystalline_patch():
    drawn = scenes(12, lattices=1.0, broken=0.0, small_proteins=0.0)
    for i in range(12):
        points, role = np.asarray(drawn.centre_yx_px[i]), np.asarray(drawn.role[i])
        valid, diameter = np.asarray(drawn.valid[i]), np.asarray(drawn.diameter_px[i])
        target, member = valid & (role == TARGET), valid & (role == LATTICE)
        apart = np.linalg.norm(points[target][:, None] - points[member][None], axis=-1)
        reach = 0.4 * (diameter[target][:, None] + diameter[member][None])
        assert (apart >= reach - 1e-3).all()


def test_a_patch_takes_the_place_of_aggregates_as_often_as_asked():
    drawn = scenes(200, lattices=0.3, aggregates=1.0)
    valid, role = np.asarray(drawn.valid), np.asarray(drawn.role)
    has = {kind: (valid & (role == kind)).any(1) for kind in (LATTICE, AGGREGATE)}
    assert not (has[LATTICE] & has[AGGREGATE]).any()
    assert abs(has[LATTICE].mean() - 0.3) < 0.1
    assert has[AGGREGATE][~has[LATTICE]].mean() > 0.95


def test_scenes_without_a_patch_do_not_depend_on_its_probability():
    never, sometimes = (scenes(12, lattices=p, aggregates=0.5) for p in (0.0, 0.3))
    same = ~(np.asarray(sometimes.role) == LATTICE).any(1)
    assert 2 < same.sum() < 12
    for field in dataclasses.fields(never):
        for one, other in zip(
            jax.tree.leaves(getattr(never, field.name)),
            jax.tree.leaves(getattr(sometimes, field.name)),
            strict=True,
        ):
            # Programs that differ in a constant may round differently.
            np.testing.assert_allclose(
                np.asarray(one)[same], np.asarray(other)[same], rtol=1e-5, atol=1e-4
            )


def test_aggregates_have_as_many_members_as_asked_for():
    ranges = ContaminantRanges(num_aggregates=(2, 2), aggregate_members=(5, 20))
    drawn = scenes(60, lattices=0.0, aggregates=1.0, ranges=ranges)
    is_member = np.asarray(drawn.valid & (drawn.role == AGGREGATE))
    first = []
    for i in range(60):
        points = np.asarray(drawn.centre_yx_px[i])[is_member[i]]
        apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
        # Steps are 0.95 diameters at most, and a diameter is 12 to 13 px.
        _, label = connected_components(apart < 0.96 * 12.8)
        first.append(np.bincount(label).max())
    # Two may touch; members that grew out of the field are left out.
    assert max(first) <= 40 and np.median(first) >= 5
    assert 10 < is_member.sum(1).mean() <= 40
    single = ContaminantRanges(num_aggregates=(1, 1), aggregate_members=(30, 30))
    counts = np.asarray(scenes(20, lattices=0.0, aggregates=1.0, ranges=single).valid)[:, 60:100]
    assert counts.sum(1).max() == 30 and counts.sum(1).mean() > 20


def test_scenes_without_slots_for_distractors_have_none():
    draw = jax.jit(lambda key: draw_scene(key, plain_priors(), BANK, (100, 100), 20, 0))
    assert draw(jax.random.key(0)).valid.shape == (20,)


NONE = dict.fromkeys(("aggregates", "lattices", "small_proteins"), 0.0)


@pytest.mark.parametrize("contaminants", [{"amount": 0.0}, {"clean_probability": 1.0}, NONE])
def test_a_micrograph_without_distractors_needs_no_slots_for_them(contaminants):
    prior = ContaminantsPrior(**contaminants)
    require_slots(prior, 0)
    priors = plain_priors(contaminants=prior)
    drawn = jax.eval_shape(
        lambda key: simulate_micrograph(key, priors, BANK, (64, 64), 8, 0), jax.random.key(0)
    )
    assert drawn.image.shape == (64, 64)
    with pytest.raises(SpecError, match="max_distractors: expected 0 or more, got -1"):
        require_slots(prior, -1)


@pytest.mark.parametrize("drawn", sorted(NONE))
def test_each_sort_of_distractor_needs_slots(drawn):
    prior = ContaminantsPrior(**{**NONE, drawn: 0.1})
    require_slots(prior, 2)
    with pytest.raises(SpecError, match="max_distractors: expected 2 or more, as contaminants"):
        require_slots(prior, 1)
