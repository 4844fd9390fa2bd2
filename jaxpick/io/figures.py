"""Figures as SVG text: precision-recall curves with bands over seeds, and intervals of differences.

They stand in pages as they are and, with `standalone`, in files of their own.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxpick.io.report import ticks

# Okabe and Ito's colours, told apart by colour-blind readers; dashes tell a second round of them apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8c6d31")
DASHES = ("", "6 3", "2 2")
GRID = np.linspace(0.0, 1.0, 201)
STYLE = (
    "<style>text{font:12px system-ui,sans-serif;fill:#333}.axis{stroke:#333;fill:none}"
    ".grid{stroke:#e3e6ea;fill:none}.faint{fill:#999;font-size:10px}</style>"
)


class Line(NamedTuple):
    """Curves of one method, a list of rows each seed, and its point at its own threshold."""

    label: str
    curves: Sequence[Sequence[Mapping[str, Any]]]
    point: tuple[float | None, float | None]


def style_of(index: int) -> tuple[str, str]:
    """Return the colour and the dashes of a method by its place."""
    return COLORS[index % len(COLORS)], DASHES[index // len(COLORS) % len(DASHES)]


def precision_recall_svg(lines: Sequence[Line], title: str) -> str:
    """Return precision against recall, a line a method; its band spans the seeds, its dot is its threshold."""
    height = max(420, 60 + 20 * len(lines))
    longest = max([len(line.label) for line in lines], default=0)
    width = 486 + 7 * longest
    parts = [_axes(), *(_curve(line, index) for index, line in enumerate(lines))]
    for index, line in enumerate(lines):
        color, dash = style_of(index)
        y = 44 + 20 * index
        parts.append(
            f'<path d="M448 {y}h22" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"/>'
            f'<text x="476" y="{y + 4}">{html.escape(line.label)}</text>'
        )
    return (
        f'<svg class="curves" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'{STYLE}<text x="56" y="16">{html.escape(title)}</text>{"".join(parts)}</svg>'
    )


def seed_band(
    curves: Sequence[Sequence[Mapping[str, Any]]],
) -> Float[np.ndarray, "three recall"]:
    """Return the lowest, mean and highest precision of the seeds at each recall of a grid.

    NaN beyond the largest recall that all of them reach.
    """
    rows = []
    for curve in curves:
        kept = [(r["recall"], r["precision"]) for r in curve if r["recall"] is not None]
        recall, precision = np.asarray(kept, np.float64).reshape(-1, 2).T
        inside = (recall.max() if len(recall) else -1.0) >= GRID
        at = np.interp(GRID, recall, precision) if len(recall) else np.zeros_like(GRID)
        rows.append(np.where(inside, at, np.nan))
    stacked = np.stack(rows)
    return np.stack([stacked.min(axis=0), stacked.mean(axis=0), stacked.max(axis=0)])


def intervals_svg(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """Return differences as dots with their intervals, a line a row; those that leave 0 out are dark.

    Args:
        rows: each with label, difference, low, high and is_clear.
        title: above the axis.
    """
    known = [row for row in rows if row["difference"] is not None]
    ends = [
        row[name]
        for row in known
        for name in ("difference", "low", "high")
        if row[name] is not None
    ]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = 0.05 * (high - low) or 0.1
    low, high = low - room, high + room
    left = 24 + 7 * max([len(row["label"]) for row in known], default=0)
    bottom = 34 + 22 * len(known)

    def at(value: float) -> float:
        return left + 300 * (value - low) / (high - low)

    parts = [f'<path class="axis" d="M{left} {bottom}h300"/>']
    for value in ticks(low, high):
        x = at(float(value))
        parts.append(f'<path class="grid" d="M{x:.1f} 26V{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{value:.3g}</text>')
    parts.append(f'<path class="axis" d="M{at(0.0):.1f} 26V{bottom}"/>')
    for index, row in enumerate(known):
        y, color = 42 + 22 * index, "#111" if row["is_clear"] else "#8a94a0"
        if row["low"] is not None and row["high"] is not None:
            span = f"M{at(row['low']):.1f} {y}H{at(row['high']):.1f}"
            parts.append(f'<path d="{span}" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<circle cx="{at(row["difference"]):.1f}" cy="{y}" r="4" fill="{color}"/>')
        label = html.escape(row["label"])
        parts.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{label}</text>')
    width, height = max(left + 330, left + 7 * len(title)), bottom + 26
    return (
        f'<svg class="intervals" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'{STYLE}<text x="{left}" y="16">{html.escape(title)}</text>{"".join(parts)}</svg>'
    )


def standalone(svg: str) -> str:
    """Return a figure as the text of a file."""
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def _axes() -> str:
    """Return the frame of 350 x 350 pixels with its origin at (56, 376) and faint lines of equal F1."""
    parts = []
    for value in np.linspace(0, 1, 6):
        x, y = 56 + 350 * value, 376 - 350 * value
        parts.append(f'<path class="grid" d="M{x:.0f} 26V376M56 {y:.0f}H406"/>')
        parts.append(f'<text x="{x:.0f}" y="392" text-anchor="middle">{value:.1f}</text>')
        parts.append(f'<text x="50" y="{y + 4:.0f}" text-anchor="end">{value:.1f}</text>')
    for level in (0.2, 0.4, 0.6, 0.8, 0.9):
        recall = np.linspace(level / (2 - level), 1.0, 60)
        path = _path(recall, level * recall / (2 * recall - level))
        parts.append(f'<path class="grid" d="{path}" stroke-dasharray="2 3"/>')
        y = 376 - 350 * level / (2 - level)
        parts.append(f'<text class="faint" x="409" y="{y + 3:.0f}">F1 {level:g}</text>')
    parts.append('<path class="axis" d="M56 26V376H406"/>')
    parts.append('<text x="231" y="412" text-anchor="middle">recall</text>')
    parts.append('<text transform="translate(14 201) rotate(-90)" text-anchor="middle">')
    return "".join(parts) + "precision</text>"


def _curve(line: Line, index: int) -> str:
    color, dash = style_of(index)
    low, mean, high = seed_band(line.curves)
    # Picks without scores have one point, which is no curve.
    known = np.isfinite(mean) & any(len(curve) > 1 for curve in line.curves)
    parts = []
    if len(line.curves) > 1 and known.any():
        around = _path(
            np.append(GRID[known], GRID[known][::-1]), np.append(low[known], high[known][::-1])
        )
        parts.append(f'<path d="{around}Z" fill="{color}" fill-opacity="0.18"/>')
    parts.append(
        f'<path d="{_path(GRID[known], mean[known])}" fill="none" stroke="{color}"'
        f' stroke-width="1.8" stroke-dasharray="{dash}"/>'
    )
    recall, precision = line.point
    if recall is not None and precision is not None:
        x, y = 56 + 350 * recall, 376 - 350 * precision
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}" stroke="#fff"/>')
    return "".join(parts)


def _path(recall: np.ndarray, precision: np.ndarray) -> str:
    points = zip(56 + 350 * recall, 376 - 350 * precision, strict=True)
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) if len(recall) else ""
