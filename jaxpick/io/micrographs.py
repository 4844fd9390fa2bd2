"""Finding and reading micrographs: MRC (plain, gzip, bzip2), TIFF, PNG, JPEG; files, folders,
globs, RELION STAR lists.

RELION's paths are relative to its project folder, which a list does not name: the list's own
folder, each folder above it and the working folder are tried in turn. The pixel size of a list is
rlnMicrographPixelSize of the optics group (3.1 and later), or 10^4 rlnDetectorPixelSize /
rlnMagnification (before).
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxpick.io import mrc, pictures
from jaxpick.io.files import InputError, find_files
from jaxpick.io.mrc import MrcHeader, write_mrc
from jaxpick.io.nouns import Micrograph
from jaxpick.io.pictures import PictureHeader
from jaxpick.io.star import StarBlock, numbers, read_star

__all__ = [
    "SUFFIXES",
    "MicrographHeader",
    "find_micrographs",
    "list_pixel_sizes",
    "read_header",
    "read_micrograph",
    "write_mrc",
]

_MRC = (".mrc", ".map", ".mrc.gz", ".mrc.bz2", ".map.gz", ".map.bz2", ".mrcs")
_TIFF = (".tif", ".tiff")
_PICTURES = (".png", ".jpg", ".jpeg")
# A folder's stacks are not micrographs; one named outright is looked into.
# Least range and largest size of values whose variance over 10^8 pixels float32 still holds.
_VALUES = (1e-12, 1e15)
SUFFIXES = tuple(suffix for suffix in _MRC if suffix != ".mrcs") + _TIFF + _PICTURES


@dataclasses.dataclass(frozen=True, kw_only=True)
class MicrographHeader:
    """Size (ny, nx), pixel size in angstrom (None where unknown) and pixel type of a file."""

    shape: tuple[int, int]
    pixel_size_angstrom: float | None
    dtype: np.dtype


def find_micrographs(pattern: str | Path) -> list[Path]:
    """Return the micrographs that a file, a folder, a glob or a RELION micrographs STAR names.

    Entries of a list that do not exist are kept, so that reading them reports each; the order is
    sorted, or the list's.

    Raises:
        InputError: when nothing matches or a list has no micrographs.
    """
    if str(pattern).lower().endswith(".star"):
        return list(_read_list(pattern))
    return find_files(pattern, SUFFIXES)


def list_pixel_sizes(pattern: str | Path) -> dict[Path, float]:
    """Return the pixel sizes in angstrom of a RELION list, by path; empty for anything else."""
    if not str(pattern).lower().endswith(".star"):
        return {}
    return {path: size for path, size in _read_list(pattern).items() if size is not None}


def read_header(path: str | Path) -> MicrographHeader:
    """Read size and pixel size of a micrograph without its pixels.

    Raises:
        InputError: when the file is missing, empty, cut short or no image.
    """
    path = _existing(path)
    readers: dict[str, Callable[[Path], MrcHeader | PictureHeader]] = {
        "mrc": mrc.read_mrc_header,
        "tiff": pictures.read_tiff_header,
        "picture": pictures.read_picture_header,
    }
    header = readers[_kind(path)](path)
    return MicrographHeader(
        shape=header.shape, pixel_size_angstrom=header.pixel_size_angstrom, dtype=header.dtype
    )


def read_micrograph(path: str | Path, pixel_size_angstrom: float | None = None) -> Micrograph:
    """Read one micrograph as float32, rows in the order stored.

    Args:
        path: .mrc (also .gz, .bz2), .tif, .png or .jpg.
        pixel_size_angstrom: overrides the header; needed where the header has none.

    Raises:
        InputError: when the file cannot be used, its image is constant or not finite, or the pixel
            size is unknown.
    """
    path = _existing(path)
    readers: dict[str, Callable[[Path], tuple[np.ndarray, MrcHeader | PictureHeader]]] = {
        "mrc": mrc.read_mrc,
        "tiff": pictures.read_tiff,
        "picture": pictures.read_picture,
    }
    image, header = readers[_kind(path)](path)
    _check_values(image, path)
    size = _chosen_pixel_size(path, header.pixel_size_angstrom, pixel_size_angstrom)
    return Micrograph(image=image, pixel_size_angstrom=size, name=path.name)


def _chosen_pixel_size(path: Path, from_header: float | None, given: float | None) -> float:
    if given is not None:
        if not (math.isfinite(given) and given > 0):
            raise InputError(
                f"{path}: pixel_size is {given!r}; expected a positive number of angstrom"
            )
        return float(given)
    if from_header is None:
        raise InputError(
            f"{path}: its header has no usable pixel size; give it as pixel_size=ANGSTROM"
        )
    return from_header


def _check_values(image: np.ndarray, path: Path) -> None:
    if image.size == 0:
        raise InputError(f"{path}: has no pixels; expected an image")
    # The extremes carry NaN and infinity, so that two passes check everything.
    low, high = float(image.min()), float(image.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        count = image.size - int(np.isfinite(image).sum())
        raise InputError(
            f"{path}: {count} of {image.size} pixels are NaN or infinite; expected finite values"
        )
    if low == high:
        raise InputError(f"{path}: every pixel is {low:g}; expected an image")
    least, largest = _VALUES
    if high - low < least or max(-low, high) > largest:
        raise InputError(
            f"{path}: its values lie from {low:g} to {high:g}; expected some that float32 can square"
        )


def _existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {what}; expected a micrograph")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty; expected a micrograph")
    return path


def _kind(path: Path) -> str:
    name = path.name.lower()
    for kind, suffixes in (("mrc", _MRC), ("tiff", _TIFF), ("picture", _PICTURES)):
        if name.endswith(suffixes):
            return kind
    raise InputError(f"{path}: unknown kind of image; expected {', '.join(SUFFIXES)}")


def _read_list(pattern: str | Path) -> dict[Path, float | None]:
    star = Path(pattern).expanduser()
    blocks = read_star(star)
    table = next((block for block in blocks if "rlnMicrographName" in block.columns), None)
    if table is None or not len(table):
        raise InputError(f"{star}: lists no micrographs; expected a column _rlnMicrographName")
    sizes = _row_pixel_sizes(table, blocks, str(star))
    found: dict[Path, float | None] = {}
    for name, size in zip(table.columns["rlnMicrographName"], sizes, strict=True):
        found.setdefault(resolve(name, star), size)
    if not any(path.is_file() for path in found):
        raise InputError(
            f"{star}: none of its {len(found)} micrographs exists (first: {next(iter(found))})"
        )
    return found


def resolve(name: str, star: Path) -> Path:
    """Return the file that a RELION path means, or the first guess where none of them exists."""
    folders = [star.resolve().parent, *star.resolve().parent.parents, Path.cwd()]
    guesses = [folder / name for folder in folders]
    return next((guess for guess in guesses if guess.is_file()), guesses[0])


def _row_pixel_sizes(table: StarBlock, blocks: list[StarBlock], source: str) -> list[float | None]:
    by_group = optics_pixel_sizes(blocks, ("rlnMicrographPixelSize",), source)
    groups = table.columns.get("rlnOpticsGroup")
    if by_group and groups:
        return [by_group.get(group) for group in groups]
    if "rlnMicrographPixelSize" in table.columns:
        return [
            mrc.sane_pixel_size(size) for size in numbers(table, "rlnMicrographPixelSize", source)
        ]
    return old_pixel_sizes(table, source)


def old_pixel_sizes(table: StarBlock, source: str) -> list[float | None]:
    """Return each row's pixel size in angstrom from detector pixel (um) and magnification."""
    if not {"rlnDetectorPixelSize", "rlnMagnification"} <= set(table.columns):
        return [None] * len(table)
    detector_um = numbers(table, "rlnDetectorPixelSize", source)
    magnification = np.maximum(numbers(table, "rlnMagnification", source), 1e-9)
    return [mrc.sane_pixel_size(size) for size in 1e4 * detector_um / magnification]


def optics_pixel_sizes(
    blocks: list[StarBlock], labels: tuple[str, ...], source: str
) -> dict[str, float | None]:
    """Return the pixel size of each optics group by the first label present; empty without."""
    optics = next(
        (block for block in blocks if block.name == "optics" and "rlnOpticsGroup" in block.columns),
        None,
    )
    label = next(
        (label for label in labels if optics is not None and label in optics.columns), None
    )
    if optics is None or label is None:
        return {}
    sizes = numbers(optics, label, source)
    return {
        group: mrc.sane_pixel_size(size)
        for group, size in zip(optics.columns["rlnOpticsGroup"], sizes, strict=True)
    }
