"""A folder as EMPIAR gives it: micrographs somewhere in it, particles in a STAR table or in one STAR
or box file for each micrograph.

Depositors lay their data out as they like (`data/`, `data/micrographs/`, `data/day1/`, ...), so that
files are told by what is in them: a table of particles names its micrographs, a coordinate file is
named after one. Folders of movies and stacks are left aside (the first file of each is looked at).
What fits twice is not guessed.
"""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxpick.io.files import InputError
from jaxpick.io.micrographs import SUFFIXES, read_header
from jaxpick.io.names import base_name, match_names
from jaxpick.io.relion import coordinate_list
from jaxpick.io.star import read_star

_COORDINATES = (".star", ".box")


class _Particles(NamedTuple):
    """A pattern of coordinate files, and the micrographs that they name."""

    pattern: str
    names: list[str]


def find_empiar(folder: Path, micrographs: str | None, wants: bool) -> tuple[str, str | None]:
    """Return the micrographs and the particles of a folder.

    Args:
        folder: of the entry, with or without its `data/`.
        micrographs: taken in place of those found.
        wants: particles are looked for.

    Raises:
        InputError: when there are none, or several.
    """
    if micrographs is not None and not wants:
        return micrographs, None
    images = _single_images(folder)
    if not images and micrographs is None:
        raise InputError(
            f"{folder}: looked in it and its folders for micrographs ({'/'.join(SUFFIXES[:3])}/..., "
            "one image each; movies are not read) and found none"
        )
    if not wants:
        return _pattern(images, folder), None
    names = [path.name for paths in images.values() for path in paths]
    particles = _fitting(_particles(folder), names, folder)
    if micrographs is not None:
        return micrographs, particles.pattern
    known = set(match_names(particles.names, list(dict.fromkeys(names))).pairs.values())
    labelled = {place: [p for p in paths if p.name in known] for place, paths in images.items()}
    kept = {place: images[place] for place, paths in labelled.items() if paths}
    return _pattern(kept, folder), particles.pattern


def _files(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield Path(place), [Path(place, n) for n in sorted(names) if not n.startswith(".")]


def _single_images(folder: Path) -> dict[Path, list[Path]]:
    """Return the files of each folder whose first file is one image."""
    found = {}
    for place, files in _files(folder):
        images = [path for path in files if path.name.lower().endswith(SUFFIXES)]
        if images and _is_single(images[0]):
            found[place] = images
    return found


def _is_single(path: Path) -> bool:
    try:
        read_header(path)
    except (InputError, OSError):
        return False
    return True


def _particles(folder: Path) -> Iterator[_Particles]:
    """Yield tables of particles, lists of coordinate files, and folders of such files by suffix."""
    for place, files in _files(folder):
        single: dict[str, list[Path]] = {}
        for path in (p for p in files if p.suffix.lower() in _COORDINATES):
            named = _named(path) if path.suffix.lower() == ".star" else None
            if named:
                yield _Particles(glob.escape(str(path)), named)
            elif named is None:
                single.setdefault(path.suffix, []).append(path)
        for suffix, paths in single.items():
            pattern = f"{glob.escape(str(place))}/*{suffix}"
            yield _Particles(pattern, [base_name(p.name) for p in paths])


def _named(path: Path) -> list[str] | None:
    """Return the micrographs that a STAR file has coordinates of; None if it is one's own file."""
    listed = coordinate_list(path)
    if listed is not None:
        return [name for name, _ in listed]
    for block in read_star(path):
        if "rlnCoordinateX" in block.columns:
            names = block.columns.get("rlnMicrographName")
            return None if names is None else list(dict.fromkeys(names))
    return []


def _fitting(found: Iterator[_Particles], names: Sequence[str], folder: Path) -> _Particles:
    """Return the one set of coordinates that names micrographs at hand."""
    fitting = [one for one in found if _fits(one.names, names)]
    if not fitting:
        raise InputError(
            f"{folder}: looked in it and its folders for a STAR table, or STAR or box files, with "
            f"particles of its {len(names)} micrographs and found none; "
            "give data.coordinates=PATTERN (data.truth= in compare)"
        )
    if len(fitting) > 1:
        others = ", ".join(one.pattern for one in fitting[:3])
        raise InputError(
            f"{folder}: {len(fitting)} sets of coordinates fit its micrographs ({others}); "
            "choose one by data.coordinates=PATTERN (data.truth= in compare)"
        )
    return fitting[0]


def _fits(wanted: Sequence[str], names: Sequence[str]) -> bool:
    # A name may be in several folders: that is settled once the coordinates are.
    try:
        return bool(match_names(list(wanted), list(dict.fromkeys(names))).pairs)
    except InputError:
        return False


def _pattern(images: dict[Path, list[Path]], folder: Path) -> str:
    """Return one glob for the images of all folders, which must not share names."""
    twice = [n for n, k in Counter(p.name for ps in images.values() for p in ps).items() if k > 1]
    places = list(images)
    if twice:
        where = ", ".join(str(place) for place in places[:3])
        raise InputError(
            f"{folder}: {twice[0]} is in several folders ({where}); choose one by "
            "data.micrographs=PATTERN"
        )
    ends = Counter(p.name[len(base_name(p.name)) :] for ps in images.values() for p in ps)
    end = ends.most_common(1)[0][0]
    if len(places) == 1:
        return f"{glob.escape(str(places[0]))}/*{end}"
    root = os.path.commonpath(places)
    inner = ",".join(glob.escape(os.path.relpath(place, root)) for place in places)
    return f"{glob.escape(root)}/{{{inner}}}/*{end}"
