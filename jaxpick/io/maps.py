"""Density maps from MRC and CCP4 files (gzip and bzip2 too), axis order and voxel size honoured."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import mrcfile
import numpy as np

from jaxpick.io.files import InputError, find_files
from jaxpick.simulate.maps import DensityMap, specimen_from_map
from jaxpick.simulate.specimens import Specimen

_PLAIN = (".mrc", ".map", ".ccp4")
SUFFIXES = tuple(name + packing for name in _PLAIN for packing in ("", ".gz", ".bz2"))


def find_maps(pattern: str | Path) -> list[Path]:
    """Return the map files that a file, a folder or a glob names.

    Raises:
        InputError: when there is none.
    """
    return find_files(pattern, SUFFIXES)


def map_name(path: Path | str) -> str:
    """Return the file's name without its suffixes: "emd_1832" for "emd_1832.mrc.gz"."""
    name = Path(path).name
    ends = sorted((end for end in SUFFIXES if name.lower().endswith(end)), key=len)
    return name[: -len(ends[-1])] if ends else name


def read_map(path: Path | str, voxel_angstrom: float | None = None) -> DensityMap:
    """Read a density map as float32 in (z, y, x) order, whatever order the file stores.

    Args:
        path: MRC or CCP4 map.
        voxel_angstrom: edge of a voxel where the header lacks it or is wrong.

    Raises:
        InputError: when the file cannot be read, is no volume, has values that are not finite, or
            names no voxel size and none is given.
    """
    try:
        # Old headers lack the map id and the machine stamp; such maps are read all the same.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with mrcfile.open(path, permissive=True) as file:
                data, header = np.array(file.data), file.header
                edges = [float(file.voxel_size[axis]) for axis in "zyx"]
                order = [int(header[key]) for key in ("maps", "mapr", "mapc")]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: expected an MRC or CCP4 map: {error}") from error
    if data.ndim != 3 or min(data.shape) < 2 or np.iscomplexobj(data):
        raise InputError(f"{path}: expected a volume, got an array of shape {data.shape}")
    return DensityMap(
        density=_finite(_in_order(data, order), path),
        voxel_angstrom=_voxel(edges, voxel_angstrom, path),
        name=map_name(path),
    )


def specimens_from_maps(
    paths: Sequence[Path | str],
    *,
    exclude: Sequence[str] = (),
    mass_kda: Mapping[str, float] | None = None,
    threshold: Mapping[str, float] | None = None,
) -> list[Specimen]:
    """Read maps as specimens, in the order given.

    Args:
        paths: map files.
        exclude: names (`map_name`, case does not matter) to leave out.
        mass_kda: masses by name, where known.
        threshold: contour levels by name, where known.

    Raises:
        InputError: when a file cannot be read, an excluded name fits no file, or nothing is left.
    """
    names = [map_name(path) for path in paths]
    missing = [name for name in exclude if name.lower() not in {n.lower() for n in names}]
    if missing:
        raise InputError(f"exclude: expected names of the given maps, got {missing}")
    left_out = {name.lower() for name in exclude}
    kept = [(p, n) for p, n in zip(paths, names, strict=True) if n.lower() not in left_out]
    if not kept:
        raise InputError(f"maps: expected one map or more, got none of {len(paths)} files")
    masses, levels = mass_kda or {}, threshold or {}
    return [
        specimen_from_map(read_map(path), mass_kda=masses.get(name), threshold=levels.get(name))
        for path, name in kept
    ]


def _in_order(data: np.ndarray, order: list[int]) -> np.ndarray:
    """Turn (section, row, column) into (z, y, x); MAPC, MAPR, MAPS name the axes 1 = x to 3 = z.

    Headers of all zeros (some old programs) mean the usual order.
    """
    if sorted(order) != [1, 2, 3]:
        return data
    return np.transpose(data, [order.index(axis) for axis in (3, 2, 1)])


def _finite(data: np.ndarray, path: Path | str) -> np.ndarray:
    density = np.ascontiguousarray(data, np.float32)
    if not np.isfinite(density).all():
        raise InputError(f"{path}: expected finite densities, got NaN or infinity")
    return density


def _voxel(
    edges: list[float], voxel_angstrom: float | None, path: Path | str
) -> tuple[float, float, float]:
    if voxel_angstrom is not None:
        return (voxel_angstrom,) * 3
    if not all(np.isfinite(edge) and edge > 0 for edge in edges):
        raise InputError(
            f"{path}: expected a voxel size in the header, got {edges}; give it by hand"
        )
    return edges[0], edges[1], edges[2]
