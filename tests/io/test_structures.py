"""Reading PDB and mmCIF: atoms kept, assemblies built, masses, refusals."""

import gzip

import gemmi
import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.structures import (
    find_structures,
    read_structure,
    specimens_from_structures,
    structure_name,
)

ASSEMBLY = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   2 -1.000000  0.000000  0.000000       20.00000
REMARK 350   BIOMT2   2  0.000000 -1.000000  0.000000        0.00000
REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        5.00000
"""
# Alanine with a hydrogen, an alternative beta carbon and a water; a chain that is no part of the
# assembly.
ATOMS = """\
ATOM      1  N   ALA A   1       1.000   2.000   3.000  1.00 10.00           N
ATOM      2  CA  ALA A   1       2.400   2.000   3.000  1.00 20.00           C
ATOM      3  C   ALA A   1       3.000   3.400   3.000  1.00 30.00           C
ATOM      4  O   ALA A   1       2.300   4.400   3.000  1.00 40.00           O
ATOM      5  CB AALA A   1       2.900   1.200   4.200  0.60 20.00           C
ATOM      6  CB BALA A   1       2.900   1.200   1.800  0.40 20.00           C
ATOM      7  HA  ALA A   1       2.700   1.500   2.100  1.00 20.00           H
ATOM      8  P     G B   2      50.000  50.000  50.000  1.00 20.00           P
HETATM    9  O   HOH A 101       9.000   9.000   9.000  1.00 20.00           O
END
"""


@pytest.fixture
def pdb(tmp_path):
    path = tmp_path / "1ABC.pdb"
    path.write_text(
        "CRYST1  100.000  100.000  100.000  90.00  90.00  90.00 P 1\n" + ASSEMBLY + ATOMS
    )
    return path


def test_heavy_atoms_without_water_are_kept(pdb):
    atoms = read_structure(pdb, assembly=None)
    np.testing.assert_allclose(atoms.positions_angstrom[0], [1, 2, 3])
    np.testing.assert_allclose(atoms.positions_angstrom[4], [2.9, 1.2, 4.2])
    np.testing.assert_allclose(atoms.b_factor_angstrom2, [10, 20, 30, 40, 20, 20])
    assert list(atoms.residue) == [0, 0, 0, 0, 0, 1]
    f0 = atoms.peng_a_angstrom.sum(axis=1)[atoms.element]
    expected = [2.2135, 2.5088, 2.5088, 1.9834, 2.5088, 5.4876]
    np.testing.assert_allclose(f0, expected, atol=1e-4)


def test_assembly_moves_the_named_chain_and_leaves_the_other(pdb):
    atoms = read_structure(pdb)
    assert len(atoms.element) == 10
    np.testing.assert_allclose(atoms.positions_angstrom[5], [20 - 1, -2, 3 + 5], atol=1e-5)
    assert list(atoms.residue) == [0] * 5 + [1] * 5


def test_hydrogens_count_in_mass_and_potential(pdb):
    atoms = read_structure(pdb)
    heavy = 14.007 + 3 * 12.011 + 15.999
    assert atoms.mass_da[:5].sum() == pytest.approx(heavy * 1.075, rel=1e-4)
    np.testing.assert_allclose(atoms.hydrogen_factor, 1.221, rtol=1e-6)


def test_a_lone_atom_stands_for_its_nucleotide(pdb):
    atoms = read_structure(pdb, assembly=None)
    assert atoms.hydrogen_factor[-1] == pytest.approx(1.12 * 21.4, rel=1e-5)
    assert atoms.volume_angstrom3[-1] == pytest.approx(14.1 * 21.4, rel=1e-5)


def test_mmcif_and_gzip_read_the_same(pdb, tmp_path):
    structure = gemmi.read_structure(str(pdb))
    structure.setup_entities()
    document = structure.make_mmcif_document()
    cif = tmp_path / "1ABC.cif.gz"
    cif.write_bytes(gzip.compress(document.as_string().encode()))
    packed = tmp_path / "1ABC.pdb.gz"
    packed.write_bytes(gzip.compress(pdb.read_bytes()))
    expected = read_structure(pdb).positions_angstrom
    for path in (cif, packed):
        np.testing.assert_allclose(read_structure(path).positions_angstrom, expected, atol=2e-3)


def test_names_and_exclusion(pdb, tmp_path):
    other = tmp_path / "2XYZ.pdb"
    other.write_text(pdb.read_text())
    assert structure_name("a/6CVM.pdb.gz") == "6CVM"
    paths = find_structures(tmp_path)
    assert [s.name for s in specimens_from_structures(paths)] == ["1ABC", "2XYZ"]
    kept = specimens_from_structures(paths, exclude=["1abc"])
    assert [s.name for s in kept] == ["2XYZ"]
    with pytest.raises(InputError, match="exclude"):
        specimens_from_structures(paths, exclude=["9ZZZ"])


def test_limits_skip_and_tell(pdb):
    told = []
    with pytest.raises(InputError, match="structures"):
        specimens_from_structures([pdb], min_mass_kda=60.0, report=told.append)
    assert "1ABC" in told[0] and "kDa" in told[0]


def test_bad_files_are_refused_in_one_sentence(pdb, tmp_path):
    garbage = tmp_path / "garbage.pdb"
    garbage.write_bytes(b"\x00\x01not a structure\n")
    with pytest.raises(InputError, match=r"garbage\.pdb"):
        read_structure(garbage)
    with pytest.raises(InputError, match=r"missing\.cif"):
        read_structure(tmp_path / "missing.cif")
    strange = tmp_path / "strange.pdb"
    strange.write_text(pdb.read_text().replace("TO CHAINS: A", "TO CHAINS: Q"))
    with pytest.raises(InputError, match="chains"):
        read_structure(strange)
    with pytest.raises(InputError, match="assembly among 1"):
        read_structure(pdb, assembly="7")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "mass_kda", "longest"),
    [("7A4M.cif.gz", 457 * 1.0, 134.8), ("1OEL.pdb.gz", 713.9 * 1.075, 188.8)],
)
def test_known_assemblies(data, file, mass_kda, longest):
    (specimen,) = specimens_from_structures([data / "structures" / file])
    assert specimen.mass_kda == pytest.approx(mass_kda, rel=0.02)
    radius = np.linalg.norm(specimen.positions_angstrom, axis=1).max()
    assert 2 * radius == pytest.approx(longest, rel=0.06)
