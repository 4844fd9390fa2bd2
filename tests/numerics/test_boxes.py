"""Boxes: overlap, suppression and the grid of cells against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics.boxes import (
    boxes_of_cells,
    boxes_of_maps,
    cell_centres,
    greedy_by_overlap,
    intersection_over_union,
)


def overlap(a, b):
    """Intersection over union of two boxes, in plain Python."""
    sides = [
        max(
            0.0,
            min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2)
            - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2),
        )
        for i in (0, 1)
    ]
    common = sides[0] * sides[1]
    both = a[2] * a[3] + b[2] * b[3] - common
    return common / both if both > 0 else 0.0


def random_boxes(count, seed=0, side=60.0):
    random = np.random.default_rng(seed)
    return np.concatenate(
        [random.uniform(0, side, (count, 2)), random.uniform(4, 20, (count, 2))], axis=1
    ).astype(np.float32)


def test_overlap_of_pairs():
    first, second = random_boxes(50, 1, 20.0), random_boxes(50, 2, 20.0)
    expected = [
        overlap(a, b) for a, b in zip(first.astype(float), second.astype(float), strict=True)
    ]
    found = intersection_over_union(jnp.asarray(first), jnp.asarray(second))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0.1 < np.mean(np.array(expected) > 0) < 1.0


@pytest.mark.parametrize(
    ("offset", "expected"), [(0.2, 0.67), (0.25, 0.60), (0.3, 0.54), (1.0, 0.0)]
)
def test_squares_moved_along_one_axis(offset, expected):
    """(1 - d) / (1 + d): 0.2 of the side leaves 0.67, 0.3 leaves 0.54."""
    first, second = jnp.array([0.0, 0.0, 1.0, 1.0]), jnp.array([0.0, offset, 1.0, 1.0])
    assert float(intersection_over_union(first, second)) == pytest.approx(expected, abs=0.005)


def test_overlap_does_not_change_when_both_move_or_grow_and_is_finite_for_empty_boxes():
    first, second = (jnp.asarray(random_boxes(20, seed)) for seed in (3, 4))
    shift = jnp.array([[5.0, -7.0, 0.0, 0.0]])
    base = intersection_over_union(first, second)
    np.testing.assert_allclose(
        intersection_over_union(first + shift, second + shift), base, atol=1e-5
    )
    np.testing.assert_allclose(intersection_over_union(3 * first, 3 * second), base, atol=1e-5)
    empty = jnp.zeros((20, 4))
    assert np.all(np.asarray(intersection_over_union(empty, empty)) == 0.0)
    gradient = jax.grad(lambda b: jnp.sum(intersection_over_union(b, empty)))(empty)
    assert np.all(np.isfinite(np.asarray(gradient)))


@pytest.mark.parametrize("limit", [0.05, 0.3, 0.7])
def test_suppression_is_the_sequential_search(limit):
    boxes, count = random_boxes(200, 5), 170
    kept = []
    for i in range(count):
        if all(overlap(boxes[i].astype(float), boxes[j].astype(float)) <= limit for j in kept):
            kept.append(i)
    valid = jnp.arange(200) < count
    found = jax.jit(greedy_by_overlap)(jnp.asarray(boxes), valid, limit)
    assert np.flatnonzero(np.asarray(found)).tolist() == kept
    assert 1 < len(kept) < count


def test_cells_are_centred_on_their_pixels():
    """Cell (0, 1) of stride 16 covers rows 0 to 15 and columns 16 to 31."""
    np.testing.assert_array_equal(cell_centres((2, 3), 16)[0, 1], [7.5, 23.5])
    np.testing.assert_array_equal(cell_centres((2, 3), 16)[1, 2], [23.5, 39.5])


def logit(share):
    return np.log(share / (1 - share))


def test_maps_are_the_inverse_of_boxes():
    """Boxes -> cells -> the maps that stand for them -> boxes."""
    stride, anchor, shape = 16, 24.0, (5, 7)
    random = np.random.default_rng(6)
    cells = np.stack(np.meshgrid(range(5), range(7), indexing="ij"), -1).reshape(-1, 2)
    cells = cells[random.permutation(35)[:20]]
    centre = (cells + random.uniform(0.05, 0.95, (20, 2))) * stride - 0.5
    boxes = np.concatenate([centre, random.uniform(8, 70, (20, 2))], 1).astype(np.float32)
    found, has = boxes_of_cells(jnp.asarray(boxes), jnp.ones(20, bool), shape, stride)
    assert np.asarray(has).sum() == 20
    np.testing.assert_array_equal(np.asarray(found)[tuple(cells.T)], boxes)
    share = (boxes[:, :2] + 0.5) / stride - cells
    maps = np.zeros((*shape, 6), np.float32)
    maps[cells[:, 0], cells[:, 1], :4] = np.concatenate(
        [logit(share), np.log(boxes[:, 2:] / anchor)], 1
    )
    predicted = np.asarray(boxes_of_maps(jnp.asarray(maps), stride, anchor))[tuple(cells.T)]
    np.testing.assert_allclose(predicted, boxes, rtol=1e-5, atol=1e-4)


def test_zeros_stand_for_the_anchor_in_the_middle_of_each_cell():
    boxes = np.asarray(boxes_of_maps(jnp.zeros((3, 4, 6)), 16, 30.0))
    np.testing.assert_allclose(boxes[..., :2], cell_centres((3, 4), 16), atol=1e-5)
    np.testing.assert_allclose(boxes[..., 2:], 30.0)


def test_the_first_of_two_in_a_cell_counts_and_none_off_the_grid_or_unwanted():
    boxes = np.array(
        [
            [-0.6, 5.0, 9.0, 9.0],  # above the first row
            [5.0, 31.6, 9.0, 9.0],  # right of the last column
            [4.0, 3.0, 7.0, 8.0],  # in cell (0, 0), not wanted
            [5.0, 6.0, 10.0, 11.0],  # the first wanted one there
            [6.0, 7.0, 12.0, 13.0],
            [15.6, -0.4, 14.0, 15.0],  # in cell (1, 0)
        ],
        np.float32,
    )
    wanted = jnp.array([True, True, False, True, True, True])
    found, has = boxes_of_cells(jnp.asarray(boxes), wanted, (2, 2), 16)
    np.testing.assert_array_equal(has, [[True, False], [True, False]])
    np.testing.assert_array_equal(found[0, 0], boxes[3])
    np.testing.assert_array_equal(found[1, 0], boxes[5])
    np.testing.assert_array_equal(found[0, 1], np.zeros(4))


def test_absurd_sizes_stay_finite():
    maps = jnp.full((1, 1, 6), 1e4)
    assert np.all(np.isfinite(np.asarray(boxes_of_maps(maps, 16, 30.0))))
