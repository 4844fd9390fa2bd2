"""Crocker-Grier blobs against trackpy's numbers, and on discs whose moments are known."""

import numpy as np
import pytest

from jaxpick.picking.blobs import BlobSpec, band_pass, locate
from jaxpick.spec import SpecError

COLUMNS = ("x", "y", "mass", "size", "ecc", "signal", "raw_mass", "ep")


@pytest.fixture
def reference(oracles):
    return np.load(oracles / "parsed_blobs.npz")


@pytest.mark.oracle
@pytest.mark.parametrize("diameter_px", [7, 17])
def test_band_pass_equals_trackpy(reference, diameter_px):
    passed = band_pass(reference["map"], BlobSpec(diameter_px=diameter_px))
    np.testing.assert_allclose(passed, reference[f"d{diameter_px}_bandpassed"], atol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("diameter_px", [7, 17])
@pytest.mark.parametrize("suffix", ["", "_nopreprocess"])
def test_quantised_blobs_equal_trackpy(reference, diameter_px, suffix):
    spec = BlobSpec(diameter_px=diameter_px, mass_min=0.5, band_pass=not suffix)
    blobs = locate(reference["map"], spec)
    expected = dict(zip(COLUMNS, reference[f"d{diameter_px}{suffix}"].T, strict=True))
    assert len(blobs) == len(expected["x"])
    for name in ("x", "y"):
        np.testing.assert_allclose(getattr(blobs, name), expected[name], atol=1e-3)
    np.testing.assert_allclose(blobs.mass, expected["mass"], rtol=1e-3)
    # One window of the 45 may lie a pixel aside where a grey value is rounded the other way.
    for name in ("size", "signal", "raw_mass", "ep"):
        np.testing.assert_allclose(getattr(blobs, name), expected[name], rtol=6e-3)
    np.testing.assert_allclose(blobs.ecc, expected["ecc"], atol=5e-4)


@pytest.mark.oracle
@pytest.mark.parametrize("diameter_px", [7, 17])
def test_without_quantisation_blobs_stay_within_its_error(reference, diameter_px):
    spec = BlobSpec(diameter_px=diameter_px, mass_min=0.5, quantise=False)
    blobs = locate(reference["map"], spec)
    expected = dict(zip(COLUMNS, reference[f"d{diameter_px}"].T, strict=True))
    assert len(blobs) == len(expected["x"])
    for name in ("x", "y"):
        np.testing.assert_allclose(getattr(blobs, name), expected[name], atol=0.02)
    np.testing.assert_allclose(blobs.mass, expected["mass"], rtol=0.03)
    np.testing.assert_allclose(blobs.size, expected["size"], rtol=0.02)


def _field(centres, sigma=2.0, shape=(80, 90)):
    y, x = np.indices(shape)
    gaussians = [np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2)) for cy, cx in centres]
    return np.sum(gaussians, axis=0).astype(np.float32)


def test_isolated_gaussians_are_found_where_they_are():
    centres = [(20.3, 25.7), (50.0, 60.4), (30.8, 70.1)]
    spec = BlobSpec(diameter_px=15, band_pass=False, quantise=False)
    blobs = locate(_field(centres), spec)
    found = sorted(zip(blobs.y, blobs.x, strict=True))
    # A disc of 3.5 sigma about the nearest pixel cuts the tails unevenly: some 0.01 px.
    np.testing.assert_allclose(found, sorted(centres), atol=0.02)
    np.testing.assert_allclose(blobs.mass, 2 * np.pi * 2.0**2, rtol=0.01)
    np.testing.assert_allclose(blobs.size, 2.0 * np.sqrt(2), rtol=0.02)


def test_eccentricity_of_a_round_blob_is_what_its_central_pixel_adds():
    """The central pixel has no direction; trackpy counts it as one along x."""
    spec = BlobSpec(diameter_px=15, band_pass=False, quantise=False)
    round_blob = locate(_field([(40, 45)]), spec)
    expected = round_blob.signal / (round_blob.mass - round_blob.signal)
    np.testing.assert_allclose(round_blob.ecc, expected, rtol=1e-5)
    long_blob = locate(_field([(40, 43), (40, 45), (40, 47)]), spec)
    assert long_blob.ecc > 2 * round_blob.ecc


def test_lighter_of_two_close_blobs_is_dropped_and_small_masses_too():
    field = _field([(30, 30)]) + 0.5 * _field([(30, 45)]) + 0.3 * _field([(60, 60)])
    spec = BlobSpec(diameter_px=9, separation_px=20)
    assert len(locate(field, spec)) == 2
    heaviest = locate(field, spec).mass.max()
    assert (
        len(locate(field, BlobSpec(diameter_px=9, separation_px=20, mass_min=0.5 * heaviest))) == 1
    )


@pytest.mark.parametrize("shape", [(5, 6), (50, 50)])
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_flat_and_tiny_maps_have_no_blobs(shape, value):
    assert len(locate(np.full(shape, value, np.float32), BlobSpec())) == 0


def test_even_diameter_is_refused():
    with pytest.raises(SpecError, match="diameter_px"):
        BlobSpec(diameter_px=8)
