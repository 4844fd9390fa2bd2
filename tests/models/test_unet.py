"""The small U-Net: folding, how far it sees, what a shift does, and tiles against the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.models.unet import UNet, fold, unfold
from jaxpick.picking.tiles import score_tiled

WIDTHS = (3, 4)
NETWORK = UNet(widths=WIDTHS)


def draw(leaf, random):
    return jnp.asarray(random.normal(0.1, 0.5, leaf.shape), jnp.float32)


@pytest.fixture(scope="module")
def apply():
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(NETWORK.init, jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    params = jax.tree.map(lambda leaf: draw(leaf, random), shapes)
    return jax.jit(lambda images: NETWORK.apply(params, images[..., None])[..., 0])


def image(shape=(64, 64)):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def test_unfold_undoes_fold():
    images = np.random.default_rng(0).normal(size=(2, 6, 10, 1)).astype(np.float32)
    folded = fold(jnp.asarray(images))
    assert folded.shape == (2, 3, 5, 4)
    np.testing.assert_array_equal(unfold(folded), images)
    np.testing.assert_array_equal(folded[1, 2, 3], images[1, 4:6, 6:8, 0].ravel())


@pytest.mark.parametrize(("widths", "stride"), [((4,), 2), (WIDTHS, 4), ((32, 48, 64, 64), 16)])
def test_every_pixel_gets_a_logit(widths, stride):
    network = UNet(widths=widths)
    assert network.stride_multiple == stride
    images = jnp.zeros((2, 2 * stride, 3 * stride, 1))
    params = jax.eval_shape(network.init, jax.random.key(0), images)
    assert jax.eval_shape(network.apply, params, images).shape == images.shape


@pytest.mark.parametrize("place", [(32, 31), (0, 0), (63, 17)])
def test_no_pixel_is_moved_from_beyond_the_reach(apply, place):
    changed = image()
    changed[place] += 10.0
    moved = np.abs(np.asarray(apply(jnp.stack([image(), changed]))[1] - apply(image()[None])[0]))
    y, x = np.mgrid[:64, :64]
    distance = np.maximum(np.abs(y - place[0]), np.abs(x - place[1]))
    assert moved[distance <= 2].max() > 1e-3
    assert moved[distance > NETWORK.reach_px].max(initial=0.0) < 1e-5


def test_shifts_by_the_stride_shift_the_map(apply):
    wide = image((96, 96))
    one, other = (apply(jnp.asarray(wide[s : s + 80, s : s + 80])[None])[0] for s in (0, 4))
    inner, reach = slice(NETWORK.reach_px, 76 - NETWORK.reach_px), 4
    shifted = one[reach:, reach:]
    np.testing.assert_allclose(shifted[inner, inner], other[:76, :76][inner, inner], atol=1e-4)


def test_tiles_give_the_map_of_the_whole(apply):
    whole = np.asarray(apply(jnp.asarray(image((108, 132)))[None])[0])
    tiled = score_tiled(apply, image((108, 132)), 72, NETWORK.reach_px, NETWORK.stride_multiple)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_each_image_of_a_batch_is_scored_on_its_own(apply):
    images = jnp.stack([image(), 3 + image()])
    np.testing.assert_allclose(apply(images)[1], apply(images[1:])[0], atol=1e-5)
