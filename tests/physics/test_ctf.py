"""Contrast transfer against RELION's values, tabulated zeros and published envelopes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from jaxpick.numerics.grids import frequency_grid
from jaxpick.physics import ctf

FIELDS = (
    "voltage_kv",
    "defocus_u_angstrom",
    "defocus_v_angstrom",
    "astigmatism_deg",
    "spherical_aberration_mm",
    "amplitude_contrast",
    "phase_shift_deg",
)


def optics_of(row, dtype):
    return ctf.Optics(
        **{name: jnp.asarray(value, dtype) for name, value in zip(FIELDS, row, strict=True)}
    )


def along_x(function, *arguments, frequency):
    """A function of (fy, fx) at frequencies along x."""
    fx = jnp.asarray(frequency, jnp.float32).reshape(1, -1)
    return np.asarray(function(*arguments, jnp.zeros_like(fx), fx))[0]


@pytest.mark.oracle
@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("pixel", [1, 4])
def test_equals_relion_with_opposite_sign_in_double_precision(oracles, row, pixel):
    with np.load(oracles / "ctf_reference.npz") as stored, jax.enable_x64(True):
        grid = frequency_grid((256, 256), float(pixel))
        ours = ctf.contrast_transfer(optics_of(stored["params"][row], jnp.float64), *grid)
        assert ours.dtype == jnp.float64
        np.testing.assert_allclose(ours, -stored[f"relion_px{pixel}_row{row}"], atol=1e-10)


@pytest.mark.oracle
@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize(("pixel", "tolerance"), [(4, 2e-5), (1, 5e-4)])
def test_equals_relion_in_single_precision(oracles, row, pixel, tolerance):
    with np.load(oracles / "ctf_reference.npz") as stored:
        grid = frequency_grid((256, 256), float(pixel))
        ours = ctf.contrast_transfer(optics_of(stored["params"][row], jnp.float32), *grid)
        np.testing.assert_allclose(ours, -stored[f"relion_px{pixel}_row{row}"], atol=tolerance)


@pytest.mark.oracle
@pytest.mark.parametrize("row", [0, 1, 2])
def test_has_the_sign_and_azimuth_of_cryojax_up_to_its_wavelength(oracles, row):
    with np.load(oracles / "ctf_reference.npz") as stored:
        ours = ctf.contrast_transfer(
            optics_of(stored["params"][row], jnp.float32), *frequency_grid((256, 256), 4.0)
        )
        np.testing.assert_allclose(ours, stored[f"cryojax_px4_row{row}"], atol=2e-3)


ZEROS = [
    # voltage, Q, defocus, first zero and second zero in angstrom, as rounded in the table
    (300.0, 0.10, 5000.0, (1 / 0.099690, 7.00)),
    (300.0, 0.10, 10000.0, (1 / 0.070215, 9.98)),
    (300.0, 0.10, 15000.0, (1 / 0.057289, 12.24)),
    (300.0, 0.10, 20000.0, (1 / 0.049601, 14.14)),
    (300.0, 0.10, 30000.0, (1 / 0.040492, 17.32)),
    (300.0, 0.10, 40000.0, (1 / 0.035065, 20.00)),
    (200.0, 0.10, 5000.0, (11.31,)),
    (200.0, 0.10, 10000.0, (16.07,)),
    (200.0, 0.10, 15000.0, (19.70,)),
    (200.0, 0.10, 20000.0, (22.75,)),
    (200.0, 0.10, 30000.0, (27.87,)),
    (200.0, 0.10, 40000.0, (32.19,)),
    (300.0, 0.07, 15000.0, (17.3695, 12.2054)),
]


@pytest.mark.parametrize(("voltage", "contrast", "defocus", "zeros"), ZEROS)
def test_zeros_are_where_the_table_has_them(voltage, contrast, defocus, zeros):
    optics = ctf.Optics(
        voltage_kv=voltage,
        defocus_u_angstrom=defocus,
        defocus_v_angstrom=defocus,
        amplitude_contrast=contrast,
    )

    @jax.jit
    def transfer(frequency):
        fx = frequency.reshape(1, 1)
        return ctf.contrast_transfer(optics, jnp.zeros_like(fx), fx)[0, 0]

    for zero in zeros:
        found = 1 / brentq(lambda f: float(transfer(jnp.float32(f))), 0.96 / zero, 1.04 / zero)
        # Two decimals are tabulated, or five significant digits of the frequency.
        tolerance = 0.0051 if round(zero, 2) == zero else 5e-4
        np.testing.assert_allclose(found, zero, atol=tolerance)


@pytest.mark.parametrize(
    ("defocus", "maximum"), [(10000.0, 20.5), (20000.0, 29.0), (30000.0, 35.5)]
)
def test_first_maximum_of_contrast(defocus, maximum):
    optics = ctf.Optics(defocus_u_angstrom=defocus, defocus_v_angstrom=defocus)
    resolution = np.linspace(0.8, 1.25, 901) * maximum
    transfer = along_x(ctf.contrast_transfer, optics, frequency=1 / resolution)
    np.testing.assert_allclose(resolution[np.argmin(transfer)], maximum, rtol=0.01)
    np.testing.assert_allclose(transfer.min(), -1.0, atol=1e-4)


def test_larger_defocus_lies_along_the_astigmatism_angle():
    optics = ctf.Optics(
        defocus_u_angstrom=20000.0, defocus_v_angstrom=10000.0, astigmatism_deg=30.0
    )
    azimuth = np.deg2rad(np.arange(0, 180, 15))
    fy, fx = (jnp.asarray(0.02 * f(azimuth)[None, :], jnp.float32) for f in (np.sin, np.cos))
    phase = np.asarray(ctf.aberration_phase(optics, fy, fx))[0]
    wavelength = 0.0196876
    expected = 15000 + 5000 * np.cos(2 * (azimuth - np.deg2rad(30)))
    defocus = (phase + np.pi / 2 * 2.7e7 * wavelength**3 * 0.02**4) / (np.pi * wavelength * 0.02**2)
    np.testing.assert_allclose(defocus, expected, rtol=2e-5)


def test_phase_plate_adds_to_every_frequency():
    frequency = [0.0, 0.02, 0.07]
    plain = along_x(ctf.aberration_phase, ctf.Optics(), frequency=frequency)
    plate = along_x(ctf.aberration_phase, ctf.Optics(phase_shift_deg=90.0), frequency=frequency)
    np.testing.assert_allclose(plate - plain, np.pi / 2, atol=1e-5)


EIGHT_AND_SIXTEEN = np.array([1 / 8, 1 / 16])


@pytest.mark.parametrize(
    ("b_factor", "expected"), [(50.0, (0.82, 0.95)), (150.0, (0.56, 0.86)), (300.0, (0.31, 0.75))]
)
def test_b_factor_table(b_factor, expected):
    values = along_x(ctf.b_factor_envelope, b_factor, frequency=EIGHT_AND_SIXTEEN)
    np.testing.assert_allclose(values, expected, atol=0.0051)


def test_drift_table_and_direction():
    values = along_x(ctf.drift_envelope, 0.0, 4.0, frequency=EIGHT_AND_SIXTEEN)
    np.testing.assert_allclose(values, (0.64, 0.90), atol=0.0051)
    np.testing.assert_allclose(
        along_x(ctf.drift_envelope, 4.0, 0.0, frequency=EIGHT_AND_SIXTEEN), 1.0
    )
    ten = along_x(ctf.drift_envelope, 0.0, 10.0, frequency=[0.1, 1e-4, 1e-3])
    np.testing.assert_allclose(ten, np.sinc([1.0, 1e-3, 1e-2]), atol=2e-6)


def test_dose_table_and_its_definition():
    frequency = np.array([1 / 8, 1 / 16, 1 / 30])
    values = along_x(ctf.dose_envelope, 40.0, 300.0, frequency=frequency)
    np.testing.assert_allclose(values, (0.45, 0.71, 0.88), atol=0.0051)
    # The average over the exposure of the amplitude exp(-N / (2 Nc)) that is left after N.
    for voltage, factor in ((300.0, 1.0), (200.0, 0.8), (100.0, 0.532)):
        critical = factor * (0.245 * frequency**-1.665 + 2.81)
        exposure = (np.arange(20000) + 0.5) / 20000 * 40
        mean = np.exp(-exposure[:, None] / (2 * critical)).mean(0)
        ours = along_x(ctf.dose_envelope, 40.0, voltage, frequency=frequency)
        np.testing.assert_allclose(ours, mean, rtol=1e-5)
    np.testing.assert_allclose(along_x(ctf.dose_envelope, 0.0, 300.0, frequency=frequency), 1.0)


def test_spatial_coherence_table():
    optics = ctf.Optics(defocus_u_angstrom=20000.0, defocus_v_angstrom=20000.0)
    for convergence, expected in ((0.02, (0.976, 0.994)), (0.1, (0.55, 0.86))):
        values = along_x(
            ctf.spatial_coherence_envelope, optics, convergence, frequency=EIGHT_AND_SIXTEEN
        )
        np.testing.assert_allclose(values, expected, atol=0.0051)
    assert along_x(ctf.spatial_coherence_envelope, optics, 0.1, frequency=[0.0])[0] == 1.0


def test_merged_envelope_is_the_product_and_is_one_by_default():
    grid = frequency_grid((16, 16), 4.0)
    np.testing.assert_allclose(ctf.envelope(ctf.Envelope(), *grid), 1.0)
    damping = ctf.Envelope(
        b_factor_angstrom2=80.0,
        drift_y_angstrom=3.0,
        drift_x_angstrom=-2.0,
        dose_e_per_angstrom2=40.0,
    )
    fy, fx = (np.asarray(f, np.float64) for f in grid)
    critical = 0.245 * np.maximum(np.hypot(fy, fx), 1e-9) ** -1.665 + 2.81
    dose = 2 * critical / 40 * -np.expm1(-20 / critical)
    expected = np.exp(-20 * (fy**2 + fx**2)) * np.sinc(3 * fy - 2 * fx) * dose
    np.testing.assert_allclose(ctf.envelope(damping, *grid), expected, atol=2e-6)


def test_batched_and_differentiated_optics():
    grid = frequency_grid((8, 8), 4.0)
    defocus = jnp.asarray([8000.0, 15000.0, 23000.0])
    batch = jax.tree.map(lambda value: jnp.full(3, value), ctf.Optics())
    batch = dataclasses.replace(batch, defocus_u_angstrom=defocus)
    together = jax.vmap(lambda optics: ctf.contrast_transfer(optics, *grid))(batch)
    for i, single in enumerate(defocus):
        alone = ctf.contrast_transfer(ctf.Optics(defocus_u_angstrom=single), *grid)
        np.testing.assert_allclose(together[i], alone, atol=2e-5)

    @jax.jit
    def value(angle):
        optics = ctf.Optics(defocus_v_angstrom=9000.0, astigmatism_deg=angle)
        return jnp.sum(ctf.contrast_transfer(optics, *grid)[:3, :3])

    slope = jax.grad(value)(20.0)
    difference = (value(20.5) - value(19.5)) / 1.0
    np.testing.assert_allclose(slope, difference, rtol=0.02)
