"""Normalised correlation: brute force, planted values, gain and offset, the best template."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics.normalised_correlation import (
    best_correlation,
    correlation_at,
    disc_offsets,
    normalised_templates,
)

RNG = np.random.default_rng(0)
OFFSETS = disc_offsets(3.5)
BOX = 10
IMAGES = RNG.normal(size=(5, BOX, BOX)).astype(np.float32)
TEMPLATES = normalised_templates(jnp.asarray(IMAGES), OFFSETS)


def brute_force(image, images, offsets):
    """Pearson's coefficient of every template with every neighbourhood, by numpy.corrcoef."""
    reach = np.abs(offsets).max()
    padded = np.pad(image, reach)
    centre = images.shape[-1] // 2
    values = [[t[dy + centre, dx + centre] for dy, dx in offsets] for t in images]
    scores = np.zeros((len(images), *image.shape))
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            near = [padded[y + dy + reach, x + dx + reach] for dy, dx in offsets]
            scores[:, y, x] = np.corrcoef(near, values)[0, 1:]
    return scores


def test_a_disc_is_closed_and_symmetric():
    offsets = disc_offsets(3.0)
    assert len(offsets) == 29
    assert set(map(tuple, offsets)) == set(map(tuple, -offsets))


@pytest.mark.parametrize("shape", [(16, 16), (13, 21)])
def test_scores_are_those_of_brute_force(shape):
    image = RNG.normal(size=shape).astype(np.float32)
    scores = brute_force(image, IMAGES, OFFSETS)
    found = best_correlation(image, TEMPLATES, OFFSETS)
    assert np.abs(found - scores.max(axis=0)).max() < 1e-5
    at = np.array([[0, 0], [5, 7], [12, 12]])
    best = correlation_at(image, at, TEMPLATES, OFFSETS)
    assert best.tolist() == scores.argmax(axis=0)[at[:, 0], at[:, 1]].tolist()


def test_a_template_correlates_with_itself_by_one_and_with_its_negative_by_minus_one():
    image = np.zeros((20, 24), np.float32)
    image[5:15, 7:17] = IMAGES[3]
    assert abs(best_correlation(image, TEMPLATES, OFFSETS)[10, 12] - 1) < 1e-5
    negative = best_correlation(-image, TEMPLATES[3:4], OFFSETS)
    assert abs(negative[10, 12] + 1) < 1e-5


def test_added_noise_lowers_the_correlation_as_it_must():
    """With white noise of variance v and K pixels, E r is about |t| / sqrt(|t|^2 + v (K - 1))."""
    values = []
    strength, noise = 6.0, 0.8
    centre = BOX // 2
    for _ in range(300):
        image = RNG.normal(0, noise, (BOX, BOX)).astype(np.float32)
        rows, columns = OFFSETS[:, 0] + centre, OFFSETS[:, 1] + centre
        image[rows, columns] += strength * np.asarray(TEMPLATES[2])
        values.append(best_correlation(image, TEMPLATES[2:3], OFFSETS)[centre, centre])
    expected = strength / np.sqrt(strength**2 + noise**2 * (len(OFFSETS) - 1))
    assert abs(np.mean(values) - expected) < 0.01


def test_gain_and_offset_change_nothing():
    image = RNG.normal(size=(24, 24)).astype(np.float32)
    one = best_correlation(image, TEMPLATES, OFFSETS)
    other = best_correlation(37 * image + 5, TEMPLATES, OFFSETS)
    inside = (slice(3, -3), slice(3, -3))
    assert np.abs(one - other)[inside].max() < 1e-4
    brighter = normalised_templates(jnp.asarray(9 * IMAGES - 4), OFFSETS)
    assert np.abs(np.asarray(brighter - TEMPLATES)).max() < 1e-5


def test_flat_regions_score_nothing():
    image = RNG.normal(size=(40, 40)).astype(np.float32)
    image[:, 15:] = 0.25
    found = best_correlation(image, TEMPLATES, OFFSETS)
    assert np.all(np.isfinite(found))
    assert np.abs(found[5:-5, 25:35]).max() < 1e-3
