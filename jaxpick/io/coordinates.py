"""Reading and writing particle coordinates of any supported program (`coordinate_formats`)."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from jaxpick.io import relion
from jaxpick.io.conventions import CoordinateOptions, ShapeSource
from jaxpick.io.coordinate_formats import (
    FORMATS,
    SUFFIXES,
    Format,
    check_format,
    format_to_read,
    format_to_write,
)
from jaxpick.io.files import InputError, find_files
from jaxpick.io.names import base_name
from jaxpick.io.nouns import Picks

__all__ = ["FORMATS", "CoordinateOptions", "read_picks", "write_picks"]


def read_picks(
    pattern: str | Path,
    format: str | None = None,
    *,
    micrograph_shape: ShapeSource = None,
    pixel_size_angstrom: float | None = None,
    diameter_angstrom: float | None = None,
    flip_y: bool | None = None,
    apply_origins: bool = False,
    scale: float = 1.0,
) -> list[Picks]:
    """Read coordinates, one `Picks` for each micrograph.

    Args:
        pattern: a file, a folder or a glob; a RELION autopick.star is followed. A folder written by
            this program's `pick` is read through its picks.csv, which has every candidate once.
        format: one of `FORMATS`; by suffix and heading where left out.
        micrograph_shape: (ny, nx), by name or one for all; for CryoPPP, and for `flip_y`.
        pixel_size_angstrom: where the file has none.
        diameter_angstrom: of the particle, in place of what the file says.
        flip_y: None for the format's own convention; true or false to overrule it.
        apply_origins: subtract RELION's refined origins.
        scale: micrograph pixels for each unit of the file.

    Raises:
        InputError: naming the file and what was expected.
    """
    options = CoordinateOptions(
        micrograph_shape=micrograph_shape,
        pixel_size_angstrom=pixel_size_angstrom,
        diameter_angstrom=diameter_angstrom,
        flip_y=flip_y,
        apply_origins=apply_origins,
        scale=scale,
    )
    check_format(format)
    found: dict[str, tuple[Picks, Path]] = {}
    for path in _find(pattern, format):
        for picks in _read_file(path, format, options):
            if picks.micrograph in found:
                other = found[picks.micrograph][1]
                raise InputError(
                    f"{path}: {picks.micrograph} has coordinates in {other} too; expected them once"
                )
            found[picks.micrograph] = (picks, path)
    return [picks for picks, _ in found.values()]


def _find(pattern: str | Path, format: str | None) -> list[Path]:
    folder = Path(os.path.expanduser(str(pattern)))
    if format is None and (folder / "picks.csv").is_file():
        return [folder / "picks.csv"]
    suffixes = SUFFIXES if format is None else FORMATS[format].suffixes
    if folder.suffix.lower() == ".json":  # a glob for JSON files means what it says
        suffixes = (".json",)
    files = find_files(pattern, suffixes)
    if len(files) == 1:
        return files
    return [path for path in files if _listed(path) is None]


def _listed(path: Path) -> list[tuple[str, Path]] | None:
    """Return the micrographs and their files where RELION's list of files is given, else None."""
    return relion.coordinate_list(path) if path.suffix == ".star" else None


def _read_file(path: Path, format: str | None, options: CoordinateOptions) -> list[Picks]:
    listed = _listed(path)
    if listed is None:
        return (FORMATS[format] if format else format_to_read(path)).read(path, options)
    for _, file in listed:
        if not file.is_file():
            raise InputError(f"{path}: lists {file}, which does not exist")
    return [
        dataclasses.replace(picks, micrograph=name)
        for name, file in listed
        for picks in format_to_read(file).read(file, options)
    ]


def write_picks(
    picks: Sequence[Picks],
    path: str | Path,
    format: str | None = None,
    *,
    micrograph_shape: ShapeSource = None,
    pixel_size_angstrom: float | None = None,
    diameter_angstrom: float | None = None,
    box_size_px: int | None = None,
    subpixel: bool = False,
    flip_y: bool | None = None,
    scale: float = 1.0,
    optics: dict[str, float] | None = None,
) -> list[Path]:
    """Write coordinates and return the files written.

    Args:
        picks: one for each micrograph.
        path: a file for all of them, or a folder (existing, ending in a slash, or without a suffix)
            for one file each.
        format: one of `FORMATS`; by suffix where left out, `star` for a folder.
        micrograph_shape: (ny, nx), by name or one for all; for cs, CryoPPP, and for `flip_y`.
        pixel_size_angstrom: where the picks have none.
        diameter_angstrom: where the picks have none.
        box_size_px: for formats made of boxes; else the boxes read, else the diameter.
        subpixel: keep fractions where the readers of the format truncate.
        flip_y: None for the format's own convention; true or false to overrule it.
        scale: micrograph pixels for each unit of the file.
        optics: further columns of RELION's optics table.

    Raises:
        InputError: when something the format needs is unknown, or a file holds one micrograph and
            there are more.
    """
    options = CoordinateOptions(
        micrograph_shape=micrograph_shape,
        pixel_size_angstrom=pixel_size_angstrom,
        diameter_angstrom=diameter_angstrom,
        box_size_px=box_size_px,
        subpixel=subpixel,
        flip_y=flip_y,
        scale=scale,
        optics=optics or {},
    )
    check_format(format)
    target = Path(path)
    if str(path).endswith(("/", os.sep)) or target.is_dir() or not target.suffix:
        return _write_folder(picks, target, FORMATS[format or "star"], options)
    chosen = FORMATS[format] if format else format_to_write(target)
    if chosen.write is None and len(picks) != 1:
        raise InputError(
            f"{path}: a {target.suffix} file holds one micrograph, got {len(picks)}; "
            "give a folder to write to"
        )
    write = chosen.write_one if _is_own_file(target, picks) else chosen.write or chosen.write_one
    write(target, picks, options)
    return [target]


def _is_own_file(target: Path, picks: Sequence[Picks]) -> bool:
    # RELION imports the first table of a micrograph's file, so that no optics table may come first.
    return len(picks) == 1 and base_name(target.name) == base_name(picks[0].micrograph)


def _write_folder(
    picks: Sequence[Picks], folder: Path, format: Format, options: CoordinateOptions
) -> list[Path]:
    files: dict[Path, str] = {}
    for part in picks:
        file = folder / f"{base_name(part.micrograph)}{format.ending}"
        if file in files:
            raise InputError(
                f"{file}: both {files[file]} and {part.micrograph} would be written to it"
            )
        files[file] = part.micrograph
    for file, part in zip(files, picks, strict=True):
        format.write_one(file, [part], options)
    return list(files)
