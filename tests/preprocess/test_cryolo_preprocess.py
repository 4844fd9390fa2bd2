"""crYOLO's working images: size and aspect, exact coordinates, the filter, the normalisation."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.nouns import Micrograph
from jaxpick.preprocess.cryolo import (
    CryoloPreprocessSpec,
    input_shape,
    make_cryolo_image,
    standardise,
)
from jaxpick.preprocess.prepare import normalise_field, prepare
from jaxpick.spec import SpecError

PLAIN = CryoloPreprocessSpec(input_px=64, low_pass_frequency=None)


def spots(shape, centres, sigma):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = sum(np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2)) for cy, cx in centres)
    return -image.astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4096, 4096), (1024, 1024)),
        ((4092, 5760), (1024, 1441)),
        ((5760, 4092), (1441, 1024)),
        ((3838, 3710), (1059, 1024)),
        ((1200, 1240), (1024, 1058)),
        ((500, 700), (1024, 1434)),
    ],
)
def test_the_short_side_is_1024_and_the_aspect_is_kept(shape, expected):
    found = input_shape(shape, 1024)
    assert found == expected
    # No squeezing: the factors of the axes differ by less than a pixel over the long side.
    scale = np.array(shape) / np.array(found)
    assert abs(scale[0] / scale[1] - 1) * max(found) <= 1.0


@pytest.mark.parametrize("shape", [(201, 333), (333, 201), (128, 131), (50, 71)])
def test_corners_map_back_exactly_on_non_square_micrographs(shape):
    """The nominal factor alone would be off by pixels at the far corners (peers' regression 3)."""
    margin = 0.15 * min(shape)
    centres = [
        (y, x) for y in (margin, shape[0] - 1 - margin) for x in (margin, shape[1] - 1 - margin)
    ]
    sigma = 0.04 * min(shape)
    made = make_cryolo_image(spots(shape, centres, sigma), 2.0, 40.0, "m.mrc", PLAIN)
    assert min(made.image.shape) == 64
    image = -(made.image - made.image.max())
    scale = made.coordinates
    reach = round(3 * sigma / scale.scale_y)
    for y, x in centres:
        (ny,), (nx,) = scale.to_working(np.array([y]), np.array([x]))
        top, left = round(ny) - reach, round(nx) - reach
        window = image[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
        window = np.maximum(window - np.median(image), 0)
        grid_y, grid_x = np.mgrid[: window.shape[0], : window.shape[1]]
        found_y = top + (window * grid_y).sum() / window.sum()
        found_x = left + (window * grid_x).sum() / window.sum()
        (back_y,), (back_x,) = scale.to_micrograph(np.array([found_y]), np.array([found_x]))
        np.testing.assert_allclose([back_y, back_x], [y, x], atol=0.25)


def test_pixel_size_is_that_of_the_working_image():
    made = make_cryolo_image(spots((96, 160), [(40, 50)], 5.0), 2.0, 40.0, "m.mrc", PLAIN)
    assert made.pixel_size_angstrom == pytest.approx(3.0, rel=0.01)
    assert made.micrograph_pixel_size_angstrom == 2.0 and made.micrograph_shape == (96, 160)


@pytest.mark.parametrize("period", [6, 8, 14, 24])
def test_the_filter_is_at_a_tenth_of_a_cycle_per_pixel_of_the_micrograph(period):
    """Waves that it keeps come out with the deviation they have alone; those it cuts vanish."""
    y = np.arange(168)[:, None]
    slow = np.cos(2 * np.pi * y / 84) * np.ones((1, 168))
    image = (slow + np.cos(2 * np.pi * y / period)).astype(np.float32)
    spec = CryoloPreprocessSpec(input_px=128)
    found = make_cryolo_image(image, 1.0, 20.0, "m.mrc", spec).image
    power = np.abs(np.fft.rfft(np.asarray(found)[:, 0])) ** 2
    share = power[168 // period] / power[2]
    assert share == pytest.approx(1.0 if period > 11 else 0.0, abs=1e-2)


def test_mean_and_deviation_are_those_of_the_usable_part():
    image = np.random.default_rng(0).normal(3.0, 2.0, (96, 128)).astype(np.float32)
    image[:, :10] = 50.0
    made = make_cryolo_image(image, 1.0, 20.0, "m.mrc", PLAIN)
    assert made.usable == (0, 96, 10, 128)
    found = np.asarray(made.image)
    first = int(np.ceil(10 / made.coordinates.scale_x))
    assert np.all(found[:, :first] == 0.0)
    assert found[:, first:].mean() == pytest.approx(0.0, abs=1e-5)
    assert found[:, first:].std() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize(("gain", "offset"), [(3.7, 0.0), (1.0, 1e4), (1e-4, -1.0)])
def test_gain_and_offset_do_not_matter(gain, offset):
    image = np.random.default_rng(1).normal(size=(64, 70)).astype(np.float32)
    changed = (gain * image.astype(np.float64) + offset).astype(np.float32)
    expected = np.asarray(standardise(jnp.asarray(image)))
    np.testing.assert_allclose(standardise(jnp.asarray(changed)), expected, atol=0.01)


def test_a_constant_image_stays_finite():
    assert np.all(np.asarray(standardise(jnp.full((40, 40), 7.0))) == 0.0)


def test_fields_and_micrographs_are_normalised_alike():
    image = np.random.default_rng(2).normal(5.0, 3.0, (64, 64)).astype(np.float32)
    micrograph = Micrograph(image=image, pixel_size_angstrom=4.0, name="m.mrc")
    expected = prepare(micrograph, 100.0, PLAIN).image
    np.testing.assert_allclose(normalise_field(jnp.asarray(image), 4.0, PLAIN), expected, atol=1e-5)


def test_impossible_settings_and_diameters_are_refused():
    with pytest.raises(SpecError, match="input_px: expected a multiple of 32"):
        CryoloPreprocessSpec(input_px=1000)
    with pytest.raises(SpecError, match="low_pass_frequency"):
        CryoloPreprocessSpec(low_pass_frequency=0.6)
    with pytest.raises(InputError, match="spans"):
        make_cryolo_image(np.zeros((64, 64), np.float32), 4.0, 4.0, "m.mrc", PLAIN)
