"""DeepEM's and DeepPicker's ways from scores to picks, each step by itself."""

import numpy as np
import pytest

from jaxpick.picking.window_decoders import NOTHING, BoxDecodeSpec, RegionDecodeSpec, clear_regions
from jaxpick.picking.window_picker import Grid
from jaxpick.spec import SpecError

GRID = Grid(window_px=40, step_px=4, centre_px=20.0, diameter_px=28.0)
SHAPE = (60, 70)
SIDE = tuple((n - 1) * GRID.step_px + GRID.window_px for n in SHAPE)


def peaked(places, height=0.9):
    """A score map of small bumps."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    scores = np.full(SHAPE, 0.02)
    for index, (row, column) in enumerate(places):
        bump = (height - 0.05 * index) * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 2)
        scores = np.maximum(scores, bump)
    return scores.astype(np.float32)


def logit(probability):
    return np.log(probability / (1 - probability)).astype(np.float32)


def noise(seed=0):
    return np.random.default_rng(seed).normal(size=SIDE).astype(np.float32)


PLACES = [(10, 12), (10, 40), (44, 20), (50, 60)]


def test_boxes_are_local_maxima_best_first():
    row, column, score = BoxDecodeSpec().find(peaked(PLACES), noise(), GRID)
    near = score > 0.3
    np.testing.assert_allclose(np.stack([row, column], 1)[near], PLACES, atol=0.05)
    assert np.all(np.diff(score) <= 0) and score[0] == pytest.approx(0.9)


def test_boxes_keep_their_distance():
    scores = peaked([(10, 12), (10, 16)])
    far = BoxDecodeSpec(distance_diameters=0.5).find(scores, noise(), GRID)  # 3.5 steps
    near = BoxDecodeSpec(distance_diameters=0.7).find(scores, noise(), GRID)  # 4.9 steps
    assert np.sum(far[2] > 0.3) == 2 and np.sum(near[2] > 0.3) == 1


def test_boxes_of_too_much_or_too_little_variance_are_left_out():
    image = noise()
    for (row, column), factor in zip(PLACES[:2], (3.0, 0.2), strict=True):
        y, x = row * GRID.step_px, column * GRID.step_px
        image[y : y + 40, x : x + 40] *= factor
    row, column, score = BoxDecodeSpec(deviation_range=(0.5, 2.0)).find(peaked(PLACES), image, GRID)
    kept = np.stack([row, column], 1)[score > 0.3]
    np.testing.assert_allclose(kept, PLACES[2:], atol=0.05)


def test_large_regions_are_cleared_and_small_ones_kept():
    scores = np.full(SHAPE, -3.0, np.float32)
    for row, column in PLACES:
        scores[row - 1 : row + 2, column - 1 : column + 2] = 2.0
    scores[25:40, 30:60] = 4.0  # 450 places; the mean of the five is 97
    cleaned = clear_regions(scores, 4.0)
    assert np.all(cleaned[25:40, 30:60] == NOTHING)
    outside = np.ones(SHAPE, bool)
    outside[25:40, 30:60] = False
    np.testing.assert_array_equal(cleaned[outside], scores[outside])
    np.testing.assert_array_equal(clear_regions(scores, None), scores)
    np.testing.assert_array_equal(clear_regions(scores, 5.0), scores)
    nothing = np.full(SHAPE, -1.0, np.float32)
    np.testing.assert_array_equal(clear_regions(nothing, 4.0), nothing)


def test_specks_of_doubtful_score_do_not_make_particles_large():
    scores = np.full(SHAPE, -3.0, np.float32)
    scores[::4, ::4] = 1.0  # a score of 0.73
    for row, column in PLACES:
        scores[row - 1 : row + 2, column - 1 : column + 2] = 4.0
    middle = tuple(np.array(PLACES).T)
    assert np.all(clear_regions(scores, 4.0, 0.5)[middle] == NOTHING)
    np.testing.assert_array_equal(clear_regions(scores, 4.0, 0.9), scores)


def test_regions_give_peaks_with_probabilities():
    row, column, score = RegionDecodeSpec().find(logit(peaked(PLACES)), noise(), GRID)
    near = score > 0.5
    np.testing.assert_allclose(np.stack([row, column], 1)[near], PLACES, atol=0.1)
    np.testing.assert_allclose(score[near], [0.9, 0.85, 0.8, 0.75], atol=0.01)


def test_saturated_probabilities_keep_their_order():
    scores = logit(peaked(PLACES[:2]))
    scores[10, 12], scores[10, 13] = 60.0, 50.0  # both are 1 in single precision
    row, column, _ = RegionDecodeSpec().find(scores, noise(), GRID)
    assert abs(row[0] - 10) < 0.5 and abs(column[0] - 12) < 0.5


def test_the_peak_window_is_that_of_the_paper():
    """0.8 windows of 40 px at a step of 4 are 8 places: maxima within 4 of each other are one pick."""
    for apart, expected in ((4, 1), (6, 2)):
        scores = logit(peaked([(20, 20), (20, 20 + apart)]))
        _, _, score = RegionDecodeSpec().find(scores, noise(), GRID)
        assert np.sum(score > 0.5) == expected


def test_windows_with_many_extreme_pixels_are_bad():
    rng = np.random.default_rng(1)
    places = [(r, c) for r in range(4, 60, 10) for c in range(4, 70, 10)]
    image = noise()
    y, x = places[17][0] * 4, places[17][1] * 4
    image[y : y + 40, x : x + 40] += 12.0 * (rng.random((40, 40)) < 0.1)
    scores = logit(np.full(SHAPE, 0.02, np.float32))
    for row, column in places:
        scores[row, column] = 2.0
    found = RegionDecodeSpec(peak_window=0.4).find(scores, image, GRID)
    kept = {(round(r), round(c)) for r, c in zip(*found[:2], strict=True)}
    assert places[17] not in kept and len(kept & set(places)) == len(places) - 1
    every = RegionDecodeSpec(peak_window=0.4, extreme_deviations=None).find(scores, image, GRID)
    assert np.sum(every[2] > 0.5) == len(places)


def test_no_scores_give_no_picks():
    for spec in (BoxDecodeSpec(), RegionDecodeSpec()):
        found = spec.find(np.zeros((0, 5), np.float32), noise(), GRID)
        assert [len(part) for part in found] == [0, 0, 0]


@pytest.mark.parametrize(
    ("spec", "settings", "name"),
    [
        (BoxDecodeSpec, {"threshold": 1.0}, "threshold"),
        (BoxDecodeSpec, {"deviation_range": (2.0, 1.0)}, "deviation_range"),
        (BoxDecodeSpec, {"step_px": 0}, "step_px"),
        (RegionDecodeSpec, {"candidate_threshold": 0.6}, "candidate_threshold"),
        (RegionDecodeSpec, {"region_limit": 0.0}, "region_limit"),
        (RegionDecodeSpec, {"peak_window": 0.0}, "peak_window"),
    ],
)
def test_impossible_settings_are_refused(spec, settings, name):
    with pytest.raises(SpecError, match=name):
        spec(**settings)
