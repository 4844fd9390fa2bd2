"""Rotation by shears: its sense, its inverse, quarter turns, agreement with projection at the angle."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics.rotate import rotate, rotate_all

BOX = 32


def blob(y, x, sigma=2.0):
    rows, columns = np.mgrid[:BOX, :BOX] - BOX // 2
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2)).astype(np.float32)


def turned(y, x, angle_deg):
    """Where a point of the image goes: result(p) = image(R p), so p = R^T (x, y)."""
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return -s * x + c * y, c * x + s * y


@pytest.mark.parametrize("angle", [0.0, 20.0, 45.0, 90.0, 137.0, 180.0, -100.0, 270.0, 359.0])
def test_points_go_where_the_matrix_sends_them(angle):
    y, x = 3.0, 5.0
    expected = blob(*turned(y, x, angle))
    assert np.abs(np.asarray(rotate(jnp.asarray(blob(y, x)), angle)) - expected).max() < 2e-3


def test_turning_back_gives_the_image_and_keeps_its_sum():
    image = jnp.asarray(blob(2.5, -3.0) - 0.5 * blob(-4.0, 1.0, 2.5))
    there = rotate(image, 33.0)
    assert abs(float(jnp.sum(there) - jnp.sum(image))) < 1e-3
    assert np.abs(np.asarray(rotate(there, -33.0) - image)).max() < 3e-3


def test_quarter_turns_are_exact_below_nyquist():
    spectrum = np.fft.fft2(np.random.default_rng(0).normal(size=(BOX, BOX)))
    spectrum[BOX // 2], spectrum[:, BOX // 2] = 0, 0
    image = jnp.asarray(np.fft.ifft2(spectrum).real, jnp.float32)
    by_index = np.roll(np.flip(np.asarray(image), 1), 1, 1).T
    assert np.abs(np.asarray(rotate(image, 90.0)) - by_index)[1:, 1:].max() < 1e-5
    back = rotate(rotate(image, 90.0), 270.0)
    assert np.abs(np.asarray(back - image)).max() < 1e-5


def test_many_at_once_are_as_one_by_one():
    images = jnp.asarray(np.stack([blob(1, 2), blob(-3, 4), blob(0, 5)]))
    angles = jnp.array([10.0, 100.0, -75.0])
    together = rotate_all(images, angles)
    for image, angle, result in zip(images, angles, together, strict=True):
        assert np.allclose(rotate(image, angle), result, atol=1e-5)
