"""Peaks equal a sequential search pick by pick, ties and borders included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics.peaks import (
    greedy_by_distance,
    local_maxima,
    refine_centroid,
    refine_parabola,
    strongest,
)


def _brute_force_maxima(image, window_px):
    half = window_px // 2
    marked = np.zeros(image.shape, bool)
    order = np.arange(image.size).reshape(image.shape)
    for y, x in np.ndindex(image.shape):
        window = np.s_[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        best = image[window] == image[window].max()
        marked[y, x] = (
            image[y, x] == image[window].max() and order[window][best].min() == order[y, x]
        )
    return marked


@pytest.mark.parametrize("window_px", [1, 3, 5])
@pytest.mark.parametrize("levels", [4, 1000])
def test_local_maxima_come_first_in_their_window(window_px, levels):
    image = np.random.default_rng(0).integers(0, levels, (23, 17)).astype(np.float32)
    found = local_maxima(jnp.asarray(image), window_px)
    np.testing.assert_array_equal(found, _brute_force_maxima(image, window_px))


def test_flat_map_has_one_maximum_and_nan_none():
    assert int(local_maxima(jnp.zeros((6, 7))).sum()) == 1
    assert not local_maxima(jnp.full((4, 4), jnp.nan)).any()
    with pytest.raises(ValueError, match="window_px"):
        local_maxima(jnp.zeros((4, 4)), 2)


@pytest.mark.parametrize("capacity", [3, 30, 200])
def test_strongest_are_in_order_of_score_then_position(capacity):
    image = np.random.default_rng(1).integers(0, 5, (9, 11)).astype(np.float32)
    mask = image > 1
    centre_yx, score, valid = strongest(jnp.asarray(image), jnp.asarray(mask), capacity)
    y, x = np.nonzero(mask)
    order = np.argsort(-image[y, x], kind="stable")[:capacity]
    assert int(valid.sum()) == min(capacity, mask.sum()) and len(valid) == capacity
    kept = np.asarray(valid)
    np.testing.assert_array_equal(np.asarray(centre_yx)[kept], np.stack([y, x], axis=1)[order])
    np.testing.assert_array_equal(np.asarray(score)[kept], image[y, x][order])


@pytest.mark.parametrize("radius", [0.0, 2.0, 5.5])
def test_greedy_by_distance_equals_the_sequential_search(radius):
    centre = np.random.default_rng(2).integers(0, 30, (60, 2)).astype(np.float32)
    valid = np.arange(60) < 50
    kept = greedy_by_distance(jnp.asarray(centre), jnp.asarray(valid), radius)
    expected = np.zeros(60, bool)
    for i in range(50):
        distance = np.linalg.norm(centre[:i][expected[:i]] - centre[i], axis=1)
        expected[i] = not (distance <= radius).any()
    np.testing.assert_array_equal(kept, expected)


def test_parabola_is_exact_on_a_parabola_and_still_at_the_border():
    y, x = np.mgrid[:9, :8].astype(np.float32)
    image = jnp.asarray(5 - (y - 4.3) ** 2 - 2 * (x - 2.8) ** 2)
    found = jax.jit(refine_parabola)(image, jnp.array([[4.0, 3.0], [0.0, 0.0], [8.0, 7.0]]))
    np.testing.assert_allclose(found[0], [4.3, 2.8], atol=1e-5)
    np.testing.assert_array_equal(found[1:], [[0, 0], [8, 7]])


def test_centroid_is_that_of_the_disc_and_keeps_an_empty_one():
    image = np.random.default_rng(3).random((15, 14)).astype(np.float32)
    y, x = np.mgrid[:15, :14]
    refine = jax.jit(refine_centroid, static_argnums=3)
    for centre in ([7, 6], [0, 13]):
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= 3.2**2
        mass = np.where(disc, np.maximum(image - 0.4, 0), 0)
        expected = [(mass * y).sum() / mass.sum(), (mass * x).sum() / mass.sum()]
        found = refine(jnp.asarray(image), jnp.array([centre], jnp.float32), 3.2, 4, 0.4)
        np.testing.assert_allclose(found[0], expected, atol=1e-5)
    empty = refine(jnp.zeros((5, 5)), jnp.array([[2.0, 3.0]]), 2.0, 2)
    np.testing.assert_array_equal(empty, [[2, 3]])
