"""Filled-in borders are found, whatever filled them; measured images are whole."""

import numpy as np
import pytest
from scipy import ndimage

from jaxpick.io.micrographs import read_micrograph
from jaxpick.preprocess.borders import usable_box


def noise(shape=(200, 260), seed=0):
    return np.random.default_rng(seed).normal(100, 10, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(200, 260), (64, 64), (9, 513), (1, 40), (2, 2)])
def test_noise_is_whole(shape):
    assert usable_box(noise(shape)) == (0, shape[0], 0, shape[1])


def test_smooth_images_and_constant_gradients_are_whole():
    smooth = ndimage.gaussian_filter(noise(), 3.0)
    assert usable_box(smooth) == (0, 200, 0, 260)
    ramp = np.add.outer(np.arange(90.0), np.arange(80.0)).astype(np.float32)
    assert usable_box(ramp) == (0, 90, 0, 80)


@pytest.mark.parametrize("fill", [0.0, 100.0])
def test_constant_borders_are_left_out_exactly(fill):
    image = noise()
    image[:7], image[-3:], image[:, -11:] = fill, fill, fill
    assert usable_box(image) == (7, 197, 0, 249)


def test_repeated_borders_are_left_out_with_the_line_they_repeat():
    image = noise()
    image[:6], image[:, 250:] = image[6], image[:, 249:250]
    assert usable_box(image) == (7, 200, 0, 249)


def test_one_repeated_line_counts():
    image = noise()
    image[0] = image[1]
    assert usable_box(image) == (2, 200, 0, 260)


def test_a_border_that_was_filtered_afterwards_is_left_out_to_the_edge():
    image = noise()
    image[180:] = image[180]
    faded = ndimage.gaussian_filter(image, 1.5, mode="wrap")
    first, end, *_ = usable_box(faded)
    assert first == 0 and abs(end - 180) <= 3  # two standard deviations of the filter


def test_flat_lines_inside_the_image_are_no_border():
    image = noise()
    image[90:110] = 0.0
    assert usable_box(image) == (0, 200, 0, 260)


@pytest.mark.real_data
def test_the_borders_of_real_pictures(data):
    folder = data / "micrographs" / "empiar_10017"
    for path in sorted(folder.glob("*.jpg"))[:2]:
        first_y, end_y, first_x, end_x = usable_box(read_micrograph(path, 1.77).image)
        # Seen by eye: 70 rows above, 85 below, 50 columns left, 100 right.
        np.testing.assert_allclose([first_y, 4096 - end_y], [72, 88], atol=12)
        np.testing.assert_allclose([first_x, 4096 - end_x], [54, 100], atol=12)
