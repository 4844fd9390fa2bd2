"""What DeepPicker's studies share: the match radius and the figures.

Wang et al. (2016): a pick is right within 0.2 windows of a particle, deviations are told in windows, and precision
and recall are drawn against the number of picks taken over that of particles.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import _study, _study_plots
from experiments._study import Measured, rows_of
from jaxpick.methods import deeppicker

DIAMETERS = deeppicker.Spec().window_px / deeppicker.Spec().working.diameter_px
# 0.2 windows as a share of the diameter.
MATCHED = round(0.2 * DIAMETERS, 4)
HALF = 0.5
MOST_RATIO = 2.0
SHOWN = {
    "recall_at_half": ("recall above 0.5", 3),
    "deviation": ("deviation / window", 3),
    **_study.SHOWN,
}


def draw_recall(out: Path, measured: Measured) -> list[dict[str, Any]]:
    """Draw recall.png, above 0.5, and ratio.png, against picks over particles; return the rows."""
    rows, curves = _with_ratio(measured, rows_of(measured))
    _study_plots.bars(out / "recall.png", rows, {"recall_at_half": "Recall at scores above 0.5"})
    ratio = ("ratio", "Picks / particles")
    figures = {"recall": "recall", "precision": "precision"}
    _study_plots.curves(out / "ratio.png", curves, ratio, figures, "Recall, precision")
    return rows


def _with_ratio(
    measured: Measured, rows: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, list[list[dict[str, Any]]]]]:
    """Return the rows with recall above 0.5 and the deviation in windows, and curves against picks over particles."""
    curves: dict[str, list[list[dict[str, Any]]]] = {}
    full = []
    for one, row in zip(measured.outcomes, rows, strict=True):
        true = max(one.result.row["true"], 1)
        points = [{**p, "ratio": p["picked"] / true} for p in one.result.curve]
        shown = [p for p in points if p["ratio"] <= MOST_RATIO]
        curves.setdefault(one.condition.name.replace("_", " "), []).append(shown)
        full.append({**row, "recall_at_half": recall_at(points, HALF), "deviation": _windows(one)})
    return full, curves


def recall_at(curve: Sequence[Mapping[str, Any]], score: float) -> float | None:
    """Return the recall of the picks of at least a score; 0 where there are none."""
    above = [p["recall"] for p in curve if p["threshold"] >= score and p["recall"] is not None]
    return max(above, default=0.0) if curve else None


def _windows(one: Any) -> float | None:
    error = one.result.row["mean_center_error_angstrom"]
    return None if error is None else error / (one.data.diameter * DIAMETERS)
