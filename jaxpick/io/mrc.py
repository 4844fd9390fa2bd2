"""MRC2014 images: one section of mode 0, 1, 2, 6 or 12, plain or inside gzip or bzip2.

The header is 1024 bytes, an extended header of `nsymbt` bytes follows, then rows from y = 0
upwards; row 0 is the first row in memory here and is not flipped. Mode 0 is signed unless an IMOD
stamp says otherwise. Reference: Cheng et al., J Struct Biol 192:146 (2015), table 1; mode 12
(float16): CCP-EM, MRC2014 page; IMOD stamp: IMOD's mrc_format page.
"""

import bz2
import contextlib
import dataclasses
import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from jaxpick.io.files import InputError, replacing

HEADER_BYTES = 1024
_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_OTHER_MODES = {3: "complex int16", 4: "complex float32", 16: "colour", 101: "4-bit"}
_IMOD_STAMP = 1146047817
_PIXEL_SIZES_ANGSTROM = (0.05, 100.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MrcHeader:
    """What is needed to read the one section.

    Attributes:
        shape: (ny, nx) in pixels.
        dtype: of the pixels as stored, with byte order.
        offset: bytes before the first pixel.
        pixel_size_angstrom: None where the header does not say (0 or 1.0).
    """

    shape: tuple[int, int]
    dtype: np.dtype
    offset: int
    pixel_size_angstrom: float | None


def sane_pixel_size(value: float) -> float | None:
    """Return a pixel size in angstrom, or None where it is what programs write for unknown."""
    low, high = _PIXEL_SIZES_ANGSTROM
    known = math.isfinite(value) and low <= value <= high and abs(value - 1.0) > 1e-5
    # Headers hold float32: six digits give back the number that was typed.
    return float(f"{value:.6g}") if known else None


def read_mrc_header(path: Path) -> MrcHeader:
    """Read and check the header; for a plain file its length as well.

    Raises:
        InputError: naming the file and what is wrong with it.
    """
    with explained(path), _open(path) as file:
        raw = file.read(HEADER_BYTES)
    size = None if _is_compressed(path) else path.stat().st_size
    return _parse_header(raw, path, size)


def read_mrc(path: Path) -> tuple[Float[np.ndarray, "y x"], MrcHeader]:
    """Read the image as float32; plain files are memory-mapped and converted in one pass."""
    if _is_compressed(path):
        with explained(path), _open(path) as file:
            raw = file.read()
        header = _parse_header(raw[:HEADER_BYTES], path, len(raw))
        pixels = np.frombuffer(raw, header.dtype, math.prod(header.shape), header.offset).reshape(
            header.shape
        )
    else:
        header = read_mrc_header(path)
        pixels = np.memmap(path, header.dtype, "r", header.offset, header.shape)
    return np.array(pixels, dtype=np.float32, subok=False), header


def write_mrc(
    path: Path | str, array: Shaped[np.ndarray, "y x"], pixel_size_angstrom: float
) -> None:
    """Write an image whole or not at all: float32 as mode 2, float16 as mode 12, 8 and 16-bit
    integers as they are.

    Raises:
        InputError: when the folder cannot be written or the disk is full.
    """
    array = np.ascontiguousarray(array)
    modes = {np.dtype(code): mode for mode, code in _DTYPES.items()}
    if array.dtype not in modes:
        # Booleans and bytes fit mode 6 without loss; everything else becomes float32.
        array = array.astype(np.uint16 if array.dtype in (np.bool_, np.uint8) else np.float32)
    header = _format_header(array, modes[array.dtype], pixel_size_angstrom)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(header)
        file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).data)


def _format_header(array: np.ndarray, mode: int, pixel_size_angstrom: float) -> bytes:
    ny, nx = array.shape
    statistics = array.astype(np.float32, copy=False)
    low, high, mean, rms = (float(f(statistics)) for f in (np.min, np.max, np.mean, np.std))
    cell = (nx * pixel_size_angstrom, ny * pixel_size_angstrom, pixel_size_angstrom)
    header = bytearray(HEADER_BYTES)
    struct.pack_into(
        "<10i6f3i3f",
        header,
        0,
        nx,
        ny,
        1,
        mode,
        0,
        0,
        0,
        nx,
        ny,
        1,
        *cell,
        90,
        90,
        90,
        1,
        2,
        3,
        low,
        high,
        mean,
    )
    struct.pack_into("<i", header, 108, 20141)
    header[208:216] = b"MAP \x44\x44\0\0"
    struct.pack_into("<f", header, 216, rms)
    return bytes(header)


def _parse_header(raw: bytes, path: Path, size: int | None) -> MrcHeader:
    if len(raw) < HEADER_BYTES:
        raise InputError(
            f"{path}: {len(raw)} bytes long; an MRC file's header alone has {HEADER_BYTES}"
        )
    order = _byte_order(raw)
    nx, ny, nz, mode = struct.unpack_from(order + "4i", raw, 0)
    extended = struct.unpack_from(order + "i", raw, 92)[0]
    if min(nx, ny, nz) < 1 or max(nx, ny, nz) > 200_000 or not 0 <= extended < 2**30:
        raise InputError(f"{path}: not an MRC file (its header says {nx} x {ny} x {nz} pixels)")
    dtype = _dtype(raw, order, mode, path)
    if nz > 1:
        raise InputError(
            f"{path}: has {nz} sections; expected one micrograph, not a movie or stack"
        )
    needed = HEADER_BYTES + extended + nx * ny * dtype.itemsize
    if size is not None and size < needed:
        raise InputError(
            f"{path}: cut short; {size} bytes long, expected {needed} for {nx} x {ny} pixels"
        )
    if raw[208:211] != b"MAP" and size is not None and size != needed:
        raise InputError(f"{path}: not an MRC file (no MAP stamp in its header)")
    pixel_size = _pixel_size(raw, order, path)
    return MrcHeader(
        shape=(ny, nx), dtype=dtype, offset=HEADER_BYTES + extended, pixel_size_angstrom=pixel_size
    )


def _byte_order(raw: bytes) -> str:
    if raw[212] == 0x11:
        return ">"
    # Some programs leave the machine stamp empty: take the order in which the mode is a known one.
    mode = struct.unpack_from("<i", raw, 12)[0]
    return "<" if raw[212] == 0x44 or 0 <= mode < 256 else ">"


def _dtype(raw: bytes, order: str, mode: int, path: Path) -> np.dtype:
    if mode not in _DTYPES:
        known = _OTHER_MODES.get(mode, "unknown")
        raise InputError(
            f"{path}: MRC mode {mode} ({known}) is not read; expected mode 0, 1, 2, 6 or 12"
        )
    stamp, flags = struct.unpack_from(order + "2i", raw, 152)
    is_unsigned = mode == 0 and stamp == _IMOD_STAMP and not flags & 1
    return np.dtype(order + ("u1" if is_unsigned else _DTYPES[mode]))


def _pixel_size(raw: bytes, order: str, path: Path) -> float | None:
    mx, my = struct.unpack_from(order + "2i", raw, 28)
    cell_x, cell_y = struct.unpack_from(order + "2f", raw, 40)
    if mx < 1 or my < 1:
        return None
    size_x, size_y = sane_pixel_size(cell_x / mx), sane_pixel_size(cell_y / my)
    if size_x is None or size_y is None or abs(size_x - size_y) > 0.01 * size_x:
        return None
    return size_x


def _is_compressed(path: Path) -> bool:
    return path.suffix.lower() in (".gz", ".bz2")


def _open(path: Path) -> BufferedIOBase:
    opener = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File}.get(path.suffix.lower())
    return path.open("rb") if opener is None else opener(path)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the operating system and the decompressors raise into one sentence."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: the compressed data are cut short or damaged ({error})"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
