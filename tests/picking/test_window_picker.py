"""Grids of windows: tiles change nothing, each score belongs to its place, sums are sums."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.picking.window_decoders import BoxDecodeSpec
from jaxpick.picking.window_picker import (
    Grid,
    WindowPicker,
    scan_patches,
    scan_tiled,
    window_deviations,
    window_sums,
)
from jaxpick.preprocess.working import WorkingImage, WorkingSpec

GRID = Grid(window_px=8, step_px=3, centre_px=3.5, diameter_px=6.0)
WEIGHTS = np.random.default_rng(5).normal(size=(8, 8)).astype(np.float32)


def image(shape=(70, 101), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def views(array, grid=GRID):
    side = (grid.window_px, grid.window_px)
    return np.lib.stride_tricks.sliding_window_view(array, side)[:: grid.step_px, :: grid.step_px]


def score(windows):
    """A linear classifier of windows."""
    return jnp.tanh(jnp.einsum("nyx,yx->n", windows, WEIGHTS))


@jax.jit
def scan(array):
    """The same at all windows of an image."""
    count = [(side - GRID.window_px) // GRID.step_px + 1 for side in array.shape]
    rows, columns = (jnp.arange(n) * GRID.step_px for n in count)
    steps = jnp.arange(GRID.window_px)
    y = (rows[:, None] + steps[None, :])[:, None, :, None]
    x = (columns[:, None] + steps[None, :])[None, :, None, :]
    windows = array[y, x].reshape(-1, GRID.window_px, GRID.window_px)
    return score(windows).reshape(count)


@pytest.mark.parametrize("tile_px", [8, 30, 47, 4096])
@pytest.mark.parametrize("shape", [(70, 101), (8, 9), (66, 33)])
def test_tiled_equals_untiled_equals_window_by_window(tile_px, shape):
    array = image(shape)
    expected = np.tanh(np.einsum("ijyx,yx->ij", views(array), WEIGHTS))
    np.testing.assert_allclose(scan_tiled(scan, array, GRID, tile_px), expected, atol=1e-5)
    np.testing.assert_allclose(
        scan_patches(jax.jit(score), array, GRID, batch_size=7), expected, atol=1e-5
    )


def test_an_image_smaller_than_a_window_has_none():
    assert scan_tiled(scan, image((5, 40)), GRID, 64).shape == (0, 11)
    assert scan_patches(score, image((5, 40)), GRID).size == 0


def test_sums_and_deviations_are_those_of_the_windows():
    array = 1000 + image()
    np.testing.assert_allclose(window_sums(array, 8, 3), views(array).sum((2, 3)), rtol=1e-6)
    found = window_deviations(array, 8, 3)
    np.testing.assert_allclose(found, views(array.astype(np.float64)).std((2, 3)), rtol=1e-6)


def picker(border="unseen", **changes):
    decode = BoxDecodeSpec(border=border, threshold=0.5, candidate_threshold=0.2, **changes)

    @jax.jit
    def brightest(array):
        """Score a window by its middle."""
        count = [(side - GRID.window_px) // GRID.step_px + 1 for side in array.shape]
        rows, columns = (jnp.arange(n) * GRID.step_px for n in count)
        middle = [array[rows[:, None] + i, columns[None, :] + j] for i in (3, 4) for j in (3, 4)]
        return 0.25 * sum(middle)

    return WindowPicker(
        name="middle",
        scan=brightest,
        grid=GRID,
        working=WorkingSpec(),
        decode=decode,
        diameter_angstrom=12.0,
    )


def working(array, scale=2.0):
    shape = (round(array.shape[0] * scale), round(array.shape[1] * scale))
    return WorkingImage(
        image=array,
        coordinates=CoordinateMap(scale_y=scale, scale_x=scale),
        pixel_size_angstrom=2.0,
        micrograph="m.mrc",
        micrograph_shape=shape,
        micrograph_pixel_size_angstrom=1.0,
    )


def spot(centre, shape=(60, 81)):
    """A bump about a place."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance2 = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    return np.exp(-distance2 / 8.0).astype(np.float32)


@pytest.mark.parametrize("border", ["unseen", "zeros"])
def test_a_pick_lies_on_what_its_window_shows(border):
    found = picker(border).candidates(working(spot((24.5, 45.5))))
    assert len(found) == 1
    assert found.y[0] / 2 == pytest.approx(24.5, abs=1.0)
    assert found.x[0] / 2 == pytest.approx(45.5, abs=1.0)


def test_the_border_is_seen_where_windows_reach_over_it():
    array = spot((1.0, 40.0))
    unseen = picker("unseen").candidates(working(array))
    assert np.all(unseen.y / 2 >= GRID.centre_px)
    found = picker("zeros").candidates(working(array))
    assert len(found) == 1 and found.y[0] / 2 == pytest.approx(1.0, abs=1.5)


def test_the_score_of_a_pick_is_the_maps_at_its_place():
    array = image((60, 81), 3)
    made = picker(distance_diameters=0.6)
    found, scores = made.candidates(working(array)), made.score_map(array)
    assert len(found) > 10
    row = (found.y / 2 - GRID.centre_px) / GRID.step_px
    column = (found.x / 2 - GRID.centre_px) / GRID.step_px
    for y, x, value in zip(row, column, found.score, strict=True):
        # Parabolas move a pick by half a step at most.
        places = {(int(np.floor(y)) + i, int(np.floor(x)) + j) for i in (0, 1) for j in (0, 1)}
        inside = [p for p in places if 0 <= p[0] < scores.shape[0] and 0 <= p[1] < scores.shape[1]]
        assert any(scores[place] == pytest.approx(value) for place in inside)
