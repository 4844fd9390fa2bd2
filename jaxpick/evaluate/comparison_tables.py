"""Tables of a comparison: over all sets at a glance, set by set, and for LaTeX.

A row is what `table.csv` holds of one method, set and seed. Several seeds of a method become their
mean and, behind a plus-minus, their standard deviation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Row = Mapping[str, Any]
DETAILS = (
    ("average_precision", "AP", 3),
    ("f1", "F1", 3),
    ("best_f1", "best F1", 3),
    ("precision", "precision", 3),
    ("recall", "recall", 3),
    ("mean_center_error_angstrom", "centre error (Å)", 1),
    ("seconds_per_micrograph", "s / micrograph", 2),
    ("parameters", "parameters", 0),
    ("training_seconds", "training (min)", 1),
)
NOTE = (
    "AP: average precision over all particles; F1: at the method's own threshold; best F1: at the "
    "threshold that is best in hindsight; precision, recall and centre error: at its own."
)


def by_method(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of each (set, method), one a seed, in order of first occurrence."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["set"], row["method"]), []).append(row)
    return found


def mean_and_spread(rows: Sequence[Row], name: str) -> tuple[float | None, float | None]:
    """Return the mean over seeds and its standard deviation (None for a single one)."""
    values = [float(row[name]) for row in rows if row.get(name) is not None]
    if not values:
        return None, None
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def markdown(
    rows: Sequence[Row],
    differences: Sequence[Row],
    about: Mapping[str, str],
    failures: Sequence[str],
    heading: str,
) -> str:
    """Return the comparison as Markdown.

    Args:
        rows: of all methods, sets and seeds.
        differences: rows of `comparison.difference_rows`.
        about: set -> what it shows.
        failures: a sentence each.
        heading: under the title: protocol, radius, baseline.
    """
    parts = ["# Comparison", heading, NOTE]
    if rows:
        parts += ["## All sets: AP, F1 (best F1)", _table(*overview(rows))]
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        counts = f"{own[0]['micrographs']} micrographs, {own[0]['true']} particles"
        parts += [f"## {name} ({about[name]}; {counts})", _table(*details(own))]
    if differences:
        remark = "Paired over micrographs; an asterisk: the interval leaves 0 out."
        parts += ["## Differences from the baseline", remark]
        parts.append(_table(*difference_table(differences)))
    heading_of, lines = overlap_table(rows)
    if lines:
        parts += ["## What training and test share", _table(heading_of, lines)]
    if failures:
        parts += ["## Failures", "\n".join(f"- {failure}" for failure in failures)]
    return "\n\n".join(parts) + "\n"


def overview(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the lines of the table of methods against sets."""
    grouped = by_method(rows)
    sets, methods = (list(dict.fromkeys(key[i] for key in grouped)) for i in (0, 1))
    lines = []
    for method in methods:
        cells = [_short(grouped.get((name, method), [])) for name in sets]
        lines.append([method, *cells])
    return ["method", *sets], lines


def details(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the lines of one set's table, the best average precision first."""
    grouped = {method: group for (_, method), group in by_method(rows).items()}
    order = sorted(
        grouped, key=lambda m: -(mean_and_spread(grouped[m], "average_precision")[0] or 0)
    )
    lines = []
    for method in order:
        cells = [cell(grouped[method], name, digits) for name, _, digits in DETAILS]
        cells[0] += interval_text(grouped[method])
        lines.append([method, *cells])
    return ["method", *(label for _, label, _ in DETAILS)], lines


def overlap_table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the lines of what each method has seen of each set."""
    found = {(row["method"], row["set"]): row.get("training_overlap") for row in rows}
    return ["method", "set", "shared"], [[*key, text] for key, text in found.items() if text]


def difference_table(differences: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the lines of the differences; an asterisk where 0 is left out."""
    names = {"average_precision": "AP", "f1": "F1"}
    lines = [
        [row["set"], row["method"], names[row["figure"]], _difference(row)] for row in differences
    ]
    return ["set", "method", "figure", "difference [interval]"], lines


def cell(rows: Sequence[Row], name: str, digits: int) -> str:
    """Return one figure of a method as text: mean and spread over seeds."""
    value, spread = mean_and_spread(rows, name)
    if value is None:
        return "–"
    scale = 1 / 60 if name == "training_seconds" else 1.0
    if digits == 0:
        return f"{value:,.0f}".replace(",", " ")
    text = f"{scale * value:.{digits}f}"
    return text if spread is None else f"{text} ± {scale * spread:.{digits}f}"


def interval_text(rows: Sequence[Row]) -> str:
    """Return the interval of a single seed's average precision, with a blank before it."""
    low, high = (rows[0].get(f"average_precision_{end}") for end in ("low", "high"))
    if len(rows) > 1 or low is None or high is None:
        return ""
    return f" [{low:.3f}, {high:.3f}]"


def latex(rows: Sequence[Row], caption: str) -> str:
    """Return a table for LaTeX (booktabs): methods against figures, set under set."""
    columns = [entry for entry in DETAILS if entry[0] != "training_seconds"]
    heading = " & ".join(["Method", *(_escaped(label) for _, label, _ in columns)])
    lines = [
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{_escaped(caption)}}}",
        f"\\begin{{tabular}}{{l{'r' * len(columns)}}}",
        "\\toprule",
        f"{heading} \\\\",
    ]
    grouped = by_method(rows)
    for name in dict.fromkeys(row["set"] for row in rows):
        lines += [
            "\\midrule",
            f"\\multicolumn{{{len(columns) + 1}}}{{l}}{{\\emph{{{_escaped(name)}}}}} \\\\",
        ]
        for (own, method), group in grouped.items():
            if own == name:
                cells = [_escaped(cell(group, figure, digits)) for figure, _, digits in columns]
                lines.append(f"{_escaped(method)} & {' & '.join(cells)} \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", "\\end{table}"]) + "\n"


def _short(rows: Sequence[Row]) -> str:
    if not rows:
        return "–"
    average, f1, best = (cell(rows, name, 3) for name in ("average_precision", "f1", "best_f1"))
    return f"{average}, {f1} ({best})"


def _difference(row: Row) -> str:
    text = "–" if row["difference"] is None else f"{row['difference']:+.3f}"
    known = row["low"] is not None and row["high"] is not None
    interval = f" [{row['low']:+.3f}, {row['high']:+.3f}]" if known else ""
    return f"{text}{interval}{' *' if row['is_clear'] else ''}"


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    numeric = ["---", *("---:" for _ in heading[1:])]
    rows = [heading, numeric, *([text.replace("|", "\\|") for text in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _escaped(text: str) -> str:
    known = {
        "\\": "\\textbackslash{}",
        "Å": "\\AA{}",
        "–": "--",
        "±": "$\\pm$",
        "~": "\\textasciitilde{}",
    }
    known |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
    return "".join(known.get(letter, letter) for letter in text)
