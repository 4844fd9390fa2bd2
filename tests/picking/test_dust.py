"""The dust mask leaves clean fields alone and covers large dense dirt."""

import numpy as np
import pytest
from scipy import ndimage

from jaxpick.picking.dust import DustSpec, clean_mask, dust_mask, histogram_threshold, inside_mask

PIXEL, APERTURE = 15.0, 128.0


def _field(seed=0, shape=(160, 180), num_particles=0):
    random = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(random.normal(size=shape), 0.8)
    image /= image.std()
    marks = np.zeros(shape)
    places = random.permutation((shape[0] // 12) * (shape[1] // 12))[:num_particles]
    rows, columns = np.divmod(places, shape[1] // 12)
    marks[rows * 12 + 6, columns * 12 + 6] = 1
    image += 60 * ndimage.gaussian_filter(marks, 2.5)
    return ((image - image.mean()) / image.std()).astype(np.float32)


@pytest.mark.parametrize("num_particles", [0, 40, 150])
def test_clean_fields_lose_next_to_nothing(num_particles):
    lost = [
        dust_mask(_field(seed, num_particles=num_particles), PIXEL, APERTURE, DustSpec()).mean()
        for seed in range(5)
    ]
    assert np.mean(lost) < 0.01


def test_a_dense_patch_is_covered_with_its_dilation():
    image = _field()
    y, x = np.indices(image.shape)
    distance = np.hypot(y - 60, x - 110)
    image[distance < 15] += 4
    mask = dust_mask(image, PIXEL, APERTURE, DustSpec())
    assert mask[distance < 15].all()
    # The map is 500 angstrom (33 px) coarse: nothing further than that beyond the dilation.
    assert not mask[distance > 15 + APERTURE / (2 * PIXEL) + 33].any()


def test_a_crowd_of_particles_in_an_empty_field_is_no_dust():
    """Particles cover 38 % of a square, 1.4 standard deviations of the noise bright."""
    random = np.random.default_rng(3)
    image = ndimage.gaussian_filter(random.normal(size=(160, 180)), 0.8)
    image /= image.std()
    y, x = np.indices(image.shape)
    rows, columns = (np.arange(30, 91, 10), np.arange(60, 121, 10))
    for cy, cx in ((r, c) for r in rows for c in columns):
        image[np.hypot(y - cy, x - cx) < 3.5] += 1.4
    image = ((image - image.mean()) / image.std()).astype(np.float32)
    assert not dust_mask(image, PIXEL, APERTURE, DustSpec()).any()
    assert dust_mask(image, PIXEL, APERTURE, DustSpec(least=0.0)).mean() > 0.05


def test_a_single_bright_pixel_is_no_dust():
    image = _field()
    image[80, 80] = 1000.0
    assert not dust_mask(image, PIXEL, APERTURE, DustSpec())[75:86, 75:86].any()


def test_a_large_particle_is_no_dust_at_its_own_aperture():
    image = _field()
    y, x = np.indices(image.shape)
    for cy, cx in ((40, 40), (100, 120), (50, 130)):
        image[np.hypot(y - cy, x - cx) < 200 / PIXEL] += 1.5  # 400 angstrom across
    small = dust_mask(image, PIXEL, APERTURE, DustSpec()).mean()
    large = dust_mask(image, PIXEL, 400.0, DustSpec()).mean()
    assert small > 0.05 and large == 0


def test_histogram_threshold_is_the_peak_plus_spreads_of_a_normal_law():
    values = np.random.default_rng(1).normal(2.0, 0.5, (400, 400))
    assert histogram_threshold(values, 6.0) == pytest.approx(2.0 + 6 * 0.5, rel=0.05)


def test_edge_cut_is_a_frame_and_joins_the_dust():
    assert inside_mask((7, 9), 2).sum() == 3 * 5
    assert inside_mask((7, 9), 0).all() and not inside_mask((7, 9), 4).any()
    mask = clean_mask(_field(), PIXEL, APERTURE, edge_cut_px=5)
    np.testing.assert_array_equal(mask, inside_mask(mask.shape, 5))
