"""Suppression equals a plain greedy search, also with ties, at the border and beyond its
capacity.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.picking.suppression import (
    count_candidates,
    suppress,
    suppress_complete,
    suppress_exact,
)


def _greedy(score_map, radius, threshold):
    """Search pixel by pixel: take the best, blank its closed disc, until nothing exceeds the
    threshold.
    """
    left = score_map.astype(np.float64).copy()
    y, x = np.indices(left.shape)
    picks = []
    while left.max() > threshold:
        row, column = np.unravel_index(np.argmax(left), left.shape)
        picks.append((row, column))
        left[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = -np.inf
    return np.array(picks).reshape(-1, 2)


def _kept(result):
    centre_yx, score, valid = (np.asarray(part) for part in result)
    return centre_yx[valid], score[valid]


@pytest.mark.parametrize("levels", [5, 10_000])
@pytest.mark.parametrize("radius", [0.5, 1.0, 3.0, 6.3])
def test_every_pixel_as_candidate_equals_the_greedy_search(levels, radius):
    score_map = np.random.default_rng(0).integers(0, levels, (24, 31)).astype(np.float32)
    threshold = 0.3 * levels
    expected = _greedy(score_map, radius, threshold)
    on_device = _kept(suppress(jnp.asarray(score_map), radius, threshold, 1024, 1))
    on_host = suppress_exact(score_map, radius, threshold, 1)
    for centre_yx, score in (on_device, on_host):
        np.testing.assert_array_equal(centre_yx, expected)
        np.testing.assert_array_equal(score, score_map[expected[:, 0], expected[:, 1]])


@pytest.mark.oracle
@pytest.mark.parametrize("case", ["interior", "buggy_at_border"])
def test_equals_topaz_where_topaz_is_right(oracles, case):
    reference = np.load(oracles / "topaz_nms.npz")
    score_map, scores = reference[f"{case}/map"], reference[f"{case}/clean_scores"]
    centre_xy = reference[f"{case}/clean_xy"]
    found = suppress_exact(score_map, 7.0, -1.0, 1)
    np.testing.assert_array_equal(found[0][:, ::-1], centre_xy)
    np.testing.assert_array_equal(found[1], scores)
    # A higher threshold cuts the greedy search short: the first picks are the same.
    threshold = float(np.sort(score_map, axis=None)[-2000])
    first = scores > threshold
    found = _kept(suppress(jnp.asarray(score_map), 7.0, threshold, 2048, 1))
    np.testing.assert_array_equal(found[0][:, ::-1], centre_xy[first])
    np.testing.assert_array_equal(found[1], scores[first])


@pytest.mark.parametrize("window_px", [3, 5])
def test_device_and_host_agree_on_local_maxima(window_px):
    score_map = np.random.default_rng(1).integers(0, 12, (40, 37)).astype(np.float32)
    on_device = _kept(suppress(jnp.asarray(score_map), 4.0, 2.0, 1024, window_px))
    on_host = suppress_exact(score_map, 4.0, 2.0, window_px)
    np.testing.assert_array_equal(on_device[0], on_host[0])
    np.testing.assert_array_equal(on_device[1], on_host[1])


def test_a_pick_over_the_right_edge_leaves_the_left_columns():
    score_map = np.zeros((20, 20), np.float32)
    score_map[10, 19], score_map[11, 0], score_map[0, 0] = 3, 2, 1
    centre_yx, _ = _kept(suppress(jnp.asarray(score_map), 6.0, 0.5, 16))
    np.testing.assert_array_equal(centre_yx, [[10, 19], [11, 0], [0, 0]])


def test_overflow_is_counted_keeps_the_first_picks_and_falls_back_to_all():
    score_map = np.random.default_rng(2).random((60, 60)).astype(np.float32)
    device_map = jnp.asarray(score_map)
    complete = suppress_exact(score_map, 3.0, 0.0, 3)
    assert int(count_candidates(device_map, 0.0, 3)) > 50
    short = _kept(suppress(device_map, 3.0, 0.0, 50, 3))
    np.testing.assert_array_equal(short[0], complete[0][: len(short[0])])
    whole = suppress_complete(device_map, 3.0, 0.0, 50, 3)
    np.testing.assert_array_equal(whole[0], complete[0])
    np.testing.assert_array_equal(whole[1], complete[1])


def test_radius_and_threshold_are_traced_and_batches_vmapped():
    maps = jnp.asarray(np.random.default_rng(3).random((2, 30, 30)), jnp.float32)
    radii = jnp.array([2.0, 5.0])
    batched = jax.vmap(lambda m, r: suppress(m, r, 0.5, 64))(maps, radii)
    for i in range(2):
        single = suppress(maps[i], radii[i], 0.5, 64)
        for part, expected in zip(batched, single, strict=True):
            np.testing.assert_array_equal(part[i], expected)


def test_nothing_above_the_threshold_gives_nothing():
    assert not np.asarray(suppress(jnp.zeros((12, 12)), 3.0, 0.0, 8)[2]).any()
    centre_yx, score = suppress_complete(jnp.zeros((12, 12)), 3.0, 0.5)
    assert centre_yx.shape == (0, 2) and score.shape == (0,)
