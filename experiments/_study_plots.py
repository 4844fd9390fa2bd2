"""Figures of the studies: curves of each condition, figures against a setting, distributions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments._plot import COLORS, _f1_contours, _new_figure, save
from experiments._study import Measured

Row = Mapping[str, Any]
MOST_TICKS = 8


def by_condition(measured: Measured) -> dict[str, list[Sequence[Row]]]:
    """Return the curves of each condition, one a seed and set."""
    found: dict[str, list[Sequence[Row]]] = {}
    for one in measured.outcomes:
        found.setdefault(one.condition.name.replace("_", " "), []).append(one.result.curve)
    return found


def precision_recall(path: Path, measured: Measured) -> None:
    """Draw precision against recall, a colour a condition, a line a seed and set."""
    figure, axes = _new_figure("")
    _f1_contours(axes)
    _lines(axes, by_condition(measured), "recall", "precision")
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="Recall", ylabel="Precision")
    axes.set_aspect("equal")
    axes.legend(loc="lower left", frameon=False, fontsize=9)
    save(figure, path)


def curves(
    path: Path,
    groups: Mapping[str, Sequence[Sequence[Row]]],
    x: tuple[str, str],
    ys: Mapping[str, str],
    y_label: str,
    marks: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """Draw columns of curves against one of them.

    Args:
        path: image file to write.
        groups: label -> curves in its colour, one a seed and set.
        x: column and label.
        ys: column -> label; the second one is dashed.
        y_label: beside the figure.
        marks: label -> point that an arrow shows.
    """
    figure, axes = _new_figure("")
    for (name, label), style in zip(ys.items(), ("-", "--", ":"), strict=False):
        tail = f", {label}" if len(ys) > 1 else ""
        _lines(axes, {f"{key}{tail}": value for key, value in groups.items()}, x[0], name, style)
    for (_, point), color in zip((marks or {}).items(), COLORS, strict=False):
        axes.annotate(
            f"{point[0]:.3g}",
            point,
            (0, 22),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=color,
            arrowprops={"arrowstyle": "->", "color": color},
        )
    axes.set(ylim=(0, 1.08), xlabel=x[1], ylabel=y_label)
    _legend_below(axes)
    save(figure, path)


def against(
    path: Path,
    rows: Sequence[Row],
    x: tuple[str, str],
    ys: Mapping[str, str],
    by: str | None = None,
    log: bool = False,
    top: float | None = 1.02,
) -> None:
    """Draw figures against a setting, a colour for each value of `by` or figure; means over seeds, bars from lowest to
    highest.
    """
    figure, axes = _new_figure("")
    groups: list[Any] = list(dict.fromkeys(row[by] for row in rows)) if by else [None]
    lines = [(group, name) for group in groups for name in ys]
    for index, (group, name) in enumerate(lines):
        mine = [row for row in rows if by is None or row[by] == group]
        places, values = _grouped(mine, x[0], name)
        middle = np.array([np.mean(v) for v in values])
        ends = [middle - [min(v) for v in values], [max(v) for v in values] - middle]
        words = [str(group)] if by else []
        words += [ys[name]] if len(ys) > 1 or not by else []
        color, error = COLORS[index % len(COLORS)], ends if np.any(ends) else None
        axes.errorbar(places, middle, error, marker="o", markersize=4, capsize=3, color=color)
        axes.lines[-1].set_label(None)
        axes.plot([], [], color=color, marker="o", markersize=4, label=", ".join(words))
    if log:
        axes.set_xscale("log")
        axes.minorticks_off()
    ticks = sorted({row[x[0]] for row in rows})
    if len(ticks) <= MOST_TICKS:
        axes.set_xticks(ticks, [f"{float(f'{tick:.3g}'):g}" for tick in ticks])
    axes.set(ylim=(0, top), xlabel=x[1], ylabel="" if len(ys) > 1 else next(iter(ys.values())))
    _legend_below(axes)
    save(figure, path)


def bars(path: Path, rows: Sequence[Row], ys: Mapping[str, str], y_label: str = "") -> None:
    """Draw figures of each condition as bars beside one another; means over seeds and sets."""
    figure, axes = _new_figure("")
    names = list(dict.fromkeys(row["condition"] for row in rows))
    figure.set_size_inches(max(4.0, 0.9 * len(names) * max(1, len(ys) / 2) + 1.5), 4.2)
    width = 0.8 / len(ys)
    for index, (column, label) in enumerate(ys.items()):
        places, values = _grouped(rows, "condition", column)
        at = [names.index(place) + (index - (len(ys) - 1) / 2) * width for place in places]
        middle = np.array([np.mean(v) for v in values])
        ends = [middle - [min(v) for v in values], [max(v) for v in values] - middle]
        error = ends if np.any(ends) else None
        axes.bar(at, middle, width, yerr=error, capsize=2, color=COLORS[index], label=label)
    axes.set_xticks(range(len(names)))
    axes.set_xticklabels([n.replace("_", " ") for n in names], rotation=25, ha="right", fontsize=9)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylabel(y_label or ", ".join(ys.values()))
    if len(ys) > 1:
        _legend_below(axes, -0.3)
    save(figure, path)


def average_precision(path: Path, rows: Sequence[Row], sets: Sequence[str]) -> None:
    """Draw the average precision of each condition, a bar a set."""
    by_set = [{**row, f"AP, {row['set']}": row["average_precision"]} for row in rows]
    labels = {f"AP, {name}": name.replace("_", " ") for name in sets}
    bars(path, by_set, labels, "Average precision")


def histograms(
    path: Path,
    values: Mapping[str, np.ndarray],
    x_label: str,
    cuts: Mapping[str, float | None] | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Draw a histogram in a panel for each label, with a line at its cut where it has one."""
    figure, _ = _new_figure("")
    figure.clear()
    figure.set_size_inches(3.8 * len(values), 3.4)
    panels = figure.subplots(1, len(values), squeeze=False)[0]
    for (label, mine), panel, color in zip(
        values.items(), panels, _cycle(len(values)), strict=True
    ):
        last = limits or (0.0, float(np.percentile(mine, 99.5)) if len(mine) else 1.0)
        panel.hist(mine, bins=50, range=last, color=color)
        cut = (cuts or {}).get(label)
        if cut is not None:
            panel.axvline(cut, color="#222222", linewidth=1.0, linestyle="--")
            panel.annotate(
                f" {cut:.3g}", (cut, 0.95), xycoords=("data", "axes fraction"), fontsize=8
            )
        panel.set(xlabel=x_label, ylabel="Number")
        panel.set_title(f"{label} ({len(mine)})", fontsize=9, loc="left")
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    save(figure, path)


def _lines(
    axes: Any, groups: Mapping[str, Sequence[Sequence[Row]]], x: str, y: str, style: str = "-"
) -> None:
    for (label, found), color in zip(groups.items(), _cycle(len(groups)), strict=True):
        for index, rows in enumerate(found):
            points = [(r[x], r[y]) for r in rows if r[x] is not None and r[y] is not None]
            xs, values = np.transpose(points) if points else ([], [])
            own = label if index == 0 else None
            axes.plot(xs, values, style, color=color, linewidth=1.7, label=own)


def _grouped(rows: Sequence[Row], x: str, y: str) -> tuple[list[Any], list[list[float]]]:
    found: dict[Any, list[float]] = {}
    for row in rows:
        if row.get(y) is not None:
            found.setdefault(row[x], []).append(float(row[y]))
    return list(found), list(found.values())


def _legend_below(axes: Any, at: float = -0.14) -> None:
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, at), ncols=2)


def _cycle(count: int) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(count)]
