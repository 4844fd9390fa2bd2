"""CryoPPP's per-micrograph CSV: `X-Coordinate,Y-Coordinate,Diameter`, in pixels.

Convention: y counts from the other end of the rows than an MRC file read in order, so y_house = ny
- y_file: the numbers are cryoSPARC's fractions of the height times ny, exported without inverting y
(CryoPPP, post_processing_scripts), and cryoSPARC's fractions mirror as 1 - f. The height ny must be
known. CryoPPP's own JPEG pictures are stored flipped already: read those with `flip_y=false`.
Diameter is in pixels. Dhakal et al., Sci Data 10:392 (2023); the flip is issue 3 of its repository.
"""

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxpick.io.conventions import CoordinateOptions, diameters_px, exported, flip_y
from jaxpick.io.csv_table import picks_of_table, read_columns
from jaxpick.io.files import InputError, write_text
from jaxpick.io.nouns import Picks

_HEADINGS = ("X-Coordinate", "Y-Coordinate", "Diameter")


def read(path: Path, options: CoordinateOptions) -> list[Picks]:
    """Read a CryoPPP table; the height of its micrograph must be known unless `flip_y` is false."""
    plain = dataclasses.replace(options, flip_y=False)
    parts = picks_of_table(read_columns(path), path, plain)
    return [_from_file(part, options) for part in parts]


def _from_file(picks: Picks, options: CoordinateOptions) -> Picks:
    y = (
        picks.y
        if options.flip_y is False
        else flip_y(picks.y, picks.micrograph, options, rows_from_top=True)
    )
    extra = dict(picks.extra)
    diameter = picks.diameter_angstrom
    if "Diameter" in extra:
        extra["diameter_px"] = np.asarray(extra.pop("Diameter")) * options.scale
        if options.pixel_size_angstrom and options.diameter_angstrom is None:
            diameter = extra["diameter_px"] * options.pixel_size_angstrom
    return dataclasses.replace(picks, y=y, diameter_angstrom=diameter, extra=extra)


def write(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write one micrograph's table; CryoPPP has no scores.

    Raises:
        InputError: when the diameter in pixels or the height is unknown.
    """
    (part,) = picks
    y = (
        part.y
        if options.flip_y is False
        else flip_y(part.y, part.micrograph, options, rows_from_top=True)
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADINGS)
    diameter = _diameters(part, options) / options.scale
    columns = (exported(part.x, options), exported(y, options), np.rint(diameter))
    writer.writerows(zip(*(_text(column) for column in columns), strict=True))
    write_text(path, text.getvalue())


def _diameters(picks: Picks, options: CoordinateOptions) -> np.ndarray:
    diameter = diameters_px(picks, options)
    if "diameter_px" in picks.extra:
        diameter = np.where(np.isnan(diameter), picks.extra["diameter_px"], diameter)
    if options.box_size_px is not None:
        diameter = np.where(np.isnan(diameter), float(options.box_size_px), diameter)
    if np.isnan(diameter).any():
        raise InputError(
            f"{picks.micrograph}: CryoPPP needs a diameter; give diameter= and pixel_size="
        )
    return diameter


def _text(values: np.ndarray) -> list[str]:
    return [f"{value:.10g}" for value in values.tolist()]
