"""Augmentations: boxes move with pixels, keys decide all, blur, noise and contrast have their moments."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.preprocess.augmentations import (
    AugmentationSpec,
    augment,
    blur,
    orient,
    orient_boxes,
    random_blur,
    random_contrast,
    random_noise,
)
from jaxpick.spec import SpecError

SIDE = 24
ORIENTATIONS = [jnp.array(flags) for flags in itertools.product((False, True), repeat=3)]
NOTHING = AugmentationSpec(flips=False, probability=0.0)


def rectangles():
    """Boxes (y, x, height, width) of whole pixels, and an image of their numbers."""
    corners = [(2, 3, 4, 7), (10, 1, 6, 3), (15, 14, 5, 8)]
    image = np.zeros((SIDE, SIDE), np.float32)
    boxes = []
    for number, (top, left, height, width) in enumerate(corners, start=1):
        image[top : top + height, left : left + width] = number
        boxes.append((top + (height - 1) / 2, left + (width - 1) / 2, height, width))
    return jnp.asarray(image), jnp.asarray(boxes, jnp.float32)


def seen_boxes(image):
    """Boxes of the numbered rectangles, read from the pixels."""
    found = []
    for number in (1, 2, 3):
        y, x = np.nonzero(np.asarray(image) == number)
        extent = [y.max() - y.min() + 1, x.max() - x.min() + 1]
        found.append([(y.min() + y.max()) / 2, (x.min() + x.max()) / 2, *extent])
    return np.array(found)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=lambda o: "".join(map(str, map(int, o))))
def test_boxes_move_with_their_pixels(orientation):
    image, boxes = rectangles()
    turned = orient(orientation, image)
    np.testing.assert_array_equal(orient_boxes(orientation, boxes, SIDE), seen_boxes(turned))


def test_the_eight_orientations_differ_and_mirrors_undo_themselves():
    image, boxes = rectangles()
    seen = {np.asarray(orient(o, image)).tobytes() for o in ORIENTATIONS}
    assert len(seen) == 8
    for orientation in (ORIENTATIONS[1], ORIENTATIONS[2], ORIENTATIONS[4]):
        twice = orient(orientation, orient(orientation, image))
        np.testing.assert_array_equal(twice, image)
        back = orient_boxes(orientation, orient_boxes(orientation, boxes, SIDE), SIDE)
        np.testing.assert_array_equal(back, boxes)


def test_a_key_decides_everything_and_all_orientations_come_up():
    image, boxes = rectangles()
    spec = AugmentationSpec()
    change = jax.jit(jax.vmap(lambda key: augment(key, image, boxes, spec)))
    keys = jax.random.split(jax.random.key(0), 200)
    images, moved = change(keys)
    again, _ = change(keys[::-1])
    np.testing.assert_array_equal(images, again[::-1])
    counts = np.unique(np.asarray(moved).reshape(200, -1), axis=0, return_counts=True)[1]
    # 200 draws of 8: the chance of fewer than 8 of one is below 1e-4 (binomial), eight times.
    assert len(counts) == 8 and counts.min() >= 8


def test_nothing_is_changed_where_nothing_is_asked():
    image, boxes = rectangles()
    for found, expected in zip(
        augment(jax.random.key(1), image, boxes, NOTHING), (image, boxes), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_boxes_are_true_to_the_pixels_after_everything():
    image, boxes = rectangles()
    spec = AugmentationSpec(probability=0.0)
    for key in jax.random.split(jax.random.key(2), 4):
        changed, moved = augment(key, image, boxes, spec)
        np.testing.assert_array_equal(moved, seen_boxes(changed))


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.7])
def test_blur_of_a_point_is_a_gaussian_of_that_width(sigma):
    point = jnp.zeros((41, 41)).at[20, 20].set(1.0)
    spread = np.asarray(blur(point, sigma))
    y, x = np.mgrid[:41, :41] - 20
    expected = np.exp(-(y**2 + x**2) / (2 * sigma**2)) * (np.maximum(abs(y), abs(x)) <= 4)
    np.testing.assert_allclose(spread, expected / expected.sum(), atol=1e-6)


def test_blur_keeps_the_mean_and_a_width_of_nothing_keeps_the_image():
    image = jnp.asarray(np.random.default_rng(0).normal(2.0, 1.0, (30, 20)), jnp.float32)
    np.testing.assert_allclose(jnp.mean(blur(image, 1.5)), jnp.mean(image), rtol=1e-5)
    np.testing.assert_allclose(blur(image, 0.0), image, atol=1e-6)


def test_random_blurs_are_of_all_widths_up_to_the_largest():
    point = jnp.zeros((31, 31)).at[15, 15].set(1.0)
    keys = jax.random.split(jax.random.key(3), 300)
    peaks = jax.jit(jax.vmap(lambda key: random_blur(key, point, 1.5)[15, 15]))(keys)
    # From a width of 0 to that of 1.5; half of the draws are below 0.75 (300 coins, four errors).
    widest, middle = (float(blur(point, width)[15, 15]) for width in (1.5, 0.75))
    assert float(peaks.max()) > 0.999 and widest <= float(peaks.min()) < 1.1 * widest
    assert np.mean(np.asarray(peaks) > middle) == pytest.approx(0.5, abs=4 * 0.5 / 300**0.5)


def test_noise_is_white_with_a_uniform_deviation():
    flat = jnp.zeros((64, 64))
    keys = jax.random.split(jax.random.key(4), 200)
    added = np.asarray(jax.vmap(lambda key: random_noise(key, flat, 0.5))(keys))
    deviations = added.std(axis=(1, 2))
    # Uniform on 0 to 0.5: mean 0.25, standard error 0.144 / sqrt 200 = 0.01; four of them.
    assert deviations.mean() == pytest.approx(0.25, abs=0.04) and deviations.max() <= 0.52
    normal = added / deviations[:, None, None]
    along = np.mean(normal[:, 1:] * normal[:, :-1])
    # 200 x 4032 products: five standard errors.
    assert abs(along) < 5 / np.sqrt(200 * 63 * 64)


def test_contrast_scales_deviations_by_up_to_its_factor_and_keeps_the_mean():
    image = jnp.asarray(np.random.default_rng(1).normal(3.0, 1.0, (32, 32)), jnp.float32)
    keys = jax.random.split(jax.random.key(5), 300)
    found = np.asarray(jax.vmap(lambda key: random_contrast(key, image, 2.0))(keys))
    np.testing.assert_allclose(found.mean((1, 2)), float(image.mean()), rtol=1e-4)
    factors = np.log2(found.std((1, 2)) / float(image.std()))
    assert factors.min() >= -1.001 and factors.max() <= 1.001
    # Uniform on -1 to 1: standard error 0.577 / sqrt 300; four of them.
    assert abs(factors.mean()) < 4 * 0.577 / 300**0.5


@pytest.mark.parametrize(
    "wrong", [{"probability": 1.1}, {"blur_px": 3.0}, {"noise": -0.1}, {"contrast": 0.5}]
)
def test_impossible_strengths_are_refused(wrong):
    with pytest.raises(SpecError, match=next(iter(wrong))):
        AugmentationSpec(**wrong)
