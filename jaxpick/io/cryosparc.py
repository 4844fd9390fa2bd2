"""cryoSPARC `.cs` particle tables: a numpy structured array.

Convention: location/center_x_frac and center_y_frac are fractions of the micrograph's width and
height, measured from the bottom left while the MRC file's first row is the top here, so x = f_x nx
and y = (1 - f_y) ny; location/micrograph_shape is (ny, nx) (pyem, cryosparc2.py; cryoSPARC guide,
Import Particles). cryoSPARC's own motion correction also stores images flipped against
MotionCor2's: `flip_y=false` leaves y alone. Paths carry a numeric UID prefix, which `io.names` sees
through.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxpick.io.conventions import CoordinateOptions, group_by_micrograph, pixel_size_of, shape_of
from jaxpick.io.files import InputError, replacing
from jaxpick.io.names import base_name
from jaxpick.io.nouns import Picks, make_picks

_X, _Y = "location/center_x_frac", "location/center_y_frac"
_SHAPE, _PATH, _PIXEL = (
    "location/micrograph_shape",
    "location/micrograph_path",
    "location/micrograph_psize_A",
)
_SCORES = ("pick_stats/ncc_score", "pick_stats/score", "pick_stats/topaz_score")


def read(path: Path, options: CoordinateOptions) -> list[Picks]:
    """Read particle locations.

    Raises:
        InputError: when it is no `.cs` file or has no locations.
    """
    table = _load(path)
    fields = table.dtype.names or ()
    absent = [name for name in (_X, _Y, _PATH, _SHAPE) if name not in fields]
    if absent:
        raise InputError(
            f"{path}: has no {absent[0]}; expected locations (export the passthrough file too)"
        )
    names = [_as_text(name) for name in table[_PATH].tolist()]
    ny, nx = _numbers(table, _SHAPE, path, width=2).T
    fraction_x, fraction_y = (_numbers(table, name, path)[:, 0] for name in (_X, _Y))
    y = fraction_y * ny if options.flip_y is False else (1 - fraction_y) * ny
    extra = {"cryosparc_uid": table["uid"]} if "uid" in fields else {}
    score = next((_numbers(table, name, path)[:, 0] for name in _SCORES if name in fields), None)
    picks = make_picks("", fraction_x * nx * options.scale, y * options.scale, score, extra=extra)
    if not np.isfinite([picks.x, picks.y, picks.score]).all():
        raise InputError(f"{path}: a location or score is not a finite number")
    size = _pixel_size(table, path, options)
    return [_finish(part, size, options) for part in group_by_micrograph(names, picks)]


def _finish(picks: Picks, size: float | None, options: CoordinateOptions) -> Picks:
    diameter = (
        picks.diameter_angstrom if options.diameter_angstrom is None else options.diameter_angstrom
    )
    return make_picks(
        picks.micrograph,
        picks.x,
        picks.y,
        picks.score,
        diameter,
        pixel_size_angstrom=size,
        extra=picks.extra,
    )


def _load(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            table = np.lib.format.read_array(file, allow_pickle=False, max_header_size=10**6)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged header makes numpy's parser raise nearly anything
        raise InputError(f"{path}: not a cryoSPARC .cs file ({str(error)[:80]})") from error
    if table.dtype.names is None:
        raise InputError(f"{path}: an array without named fields; expected a cryoSPARC .cs file")
    return table.reshape(-1)


def _numbers(table: np.ndarray, name: str, path: Path, width: int = 1) -> np.ndarray:
    try:
        return np.asarray(table[name], np.float64).reshape(len(table), width)
    except (TypeError, ValueError) as error:
        kind = table.dtype[name]
        raise InputError(f"{path}: {name} is {kind}, expected {width} numbers a row") from error


def _pixel_size(table: np.ndarray, path: Path, options: CoordinateOptions) -> float | None:
    if _PIXEL in (table.dtype.names or ()) and len(table):
        size = float(_numbers(table, _PIXEL, path)[0, 0])
        if np.isfinite(size) and size > 0:
            return float(f"{size:.6g}")
    return options.pixel_size_angstrom


def _as_text(name: bytes | str) -> str:
    return name.decode("utf-8", errors="surrogateescape") if isinstance(name, bytes) else str(name)


def _as_bytes(name: str) -> bytes:
    return name.encode("utf-8", errors="surrogateescape")


def write(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write every micrograph's locations; the size of each micrograph must be known."""
    tables = [
        _table(part, options, max(len(_as_bytes(part.micrograph)) for part in picks))
        for part in picks
    ]
    table = np.concatenate(tables) if tables else np.zeros(0, _dtype(1))
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, table, allow_pickle=False)


def _dtype(name_bytes: int) -> np.dtype:
    return np.dtype(
        [
            ("uid", "<u8"),
            ("location/micrograph_uid", "<u8"),
            ("location/exp_group_id", "<u4"),
            (_PATH, f"S{max(name_bytes, 1)}"),
            (_SHAPE, "<u4", (2,)),
            (_PIXEL, "<f4"),
            (_X, "<f4"),
            (_Y, "<f4"),
            ("location/min_dist_A", "<f4"),
            (_SCORES[0], "<f4"),
        ]
    )


def _table(picks: Picks, options: CoordinateOptions, name_bytes: int) -> np.ndarray:
    ny, nx = shape_of(picks.micrograph, options, "cryoSPARC stores fractions of its size")
    table = np.zeros(len(picks), _dtype(name_bytes))
    fraction_y = picks.y / ny
    table[_X] = picks.x / nx
    table[_Y] = fraction_y if options.flip_y is False else 1 - fraction_y
    table[_SHAPE], table[_PATH] = (
        (ny, nx),
        picks.micrograph.encode("utf-8", errors="surrogateescape"),
    )
    table[_PIXEL] = pixel_size_of(picks, options) or 0.0
    table["location/min_dist_A"] = np.nan_to_num(picks.diameter_angstrom)
    table[_SCORES[0]] = picks.score
    micrograph_uid = zlib.crc32(
        base_name(picks.micrograph).encode("utf-8", errors="surrogateescape")
    )
    table["location/micrograph_uid"] = micrograph_uid
    table["uid"] = picks.extra.get(
        "cryosparc_uid", (micrograph_uid << 32) + np.arange(len(picks), dtype=np.uint64)
    )
    return table
