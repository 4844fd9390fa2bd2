"""Which file speaks which coordinate format, and who reads and writes it.

star, star30 (RELION from 3.1, and before), box and json (EMAN2), cbox (crYOLO), topaz, csv,
cryoppp, cs (cryoSPARC). Each has its convention stated in its own file.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxpick.io import cryolo, cryoppp, cryosparc, csv_table, eman2, relion, topaz
from jaxpick.io.conventions import CoordinateOptions
from jaxpick.io.files import InputError
from jaxpick.io.nouns import Picks
from jaxpick.io.star import read_text

_Reader = Callable[[Path, CoordinateOptions], list[Picks]]
_Writer = Callable[[Path, Sequence[Picks], CoordinateOptions], None]


class Format(NamedTuple):
    """One coordinate format.

    Attributes:
        suffixes: of files to read; the first is written.
        read: of one file.
        write_one: of one micrograph into its own file.
        write: of all micrographs into one file; None where a file holds one micrograph.
        own_ending: of a micrograph's own file, where it is not the first suffix.
    """

    suffixes: tuple[str, ...]
    read: _Reader
    write_one: _Writer
    write: _Writer | None = None
    own_ending: str = ""

    @property
    def ending(self) -> str:
        """What follows the micrograph's name in its own file."""
        return self.own_ending or self.suffixes[0]


TABLES = (".csv", ".tsv", ".txt")
FORMATS = {
    "star": Format((".star",), relion.read, relion.write_one, relion.write),
    "star30": Format((".star",), relion.read, relion.write_one, relion.write_old),
    "cbox": Format((".cbox",), cryolo.read, cryolo.write),
    "box": Format((".box",), eman2.read_box, eman2.write_box),
    "json": Format((".json",), eman2.read_json, eman2.write_json, own_ending="_info.json"),
    "topaz": Format((".txt", ".tsv", ".csv"), topaz.read, topaz.write, topaz.write),
    "csv": Format(TABLES, csv_table.read, csv_table.write_one, csv_table.write),
    "cryoppp": Format((".csv",), cryoppp.read, cryoppp.write),
    "cs": Format((".cs",), cryosparc.read, cryosparc.write, cryosparc.write),
}
# A folder's other JSON files are no coordinates.
SUFFIXES = tuple(dict.fromkeys([*(format.ending for format in FORMATS.values()), *TABLES]))


def check_format(name: str | None) -> None:
    """Refuse a format that is not known; None is whichever the file speaks.

    Raises:
        InputError: listing those that are.
    """
    if name is not None and name not in FORMATS:
        raise InputError(f"format: expected one of {', '.join(FORMATS)}, got {name!r}")


def format_to_read(path: Path) -> Format:
    """Return the format of a file by its suffix, and of a table by its heading.

    Raises:
        InputError: when the suffix is not known.
    """
    if path.suffix.lower() not in TABLES:
        return _by_suffix(path)
    heading = read_text(path).lstrip().split("\n", 1)[0].lower()
    if "x-coordinate" in heading:
        return FORMATS["cryoppp"]
    return FORMATS["topaz" if "image_name" in heading and "\t" in heading else "csv"]


def format_to_write(path: Path) -> Format:
    """Return the format of a file to be written, by its suffix.

    Raises:
        InputError: when the suffix is not known.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLES:
        return _by_suffix(path)
    return FORMATS["csv" if suffix == ".csv" else "topaz"]


def _by_suffix(path: Path) -> Format:
    suffix = path.suffix.lower()
    for format in FORMATS.values():
        if suffix in format.suffixes:
            return format
    raise InputError(f"{path}: unknown suffix {suffix!r}; expected one of {', '.join(SUFFIXES)}")
