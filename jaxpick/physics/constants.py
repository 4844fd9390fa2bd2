"""Constants of electron scattering, and the numbers of ice and protein that set contrast.

Units: kilovolt, volt, angstrom, radian, dalton. CODATA 2018 values.
"""

import jax.numpy as jnp

from jaxpick.typing import Scalar

PLANCK_JOULE_SECOND = 6.62607015e-34
ELECTRON_MASS_KG = 9.1093837015e-31
ELEMENTARY_CHARGE_COULOMB = 1.602176634e-19
ELECTRON_REST_ENERGY_KEV = 510.99895000

# h^2 / (2 pi m0 e): turns a scattering factor in angstrom into an integrated potential in V
# angstrom^3.
POTENTIAL_PREFACTOR_VOLT_ANGSTROM2 = (
    PLANCK_JOULE_SECOND**2
    / (2 * 3.141592653589793 * ELECTRON_MASS_KG * ELEMENTARY_CHARGE_COULOMB)
    * 1e20
)

# Vitreous ice of 0.93 g/cm^3: molecules per angstrom^3, and f(0) of H2O from independent atoms
# (Peng et al. 1996).
ICE_MOLECULES_PER_ANGSTROM3 = 0.0311
ICE_SCATTERING_FACTOR_ANGSTROM = 3.041
# Their product with the prefactor; also the constant of InSilicoTEM (Vulovic et al. 2013).
ICE_POTENTIAL_VOLT = 4.53
# Static structure factor of water at low frequency, by its compressibility; uncorrelated molecules
# would give 1.
ICE_STRUCTURE_FACTOR = 0.06
# Mean square displacement of water under the beam, per exposure (McMullan et al. 2015).
ICE_DISPLACEMENT_ANGSTROM2_PER_DOSE = 1.1
# Inelastic mean free path in vitreous ice at 300 kV (Rice et al. 2018; Noble et al. 2018).
ICE_MEAN_FREE_PATH_300KV_ANGSTROM = 3950.0

# Protein of average composition with its hydrogens, from Peng f(0): 1.235 angstrom^3/Da.
PROTEIN_DENSITY_DALTON_PER_ANGSTROM3 = 0.81
PROTEIN_POTENTIAL_VOLT = 7.90
PROTEIN_HEAVY_ATOM_POTENTIAL_VOLT = 6.47
PROTEIN_EXCESS_POTENTIAL_VOLT = 3.38
# Excess over the ice it displaces, integrated: what a phantom of known mass must add up to.
PROTEIN_EXCESS_VOLT_ANGSTROM3_PER_DALTON = 4.17
# What deposited models without hydrogens lack at low resolution.
PROTEIN_HYDROGEN_FACTOR = 1.221
NUCLEIC_ACID_HYDROGEN_FACTOR = 1.12

# Amorphous carbon of 1.75 g/cm^3 and gold: mean inner potentials; atoms per angstrom^3 and f(0)
# (Peng et al. 1996) of carbon.
CARBON_POTENTIAL_VOLT = 9.09
CARBON_ATOMS_PER_ANGSTROM3 = 0.0877
CARBON_SCATTERING_FACTOR_ANGSTROM = 2.5088
CARBON_MEAN_FREE_PATH_300KV_ANGSTROM = 2000.0
GOLD_POTENTIAL_VOLT = 25.0


def electron_wavelength_angstrom(voltage_kv: Scalar) -> Scalar:
    """Return the relativistic wavelength by RELION's constants (`ctf.cpp`), within 7e-6 of CODATA.

    Other programs differ by 3e-5 (12.2639 and 0.97845e-6 in EMAN2, cryojax), which moves far Thon
    rings visibly.
    """
    volt = voltage_kv * 1e3
    return 12.2643247 / jnp.sqrt(volt * (1 + 0.978466e-6 * volt))


def lorentz_factor(voltage_kv: Scalar) -> Scalar:
    """Return gamma = 1 + eV / (m0 c^2)."""
    return 1.0 + voltage_kv / ELECTRON_REST_ENERGY_KEV


def interaction_constant_rad_per_volt_angstrom(voltage_kv: Scalar) -> Scalar:
    """Return sigma_e = 2 pi gamma m0 e lambda / h^2, the phase per projected potential.

    Equal to lambda gamma / `POTENTIAL_PREFACTOR_VOLT_ANGSTROM2`.
    """
    wavelength = electron_wavelength_angstrom(voltage_kv)
    return wavelength * lorentz_factor(voltage_kv) / POTENTIAL_PREFACTOR_VOLT_ANGSTROM2


def ice_mean_free_path_angstrom(voltage_kv: Scalar) -> Scalar:
    """Return the inelastic mean free path in ice, scaled from 300 kV by the squared velocity.

    This leaves out the slow logarithm of the Bethe cross-section (a few percent between 100 and 300
    kV).
    """
    return ICE_MEAN_FREE_PATH_300KV_ANGSTROM * _beta_squared(voltage_kv) / _beta_squared(300.0)


def _beta_squared(voltage_kv: Scalar) -> Scalar:
    return 1.0 - 1.0 / lorentz_factor(voltage_kv) ** 2
