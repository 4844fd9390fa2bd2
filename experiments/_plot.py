"""Figures of the experiments.

Matplotlib is imported when a figure is drawn, with its file backend, never a window.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxpick.io.files import replacing

# Blue, orange, green, purple, red, grey: told apart by colour-blind readers and in this order.
COLORS = ("#1f6fb4", "#d95f02", "#1b9e77", "#7b5ea7", "#c2374a", "#6b6b6b")


def precision_recall(
    path: Path,
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    points: Mapping[str, tuple[float | None, float | None]] | None = None,
    title: str = "",
) -> None:
    """Draw precision against recall.

    Args:
        path: image file to write, its format by its suffix.
        curves: by label, the rows of `Evaluation.curve`.
        points: by label, (recall, precision) to mark; those undefined are left out.
        title: over the figure.
    """
    figure, axes = _new_figure(title)
    _f1_contours(axes)
    for (label, rows), color in zip(curves.items(), _colors(len(curves)), strict=True):
        recall = [row["recall"] for row in rows if row["recall"] is not None]
        precision = [row["precision"] for row in rows if row["recall"] is not None]
        marker = "o" if len(recall) == 1 else None
        axes.plot(recall, precision, color=color, linewidth=1.8, marker=marker, label=label)
    for index, (label, (recall_at, precision_at)) in enumerate((points or {}).items()):
        if recall_at is not None and precision_at is not None:
            marker = "osD^v"[index % 5]
            axes.plot(
                [recall_at], [precision_at], marker, color="#222222", markersize=6, label=label
            )
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="Recall", ylabel="Precision")
    axes.set_aspect("equal")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", frameon=False, fontsize=9)
    save(figure, path)


def against(
    path: Path,
    x_name: str,
    y_names: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    x_label: str,
    mark: float | None = None,
) -> None:
    """Draw columns of a table against one of them; undefined values are left out.

    Args:
        path: image file to write, its format by its suffix.
        x_name: column along x.
        y_names: columns along y with their labels.
        rows: of the table.
        x_label: under the figure.
        mark: where to draw a vertical line.
    """
    figure, axes = _new_figure("")
    for (name, label), color in zip(y_names.items(), _colors(len(y_names)), strict=True):
        points = [(row[x_name], row[name]) for row in rows if row[name] is not None]
        axes.plot(*zip(*points, strict=True), color=color, linewidth=1.8, label=label)
    _mark(axes, mark)
    axes.set(ylim=(0, 1.02), xlabel=x_label)
    axes.legend(frameon=False, fontsize=9)
    save(figure, path)


def histogram(
    path: Path, values: Sequence[float] | np.ndarray, label: str, mark: float | None = None
) -> None:
    """Draw a histogram of values up to their 99.5th percentile, with a line at `mark`."""
    figure, axes = _new_figure("")
    shown = np.asarray(values)[np.asarray(values) <= np.percentile(values, 99.5)]
    axes.hist(shown, bins=60, color=COLORS[0])
    _mark(axes, mark)
    axes.set(xlabel=label, ylabel="Number")
    save(figure, path)


def training_curves(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Draw loss and accuracy of each stage against its steps, training and validation (PARSED's Fig. S2).

    Args:
        path: image file to write, its format by its suffix.
        rows: of metrics.csv.
    """
    stages = dict.fromkeys(row["stage"] for row in rows)
    names = [name for name in ("loss", "accuracy") if any(row.get(name) for row in rows)]
    figure, _ = _new_figure("")
    figure.clear()
    figure.set_size_inches(4.2 * len(names), 3.2 * len(stages))
    panels = figure.subplots(len(stages), len(names), squeeze=False)
    for stage, line in zip(stages, panels, strict=True):
        for name, axes in zip(names, line, strict=True):
            for split, color in (("train", COLORS[0]), ("validation", COLORS[1])):
                chosen = [r for r in rows if (r["stage"], r["split"]) == (stage, split)]
                points = [(int(r["step"]), float(r[name])) for r in chosen if r.get(name)]
                marker = "o" if split == "validation" else None
                axes.plot(*np.transpose(points or np.zeros((0, 2))), color=color, marker=marker)
                axes.lines[-1].set(linewidth=1.5, markersize=3, label=split)
            axes.set(xlabel="Step", ylabel=name.capitalize(), title=stage)
            axes.spines[["top", "right"]].set_visible(False)
    panels[0, 0].legend(frameon=False, fontsize=9)
    figure.tight_layout()
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write a figure whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, bbox_inches="tight")


def _new_figure(title: str) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 5.2))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _mark(axes: Any, at: float | None) -> None:
    if at is not None:
        axes.axvline(at, color="#222222", linewidth=1.0, linestyle="--")
        axes.annotate(f"{at:.3g}", (at, 0.99), xycoords=("data", "axes fraction"), fontsize=8)


def _f1_contours(axes: Any) -> None:
    """Draw faint lines of equal F1, labelled at the right border."""
    for level in (0.2, 0.4, 0.6, 0.8, 0.9):
        recall = np.linspace(level / (2 - level), 1.0, 100)
        axes.plot(
            recall, level * recall / (2 * recall - level), color="#dddddd", linewidth=0.8, zorder=0
        )
        height = level / (2 - level)
        axes.annotate(
            f"F1 {level:g}", (1.02, height), fontsize=7, color="#888888", annotation_clip=False
        )


def _colors(count: int) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(count)]
