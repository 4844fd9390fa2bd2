"""Reads the tensors of a PyTorch file without PyTorch, and without running what the file would like to run.

A PyTorch file is a pickle whose tensors lie beside it: in a zip archive (since 1.6), or after the pickle (before).
Pickles may name any function to be called; here every name but those that make tensors and dictionaries becomes an
empty stand-in. A pickled module then is a tree of stand-ins whose parameters and buffers can be collected.
"""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxpick.io.files import InputError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
DTYPES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
PLAIN = {"set": set, "frozenset": frozenset, "dict": dict, "list": list, "tuple": tuple, "int": int}


class StandIn:
    """What an unknown class becomes: its name, and the attributes that were pickled."""

    kind = ""

    def __new__(cls, *values: Any, **named: Any) -> "StandIn":
        """Take any arguments."""
        return super().__new__(cls)

    def __init__(self, *values: Any, **named: Any) -> None:
        """Keep none of them."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Ignore the entries of unknown containers."""


class Lazy:
    """A storage whose numbers may come later in the file."""

    def __init__(self, dtype: type) -> None:
        """Start without numbers."""
        self.dtype = dtype
        self.values: np.ndarray = np.zeros(0, dtype)


class Tensor:
    """A view of a storage."""

    def __init__(self, storage: Lazy, offset: int, shape: tuple, strides: tuple) -> None:
        """Note where the numbers are."""
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self) -> np.ndarray:
        """Return a copy of the numbers.

        Raises:
            ValueError: when the view leaves the storage.
        """
        values = self.storage.values[self.offset :]
        last = sum((size - 1) * step for size, step in zip(self.shape, self.strides, strict=True))
        if min((*self.shape, *self.strides, self.offset, 1)) < 0 or last >= max(len(values), 1):
            raise ValueError("a tensor lies outside its storage")
        steps = [step * values.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(values, self.shape, steps, writeable=False).copy()


def read_state(path: Path | str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read the tensors of a file by name.

    Args:
        path: a dictionary of tensors or a whole pickled module.

    Returns:
        The tensors by their dotted names, and the classes of the modules by theirs (none for a dictionary).

    Raises:
        InputError: when the file is missing, damaged, or holds neither.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        found = _read_archive(content) if content[:2] == b"PK" else _read_legacy(content)
        kinds: dict[str, str] = {}
        tensors = _collect(found, "", kinds)
        state = {name: tensor.array() for name, tensor in tensors.items()}
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(
            f"{path}: expected a PyTorch file, got a damaged or foreign one"
        ) from error
    if not state:
        raise InputError(f"{path}: expected a module or a dictionary of tensors, found no tensor")
    return state, kinds


def _read_archive(content: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        folder = name.removesuffix("data.pkl")

        def load(dtype: type, key: str) -> Lazy:
            storage = Lazy(dtype)
            storage.values = np.frombuffer(archive.read(f"{folder}data/{key}"), dtype)
            return storage

        return _Unpickler(io.BytesIO(archive.read(name)), load).load()


def _read_legacy(content: bytes) -> Any:
    """Read magic, protocol, system, object and storage keys, then each storage: its length and its numbers."""
    file = io.BytesIO(content)
    storages: dict[str, Lazy] = {}

    def load(dtype: type, key: str) -> Lazy:
        return storages.setdefault(key, Lazy(dtype))

    magic, _, _, found, keys = (_Unpickler(file, load).load() for _ in range(5))
    if magic != LEGACY_MAGIC:
        raise ValueError("another magic number")
    for key in keys:
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        size = count * np.dtype(storage.dtype).itemsize
        storage.values = np.frombuffer(file.read(size), storage.dtype)
    return found


class _Unpickler(pickle.Unpickler):
    """Makes tensors, dictionaries and stand-ins, and calls nothing else."""

    def __init__(self, file: io.BytesIO, load: Callable[[type, str], Lazy]) -> None:
        super().__init__(file, encoding="utf-8")
        self._load = load

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name.startswith("_rebuild_tensor"):
            return lambda storage, offset, shape, strides, *rest: Tensor(
                storage, offset, shape, strides
            )
        if module == "torch._utils" and name.startswith("_rebuild_parameter"):
            return lambda tensor, *rest: tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if module in ("builtins", "__builtin__") and name in PLAIN:
            return PLAIN[name]
        return type(name, (StandIn,), {"kind": name})

    def persistent_load(self, pid: Any) -> Lazy:
        _, dtype, key, *_ = pid
        return self._load(dtype, key)


def _collect(found: Any, prefix: str, kinds: dict[str, str]) -> dict[str, Tensor]:
    """Return the tensors below a dictionary or a module, by dotted name; note the modules' classes."""
    if isinstance(found, dict):
        return {name: value for name, value in found.items() if isinstance(value, Tensor)}
    if not isinstance(found, StandIn):
        return {}
    kinds[prefix.removesuffix(".")] = found.kind
    own = {**vars(found).get("_parameters", {}), **vars(found).get("_buffers", {})}
    tensors = {f"{prefix}{n}": value for n, value in own.items() if isinstance(value, Tensor)}
    for name, child in vars(found).get("_modules", {}).items():
        tensors |= _collect(child, f"{prefix}{name}.", kinds)
    return tensors
