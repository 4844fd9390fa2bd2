"""Several scales: maps land where they belong, and a wrong diameter matters less."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.io.nouns import Micrograph
from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.picking.dense import DecodeSpec, DensePicker
from jaxpick.picking.scales import make_coarser, resize_map
from jaxpick.preprocess.parsed import ParsedPreprocessSpec
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.spec import SpecError


@jax.jit
def darkness(images):
    """Score what is dark, in proportion."""
    return jnp.clip(0.5 - 0.05 * images, 0.0, 1.0)


def picker(scales, score=darkness):
    return DensePicker(
        name="dark",
        score=score,
        reach_px=0,
        stride_multiple=1,
        working=WorkingSpec(diameter_px=12.0, clip=20.0, local_share=0.0),
        decode=DecodeSpec(threshold=0.6, candidate_threshold=0.58, scales=scales),
        diameter_angstrom=60.0,
    )


def micrograph(shape, centres):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.random.default_rng(0).normal(0, 0.05, shape)
    for cy, cx in centres:
        image -= np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 9.0**2))
    return Micrograph(image=image.astype(np.float32), pixel_size_angstrom=1.5, name="m.mrc")


@pytest.mark.parametrize("coarse", [(75, 103), (64, 64), (90, 91)])
def test_a_plane_is_resized_to_itself(coarse):
    fine = (101, 131)
    coordinates = CoordinateMap.between(fine, coarse)
    y, x = np.mgrid[: coarse[0], : coarse[1]].astype(np.float32)
    plane = 0.3 * y * coordinates.scale_y - 0.2 * x * coordinates.scale_x + 5
    resized = resize_map(plane, coordinates, fine)
    y, x = np.mgrid[: fine[0], : fine[1]]
    inside = (y <= (coarse[0] - 1) * coordinates.scale_y) & (
        x <= (coarse[1] - 1) * coordinates.scale_x
    )
    assert resized.shape == fine
    np.testing.assert_allclose(resized[inside], (0.3 * y - 0.2 * x + 5)[inside], atol=1e-3)


@pytest.mark.parametrize("scales", [(0.8, 1.0), (1.3, 0.9, 1.0), (1.25,)])
def test_positions_hold_at_every_scale_up_to_the_far_corner(scales):
    ny, nx = 301, 413
    centres = [(33.3, 33.3), (33.3, nx - 33.3), (ny - 33.3, 33.7), (ny - 33.3, nx - 33.3)]
    several = picker(scales)
    picks = several.candidates(several.prepare(micrograph((ny, nx), centres)))
    assert len(picks) == 4
    y, x = np.array(centres).T[:, :, None]
    assert np.hypot(picks.y[None] - y, picks.x[None] - x).min(axis=1).max() < 0.8


def test_the_map_is_the_mean_over_scales():
    several, image = picker((0.75, 1.0)), micrograph((200, 260), [(50, 60), (120, 200)])
    fine = several.prepare(image)
    coarse = make_coarser(fine, 1 / 0.75, several.working)
    assert coarse.pixel_size_angstrom == pytest.approx(60 / 12, rel=0.02)
    resized = resize_map(
        several.score_map(np.asarray(coarse.image)), coarse.coordinates, fine.image.shape
    )
    mean = (several.score_map(np.asarray(fine.image)) + resized) / 2
    np.testing.assert_allclose(several.score_scales(fine), mean, atol=1e-6)


def test_a_coarser_image_is_the_one_made_from_the_micrograph():
    one, image = picker((1.0,)), micrograph((400, 520), [(50, 60), (120, 200), (300, 400)])
    direct = np.asarray(one.prepare(image).image)
    several = picker((0.8, 1.0))
    through = np.asarray(make_coarser(several.prepare(image), 1.25, several.working).image)
    assert through.shape == direct.shape
    centre = np.s_[10:-10, 10:-10]
    correlation = np.corrcoef(direct[centre].ravel(), through[centre].ravel())[0, 1]
    assert correlation > 0.98


def test_scales_need_working_images_that_follow_the_diameter():
    one = picker((1.0,))
    working = one.prepare(micrograph((200, 260), []))
    with pytest.raises(SpecError, match="scales"):
        make_coarser(working, 1.2, ParsedPreprocessSpec())


@pytest.mark.parametrize("scales", [(), (0.1,), (1.0, 5.0)])
def test_scales_are_checked(scales):
    with pytest.raises(SpecError, match="scales"):
        DecodeSpec(scales=scales)
