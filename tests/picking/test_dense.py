"""Dense picking with scorers that need no training: where picks lie, what they score, which remain."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxpick.io.nouns import Micrograph
from jaxpick.picking import suppression
from jaxpick.picking.dense import DecodeSpec, DensePicker, aperture_mean, decode
from jaxpick.preprocess.working import WorkingSpec

DIAMETER = 60.0
PIXEL = 1.5


@jax.jit
def darkness(images):
    """Score what is dark, in proportion."""
    return jnp.clip(0.5 - 0.05 * images, 0.0, 1.0)


@jax.jit
def smooth_darkness(images):
    """Score with a network's reach of 4 pixels."""
    kernel = jnp.ones((9, 9, 1, 1)) / 81
    layout = ("NHWC", "HWIO", "NHWC")
    blurred = jax.lax.conv_general_dilated(
        images[..., None], kernel, (1, 1), "SAME", dimension_numbers=layout
    )
    return jnp.clip(0.5 - 0.2 * blurred[..., 0], 0.0, 1.0)


def picker(score=darkness, margin=0.0, **decode_settings):
    return DensePicker(
        name="dark",
        score=score,
        reach_px=4,
        stride_multiple=4,
        working=WorkingSpec(diameter_px=12.0, clip=20.0, local_share=0.0),
        decode=DecodeSpec(**{"threshold": 0.6, "candidate_threshold": 0.55} | decode_settings),
        diameter_angstrom=DIAMETER,
        margin_angstrom=margin,
    )


def micrograph(shape, centres, noise=0.05, seed=0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.random.default_rng(seed).normal(0, noise, shape)
    for cy, cx in centres:
        image -= np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 9.0**2))
    return Micrograph(image=image.astype(np.float32), pixel_size_angstrom=PIXEL, name="m.mrc")


def run(picker, micrograph):
    return picker.candidates(picker.prepare(micrograph))


@pytest.mark.parametrize("shape", [(301, 413), (640, 333), (257, 256)])
def test_positions_survive_at_all_corners(shape):
    near, (ny, nx) = 33.3, shape
    centres = [(near, near), (near, nx - near), (ny - near, near + 0.4), (ny - near, nx - near)]
    picks = run(picker(candidate_threshold=0.6), micrograph(shape, centres))
    assert len(picks) == 4
    y, x = np.array(centres).T[:, :, None]
    nearest = np.hypot(picks.y[None] - y, picks.x[None] - x).min(axis=1)
    assert nearest.max() < 0.5


def test_a_score_is_the_map_at_the_written_position():
    one = picker(candidate_threshold=0.5)
    working = one.prepare(micrograph((200, 260), [(50, 60), (120, 200.5), (199, 3)], noise=0.5))
    picks = one.candidates(working)
    assert len(picks) > 10 and np.all(np.diff(picks.score) <= 0)
    score_map = one.score_map(np.asarray(working.image))
    mass = np.asarray(aperture_mean(jnp.asarray(score_map), round(0.2 * 12)))
    y, x = working.coordinates.to_working(picks.y, picks.x)
    np.testing.assert_allclose(mass[np.rint(y).astype(int), np.rint(x).astype(int)], picks.score)


def test_tiles_give_the_picks_of_the_whole():
    image = micrograph((330, 460), [(60, 70), (158, 160), (161, 319), (300, 420)], noise=1.0)
    whole, tiled = (
        run(picker(smooth_darkness, tile_px=px, candidate_threshold=0.5), image)
        for px in (1536, 48)
    )
    assert len(whole) > 20
    order = [np.lexsort((p.x, p.y)) for p in (whole, tiled)]
    for name in ("x", "y", "score"):
        one, other = (getattr(p, name)[o] for p, o in zip((whole, tiled), order, strict=True))
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_no_two_picks_are_closer_than_the_distance():
    picks = run(
        picker(distance_diameters=1.0, candidate_threshold=0.5),
        micrograph((300, 300), [], noise=1.0),
    )
    gaps = np.hypot(picks.x[:, None] - picks.x[None], picks.y[:, None] - picks.y[None])
    np.fill_diagonal(gaps, np.inf)
    # Whole working pixels (3.3 px) decide; each pick then moves by half of one at most.
    assert len(picks) > 5 and gaps.min() > DIAMETER / PIXEL - 3.4 * 1.42


def test_no_pick_is_in_the_margin_and_the_others_stay():
    image = micrograph((300, 360), [], noise=1.0)
    free, kept = (run(picker(margin=m, candidate_threshold=0.5), image) for m in (0.0, 45.0))
    inside = (free.x >= 30) & (free.x <= 329) & (free.y >= 30) & (free.y <= 269)
    assert 0 < inside.sum() < len(free)
    np.testing.assert_array_equal(kept.x, free.x[inside])


def test_no_pick_is_in_a_filled_border():
    image = micrograph((300, 360), [(100, 30), (200, 330)], noise=0.3).image.copy()
    image[:, :60] = image[:, 60:61]
    filled = Micrograph(image=image, pixel_size_angstrom=PIXEL, name="m.mrc")
    picks = run(picker(), filled)
    assert len(picks) and picks.x.min() >= 60
    assert np.any(np.hypot(picks.x - 330, picks.y - 200) < 3)


def test_an_image_without_peaks_gives_no_picks():
    y, x, score = decode(np.zeros((70, 90), np.float32), 12.0, DecodeSpec())
    assert len(y) == len(x) == len(score) == 0


def test_padding_adds_and_moves_nothing():
    score_map = np.random.default_rng(0).random((70, 90)).astype(np.float32)
    spec = DecodeSpec(candidate_threshold=0.01)
    padded = np.zeros((128, 128), np.float32)
    padded[:70, :90] = score_map
    for one, other in zip(decode(score_map, 12.0, spec), decode(padded, 12.0, spec), strict=True):
        # The larger map has picks of the rim beyond, those of the map itself are the same.
        assert set(one.tolist()) <= set(other.tolist())
    assert decode(score_map, 12.0, spec)[0].max() <= 69.5


def test_mixed_sizes_are_scored_by_one_program():
    traced = []

    @jax.jit
    def score(images):
        traced.append(images.shape)
        return darkness(images)

    one = picker(score)
    before = [f._cache_size() for f in (aperture_mean, suppression._refine_parabola)]
    for shape in ((150, 190), (130, 170), (188, 140)):
        run(one, micrograph(shape, [(60, 60)]))
    after = [f._cache_size() for f in (aperture_mean, suppression._refine_parabola)]
    assert traced == [(1, 64, 64)] and np.all(np.subtract(after, before) <= 1)


@pytest.mark.parametrize("radius", [1, 3, 5])
def test_the_aperture_is_a_disc(radius):
    steps = np.arange(-radius, radius + 1)
    disc = (steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2).astype(float)
    assert radius != 3 or disc.sum() == 29
    image = np.random.default_rng(0).random((23, 31)).astype(np.float32)
    expected = ndimage.convolve(image.astype(float), disc / disc.sum(), mode="constant")
    np.testing.assert_allclose(aperture_mean(jnp.asarray(image), radius), expected, atol=1e-6)
    cut = aperture_mean(jnp.asarray(image), radius, jnp.array([20, 30]))
    np.testing.assert_allclose(cut[:20, :30], expected[:20, :30], atol=1e-6)
    assert not np.any(cut[20:]) and not np.any(cut[:, 30:])


def test_noise_gives_no_picks():
    """The scorer is a matched filter: no disc of pure noise is five deviations dark."""

    @jax.jit
    def score(images):
        mean = jax.vmap(lambda image: aperture_mean(image, 5))(images)
        return jax.nn.sigmoid(-2 * (mean * 9.0 + 5.0))

    for seed in range(3):
        picks = run(
            picker(score, threshold=0.5, candidate_threshold=0.01),
            micrograph((512, 512), [], 1.0, seed),
        )
        assert np.sum(picks.score >= 0.5) == 0
