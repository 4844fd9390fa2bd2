"""What a coordinate format may need to be told beyond its own file, and the arithmetic that the
formats share.

Inside the house, x and y are pixels of the micrograph as stored: 0-based, pixel centres at
integers, no flip. A box of n pixels has its centre at index n // 2, as RELION and EMAN2 have it.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxpick.io.files import InputError
from jaxpick.io.names import base_name, match_names
from jaxpick.io.nouns import Picks, make_picks
from jaxpick.spec import require

Shape = tuple[int, int]
ShapeSource = Shape | Mapping[str, Shape] | Callable[[str], Shape] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoordinateOptions:
    """Settings for reading or writing coordinates; each format uses those it needs.

    Attributes:
        micrograph_shape: (ny, nx), one for all, or by micrograph name; for formats that flip y or
            store fractions.
        pixel_size_angstrom: of the micrographs, where the file has none (reading) or the picks have
            none (writing).
        diameter_angstrom: particle diameter where the picks have none.
        box_size_px: for formats made of boxes, in the file's own pixels.
        subpixel: write fractions of a pixel where the format's readers would otherwise truncate
            them.
        flip_y: None for the format's own convention; true or false to overrule it.
        apply_origins: subtract RELION's refined origins from the coordinates.
        scale: micrograph pixels for each unit of the file, as for coordinates on a downsampled
            image.
        optics: further columns of RELION's optics table, such as rlnVoltage.
    """

    micrograph_shape: ShapeSource = None
    pixel_size_angstrom: float | None = None
    diameter_angstrom: float | None = None
    box_size_px: int | None = None
    subpixel: bool = False
    flip_y: bool | None = None
    apply_origins: bool = False
    scale: float = 1.0
    optics: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("pixel_size_angstrom", "diameter_angstrom", "box_size_px", "scale"):
            value = getattr(self, name)
            require(value is None or 0 < value < float("inf"), name, value, "a positive number")


def shape_of(name: str, options: CoordinateOptions, why: str) -> Shape:
    """Return (ny, nx) of a micrograph.

    Raises:
        InputError: when nothing says, with `why` it is needed.
    """
    source = options.micrograph_shape
    if source is None:
        raise InputError(
            f"{name}: {why}; give the size of the micrograph (shape=[NY,NX] or micrographs=GLOB)"
        )
    if callable(source):
        return source(name)
    if isinstance(source, tuple):
        return source
    if name in source:
        return source[name]
    found = match_names([name], list(source)).pairs
    if name not in found:
        known = ", ".join(list(source)[:3])
        raise InputError(f"{name}: {why}, and no micrograph of that name is known (known: {known})")
    return source[found[name]]


def flip_y(
    y: Float[np.ndarray, " pick"],
    name: str,
    options: CoordinateOptions,
    rows_from_top: bool = False,
) -> Float[np.ndarray, " pick"]:
    """Mirror y; its own inverse.

    Args:
        rows_from_top: false maps pixel centres onto pixel centres, y -> ny - 1 - y; true is the
            mirror of fractions of the height, y -> ny - y, which cryoSPARC and CryoPPP use.
    """
    ny, _ = shape_of(name, options, "flipping y needs its height")
    return (ny if rows_from_top else ny - 1) - y


def exported(
    values: Float[np.ndarray, " pick"], options: CoordinateOptions
) -> Float[np.ndarray, " pick"]:
    """Return coordinates as they are written: the nearest whole pixel unless `subpixel`.

    RELION (preprocessing.cpp, extract) and Topaz truncate fractions, which would shift every pick
    by half a pixel.
    """
    values = values / options.scale
    return values if options.subpixel else np.floor(values + 0.5)


def write_y(picks: Picks, options: CoordinateOptions) -> Float[np.ndarray, " pick"]:
    """Return y of the picks for formats without a flip of their own."""
    return flip_y(picks.y, picks.micrograph, options) if options.flip_y else picks.y


def read_table(name: str, x: Any, y: Any, options: CoordinateOptions, **others: Any) -> Picks:
    """Make picks from a format without a flip of its own: scale, flip, fill in."""
    others.setdefault("pixel_size_angstrom", options.pixel_size_angstrom)
    if options.diameter_angstrom is not None:
        others["diameter_angstrom"] = options.diameter_angstrom
    picks = make_picks(name, np.asarray(x) * options.scale, np.asarray(y) * options.scale, **others)
    return dataclasses.replace(picks, y=flip_y(picks.y, name, options)) if options.flip_y else picks


def read_part(
    picks: Picks, sizes: Float[np.ndarray, " row"], options: CoordinateOptions, **others: Any
) -> Picks:
    """Make the picks of one micrograph from rows of a table as they stand: scale, flip, fill in.

    Args:
        picks: rows without scale and flip, which wait until the micrograph is known.
        sizes: pixel sizes (angstrom) of the rows, NaN where unknown; the first known one is taken.
        options: of the reading.
        others: further fields of the picks, in place of the rows'.
    """
    known = sizes[np.isfinite(sizes)]
    rows: dict[str, Any] = {
        "score": picks.score,
        "diameter_angstrom": picks.diameter_angstrom,
        "pixel_size_angstrom": float(known[0]) if len(known) else options.pixel_size_angstrom,
    }
    return read_table(picks.micrograph, picks.x, picks.y, options, **rows, **others)


def pixel_size_of(picks: Picks, options: CoordinateOptions) -> float | None:
    """Return the pixel size in angstrom: the picks' own, else the option."""
    return picks.pixel_size_angstrom or options.pixel_size_angstrom


def diameters_px(picks: Picks, options: CoordinateOptions) -> Float[np.ndarray, " pick"]:
    """Return diameters in pixels, NaN where diameter or pixel size is unknown."""
    diameter = picks.diameter_angstrom
    if options.diameter_angstrom is not None:
        diameter = np.where(np.isnan(diameter), options.diameter_angstrom, diameter)
    pixel_size = pixel_size_of(picks, options)
    return diameter / pixel_size if pixel_size else np.full(len(picks), np.nan)


def box_sizes(
    picks: Picks, options: CoordinateOptions
) -> tuple[Int[np.ndarray, " pick"], Int[np.ndarray, " pick"]]:
    """Return widths and heights in pixels: the option, else the boxes read, else the diameter
    rounded up to even; in pixels of the file.

    Raises:
        InputError: when nothing says how large a box is.
    """
    if options.box_size_px is not None:
        size = np.full(len(picks), options.box_size_px)
        return size, size
    if {"box_width_px", "box_height_px"} <= set(picks.extra):
        width, height = (
            np.asarray(picks.extra[f"box_{side}_px"], np.float64) / options.scale
            for side in ("width", "height")
        )
        return np.rint(width).astype(int), np.rint(height).astype(int)
    diameter = diameters_px(picks, options) / options.scale
    if np.isnan(diameter).any():
        raise InputError(f"{picks.micrograph}: this format is made of boxes; give box_size=PIXELS")
    size = 2 * np.ceil(diameter / 2 - 1e-6).astype(int)
    return size, size


def group_by_micrograph(names: Sequence[str], picks: Picks) -> list[Picks]:
    """Split picks of many micrographs, in the order in which their names first appear."""
    index: dict[str, int] = {}
    codes = np.array([index.setdefault(name, len(index)) for name in names], dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(index) + 1))
    return [
        dataclasses.replace(picks.select(order[bounds[i] : bounds[i + 1]]), micrograph=name)
        for name, i in index.items()
    ]


def has_scores(picks: Picks) -> bool:
    """Tell whether any score differs from the 1 that stands for none."""
    return bool(np.any(picks.score != 1.0))


def micrograph_of_file(path: Any) -> str:
    """Return the micrograph's name that a per-micrograph file's name implies."""
    return base_name(str(path))
