"""Reading maps: axis order, voxel size, packing, refusals."""

import gzip

import mrcfile
import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.maps import find_maps, map_name, read_map, specimens_from_maps

# An asymmetric volume in (z, y, x); each axis has a length of its own.
VOLUME = np.random.default_rng(0).normal(size=(8, 10, 12)).astype(np.float32)
VOLUME[2:6, 3:7, 4:8] += 20.0


def write(path, data, order=(1, 2, 3), voxel=3.0):
    """Store `data` (sections, rows, columns) with MAPC, MAPR, MAPS = order."""
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(data)
        file.voxel_size = voxel
        file.header.mapc, file.header.mapr, file.header.maps = order
    return path


def test_usual_order(tmp_path):
    density_map = read_map(write(tmp_path / "a.mrc", VOLUME, voxel=(1.0, 2.0, 3.0)))
    np.testing.assert_array_equal(density_map.density, VOLUME)
    # mrcfile's voxel size is (x, y, z).
    assert density_map.voxel_angstrom == pytest.approx((3.0, 2.0, 1.0))
    assert density_map.name == "a"


@pytest.mark.parametrize("order", [(3, 2, 1), (2, 3, 1), (1, 3, 2), (2, 1, 3), (3, 1, 2)])
def test_stored_order_is_undone(tmp_path, order):
    # Axis names 1 = x, 2 = y, 3 = z are axes 2, 1, 0 of the volume.
    column, row, section = order
    stored = np.ascontiguousarray(np.transpose(VOLUME, [3 - section, 3 - row, 3 - column]))
    density_map = read_map(write(tmp_path / "a.mrc", stored, order))
    np.testing.assert_array_equal(density_map.density, VOLUME)


def test_gzip_and_int8(tmp_path):
    whole = np.clip(VOLUME * 5, -127, 127).astype(np.int8)
    plain = write(tmp_path / "b.mrc", whole)
    packed = tmp_path / "b.map.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    density_map = read_map(packed)
    assert density_map.density.dtype == np.float32
    np.testing.assert_array_equal(density_map.density, whole)
    assert map_name(packed) == "b"


def test_voxel_size_by_hand(tmp_path):
    path = write(tmp_path / "a.mrc", VOLUME, voxel=0.0)
    with pytest.raises(InputError, match="voxel size"):
        read_map(path)
    assert read_map(path, voxel_angstrom=2.5).voxel_angstrom == (2.5, 2.5, 2.5)


def test_bad_files_are_refused_in_one_sentence(tmp_path):
    garbage = tmp_path / "garbage.mrc"
    garbage.write_bytes(b"not a map")
    with pytest.raises(InputError, match=r"garbage\.mrc"):
        read_map(garbage)
    with pytest.raises(InputError, match=r"missing\.mrc"):
        read_map(tmp_path / "missing.mrc")
    with pytest.raises(InputError, match="volume"):
        read_map(write(tmp_path / "flat.mrc", VOLUME[0]))
    broken = VOLUME.copy()
    broken[0, 0, 0] = np.nan
    with pytest.warns(RuntimeWarning, match="NaN"):
        path = write(tmp_path / "nan.mrc", broken)
    with pytest.raises(InputError, match="finite"):
        read_map(path)


def test_specimens_by_name(tmp_path):
    write(tmp_path / "a.mrc", VOLUME)
    write(tmp_path / "b.mrc", VOLUME)
    paths = find_maps(tmp_path)
    one, two = specimens_from_maps(paths, mass_kda={"a": 1.0}, threshold={"b": 10.0})
    assert one.mass_kda == 1.0
    # 64 voxels of 27 angstrom^3 above the level.
    assert two.mass_kda == pytest.approx(64 * 27 * 0.81e-3, rel=1e-3)
    (kept,) = specimens_from_maps(paths, exclude=["A"])
    assert kept.name == "b"
    with pytest.raises(InputError, match="exclude"):
        specimens_from_maps(paths, exclude=["c"])


@pytest.mark.real_data
def test_real_map_of_groel(data):
    density_map = read_map(data / "maps" / "groel_11p5A.mrc.gz")
    assert density_map.density.shape == (100, 100, 100)
    assert density_map.voxel_angstrom == pytest.approx((2.7, 2.7, 2.7))
