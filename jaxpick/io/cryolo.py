"""crYOLO `.cbox` files, of format version 1.0 (STAR-like) and the headerless table before it.

Convention: CoordinateX/Y are the corner with the smallest x and y, centre = corner + Width/2,
CoordinateY + Height/2; pixels of the micrograph as stored, no flip; Confidence is the score; `<NA>`
stands for a missing value. Blocks are data_global and data_cryolo (data_cbox in some writers).
Source: files written by crYOLO 1.8 and by napari-boxmanager, and crYOLO's documentation. Before
1.8, tab-separated rows: x, y, width, height, confidence, estimated width, estimated height.
EstWidth/EstHeight, the size crYOLO saw, is the diameter where there is one, else Width; kept as
`extra` too.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxpick.io.conventions import (
    CoordinateOptions,
    box_sizes,
    diameters_px,
    micrograph_of_file,
    read_table,
    write_y,
)
from jaxpick.io.files import InputError
from jaxpick.io.nouns import Picks
from jaxpick.io.star import StarBlock, numbers, parse_star, read_text, write_star

_BLOCKS = ("cbox", "cryolo")
_OLD_COLUMNS = (
    "CoordinateX",
    "CoordinateY",
    "Width",
    "Height",
    "Confidence",
    "EstWidth",
    "EstHeight",
)
_NEEDED = ("CoordinateX", "CoordinateY", "Width", "Height")
_OWN = {*_OLD_COLUMNS, "CoordinateZ", "Depth"}


def read(path: Path, options: CoordinateOptions) -> list[Picks]:
    """Read one micrograph's boxes.

    Raises:
        InputError: when it has no such block or lacks a column.
    """
    block = _find_block(path)
    absent = [label for label in _NEEDED if label not in block.columns]
    if absent:
        raise InputError(f"{path}: expected columns {', '.join(_NEEDED)}; {absent[0]} is missing")
    source = str(path)
    left, bottom, width, height = (numbers(block, label, source) for label in _NEEDED)
    extra = {"box_width_px": width * options.scale, "box_height_px": height * options.scale}
    others = [label for label in block.columns if label not in _OWN]
    extra |= {label.lower(): numbers(block, label, source, missing=np.nan) for label in others}
    size = _estimated_size(block, width, height, source) * options.scale
    pixel_size = options.pixel_size_angstrom
    if pixel_size is None:
        extra["estimated_size_px"] = size
    score = (
        numbers(block, "Confidence", source, missing=1.0) if "Confidence" in block.columns else None
    )
    return [
        read_table(
            micrograph_of_file(path),
            left + width / 2,
            bottom + height / 2,
            options,
            score=score,
            diameter_angstrom=size * pixel_size if pixel_size else np.nan,
            extra=extra,
        )
    ]


def _estimated_size(
    block: StarBlock, width: np.ndarray, height: np.ndarray, source: str
) -> np.ndarray:
    size = (width + height) / 2
    if "EstWidth" in block.columns and "EstHeight" in block.columns:
        sides = [
            numbers(block, f"Est{side}", source, missing=np.nan) for side in ("Width", "Height")
        ]
        estimate = (sides[0] + sides[1]) / 2
        size = np.where(np.isnan(estimate), size, estimate)
    return size


def _find_block(path: Path) -> StarBlock:
    text = read_text(path)
    if "data_" not in text:
        return _headerless(text, path)
    blocks = [block for block in parse_star(text, str(path)) if block.name in _BLOCKS]
    if not blocks:
        raise InputError(f"{path}: no data_cryolo block in it; expected a CBOX file")
    return blocks[0]


def _headerless(text: str, path: Path) -> StarBlock:
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if not rows or any(not 5 <= len(row) <= len(_OLD_COLUMNS) for row in rows):
        raise InputError(f"{path}: neither a CBOX file nor rows of x, y, width, height, confidence")
    width = min(len(row) for row in rows)
    columns = {label: [row[i] for row in rows] for i, label in enumerate(_OLD_COLUMNS[:width])}
    return StarBlock(name="cryolo", columns=columns)


def write(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write one micrograph's boxes; fractions of a pixel are kept, as crYOLO keeps them."""
    (part,) = picks
    width, height = box_sizes(part, options)
    estimated = _sizes_to_write(part, options)
    missing = ["<NA>"] * len(part)
    columns = {
        "CoordinateX": _text(part.x / options.scale - width / 2),
        "CoordinateY": _text(write_y(part, options) / options.scale - height / 2),
        "CoordinateZ": missing,
        "Width": _text(width),
        "Height": _text(height),
        "Depth": missing,
        "EstWidth": estimated,
        "EstHeight": estimated,
        "Confidence": _text(part.score),
        "NumBoxes": missing,
        "Angle": missing,
    }
    version = StarBlock(name="global", columns={"cbox_format_version": ["1.0"]}, is_loop=False)
    write_star(path, [version, StarBlock(name="cryolo", columns=columns)])


def _sizes_to_write(picks: Picks, options: CoordinateOptions) -> list[str]:
    size = diameters_px(picks, options)
    if "estimated_size_px" in picks.extra:
        size = np.where(np.isnan(size), picks.extra["estimated_size_px"], size)
    return ["<NA>" if np.isnan(v) else f"{v:.9g}" for v in size / options.scale]


def _text(values: np.ndarray) -> list[str]:
    return [f"{value:.10g}" for value in np.asarray(values, np.float64).tolist()]
