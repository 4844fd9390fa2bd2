"""Micrographs with labelled particles, brought to working images once.

Micrographs and coordinates are matched by name as forgivingly as everywhere (`jaxpick.io.names`); a
micrograph without coordinates is left out, one with an empty list counts as having no particles.
Working images lie in a cache on disk, named by the content of the micrograph and the preprocessing,
and are mapped into memory: a data set may be larger than it. `labelled_sets` reads whole data sets.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxpick.io.array_cache import file_digest, map_array, stored_array
from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import InputError, OutputError
from jaxpick.io.micrographs import (
    find_micrographs,
    list_pixel_sizes,
    read_header,
    read_micrograph,
)
from jaxpick.io.names import base_name, describe_mismatch, match_names, split_inside
from jaxpick.io.nouns import Picks
from jaxpick.io.split_files import SplitFile, labels_digest
from jaxpick.methods.labelled_spec import LabelledSpec as LabelledSpec
from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.preprocess.prepare import PreprocessSpec, prepare
from jaxpick.preprocess.working import WorkingImage
from jaxpick.spec import as_plain

# Raised when working images change for the same settings.
CACHE_VERSION = 1

Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledMicrograph:
    """A working image on disk and the particles in it.

    Attributes:
        name: file name of the micrograph.
        path: of the working image, float32, (y, x).
        centre_yx_px: labelled centres in working pixels.
        radius_px: of the particle in working pixels.
        usable: first and last + 1 row, first and last + 1 column that are image and not border.
        score: of each label, 1 where a format has none.
        positives_yx_px: the labels that are learnt from; all if None.
        negatives_yx_px: known non-particles that are learnt from; places far from labels if None.
        data_set: which of several sets it is from.
        source: file of the micrograph.
        sha256: of its content; labels_sha256: of its labels.
        pixel_angstrom: of the micrograph.
    """

    name: str
    path: Path
    centre_yx_px: Float[np.ndarray, "particle 2"]
    radius_px: float
    usable: tuple[int, int, int, int]
    score: Float[np.ndarray, " label"] | None = None
    positives_yx_px: Float[np.ndarray, "positive 2"] | None = None
    negatives_yx_px: Float[np.ndarray, "negative 2"] | None = None
    data_set: int = 0
    source: Path = Path()
    sha256: str = ""
    labels_sha256: str = ""
    pixel_angstrom: float = 0.0

    @property
    def learnt_yx_px(self) -> Float[np.ndarray, "positive 2"]:
        """Centres that patches of particles are cut about."""
        return self.centre_yx_px if self.positives_yx_px is None else self.positives_yx_px

    @property
    def is_learnt(self) -> Bool[np.ndarray, " label"]:
        """Which labels are learnt from; the others are particles that nothing is told about."""
        if self.positives_yx_px is None:
            return np.ones(len(self.centre_yx_px), np.bool_)
        learnt = set(map(tuple, self.positives_yx_px))
        return np.array([tuple(centre) in learnt for centre in self.centre_yx_px], np.bool_)

    def image(self) -> Float[np.ndarray, "y x"]:
        """Map the working image into memory."""
        return map_array(self.path)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Labelled:
    """A labelled data set, split by micrograph.

    Attributes:
        train: micrographs that are learnt from.
        validation: micrographs that are only validated on; empty where there is but one.
        spec: how crops are taken.
        files: every micrograph with its part, those kept for tests too.
        seed: of the split and of the crops.
        summary: plain data for the run's record: lists of names by part, numbers of labels used and
            off the image, remarks on names that fit nothing, micrographs left out and why.
    """

    train: tuple[LabelledMicrograph, ...]
    validation: tuple[LabelledMicrograph, ...]
    spec: LabelledSpec
    seed: int
    summary: Mapping[str, Any]
    files: tuple[SplitFile, ...] = ()


class ReadSet(NamedTuple):
    """Micrographs of one set, how many labels lay off the image, remarks on names, what is left out
    and why, and how many working images were there before.
    """

    micrographs: list[LabelledMicrograph]
    num_off: int
    remark: str
    problems: list[str]
    num_reused: int


def read_labelled(
    spec: LabelledSpec, working: PreprocessSpec, cache: Path | str, report: Report = print
) -> ReadSet:
    """Match and prepare one data set.

    Args:
        spec: which files; its micrographs must be given.
        working: how working images are made.
        cache: folder to keep them in.
        report: called with a sentence about each thing worth knowing.

    Raises:
        InputError: when no micrograph can be used.
        OutputError: when the cache cannot be written.
    """
    pixels, shapes, problems = _headers(spec)
    labels, remark = _matched_labels(spec, shapes)
    if remark:
        report(remark)
    labels, num_off = _inside(labels, shapes, report)
    found: list[LabelledMicrograph] = []
    num_reused = 0
    for path, picks in labels.items():
        try:
            micrograph, reused = _prepared(Path(path), picks, pixels[path], spec, working, cache)
        except OutputError:  # a full disk is no micrograph's fault
            raise
        except (InputError, OSError) as error:
            problems.append(str(error))
            continue
        found.append(micrograph)
        num_reused += reused
    for problem in problems:
        report(f"left out: {problem}")
    if not found:
        raise InputError(f"data.micrographs: none of {spec.micrographs} can be trained on")
    return ReadSet(found, num_off, remark, problems, num_reused)


def _headers(
    spec: LabelledSpec,
) -> tuple[dict[str, float], dict[str, tuple[int, int]], list[str]]:
    """Return pixel size and shape by path, and what is wrong with the other files."""
    paths, problems = find_micrographs(str(spec.micrographs)), []
    listed = list_pixel_sizes(str(spec.micrographs))
    pixels, shapes = {}, {}
    for path in paths:
        try:
            header = read_header(path)
        except (InputError, OSError) as error:
            problems.append(str(error))
            continue
        pixel = spec.pixel_size or listed.get(path) or header.pixel_size_angstrom
        if pixel is None:
            raise InputError(
                f"{path}: its header has no usable pixel size; give it as data.pixel_size=ANGSTROM"
            )
        pixels[str(path)], shapes[str(path)] = pixel, header.shape
    return pixels, shapes, problems


def _matched_labels(
    spec: LabelledSpec, shapes: dict[str, tuple[int, int]]
) -> tuple[dict[str, Picks], str]:
    """Return the coordinates by path, in the order of the paths, and what fits nothing."""
    found = read_picks(
        str(spec.coordinates), spec.format, micrograph_shape=shapes, flip_y=spec.flip_y
    )
    match = match_names([picks.micrograph for picks in found], list(shapes))
    remark = describe_mismatch(match)
    if not match.pairs:
        raise InputError(f"data.coordinates: {remark or 'no coordinates at all'}")
    by_path = {match.pairs[p.micrograph]: p for p in found if p.micrograph in match.pairs}
    return {path: by_path[path] for path in shapes if path in by_path}, remark


def _inside(
    labels: dict[str, Picks], shapes: dict[str, tuple[int, int]], report: Report
) -> tuple[dict[str, Picks], int]:
    """Leave out labels off their image, and say how many."""
    split_labels = {path: split_inside(picks, shapes[path]) for path, picks in labels.items()}
    num_off = sum(count for _, count in split_labels.values())
    if num_off:
        first = next(Path(path).name for path, (_, count) in split_labels.items() if count)
        total = sum(len(picks) for picks in labels.values())
        report(f"{num_off} of {total} labels lie off their image (first in {first}); left out")
    return {path: picks for path, (picks, _) in split_labels.items()}, num_off


def _prepared(
    path: Path,
    picks: Picks,
    pixel_angstrom: float,
    spec: LabelledSpec,
    working: PreprocessSpec,
    cache: Path | str,
) -> tuple[LabelledMicrograph, bool]:
    """Return a micrograph with its working image in the cache, and whether it was there."""
    diameter = float(spec.diameter or 0.0)

    def make() -> tuple[np.ndarray, dict[str, Any]]:
        made = prepare(read_micrograph(path, pixel_angstrom), diameter, working)
        image = np.asarray(made.image, np.float32)
        way = made.coordinates
        notes = {
            "scale_yx": (way.scale_y, way.scale_x),
            "pixel_angstrom": made.pixel_size_angstrom,
            "usable": _working_box(made),
        }
        return image, notes

    sha256 = file_digest(path)
    origin = [CACHE_VERSION, sha256, pixel_angstrom, diameter, as_plain(working)]
    file, notes, reused = stored_array(cache, base_name(path.name), origin, make)
    scale_y, scale_x = notes["scale_yx"]
    y, x = CoordinateMap(scale_y=scale_y, scale_x=scale_x).to_working(picks.y, picks.x)
    micrograph = LabelledMicrograph(
        name=path.name,
        path=file,
        centre_yx_px=np.stack([y, x], axis=1),
        radius_px=0.5 * diameter / notes["pixel_angstrom"],
        usable=tuple(notes["usable"]),
        score=picks.score if spec.scored else None,
        source=path,
        sha256=sha256,
        labels_sha256=labels_digest(picks.x, picks.y),
        pixel_angstrom=pixel_angstrom,
    )
    return micrograph, reused


def _working_box(made: WorkingImage) -> tuple[int, int, int, int]:
    """Return the working pixels whose centres lie in the usable part of the micrograph."""
    (ny, nx), way = made.image.shape, made.coordinates
    whole = (0, made.micrograph_shape[0], 0, made.micrograph_shape[1])
    top, bottom, left, right = whole if made.usable is None else made.usable
    return (
        math.ceil(top / way.scale_y),
        min(math.floor((bottom - 1) / way.scale_y) + 1, ny),
        math.ceil(left / way.scale_x),
        min(math.floor((right - 1) / way.scale_x) + 1, nx),
    )
