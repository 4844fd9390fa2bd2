"""Arrays computed once and kept on disk as `.npy`, named by what they were computed from."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxpick.io.files import replacing


def file_digest(path: Path | str) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored_array(
    folder: Path | str, name: str, origin: Any, make: Callable[[], np.ndarray]
) -> tuple[Path, bool]:
    """Return the file of an array and whether it was there before; `make` is called if it was not.

    Args:
        folder: of the cache, made if missing.
        name: beginning of the file's name, for people; it need not be unique.
        origin: plain data that decide the array's content; another origin is another file.
        make: computes the array, which is written whole or not at all.
    """
    key = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()
    path = Path(folder) / f"{name[:80]}-{key[:32]}.npy"
    if path.is_file():
        return path, True
    array = make()
    with replacing(path) as temporary:
        np.save(temporary, array, allow_pickle=False)
    return path, False


def map_array(path: Path | str) -> np.ndarray:
    """Open a stored array without reading it: only the parts that are used are read."""
    return np.load(path, mmap_mode="r", allow_pickle=False)
