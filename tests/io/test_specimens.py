"""Molecules of a simulation: libraries join, and a stored bank is used only while nothing changed."""

import dataclasses
import os

import mrcfile
import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.specimens import SpecimensSpec, read_specimens, stored_bank
from jaxpick.simulate.bank import BankSpec
from jaxpick.simulate.phantoms import PhantomSpec

SPEC = SpecimensSpec(
    num_phantoms=2,
    phantoms=PhantomSpec(mass_kda=(90.0, 120.0), families=("globular",)),
    views=BankSpec(num_views=4, diameter_px=10.0, box_px=16),
)


def write_map(path, edge=5.0):
    """A ball of radius 4 voxels."""
    z, y, x = np.mgrid[-8:8, -8:8, -8:8]
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data((np.sqrt(x**2 + y**2 + z**2) < 4).astype(np.float32))
        file.voxel_size = edge


def test_small_proteins_are_a_library_of_their_own():
    spec = dataclasses.replace(SPEC, num_small=3)
    specimens = read_specimens(spec)
    assert len(specimens) == 5
    assert [s.name for s in specimens[:2]] == [s.name for s in read_specimens(SPEC)]
    assert len({specimen.group for specimen in specimens}) == 5
    assert all(specimen.mass_kda < 90.0 for specimen in specimens[2:])


def test_maps_join_the_phantoms(tmp_path):
    write_map(tmp_path / "ball.mrc")
    spec = dataclasses.replace(SPEC, maps=f"{tmp_path}/*.mrc", map_mass_kda={"ball": 300.0})
    last = read_specimens(spec)[-1]
    assert (last.name, last.family, last.mass_kda) == ("ball", "map", 300.0)
    with pytest.raises(InputError, match=r"maps: expected one map or more"):
        read_specimens(dataclasses.replace(spec, exclude=("BALL",)))
    with pytest.raises(InputError, match=r"exclude: .*cube"):
        read_specimens(dataclasses.replace(spec, exclude=("cube",)))


def test_a_bank_is_read_again_until_settings_or_files_change(tmp_path):
    write_map(tmp_path / "ball.mrc")
    spec = dataclasses.replace(SPEC, maps=f"{tmp_path}/*.mrc")
    told, path = [], tmp_path / "run" / "bank.npz"
    first = stored_bank(spec, path, told.append)
    assert not told and first.views.shape == (3, 4, 16, 16)
    again = stored_bank(spec, path, told.append)
    assert len(told) == 1 and "bank of views read" in told[0]
    np.testing.assert_array_equal(again.views, first.views)
    other = stored_bank(dataclasses.replace(spec, phantom_seed=1), path, told.append)
    assert len(told) == 1 and not np.array_equal(other.views, first.views)
    stored_bank(spec, path, told.append)
    write_map(tmp_path / "ball.mrc", edge=6.0)
    changed = stored_bank(spec, path, told.append)
    assert len(told) == 1
    assert float(changed.diameter_angstrom[2]) == pytest.approx(
        1.2 * float(first.diameter_angstrom[2]), rel=0.1
    )


def test_a_bank_of_other_bytes_is_not_read_again(tmp_path):
    """Even where size and time of the file are the same."""
    path, told = tmp_path / "ball.mrc", []
    write_map(path)
    spec = dataclasses.replace(SPEC, num_phantoms=0, maps=f"{tmp_path}/*.mrc")
    first = stored_bank(spec, tmp_path / "bank.npz", told.append)
    before = path.stat()
    write_map(path, edge=6.0)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    second = stored_bank(spec, tmp_path / "bank.npz", told.append)
    assert not told and second.diameter_angstrom[0] > 1.1 * first.diameter_angstrom[0]
