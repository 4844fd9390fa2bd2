"""Note S3: normalised by the centre, 500 to 30 angstrom kept, 15 angstrom a pixel, positions
kept.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.preprocess.parsed import (
    ParsedPreprocessSpec,
    make_parsed_image,
    mask_and_standardise,
    normalise_by_centre,
)
from jaxpick.spec import SpecError

PAPER, RELEASED = (ParsedPreprocessSpec(variant=variant) for variant in ("paper", "released"))


def _wave(shape, pixel, period, axis=1):
    """Return a cosine whose period is the nearest that fits the image, and that period."""
    length = shape[axis] * pixel
    cycles = max(round(length / period), 1)
    position = np.arange(shape[axis]) / shape[axis]
    wave = np.cos(2 * np.pi * cycles * position).astype(np.float32)
    return np.broadcast_to(wave[None, :] if axis else wave[:, None], shape).copy(), length / cycles


def test_centre_has_zero_mean_and_unit_deviation():
    image = np.random.default_rng(0).normal(7, 3, (40, 60)).astype(np.float32)
    normal = np.asarray(normalise_by_centre(jnp.asarray(image), 0.25))
    centre = normal[15:25, 22:37]
    assert abs(centre.mean()) < 1e-5 and abs(centre.std() - 1) < 1e-5
    np.testing.assert_allclose(
        normal * image[15:25, 22:37].std() + image[15:25, 22:37].mean(), image, atol=1e-4
    )


@pytest.mark.parametrize("spec", [PAPER, RELEASED])
def test_a_flat_or_saturated_centre_stays_finite(spec):
    image = np.full((300, 300), 5.0, np.float32)
    assert np.all(np.isfinite(make_parsed_image(image, 3.0, "flat", spec).image))
    image[:60, :60] = np.random.default_rng(0).normal(size=(60, 60))
    assert np.abs(np.asarray(make_parsed_image(image, 3.0, "spoilt", spec).image)).max() < 1e5


@pytest.mark.parametrize(
    "period, passes",
    [(2000, False), (600, False), (300, True), (60, True), (27, False), (10, False)],
)
@pytest.mark.parametrize("axis", [0, 1])
def test_paper_keeps_500_to_30_angstrom_and_inverts(period, passes, axis):
    shape, pixel = (480, 640), 4.0
    wave, exact = _wave(shape, pixel, period, axis)
    image = wave + np.random.default_rng(0).normal(0, 1e-6, shape).astype(np.float32)
    working = make_parsed_image(image, pixel, "wave", PAPER)
    scale = np.std(image[180:300, 240:400])
    small, _ = _wave(working.image.shape, 15.0, exact, axis)
    expected = -small / scale if passes else np.zeros_like(small)
    np.testing.assert_allclose(working.image, expected, atol=2e-4 / scale)


def test_released_gaussian_is_three_deviations_wide_at_30_angstrom():
    shape, pixel = (480, 480), 5.0
    for period in (60.0, 100.0):
        wave, exact = _wave(shape, pixel, period)
        other, other_exact = _wave(shape, pixel, 200.0, axis=0)
        image = np.asarray(make_parsed_image(wave + other, pixel, "wave", RELEASED).image)
        ratio = (
            np.abs(np.fft.rfft(image.mean(axis=0))).max()
            / np.abs(np.fft.rfft(image.mean(axis=1))).max()
        )
        gain = [np.exp(-0.5 * (3 * 30 / p) ** 2) for p in (exact, other_exact)]
        assert ratio == pytest.approx(gain[0] / gain[1], rel=1e-3)
        assert abs(image.mean()) < 1e-5 and abs(image.std() - 1) < 1e-5


@pytest.mark.parametrize("spec", [PAPER, RELEASED])
def test_positions_are_kept_on_both_axes_of_an_odd_shape(spec):
    shape, pixel = (1013, 1247), 2.0
    y, x = np.indices(shape)
    truth = [(260.0, 310.0), (700.0, 905.0)]
    image = sum(np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 20.0**2)) for cy, cx in truth)
    working = make_parsed_image(-image.astype(np.float32), pixel, "spots", spec)
    assert all(side % 4 == 0 for side in working.image.shape) or spec is PAPER
    assert working.pixel_size_angstrom == pytest.approx(15.0, rel=0.03)
    small = np.asarray(working.image)
    for centre in truth:
        at = [
            float(part[0])
            for part in working.coordinates.to_working(*(np.array([c]) for c in centre))
        ]
        corner = [round(part) - 3 for part in at]
        window = small[corner[0] : corner[0] + 7, corner[1] : corner[1] + 7]
        window = np.clip(window - np.sort(window, axis=None)[20], 0, None)
        steps = np.arange(7)
        found = [
            corner[0] + (window.sum(1) @ steps) / window.sum(),
            corner[1] + (window.sum(0) @ steps) / window.sum(),
        ]
        np.testing.assert_allclose(found, at, atol=0.15)


def test_scale_and_offset_of_the_micrograph_do_not_matter():
    image = np.random.default_rng(0).normal(size=(200, 220)).astype(np.float32)
    for spec in (PAPER, RELEASED):
        one, other = (
            make_parsed_image(i, 5.0, "a", spec).image for i in (image, 40 * image + 1000)
        )
        np.testing.assert_allclose(one, other, atol=2e-3)


def test_other_scales_follow_nyquist_and_coarse_micrographs_stay():
    image = np.random.default_rng(0).normal(size=(64, 80)).astype(np.float32)
    spec = ParsedPreprocessSpec(working_pixel_angstrom=8.0)
    assert spec.low_pass == 16.0
    assert make_parsed_image(image, 4.0, "a", spec).image.shape == (32, 40)
    working = make_parsed_image(image, 20.0, "a", PAPER)
    assert working.image.shape == (64, 80) and working.pixel_size_angstrom == 20.0
    with pytest.raises(SpecError, match="high_pass_angstrom"):
        ParsedPreprocessSpec(high_pass_angstrom=20.0)


def test_mask_blanks_then_standardises():
    image = jnp.asarray(np.random.default_rng(0).normal(2, 3, (30, 30)), jnp.float32)
    mask = jnp.arange(30)[None, :] + jnp.zeros((30, 1)) < 20
    masked = np.asarray(mask_and_standardise(image, mask))
    assert abs(masked.mean()) < 1e-5 and abs(masked.std() - 1) < 1e-5
    assert np.ptp(masked[:, 20:]) == 0
