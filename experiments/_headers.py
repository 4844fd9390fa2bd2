"""Size and pixel size of micrographs, without their pixels, for coordinates that do not tell."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence

from jaxpick.io.files import InputError
from jaxpick.io.micrographs import MicrographHeader, find_micrographs, list_pixel_sizes, read_header
from jaxpick.io.names import match_names
from jaxpick.io.nouns import Picks


def read_headers(pattern: str | None) -> tuple[dict[str, MicrographHeader], int]:
    """Return headers by file name, and how many could not be read (each is told on stderr)."""
    headers: dict[str, MicrographHeader] = {}
    problems = 0
    listed = list_pixel_sizes(pattern) if pattern else {}
    for path in find_micrographs(pattern) if pattern else ():
        try:
            header = read_header(path)
        except InputError as error:
            problems += 1
            print(f"left out: {error}", file=sys.stderr)
            continue
        size = listed.get(path, header.pixel_size_angstrom)
        headers[path.name] = dataclasses.replace(header, pixel_size_angstrom=size)
    return headers, problems


def with_pixel_sizes(
    picks: Sequence[Picks], headers: Mapping[str, MicrographHeader]
) -> list[Picks]:
    """Return coordinates with their micrographs' pixel sizes where their own files say none."""
    named = match_names([entry.micrograph for entry in picks], list(headers)).pairs
    sizes = {name: headers[found].pixel_size_angstrom for name, found in named.items()}
    return [
        dataclasses.replace(p, pixel_size_angstrom=p.pixel_size_angstrom or sizes.get(p.micrograph))
        for p in picks
    ]
