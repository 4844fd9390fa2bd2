"""Specimens from atoms: integral, mass, and the coarse-grained beads against the exact sum."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.io.structures import read_structure
from jaxpick.physics.potential import Atoms, atom_gaussians
from jaxpick.simulate.atoms import coarse_grain, specimen_from_atoms
from jaxpick.simulate.bank import project_specimen
from jaxpick.simulate.rotations import matrix_from_euler

VIEWS = np.array([[0.0, 0.0, 0.0], [40.0, 75.0, 20.0]], np.float32)


def exact_projection(atoms, centre, rotation, box, pixel, b_extra):
    """Every atom with its own form factor, by the structure factor, in float64."""
    weight, width = (np.asarray(part, float) for part in atom_gaussians(atoms))
    x, y, _ = rotation @ (atoms.positions_angstrom - centre).T.astype(float)
    fy, fx = np.fft.fftfreq(box, pixel), np.fft.rfftfreq(box, pixel)
    spectrum = np.zeros((box, box // 2 + 1), complex)
    for amplitude, b in zip(weight, width, strict=True):
        wave_y = np.exp(-2j * np.pi * fy[:, None] * y[None] - b[None] * fy[:, None] ** 2 / 4)
        wave_x = np.exp(-2j * np.pi * fx[:, None] * x[None] - b[None] * fx[:, None] ** 2 / 4)
        spectrum += (wave_y * amplitude[None]) @ wave_x.T
    spectrum *= np.exp(-b_extra * (fy[:, None] ** 2 + fx[None] ** 2) / 4) / pixel**2
    spectrum[box // 2], spectrum[:, box // 2] = 0, 0
    return np.fft.fftshift(np.fft.irfft2(spectrum, s=(box, box)))


def relative_rms(image, expected):
    return float(np.sqrt(np.mean((image - expected) ** 2) / np.mean(expected**2)))


@pytest.mark.real_data
@pytest.mark.parametrize(("beads", "pixel", "limit"), [("atom", 4.0, 0.03), ("residue", 8.0, 0.03)])
def test_specimen_equals_the_exact_projection(data, beads, pixel, limit):
    atoms = read_structure(data / "structures" / "7A4M.cif.gz", assembly=None)
    specimen = specimen_from_atoms(atoms, "7A4M", beads=beads)
    rotations = np.asarray(matrix_from_euler(jnp.asarray(VIEWS)))
    box = int(96 / pixel)
    views = project_specimen(
        specimen, rotations, box_px=box, pixel_angstrom=pixel, b_factor_angstrom2=100.0
    )
    for rotation, view in zip(rotations, views, strict=True):
        exact = exact_projection(atoms, centre(atoms, beads), rotation, box, pixel, 100.0)
        assert relative_rms(view, exact) < limit


def centre(atoms, beads):
    """The point that the specimen's origin stands for."""
    positions, weight = atoms.positions_angstrom, np.asarray(atom_gaussians(atoms)[0]).sum(axis=0)
    if beads == "residue":
        positions, weight, _ = coarse_grain(atoms)
    return weight @ positions / weight.sum()


def pair(apart):
    """Two carbons of one residue, `apart` angstrom along x, in protein."""
    return Atoms(
        positions_angstrom=np.array([[0, 0, 0], [apart, 0, 0]], np.float32),
        element=np.zeros(2, np.int32),
        peng_a_angstrom=np.array([[0.0893, 0.2563, 0.757, 1.0487, 0.3575]], np.float32),
        peng_b_angstrom2=np.array([[0.2465, 1.71, 6.4094, 18.6113, 50.2523]], np.float32),
        b_factor_angstrom2=np.full(2, 20.0, np.float32),
        occupancy=np.ones(2, np.float32),
        hydrogen_factor=np.full(2, 1.221, np.float32),
        volume_angstrom3=np.full(2, 17.55, np.float32),
        mass_da=np.full(2, 13.0, np.float32),
        residue=np.zeros(2, np.int32),
    )


def test_a_residues_bead_sits_in_its_middle_and_keeps_the_integral():
    atoms = pair(3.0)
    positions, potential, spread_b = coarse_grain(atoms)
    np.testing.assert_allclose(positions, [[1.5, 0, 0]], atol=1e-6)
    expected = 2 * (1.221 * 47.8776 * 2.5088 - 4.53 * 17.55)
    assert potential[0] == pytest.approx(expected, rel=1e-4)
    # 1.5 angstrom from the middle along one axis of three.
    assert spread_b == pytest.approx(8 * np.pi**2 * 1.5**2 / 3, rel=1e-6)


def test_form_factor_is_the_atoms_own():
    specimen = specimen_from_atoms(pair(3.0), "pair", beads="atom")
    q = np.linspace(0, 0.125, 20)
    ours = specimen.form_weight @ np.exp(-specimen.form_b_angstrom2[:, None] * q**2 / 4)
    weight, width = (np.asarray(part, float)[:, 0] for part in atom_gaussians(pair(3.0)))
    expected = weight @ np.exp(-width[:, None] * q**2 / 4) / weight.sum()
    np.testing.assert_allclose(ours, expected, atol=2e-3)
    assert specimen.mass_kda == pytest.approx(0.026)
    assert specimen.group == "pair"


@pytest.mark.real_data
def test_protein_adds_up_to_the_contrast_per_dalton(data):
    for name in ("6QI8.cif.gz", "1SS8.pdb.gz"):
        specimen = specimen_from_atoms(read_structure(data / "structures" / name), name)
        per_dalton = specimen.potential_volt_angstrom3.sum() / (1e3 * specimen.mass_kda)
        assert per_dalton == pytest.approx(4.17, rel=0.05)
