"""Excess electrostatic potential of atoms in vitreous ice, exactly.

Electron scattering factors are five Gaussians (Peng et al. 1996, Acta Cryst. A52:257), f(q) = sum a
exp(-b q^2 / 4) in angstrom, q in 1/angstrom, to volts by K = h^2 / (2 pi m0 e). Solvent is
displaced atom by atom with a Gaussian of the displaced volume v (Fraser et al. 1978, J. Appl.
Cryst. 11:693):

    f_eff(q) = [hydrogens K f(q) - V_ice v exp(-pi q^2 v^(2/3))] exp(-B q^2 / 4)

The tables of a and b come with the atoms, so that nothing here reads files. Coordinates are
(x, y, z) in angstrom; the beam runs along z of the rotated frame; the origin falls on `box // 2`.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxpick.physics.constants import ICE_POTENTIAL_VOLT, POTENTIAL_PREFACTOR_VOLT_ANGSTROM2
from jaxpick.pytrees import pytree

# Displaced volume of a heavy atom with its hydrogens: 1.235 angstrom^3/Da (0.81 Da/angstrom^3) and
# 14.2 Da for protein; 0.91 angstrom^3/Da (partial specific volume 0.55 cm^3/g) and 15.5 Da for
# nucleic acids.
PROTEIN_ATOM_VOLUME_ANGSTROM3 = 17.55
NUCLEIC_ACID_ATOM_VOLUME_ANGSTROM3 = 14.1


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Atoms:
    """Heavy atoms of one molecule, their hydrogens implicit, and the ice they displace.

    Attributes:
        positions_angstrom: x, y, z.
        element: row of the Peng tables.
        peng_a_angstrom: scattering amplitudes of each element.
        peng_b_angstrom2: their B factors.
        b_factor_angstrom2: thermal B of each atom, 8 pi^2 <u^2>.
        occupancy: 0 to 1.
        hydrogen_factor: what the implicit hydrogens multiply the potential with (1.221 in protein).
        volume_angstrom3: displaced ice, 0 to leave the solvent out.
        mass_da: with implicit hydrogens.
        residue: number of the residue that each atom belongs to, from 0.
    """

    positions_angstrom: Float[Array | np.ndarray, "atom 3"]
    element: Int[Array | np.ndarray, " atom"]
    peng_a_angstrom: Float[Array | np.ndarray, "element 5"]
    peng_b_angstrom2: Float[Array | np.ndarray, "element 5"]
    b_factor_angstrom2: Float[Array | np.ndarray, " atom"]
    occupancy: Float[Array | np.ndarray, " atom"]
    hydrogen_factor: Float[Array | np.ndarray, " atom"]
    volume_angstrom3: Float[Array | np.ndarray, " atom"]
    mass_da: Float[Array | np.ndarray, " atom"]
    residue: Int[Array | np.ndarray, " atom"]


def atom_gaussians(
    atoms: Atoms,
) -> tuple[Float[Array, "gaussian atom"], Float[Array, "gaussian atom"]]:
    """Return each atom's six Gaussians: integrals in volt angstrom^3 and B factors in angstrom^2.

    Five are the atom's (Peng), the sixth is the ice it displaces and is negative.
    """
    a = jnp.asarray(atoms.peng_a_angstrom, jnp.float32)[atoms.element].T
    b = jnp.asarray(atoms.peng_b_angstrom2, jnp.float32)[atoms.element].T
    scale = POTENTIAL_PREFACTOR_VOLT_ANGSTROM2 * jnp.asarray(atoms.hydrogen_factor)
    volume = jnp.asarray(atoms.volume_angstrom3, jnp.float32)
    weight = jnp.concatenate([scale[None, :] * a, -ICE_POTENTIAL_VOLT * volume[None, :]])
    width = jnp.concatenate([b, 4 * jnp.pi * jnp.cbrt(volume**2)[None, :]])
    occupied = weight * jnp.asarray(atoms.occupancy)[None, :]
    # A Gaussian without weight may have any width but zero.
    width = jnp.where(occupied == 0, 1.0, width + jnp.asarray(atoms.b_factor_angstrom2)[None, :])
    return occupied, width


def project_atoms(
    atoms: Atoms, rotation: Float[Array, "3 3"], *, box_px: int, pixel_angstrom: float
) -> Float[Array, "box box"]:
    """Sum all atoms' projected Gaussians at the pixel centres, in volt angstrom.

    Point sampling of the exact potential: frequencies beyond the pixel's Nyquist alias, so give the
    atoms B factors (or compare after a low-pass) when the pixel is coarse. Memory grows with
    atoms x box; for banks use `projection.project_beads`.
    """
    weight, width = atom_gaussians(atoms)
    centre = (jnp.asarray(atoms.positions_angstrom) @ rotation.T)[:, :2]
    grid = _axis(box_px, pixel_angstrom)

    def add(total: Array, gaussian: tuple[Array, Array]) -> tuple[Array, None]:
        amplitude, b = gaussian
        x = _profile(grid, centre[:, 0], b)
        y = _profile(grid, centre[:, 1], b)
        return total + jnp.matmul((amplitude[:, None] * y).T, x, precision="highest"), None

    zero = jnp.zeros((box_px, box_px), jnp.float32)
    return jax.lax.scan(add, zero, (weight, width))[0]


def potential_map(
    atoms: Atoms, *, box_px: int, voxel_angstrom: float
) -> Float[Array, "box box box"]:
    """Sum all atoms' Gaussians at the voxel centres (z, y, x), in volt. For small models."""
    weight, width = atom_gaussians(atoms)
    centre = jnp.asarray(atoms.positions_angstrom)
    grid = _axis(box_px, voxel_angstrom)

    def add(total: Array, gaussian: tuple[Array, Array]) -> tuple[Array, None]:
        amplitude, b = gaussian
        x, y, z = (_profile(grid, centre[:, axis], b) for axis in range(3))
        plane = (amplitude[:, None] * z)[:, :, None] * y[:, None, :]
        return total + jnp.einsum("azy,ax->zyx", plane, x, precision="highest"), None

    zero = jnp.zeros((box_px, box_px, box_px), jnp.float32)
    return jax.lax.scan(add, zero, (weight, width))[0]


def _axis(box_px: int, pixel_angstrom: float) -> Float[Array, " box"]:
    return (jnp.arange(box_px, dtype=jnp.float32) - box_px // 2) * pixel_angstrom


def _profile(
    grid: Float[Array, " box"], centre: Float[Array, " atom"], b: Float[Array, " atom"]
) -> Float[Array, "atom box"]:
    """Return unit-area Gaussians of B factor b: sqrt(4 pi / b) exp(-4 pi^2 x^2 / b)."""
    distance = grid[None, :] - centre[:, None]
    exponent = -4 * jnp.pi**2 * distance**2 / b[:, None]
    return jnp.sqrt(4 * jnp.pi / b)[:, None] * jnp.exp(exponent)
