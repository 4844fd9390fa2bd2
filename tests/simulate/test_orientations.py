"""Orientations have the distributions they claim."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxpick.simulate import orientations
from jaxpick.simulate.priors import ScenePrior
from jaxpick.simulate.rotations import fibonacci_views_deg, matrix_from_euler

NUM = 4000


def test_free_directions_are_uniform_on_the_sphere():
    drawn = np.asarray(
        orientations.uniform_directions(jax.random.uniform(jax.random.key(0), (NUM, 2)))
    )
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1.0, atol=1e-5)
    assert abs(np.abs(drawn[:, 2]).mean() - 0.5) < 4 * 0.289 / NUM**0.5
    for axis in range(3):
        assert stats.kstest(drawn[:, axis], "uniform", (-1, 2)).pvalue > 0.01


@pytest.mark.parametrize("kappa", [0.5, 5.0, 100.0])
def test_von_mises_fisher_has_its_mean_cosine(kappa):
    mean = jnp.broadcast_to(jnp.asarray([0.6, 0.0, -0.8]), (NUM, 3))
    u = jax.random.uniform(jax.random.key(1), (NUM, 2))
    drawn = np.asarray(orientations.von_mises_fisher(u, mean, kappa))
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1.0, atol=1e-5)
    cosine = drawn @ np.asarray(mean[0])
    expected = 1 / np.tanh(kappa) - 1 / kappa
    assert abs(cosine.mean() - expected) < 4 * cosine.std() / NUM**0.5
    # No side of the axis is preferred.
    assert abs((drawn @ np.array([0.8, 0.0, 0.6])).mean()) < 4 * drawn.std() / NUM**0.5


def test_preferred_directions_lie_along_their_axes_both_ways():
    u = jax.random.uniform(jax.random.key(2), (NUM, 6))
    axes = jnp.asarray([[0.0, 0.0, 1.0]])
    drawn = np.asarray(orientations.preferred_directions(u, axes, 0.7, 300.0))
    is_near = np.abs(drawn[:, 2]) > 0.97
    # Of the free ones 3 % lie there as well.
    assert abs(is_near.mean() - (0.7 + 0.3 * 0.03)) < 0.03
    assert abs((drawn[is_near, 2] > 0).mean() - 0.5) < 0.04


def test_nearest_view_and_direction_agree_with_the_rotation_matrix():
    euler = fibonacci_views_deg(200)
    views = orientations.view_directions(jnp.asarray(euler, jnp.float32))
    full = jnp.asarray(np.pad(euler, ((0, 0), (0, 1))), jnp.float32)
    np.testing.assert_allclose(views, matrix_from_euler(full)[:, 2], atol=1e-5)
    np.testing.assert_array_equal(orientations.nearest_view(views, views), np.arange(200))


def test_poses_without_preference_are_uniform():
    prior = ScenePrior(preferred_probability=0.0)
    directions, psi = orientations.draw_poses(jax.random.key(3), prior, NUM)
    assert stats.kstest(np.asarray(directions[:, 2]), "uniform", (-1, 2)).pvalue > 0.01
    assert stats.kstest(np.asarray(psi), "uniform", (-180, 360)).pvalue > 0.01
    assert abs(np.corrcoef(directions[:, 2], psi)[0, 1]) < 4 / NUM**0.5
