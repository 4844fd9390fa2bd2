"""What is missed and what is false is told by one matching; second picks are neither."""

from pathlib import Path

import numpy as np

from jaxpick.evaluate.hard_examples import hard_example, hard_examples, working_image
from jaxpick.io.nouns import make_picks
from jaxpick.methods.labelled_micrographs import LabelledMicrograph

LABELS = np.array([[10.0, 10.0], [10.0, 50.0], [50.0, 10.0]])


def micrograph(folder, labels=LABELS):
    np.save(folder / "a.npy", np.zeros((64, 80), np.float32))
    return LabelledMicrograph(
        name="a.mrc",
        path=Path(folder / "a.npy"),
        centre_yx_px=labels,
        radius_px=6.0,
        usable=(0, 64, 0, 80),
    )


class Picker:
    """Gives the same candidates for any image."""

    name, threshold, diameter_angstrom = "fixed", 0.5, 12.0

    def __init__(self, rows):
        self.rows = np.array(rows, np.float64).reshape(-1, 3)

    def prepare(self, micrograph):
        raise NotImplementedError

    def choose_threshold(self, scores):
        return 0.5

    def candidates(self, working):
        y, x, score = self.rows.T
        return make_picks(working.micrograph, x, y, score, 12.0)


# On a label, twice on another, near nothing, and on the third but too weak.
ROWS = [(11, 9, 0.9), (10, 49, 0.8), (12, 52, 0.7), (40, 60, 0.6), (50, 10, 0.4)]


def test_missed_and_false_particles(tmp_path):
    found = hard_example(Picker(ROWS), micrograph(tmp_path), 0.5)
    np.testing.assert_array_equal(found.positives_yx_px, [[50, 10]])
    np.testing.assert_array_equal(found.negatives_yx_px, [[40, 60]])
    np.testing.assert_array_equal(found.centre_yx_px, LABELS)


def test_the_threshold_decides_what_is_a_pick(tmp_path):
    low = hard_example(Picker(ROWS), micrograph(tmp_path), 0.3)
    assert len(low.positives_yx_px) == 0 and len(low.negatives_yx_px) == 1
    high = hard_example(Picker(ROWS), micrograph(tmp_path), 0.95)
    assert len(high.positives_yx_px) == 3 and len(high.negatives_yx_px) == 0


def test_micrographs_without_mistakes_and_without_anything_are_left_out(tmp_path):
    right = Picker([(y, x, 0.9) for y, x in LABELS])
    assert hard_examples(right, [micrograph(tmp_path)], 0.5) == ()
    assert hard_examples(Picker([]), [micrograph(tmp_path, np.zeros((0, 2)))], 0.5) == ()
    assert len(hard_examples(Picker([]), [micrograph(tmp_path)], 0.5)) == 1


def test_a_working_pixel_counts_as_an_angstrom(tmp_path):
    working = working_image(micrograph(tmp_path))
    assert working.pixel_size_angstrom == working.micrograph_pixel_size_angstrom == 1.0
    assert working.micrograph_shape == (64, 80) and working.usable == (0, 64, 0, 80)
