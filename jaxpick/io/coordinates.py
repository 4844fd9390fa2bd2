"""Reading and writing particle coordinates of any supported program; which file speaks which
format.

Formats: star, star30 (RELION from 3.1, and before), box and json (EMAN2), cbox (crYOLO), topaz,
csv, cryoppp, cs (cryoSPARC). Each has its convention stated in its own file.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxpick.io import cryolo, cryoppp, cryosparc, csv_table, eman2, relion, topaz
from jaxpick.io.conventions import CoordinateOptions, ShapeSource
from jaxpick.io.files import InputError, find_files
from jaxpick.io.names import base_name
from jaxpick.io.nouns import Picks
from jaxpick.io.star import read_text

__all__ = ["FORMATS", "CoordinateOptions", "read_picks", "write_picks"]

_Reader = Callable[[Path, CoordinateOptions], list[Picks]]
_Writer = Callable[[Path, Sequence[Picks], CoordinateOptions], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """One coordinate format.

    Attributes:
        read: of one file.
        write: of all micrographs into one file; None where a file holds one micrograph.
        write_one: of one micrograph into its own file.
        suffixes: of files to read; the first is written.
        ending: of a micrograph's own file, after the micrograph's name.
    """

    read: _Reader
    write: _Writer | None
    write_one: _Writer
    suffixes: tuple[str, ...]
    ending: str


_TABLES = (".csv", ".tsv", ".txt")
FORMATS = {
    "star": Format(
        read=relion.read,
        write=relion.write,
        write_one=relion.write_one,
        suffixes=(".star",),
        ending=".star",
    ),
    "star30": Format(
        read=relion.read,
        write=relion.write_old,
        write_one=relion.write_one,
        suffixes=(".star",),
        ending=".star",
    ),
    "cbox": Format(
        read=cryolo.read, write=None, write_one=cryolo.write, suffixes=(".cbox",), ending=".cbox"
    ),
    "box": Format(
        read=eman2.read_box,
        write=None,
        write_one=eman2.write_box,
        suffixes=(".box",),
        ending=".box",
    ),
    "json": Format(
        read=eman2.read_json,
        write=None,
        write_one=eman2.write_json,
        suffixes=(".json",),
        ending="_info.json",
    ),
    "topaz": Format(
        read=topaz.read,
        write=topaz.write,
        write_one=topaz.write,
        suffixes=(".txt", ".tsv", ".csv"),
        ending=".txt",
    ),
    "csv": Format(
        read=csv_table.read,
        write=csv_table.write,
        write_one=csv_table.write_one,
        suffixes=_TABLES,
        ending=".csv",
    ),
    "cryoppp": Format(
        read=cryoppp.read, write=None, write_one=cryoppp.write, suffixes=(".csv",), ending=".csv"
    ),
    "cs": Format(
        read=cryosparc.read,
        write=cryosparc.write,
        write_one=cryosparc.write,
        suffixes=(".cs",),
        ending=".cs",
    ),
}
_SUFFIXES = (".star", ".cbox", ".box", "_info.json", ".cs", *_TABLES)


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
    _check_format(format)
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
    suffixes = _SUFFIXES if format is None else FORMATS[format].suffixes
    if folder.suffix.lower() == ".json":
        # A folder's other JSON files are no coordinates; a glob for JSON files means what it says.
        suffixes = (".json",)
    files = find_files(pattern, suffixes)
    if len(files) == 1:
        return files
    return [
        path for path in files if path.suffix != ".star" or relion.coordinate_list(path) is None
    ]


def _read_file(path: Path, format: str | None, options: CoordinateOptions) -> list[Picks]:
    listed = relion.coordinate_list(path) if path.suffix == ".star" else None
    if listed is None:
        return FORMATS[format or _format_of(path)].read(path, options)
    return [
        dataclasses.replace(picks, micrograph=name)
        for name, file in listed
        for picks in _read_listed(file, path, options)
    ]


def _read_listed(file: Path, source: Path, options: CoordinateOptions) -> list[Picks]:
    if not file.is_file():
        raise InputError(f"{source}: lists {file}, which does not exist")
    return FORMATS[_format_of(file)].read(file, options)


def _format_of(path: Path, is_output: bool = False) -> str:
    suffix = path.suffix.lower()
    if suffix not in _TABLES:
        for name, format in FORMATS.items():
            if suffix in format.suffixes:
                return name
        raise InputError(
            f"{path}: unknown suffix {suffix!r}; expected one of {', '.join(_SUFFIXES)}"
        )
    if is_output:
        return "csv" if suffix == ".csv" else "topaz"
    heading = read_text(path).lstrip().split("\n", 1)[0].lower()
    if "x-coordinate" in heading:
        return "cryoppp"
    return "topaz" if "image_name" in heading and "\t" in heading else "csv"


def _check_format(format: str | None) -> None:
    if format is not None and format not in FORMATS:
        raise InputError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")


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
    _check_format(format)
    target = Path(path)
    if str(path).endswith(("/", os.sep)) or target.is_dir() or not target.suffix:
        return _write_folder(picks, target, FORMATS[format or "star"], options)
    chosen = FORMATS[format or _format_of(target, is_output=True)]
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
