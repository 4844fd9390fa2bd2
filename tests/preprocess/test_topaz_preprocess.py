"""Topaz's working images: its own figures, what the mixture means, scales and borders."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.nouns import Micrograph
from jaxpick.numerics.fourier import fourier_crop
from jaxpick.preprocess.prepare import normalise_field, prepare
from jaxpick.preprocess.topaz import (
    TopazPreprocessSpec,
    fit_mixture,
    make_topaz_image,
    normalise_topaz,
)
from jaxpick.spec import SpecError


def _noise(shape=(96, 128), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "case, alpha, beta",
    [("full", 900.0, 1.0), ("full_f64", 900.0, 1.0), ("full_alpha2_beta2", 2.0, 2.0)],
)
def test_mixture_is_topaz(oracles, case, alpha, beta):
    reference = np.load(oracles / "topaz_normalize.npz")
    found = fit_mixture(jnp.asarray(reference["image"]), alpha, beta)
    np.testing.assert_allclose(found.mean, reference[f"{case}/mu"], atol=3e-3)
    np.testing.assert_allclose(found.deviation, reference[f"{case}/std"], atol=2e-3)
    np.testing.assert_allclose(found.share, reference[f"{case}/pi"], atol=1e-3)
    np.testing.assert_allclose(found.log_posterior, reference[f"{case}/logp"], atol=0.5)


@pytest.mark.oracle
def test_a_weighted_tenth_of_the_pixels_gives_topaz_mean(oracles):
    """Topaz scales the likelihood of its sample but not the sums that meet the prior, which then counts more."""
    reference = np.load(oracles / "topaz_normalize.npz")
    index = reference["sample10/indices"]
    values = jnp.asarray(reference["image"].ravel()[index])
    weights = jnp.full(len(index), reference["image"].size / len(index), jnp.float32)
    found = fit_mixture(values, weights=weights)
    np.testing.assert_allclose(found.mean, reference["sample10/mu"], atol=3e-3)
    np.testing.assert_allclose(found.deviation, reference["sample10/std"], atol=5e-3)
    assert found.share < reference["sample10/pi"]
    assert found.log_posterior > reference["sample10/logp"]


@pytest.mark.oracle
def test_normalised_images_are_topaz(oracles):
    reference = np.load(oracles / "topaz_normalize.npz")
    image = jnp.asarray(reference["image"])
    affine = normalise_topaz(image, TopazPreprocessSpec(normalisation="affine"))
    np.testing.assert_allclose(affine, reference["affine/normalized"], atol=1e-5)
    mixture = normalise_topaz(image, TopazPreprocessSpec())
    # Six standard deviations from the mean, one allowed error of each.
    np.testing.assert_allclose(mixture, reference["full/normalized"], atol=3e-3 / 2 + 6 * 2e-3 / 2)


@pytest.mark.oracle
@pytest.mark.parametrize("case", ["down_255x256_s4", "down_256x256_s8"])
def test_downsampling_is_a_fourier_crop(oracles, case):
    reference = np.load(oracles / "topaz_normalize.npz")
    expected = reference[f"{case}/clean_fourier_crop_f64"]
    small = fourier_crop(jnp.asarray(reference[f"{case}/input"]), expected.shape)
    np.testing.assert_allclose(small, expected, atol=1e-4)


def test_mixture_finds_what_was_mixed():
    """Dark particles on a fifth of the area: mean and deviation are those of the background alone."""
    rng = np.random.default_rng(0)
    is_dark = rng.random(60000) < 0.2
    values = rng.normal(np.where(is_dark, 40.0, 50.0), 2.0).astype(np.float32)
    found = fit_mixture(jnp.asarray(values))
    np.testing.assert_allclose(found.mean, 50.0, atol=0.05)
    np.testing.assert_allclose(found.deviation, 2.0, atol=0.03)
    np.testing.assert_allclose(found.share, 0.8, atol=0.01)
    assert values.mean() < 48.5 and values.std() > 4.0


def test_scale_and_offset_of_an_image_do_not_matter():
    image = _noise()
    image[20:40, 30:60] -= 3.0
    spec = TopazPreprocessSpec()
    first = normalise_topaz(jnp.asarray(image), spec)
    second = normalise_topaz(jnp.asarray(1e4 + 25.0 * image, jnp.float32), spec)
    np.testing.assert_allclose(first, second, atol=5e-3)


def test_a_few_hot_pixels_do_not_set_the_scale():
    image = _noise()
    image[5, 7] = 1e6
    spec = TopazPreprocessSpec()
    clean = normalise_topaz(jnp.asarray(_noise()), spec)
    hot = np.array(normalise_topaz(jnp.asarray(image), spec))
    hot[5, 7] = clean[5, 7]
    np.testing.assert_allclose(hot, clean, atol=0.05)


def test_a_constant_image_becomes_zero():
    assert not np.any(normalise_topaz(jnp.full((20, 20), 7.0), TopazPreprocessSpec()))


def test_borders_count_in_nothing():
    image = _noise((130, 140))
    image[:10], image[:, -7:] = 1000.0, -1000.0
    working = make_topaz_image(image, 1.0, 20.0, "a.mrc", TopazPreprocessSpec())
    inner = np.asarray(working.image)[10:, :-7]
    assert abs(inner.std() - 1) < 0.1 and abs(inner.mean()) < 0.3
    assert not np.any(np.asarray(working.image)[:10])


@pytest.mark.parametrize("shape", [(383, 384), (250, 333)])
def test_coordinates_keep_the_true_factors(shape):
    """A bump at a far corner is found there again, whatever the sides were rounded to."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    centre = np.array([shape[0] - 21.0, shape[1] - 31.0])
    image = 0.01 * _noise(shape)
    image -= np.exp(-0.5 * ((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 8.0**2)
    spec = TopazPreprocessSpec(diameter_px=None, factor=8.0)
    working = prepare(
        Micrograph(image=image.astype(np.float32), pixel_size_angstrom=2.0, name="a.mrc"),
        80.0,
        spec,
    )
    assert working.image.shape == (round(shape[0] / 8), round(shape[1] / 8))
    depth = -np.asarray(working.image)
    weight = np.maximum(depth - 0.2 * depth.max(), 0.0)
    grid = np.indices(weight.shape)
    found = [np.sum(weight * axis) / np.sum(weight) for axis in grid]
    back = working.coordinates.to_micrograph(np.array(found[:1]), np.array(found[1:]))
    np.testing.assert_allclose(np.ravel(back), centre, atol=0.5)
    np.testing.assert_allclose(
        working.pixel_size_angstrom,
        2.0 * np.sqrt(np.prod(shape) / np.prod(working.image.shape)),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    "spec, scale",
    [
        (TopazPreprocessSpec(), 5.0),
        (TopazPreprocessSpec(diameter_px=None, factor=8.0), 8.0),
        (TopazPreprocessSpec(diameter_px=None), 4.0),
    ],
)
def test_scales(spec, scale):
    """A particle of 100 pixels: 20 of them, a factor, RELION's rule (round(200 / 71) is below 4)."""
    assert spec.scale(150.0, 1.5) == scale
    assert TopazPreprocessSpec(diameter_px=None).scale(300.0, 1.0) == 8.0


def test_fields_are_normalised_as_micrographs_are():
    image = jnp.asarray(_noise())
    spec = TopazPreprocessSpec()
    np.testing.assert_array_equal(normalise_field(image, 6.0, spec), normalise_topaz(image, spec))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"factor": 4.0}, "diameter_px=null"),
        ({"diameter_px": 1.0}, "diameter_px"),
        ({"diameter_px": None, "factor": 0.5}, "factor"),
        ({"alpha": 0.0}, "alpha"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(SpecError, match=message):
        TopazPreprocessSpec(**settings)


def test_a_diameter_larger_than_the_micrograph_is_refused():
    with pytest.raises(InputError, match=r"a\.mrc"):
        make_topaz_image(_noise(), 1.0, 500.0, "a.mrc", TopazPreprocessSpec())
