"""Exact poses: slices at the drawn directions equal projections of the beads there."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxpick.simulate.bank import BankSpec, build_bank, project_specimen
from jaxpick.simulate.domains import globule
from jaxpick.simulate.orientations import rot_and_tilt_deg, uniform_directions, view_directions
from jaxpick.simulate.poses import bank_volumes, slice_poses
from jaxpick.simulate.rotations import matrix_from_euler
from jaxpick.simulate.scene import draw_scene
from jaxpick.simulate.specimens import Specimen, centred
from tests.simulate.scenes import plain_priors
from tests.simulate.test_splat import make_scene

SPEC = BankSpec(num_views=4, box_px=40, pixel_angstrom=5.0)


def body(seed):
    positions = np.asarray(globule(np.random.default_rng(seed), 150.0), np.float32)
    return centred(
        Specimen(
            name=f"body{seed}",
            positions_angstrom=positions,
            potential_volt_angstrom3=np.full(len(positions), 458.0, np.float32),
            form_weight=np.ones(1),
            form_b_angstrom2=np.array([400.0]),
            mass_kda=150.0,
            group=f"body{seed}",
        )
    )


def test_directions_and_angles_are_inverse():
    directions = uniform_directions(jax.random.uniform(jax.random.key(0), (50, 2)))
    back = view_directions(rot_and_tilt_deg(directions))
    np.testing.assert_allclose(back, directions, atol=1e-4)


def test_every_slot_shows_its_molecule_at_its_own_direction():
    bodies = [body(0), body(1)]
    bank = build_bank(bodies, SPEC)
    euler = jnp.asarray([[33.0, 71.0], [-120.0, 140.0], [10.0, 20.0]])
    scene = make_scene(np.zeros((3, 2)), rot_tilt_deg=euler, species=jnp.asarray([0, 1, 1]))
    scene = dataclasses.replace(scene, valid=jnp.asarray([True, True, False]))
    shown, exact = jax.jit(slice_poses)(scene, bank_volumes(bodies, bank))
    np.testing.assert_array_equal(shown.view, [0, 1, 2])
    assert exact.shape == (1, 3, 40, 40)
    rotations = np.asarray(matrix_from_euler(jnp.pad(euler, ((0, 0), (0, 1)))))
    for slot, molecule in ((0, bodies[0]), (1, bodies[1])):
        expected = project_specimen(
            molecule, rotations[slot : slot + 1], box_px=40, pixel_angstrom=5.0
        )[0]
        error = np.linalg.norm(exact[0, slot] - expected) / np.linalg.norm(expected)
        # Slices from a volume padded twofold: within 3 % (Fourier-slice error, simulator notes 1.6).
        assert error < 0.03
    assert float(jnp.abs(exact[0, 2]).max()) == 0.0


def test_exact_scenes_keep_the_directions_that_were_drawn():
    bank = build_bank([body(0)], SPEC)
    priors = plain_priors()
    scenes = [
        draw_scene(jax.random.key(1), priors, bank, (100, 100), 20, 4, is_exact)
        for is_exact in (False, True)
    ]
    quantised, exact = (np.asarray(scene.rot_tilt_deg) for scene in scenes)
    assert len(np.unique(quantised, axis=0)) <= 4
    assert len(np.unique(exact, axis=0)) == 24
    np.testing.assert_array_equal(scenes[0].centre_yx_px, scenes[1].centre_yx_px)
