"""RELION's standardised working image: sizes, outliers, sides that differ."""

import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.nouns import Micrograph
from jaxpick.preprocess.standardised import (
    StandardisedSpec,
    make_standardised_image,
    working_size,
)

FULL = StandardisedSpec(resolution_angstrom=2.0, outlier_deviations=None)


def micrograph(image, pixel=1.0):
    return Micrograph(image=image.astype(np.float32), pixel_size_angstrom=pixel, name="m.mrc")


def test_sizes_are_those_of_relion():
    """1024 pixels of 4 angstrom at 20 angstrom: 410, and 408 when optimised (RELION 3.1.3)."""
    assert working_size(1024, 4.0, StandardisedSpec(optimise_size=False)) == 410
    assert working_size(1024, 4.0, StandardisedSpec()) == 408
    assert working_size(512, 15.0, StandardisedSpec()) == 512


@pytest.mark.parametrize("side", [100, 331, 1000, 4097, 5760])
def test_working_size_is_even_near_the_wanted_one_and_free_of_large_primes(side):
    size = working_size(side, 1.3, StandardisedSpec())
    assert size % 2 == 0
    assert abs(size - side * 0.13) <= 16
    for number in (size, size // 2 + 1):
        assert all(number % prime for prime in (47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101))


def test_image_is_blind_to_gain_and_offset_and_loses_outliers():
    image = np.random.default_rng(1).normal(size=(64, 64))
    image[10, 20] = 1e4
    one = make_standardised_image(micrograph(image), 20.0, FULL).image
    other = make_standardised_image(micrograph(7 * image + 3e4), 20.0, FULL).image
    assert np.allclose(one, other, atol=1e-2)
    kept = make_standardised_image(
        micrograph(image), 20.0, StandardisedSpec(resolution_angstrom=2.0)
    ).image
    assert one[10, 20] > 60
    assert kept[10, 20] == 0


def test_sides_that_differ_keep_square_pixels_and_their_place():
    y, x = np.mgrid[:300, :200]
    image = np.exp(-((y - 240) ** 2 + (x - 90) ** 2) / 200)
    spec = StandardisedSpec(resolution_angstrom=8.0, outlier_deviations=None)
    working = make_standardised_image(micrograph(image), 40.0, spec)
    assert working.coordinates.scale_y == working.coordinates.scale_x
    peak = np.unravel_index(int(np.argmax(working.image)), working.image.shape)
    at = np.array(peak) * working.coordinates.scale_y
    assert np.abs(at - [240, 90]).max() <= working.coordinates.scale_y
    assert abs(working.image.shape[1] / working.image.shape[0] - 200 / 300) < 0.02


def test_a_diameter_beyond_the_micrograph_is_refused():
    with pytest.raises(InputError, match="spans 100 pixels"):
        make_standardised_image(micrograph(np.ones((64, 64))), 100.0, FULL)
