"""Arrays computed once and kept on disk as `.npy`, named by what they were computed from; beside
each a `.json` of what else is to be known about it.
"""

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxpick.io.files import replacing, write_text


def file_digest(path: Path | str) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored_array(
    folder: Path | str, name: str, origin: Any, make: Callable[[], tuple[np.ndarray, Any]]
) -> tuple[Path, Any, bool]:
    """Return the file of an array, its notes, and whether it was there; if not, `make` is called.

    Args:
        folder: of the cache, made if missing.
        name: beginning of the file's name, for people; it need not be unique.
        origin: plain data that decide the array's content; another origin is another file.
        make: computes the array and its notes, plain data. Both are written whole or not at all,
            the array last.
    """
    key = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()
    path = Path(folder) / f"{name[:80]}-{key[:32]}.npy"
    beside = path.with_suffix(".json")
    if path.is_file() and beside.is_file():
        return path, json.loads(beside.read_text(encoding="utf-8")), True
    array, notes = make()
    write_text(beside, json.dumps(notes))
    with replacing(path) as temporary:
        np.save(temporary, array, allow_pickle=False)
    return path, notes, False


def map_array(path: Path | str) -> np.ndarray:
    """Open a stored array without reading it: only the parts that are used are read.

    Threads may open at once: Python 3.11's parser of literals, which reads the header, fails when two use it.
    """
    with _OPENING:
        return np.load(path, mmap_mode="r", allow_pickle=False)


_OPENING = threading.Lock()
