"""Named protocols on cases small enough to do by hand: where they differ, and how."""

import dataclasses
from typing import get_args

import numpy as np
import pytest

from jaxpick.evaluate import PROTOCOLS, EvaluateSpec, evaluate
from jaxpick.evaluate.evaluation import ProtocolName
from jaxpick.evaluate.protocols import square_iou
from jaxpick.evaluate.summaries import (
    Counts,
    summarise_maximum,
    summarise_mean,
    summarise_parsed,
    summarise_pooled,
)
from jaxpick.io.nouns import make_picks

SPEC = EvaluateSpec(
    diameter_angstrom=20.0, pixel_size_angstrom=1.0, image_shape=(100, 200), bootstrap=0
)


def picks_at(name, places, score=None, **others):
    """Return picks at (x, y) places."""
    places = np.asarray(places, float).reshape(-1, 2)
    score = None if score is None else np.asarray(score, float)
    return make_picks(name, places[:, 0], places[:, 1], score, **others)


def score(protocol, picks, truth, **changes):
    spec = dataclasses.replace(SPEC, protocol=protocol, **changes)
    return evaluate([picks_at("a", *picks)], [picks_at("a", truth)], spec=spec)


def test_the_spec_knows_every_protocol():
    assert set(get_args(ProtocolName)) == set(PROTOCOLS)
    for protocol in PROTOCOLS.values():
        assert "Fault" in protocol.about


def test_duplicates_are_wrong_one_to_one_and_right_for_parsed():
    picks, truth = ([[50, 50], [52, 50]], [0.9, 0.8]), [[50, 50], [100, 50]]
    assert score("hungarian", picks, truth).metrics["precision"] == 0.5
    parsed = score("parsed_accuracy", picks, truth).metrics
    assert parsed["precision"] == 1.0 and parsed["matched"] == 2
    # 2 TP, 1 particle missed.
    assert parsed["recall"] == pytest.approx(2 / 3)


def test_parsed_radius_and_accuracy_by_hand():
    truth = [[50, 50], [100, 50], [150, 50]]
    picks = ([[55.9, 50], [106, 50], [20, 20]],)
    metrics = score("parsed_accuracy", picks, truth).metrics
    assert metrics["match_radius_angstrom"] == 6.0
    # Nearer than 6, not as near: one of three.
    assert metrics["matched"] == 1 and metrics["precision"] == pytest.approx(1 / 3)
    area, phi = 100 * 200, 20
    printed = (area - np.pi * phi**2 * 3) / (np.pi * phi**2)
    corrected = (area - np.pi * (phi / 2) ** 2 * 3) / (np.pi * (phi / 2) ** 2)
    assert metrics["accuracy"] == pytest.approx((1 + printed) / (1 + 2 + 2 + printed))
    assert metrics["accuracy_corrected"] == pytest.approx((1 + corrected) / (1 + 2 + 2 + corrected))


def test_parsed_curves_over_the_threshold():
    picks = ([[50, 50], [100, 50], [20, 80], [20, 20]], [4.0, 3.0, 2.0, 1.0])
    outcome = score("parsed_accuracy", picks, [[50, 50], [100, 50]])
    assert [row["threshold"] for row in outcome.curve] == [4.0, 3.0, 2.0, 1.0]
    assert [row["f1"] for row in outcome.curve] == pytest.approx([2 / 3, 1.0, 4 / 5, 2 / 3])
    accuracy = [row["accuracy"] for row in outcome.curve]
    assert accuracy[1] == 1.0 and accuracy[0] < 1 and accuracy[2] < 1
    assert outcome.metrics["thresholds"]["best_accuracy"]["threshold"] == 3.0
    assert outcome.metrics["average_precision"] is None


def test_parsed_negatives_pool_over_micrographs():
    counts = np.asarray([Counts(2, 0, 0, 2, 2, 2, 0.0, 10.0), Counts(1, 1, 1, 2, 2, 1, 0.0, 30.0)])
    negative = 40 / np.pi - 4
    expected = (3 + negative) / (5 + negative)
    assert summarise_parsed(counts)["accuracy"] == pytest.approx(expected)


def test_topaz_is_strict_at_the_radius():
    picks, truth = ([[56, 58], [100, 50]],), [[50, 50], [100, 50]]
    assert score("hungarian", picks, truth).metrics["matched"] == 2
    assert score("topaz_ap", picks, truth).metrics["matched"] == 1


def test_topaz_can_prefer_a_near_pair_to_two_far_ones():
    picks, truth = ([[50, 50], [41, 50]],), [[50, 50], [59.9, 50]]
    assert score("hungarian", picks, truth).metrics["matched"] == 2
    assert score("topaz_ap", picks, truth).metrics["matched"] == 1


def test_deepem_is_read_at_the_best_f2():
    picks = ([[50, 50], [20, 20], [100, 50], [20, 80]], [4.0, 3.0, 2.0, 1.0])
    metrics = score("deepem_f2", picks, [[50, 50], [100, 50]]).metrics
    assert metrics["at_threshold"] == "best_f2" and metrics["threshold"] == 2.0
    assert metrics["recall"] == 1.0 and metrics["precision"] == pytest.approx(2 / 3)


def test_square_overlap_equals_the_textbook_offsets():
    offset = np.asarray([[0.0, 0.2], [0.25, 0.0], [0.3, 0.0], [1 / 3, 0.0], [0.0, 1.5]])
    found = square_iou(offset, 1.0)
    np.testing.assert_allclose(found, [2 / 3, 0.6, 0.7 / 1.3, 0.5, 0.0], atol=1e-12)


def test_one_pick_may_serve_several_truths_of_cryo_emmae():
    picks, truth = ([[50, 50]],), [[47, 50], [53, 50]]
    loose = score("iou06_nearest", picks, truth).metrics
    assert loose["recall"] == 1.0 and loose["precision"] == 2.0
    assert score("hungarian", picks, truth).metrics["recall"] == 0.5
    # 0.25 of the side gives IoU 0.6, which is not above it; the box may be wider than the particle.
    edge = ([[55.001, 50]],), [[50, 50]]
    assert score("iou06_nearest", *edge).metrics["recall"] == 0.0
    assert score("iou06_nearest", *edge, box_angstrom=30.0).metrics["recall"] == 1.0


def test_cryo_emmae_takes_the_nearest_pick_at_each_threshold():
    picks = ([[50, 50], [53, 50]], [0.2, 0.9])
    outcome = score("iou06_nearest", picks, [[50, 50]], threshold=0.5)
    assert outcome.metrics["recall"] == 1.0
    assert outcome.metrics["mean_center_error_angstrom"] == pytest.approx(3.0)
    assert outcome.metrics["thresholds"]["all"]["mean_center_error_angstrom"] == 0.0


def disc(shape, x, y, radius):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def test_disc_pixels_by_explicit_masks():
    picks, truth = ([[50.3, 50.8], [3, 97], [120, 40]], [0.9, 0.5, 0.7]), [[55, 50], [118, 40]]
    true = disc((100, 200), 55, 50, 10) | disc((100, 200), 118, 40, 10)
    for threshold in (0.8, 0.6, 0.1):
        drawn = np.zeros((100, 200), bool)
        for (x, y), s in zip(*picks, strict=True):
            if s >= threshold:
                drawn |= disc((100, 200), x, y, 10)
        metrics = score("pixel_mean", picks, truth, threshold=threshold).metrics
        assert metrics["precision"] == pytest.approx((drawn & true).sum() / drawn.sum(), abs=1e-12)
        assert metrics["recall"] == pytest.approx((drawn & true).sum() / true.sum(), abs=1e-12)
        assert metrics["matched"] is None


def test_square_pixels_by_explicit_masks():
    picks, truth = ([[50, 50], [4, 97]],), [[56, 50]]
    true, drawn = np.zeros((2, 100, 200), bool)
    true[40:60, 46:66] = True
    drawn[40:60, 40:60] = True
    drawn[87:100, 0:14] = True
    metrics = score("repic_box_pixels", picks, truth).metrics
    assert metrics["precision"] == pytest.approx((drawn & true).sum() / drawn.sum())
    assert metrics["recall"] == pytest.approx((drawn & true).sum() / true.sum())
    assert metrics["picked_area_share"] == pytest.approx(drawn.sum() / drawn.size)


def test_large_micrographs_are_drawn_small_with_the_same_ratios():
    picks, truth = [[1000, 700], [3000, 700]], [[1060, 700], [2000, 2000]]
    spec = {"diameter_angstrom": 400.0, "image_shape": (4096, 3000)}
    large = score("pixel_mean", (picks,), truth, **spec).metrics
    overlap = 2 * 200**2 * np.arccos(60 / 400) - 60 / 2 * np.sqrt(400**2 - 60**2)
    # The second pick is cut in half by the border at x = 2999.5.
    drawn = np.pi * 200**2 * 1.5
    assert large["precision"] == pytest.approx(overlap / drawn, rel=0.01)
    assert large["recall"] == pytest.approx(overlap / (2 * np.pi * 200**2), rel=0.01)


def test_pixels_ignore_duplicates():
    picks = ([[50, 50], [50, 50]],)
    assert score("pixel_mean", picks, [[50, 50]]).metrics["f1"] == 1.0
    assert score("hungarian", picks, [[50, 50]]).metrics["precision"] == 0.5


def test_pixels_use_the_diameters_of_the_picks():
    spec = dataclasses.replace(SPEC, protocol="pixel_mean")
    picks = [picks_at("a", [[50, 50]], diameter_angstrom=40.0)]
    metrics = evaluate(picks, [picks_at("a", [[50, 50]])], spec=spec).metrics
    area = [disc((100, 200), 50, 50, radius).sum() for radius in (10, 20)]
    assert metrics["recall"] == 1.0 and metrics["precision"] == pytest.approx(area[0] / area[1])


def test_mean_maximum_and_pooled_differ():
    counts = np.asarray([Counts(90, 10, 10, 1, 1), Counts(10, 90, 30, 1, 1)])
    mean, largest, pooled = (
        f(counts) for f in (summarise_mean, summarise_maximum, summarise_pooled)
    )
    assert mean["precision"] == pytest.approx(0.5)
    assert pooled["precision"] == pytest.approx(0.5)
    assert pooled["recall"] == pytest.approx(100 / 140)
    assert mean["recall"] == pytest.approx((0.9 + 0.25) / 2)
    assert largest["precision"] == pytest.approx(0.9, abs=1e-4)
    assert largest["f1"] == pytest.approx(0.9, abs=1e-4) and mean["f1"] < 0.6


def test_the_maximum_smooths_an_empty_prediction_into_precision_one():
    nothing = np.asarray([Counts(0, 0, 500, 0, 1)])
    summary = summarise_maximum(nothing)
    assert summary["precision"] == 1.0 and summary["recall"] == pytest.approx(0.001 / 500.001)
    assert summarise_mean(nothing)["precision"] == 0.0
