"""Results as text: CSV, and the few lines that a reader wants to see first."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("threshold", "precision", "recall", "f1", "f2", "matched", "picked", "true")
EXTRA = ("accuracy", "accuracy_corrected", "f3", "dice", "picked_area_share")


def as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV, columns in order of first occurrence, undefined values empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row)) or list(COLUMNS)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def summary_text(metrics: Mapping[str, Any]) -> str:
    """Return the figures of an evaluation as a short table, with what was left out."""
    radius, micrographs = metrics["match_radius_angstrom"], metrics["micrographs"]
    average = _number(metrics["average_precision"])
    lines = [
        f"{metrics['protocol']}, radius {radius:.1f} angstrom, {micrographs} micrographs",
        f"average precision {average}{_interval(metrics['average_precision_interval'])}",
        f"{'':<10}" + "".join(f"{name:>10}" for name in (*COLUMNS, "error (A)")),
    ]
    for label, point in metrics["thresholds"].items():
        shown = [point[name] for name in (*COLUMNS, "mean_center_error_angstrom")]
        lines.append(f"{label:<10}" + "".join(f"{_number(value):>10}" for value in shown))
        others = [f"{name} {_number(point[name])}" for name in EXTRA if name in point]
        lines += [f"{'':<10}    {', '.join(others)}"] if others else []
    return "\n".join([*lines, *_remarks(metrics)])


def curve_text(metrics: Mapping[str, Any]) -> str:
    """Return the label of a curve."""
    average, micrographs = metrics["average_precision"], metrics["micrographs"]
    known = "" if average is None else f", average precision {average:.3f}"
    return f"{micrographs} micrographs{known}"


def point_text(point: Mapping[str, Any]) -> str:
    """Return the label of a point on a curve: its F1 and threshold."""
    threshold = "every pick" if point["threshold"] is None else f"score ≥ {point['threshold']:.3g}"
    return f"F1 {_number(point['f1'])}, {threshold}"


def _remarks(metrics: Mapping[str, Any]) -> list[str]:
    remarks = []
    for side in ("without_picks", "without_truth"):
        if left := metrics[f"micrographs_{side}"]:
            names = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
            remarks.append(f"{len(left)} micrographs {side.replace('_', ' ')}: {names}")
    for side in ("picks", "truths"):
        if count := metrics[f"{side}_in_margin"]:
            remarks.append(f"{count} {side} left out in the margin")
        if count := metrics[f"{side}_off_image"]:
            remarks.append(f"{count} {side} lie off their image: is the scale or the origin right?")
    if hint := metrics["orientation_hint"]:
        remarks.append(f"look at this: {hint}")
    return remarks


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
