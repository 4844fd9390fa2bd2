"""Scenes: species, roles and slots follow their priors."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxpick.simulate.priors import ContaminantsPrior, DiameterPixels, ScenePrior
from jaxpick.simulate.roles import AGGREGATE, BROKEN, SMALL, TARGET
from jaxpick.simulate.scene import draw_scene
from jaxpick.simulate.species import draw_species
from tests.simulate.scenes import CLEAN, blob_bank, plain_priors

BANK = dataclasses.replace(
    blob_bank((15.0, 15.5, 16.0, 40.0)),
    group=jnp.asarray([0, 0, 1, 2], jnp.int32),
    mass_kda=jnp.asarray([100.0, 100.0, 200.0, 20.0]),
)
NUM = 400


def test_targets_are_drawn_by_group_within_their_mass():
    scene = ScenePrior(target_mass_kda=(80.0, 1e6), species_weights=(1.0, 0.0))
    priors = plain_priors(scene=scene, pixel=DiameterPixels(diameter_px=(16.0, 16.0)))
    draw = jax.jit(jax.vmap(lambda key: draw_species(key, priors, BANK)))
    drawn = draw(jax.random.split(jax.random.key(0), NUM))
    target = np.asarray(drawn.target)
    assert 3 not in target
    # Two conformers share the chance of one group: a half, a quarter each.
    assert abs((target == 2).mean() - 0.5) < 0.1
    assert abs((target == 0).mean() - 0.25) < 0.1
    weights = np.asarray(drawn.weights)
    np.testing.assert_allclose(weights.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(weights[target < 2][:, :2], 0.5, rtol=1e-5)
    # The nominal diameter spans 16 px, the true one 16 px within 15 %.
    spans = np.asarray(drawn.nominal_diameter_angstrom / drawn.pixel_angstrom)
    np.testing.assert_allclose(spans, 16.0, rtol=1e-5)
    true = np.asarray(BANK.diameter_angstrom)[target] / np.asarray(drawn.pixel_angstrom)
    assert true.min() >= 16 * 0.85 - 1e-3 and true.max() <= 16 * 1.15 + 1e-3
    assert true.std() > 0.5


def test_companions_are_of_similar_size_and_other_groups():
    scene = ScenePrior(target_mass_kda=(1.0, 1e6), species_weights=(0.0, 1.0))
    priors = plain_priors(scene=scene, pixel=DiameterPixels(diameter_px=(16.0, 16.0)))
    draw = jax.jit(jax.vmap(lambda key: draw_species(key, priors, BANK)))
    drawn = draw(jax.random.split(jax.random.key(1), 100))
    target, weights = np.asarray(drawn.target), np.asarray(drawn.weights)
    assert (weights[target < 3, 3] == 0).all()
    assert (weights[target < 2, 2] > 0).all()
    # The largest has no companion within the range of sizes.
    np.testing.assert_allclose(weights[target == 3], [[0, 0, 0, 1.0]] * (target == 3).sum())


def scenes(priors, seed, capacity=40, distractors=20, bank=BANK):
    draw = jax.jit(
        jax.vmap(lambda key: draw_scene(key, priors, bank, (110, 120), capacity, distractors))
    )
    return draw(jax.random.split(jax.random.key(seed), NUM))


def test_clean_scenes_hold_whole_particles_only_and_some_are_empty():
    scene = ScenePrior(empty_probability=0.25, target_mass_kda=(80.0, 1e6), coverage=(0.1, 0.2))
    drawn = scenes(plain_priors(scene=scene, contaminants=CLEAN), 2)
    valid, role = np.asarray(drawn.valid), np.asarray(drawn.role)
    assert (role[valid] == TARGET).all()
    count = valid.sum(1)
    assert abs((count == 0).mean() - 0.25) < 0.1
    assert (count <= np.asarray(drawn.num_wanted)).all()
    # Used slots come first.
    assert (np.diff(valid[:, :40].astype(int), axis=1) <= 0).all()


def test_contaminating_molecules_come_with_their_probabilities():
    contaminants = ContaminantsPrior(
        clean_probability=0.5,
        aggregates=1.0,
        broken=1.0,
        broken_fraction=(0.2, 0.2),
        small_proteins=1.0,
    )
    drawn = scenes(plain_priors(contaminants=contaminants), 3)
    valid, role = np.asarray(drawn.valid), np.asarray(drawn.role)
    dirty = np.asarray(drawn.is_dirty)
    assert abs(dirty.mean() - 0.5) < 0.1
    for kind in (BROKEN, AGGREGATE, SMALL):
        has = (valid & (role == kind)).any(1)
        assert not has[~dirty].any()
        assert has[dirty].mean() > 0.6
    particles = valid[dirty][:, :40]
    share = (particles & (role[dirty][:, :40] == BROKEN)).sum() / particles.sum()
    assert abs(share - 0.2) < 0.04
    small = valid & (role == SMALL)
    largest = np.asarray(drawn.diameter_px)[:, :40].max(1, keepdims=True)
    assert (
        np.asarray(drawn.diameter_px)[small]
        <= 0.5 * np.broadcast_to(largest, small.shape)[small] + 0.1
    ).all()


def test_broken_variants_of_the_bank_stand_in_for_half_of_the_cut_particles():
    bank = dataclasses.replace(BANK, is_intact=jnp.asarray([True, False, True, True]))
    contaminants = ContaminantsPrior(clean_probability=0.0, broken=1.0, broken_fraction=(0.5, 0.5))
    drawn = scenes(plain_priors(contaminants=contaminants), 4, bank=bank)
    slots = np.asarray(drawn.valid)[:, :40]
    broken = slots & (np.asarray(drawn.role)[:, :40] == BROKEN)
    species, is_cut = (
        np.asarray(drawn.species)[:, :40],
        np.any(np.asarray(drawn.cut)[:, :40, :2] != 0, axis=-1),
    )
    assert not (species[slots & ~broken] == 1).any()
    is_variant = broken & (species == 1)
    assert is_variant.any() and not (is_variant & is_cut).any()
    assert (is_cut | is_variant)[broken].all()
    # Of group 0 half of them; the other groups have no broken variant.
    share = is_variant.sum() / (broken & (species < 2)).sum()
    assert abs(share - 0.5) < 0.06
