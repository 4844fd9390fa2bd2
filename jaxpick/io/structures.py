"""Atomic models from PDB and mmCIF files (gzip too), expanded to their biological assembly.

Waters and hydrogens are left out (hydrogens are accounted for by a factor), the first model and the
first of alternative conformations are kept.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import gemmi
import numpy as np

from jaxpick.io.files import InputError, find_files
from jaxpick.io.structure_lists import find_listed, named_list
from jaxpick.physics.constants import NUCLEIC_ACID_HYDROGEN_FACTOR, PROTEIN_HYDROGEN_FACTOR
from jaxpick.physics.potential import (
    NUCLEIC_ACID_ATOM_VOLUME_ANGSTROM3,
    PROTEIN_ATOM_VOLUME_ANGSTROM3,
    Atoms,
)
from jaxpick.simulate.atoms import specimen_from_atoms
from jaxpick.simulate.specimens import Specimen, diameter_angstrom

SUFFIXES = (".pdb", ".pdb.gz", ".ent", ".ent.gz", ".cif", ".cif.gz", ".mmcif", ".mmcif.gz")
# Mass of a molecule over that of its heavy atoms: 7.0 % and 3.6 % of the mass are hydrogens.
PROTEIN_HYDROGEN_MASS_FACTOR = 1.075
NUCLEIC_ACID_HYDROGEN_MASS_FACTOR = 1.037
# A residue of which only one atom is modelled stands for all of it: mean heavy atoms a residue.
ATOMS_PER_AMINO_ACID = 7.75
ATOMS_PER_NUCLEOTIDE = 21.4


def find_structures(pattern: str | Path, report: Callable[[str], None] | None = None) -> list[Path]:
    """Return the structure files that a file, a folder, a glob or `LIST:FOLDER` names.

    Args:
        pattern: such as `pdb/*.cif.gz`, or `parsed_table_s1:pdb` (`io.structure_lists`).
        report: called with a sentence about codes of a list that are missing.

    Raises:
        InputError: when there is none.
    """
    listed = named_list(pattern)
    return find_listed(*listed, SUFFIXES, report) if listed else find_files(pattern, SUFFIXES)


def structure_name(path: Path | str) -> str:
    """Return the file's name without its suffixes: "6CVM" for "6CVM.pdb.gz"."""
    name = Path(path).name
    ends = sorted((end for end in SUFFIXES if name.lower().endswith(end)), key=len)
    return name[: -len(ends[-1])] if ends else name


def read_structure(path: Path | str, assembly: str | None = "1") -> Atoms:
    """Read a model's heavy atoms, as numpy arrays in the file's frame.

    Args:
        path: PDB or mmCIF, plain or gzip.
        assembly: name of the biological assembly to build; where the file describes none, and for
            None, the coordinates as they are.

    Raises:
        InputError: when the file cannot be read, holds no atoms, or lacks the named assembly.
    """
    structure = _read(path)
    table, chains = _atom_table(structure[0])
    if len(table["position"]) == 0:
        raise InputError(f"{path}: expected a model with atoms other than water, got none")
    return _atoms(_expanded(structure, table, chains, assembly, path))


def specimens_from_structures(
    paths: Sequence[Path | str],
    *,
    exclude: Sequence[str] = (),
    assembly: str | None = "1",
    beads: Literal["residue", "atom"] = "residue",
    min_mass_kda: float = 0.0,
    max_diameter_angstrom: float = float("inf"),
    report: Callable[[str], None] | None = None,
) -> list[Specimen]:
    """Read structures as specimens, in the order given.

    Args:
        paths: structure files.
        exclude: names (`structure_name`, case does not matter) to leave out, such as the proteins
            that a picker is tested on.
        assembly: as for `read_structure`.
        beads: as for `specimen_from_atoms`.
        min_mass_kda: lighter molecules are skipped.
        max_diameter_angstrom: larger molecules are skipped.
        report: called with one sentence for each molecule that the two limits skip.

    Raises:
        InputError: when a file cannot be read, an excluded name fits no file, or nothing is left.
    """
    names = [structure_name(path) for path in paths]
    left_out = _excluded(names, exclude)
    specimens = []
    for path, name in zip(paths, names, strict=True):
        if name.lower() in left_out:
            continue
        specimen = specimen_from_atoms(read_structure(path, assembly), name, beads=beads)
        reason = _unfit(specimen, min_mass_kda, max_diameter_angstrom)
        if reason is None:
            specimens.append(specimen)
        elif report is not None:
            report(f"{path}: skipped, {reason}")
    if not specimens:
        raise InputError(
            f"structures: expected one molecule or more, got none of {len(paths)} files"
        )
    return specimens


def _excluded(names: Sequence[str], exclude: Sequence[str]) -> set[str]:
    known = {name.lower() for name in names}
    missing = [name for name in exclude if name.lower() not in known]
    if missing:
        raise InputError(f"exclude: expected names of the given structures, got {missing}")
    return {name.lower() for name in exclude}


def _unfit(specimen: Specimen, min_mass_kda: float, max_diameter: float) -> str | None:
    if specimen.mass_kda < min_mass_kda:
        return f"{specimen.mass_kda:.0f} kDa is below {min_mass_kda:g} kDa"
    if diameter_angstrom(specimen) > max_diameter:
        return f"{diameter_angstrom(specimen):.0f} angstrom is above {max_diameter:g} angstrom"
    return None


def _read(path: Path | str) -> gemmi.Structure:
    try:
        structure = gemmi.read_structure(str(path))
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise InputError(f"{path}: expected a PDB or mmCIF file: {error}") from error
    if len(structure) == 0:
        raise InputError(f"{path}: expected a PDB or mmCIF file with a model, got none")
    structure.setup_entities()
    structure.remove_hydrogens()
    structure.remove_waters()
    structure.remove_alternative_conformations()
    return structure


def _atom_table(model: gemmi.Model) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the columns of the atoms and, for each, its chain and subchain names."""
    columns: dict[str, list] = {
        key: [] for key in ("position", "number", "b", "occ", "kind", "res")
    }
    chains: list[tuple[str, str]] = []
    for count, (chain, residue) in enumerate((c, r) for c in model for r in c):
        kind = _residue_kind(residue)
        for atom in residue:
            columns["position"].append(atom.pos.tolist())
            columns["number"].append(atom.element.atomic_number)
            columns["b"].append(atom.b_iso)
            columns["occ"].append(atom.occ)
            columns["kind"].append(kind)
            columns["res"].append(count)
            chains.append((chain.name, residue.subchain))
    return {key: np.array(values) for key, values in columns.items()}, np.array(chains)


def _residue_kind(residue: gemmi.Residue) -> tuple[bool, float]:
    """Return whether it is a nucleotide, and how many atoms each modelled one stands for."""
    info = gemmi.find_tabulated_residue(residue.name)
    is_nucleic = info.is_nucleic_acid()
    if len(residue) == 1 and (is_nucleic or info.is_amino_acid()):
        return is_nucleic, ATOMS_PER_NUCLEOTIDE if is_nucleic else ATOMS_PER_AMINO_ACID
    return is_nucleic, 1.0


def _expanded(
    structure: gemmi.Structure,
    table: dict[str, np.ndarray],
    chains: np.ndarray,
    assembly: str | None,
    path: Path | str,
) -> dict[str, np.ndarray]:
    """Apply the assembly's operators to the chains that each of them names."""
    found = [entry for entry in structure.assemblies if entry.name == assembly]
    if assembly is None or not structure.assemblies:
        return table
    if not found:
        known = ", ".join(entry.name for entry in structure.assemblies)
        raise InputError(f"{path}: expected an assembly among {known}, got {assembly!r}")
    pieces = []
    for generator in found[0].generators:
        chosen = np.isin(chains[:, 0], generator.chains) | np.isin(
            chains[:, 1], generator.subchains
        )
        for operator in generator.operators:
            matrix = np.array(operator.transform.mat.tolist())
            shift = np.array(operator.transform.vec.tolist())
            piece = {key: values[chosen] for key, values in table.items()}
            pieces.append(piece | {"position": piece["position"] @ matrix.T + shift})
    if not any(len(piece["res"]) for piece in pieces):
        raise InputError(f"{path}: expected chains of the file in assembly {assembly}, got none")
    return _joined(pieces)


def _joined(pieces: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Put copies behind each other; their residues get numbers of their own."""
    most = max(int(piece["res"].max(initial=-1)) for piece in pieces) + 1
    for number, piece in enumerate(pieces):
        piece["res"] = piece["res"] + number * most
    return {key: np.concatenate([piece[key] for piece in pieces]) for key in pieces[0]}


def _atoms(table: dict[str, np.ndarray]) -> Atoms:
    numbers, element = np.unique(table["number"].astype(int), return_inverse=True)
    elements = [gemmi.Element(int(number)) for number in numbers]
    is_nucleic, stands_for = table["kind"][:, 0].astype(bool), table["kind"][:, 1]
    factor = np.where(is_nucleic, NUCLEIC_ACID_HYDROGEN_FACTOR, PROTEIN_HYDROGEN_FACTOR)
    volume = np.where(is_nucleic, NUCLEIC_ACID_ATOM_VOLUME_ANGSTROM3, PROTEIN_ATOM_VOLUME_ANGSTROM3)
    heavier = np.where(is_nucleic, NUCLEIC_ACID_HYDROGEN_MASS_FACTOR, PROTEIN_HYDROGEN_MASS_FACTOR)
    mass = np.array([entry.weight for entry in elements])[element]
    _, residue = np.unique(table["res"], return_inverse=True)
    return Atoms(
        positions_angstrom=table["position"].astype(np.float32),
        element=element.astype(np.int32),
        peng_a_angstrom=np.array([entry.c4322.a for entry in elements], np.float32),
        peng_b_angstrom2=np.array([entry.c4322.b for entry in elements], np.float32),
        b_factor_angstrom2=np.maximum(table["b"], 0.0).astype(np.float32),
        occupancy=table["occ"].astype(np.float32),
        hydrogen_factor=(factor * stands_for).astype(np.float32),
        volume_angstrom3=(volume * stands_for).astype(np.float32),
        mass_da=(mass * heavier * stands_for).astype(np.float32),
        residue=residue.astype(np.int32),
    )
