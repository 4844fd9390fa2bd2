"""What would have caught the published pickers' own mistakes, for every method that it applies to.

Numbers, and whose mistake it was; what is not below is tested where the table says.

1. A disc of radius 3 has 29 pixels, pi by hand (Topaz): `test_topaz`, `picking/test_dense`.
2. The dense map is the prediction of each crop (Topaz): here for maps and windows; networks by themselves in
   `models/test_*_network*`. crYOLO predicts no crops: its boxes are checked in `test_cryolo`.
3. Positions survive resampling at all corners, each axis by itself (Topaz, crYOLO): here.
4. Flips in y come back for every format (CryoPPP, DeepEM's port, CryoTransformer): `io/test_coordinates`,
   `io/test_formats`.
5. The score written is the map's at the written place (CryoTransformer): here; windows in
   `picking/test_window_picker`, blobs in `picking/test_blobs`, boxes in `test_cryolo`.
6. The same picks each time: here; the same batches on any number of devices or workers (Topaz): `train/test_loop`,
   `train/test_sources`.
7. The best state is left at the step limit (DeepPicker), and a resumed run is the whole one: `train/test_patience`,
   `train/test_loop`, `train/test_killed`.
8. Tiles give the picks of the whole, each once (Topaz): here.
9. No pick takes what lies at the other border (Topaz): here for every decoder but PARSED's, which has no blobs within
   half their distance of the border.
10. Noise gives next to no pick (DeepPicker, CryoTransformer): here for most weights that ship; `picking/test_discount`.
11. Flat, small and uneven micrographs break nothing (ASPIRE, crYOLO): here; broken files in `experiments/test_pick`,
    empty labels in `test_labelled_examples`.
12. Matching by hand (Cryo-EMMAE, CryoSegNet): `evaluate/test_matching`, `evaluate/test_protocols`.
13. A setting without effect is refused (Topaz, RELION): `test_topaz`, `models/test_topaz_networks`,
    `experiments/test_pick_untrained`, `test_template`.
14. Labels off the image are counted (crYOLO, Topaz): `test_labelled_examples`, `io/test_names`.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from tiny_pickers import DIAMETER, SHAPE, SPECS, make, micrograph, usual

from jaxpick import methods
from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.nouns import Micrograph
from jaxpick.picking.box_picker import suppress_boxes
from jaxpick.picking.dense import DecodeSpec, aperture_mean, decode
from jaxpick.picking.log_picker import greedy_maxima
from jaxpick.picking.suppression import suppress_exact
from jaxpick.picking.window_decoders import BoxDecodeSpec, RegionDecodeSpec
from jaxpick.picking.window_picker import Grid
from jaxpick.spec import build
from jaxpick.weights.shipped import FOLDER, load_picker_weights

ALL = sorted(SPECS)
MAPS = ("parsed", "parsed_released", "topaz", "unet")
WINDOWS = ("deepem", "deeppicker")
COLUMNS = ("x", "y", "score", "diameter_angstrom")


@pytest.fixture(autouse=True)
def apple_has_its_machine(request):
    if "apple" in request.node.name:
        pytest.importorskip("sklearn", reason="apple needs scikit-learn")


def equal(first, second):
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("name", MAPS)
def test_2_the_map_of_the_whole_is_that_of_each_crop(name):
    """In the middle of a crop, as far from its border as the network reaches."""
    picker = usual(name)
    reach, stride = picker.reach_px, picker.stride_multiple
    side = -(-(2 * reach + 8) // stride) * stride
    corner = stride * np.array([1, 2])
    image = np.random.default_rng(1).normal(size=(side + 3 * stride,) * 2).astype(np.float32)
    inside = np.s_[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    whole = np.asarray(picker.score(jnp.asarray(image)[None]))[0][inside]
    crop = np.asarray(picker.score(jnp.asarray(image[inside])[None]))[0]
    middle = np.s_[reach : side - reach, reach : side - reach]
    assert whole[middle].std() > 0, "a constant map would prove nothing"
    atol = 1e-5 * max(np.abs(whole).max(), 1.0)
    np.testing.assert_allclose(crop[middle], whole[middle], atol=atol)


@pytest.mark.parametrize("name", WINDOWS)
def test_2_the_scan_of_the_whole_is_that_of_each_window(name):
    picker = usual(name)
    window, step = picker.grid.window_px, picker.grid.step_px
    image = np.random.default_rng(1).normal(size=(window + 4 * step, window + 7 * step))
    image = image.astype(np.float32)
    whole = np.asarray(picker.scan(jnp.asarray(image)))
    assert whole.shape == (5, 8)
    for row, column in ((0, 0), (3, 5), (4, 7)):
        y, x = row * step, column * step
        alone = np.asarray(picker.scan(jnp.asarray(image[y : y + window, x : x + window])))
        np.testing.assert_allclose(alone, whole[row, column], atol=2e-5)


CORNERS = [(95.3, 101.7), (90.6, 400.2), (296.4, 98.9), (290.1, 405.5)]


@pytest.mark.parametrize("name", ALL)
def test_3_positions_survive_resampling_at_all_corners(name):
    """Neither side is a multiple of any factor. Half a pixel, or where working pixels are large a tenth of one, as
    taking off the background pulls at what is so small.
    """
    working = usual(name).prepare(micrograph(centres=CORNERS, noise=0.0))
    image, way = np.asarray(working.image, np.float64), working.coordinates
    y, x = np.indices(image.shape, np.float64)
    places = way.to_micrograph(y.ravel(), x.ravel())
    at_y, at_x = (np.asarray(place).reshape(image.shape) for place in places)
    for cy, cx in CORNERS:
        disc = np.hypot(at_y - cy, at_x - cx) < 40
        height = np.where(disc, image - np.median(image), 0.0)
        height *= np.sign(height.sum())  # PARSED's particles are bright
        height = np.maximum(height - 0.3 * height.max(), 0.0)  # nothing is left at the disc's rim
        mean_y, mean_x = (np.sum(place * height) / height.sum() for place in (at_y, at_x))
        assert np.hypot(mean_y - cy, mean_x - cx) < max(0.5, 0.1 * way.scale_x)


def map_of(name, picker, working):
    """The map that a method's picks are peaks of, in working pixels."""
    image = np.asarray(working.image)
    if name == "unet":
        diameter_px = DIAMETER / working.pixel_size_angstrom
        radius_px = round(picker.decode.aperture_diameters * diameter_px)
        return np.asarray(aperture_mean(jnp.asarray(picker.score_map(image)), radius_px))
    if name == "topaz":
        return picker.score_map(image)
    if name == "template":
        return np.asarray(picker.score_map(image, picker.filtered(working.micrograph)))
    found = picker.responses(working)
    return (found.figure_of_merit - found.mean) / found.deviation


@pytest.mark.parametrize("name", ["log", "template", "topaz", "unet"])
def test_5_the_score_written_is_the_maps_at_the_place_written(name, tmp_path):
    """Peaks are refined by half a pixel at most: the score is that of a pixel beside the place."""
    picker = usual(name)
    working = picker.prepare(micrograph(centres=CORNERS))
    found = picker.candidates(working)
    write_picks([found], tmp_path / "picks.csv")
    (read,) = read_picks(tmp_path / "picks.csv")
    assert len(read) == len(found) > 3
    way, scores = working.coordinates, map_of(name, picker, working)
    y, x = read.y / way.scale_y, read.x / way.scale_x
    last = np.array(scores.shape) - 1
    beside = [
        scores[np.clip(up(y), 0, last[0]).astype(int), np.clip(left(x), 0, last[1]).astype(int)]
        for up in (np.floor, np.ceil, np.round)
        for left in (np.floor, np.ceil, np.round)
    ]
    gap = np.min(np.abs(np.array(beside) - read.score), axis=0)
    assert gap.max() < 1e-4 * max(np.abs(scores).max(), 1.0)


@pytest.mark.parametrize("name", ALL)
def test_6_the_same_micrograph_gives_the_same_picks(name):
    """The same candidates in the same order, to rounding: XLA's transforms on CPUs share their lines out among threads
    as these come free, and lines done alone round otherwise than lines done in packets.
    """
    first, second = usual(name), make(name)
    image = micrograph(centres=CORNERS)
    found = first.candidates(first.prepare(image))
    again = second.candidates(second.prepare(image))
    assert len(again) == len(found)
    for column in COLUMNS:
        np.testing.assert_allclose(
            getattr(again, column), getattr(found, column), rtol=1e-5, atol=1e-3
        )
    assert np.all(np.isfinite([getattr(found, column) for column in COLUMNS]))
    assert np.all(np.diff(found.score) <= 0), "best first"


@pytest.mark.parametrize("name", [*MAPS, *WINDOWS])
def test_8_tiles_give_the_picks_of_the_whole(name):
    """Of a working image of several tiles, whose borders hold picks like any place."""
    tile_px = 2 * getattr(usual(name), "reach_px", 32) + 64
    whole, tiled = make(name, tile_px=4096), make(name, tile_px=tile_px)
    working = whole.prepare(micrograph(centres=CORNERS))
    scale = max(1.5 * tile_px / min(working.image.shape), 1.0)
    shape = tuple(round(scale * side) for side in SHAPE)
    working = whole.prepare(micrograph(shape, np.array(CORNERS) * scale))
    assert min(working.image.shape) > tile_px
    expected, found = whole.candidates(working), tiled.candidates(working)
    assert len(found) == len(expected) > 3
    # One to one; picks of nearly equal score may change places in the list.
    gap = np.hypot(found.x[:, None] - expected.x, found.y[:, None] - expected.y)
    assert np.all(gap.min(0) < 0.05) and np.all(gap.min(1) < 0.05)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-3, atol=1e-4)


def two_peaks(row=30, columns=(6, 73), shape=(60, 80)):
    """A map with a peak near the left border and a higher one near the right, in one row."""
    y, x = np.indices(shape)
    scores = np.zeros(shape, np.float32)
    for height, column in zip((0.8, 0.9), columns, strict=True):
        scores += height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8).astype(np.float32)
    return scores


APART = 16.0  # least distance of two picks: more than the 13 from one peak to the next row's other
GRID = Grid(window_px=8, step_px=1, centre_px=3.5, diameter_px=APART)
IMAGE = np.zeros((67, 87), np.float32)


def of_boxes(scores):
    place = np.stack(np.nonzero(scores > 0.5), axis=1)
    boxes = np.concatenate([place, np.full_like(place, APART)], axis=1).astype(np.float32)
    return suppress_boxes(boxes, scores[tuple(place.T)], 0.1)[0][:, :2].T


def of_windows(scores):
    spec = BoxDecodeSpec(candidate_threshold=0.2, distance_diameters=1.0)
    return spec.find(scores, IMAGE, GRID)[:2]


def of_regions(scores):
    spec = RegionDecodeSpec(region_limit=None, extreme_deviations=None, distance_diameters=1.0)
    return spec.find(10 * (scores - 0.5), IMAGE, GRID)[:2]


DECODERS = {
    "unet": lambda scores: decode(scores, 2 * APART, DecodeSpec())[:2],
    "topaz": lambda scores: suppress_exact(scores, APART, 0.2, window_px=1)[0].T,
    "log": lambda scores: greedy_maxima(scores - 0.2, np.full_like(scores, APART)),
    "deepem": of_windows,
    "deeppicker": of_regions,
    "cryolo": of_boxes,
}


@pytest.mark.parametrize("name", DECODERS)
def test_9_a_pick_at_one_border_leaves_the_other_alone(name):
    """They are 67 columns apart, but 13 where rows are laid end to end."""
    y, x = (np.asarray(places) for places in DECODERS[name](two_peaks()))
    near = [np.hypot(y - 30, x - column).min() for column in (6, 73)]
    assert max(near) < 0.5


# As published, these have nothing against noise: of the particles that would fill it, DeepEM's and DeepPicker's weights
# find a fifth, crYOLO's a twentieth.
WITHOUT_DEFENCE = {"cryolo", "deepem", "deeppicker"}
SHIPPED = {path.parent.name for path in FOLDER.glob("*/weights.json")}


@pytest.mark.parametrize("name", sorted(SHIPPED - WITHOUT_DEFENCE))
def test_10_noise_gives_next_to_no_pick_with_weights_that_ship(name):
    """Of white noise as large as ninety particles, two at most."""
    params, card = load_picker_weights(name.removesuffix("_paper"), name)
    method = methods.get(card["method"])
    settings = build(method.Spec, card["config"])
    picker = method.make_picker(settings, params, 80.0)
    noise = np.random.default_rng(5).normal(size=(320, 360)).astype(np.float32)
    image = Micrograph(image=noise, pixel_size_angstrom=2.0, name="noise.mrc")
    found = picker.candidates(picker.prepare(image))
    threshold = picker.threshold
    if threshold is None:
        threshold = picker.choose_threshold(found.score)
    assert np.sum(found.score >= threshold) <= 2


@pytest.mark.parametrize("name", ALL)
def test_11_small_uneven_and_flat_micrographs_break_nothing(name):
    """The particle spans 80 pixels: there is hardly room for one."""
    picker = usual(name)
    flat = dataclasses.replace(micrograph(), image=np.full((120, 97), 7, np.float32))
    for image in (micrograph((97, 240)), flat):
        found = picker.candidates(picker.prepare(image))
        assert np.all(np.isfinite([getattr(found, column) for column in COLUMNS]))
        for place, side in zip((found.y, found.x), image.image.shape, strict=True):
            assert np.all((place >= 0) & (place <= side - 1))
