"""The released program: its network on the reference image, its order of steps, its training."""

import jax
import numpy as np
import pytest
from parsed_fields import CLEAR_FIELD, field_of, random_params
from scipy import spatial
from scipy.signal import resample

from jaxpick.io.nouns import Micrograph
from jaxpick.methods import parsed_released
from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.picking.blob_picker import BlobDecodeSpec
from jaxpick.picking.blobs import BlobSpec, locate
from jaxpick.preprocess.working import WorkingImage
from jaxpick.spec import as_plain, build
from jaxpick.weights.import_keras import PARSED_LAYERS


@pytest.fixture(scope="module")
def reference(oracles):
    return np.load(oracles / "parsed_released.npz")


def _reference_params(reference):
    return {
        layer: {name: reference[f"weights/{layer}/{name}"] for name in ("kernel", "bias")}
        for layer in PARSED_LAYERS
    }


def _working(image):
    """A working image of a micrograph at 5 angstrom a pixel."""
    return WorkingImage(
        image=image,
        coordinates=CoordinateMap(scale_y=3.0, scale_x=3.0),
        pixel_size_angstrom=15.0,
        micrograph="a.mrc",
        micrograph_shape=(3 * image.shape[0], 3 * image.shape[1]),
        micrograph_pixel_size_angstrom=5.0,
    )


@pytest.mark.oracle
def test_reference_image_from_network_to_blobs(reference):
    """The map is that of the saved Keras model; the blobs are those of the map it gave, enhanced and twice as fine."""
    decode = BlobDecodeSpec(enhance=True, dust=None)
    picker = parsed_released.make_picker(
        parsed_released.Spec(), _reference_params(reference), 128.0, decode
    )
    working = _working(reference["image"])
    expected = reference["out/deconv3"].squeeze()
    segmented = picker.segment(working)
    np.testing.assert_allclose(segmented, expected, atol=1e-4)
    positive = expected[expected > 0]
    bright = expected / (positive.mean() + 3 * positive.std())
    fine = resample(resample(bright, 384, axis=0), 384, axis=1).astype(np.float32)
    blobs = locate(fine, BlobSpec(diameter_px=17, mass_min=0.5))
    picks = picker.candidates(working)
    assert len(picks) == len(blobs) > 5
    written = spatial.KDTree(np.stack([picks.x, picks.y], axis=1) / 3 * 2)
    distance, nearest = written.query(np.stack([blobs.x, blobs.y], axis=1))
    # Differences of 1e-4 move a grey value here and there: trackpy's own error.
    assert distance.max() < 0.03 and len(set(nearest)) == len(blobs)
    np.testing.assert_allclose(picks.score[nearest], blobs.mass, rtol=0.01)
    assert set(picks.extra) == {"size", "ecc", "signal", "raw_mass", "ep"}


def test_defaults_are_the_programs():
    spec = parsed_released.Spec()
    assert (spec.working.variant, spec.working.working_pixel_angstrom) == ("released", 15.0)
    assert (spec.decode.mass.mass_min, spec.decode.upsample, spec.decode.enhance) == (0.5, 2, True)
    assert spec.decode.mask_input and spec.field.field_px == 192
    assert spec.segmenter.optimizer.kind == "adagrad"
    assert build(parsed_released.Spec, as_plain(spec)) == spec


@pytest.mark.parametrize("aperture, diameter_px", [(128.0, 17), (100.0, 13), (190.0, 25)])
def test_window_is_the_programs_for_a_micrograph_whose_sides_are_rounded(aperture, diameter_px):
    """4096 pixels of 1.77 angstrom become 480 of 15.1; the window stays that of 15."""
    spec = parsed_released.Spec(width=1)
    picker = parsed_released.make_picker(spec, {}, aperture)
    image = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    micrograph = Micrograph(image=image, pixel_size_angstrom=1.77, name="a.mrc")
    working = picker.prepare(micrograph)
    assert working.image.shape == (28, 28) and working.pixel_size_angstrom > 16
    assert picker.blob_spec(working).diameter_px == diameter_px


def test_dust_is_blanked_before_the_network_sees_it():
    """With a network that copies, masked pixels are 0 and the rest has been standardised again."""
    image = np.random.default_rng(0).normal(size=(120, 120)).astype(np.float32)
    image[40:80, 40:80] += 12.0
    spec = parsed_released.Spec()
    picker = parsed_released.make_picker(spec, {}, 128.0)
    seen = []

    def copy(images):
        seen.append(np.asarray(images[0]))
        return images

    picker = picker.__class__(**{**vars(picker), "score": copy})
    segmented = picker.segment(_working(image))
    mask = picker.mask(_working(image))
    assert not mask[45:75, 45:75].any() and mask[:20].all()
    assert abs(seen[0].mean()) < 1e-4 and abs(seen[0].std() - 1) < 1e-4
    assert np.ptp(seen[0][~mask]) == 0 and np.all(segmented[~mask] == 0)
    np.testing.assert_array_equal(segmented[mask], seen[0][mask])


def test_training_is_a_squared_error_of_the_map(simulated, bank, monkeypatch):
    spec = parsed_released.Spec(width=2, field=CLEAR_FIELD)
    (stage,) = parsed_released.training_stages(spec, bank)
    one = field_of(simulated, 0)
    monkeypatch.setattr(parsed_released, "draw_field", lambda *_: one)
    example = stage.examples.draw(jax.random.key(0), bank)
    kept = np.asarray(example["weight"]) > 0
    drawn = np.asarray(one.mask_mass)[kept]
    np.testing.assert_array_equal(np.asarray(example["target"])[kept], drawn)
    image = np.asarray(example["image"])
    assert abs(image.mean()) < 1e-4 and abs(image.std() - 1) < 1e-4
    assert image[kept][drawn].mean() > image[kept][~drawn].mean() + 0.5  # particles are bright
    params = jax.tree.map(np.zeros_like, random_params(stage.init))
    batch = jax.tree.map(lambda leaf: leaf[None], example)
    losses, _ = jax.jit(stage.loss)(params, batch, None)
    np.testing.assert_allclose(losses, [drawn.mean()], rtol=1e-5)
