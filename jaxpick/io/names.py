"""Forgiving matching of micrograph names, and labels that lie off their image.

Programs rename micrographs: folders, extensions, cryoSPARC's numeric UID prefix, the suffix of a
picking job, the suffix of motion correction. Names are compared ever more loosely, and a looser
comparison counts only where it is unique.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from jaxpick.io.files import InputError
from jaxpick.io.nouns import Picks

_FILE_SUFFIX = re.compile(
    r"\.(mrc|mrcs|map|tif|tiff|png|jpg|jpeg|eer|gz|bz2|star|box|cbox|json|csv|tsv|txt|cs)$",
    re.IGNORECASE,
)
_UID_PREFIX = re.compile(r"^\d{15,}_")
_PICK_SUFFIX = re.compile(
    r"_(autopick|manualpick|topazpicks|extract|picks|picked|particles|coords|info|boxes)$"
)
_MOTION_SUFFIX = re.compile(
    r"([_-](patch_aligned_doseweighted|patch_aligned|rigid_aligned|doseweighted|aligned|dw|nodw|fractions"
    r"|motioncor2|aligned_mic|denoised))+$",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NameMatch:
    """Which available name each wanted name is, and what is left on both sides.

    Attributes:
        pairs: wanted name -> available name.
        unmatched_wanted: in the order given.
        unmatched_available: in the order given.
    """

    pairs: Mapping[str, str]
    unmatched_wanted: tuple[str, ...]
    unmatched_available: tuple[str, ...]


def base_name(name: str) -> str:
    """Return a file name without its folder (either slash) and its known suffixes, and no more."""
    text = PurePosixPath(name.replace("\\", "/")).name
    while _FILE_SUFFIX.search(text):
        text = _FILE_SUFFIX.sub("", text)
    return text


def without_uid(name: str) -> str:
    """Return the base name without cryoSPARC's prefix of 15 or more digits."""
    return _UID_PREFIX.sub("", base_name(name))


def _without_pick_suffix(name: str) -> str:
    return _PICK_SUFFIX.sub("", without_uid(name))


def _without_motion_suffix(name: str) -> str:
    return _MOTION_SUFFIX.sub("", _without_pick_suffix(name))


def _file_name(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


# From strict to loose; each removes more of the name than the one before.
_COMPARISONS: tuple[Callable[[str], str], ...] = (
    str,
    _file_name,
    base_name,
    without_uid,
    _without_pick_suffix,
    _without_motion_suffix,
)


def match_names(wanted: Sequence[str], available: Sequence[str]) -> NameMatch:
    """Pair each wanted name with an available one by the strictest comparison under which any
    agrees.

    Args:
        wanted: names to look up, such as those in a coordinate file.
        available: names to choose from, such as the micrographs at hand.

    Raises:
        InputError: when a name fits several available ones, or several wanted names fit the same
            one.
    """
    pairs: dict[str, str] = {}
    for comparison in _COMPARISONS:
        by_key: dict[str, list[str]] = {}
        taken = set(pairs.values())
        for name in dict.fromkeys(available):
            if name not in taken:
                by_key.setdefault(comparison(name), []).append(name)
        for name in wanted:
            if name not in pairs and comparison(name) in by_key:
                pairs[name] = _only(name, by_key[comparison(name)])
    _check_one_to_one(pairs)
    taken = set(pairs.values())
    return NameMatch(
        pairs=pairs,
        unmatched_wanted=tuple(name for name in dict.fromkeys(wanted) if name not in pairs),
        unmatched_available=tuple(name for name in dict.fromkeys(available) if name not in taken),
    )


def _only(name: str, candidates: list[str]) -> str:
    if len(candidates) == 1:
        return candidates[0]
    parts = _parts(name)
    agreeing = [_common_tail(parts, _parts(candidate)) for candidate in candidates]
    best = [
        candidate for candidate, n in zip(candidates, agreeing, strict=True) if n == max(agreeing)
    ]
    if len(best) > 1:
        raise InputError(f"{name}: fits several micrographs ({', '.join(best[:3])}); expected one")
    return best[0]


def _parts(name: str) -> list[str]:
    path = PurePosixPath(name.replace("\\", "/"))
    return [*path.parts[:-1], base_name(name)]


def _common_tail(one: list[str], other: list[str]) -> int:
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count


def _check_one_to_one(pairs: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, found in pairs.items():
        if found in seen:
            raise InputError(
                f"{name}: fits the micrograph {found}, and so does {seen[found]}; expected one"
            )
        seen[found] = name


def describe_mismatch(
    match: NameMatch, wanted: str = "coordinates", available: str = "micrographs"
) -> str:
    """Say how many names found no partner, with the first few of each side; "" if all did."""
    parts = []
    count = len(match.unmatched_wanted)
    if match.unmatched_wanted:
        parts.append(
            f"{count} {wanted} fit none of the {available}: {_few(match.unmatched_wanted)}"
        )
    if match.unmatched_available:
        count = len(match.unmatched_available)
        parts.append(f"{count} {available} have no {wanted}: {_few(match.unmatched_available)}")
    return "; ".join(parts)


def _few(names: tuple[str, ...], limit: int = 3) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


def split_inside(picks: Picks, shape: tuple[int, int]) -> tuple[Picks, int]:
    """Return the picks whose centre lies on the image, and how many do not.

    Args:
        shape: (ny, nx) in pixels; the image covers -0.5 <= x < nx - 0.5, so that rounding stays
            inside.
    """
    ny, nx = shape
    inside_x = (picks.x >= -0.5) & (picks.x < nx - 0.5)
    inside_y = (picks.y >= -0.5) & (picks.y < ny - 0.5)
    inside = inside_x & inside_y
    return picks.select(inside), int(np.sum(~inside))
