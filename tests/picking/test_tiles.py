"""A tiled map is the untiled one, whatever the sizes; a margin that is too small is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.models.parsed import STRIDE_MULTIPLE, ParsedSegmenter, receptive_field_px
from jaxpick.picking.tiles import fitting_side, score_padded, score_tiled, tile_starts
from jaxpick.spec import SpecError

MODEL = ParsedSegmenter(width=4, head_kernel_px=3)


@pytest.fixture(scope="module")
def apply():
    described = jax.eval_shape(MODEL.init, jax.random.key(0), jnp.zeros((1, 16, 16, 1)))
    keys = iter(jax.random.split(jax.random.key(1), 100))
    draw = lambda leaf: 0.3 * jax.random.normal(next(keys), leaf.shape)  # noqa: E731
    params = jax.tree.map(draw, described)
    return jax.jit(lambda images: MODEL.apply(params, images[..., None])[..., 1])


@pytest.mark.parametrize("shape", [(70, 53), (30, 101), (48, 48), (20, 31)])
@pytest.mark.parametrize("batch_tiles", [1, 3])
def test_tiled_equals_untiled(apply, shape, batch_tiles):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    padding = [(0, -size % STRIDE_MULTIPLE) for size in shape]
    untiled = apply(jnp.asarray(np.pad(image, padding))[None])[0, : shape[0], : shape[1]]
    margin = receptive_field_px(3)
    tiled = score_tiled(apply, image, 48, margin, STRIDE_MULTIPLE, batch_tiles)
    assert tiled.shape == shape
    np.testing.assert_allclose(tiled, untiled, atol=1e-5)


def test_a_margin_below_the_receptive_field_is_seen(apply):
    image = np.random.default_rng(0).normal(size=(70, 53)).astype(np.float32)
    right, wrong = (score_tiled(apply, image, 48, margin, 4) for margin in (13, 4))
    assert np.abs(right - wrong).max() > 1e-3


def test_cores_cover_every_pixel_once_at_aligned_starts():
    def indicator(tiles):
        return jnp.ones_like(tiles)

    for shape in ((200, 131), (64, 300), (10, 10)):
        assert np.all(score_tiled(indicator, np.zeros(shape, np.float32), 64, 10, 4) == 1)
        padded = [size + -size % 4 for size in shape]
        starts = tile_starts(tuple(padded), 64, 10, 4)
        assert np.all(starts % 4 == 0)
        assert np.all(starts.max(axis=0) + np.minimum(64, padded) == padded)


def test_all_tiles_of_all_large_images_have_one_shape():
    shapes = set()

    def record(tiles):
        shapes.add(tiles.shape)
        return tiles

    for shape in ((200, 131), (97, 300), (65, 66)):
        image = np.random.default_rng(0).random(shape).astype(np.float32)
        np.testing.assert_array_equal(score_tiled(record, image, 64, 10, 4, 2), image)
    assert shapes == {(2, 64, 64)}


def test_a_tile_without_a_core_is_refused():
    with pytest.raises(SpecError, match="tile_px"):
        score_tiled(lambda tiles: tiles, np.zeros((100, 100), np.float32), 24, 12, 4)


@pytest.mark.parametrize("size", [50, 64, 96, 130, 192, 400])
def test_a_fitting_tile_is_smaller_but_no_more_are_needed(size):
    margin, stride, most = 9, 4, 64
    side = fitting_side(size, most, margin, stride)
    assert side <= most and side % stride == 0
    count = len(tile_starts((size, size), side, margin, stride))
    assert count == len(tile_starts((size, size), most, margin, stride))
    if size > most:  # what is scored twice is little more than the margins
        assert side <= (size + 2 * margin * (count**0.5 - 1)) / count**0.5 + 2 * stride


def test_fitting_tiles_give_the_untiled_map(apply):
    image = np.random.default_rng(0).normal(size=(100, 70)).astype(np.float32)
    whole = score_padded(apply, image, 4096, receptive_field_px(3), STRIDE_MULTIPLE)
    tiled = score_padded(apply, image, 96, receptive_field_px(3), STRIDE_MULTIPLE)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
