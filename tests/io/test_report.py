"""The report: pictures, circles and counts agree with the picks; one file that needs nothing else."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from jaxpick.io.report import (
    Panel,
    histogram_svg,
    slider_values,
    ticks,
    write_pick_report,
    write_picture,
)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((900, 700), (700, 900)), ((1800, 600), (300, 900)), ((300, 200), (600, 900))],
)
def test_pictures_are_at_most_900_pixels_and_scaled_alike(tmp_path, shape, size):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    scale = write_picture(tmp_path / "p.jpg", image)
    with Image.open(tmp_path / "p.jpg") as picture:
        assert picture.size == size and picture.mode == "L"
    assert scale == pytest.approx(size[0] / shape[1])


def test_grey_values_are_the_image_within_three_deviations(tmp_path):
    image = np.repeat(np.linspace(-1, 1, 500, dtype=np.float32)[None], 480, axis=0)
    write_picture(tmp_path / "p.jpg", image)
    with Image.open(tmp_path / "p.jpg") as picture:
        grey = np.asarray(picture, np.float64)[240]
    np.testing.assert_allclose(grey, 127.5 + 127.5 * image[0] / (3 * image.std()), atol=3)


def test_a_constant_image_is_a_grey_picture(tmp_path):
    write_picture(tmp_path / "p.jpg", np.zeros((20, 20), np.float32))
    with Image.open(tmp_path / "p.jpg") as picture:
        assert np.ptp(np.asarray(picture)) == 0


@pytest.mark.parametrize(
    "scores", [[], [0.3], [0.02, 0.9], [0.5, 0.6, 60.0], [-3.0, 2.0], [0.3, 0.3 + 1e-12]]
)
def test_the_slider_holds_the_threshold_and_spans_the_scores(scores):
    values = slider_values(np.array(scores), 0.3)
    assert np.min(np.abs(values - 0.3)) < 1e-12
    assert values[0] <= min([0.3, *scores]) + 1e-9 and values[-1] >= max([0.3, *scores]) - 1e-9
    assert len(values) <= 205 and np.all(np.diff(values) > 0)


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.02, 0.93), (0.0, 7.0), (0.0, 12345.0), (-2.0, 31.0)]
)
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high)
    assert 3 <= len(found) <= 8 and found[0] >= low - 1e-9 and found[-1] <= high + 1e-9
    assert all(len(f"{value:.4g}".lstrip("-0.")) <= 5 for value in found)


def test_histogram_heights_add_up_and_empty_is_said():
    svg = histogram_svg(np.random.default_rng(0).random(1000), 0.5)
    heights = [float(h) for h in re.findall(r'<rect[^>]* height="([\d.]+)"', svg)]
    assert max(heights) == 180 and len(heights) == 50
    assert "candidates</text>" in svg and "score</text>" in svg
    assert "No candidates" in histogram_svg(np.zeros(0), 0.5)


class _Page(HTMLParser):
    """Collect tags with their attributes; complain of unbalanced ones."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input", "rect", "path", "circle", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in ("p", "li"):
            assert self.open.pop() == tag
        elif self.open[-1] == tag:
            self.open.pop()

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def page(tmp_path):
    random = np.random.default_rng(0)
    write_picture(tmp_path / "p.jpg", random.normal(size=(500, 600)).astype(np.float32))
    score = np.sort(random.random(40))[::-1]
    panel = Panel(
        name="<m&1>.mrc",
        picture=tmp_path / "p.jpg",
        scale=0.25,
        x=random.uniform(0, 2400, 40),
        y=random.uniform(0, 2000, 40),
        score=score,
        radius_px=80.0,
        truth_x=np.array([100.0]),
        truth_y=np.array([200.0]),
    )
    kept = int(np.sum(score >= 0.4))
    write_pick_report(
        tmp_path / "report.html",
        [panel],
        {"<m&1>.mrc": kept, "m2.mrc": 0},
        score,
        0.4,
        {"diameter": 180.0, "weights": None, "decode": {}},
        ["broken.mrc: is <empty>"],
    )
    return (tmp_path / "report.html").read_text(), panel, score, kept


def test_circles_lie_where_the_picks_are(page):
    text, panel, score, _ = page
    circles = _Page(text).all("circle")
    found = np.array([[float(c[k]) for k in ("cx", "cy", "r", "data-s")] for c in circles])
    expected = np.stack([panel.x / 4, panel.y / 4, np.full(40, 20.0), score], axis=1)
    np.testing.assert_allclose(found, expected, atol=0.06)


def test_slider_counts_are_those_of_the_scores(page):
    text, _, score, kept = page
    slider = next(a for a in _Page(text).all("input") if a["type"] == "range")
    values, counts = json.loads(slider["data-values"]), json.loads(slider["data-counts"])
    assert counts == [int(np.sum(score >= value - 1e-9)) for value in values]
    assert values[int(slider["value"])] == 0.4 and counts[int(slider["value"])] == kept
    assert f"{kept} picks in 2 micrographs" in text


def test_names_are_escaped_and_what_is_left_out_is_told(page):
    text = page[0]
    assert "<m&1>" not in text and "&lt;m&amp;1&gt;.mrc" in text
    assert "broken.mrc: is &lt;empty&gt;" in text and "weights" not in text


def test_nothing_is_loaded_from_elsewhere(page):
    parsed = _Page(page[0])
    assert all(a["src"].startswith("data:") for a in parsed.all("img")) and not parsed.all("link")
    assert not re.search(r"https?://|url\(|import ", page[0])


def test_a_run_without_picks_has_a_report(tmp_path):
    write_pick_report(tmp_path / "r.html", [], {"m.mrc": 0}, np.zeros(0), 0.3, {})
    assert "0 picks in 1 micrograph " in (tmp_path / "r.html").read_text()
