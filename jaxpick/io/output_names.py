"""What the files of a micrograph are called in the folder that `pick` writes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxpick.io.files import InputError

_SUFFIXES = (".gz", ".bz2", ".mrc", ".mrcs", ".map", ".tif", ".tiff", ".png", ".jpg", ".jpeg")
TOTAL = "picks"


def stem(name: str) -> str:
    """Return a micrograph's name as one file name without its (possibly double) suffix."""
    base = name.replace(os.sep, "__")
    for suffix in _SUFFIXES:
        if base.lower().endswith(suffix):
            base = base[: -len(suffix)]
    return base


def output_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return a name for each micrograph: its file's, with as many folders as tell it from others.

    Raises:
        InputError: when two micrographs would write the same file.
    """
    names = {path: path.name for path in paths}
    for path in paths:
        if any(ord(letter) < 32 for letter in path.name):
            raise InputError(
                f"{str(path)!r}: control characters and line ends cannot be written to a STAR file; "
                "expected a name without"
            )
    for depth in range(2, 2 + max((len(path.parts) for path in paths), default=0)):
        shared = _shared(names)
        if not shared:
            break
        names |= {path: str(Path(*path.absolute().parts[-depth:])) for path in shared}
    for path in _shared(names):
        other = next(p for p in paths if p != path and stem(names[p]) == stem(names[path]))
        raise InputError(
            f"{path}: its picks would be written to the same file as those of {other.name}; "
            "expected micrographs whose names differ in more than the suffix"
        )
    for path in (path for path in paths if stem(names[path]) == TOTAL):
        raise InputError(
            f"{path}: its picks would be written to {TOTAL}.star, which holds those of all "
            "micrographs; expected another name"
        )
    return names


def _shared(names: Mapping[Path, str]) -> list[Path]:
    by_stem: dict[str, list[Path]] = {}
    for path, name in names.items():
        by_stem.setdefault(stem(name), []).append(path)
    return [path for paths in by_stem.values() if len(paths) > 1 for path in paths]
