"""Components against a flood fill written here and centroids against their definition."""

import numpy as np
import pytest

from jaxpick.numerics.components import (
    component_areas,
    component_centroids,
    label_components,
    remove_small,
)


def _flood(mask, diagonal):
    """Return labels by filling from each pixel in row-major order."""
    labels, count = np.zeros(mask.shape, int), 0
    near = [
        (a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a or b) and (diagonal or not (a and b))
    ]
    for start in np.argwhere(mask).tolist():
        if labels[tuple(start)]:
            continue
        count += 1
        front = [start]
        while front:
            y, x = front.pop()
            inside = 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]
            if inside and mask[y, x] and not labels[y, x]:
                labels[y, x] = count
                front += [[y + a, x + b] for a, b in near]
    return labels, count


@pytest.mark.parametrize("diagonal", [False, True])
def test_labels_equal_a_flood_fill(diagonal):
    mask = np.random.default_rng(0).random((25, 31)) < 0.45
    labels, count = label_components(mask, diagonal)
    expected, expected_count = _flood(mask, diagonal)
    assert count == expected_count
    np.testing.assert_array_equal(labels, expected)


def test_areas_centroids_and_small_parts():
    mask = np.zeros((8, 9), bool)
    mask[1:4, 1:3], mask[6, 4:9], mask[0, 8] = True, True, True
    labels, count = label_components(mask)
    areas = component_areas(labels, count)
    assert sorted(areas.tolist()) == [1, 5, 6]
    centroids = component_centroids(labels, count)
    np.testing.assert_allclose(centroids[areas == 6], [[2, 1.5]])
    weights = np.zeros((8, 9))
    weights[1, 1], weights[6, 8], weights[0, 8] = 2, 3, 1
    np.testing.assert_allclose(component_centroids(labels, count, weights)[areas == 6], [[1, 1]])
    assert remove_small(mask, 6).sum() == 6 and remove_small(mask, 2).sum() == 11


def test_empty_mask_has_no_components():
    labels, count = label_components(np.zeros((4, 5), bool))
    assert count == 0 and component_areas(labels, 0).shape == (0,)
    assert component_centroids(labels, 0).shape == (0, 2)
    assert not remove_small(np.zeros((4, 5), bool), 1).any()
