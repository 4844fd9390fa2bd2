"""RELION STAR coordinates, before and after 3.1.

Convention: rlnCoordinateX/Y are the particle's centre in pixels of the micrograph as stored,
0-based, no flip (RELION, preprocessing.cpp: a box of n pixels is cut from x - n/2). Extraction
truncates fractions, so whole pixels are written unless `subpixel`. Per-micrograph files carry no
micrograph name: the file's name is it; particle tables have rlnMicrographName. Scores are
rlnAutopickFigureOfMerit; rlnClassNumber and rlnAnglePsi are written as 0 where picks have none
(autopicker.cpp). Pixel sizes: rlnMicrographPixelSize, else rlnImagePixelSize, of the optics group
(3.1), else from detector and magnification. Other columns travel as `extra` under their own labels;
extras whose name starts with rln are written back.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxpick.io.conventions import (
    CoordinateOptions,
    exported,
    group_by_micrograph,
    micrograph_of_file,
    pixel_size_of,
    read_part,
    read_table,
    write_y,
)
from jaxpick.io.files import InputError
from jaxpick.io.micrographs import old_pixel_sizes, optics_pixel_sizes, resolve
from jaxpick.io.nouns import Picks
from jaxpick.io.star import StarBlock, numbers, read_star, write_star

_X, _Y, _SCORE = "rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit"
_NAME, _FILES, _DIAMETER = "rlnMicrographName", "rlnMicrographCoordinates", "rlnParticleDiameter"
_OWN = {_X, _Y, _SCORE, _NAME, _DIAMETER, "rlnOpticsGroup"}


def coordinate_list(path: Path) -> list[tuple[str, Path]] | None:
    """Return (micrograph, coordinate file) pairs of an autopick.star; None for other files."""
    for block in read_star(path):
        if _FILES in block.columns and _NAME in block.columns:
            files = [resolve(name, path) for name in block.columns[_FILES]]
            return list(zip(block.columns[_NAME], files, strict=True))
    return None


def read(path: Path, options: CoordinateOptions) -> list[Picks]:
    """Read a particle table or a per-micrograph coordinate file.

    Raises:
        InputError: when it has no coordinates, or one of them is no number.
    """
    blocks = read_star(path)
    block = next((block for block in blocks if _X in block.columns and _Y in block.columns), None)
    if block is None:
        have = ", ".join(label for b in blocks for label in b.columns) or "no columns"
        raise InputError(f"{path}: expected columns _{_X} and _{_Y}, has {have[:200]!r}")
    sizes = _pixel_sizes(block, blocks, str(path))
    picks = _all_rows(block, sizes, path, options)
    if _NAME not in block.columns:
        return [_finish(picks, sizes, options)]
    per_micrograph = group_by_micrograph(block.columns[_NAME], _with_sizes(picks, sizes))
    return [_finish(part, part.extra["_pixel_size"], options) for part in per_micrograph]


def _all_rows(block: StarBlock, sizes: np.ndarray, path: Path, options: CoordinateOptions) -> Picks:
    source = str(path)
    x, y = numbers(block, _X, source), numbers(block, _Y, source)
    extra = {label: _column(block, label, source) for label in block.columns if label not in _OWN}
    if options.apply_origins:
        origin_x, origin_y = _origins(extra, sizes, source, options)
        x, y = x - origin_x, y - origin_y
    score = numbers(block, _SCORE, source, missing=1.0) if _SCORE in block.columns else None
    diameter = (
        numbers(block, _DIAMETER, source, missing=np.nan) if _DIAMETER in block.columns else np.nan
    )
    # Scale and flip wait until the micrograph is known.
    return read_table(
        micrograph_of_file(path),
        x,
        y,
        CoordinateOptions(),
        score=score,
        diameter_angstrom=diameter,
        extra=extra,
    )


def _finish(picks: Picks, sizes: np.ndarray, options: CoordinateOptions) -> Picks:
    extra = {name: values for name, values in picks.extra.items() if name != "_pixel_size"}
    return read_part(picks, sizes, options, extra=extra)


def _with_sizes(picks: Picks, sizes: np.ndarray) -> Picks:
    return dataclasses.replace(picks, extra={**picks.extra, "_pixel_size": sizes})


def _pixel_sizes(
    block: StarBlock, blocks: list[StarBlock], source: str
) -> Float[np.ndarray, " row"]:
    labels = ("rlnMicrographPixelSize", "rlnImagePixelSize")
    by_group = optics_pixel_sizes(blocks, labels, source)
    groups = block.columns.get("rlnOpticsGroup", list(by_group)[:1] * len(block))
    label = next((label for label in (*labels, "rlnPixelSize") if label in block.columns), None)
    if by_group:
        sizes = [by_group.get(group) for group in groups]
    elif label is not None:
        return numbers(block, label, source)
    else:
        sizes = old_pixel_sizes(block, source)
    return np.array([np.nan if size is None else size for size in sizes], dtype=np.float64)


def _column(block: StarBlock, label: str, source: str) -> np.ndarray:
    try:
        return numbers(block, label, source, missing=np.nan)
    except InputError:
        return np.array(block.columns[label], dtype=str)


def _origins(
    extra: dict[str, np.ndarray], sizes: np.ndarray, source: str, options: CoordinateOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Take refined origins out of `extra`, in micrograph pixels; before 3.1 they are in pixels."""
    if {"rlnOriginXAngst", "rlnOriginYAngst"} <= set(extra):
        sizes = np.where(np.isnan(sizes), options.pixel_size_angstrom or np.nan, sizes)
        if np.isnan(sizes).any():
            raise InputError(
                f"{source}: its origins are in angstrom; give pixel_size=ANGSTROM to apply them"
            )
        return extra.pop("rlnOriginXAngst") / sizes, extra.pop("rlnOriginYAngst") / sizes
    if {"rlnOriginX", "rlnOriginY"} <= set(extra):
        return extra.pop("rlnOriginX"), extra.pop("rlnOriginY")
    raise InputError(
        f"{source}: has no refined origins to apply; expected _rlnOriginXAngst or _rlnOriginX"
    )


def write(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write one table of all micrographs, with an optics table where pixel sizes are known."""
    optics, groups = _optics(picks, options)
    tables = [_rows(part, options) for part in picks]
    shared = (
        [label for label in tables[0] if all(label in table for table in tables)]
        if tables
        else [_X, _Y]
    )
    names = [part.micrograph for part in picks for _ in range(len(part))]
    columns = {_NAME: names} | {
        label: [v for table in tables for v in table[label]] for label in shared
    }
    if optics is None:
        return write_star(path, [StarBlock(name="", columns=columns)])
    group_of_rows = [
        group for part, group in zip(picks, groups, strict=True) for _ in range(len(part))
    ]
    table = StarBlock(name="particles", columns=columns | {"rlnOpticsGroup": group_of_rows})
    return write_star(path, [optics, table])


def write_one(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write one micrograph's coordinate file, as RELION's autopicking does, named by the file."""
    (part,) = picks
    write_star(path, [StarBlock(name="", columns=_rows(part, options))])


def write_old(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write one table as before RELION 3.1: magnification and detector pixel in every row."""
    tables = []
    for part in picks:
        size = pixel_size_of(part, options)
        rows = {_NAME: [part.micrograph] * len(part)} | _rows(part, options)
        if size is not None:
            # Any pair with the right quotient will do; this one keeps all digits.
            rows |= {
                "rlnMagnification": ["10000"] * len(part),
                "rlnDetectorPixelSize": [f"{size:.9g}"] * len(part),
            }
        tables.append(rows)
    shared = (
        [label for label in tables[0] if all(label in table for table in tables)]
        if tables
        else [_NAME, _X, _Y]
    )
    columns = {label: [v for table in tables for v in table[label]] for label in shared}
    write_star(path, [StarBlock(name="", columns=columns)])


def write_coordinate_list(path: Path | str, files: Sequence[tuple[str, str]]) -> None:
    """Write an autopick.star: (micrograph, file) pairs, both relative to the project folder."""
    columns = {_NAME: [name for name, _ in files], _FILES: [file for _, file in files]}
    write_star(path, [StarBlock(name="coordinate_files", columns=columns)])


def _optics(
    picks: Sequence[Picks], options: CoordinateOptions
) -> tuple[StarBlock | None, list[str]]:
    sizes = [pixel_size_of(part, options) for part in picks]
    distinct = list(dict.fromkeys(size for size in sizes if size is not None))
    if not distinct or None in sizes:
        return None, []
    groups = [str(i) for i in range(1, len(distinct) + 1)]
    as_text = [f"{size:.9g}" for size in distinct]
    columns = {
        "rlnOpticsGroupName": [f"opticsGroup{group}" for group in groups],
        "rlnOpticsGroup": groups,
        "rlnMicrographPixelSize": as_text,
        "rlnImagePixelSize": as_text,
    }
    columns |= {label: [f"{value:.9g}"] * len(groups) for label, value in options.optics.items()}
    return StarBlock(name="optics", columns=columns), [
        groups[distinct.index(size)] for size in sizes if size
    ]


def _rows(picks: Picks, options: CoordinateOptions) -> dict[str, list[str]]:
    digits = "%.4f" if options.subpixel else "%d"
    zeros = np.zeros(len(picks))
    extra = {label: values for label, values in picks.extra.items() if label.startswith("rln")}
    columns = {
        _X: [digits % value for value in exported(picks.x, options)],
        _Y: [digits % value for value in exported(write_y(picks, options), options)],
        _SCORE: _text(picks.score),
        "rlnClassNumber": _text(extra.pop("rlnClassNumber", zeros)),
        "rlnAnglePsi": _text(extra.pop("rlnAnglePsi", zeros)),
    }
    if len(picks) and np.isfinite(picks.diameter_angstrom).all():
        columns[_DIAMETER] = _text(picks.diameter_angstrom)
    return columns | {label: _text(values) for label, values in extra.items() if label not in _OWN}


def _text(values: np.ndarray) -> list[str]:
    if np.asarray(values).dtype.kind in "fiub":
        return [f"{value:.9g}" for value in np.asarray(values).tolist()]
    return [str(value) for value in values]
