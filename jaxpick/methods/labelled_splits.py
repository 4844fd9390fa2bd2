"""Labelled micrographs divided into what is learnt from, validated on and tested on.

By micrograph within every set, or by whole sets, as in studies across molecules (Wang et al., 2016,
DeepPicker: trained on some molecules, tested on another). Drawn by the seed; a micrograph that is
there twice, under whatever name, is in one part only.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from jaxpick.io.files import InputError
from jaxpick.io.split_files import NAME, PARTS, SplitFile, check_split, read_parts
from jaxpick.methods.labelled_micrographs import LabelledMicrograph
from jaxpick.methods.labelled_spec import LabelledSpec

T = TypeVar("T")


def draw_parts(count: int, validation: float, test: float, seed: int) -> list[str]:
    """Return the part of each of so many things.

    Args:
        count: of the things.
        validation, test: shares, together below 1. Each share above 0 gets one thing at least, as
            long as one is left to train on; validation goes first.
        seed: of the draw.
    """
    num_validation = _share(count, validation, count - 1)
    num_test = _share(count, test, count - 1 - num_validation)
    order = np.random.default_rng([seed, count]).permutation(count).tolist()
    parts = [PARTS[0]] * count
    for place, thing in enumerate(order[: num_validation + num_test]):
        parts[thing] = PARTS[1] if place < num_validation else PARTS[2]
    return parts


def split_sets(
    sets: Sequence[Sequence[LabelledMicrograph]],
    spec: LabelledSpec,
    seed: int,
    kept: Path | None = None,
) -> list[SplitFile]:
    """Return every micrograph with its part.

    Args:
        sets: micrographs of each set.
        spec: how to split.
        seed: of the split.
        kept: folder of the run; a `split.json` of an earlier start in it is taken.

    Raises:
        InputError: when `kept` was made of other files or with other settings, `spec.split` lacks a
            micrograph, or sets that are to be kept apart share one.
    """
    if kept is not None and (kept / NAME).is_file():
        known = read_parts(kept / NAME)
        files = _files(sets, {m.sha256: known.get(m.sha256, "") for part in sets for m in part})
        check_split(kept / NAME, split_settings(spec, seed), files)
        return files
    if spec.split is not None:
        return _files(sets, _given(sets, spec.split))
    by_set = spec.split_by == "set"
    return _files(sets, _whole_sets(sets, spec, seed) if by_set else _within(sets, spec, seed))


def split(things: Sequence[T], fraction: float, seed: int) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """Return the larger and the smaller part, at least one of each where there are two.

    A fraction of 0 gives none to the second.
    """
    drawn = draw_parts(len(things), fraction, 0.0, seed)
    first, second = (
        tuple(thing for thing, part in zip(things, drawn, strict=True) if part == name)
        for name in PARTS[:2]
    )
    return first, second


def split_settings(spec: LabelledSpec, seed: int) -> dict[str, object]:
    """Return what a split depends on beside the files, as plain data."""
    names = ("split_by", "validation_fraction", "test_fraction", "split")
    return {name: getattr(spec, name) for name in names} | {"seed": seed}


def parts_of(
    micrographs: Sequence[LabelledMicrograph], files: Sequence[SplitFile]
) -> dict[str, tuple[LabelledMicrograph, ...]]:
    """Return the micrographs of each part, in their order."""
    known = {file.sha256: file.part for file in files}
    return {part: tuple(m for m in micrographs if known[m.sha256] == part) for part in PARTS}


def _share(count: int, fraction: float, most: int) -> int:
    return max(min(max(round(count * fraction), 1 if fraction > 0 else 0), most), 0)


def _within(
    sets: Sequence[Sequence[LabelledMicrograph]], spec: LabelledSpec, seed: int
) -> dict[str, str]:
    """Draw within each set; what an earlier set has already keeps its part."""
    parts: dict[str, str] = {}
    for micrographs in sets:
        new = [d for d in dict.fromkeys(m.sha256 for m in micrographs) if d not in parts]
        drawn = draw_parts(len(new), spec.validation_fraction, spec.test_fraction, seed)
        parts |= dict(zip(new, drawn, strict=True))
    return parts


def _whole_sets(
    sets: Sequence[Sequence[LabelledMicrograph]], spec: LabelledSpec, seed: int
) -> dict[str, str]:
    drawn = draw_parts(len(sets), spec.validation_fraction, spec.test_fraction, seed)
    parts: dict[str, str] = {}
    for micrographs, part in zip(sets, drawn, strict=True):
        for micrograph in micrographs:
            if parts.setdefault(micrograph.sha256, part) != part:
                raise InputError(
                    f"data.more: {micrograph.name} is in two sets; expected sets that share no "
                    "micrograph, as data.split_by=set"
                )
    return parts


def _given(sets: Sequence[Sequence[LabelledMicrograph]], path: str) -> dict[str, str]:
    known = read_parts(path)
    for micrograph in (m for micrographs in sets for m in micrographs):
        if micrograph.sha256 not in known:
            raise InputError(f"data.split: {path} does not have {micrograph.name}; expected all")
    return known


def _files(sets: Sequence[Sequence[LabelledMicrograph]], parts: dict[str, str]) -> list[SplitFile]:
    return [
        SplitFile(
            data_set=number,
            path=m.source,
            sha256=m.sha256,
            labels_sha256=m.labels_sha256,
            pixel_angstrom=m.pixel_angstrom,
            part=parts[m.sha256],
        )
        for number, micrographs in enumerate(sets)
        for m in micrographs
    ]
