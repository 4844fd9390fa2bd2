"""The picture report: one self-contained HTML page of micrographs with their picks.

Pictures are low-passed working images as embedded PNG; circles are drawn over them as SVG, one for every candidate, so
that the slider shows what another threshold would pick. Nothing is loaded from elsewhere.
"""

import base64
import dataclasses
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from jaxpick.io.files import replacing, write_text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture of the report.

    Attributes:
        name: caption.
        png: file with the picture, read when the report is written.
        scale: picture pixels per micrograph pixel.
        x, y: candidates in micrograph pixels.
        score: of each candidate.
        radius_px: of the circles, in micrograph pixels.
        truth_x, truth_y: centres that are known (simulated micrographs), drawn as crosses.
    """

    name: str
    png: Path
    scale: float
    x: np.ndarray
    y: np.ndarray
    score: np.ndarray
    radius_px: float
    truth_x: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    truth_y: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))


def write_picture(path: Path | str, image: Float[np.ndarray, "y x"], max_px: int = 900) -> float:
    """Write a grey 8-bit PNG of a normalised image (3 standard deviations around the mean), at most `max_px` wide.

    Returns:
        The scale: picture pixels per image pixel.
    """
    spread = 3 * float(np.std(image)) + 1e-9
    grey = np.clip((image - float(np.mean(image))) / spread * 127.5 + 127.5, 0, 255).astype(
        np.uint8
    )
    longest = max(image.shape)
    scale = max_px / longest if longest > max_px or longest < max_px / 2 else 1.0
    picture = Image.fromarray(grey)
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    if scale != 1.0:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    with replacing(path) as temporary:
        picture.save(temporary)
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
        settings: name -> value, shown as a table.
        problems: one sentence for each micrograph that was left out.
    """
    lowest = float(np.min(scores)) if len(scores) else 0.0
    highest = float(np.max(scores)) if len(scores) else 1.0
    body = [
        "<h1>Picks</h1>",
        f"<p>{sum(counts.values())} picks in {len(counts)} micrographs at threshold {threshold:.3g}.</p>",
        _problems(problems),
        f'<p class="bar"><label>threshold <input id="cut" type="range" min="{lowest:.4f}" max="{highest:.4f}"'
        f' step="0.005" value="{threshold:.4f}"></label> <output id="shown"></output></p>',
        '<section class="panels">' + "".join(_panel(panel) for panel in panels) + "</section>",
        "<h2>Scores of all candidates</h2>",
        histogram_svg(scores, threshold),
        "<h2>Picks in each micrograph</h2>",
        _table(("micrograph", "picks"), counts.items()),
        "<h2>Settings</h2>",
        _table(("setting", "value"), settings.items()),
    ]
    write_text(path, _PAGE.replace("BODY", "\n".join(body)))


def histogram_svg(scores: np.ndarray, threshold: float, bins: int = 50) -> str:
    """Return an inline SVG histogram of scores with a line at the threshold."""
    if not len(scores):
        return "<p>No candidates.</p>"
    heights, edges = np.histogram(scores, bins=bins)
    width, height, left, bottom = 640, 180, 50, 30
    step, span = (width - left) / bins, max(edges[-1] - edges[0], 1e-9)
    tallest = max(int(heights.max()), 1)
    bars = "".join(
        f'<rect x="{left + i * step:.1f}" y="{height - h / tallest * height:.1f}" width="{step * 0.9:.1f}"'
        f' height="{h / tallest * height:.1f}"/>'
        for i, h in enumerate(heights)
    )
    at = left + (threshold - edges[0]) / span * (width - left)
    line = f'<line class="cut" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{height}"/>'
    ticks = "".join(
        f'<text x="{left + f * (width - left):.0f}" y="{height + 18}" text-anchor="middle">{edges[0] + f * span:.2f}</text>'
        for f in (0, 0.25, 0.5, 0.75, 0.97)
    )
    top = f'<text x="{left - 6}" y="12" text-anchor="end">{tallest}</text>'
    return f'<svg class="histogram" viewBox="0 0 {width} {height + bottom}">{bars}{line}{ticks}{top}</svg>'


def _panel(panel: Panel) -> str:
    data = panel.png.read_bytes()
    width, height = Image.open(io.BytesIO(data)).size
    radius = panel.radius_px * panel.scale
    circles = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" data-s="{s:.4f}"/>'
        for x, y, s in zip(panel.x * panel.scale, panel.y * panel.scale, panel.score, strict=True)
    )
    crosses = "".join(
        f'<path d="M{x - 3:.1f} {y:.1f}h6M{x:.1f} {y - 3:.1f}v6"/>'
        for x, y in zip(panel.truth_x * panel.scale, panel.truth_y * panel.scale, strict=True)
    )
    source = base64.b64encode(data).decode()
    legend = " · crosses: truth" if len(panel.truth_x) else ""
    return (
        f'<figure><div class="picture"><img alt="" width="{width}" height="{height}" src="data:image/png;base64,{source}">'
        f'<svg viewBox="0 0 {width} {height}"><g class="picks">{circles}</g><g class="truth">{crosses}</g></svg></div>'
        f'<figcaption>{html.escape(panel.name)} · <span class="count"></span> picks shown{legend}</figcaption></figure>'
    )


def _problems(problems: Sequence[str]) -> str:
    if not problems:
        return ""
    items = "".join(f"<li>{html.escape(problem)}</li>" for problem in problems)
    return f'<div class="problems"><p>Left out:</p><ul>{items}</ul></div>'


def _table(header: tuple[str, str], rows: object) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(str(name))}</td><td>{html.escape(_shown(value))}</td></tr>"
        for name, value in rows  # type: ignore[attr-defined]
    )
    return f"<table><tr><th>{header[0]}</th><th>{header[1]}</th></tr>{cells}</table>"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>jaxpick: picks</title>
<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1280px; padding: 0 1em; color: #1b1f24; background: #fff; }
h1, h2 { font-weight: 600; margin: 1.2em 0 .4em; }
.bar { position: sticky; top: 0; background: #fff; padding: .5em 0; z-index: 1; border-bottom: 1px solid #d8dee4; }
.bar input { width: 20em; vertical-align: middle; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(560px, 100%), 1fr)); gap: 1.2em; }
figure { margin: 0; } figcaption { color: #57606a; overflow-wrap: anywhere; }
.picture { position: relative; line-height: 0; } .picture img { width: 100%; height: auto; }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.picks circle { fill: none; stroke: #2ee62e; stroke-width: 1.5; } .truth path { stroke: #ffb000; stroke-width: 1.2; fill: none; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15em 1.5em .15em 0; border-bottom: 1px solid #eaeef2; overflow-wrap: anywhere; }
.histogram { max-width: 640px; } .histogram rect { fill: #4c78a8; } .histogram .cut { stroke: #d62728; stroke-width: 2; } .histogram text { font-size: 12px; fill: #57606a; }
.problems { background: #fff8c5; padding: .2em 1em; }
@media print { .bar { display: none; } }
</style></head><body>
BODY
<script>
const cut = document.getElementById("cut"), shown = document.getElementById("shown");
function draw() {
  shown.value = Number(cut.value).toFixed(3);
  for (const figure of document.querySelectorAll("figure")) {
    let count = 0;
    for (const circle of figure.querySelectorAll(".picks circle")) {
      const on = Number(circle.dataset.s) >= Number(cut.value);
      circle.style.display = on ? "" : "none"; count += on;
    }
    figure.querySelector(".count").textContent = count;
  }
}
cut.addEventListener("input", draw); draw();
</script></body></html>
"""
