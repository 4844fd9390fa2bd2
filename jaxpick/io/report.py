"""The picture report: one self-contained HTML page of micrographs with their picks.

Pictures are low-passed working images as embedded JPEG; circles are drawn over them as SVG, one for
every candidate, so that the slider shows what another threshold would pick. Nothing is loaded from
elsewhere.
"""

import base64
import dataclasses
import html
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from jaxpick.io.files import replacing, write_text
from jaxpick.io.report_page import PAGE

SLIDER_STEPS = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture of the report.

    Attributes:
        name: caption.
        picture: file with the picture, read when the report is written.
        scale: picture pixels per micrograph pixel.
        x, y: candidates in micrograph pixels.
        score: of each candidate.
        radius_px: of the circles, in micrograph pixels.
        truth_x, truth_y: centres that are known (simulated micrographs), drawn as crosses.
    """

    name: str
    picture: Path
    scale: float
    x: np.ndarray
    y: np.ndarray
    score: np.ndarray
    radius_px: float
    truth_x: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    truth_y: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))


def write_picture(path: Path | str, image: Float[np.ndarray, "y x"], max_px: int = 900) -> float:
    """Write a grey 8-bit picture of an image, 3 standard deviations around its mean.

    The file is a third of a PNG's size at the quality used. Images larger than `max_px` are made
    smaller, those under half of it larger.

    Returns:
        The scale: picture pixels per image pixel.
    """
    spread = 3 * float(np.std(image)) + 1e-9
    grey = (image - float(np.mean(image))) * (127.5 / spread) + 127.5
    longest = max(image.shape)
    scale = max_px / longest if longest > max_px or longest < max_px / 2 else 1.0
    picture = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    if scale != 1.0:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    with replacing(path) as temporary:
        picture.save(temporary, format="JPEG", quality=85)
    return size[0] / image.shape[1]


def write_pick_report(
    path: Path | str,
    panels: Sequence[Panel],
    counts: Mapping[str, int],
    scores: np.ndarray,
    threshold: float,
    settings: Mapping[str, object],
    problems: Sequence[str] = (),
) -> None:
    """Write `report.html`.

    Args:
        panels: pictures to show.
        counts: micrograph -> number of picks at the threshold, of all micrographs.
        scores: scores of all candidates of all micrographs.
        threshold: the threshold that was used.
        settings: name -> value, shown as a table; what is None or empty is left out.
        problems: one sentence for each micrograph that was left out.
    """
    micrographs = "1 micrograph" if len(counts) == 1 else f"{len(counts)} micrographs"
    shown = f" Pictures of {len(panels)}." if len(panels) < len(counts) else ""
    body = [
        "<h1>Picks</h1>",
        f"<p>{sum(counts.values())} picks in {micrographs} at threshold {threshold:.4g}.{shown}</p>",
        _problems(problems),
        _slider(scores, threshold),
        '<section class="panels">' + "".join(_panel(panel) for panel in panels) + "</section>",
        "<h2>Scores of all candidates</h2>",
        histogram_svg(scores, threshold),
        "<h2>Picks in each micrograph</h2>",
        _count_table(counts),
        "<h2>Settings</h2>",
        _table(("setting", "value"), [(k, v) for k, v in settings.items() if v not in (None, {})]),
    ]
    write_text(path, PAGE.replace("BODY", "\n".join(body)))


def slider_values(scores: np.ndarray, threshold: float) -> Float[np.ndarray, " step"]:
    """Return thresholds to try, the one that was used among them, a round step apart."""
    lowest = min([threshold, *([float(np.min(scores))] if len(scores) else [])])
    highest = max([threshold, *([float(np.max(scores))] if len(scores) else [])])
    step = _round_up((highest - lowest) / SLIDER_STEPS) if highest > lowest else 0.01
    below = math.ceil((threshold - lowest) / step - 1e-9)
    above = math.ceil((highest - threshold) / step - 1e-9)
    return threshold + step * np.arange(-below, above + 1)


def histogram_svg(scores: np.ndarray, threshold: float, bins: int = 50) -> str:
    """Return an inline SVG histogram of scores with its axes and a line at the threshold."""
    if not len(scores):
        return "<p>No candidates.</p>"
    low, high = min(float(np.min(scores)), threshold), max(float(np.max(scores)), threshold)
    heights, edges = np.histogram(scores, bins=bins, range=(low, max(high, low + 1e-6)))
    tallest, span = max(int(heights.max()), 1), edges[-1] - edges[0]
    # The plot is 600 x 180 with its origin at (60, 190); the script moves the line alike.
    bars = "".join(
        f'<rect x="{60 + 600 * i / bins:.1f}" y="{190 - 180 * h / tallest:.1f}"'
        f' width="{540 / bins:.1f}" height="{180 * h / tallest:.1f}"/>'
        for i, h in enumerate(heights)
    )
    x_ticks = "".join(
        f'<text x="{60 + 600 * (value - low) / span:.1f}" y="208" text-anchor="middle">{value:.4g}</text>'
        for value in ticks(low, high)
    )
    y_ticks = "".join(
        f'<text x="54" y="{194 - 180 * value / tallest:.1f}" text-anchor="end">{value:.4g}</text>'
        f'<path class="grid" d="M60 {190 - 180 * value / tallest:.1f}h600"/>'
        for value in ticks(0.0, float(tallest))
        if value == int(value)
    )
    at = 60 + 600 * (threshold - low) / span
    return (
        f'<svg class="histogram" viewBox="0 0 680 230" data-low="{low}" data-span="{span}">{y_ticks}{bars}'
        f'<line class="cut" x1="{at:.1f}" x2="{at:.1f}" y1="6" y2="190"/>{x_ticks}'
        '<text x="360" y="226" text-anchor="middle">score</text>'
        '<text transform="translate(12 100) rotate(-90)" text-anchor="middle">candidates</text></svg>'
    )


def ticks(low: float, high: float) -> Float[np.ndarray, " tick"]:
    """Return some five round numbers from `low` to `high`."""
    step = _round_up((high - low) / 6) if high > low else 1.0
    return step * np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50 ... at any scale."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= value * (1 - 1e-9))


def _slider(scores: np.ndarray, threshold: float) -> str:
    """Return the bar with the slider; what each of its positions picks is stored beside it."""
    values = slider_values(scores, threshold)
    # Rounding in the last digit must not lose the scores that lie exactly on a threshold.
    at_least = len(scores) - np.searchsorted(np.sort(scores), values - 1e-9, side="left")
    used = int(np.argmin(np.abs(values - threshold)))
    data = f"data-values='{json.dumps([float(f'{v:.6g}') for v in values])}'"
    return (
        f'<p class="bar"><label for="cut">threshold</label> <input id="cut" type="range" min="0"'
        f' max="{len(values) - 1}" step="1" value="{used}" {data} data-counts="{at_least.tolist()}">'
        ' <output id="shown" for="cut"></output>'
        ' <label><input id="circles" type="checkbox" checked> circles</label></p>'
    )


def _panel(panel: Panel) -> str:
    data = panel.picture.read_bytes()
    width, height = Image.open(io.BytesIO(data)).size
    radius = panel.radius_px * panel.scale
    circles = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" data-s="{s:.6g}"/>'
        for x, y, s in zip(panel.x * panel.scale, panel.y * panel.scale, panel.score, strict=True)
    )
    crosses = "".join(
        f'<path d="M{x - 4:.1f} {y:.1f}h8M{x:.1f} {y - 4:.1f}v8"/>'
        for x, y in zip(panel.truth_x * panel.scale, panel.truth_y * panel.scale, strict=True)
    )
    source = base64.b64encode(data).decode()
    name = html.escape(panel.name)
    legend = " · crosses: truth" if len(panel.truth_x) else ""
    return (
        f'<figure><div class="picture"><img alt="{name}" width="{width}" height="{height}"'
        f' src="data:image/jpeg;base64,{source}"><svg viewBox="0 0 {width} {height}">'
        f'<g class="picks">{circles}</g><g class="truth">{crosses}</g></svg></div>'
        f'<figcaption>{name} · <span class="count"></span> picks{legend}</figcaption></figure>'
    )


def _problems(problems: Sequence[str]) -> str:
    if not problems:
        return ""
    items = "".join(f"<li>{html.escape(problem)}</li>" for problem in problems)
    return f'<div class="problems"><p>Left out:</p><ul>{items}</ul></div>'


def _count_table(counts: Mapping[str, int]) -> str:
    most = max([1, *counts.values()])
    rows = "".join(
        f'<tr><td>{html.escape(name)}</td><td class="number">{count}</td>'
        f'<td><div class="share" style="width:{160 * count / most:.0f}px"></div></td></tr>'
        for name, count in counts.items()
    )
    return f"<table><tr><th>micrograph</th><th>picks</th><th></th></tr>{rows}</table>"


def _table(header: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(_shown(value))}</td></tr>"
        for name, value in rows
    )
    head = f"<tr><th>{header[0]}</th><th>{header[1]}</th></tr>"
    return f'<table class="settings">{head}{cells}</table>'


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
