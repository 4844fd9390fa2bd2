"""Euler angles: RELION's matrix, by scipy and by hand; the Fibonacci sphere is even."""

import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from jaxpick.simulate.orientations import view_directions
from jaxpick.simulate.rotations import euler_from_matrix, fibonacci_views_deg, matrix_from_euler


def test_matrix_is_the_inverse_of_scipys_intrinsic_zyz():
    angles = np.random.default_rng(0).uniform([-180, 0, -180], [180, 180, 180], (50, 3))
    expected = Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()
    np.testing.assert_allclose(matrix_from_euler(jnp.asarray(angles)), expected, atol=2e-6)


def test_matrix_by_hand():
    # tilt 90: the body's z lies along -x of the image; psi 90 then turns -x into +y.
    body_z = jnp.array([0.0, 0.0, 1.0])
    tilted = matrix_from_euler(jnp.array([0.0, 90.0, 0.0])) @ body_z
    turned = matrix_from_euler(jnp.array([0.0, 90.0, 90.0])) @ body_z
    np.testing.assert_allclose(tilted, [-1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(turned, [0, 1, 0], atol=1e-6)


def test_matrices_equal_the_oracle(oracles):
    with np.load(oracles / "projection_reference.npz") as file:
        angles, expected = file["euler_deg"], file["rotation"]
    np.testing.assert_allclose(matrix_from_euler(jnp.asarray(angles)), expected, atol=1e-6)


def test_euler_round_trip_gives_the_same_matrix_poles_included():
    angles = np.random.default_rng(1).uniform([-180, 0, -180], [180, 180, 180], (50, 3))
    angles = np.concatenate([angles, [[30, 0, 40], [30, 180, 40], [-170, 0, -90]]])
    matrix = matrix_from_euler(jnp.asarray(angles, jnp.float32))
    again = matrix_from_euler(euler_from_matrix(matrix))
    np.testing.assert_allclose(again, matrix, atol=2e-6)


def test_third_row_is_the_view_direction():
    angles = np.random.default_rng(2).uniform([-180, 0, -180], [180, 180, 180], (20, 3))
    directions = view_directions(jnp.asarray(angles[:, :2], jnp.float32))
    third = matrix_from_euler(jnp.asarray(angles, jnp.float32))[:, 2]
    np.testing.assert_allclose(third, directions, atol=1e-6)


def test_psi_turns_the_image():
    angles = jnp.array([[20.0, 70.0, 0.0], [20.0, 70.0, 35.0]])
    still, turned = matrix_from_euler(angles)
    c, s = np.cos(np.deg2rad(35)), np.sin(np.deg2rad(35))
    turn = jnp.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], jnp.float32)
    np.testing.assert_allclose(turned, turn @ still, atol=1e-6)


def test_fibonacci_sphere_is_even():
    num = 512
    views = np.asarray(view_directions(jnp.asarray(fibonacci_views_deg(num), jnp.float32)))
    np.testing.assert_allclose(views.mean(axis=0), 0, atol=3e-3)
    np.testing.assert_allclose(views.T @ views / num, np.eye(3) / 3, atol=3e-3)
    cosine = views @ views.T - 2 * np.eye(num)
    nearest = np.arccos(np.clip(cosine.max(axis=1), -1, 1))
    spacing = np.sqrt(4 * np.pi / num)
    assert nearest.min() > 0.6 * spacing
    assert nearest.max() < 1.15 * spacing
