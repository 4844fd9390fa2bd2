"""Plain tables with one header line: `micrograph,x,y,score,...` and close relatives, comma,
semicolon or tab separated.

Convention: the house's own, x and y in pixels of the micrograph as stored, 0-based, pixel centres
at integers, y down the rows of the file; nothing is rounded. A table without a column of
micrographs is one micrograph's, named by the file. Headings are understood in the spellings below;
unknown columns travel as `extra`.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxpick.io.conventions import (
    CoordinateOptions,
    group_by_micrograph,
    micrograph_of_file,
    pixel_size_of,
    read_part,
    read_table,
    write_y,
)
from jaxpick.io.files import InputError, write_text
from jaxpick.io.nouns import Picks
from jaxpick.io.star import StarBlock, numbers, read_text

SPELLINGS = {
    "micrograph": (
        "micrograph",
        "micrograph_name",
        "image_name",
        "image",
        "filename",
        "micrographs filename",
    ),
    "x": ("x", "x_coord", "x_px", "center_x", "x-coordinate", "rlncoordinatex"),
    "y": ("y", "y_coord", "y_px", "center_y", "y-coordinate", "rlncoordinatey"),
    "score": ("score", "confidence", "fom", "rlnautopickfigureofmerit"),
    "diameter_angstrom": ("diameter_angstrom",),
    "pixel_size_angstrom": ("pixel_size_angstrom",),
    "method": ("method",),
}


def read(path: Path, options: CoordinateOptions) -> list[Picks]:
    """Read a table of coordinates.

    Raises:
        InputError: when a heading, a value or a whole column is not what it should be.
    """
    return picks_of_table(read_columns(path), path, options)


def read_columns(path: Path) -> StarBlock:
    """Read headings and columns as text; known headings come back in the house's spelling."""
    text = read_text(path)
    lines = text.lstrip().splitlines()
    if not lines:
        raise InputError(f"{path}: is empty; expected a table whose first line names its columns")
    delimiter = next((sign for sign in "\t,;" if sign in lines[0]), None)
    if delimiter is None:
        raise InputError(
            f"{path}: line 1 is {lines[0][:60]!r}; expected headings such as micrograph,x,y,score"
        )
    try:
        rows = [
            row
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            if any(map(str.strip, row))
        ]
    except csv.Error as error:
        raise InputError(f"{path}: not a readable table ({error})") from error
    headings = [_heading(word) for word in rows[0]]
    _check_table(headings, rows, path)
    values = [list(column) for column in zip(*rows[1:], strict=True)] or [[] for _ in headings]
    return StarBlock(name="", columns=dict(zip(headings, values, strict=True)))


def _heading(word: str) -> str:
    plain = word.strip().lower().lstrip("_")
    return next((name for name, spellings in SPELLINGS.items() if plain in spellings), word.strip())


def _check_table(headings: list[str], rows: list[list[str]], path: Path) -> None:
    absent = [name for name in ("x", "y") if name not in headings]
    if absent:
        have = ", ".join(rows[0])[:120]
        raise InputError(
            f"{path}: no column {absent[0]} (has {have!r}); expected headings like micrograph,x,y"
        )
    if len(set(headings)) < len(headings):
        raise InputError(f"{path}: two columns mean the same ({', '.join(rows[0])[:120]!r})")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(headings):
            raise InputError(
                f"{path}: row {number} has {len(row)} values, expected {len(headings)}"
            )


def picks_of_table(table: StarBlock, path: Path, options: CoordinateOptions) -> list[Picks]:
    """Turn columns into picks, one for each micrograph."""
    source = str(path)
    name = micrograph_of_file(path)
    extra = {
        label: _column(table, label, source) for label in table.columns if label not in SPELLINGS
    }
    if "pixel_size_angstrom" in table.columns:
        extra["pixel_size_angstrom"] = numbers(table, "pixel_size_angstrom", source, missing=np.nan)
    if "method" in table.columns:
        extra["method"] = np.array(table.columns["method"], dtype=str)
    picks = read_table(
        name,
        numbers(table, "x", source),
        numbers(table, "y", source),
        CoordinateOptions(),
        score=numbers(table, "score", source, missing=1.0) if "score" in table.columns else None,
        diameter_angstrom=_diameters(table, source),
        extra=extra,
    )
    names = table.columns.get("micrograph")
    parts = [picks] if names is None else group_by_micrograph(names, picks)
    return [_finish(part, options) for part in parts]


def _finish(picks: Picks, options: CoordinateOptions) -> Picks:
    extra = dict(picks.extra)
    sizes, methods = (extra.pop(name, np.empty(0)) for name in ("pixel_size_angstrom", "method"))
    method = str(methods[0]) if len(methods) else ""
    return read_part(picks, sizes, options, method=method, extra=extra)


def _diameters(table: StarBlock, source: str) -> np.ndarray | float:
    if "diameter_angstrom" not in table.columns:
        return float("nan")
    return numbers(table, "diameter_angstrom", source, missing=np.nan)


def _column(table: StarBlock, label: str, source: str) -> np.ndarray:
    try:
        return numbers(table, label, source, missing=np.nan)
    except InputError:
        return np.array(table.columns[label], dtype=str)


def write(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write every micrograph into one table, all columns, without rounding."""
    _write_columns(path, picks, options, ["micrograph"])


def write_one(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write one micrograph; without particles no row names it, so the file's name has to."""
    _write_columns(path, picks, options, ["micrograph"] if any(len(part) for part in picks) else [])


def _write_columns(
    path: Path, picks: Sequence[Picks], options: CoordinateOptions, first: list[str]
) -> None:
    extras = list(dict.fromkeys(name for part in picks for name in part.extra))
    optional = {
        "diameter_angstrom": any(np.isfinite(part.diameter_angstrom).any() for part in picks),
        "pixel_size_angstrom": any(pixel_size_of(part, options) is not None for part in picks),
        "method": any(part.method for part in picks),
    }
    used = [name for name, is_used in optional.items() if is_used]
    headings = [*first, "x", "y", "score", *used, *extras]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    for part in picks:
        columns = _columns(part, options)
        blank = [""] * len(part)
        writer.writerows(zip(*(columns.get(heading, blank) for heading in headings), strict=True))
    write_text(path, text.getvalue())


def _columns(picks: Picks, options: CoordinateOptions) -> dict[str, list[object]]:
    size = pixel_size_of(picks, options)
    return {
        **{name: np.asarray(values).tolist() for name, values in picks.extra.items()},
        "micrograph": [picks.micrograph] * len(picks),
        "x": (picks.x / options.scale).tolist(),
        "y": (write_y(picks, options) / options.scale).tolist(),
        "score": picks.score.tolist(),
        "diameter_angstrom": ["" if np.isnan(d) else d for d in picks.diameter_angstrom.tolist()],
        "pixel_size_angstrom": ["" if size is None else size] * len(picks),
        "method": [picks.method] * len(picks),
    }
