"""Users' micrographs as surroundings: resampled to the simulated pixel, cut at random, refused by name."""

import dataclasses

import numpy as np
import pytest

from jaxpick.io.backgrounds import BackgroundSpec, read_surroundings
from jaxpick.io.files import InputError
from jaxpick.io.mrc import write_mrc
from jaxpick.simulate.priors import PixelAngstrom, Priors
from jaxpick.spec import SpecError


def at(pixel):
    return Priors(pixel=PixelAngstrom(pixel_angstrom=(pixel, pixel)))


FOUR = at(4.0)


@pytest.fixture
def folder(tmp_path):
    """One micrograph of 2 angstrom pixels, waves of 32 angstrom along x on 400 counts."""
    x = np.arange(192)
    image = 400.0 + 40.0 * np.sin(2 * np.pi * x / 16)[None, :] + np.zeros((160, 1))
    write_mrc(tmp_path / "empty.mrc", image.astype(np.float32), 2.0)
    return tmp_path


def test_backgrounds_are_resampled_to_a_mean_of_one(folder):
    real = read_surroundings(BackgroundSpec(micrographs=str(folder)), FOUR, (64, 80))
    assert real.images[0].shape == (80, 96)
    wave = np.sin(2 * np.pi * np.arange(96) / 8)
    np.testing.assert_allclose(real.images[0][7], 1 + 0.1 * wave, atol=1e-4)


def test_windows_differ_between_micrographs_and_not_between_runs(folder):
    rng = np.random.default_rng(0)
    counts = rng.normal(400.0, 40.0, (160, 192)).astype(np.float32)
    write_mrc(folder / "empty.mrc", counts, 4.0)
    real = read_surroundings(BackgroundSpec(micrographs=str(folder)), FOUR, (64, 80))
    windows = [np.asarray(real.at(3, index, (64, 80)).image) for index in (0, 1, 0)]
    assert windows[0].shape == (64, 80)
    np.testing.assert_array_equal(windows[0], windows[2])
    assert np.abs(windows[0] - windows[1]).max() > 0.1
    # Every pixel of a window is one of the micrograph's.
    assert np.isin(windows[0], real.images[0]).all()


def test_a_spectrum_is_one_for_all_micrographs(folder):
    real = read_surroundings(BackgroundSpec(spectrum=str(folder)), FOUR, (640, 800))
    assert real.at(0, 0, (640, 800)) is real.at(0, 5, (640, 800))
    amplitude = np.asarray(real.at(0, 0, (640, 800)).amplitude)
    # 32 angstrom are a quarter of Nyquist at 4 angstrom a pixel.
    assert np.argmax(amplitude) / (len(amplitude) - 1) == pytest.approx(0.25, abs=0.02)


def test_normalised_images_need_the_deviation_of_their_noise(folder):
    rng = np.random.default_rng(0)
    write_mrc(folder / "empty.mrc", rng.normal(size=(96, 96)).astype(np.float32), 4.0)
    with pytest.raises(InputError, match="deviation"):
        read_surroundings(BackgroundSpec(micrographs=str(folder)), FOUR, (64, 80))
    given = BackgroundSpec(micrographs=str(folder), deviation=0.05)
    image = read_surroundings(given, FOUR, (64, 80)).images[0]
    assert image.mean() == pytest.approx(1.0) and image.std() == pytest.approx(0.05)


def test_unusable_files_are_refused(folder):
    spec = BackgroundSpec(micrographs=str(folder))
    with pytest.raises(InputError, match="or more to put particles on"):
        read_surroundings(spec, FOUR, (96, 96))
    with pytest.raises(InputError, match="expected 1 or finer"):
        read_surroundings(spec, at(1.0), (64, 64))
    with pytest.raises(SpecError, match="spectrum"):
        BackgroundSpec(micrographs="a", spectrum="b")
    with pytest.raises(SpecError, match=r"priors\.pixel"):
        read_surroundings(spec, Priors(), (64, 64))
    with pytest.raises(SpecError, match="target_snr"):
        read_surroundings(spec, dataclasses.replace(FOUR, target_snr=0.1), (64, 64))
    assert read_surroundings(BackgroundSpec(), FOUR, (64, 64)) is None
