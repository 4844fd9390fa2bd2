"""Working images: invariances of the normalisation, what borders may not change, sizes, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.preprocess.working import WorkingSpec, make_working_image, normalise

SPEC = WorkingSpec(diameter_px=8.0)


def field(shape=(60, 74), seed=0):
    """Noise with a ramp, a dark disc and one hot pixel."""
    image = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    image += np.linspace(0, 3, shape[1], dtype=np.float32)[None, :]
    image[20:26, 30:36] -= 4.0
    image[5, 5] = 500.0
    return image


def normal(image, usable=None, spec=SPEC):
    box = None if usable is None else jnp.asarray(usable, jnp.int32)
    return np.asarray(normalise(jnp.asarray(image, jnp.float32), spec, box))


@pytest.mark.parametrize(("gain", "offset"), [(3.7, 0.0), (1.0, 1e4), (2e-4, -1.0), (1e5, 1e7)])
def test_gain_and_offset_do_not_matter(gain, offset):
    scaled = (gain * field().astype(np.float64) + offset).astype(np.float32)
    np.testing.assert_allclose(normal(scaled), normal(field()), atol=0.01)


def test_polarity_matters():
    np.testing.assert_allclose(normal(-field()), -normal(field()), atol=1e-5)


def test_background_is_taken_off_and_contrast_is_one():
    spec = WorkingSpec(diameter_px=4.0, local_share=1.0)
    noise = np.random.default_rng(1).normal(size=(96, 96)) * np.linspace(1, 3, 96)[None, :]
    found = normal(4 * np.cos(np.arange(96) / 40)[:, None] + noise, spec=spec)
    left, right = found[:, :24].std(), found[:, -24:].std()
    # Nearly equal where they were two and a half apart, and no level left at the dark end.
    np.testing.assert_allclose([left, right, found.std()], 1.0, atol=0.15)
    np.testing.assert_allclose([found.mean(), found[-12:].mean()], 0.0, atol=0.15)


def test_one_hot_pixel_does_not_set_the_scale():
    cold = field()
    cold[5, 5] = 0.0
    away = np.hypot(*np.meshgrid(np.arange(60) - 5, np.arange(74) - 5, indexing="ij")) > 30
    # Unclipped it would make everything else seven times fainter.
    np.testing.assert_allclose(normal(field())[away], normal(cold)[away], rtol=0.03, atol=0.02)
    assert np.abs(normal(field())).max() <= SPEC.clip


@pytest.mark.parametrize("level", [0.0, 1e-6, 3.0])
def test_nearly_constant_images_stay_finite(level):
    image = np.full((40, 40), level, np.float32)
    image[7, 9] += 1e-3
    assert np.all(np.isfinite(normal(image)))
    assert np.all(np.isfinite(normal(image, (20, 30, 20, 30))))


def test_a_usable_part_is_normalised_as_if_cut_out():
    image = field()
    y0, y1, x0, x1 = box = (8, 51, 3, 60)
    masked = normal(image, box)
    np.testing.assert_allclose(masked[y0:y1, x0:x1], normal(image[y0:y1, x0:x1]), atol=2e-3)
    outside = masked.copy()
    outside[y0:y1, x0:x1] = 0.0
    assert not outside.any()


def test_what_stands_in_the_border_changes_nothing():
    one, other = field(), field()
    other[:8] = np.linspace(-50, 400, 74)
    np.testing.assert_allclose(
        normal(one, (8, 60, 0, 74)), normal(other, (8, 60, 0, 74)), atol=1e-4
    )


def test_batches_are_normalised_one_by_one():
    images = jnp.stack([field(seed=1), 5 + field(seed=2)])
    batch = jax.vmap(lambda image: normalise(image, SPEC))(images)
    np.testing.assert_allclose(batch[1], normal(field(seed=2)), atol=1e-4)


@pytest.mark.parametrize("shape", [(200, 330), (257, 193), (128, 128)])
@pytest.mark.parametrize("diameter", [31.0, 60.0])
def test_extent_is_every_working_pixel_whose_centre_lies_on_the_micrograph(shape, diameter):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    working = make_working_image(image, 1.7, diameter, "m.mrc", SPEC)
    for size, extent, scale in zip(
        shape,
        working.image.shape,
        (working.coordinates.scale_y, working.coordinates.scale_x),
        strict=True,
    ):
        assert (extent - 1) * scale <= size - 1 + 1e-6 < extent * scale + 1e-6
    assert working.pixel_size_angstrom == pytest.approx(diameter / SPEC.diameter_px, rel=0.02)
    assert working.micrograph_shape == shape and working.usable == (0, shape[0], 0, shape[1])


def test_a_coarse_micrograph_is_enlarged():
    y, x = np.mgrid[:64, :64]
    image = -np.exp(-((y - 20.0) ** 2 + (x - 41.0) ** 2) / 18).astype(np.float32)
    image += np.random.default_rng(0).normal(0, 0.01, image.shape).astype(np.float32)
    spec = WorkingSpec(diameter_px=12.0, clip=50.0, local_share=0.0)
    working = make_working_image(image, 5.0, 30.0, "m.mrc", spec)
    assert working.image.shape == (127, 127)
    lowest = np.unravel_index(np.argmin(working.image), working.image.shape)
    assert lowest == (40, 82)


def test_mixed_sizes_share_programs():
    from jaxpick.preprocess import working

    image = np.random.default_rng(0).normal(size=(127, 190)).astype(np.float32)
    make_working_image(image, 2.0, 33.0, "m.mrc", SPEC)
    before = working._resample_and_normalise._cache_size()
    for shape in ((65, 129), (128, 192), (100, 150)):
        make_working_image(image[: shape[0], : shape[1]], 2.0, 33.0, "m.mrc", SPEC)
    assert working._resample_and_normalise._cache_size() == before


@pytest.mark.parametrize(
    ("diameter", "said"),
    [(5.0, "2.5 pixels of 2 angstrom; expected 6 or more"), (400.0, "the 100")],
)
def test_impossible_diameters_are_refused(diameter, said):
    with pytest.raises(InputError, match=said):
        make_working_image(np.zeros((100, 120), np.float32), 2.0, diameter, "m.mrc", SPEC)
