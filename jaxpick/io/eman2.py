"""EMAN2 coordinates: `.box` text and `info/<micrograph>_info.json`.

Convention (EMAN wiki, Eman2OtherFiles; e2boxer, write_boxfiles; RELION, preprocessing.cpp): a
`.box` row is x y width height of the corner with the smallest x and y, so centre = corner + size //
2; a JSON box is [x, y, "kind"] with x and y the centre. Row 0 is the first row of the MRC file: no
flip (EMAN2 flips TIFF alone). Programs that score write a fifth column (`.box`) or a fourth entry
(JSON); EMAN1 wrote -3 as the fifth. Corners are whole pixels, unless `subpixel`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxpick.io.conventions import (
    CoordinateOptions,
    box_sizes,
    exported,
    has_scores,
    micrograph_of_file,
    read_table,
    write_y,
)
from jaxpick.io.files import InputError, write_text
from jaxpick.io.nouns import Picks
from jaxpick.io.star import read_text


def read_box(path: Path, options: CoordinateOptions) -> list[Picks]:
    """Read a `.box` file; an empty one is a micrograph without particles.

    Raises:
        InputError: on a row that is not four or five numbers.
    """
    rows = [
        _box_row(line, number, path) for number, line in enumerate(read_text(path).splitlines(), 1)
    ]
    table = np.array([row for row in rows if row], dtype=np.float64).reshape(-1, 5)
    left, bottom, width, height, score = table.T
    score = np.where(np.isnan(score) | np.all(score == -3), 1.0, score)
    width_px, height_px = width * options.scale, height * options.scale
    extra = {"box_width_px": width_px, "box_height_px": height_px} if np.any(width > 0) else {}
    pixel_size = options.pixel_size_angstrom
    diameter = width_px * pixel_size if pixel_size and extra else np.nan
    x, y = left + half(left, width), bottom + half(bottom, height)
    return [
        read_table(
            micrograph_of_file(path),
            x,
            y,
            options,
            score=score,
            diameter_angstrom=diameter,
            extra=extra,
        )
    ]


def half(corner: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the distance from corner to centre: a whole box has it at size // 2."""
    whole = (corner == np.floor(corner)) & (size == np.floor(size))
    return np.where(whole, size // 2, size / 2)


def _box_row(line: str, number: int, path: Path) -> list[float]:
    words = line.replace(",", " ").split()
    if not words or words[0].startswith("#"):
        return []
    try:
        values = [float(word) for word in words[:5]]
    except ValueError:
        values = []
    if len(values) < 4 or not np.isfinite(values).all():
        raise InputError(
            f"{path}: line {number}: expected x y width height, got {line.strip()[:60]!r}"
        )
    return values if len(values) == 5 else [*values, float("nan")]


def write_box(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write one micrograph's boxes; scores, where there are any, as a fifth column."""
    (part,) = picks
    width, height = box_sizes(part, options)
    left = exported(part.x, options) - width // 2
    bottom = exported(write_y(part, options), options) - height // 2
    digits = ".3f" if options.subpixel else ".0f"
    score = [f"\t{value:.6g}" for value in part.score] if has_scores(part) else [""] * len(part)
    rows = zip(left, bottom, width, height, score, strict=True)
    write_text(
        path, "".join(f"{x:{digits}}\t{y:{digits}}\t{w}\t{h}{s}\n" for x, y, w, h, s in rows)
    )


def read_json(path: Path, options: CoordinateOptions) -> list[Picks]:
    """Read the boxes of an EMAN2 info file.

    Raises:
        InputError: when it is no JSON or has no boxes (an `_info.json` without boxes is a
            micrograph without particles).
    """
    content = _load(path)
    is_info = path.name.endswith("_info.json")
    if not isinstance(content, dict) or ("boxes" not in content and not is_info):
        raise InputError(f'{path}: expected EMAN2\'s {{"boxes": [[x, y, "manual"], ...]}}')
    try:
        boxes = [(float(box[0]), float(box[1]), _score(box)) for box in content.get("boxes", [])]
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise InputError(
            f'{path}: expected boxes as [x, y, "kind"], got something else ({error})'
        ) from error
    x, y, score = np.array(boxes, dtype=np.float64).reshape(-1, 3).T
    if not np.isfinite([x, y]).all():
        raise InputError(f"{path}: a box has no finite x and y")
    return [read_table(micrograph_of_file(path).removesuffix("_info"), x, y, options, score=score)]


def _score(box: Sequence[Any]) -> float:
    score = float(box[3]) if len(box) > 3 and isinstance(box[3], (int, float)) else 1.0
    return score if np.isfinite(score) else 1.0


def _load(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({error})") from error


def write_json(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write one micrograph's centres; the rest of an existing file is kept."""
    (part,) = picks
    content = _load(path) if path.is_file() else {}
    x, y = exported(part.x, options).tolist(), exported(write_y(part, options), options).tolist()
    scores = part.score.tolist()
    kind = f"auto_{part.method}" if part.method else "manual"
    rows = zip(x, y, scores, strict=True)
    boxes = [[a, b, kind, score] if has_scores(part) else [a, b, kind] for a, b, score in rows]
    write_text(
        path,
        json.dumps({**(content if isinstance(content, dict) else {}), "boxes": boxes}, indent=1),
    )
