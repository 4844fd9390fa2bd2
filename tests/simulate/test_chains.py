"""Dimers and short chains: worm-like, adsorbed whole, particles like any other."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.simulate import chains
from jaxpick.simulate.priors import ScenePrior
from jaxpick.simulate.roles import TARGET
from jaxpick.simulate.scene import draw_scene
from tests.simulate.scenes import blob_bank, plain_priors

NUM, DIAMETER = 4000, 12.0
PRIOR = ScenePrior(chain_probability=1.0)


@pytest.fixture(scope="module")
def groups():
    points = 500.0 * jax.random.uniform(jax.random.key(0), (NUM, 2))
    draw = jax.jit(lambda key: chains.draw_groups(key, PRIOR, points, jnp.float32(DIAMETER)))
    return points, [draw(key) for key in jax.random.split(jax.random.key(1), 6)]


def runs(leader):
    """Members of each group, whole ones only."""
    starts = np.flatnonzero(leader == np.arange(len(leader)))
    return [np.arange(a, b) for a, b in itertools.pairwise(starts)]


def test_groups_have_one_to_eight_members_a_bond_apart(groups):
    for drawn in groups[1]:
        members, places = runs(np.asarray(drawn.leader)), np.asarray(drawn.points_yx_px)
        assert set(map(len, members)) <= set(range(1, 9))
        bonds = [np.diff(places[run], axis=0) for run in members if len(run) > 1]
        length = np.concatenate([np.hypot(*bond.T) for bond in bonds]) / DIAMETER
        assert length.min() > 0.89 and length.max() < 1.11
        for run in members:
            assert (np.asarray(drawn.leader)[run] == run[0]).all()


def test_bends_are_those_of_one_persistence_length(groups):
    found = []
    for drawn in groups[1]:
        places = np.asarray(drawn.points_yx_px)
        steps = [np.diff(places[r], axis=0) for r in runs(np.asarray(drawn.leader)) if len(r) > 3]
        if not steps:
            continue
        unit = [step / np.linalg.norm(step, axis=1, keepdims=True) for step in steps]
        # In the plane <cos> falls by exp(-bond / (2 Lp)) a bond: twice over two bonds.
        one = np.mean(np.concatenate([np.sum(u[1:] * u[:-1], axis=1) for u in unit]))
        two = np.mean(np.concatenate([np.sum(u[2:] * u[:-2], axis=1) for u in unit]))
        assert two == pytest.approx(one**2, abs=0.03)
        found.append(-1 / (2 * np.log(one)))
    assert len(found) > 2 and 1.9 < min(found) < max(found) < 10.5


def test_the_bounding_disc_holds_every_member(groups):
    points, drawn = groups[0], groups[1][0]
    away = np.linalg.norm(np.asarray(drawn.points_yx_px - drawn.middle_yx_px), axis=1)
    assert (away <= np.asarray(drawn.reach_px) + 1e-2).all()
    leader = np.asarray(drawn.leader)
    np.testing.assert_array_equal(drawn.middle_yx_px, np.asarray(points)[leader])
    alone = np.bincount(leader, minlength=NUM)[leader] == 1
    np.testing.assert_allclose(np.asarray(drawn.reach_px)[alone], 0.0, atol=1e-3)


def test_chains_are_particles_that_do_not_run_into_each_other():
    scene = ScenePrior(
        chain_probability=1.0,
        empty_probability=0.0,
        coverage=(0.1, 0.1),
        layout_weights=(1.0, 0.0, 0.0, 0.0),
        two_layer_probability=0.0,
        contact=(1.0, 1.0),
        target_mass_kda=(1e-3, 1e6),
    )
    bank = blob_bank((15.0,))
    draw = jax.jit(lambda key: draw_scene(key, plain_priors(scene=scene), bank, (300, 300), 200, 2))
    bonded = []
    for key in jax.random.split(jax.random.key(4), 5):
        drawn = draw(key)
        valid = np.asarray(drawn.valid)
        assert (np.asarray(drawn.role)[valid] == TARGET).all()
        points = np.asarray(drawn.centre_yx_px)[valid]
        apart = np.linalg.norm(points[:, None] - points[None], axis=-1) / 12.0
        np.fill_diagonal(apart, 9.0)
        nearest = apart.min(1)
        # Whatever is not of one chain is a diameter or more away.
        bonded.append(np.mean(nearest < 1.11))
        assert nearest.min() > 0.5
    assert np.mean(bonded) > 0.3


def test_without_probability_candidates_are_left_as_they_are():
    points = 100.0 * jax.random.uniform(jax.random.key(2), (50, 2))
    never = ScenePrior(chain_probability=0.0)
    drawn = chains.draw_groups(jax.random.key(3), never, points, jnp.float32(DIAMETER))
    np.testing.assert_array_equal(drawn.points_yx_px, points)
    np.testing.assert_array_equal(drawn.leader, np.arange(50))
    np.testing.assert_array_equal(drawn.reach_px, 0.0)
