"""Figures of many runs: what came out against what was set."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments._plot import COLORS, _new_figure, save

PANELS_IN_A_LINE = 3
DECADES_OF_A_LOGARITHM = 1.5


def against_setting(
    path: Path, setting: str, figures: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Draw figures against a setting, a panel each: every run as a point, their means as a line.

    Figures without a number in any row are left out; nothing is written where that leaves none.

    Args:
        path: image file to write, its format by its suffix.
        setting: column along x; text and truth values stand side by side.
        figures: columns along y.
        rows: of the table.
    """
    drawn = {name: points for name in figures if (points := _points(setting, name, rows))}
    if not drawn:
        return
    places = _places([x for points in drawn.values() for x, _ in points])
    num_lines = -(-len(drawn) // PANELS_IN_A_LINE)
    num_columns = min(len(drawn), PANELS_IN_A_LINE)
    figure, _ = _new_figure("")
    figure.clear()
    figure.set_size_inches(4.2 * num_columns, 3.4 * num_lines)
    panels = figure.subplots(num_lines, num_columns, squeeze=False).ravel()
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    for axes, (name, points) in zip(panels, drawn.items(), strict=False):
        _panel(axes, points, places)
        axes.set(xlabel=setting, ylabel=name)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    save(figure, path)


def _panel(axes: Any, points: Sequence[tuple[Any, float]], places: Mapping[Any, float]) -> None:
    """Draw one figure; `places` says where along x each value of the setting stands."""
    at_place: dict[float, list[float]] = defaultdict(list)
    for value, y in points:
        at_place[places[value]].append(y)
    means = sorted((x, sum(ys) / len(ys)) for x, ys in at_place.items())
    axes.plot(*zip(*means, strict=True), color=COLORS[0], linewidth=1.5)
    xs = [places[value] for value, _ in points]
    axes.plot(xs, [y for _, y in points], "o", color=COLORS[0], markersize=4, alpha=0.6)
    if not all(_is_number(value) for value in places):
        labels = [str(value) for value in places]
        slant = {"rotation": 30, "ha": "right"} if max(map(len, labels)) > 6 else {}
        axes.set_xticks(list(places.values()), labels, **slant)
    elif min(places) > 0 and math.log10(max(places) / min(places)) > DECADES_OF_A_LOGARITHM:
        axes.set_xscale("log")


def _points(
    setting: str, figure: str, rows: Sequence[Mapping[str, Any]]
) -> list[tuple[Any, float]]:
    """Return (value of the setting, figure) of the rows that have both."""
    return [
        (row[setting], row[figure])
        for row in rows
        if row[setting] is not None and _is_number(row[figure])
    ]


def _places(values: Sequence[Any]) -> dict[Any, float]:
    """Return where along x each value stands: at itself if all are numbers, else one beside another."""
    if all(_is_number(value) for value in values):
        return {value: float(value) for value in sorted(set(values))}
    named = {str(value): value for value in values}
    return {named[name]: float(place) for place, name in enumerate(sorted(named))}


def _is_number(value: Any) -> bool:
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    return is_plain and math.isfinite(value)
