"""Portable weights: a folder with the arrays (`weights.npz`) and a readable card (`weights.json`),
no pickle.

The arrays are those of a nested dictionary of parameters, named by the path to them joined with
"/". The card holds whatever the caller says of the network (method, config, data, figures) beside
the format's name and version and a checksum of each array, so that truncated or foreign files are
refused in one sentence. Both files can be read without
jaxpick: numpy and a JSON reader are enough.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jaxpick.io.files import InputError, replacing, write_text

FORMAT = "jaxpick-weights"
VERSION = 1
ARRAYS_NAME = "weights.npz"
CARD_NAME = "weights.json"


def save_weights(
    folder: Path | str,
    params_tree: Mapping[str, Any],
    card: Mapping[str, Any],
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Write parameters and their card into a folder; each file is replaced whole, the card last.

    Args:
        folder: made if it does not exist.
        params_tree: nested dictionaries of arrays.
        card: plain data; the keys "format", "version", "dtype" and "arrays" are the format's own.
        dtype: of the stored floats; float16 halves the file for a relative error of up to 5e-4.

    Raises:
        ValueError: when a name contains "/" or a float does not survive the chosen type.
    """
    arrays = {name: _stored(name, array, dtype) for name, array in flatten(params_tree).items()}
    own = {
        "format": FORMAT,
        "version": VERSION,
        "dtype": dtype,
        "arrays": {
            name: {"shape": list(array.shape), "dtype": str(array.dtype), "crc32": _checksum(array)}
            for name, array in arrays.items()
        },
    }
    text = json.dumps(
        {**card, **own}, indent=1
    )  # before any file is touched: the card may not be plain data
    with replacing(Path(folder) / ARRAYS_NAME) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    write_text(Path(folder) / CARD_NAME, text + "\n")


def load_weights(folder: Path | str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a folder that `save_weights` wrote; float16 arrays come back as float32.

    Args:
        folder: the folder, or either file in it.

    Returns:
        The nested dictionary of numpy arrays, and the card without the format's own keys.

    Raises:
        InputError: on a missing, truncated, changed or foreign file, or a newer version.
    """
    folder = Path(folder)
    if folder.name in (ARRAYS_NAME, CARD_NAME):
        folder = folder.parent
    card = _read_card(folder / CARD_NAME)
    arrays = _read_arrays(folder / ARRAYS_NAME, card["arrays"])
    own = ("format", "version", "dtype", "arrays")
    return unflatten(arrays), {key: value for key, value in card.items() if key not in own}


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, np.ndarray]:
    """Return the arrays of nested dictionaries by their "/"-joined path."""
    flat: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"{prefix}{name}: expected a name without '/'")
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}/")
        else:
            flat[f"{prefix}{name}"] = np.asarray(value)
    return flat


def unflatten(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return nested dictionaries from "/"-joined paths: the inverse of `flatten`."""
    tree: dict[str, Any] = {}
    for path, array in flat.items():
        *parents, leaf = path.split("/")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = array
    return tree


def fingerprint(params_tree: Mapping[str, Any]) -> str:
    """Return eight hexadecimal digits that change with the names, order and values of parameters."""
    total = 0
    for name, array in flatten(params_tree).items():
        total = zlib.crc32(np.ascontiguousarray(array).tobytes(), zlib.crc32(name.encode(), total))
    return f"{total:08x}"


def _stored(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    if not np.issubdtype(array.dtype, np.floating):
        # bfloat16 is no numpy float: widen it; integers and booleans stay as they are.
        return array.astype(np.float32).astype(dtype) if array.dtype.kind == "V" else array
    with np.errstate(over="ignore"):
        stored = array.astype(dtype)
    if not np.all(np.isfinite(stored)):
        raise ValueError(
            f"{name}: expected finite values within {dtype}, got {array.min()} to {array.max()}"
        )
    return stored


def _checksum(array: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: expected the card of a weights folder, but it cannot be read"
        ) from error
    except ValueError as error:
        raise InputError(
            f"{path}: expected JSON, got a damaged or foreign file ({error})"
        ) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else type(card).__name__
        raise InputError(f"{path}: expected format {FORMAT!r}, got {found!r}")
    if card.get("version") != VERSION:
        found = card.get("version")
        raise InputError(f"{path}: expected version {VERSION} of the format, got {found!r}")
    arrays = card.get("arrays")
    if not isinstance(arrays, dict) or not all(isinstance(a, dict) for a in arrays.values()):
        raise InputError(f"{path}: expected a description of each array under 'arrays'")
    return card


def _read_arrays(path: Path, described: Mapping[str, Any]) -> dict[str, np.ndarray]:
    try:
        # Opened here, since numpy leaves the file open where it is truncated.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: expected the arrays that {CARD_NAME} describes, but it is missing"
        ) from error
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: expected arrays, got a truncated or foreign file ({error})"
        ) from error
    if set(arrays) != set(described):
        names = sorted(set(arrays) ^ set(described))[:3]
        raise InputError(f"{path}: expected the arrays of {CARD_NAME}, they differ in {names}")
    for name, array in arrays.items():
        if _checksum(array) != described[name].get("crc32"):
            raise InputError(
                f"{path}: array {name} is not the one that {CARD_NAME} describes; save both again"
            )
    return {name: _widened(array) for name, array in arrays.items()}


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if np.issubdtype(array.dtype, np.floating) else array
