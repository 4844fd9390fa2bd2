"""Names match as loosely as needed and never by guessing."""

import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.names import base_name, describe_mismatch, match_names, split_inside
from jaxpick.io.nouns import make_picks


@pytest.mark.parametrize(
    ("wanted", "available"),
    [
        ("m.mrc", "m.mrc"),
        ("m", "m.mrc"),
        ("m.jpg", "m.mrc"),
        ("m.star", "m.mrc.gz"),
        ("MotionCorr/job002/m.mrc", "m.mrc"),
        ("C:\\data\\m.mrc", "elsewhere/m.tif"),
        ("J12/imported/001234567890123456789_m.mrc", "m.mrc"),
        ("m_autopick.star", "m.mrc"),
        ("m_info.json", "m.mrc"),
        ("m_patch_aligned_doseweighted.mrc", "m_fractions.tiff"),
        ("m_DW", "m.mrc"),
        ("May08_03.05.02", "May08_03.05.02.png"),
    ],
)
def test_one_name_in_many_guises(wanted, available):
    assert match_names([wanted], ["other.mrc", available]).pairs == {wanted: available}


def test_only_known_suffixes_go():
    assert base_name("x/May08_03.05.02.mrc.gz") == "May08_03.05.02"
    assert match_names(["May08_03.05"], ["May08_03.05.02.png"]).pairs == {}


def test_the_stricter_comparison_wins():
    available = ["m.mrc", "m_DW.mrc", "a/n.mrc", "b/n.mrc"]
    pairs = match_names(["m_DW.star", "m.star", "job/b/n.box"], available).pairs
    assert match_names(["m", "m_DW"], ["m.mrc"]).unmatched_wanted == ("m_DW",)
    assert pairs == {"m_DW.star": "m_DW.mrc", "m.star": "m.mrc", "job/b/n.box": "b/n.mrc"}


@pytest.mark.parametrize(
    ("wanted", "available"),
    [
        (["n"], ["a/n.mrc", "b/n.mrc"]),
        (["m_aligned"], ["m.mrc", "m_DW.mrc", "m_noDW.mrc"]),
        (["a/n", "b/n"], ["n.mrc"]),
    ],
)
def test_ambiguity_is_refused(wanted, available):
    with pytest.raises(InputError, match="expected one"):
        match_names(wanted, available)


def test_leftovers_of_both_sides_are_told():
    match = match_names([f"p{i}" for i in range(5)], ["p1.mrc", "q.mrc"])
    assert match.pairs == {"p1": "p1.mrc"}
    text = describe_mismatch(match)
    assert (
        "4 coordinates" in text
        and "p0, p2, p3, ..." in text
        and "1 micrographs" in text
        and "q.mrc" in text
    )
    assert describe_mismatch(match_names(["a"], ["a.mrc"])) == ""


def test_labels_off_the_image_are_counted():
    x = np.array([-0.6, -0.5, 0.0, 8.49, 8.5, 4.0, 4.0])
    y = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 19.4, 19.6])
    inside, num_outside = split_inside(make_picks("m", x, y), (20, 9))
    assert num_outside == 3
    np.testing.assert_array_equal(inside.x, [-0.5, 0.0, 8.49, 4.0])
    rounded = np.floor(np.stack([inside.x, inside.y]) + 0.5)
    assert rounded.min() >= 0 and rounded[0].max() <= 8 and rounded[1].max() <= 19
