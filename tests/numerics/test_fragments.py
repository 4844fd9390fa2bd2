"""Fragments hold what every window would see by itself, for any step, pools and image size."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics.fragments import (
    as_fragment,
    gather_windows,
    num_windows,
    pool_fragments,
    remainders,
)

WINDOW = 24


def pooled_by_hand(window, pools, kind):
    """Pool one window in turn and return its corner entry."""
    reduce = {"mean": np.mean, "max": np.max}[kind]
    for pool in pools:
        side = len(window) // pool
        window = reduce(window.reshape(side, pool, side, pool), axis=(1, 3))
    return window[0, 0]


@pytest.mark.parametrize("kind", ["mean", "max"])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 12, 20, 24])
@pytest.mark.parametrize("shape", [(24, 24), (61, 50)])
def test_every_window_is_pooled_in_its_own_alignment(kind, step, shape):
    image = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    pools, stride, maps = (3, 2, 2), 1, as_fragment(jnp.asarray(image))
    for pool in pools:
        maps = pool_fragments(maps, stride, pool, step, kind, y_axis=2)
        stride *= pool
        assert maps.shape[:2] == (len(remainders(step, stride)),) * 2
    counts = tuple(num_windows(side, WINDOW, step) for side in shape)
    found = gather_windows(maps, stride, step, counts)
    for i in range(counts[0]):
        for j in range(counts[1]):
            window = image[i * step :, j * step :][:WINDOW, :WINDOW]
            assert found[i, j] == pytest.approx(pooled_by_hand(window, pools, kind), abs=1e-6)


@pytest.mark.parametrize(("step", "stride"), [(20, 12), (4, 16), (12, 12), (1, 6), (7, 12)])
def test_remainders_are_those_of_the_corners(step, stride):
    assert set(remainders(step, stride)) == {m * step % stride for m in range(200)}


def test_windows_are_counted_whole():
    assert num_windows(2048, 272, 20) == 89
    assert num_windows(272, 272, 20) == 1 and num_windows(271, 272, 20) == 0
