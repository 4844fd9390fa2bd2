"""Cropping, padding and filtering against analytic images, numpy and an oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics import fourier

CASES = [
    ((12, 16), (8, 8)),
    ((15, 16), (6, 7)),
    ((13, 11), (7, 5)),
    ((12, 9), (12, 4)),
    ((9, 8), (5, 8)),
]


def waves(shape, modes, phase=0.3):
    """Sum of cosines with whole waves along each side: one function at any sampling."""
    y, x = (np.arange(n) / n for n in shape)
    return sum(
        (1 + i) * np.cos(2 * np.pi * (my * y[:, None] + mx * x[None, :]) + phase * i)
        for i, (my, mx) in enumerate(modes)
    )


MODES = [(0, 0), (1, 0), (0, 1), (-2, 1), (1, 1), (2, 0)]


@pytest.mark.parametrize(("large", "small"), CASES)
def test_band_limited_images_are_resampled_exactly(large, small):
    fine, coarse = waves(large, MODES[:5]), waves(small, MODES[:5])
    cropped = fourier.fourier_crop(jnp.asarray(fine, jnp.float32), small)
    np.testing.assert_allclose(cropped, coarse, atol=1e-5)
    padded = fourier.fourier_pad(jnp.asarray(coarse, jnp.float32), large)
    np.testing.assert_allclose(padded, fine, atol=1e-5)


@pytest.mark.parametrize(("large", "small"), CASES)
def test_crop_equals_the_cut_centre_of_the_full_plane(large, small):
    image = np.random.default_rng(1).normal(size=large)
    rows, columns = (np.fft.fftfreq(n, 1 / n).astype(int) for n in small)
    cut = np.fft.ifft2(np.fft.fft2(image)[np.ix_(rows, columns)]).real * np.prod(small) / image.size
    cropped = fourier.fourier_crop(jnp.asarray(image, jnp.float32), small)
    np.testing.assert_allclose(cropped, cut, atol=2e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("case", ["255x256_s4", "255x256_s8", "256x256_s4", "256x256_s8"])
def test_crop_equals_the_clean_crop_of_the_oracle(oracles, case):
    with np.load(oracles / "topaz_normalize.npz") as stored:
        image = stored[f"down_{case}/input"]
        expected = stored[f"down_{case}/clean_fourier_crop_f64"]
    cropped = fourier.fourier_crop(jnp.asarray(image), expected.shape)
    np.testing.assert_allclose(cropped, expected, atol=1e-5)


def test_padding_passes_through_every_sample():
    image = np.random.default_rng(2).normal(size=(6, 10)).astype(np.float32)
    padded = fourier.fourier_pad(jnp.asarray(image), (18, 20))
    np.testing.assert_allclose(padded[::3, ::2], image, atol=2e-6)


def test_crop_undoes_padding_of_odd_sizes():
    image = np.random.default_rng(3).normal(size=(7, 9)).astype(np.float32)
    back = fourier.fourier_crop(fourier.fourier_pad(jnp.asarray(image), (16, 15)), (7, 9))
    np.testing.assert_allclose(back, image, atol=2e-6)


def test_centres_move_by_the_exact_factor():
    y, x = np.mgrid[:96, :120]
    blob = np.exp(-((y - 37.3) ** 2 + (x - 61.9) ** 2) / (2 * 6.0**2))
    small = np.asarray(fourier.fourier_crop(jnp.asarray(blob, jnp.float32), (32, 60)), np.float64)
    small_y, small_x = np.mgrid[:32, :60]
    total = small.sum()
    np.testing.assert_allclose((small_y * small).sum() / total, 37.3 / 3, atol=2e-3)
    np.testing.assert_allclose((small_x * small).sum() / total, 61.9 / 2, atol=2e-3)


def test_sizes_on_the_wrong_side_are_refused():
    image = jnp.zeros((8, 8))
    with pytest.raises(ValueError, match="at most"):
        fourier.fourier_crop(image, (9, 4))
    with pytest.raises(ValueError, match="at least"):
        fourier.fourier_pad(image, (9, 4))


@pytest.mark.parametrize("shape", [(6, 10), (6, 8), (18, 20), (4, 6)])
def test_resampling_keeps_the_mean_and_what_fits_both(shape):
    """A wave slower than both Nyquist frequencies is the same wave on any grid."""

    def wave(ny, nx):
        y, x = np.mgrid[:ny, :nx]
        return (2.0 + np.cos(2 * np.pi * (y / ny + x / nx) + 0.4)).astype(np.float32)

    found = fourier.fourier_resample(jnp.asarray(wave(6, 10)), shape)
    np.testing.assert_allclose(found, wave(*shape), atol=2e-6)
    with pytest.raises(ValueError, match="at most"):
        fourier.fourier_resample(jnp.zeros((8, 8)), (9, 4))


def test_filter_is_circular_convolution():
    rng = np.random.default_rng(4)
    image, kernel = rng.normal(size=(2, 6, 7)).astype(np.float32)
    direct = sum(kernel[j, i] * np.roll(image, (j, i), (0, 1)) for j in range(6) for i in range(7))
    filtered = fourier.filter_image(jnp.asarray(image), jnp.fft.rfft2(jnp.asarray(kernel)))
    np.testing.assert_allclose(filtered, direct, atol=1e-4)


def test_band_pass_keeps_its_band_alone():
    # 64 pixels of 4 angstrom: waves of 256, 32 and 10.7 angstrom.
    slow, middle, fast = (waves((64, 64), [(0, 0), (0, n)]) - 1 for n in (1, 8, 24))
    image = jnp.asarray(5 + slow + middle + fast, jnp.float32)
    np.testing.assert_allclose(fourier.band_pass(image, 4.0, 20.0, 100.0), middle, atol=1e-5)
    np.testing.assert_allclose(
        fourier.band_pass(image, 4.0, low_pass_angstrom=20.0), 5 + slow + middle, atol=1e-5
    )


def test_band_pass_is_one_half_at_its_limits():
    transfer = fourier.band_pass_transfer(
        (1, 1000), 1.0, low_pass_angstrom=5.0, high_pass_angstrom=20.0
    )
    np.testing.assert_allclose(transfer[0, [0, 50, 100, 200, 300]], [0, 0.5, 1, 0.5, 0], atol=1e-5)


def test_radial_average_of_a_radial_function_is_that_function():
    shape = (64, 80)
    magnitude = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.rfftfreq(80), indexing="ij"))
    profile = fourier.radial_average(jnp.asarray(np.round(magnitude * 64), jnp.float32), shape)
    np.testing.assert_allclose(profile, np.arange(33), rtol=1e-6)


def test_power_density_of_white_noise_does_not_depend_on_the_pixel_size():
    noise = jax.random.normal(jax.random.key(0), (256, 256))
    for image, pixel in ((noise, 2.0), (fourier.fourier_crop(noise, (128, 128)), 4.0)):
        density = fourier.radial_power_spectrum(image, pixel)[4:60]
        np.testing.assert_allclose(np.mean(density), 4.0, rtol=0.02)


def test_smooth_sizes_match_a_brute_search():
    smooth = sorted(2**a * 3**b * 5**c for a in range(12) for b in range(8) for c in range(6))
    for size in (1, 7, 11, 97, 1025, 1201):
        assert fourier.smooth_next_size(size) == min(n for n in smooth if n >= size)
