"""TIFF, PNG and JPEG micrographs: one grey page, rows in the order stored.

RELION flips TIFF images along the slow axis when it reads them (RELION documentation, Conventions);
here no picture is flipped, so coordinates are those of the picture as any viewer shows it. A TIFF
resolution tag is taken as the pixel size where it is a sane one; PNG and JPEG never say.
"""

import contextlib
import dataclasses
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from jaxtyping import Float
from PIL import Image

from jaxpick.io.files import InputError
from jaxpick.io.mrc import explained, sane_pixel_size

# JPEG stores colours at half resolution and rounds: a grey picture saved in colour comes back this
# unequal at most.
_GREY_TOLERANCE = 8
_ANGSTROM = {
    "cm": 1e8,
    "inch": 2.54e8,
    "mm": 1e7,
    "um": 1e4,
    "micron": 1e4,
    "\u00b5m": 1e4,
    "nm": 10.0,
    "angstrom": 1.0,
}
_RESOLUTION_UNITS = {2: "inch", 3: "cm"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PictureHeader:
    """Size (ny, nx) in pixels, kind of pixel, and pixel size in angstrom where the file says."""

    shape: tuple[int, int]
    dtype: np.dtype
    pixel_size_angstrom: float | None


def read_tiff_header(path: Path) -> PictureHeader:
    """Read the size and resolution of a one-page TIFF."""
    return _with_tiff(path, lambda file: _tiff_header(file, path))


def read_tiff(path: Path) -> tuple[Float[np.ndarray, "y x"], PictureHeader]:
    """Read a one-page grey TIFF as float32; pillow knows compressions that tifffile does not."""
    header = read_tiff_header(path)
    try:
        pixels = _with_tiff(path, lambda file: file.pages[0].asarray())
    except InputError as error:
        if "imagecodecs" not in str(error):
            raise
        return read_picture(path)[0], header
    return _as_grey(pixels, path), header


def read_picture_header(path: Path) -> PictureHeader:
    """Read the size of a PNG or JPEG."""
    with _explained_picture(path), Image.open(path) as picture:
        nx, ny = picture.size
        return PictureHeader(
            shape=(ny, nx), dtype=_dtype_of_mode(picture.mode), pixel_size_angstrom=None
        )


def read_picture(path: Path) -> tuple[Float[np.ndarray, "y x"], PictureHeader]:
    """Read a grey PNG or JPEG as float32; colour is accepted where its channels agree."""
    with _explained_picture(path), Image.open(path) as picture:
        num_frames = getattr(picture, "n_frames", 1)
        if num_frames > 1:
            raise InputError(f"{path}: has {num_frames} frames; expected one micrograph")
        keeps_mode = picture.mode in (
            "L",
            "I",
            "F",
            "I;16",
            "I;16B",
            "I;16L",
            "RGB",
            "RGBA",
            "LA",
            "1",
        )
        pixels = np.asarray(picture if keeps_mode else picture.convert("RGB"))
    image = _as_grey(pixels, path)
    return image, PictureHeader(shape=image.shape, dtype=pixels.dtype, pixel_size_angstrom=None)


def _as_grey(pixels: np.ndarray, path: Path) -> np.ndarray:
    if pixels.dtype.kind not in "biuf":
        raise InputError(f"{path}: pixels are {pixels.dtype}; expected integers or real numbers")
    if pixels.ndim == 3 and pixels.shape[-1] in (2, 3, 4):
        colours = pixels[..., : 1 if pixels.shape[-1] == 2 else 3]
        spread = np.ptp(colours, axis=-1)
        scale = 1 if pixels.dtype.itemsize == 1 else 257
        if spread.max(initial=0) > _GREY_TOLERANCE * scale:
            raise InputError(f"{path}: a colour picture; expected a grey one (convert it first)")
        pixels = colours.mean(axis=-1, dtype=np.float32)
    if pixels.ndim != 2:
        raise InputError(
            f"{path}: has shape {pixels.shape}; expected one grey image, not a movie or stack"
        )
    return np.array(pixels, dtype=np.float32)


def _with_tiff(path: Path, use: Callable[[Any], Any]) -> Any:
    # tifffile logs what it finds damaged; the one sentence raised here says it.
    logger = logging.getLogger("tifffile")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with explained(path), tifffile.TiffFile(path) as file:
            return use(file)
    except InputError:
        raise
    except Exception as error:  # a damaged file makes tifffile raise nearly anything
        raise InputError(f"{path}: not a readable TIFF ({_short(error)})") from error
    finally:
        logger.setLevel(level)


def _tiff_header(file: tifffile.TiffFile, path: Path) -> PictureHeader:
    if len(file.pages) == 0:
        raise InputError(f"{path}: not a readable TIFF (it holds no image)")
    if len(file.pages) != 1:
        raise InputError(
            f"{path}: has {len(file.pages)} pages; expected one micrograph, not a movie or stack"
        )
    page: Any = file.pages[0]
    dtype = np.dtype(page.dtype if page.dtype is not None else np.uint8)
    ny, nx = int(page.imagelength), int(page.imagewidth)
    return PictureHeader(
        shape=(ny, nx), dtype=dtype, pixel_size_angstrom=_tiff_pixel_size(file, page)
    )


def _tiff_pixel_size(file: tifffile.TiffFile, page: Any) -> float | None:
    tag = page.tags.get("XResolution")
    if tag is None or 0 in tag.value:
        return None
    pixels, units = tag.value
    unit_tag = page.tags.get("ResolutionUnit")
    unit = _RESOLUTION_UNITS.get(int(unit_tag.value) if unit_tag else 2, "")
    unit = str((file.imagej_metadata or {}).get("unit", unit)).lower()
    return sane_pixel_size(_ANGSTROM[unit] * units / pixels) if unit in _ANGSTROM else None


@contextlib.contextmanager
def _explained_picture(path: Path) -> Iterator[None]:
    """Turn pillow's many exceptions into one sentence; large micrographs pass its size warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # a damaged file makes pillow raise nearly anything
            reason = getattr(error, "strerror", None)
            message = (
                f"cannot be read ({reason})"
                if reason
                else f"not a readable picture ({_short(error)})"
            )
            raise InputError(f"{path}: {message}") from error


def _dtype_of_mode(mode: str) -> np.dtype:
    return np.dtype({"I": "i4", "F": "f4"}.get(mode, "u2" if mode.startswith("I;16") else "u1"))


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
