"""Potentials of atoms and beads: Peng's factors, the oracle's projections, contrast against ice."""

import dataclasses

import gemmi
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.physics.constants import ICE_POTENTIAL_VOLT, POTENTIAL_PREFACTOR_VOLT_ANGSTROM2
from jaxpick.physics.potential import Atoms, atom_gaussians, potential_map, project_atoms
from jaxpick.physics.projection import project_beads, splat_volume
from jaxpick.simulate.domains import globule

# f(0) in angstrom, Peng et al. 1996.
PENG_F0 = {"H": 0.5288, "C": 2.5088, "N": 2.2135, "O": 1.9834, "P": 5.4876, "S": 5.1604}
# Heavy atoms of a residue inside a chain: C, N, O, S; and its hydrogens.
RESIDUES = {
    "ALA": (3, 1, 1, 0, 5), "ARG": (6, 4, 1, 0, 12), "ASN": (4, 2, 2, 0, 6),
    "ASP": (4, 1, 3, 0, 5), "CYS": (3, 1, 1, 1, 5), "GLN": (5, 2, 2, 0, 8),
    "GLU": (5, 1, 3, 0, 7), "GLY": (2, 1, 1, 0, 3), "HIS": (6, 3, 1, 0, 7),
    "ILE": (6, 1, 1, 0, 11), "LEU": (6, 1, 1, 0, 11), "LYS": (6, 2, 1, 0, 12),
    "MET": (5, 1, 1, 1, 9), "PHE": (9, 1, 1, 0, 9), "PRO": (5, 1, 1, 0, 7),
    "SER": (3, 1, 2, 0, 5), "THR": (4, 1, 2, 0, 7), "TRP": (11, 2, 1, 0, 10),
    "TYR": (9, 1, 2, 0, 9), "VAL": (5, 1, 1, 0, 9),
}  # fmt: skip
# Shares of residues in proteins, percent (UniProt).
ABUNDANCE = {
    "ALA": 8.25, "ARG": 5.53, "ASN": 4.06, "ASP": 5.46, "CYS": 1.38, "GLN": 3.93, "GLU": 6.72,
    "GLY": 7.07, "HIS": 2.27, "ILE": 5.91, "LEU": 9.65, "LYS": 5.80, "MET": 2.41, "PHE": 3.86,
    "PRO": 4.74, "SER": 6.65, "THR": 5.36, "TRP": 1.10, "TYR": 2.92, "VAL": 6.86,
}  # fmt: skip


def make_atoms(numbers, positions, b, peng=None, hydrogens=1.0, volume=0.0):
    num = len(numbers)
    unique, element = np.unique(numbers, return_inverse=True)
    tables = [gemmi.Element(int(n)).c4322 for n in unique]
    a = np.array([t.a for t in tables], np.float32) if peng is None else peng[0]
    width = np.array([t.b for t in tables], np.float32) if peng is None else peng[1]
    return Atoms(
        positions_angstrom=np.asarray(positions, np.float32),
        element=(element if peng is None else np.arange(num)).astype(np.int32),
        peng_a_angstrom=a,
        peng_b_angstrom2=width,
        b_factor_angstrom2=np.broadcast_to(np.float32(b), num).astype(np.float32),
        occupancy=np.ones(num, np.float32),
        hydrogen_factor=np.full(num, hydrogens, np.float32),
        volume_angstrom3=np.full(num, volume, np.float32),
        mass_da=np.full(num, 12.0, np.float32),
        residue=np.arange(num, dtype=np.int32),
    )


def test_peng_factors_at_zero():
    for name, expected in PENG_F0.items():
        number = gemmi.Element(name).atomic_number
        weight, _ = atom_gaussians(make_atoms([number], np.zeros((1, 3)), 10.0))
        f0 = float(weight.sum()) / POTENTIAL_PREFACTOR_VOLT_ANGSTROM2
        assert f0 == pytest.approx(expected, abs=1e-4)


def test_protein_of_average_composition_has_the_potential_of_the_literature():
    share = np.array([ABUNDANCE[name] for name in RESIDUES]) / sum(ABUNDANCE.values())
    atoms = share @ np.array(list(RESIDUES.values()), float)
    f0 = np.array([PENG_F0[name] for name in "CNOSH"])
    mass = atoms @ np.array([12.011, 14.007, 15.999, 32.06, 1.008])
    density = 0.81 * POTENTIAL_PREFACTOR_VOLT_ANGSTROM2 / mass
    heavy, whole = density * (atoms[:4] @ f0[:4]), density * (atoms @ f0)
    assert heavy == pytest.approx(6.47, rel=0.01)
    assert whole == pytest.approx(7.90, rel=0.01)
    assert whole / heavy == pytest.approx(1.221, rel=0.01)
    assert whole - ICE_POTENTIAL_VOLT == pytest.approx(3.38, rel=0.02)


@pytest.mark.oracle
def test_projection_equals_the_oracle(oracles):
    with np.load(oracles / "projection_reference.npz") as file:
        ref = {key: file[key] for key in file.files}
    peng = ref["peng_a"].astype(np.float32), ref["peng_b"].astype(np.float32)
    atoms = make_atoms(ref["atomic_numbers"], ref["positions"], ref["b_factors"], peng)
    for rotation, expected in zip(ref["rotation"], ref["projection_f64"], strict=True):
        matrix = jnp.asarray(rotation, jnp.float32)
        image = project_atoms(atoms, matrix, box_px=96, pixel_angstrom=1.0)
        np.testing.assert_allclose(image, expected, atol=1e-5 * expected.max())


def test_map_equals_gemmi():
    numbers = [6, 7, 8, 16, 6]
    positions = np.array([[0, 0, 0], [1.4, 0.3, 0], [-1, 1.2, 0.7], [0.2, -1.8, 1], [2, 2, -1.5]])
    atoms = make_atoms(numbers, positions, 20.0)
    voxel, box = 0.5, 64
    ours = np.asarray(potential_map(atoms, box_px=box, voxel_angstrom=voxel))
    expected = POTENTIAL_PREFACTOR_VOLT_ANGSTROM2 * gemmi_density(
        numbers, positions, 20.0, voxel, box
    )
    np.testing.assert_allclose(ours, expected, atol=1e-4 * expected.max())


def gemmi_density(numbers, positions, b, voxel, box):
    """The map by gemmi, (z, y, x), its origin moved to the middle voxel."""
    structure = gemmi.Structure()
    structure.cell = gemmi.UnitCell(*[box * voxel] * 3, 90, 90, 90)
    structure.spacegroup_hm = "P 1"
    chain, residue = gemmi.Chain("A"), gemmi.Residue()
    for number, position in zip(numbers, positions, strict=True):
        atom = gemmi.Atom()
        atom.element, atom.b_iso = gemmi.Element(int(number)), b
        atom.pos = gemmi.Position(*(position + box // 2 * voxel))
        residue.add_atom(atom)
    chain.add_residue(residue)
    structure.add_model(gemmi.Model(1))
    structure[0].add_chain(chain)
    calculator = gemmi.DensityCalculatorE()
    calculator.d_min, calculator.rate, calculator.cutoff = 2 * voxel, 1.0, 1e-7
    calculator.grid.set_unit_cell(structure.cell)
    calculator.grid.set_size(box, box, box)
    calculator.add_model_density_to_grid(structure[0])
    return np.array(calculator.grid.array).transpose(2, 1, 0)


def test_projection_is_the_map_summed_along_the_beam():
    rng = np.random.default_rng(0)
    atoms = make_atoms([6] * 6, rng.normal(0, 4, (6, 3)), 60.0, hydrogens=1.2, volume=17.0)
    image = project_atoms(atoms, jnp.eye(3), box_px=48, pixel_angstrom=1.0)
    summed = potential_map(atoms, box_px=48, voxel_angstrom=1.0).sum(axis=0)
    np.testing.assert_allclose(image, summed, atol=2e-4 * float(image.max()))


def bead_case(mass_kda=100.0):
    rng = np.random.default_rng(1)
    positions = globule(rng, mass_kda).astype(np.float32)
    return positions, rng.uniform(300, 600, len(positions)).astype(np.float32)


def exact_views(positions, weight, rotations, b_factor, box, pixel):
    """The band-limited sum by its structure factor, in float64."""
    fy, fx = np.fft.fftfreq(box, pixel)[:, None], np.fft.rfftfreq(box, pixel)[None, :]
    images = []
    for rotation in rotations:
        x, y, _ = rotation @ positions.T.astype(float)
        wave_y = np.exp(-2j * np.pi * fy * y[None, :])
        wave_x = np.exp(-2j * np.pi * fx.T * x[None, :])
        spectrum = np.einsum("ya,xa,a->yx", wave_y, wave_x, weight.astype(float))
        spectrum *= np.exp(-0.25 * b_factor * (fy**2 + fx**2)) / pixel**2
        spectrum[box // 2], spectrum[:, box // 2] = 0, 0
        images.append(np.fft.fftshift(np.fft.irfft2(spectrum, s=(box, box))))
    return np.array(images)


@pytest.mark.parametrize(("b_factor", "limit"), [(60.0, 0.01), (200.0, 0.005), (400.0, 0.003)])
def test_splat_is_within_a_percent_of_the_exact_sum(b_factor, limit):
    positions, weight = bead_case()
    rotations = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3, 3)))[0]
    form = {"form_weight": np.ones(1), "form_b_angstrom2": np.array([b_factor])}
    views = project_beads(positions, weight, rotations, box_px=24, pixel_angstrom=4.0, **form)
    exact = exact_views(positions, weight, rotations, b_factor, 24, 4.0)
    assert np.sqrt(np.mean((views - exact) ** 2) / np.mean(exact**2)) < limit
    a, b = np.fft.rfft2(views), np.fft.rfft2(exact)
    ring = np.hypot(np.fft.fftfreq(24)[:, None], np.fft.rfftfreq(24)[None, :]) * 24
    for low in range(11):
        shell = (ring >= low) & (ring < low + 1)
        cross = np.sum((a * b.conj())[:, shell]).real
        power = np.sum(np.abs(a[:, shell]) ** 2) * np.sum(np.abs(b[:, shell]) ** 2)
        assert cross / np.sqrt(power) > 0.999


def test_splat_keeps_the_integral_and_the_centre():
    form = {"form_weight": np.ones(1), "form_b_angstrom2": np.array([900.0])}
    where = np.array([[3.3, -7.9, 11.0]], np.float32)
    view = project_beads(
        where, np.ones(1, np.float32), np.eye(3)[None], box_px=32, pixel_angstrom=2.5, **form
    )[0]
    assert view.sum() * 2.5**2 == pytest.approx(1.0, rel=1e-4)
    grid = (np.arange(32) - 16) * 2.5
    x, y = (view.sum(0) @ grid, view.sum(1) @ grid) / view.sum()
    assert (x, y) == pytest.approx((3.3, -7.9), abs=0.01)


def test_volume_summed_along_the_beam_is_the_view():
    positions, weight = bead_case(mass_kda=20.0)
    form = {"form_weight": np.ones(1), "form_b_angstrom2": np.array([200.0])}
    volume = splat_volume(positions, weight, box_px=24, voxel_angstrom=3.0, **form)
    view = project_beads(positions, weight, np.eye(3)[None], box_px=24, pixel_angstrom=3.0, **form)[
        0
    ]
    np.testing.assert_allclose(volume.sum(axis=0) * 3.0, view, atol=2e-3 * view.max())


def test_water_of_the_density_of_ice_has_no_contrast():
    # Oxygen standing for a water molecule, f0 3.041 A, one per 1/0.0311 A^3 of displaced ice.
    volume = 1 / 0.0311
    water = make_atoms([8], np.zeros((1, 3)), 0.0, hydrogens=3.041 / 1.9834, volume=volume)
    weight, _ = atom_gaussians(water)
    assert abs(float(weight.sum())) < 0.01 * ICE_POTENTIAL_VOLT * volume


def test_occupancy_scales_atom_and_ice_alike():
    whole = make_atoms([6], np.zeros((1, 3)), 20.0, hydrogens=1.2, volume=17.55)
    half = dataclasses.replace(whole, occupancy=np.array([0.5], np.float32))
    np.testing.assert_allclose(atom_gaussians(half)[0], 0.5 * atom_gaussians(whole)[0], rtol=1e-6)
