"""Which micrographs are learnt from, validated on and tested on: the `split.json` of a run.

Micrographs are told by the SHA-256 of their content, so that a copy under another name is the same
one, and labels by that of their coordinates. Beside it, `split/train.star`, `split/validation.star`
and `split/test.star` are RELION lists of the parts, for `pick micrographs=` and others.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxpick.io.files import InputError, write_text
from jaxpick.io.star import StarBlock, write_star

PARTS = ("train", "validation", "test")
NAME = "split.json"


class SplitFile(NamedTuple):
    """One micrograph of a split: which set it is of, its file, what is in it, and its part."""

    data_set: int
    path: Path
    sha256: str
    labels_sha256: str
    pixel_angstrom: float
    part: str


def labels_digest(x: np.ndarray, y: np.ndarray) -> str:
    """Return the SHA-256 of coordinates, in hexadecimal."""
    return hashlib.sha256(np.stack([x, y]).astype("<f8").tobytes()).hexdigest()


def save_split(out: Path | str, settings: Mapping[str, Any], files: Sequence[SplitFile]) -> None:
    """Write `split.json` and the lists of its parts into the folder of a run.

    Args:
        out: folder of the run.
        settings: what the split was drawn with, plain data.
        files: all micrographs.
    """
    for part in PARTS:
        chosen = [file for file in files if file.part == part]
        columns = {
            "rlnMicrographName": [str(file.path.absolute()) for file in chosen],
            "rlnMicrographPixelSize": [f"{file.pixel_angstrom:.9g}" for file in chosen],
        }
        path = Path(out) / "split" / f"{part}.star"
        path.unlink(missing_ok=True)
        if chosen:
            write_star(path, [StarBlock(name="micrographs", columns=columns)])
    write_text(Path(out) / NAME, json.dumps(_record(settings, files), indent=1) + "\n")


def read_parts(path: Path | str) -> dict[str, str]:
    """Return the part of each micrograph of a `split.json`, by the SHA-256 of its content.

    Raises:
        InputError: when the file cannot be read or is no split.
    """
    return {file["sha256"]: file["part"] for file in _read(Path(path))["files"]}


def check_split(path: Path, settings: Mapping[str, Any], files: Sequence[SplitFile]) -> None:
    """Refuse a saved split that was drawn otherwise, or of other micrographs or labels.

    Raises:
        InputError: naming the first difference.
    """
    old, new = _read(path), json.loads(json.dumps(_record(settings, files)))
    for name, value in new["settings"].items():
        if old["settings"].get(name) != value:
            raise InputError(
                f"{path}: was drawn with data.settings.{name}={old['settings'].get(name)!r}, not "
                f"{value!r}; expected the same, another out=, or overwrite=true"
            )
    known = {(one["data_set"], one["name"]): one for one in old["files"]}
    for one in new["files"]:
        before = known.pop((one["data_set"], one["name"]), {})
        for name, what in (("sha256", "content"), ("labels_sha256", "labels")):
            if before.get(name) != one[name]:
                change = f"its {what} changed" if before else "it is new"
                raise InputError(f"{path}: does not hold for {one['name']}, as {change}; {_ADVICE}")
    if known:
        ((_, name), *_) = known
        raise InputError(f"{path}: {name} of it is no longer there; {_ADVICE}")


_ADVICE = "expected the files it was made of, another out=, or overwrite=true"


def _record(settings: Mapping[str, Any], files: Sequence[SplitFile]) -> dict[str, Any]:
    told = [
        {
            "data_set": file.data_set,
            "name": file.path.name,
            "part": file.part,
            "sha256": file.sha256,
            "labels_sha256": file.labels_sha256,
        }
        for file in files
    ]
    return {"settings": dict(settings), "files": told}


def _read(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        for file in read["files"]:
            if file["part"] not in PARTS or not (file["sha256"] and file["name"]):
                raise ValueError(f"part {file['part']!r}")
        return {"settings": dict(read["settings"]), "files": list(read["files"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected the split.json of a training ({error})") from error
