"""The comparison's page: complete, self-contained, marks where they belong; figures in their frame."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from jaxpick.io.comparison_report import (
    Leaf,
    Section,
    Shown,
    shared_picks,
    write_comparison_report,
)
from jaxpick.io.figures import (
    GRID,
    Line,
    intervals_svg,
    precision_recall_svg,
    seed_band,
    standalone,
)
from jaxpick.io.report import write_picture

TABLE = (["method", "a"], [["unet", "0.9"], ["log", "0.8"]])


def shown(name, picks, is_hit, missed=(), votes=True):
    points = np.asarray(picks, np.float64).reshape(-1, 2)
    lost = np.asarray(missed, np.float64).reshape(-1, 2)
    flags = np.asarray(is_hit, bool)
    return Shown(method=name, picks=points, is_hit=flags, missed=lost, votes=votes)


METHODS = [
    shown("unet", [(100, 40), (20, 30)], [True, False], [(150, 60)]),
    shown("log & co", [(104, 40), (60, 60)], [True, False], [(150, 60)]),
    shown("consensus", [(100, 40)], [True], [(150, 60)], votes=False),
]


def curve(*points):
    return [{"recall": recall, "precision": precision} for recall, precision in points]


CURVE = curve((0.0, 1.0), (0.5, 0.8), (0.9, 0.4))


@pytest.fixture
def page(tmp_path):
    picture = tmp_path / "m.jpg"
    scale = write_picture(picture, np.random.default_rng(0).normal(size=(100, 200)).astype("f4"))
    truth = np.asarray([(100.0, 40.0), (150.0, 60.0)])
    leaf = Leaf(
        name="m<1>.mrc", picture=picture, scale=scale, radius_px=10.0, truth=truth, methods=METHODS
    )
    svg = precision_recall_svg([Line("unet", [CURVE], (0.5, 0.8))], "a")
    section = Section(name="a", about="b", table=TABLE, figures=[svg], leaves=[leaf, leaf])
    write_comparison_report(
        tmp_path / "report.html",
        ["one", "two"],
        TABLE,
        [],
        [section],
        TABLE,
        ["log on a: no <file>"],
        {"seed": 0, "nothing": None},
    )
    return (tmp_path / "report.html").read_text(), scale


def test_the_page_loads_nothing_and_shows_every_method_on_every_micrograph(page):
    text, _ = page
    assert not re.search(r"https?://|src=|url\(", text)
    assert text.count("<figure>") == 2 * (len(METHODS) + 1)
    assert text.count("data:image/jpeg") == 2, "pixels stand there once a micrograph"
    used = set(re.findall(r'href="#([^"]+)"', text))
    assert used == set(re.findall(r'<image id="([^"]+)"', text))


def test_names_and_failures_are_escaped(page):
    text, _ = page
    for word in ("m&lt;1&gt;.mrc", "log &amp; co", "no &lt;file&gt;"):
        assert word in text
    assert "nothing" not in text


def test_circles_lie_on_their_picks(page):
    text, scale = page
    hit = re.search(r'class="hit" d="M([\d.]+) ([\d.]+)a([\d.]+)', text)
    left, y, radius = map(float, hit.groups())
    assert radius == pytest.approx(10 * scale, abs=0.06)
    assert left + radius == pytest.approx(100 * scale, abs=0.2)
    assert y == pytest.approx(40 * scale, abs=0.06)


def test_shared_picks_count_methods_not_picks():
    """Two picks of one method near one of another: a place of both, and a place of one alone."""
    twice = shown("twice", [(0, 0), (3, 0)], [True, True])
    once = shown("once", [(1, 0)], [True])
    places, who = shared_picks([twice, once], 5.0)
    assert sorted(map(len, who)) == [1, 2] and len(places) == 2
    assert sum(map(len, who)) == 3, "every pick votes once"


def test_agreement_leaves_the_consensus_out(page):
    text, _ = page
    found = "places picked by all 1, by some 0, by one alone 2 · 1 of 2 particles by none"
    assert text.count(found) == 2


def test_the_band_spans_the_seeds_and_ends_where_one_of_them_does():
    low, mean, high = seed_band([CURVE, curve((0.0, 0.6), (0.7, 0.6))])
    known = GRID <= 0.7
    np.testing.assert_array_equal(np.isfinite(mean), known)
    at = int(np.argmin(np.abs(GRID - 0.5)))
    assert (low[at], mean[at], high[at]) == pytest.approx((0.6, 0.7, 0.8))
    single = seed_band([CURVE])
    np.testing.assert_array_equal(single[0][GRID <= 0.9], single[2][GRID <= 0.9])


def test_figures_are_whole_and_draw_inside_their_frame():
    lines = [Line(f"method {i}", [CURVE, CURVE], (0.5, 0.8)) for i in range(20)]
    lines += [Line("empty", [[]], (None, None))]
    row = {"difference": -0.4, "low": -0.6, "high": 0.1, "is_clear": False, "label": "a <b>"}
    for svg in (precision_recall_svg(lines, "t"), intervals_svg([row], "t")):
        root = ElementTree.fromstring(standalone(svg))
        width, height = float(root.get("width")), float(root.get("height"))
        for element in root.iter():
            x, y = (float(element.get(name, 0)) for name in ("x", "y"))
            assert 0 <= x <= width and 0 <= y <= height
        assert "nan" not in svg


def test_an_interval_lies_right_of_zero_when_it_is_above():
    row = {"difference": 0.2, "low": 0.1, "high": 0.3, "is_clear": True, "label": "a"}
    svg = intervals_svg([row], "t")
    zero = max(float(x) for x in re.findall(r'class="axis" d="M([\d.]+) 26', svg))
    start, end = map(float, re.search(r'd="M([\d.]+) 42H([\d.]+)"', svg).groups())
    dot = float(re.search(r'<circle cx="([\d.]+)"', svg)[1])
    assert zero < start < dot < end
    assert dot - zero == pytest.approx(2 * (start - zero), abs=0.2)


def test_picks_without_scores_are_a_dot_without_a_line():
    svg = precision_recall_svg([Line("human", [curve((0.9, 0.8))], (0.9, 0.8))], "t")
    assert svg.count("<circle") == 1 and 'd="" fill="none"' in svg
