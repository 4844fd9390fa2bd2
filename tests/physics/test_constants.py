"""Constants against CODATA, ice and protein against sums of Peng's scattering factors."""

import gemmi
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import constants as codata

from jaxpick.physics import constants

VOLTAGES = [100.0, 120.0, 200.0, 300.0]


def f0(element):
    return sum(gemmi.Element(element).c4322.a)


def codata_wavelength_angstrom(voltage_kv):
    energy = voltage_kv * 1e3 * codata.e
    momentum = np.sqrt(2 * codata.m_e * energy * (1 + energy / (2 * codata.m_e * codata.c**2)))
    return codata.h / momentum * 1e10


@pytest.mark.parametrize("voltage_kv", VOLTAGES)
def test_wavelength_is_that_of_codata(voltage_kv):
    ours = constants.electron_wavelength_angstrom(voltage_kv)
    np.testing.assert_allclose(ours, codata_wavelength_angstrom(voltage_kv), rtol=1e-5)


@pytest.mark.parametrize("voltage_kv", VOLTAGES)
def test_interaction_constant_follows_its_definition(voltage_kv):
    gamma = 1 + voltage_kv * 1e3 * codata.e / (codata.m_e * codata.c**2)
    wavelength = codata_wavelength_angstrom(voltage_kv) * 1e-10
    expected = 2 * np.pi * gamma * codata.m_e * codata.e * wavelength / codata.h**2 * 1e-10
    ours = constants.interaction_constant_rad_per_volt_angstrom(voltage_kv)
    np.testing.assert_allclose(ours, expected, rtol=5e-5)
    np.testing.assert_allclose(constants.lorentz_factor(voltage_kv), gamma, rtol=1e-6)


@pytest.mark.oracle
def test_constants_equal_the_oracle(oracles):
    with np.load(oracles / "ctf_reference.npz") as stored:
        voltage_kv = jnp.asarray(stored["wavelength_kv"], jnp.float32)
        for i, voltage in enumerate(voltage_kv):
            wavelength = constants.electron_wavelength_angstrom(voltage)
            sigma = constants.interaction_constant_rad_per_volt_angstrom(voltage)
            np.testing.assert_allclose(wavelength, stored["wavelength_relion"][i], rtol=1e-6)
            np.testing.assert_allclose(wavelength, stored["wavelength_codata"][i], rtol=1e-5)
            np.testing.assert_allclose(
                sigma, stored["interaction_rad_per_V_A_codata"][i], rtol=5e-5
            )
        prefactor = constants.POTENTIAL_PREFACTOR_VOLT_ANGSTROM2
        np.testing.assert_allclose(prefactor, stored["potential_prefactor_V_A2"], rtol=1e-9)


def test_ice_potential_is_the_sum_over_its_molecules():
    water = 2 * f0("H") + f0("O")
    np.testing.assert_allclose(constants.ICE_SCATTERING_FACTOR_ANGSTROM, water, rtol=1e-4)
    volt = (
        constants.POTENTIAL_PREFACTOR_VOLT_ANGSTROM2 * constants.ICE_MOLECULES_PER_ANGSTROM3 * water
    )
    np.testing.assert_allclose(volt, constants.ICE_POTENTIAL_VOLT, rtol=1e-3)
    grams = 0.93e-24 * codata.N_A / (2 * 1.008 + 15.999)
    np.testing.assert_allclose(constants.ICE_MOLECULES_PER_ANGSTROM3, grams, rtol=1e-3)


def test_protein_potential_is_the_sum_over_an_average_residue():
    # Average residue of the "averagine" model (Senko et al. 1995).
    residue = {"C": 4.9384, "H": 7.7583, "N": 1.3577, "O": 1.4773, "S": 0.0417}
    mass = sum(n * gemmi.Element(e).weight for e, n in residue.items())
    volume = mass / constants.PROTEIN_DENSITY_DALTON_PER_ANGSTROM3
    prefactor = constants.POTENTIAL_PREFACTOR_VOLT_ANGSTROM2 / volume
    volt = prefactor * sum(n * f0(e) for e, n in residue.items())
    heavy = prefactor * sum(n * f0(e) for e, n in residue.items() if e != "H")
    np.testing.assert_allclose(constants.PROTEIN_POTENTIAL_VOLT, volt, rtol=0.01)
    np.testing.assert_allclose(constants.PROTEIN_HEAVY_ATOM_POTENTIAL_VOLT, heavy, rtol=0.01)
    np.testing.assert_allclose(constants.PROTEIN_HYDROGEN_FACTOR, volt / heavy, rtol=0.01)


def test_protein_excess_numbers_agree_with_each_other():
    excess = constants.PROTEIN_POTENTIAL_VOLT - constants.ICE_POTENTIAL_VOLT
    np.testing.assert_allclose(constants.PROTEIN_EXCESS_POTENTIAL_VOLT, excess, rtol=5e-3)
    per_dalton = (
        constants.PROTEIN_EXCESS_POTENTIAL_VOLT / constants.PROTEIN_DENSITY_DALTON_PER_ANGSTROM3
    )
    np.testing.assert_allclose(
        constants.PROTEIN_EXCESS_VOLT_ANGSTROM3_PER_DALTON, per_dalton, rtol=2e-3
    )
    sigma = constants.interaction_constant_rad_per_volt_angstrom(300.0)
    np.testing.assert_allclose(sigma * 100 * excess, 0.22, atol=0.005)


def test_mean_free_path_shrinks_with_the_squared_velocity():
    np.testing.assert_allclose(constants.ice_mean_free_path_angstrom(300.0), 3950.0, rtol=1e-6)
    beta = {kv: 1 - (1 + kv / 510.99895) ** -2 for kv in (200.0, 300.0)}
    expected = 3950.0 * beta[200.0] / beta[300.0]
    np.testing.assert_allclose(constants.ice_mean_free_path_angstrom(200.0), expected, rtol=1e-5)
