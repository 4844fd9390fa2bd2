"""Contrast transfer function of the electron microscope and its envelopes.

Convention (RELION, CTFFIND): with spatial frequency f = (fy, fx) in 1/angstrom and azimuth theta
from +x toward +y of the array,

    chi(f) = pi lambda D(theta) f^2 - (pi/2) Cs lambda^3 f^4 + phase shift,
    D(theta) = (U + V)/2 + (U - V)/2 cos 2(theta - astigmatism),

underfocus positive. The image of a weak phase object phi is I = 1 - 2 phi (x) sin(chi + asin Q):
protein is dark. RELION's CTF is +sin (its particles are inverted); CTFFIND, cisTEM and cryojax use
-sin as here, but cryojax 0.6 measures the azimuth from +y (pass it 90 degrees minus the angle). The
functions follow the precision of their arguments.
"""

import dataclasses
import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.trigonometry import cos_sin
from jaxpick.physics.constants import electron_wavelength_angstrom
from jaxpick.pytrees import pytree
from jaxpick.typing import Scalar

Parameter = Float[Array, "..."] | float
Frequencies = Float[Array, "fy fx"]


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Optics:
    """State of the microscope for one micrograph: scalars that may be traced or batched.

    Attributes:
        voltage_kv: acceleration voltage.
        defocus_u_angstrom: larger defocus, underfocus positive (rlnDefocusU).
        defocus_v_angstrom: smaller defocus (rlnDefocusV).
        astigmatism_deg: azimuth of `defocus_u_angstrom` from +x toward +y (rlnDefocusAngle).
        spherical_aberration_mm: Cs.
        amplitude_contrast: Q, 0 to 1.
        phase_shift_deg: of a phase plate, 0 without.
    """

    voltage_kv: Parameter = 300.0
    defocus_u_angstrom: Parameter = 15000.0
    defocus_v_angstrom: Parameter = 15000.0
    astigmatism_deg: Parameter = 0.0
    spherical_aberration_mm: Parameter = 2.7
    amplitude_contrast: Parameter = 0.1
    phase_shift_deg: Parameter = 0.0


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Envelope:
    """What damps the transfer at high frequency: scalars that may be traced or batched.

    Attributes:
        b_factor_angstrom2: B of exp(-B f^2 / 4).
        drift_y_angstrom: displacement during the exposure along y; uniform motion.
        drift_x_angstrom: the same along x.
        dose_e_per_angstrom2: exposure over which radiation damage is averaged; 0 leaves it out.
        voltage_kv: acceleration voltage, which sets the critical exposure.
        convergence_mrad: semi-angle of illumination for spatial coherence; 0 leaves it out.
    """

    b_factor_angstrom2: Parameter = 0.0
    drift_y_angstrom: Parameter = 0.0
    drift_x_angstrom: Parameter = 0.0
    dose_e_per_angstrom2: Parameter = 0.0
    voltage_kv: Parameter = 300.0
    convergence_mrad: Parameter = 0.0


def aberration_phase(optics: Optics, fy: Frequencies, fx: Frequencies) -> Frequencies:
    """Return chi in radian, with the phase plate and without the amplitude-contrast angle.

    Args:
        optics: scalar fields.
        fy: spatial frequency along y in 1/angstrom.
        fx: along x.
    """
    square = fy**2 + fx**2
    wavelength = electron_wavelength_angstrom(optics.voltage_kv)
    spherical_angstrom = optics.spherical_aberration_mm * 1e7
    defocus_term = math.pi * wavelength * _defocus_times_square(optics, fy, fx, square)
    spherical_term = (0.5 * math.pi * spherical_angstrom * wavelength**3) * square**2
    return defocus_term - spherical_term + jnp.deg2rad(optics.phase_shift_deg)


def amplitude_contrast_angle(optics: Optics) -> Scalar:
    """Return asin Q = atan(Q / sqrt(1 - Q^2)) in radian."""
    return jnp.arcsin(optics.amplitude_contrast)


def contrast_transfer(optics: Optics, fy: Frequencies, fx: Frequencies) -> Frequencies:
    """Return the physical contrast transfer -sin(chi + asin Q): CTFFIND's, minus RELION's."""
    return -jnp.sin(aberration_phase(optics, fy, fx) + amplitude_contrast_angle(optics))


def b_factor_envelope(b_factor_angstrom2: Scalar, fy: Frequencies, fx: Frequencies) -> Frequencies:
    """Return exp(-B f^2 / 4)."""
    return jnp.exp(-0.25 * b_factor_angstrom2 * (fy**2 + fx**2))


def drift_envelope(
    drift_y_angstrom: Scalar, drift_x_angstrom: Scalar, fy: Frequencies, fx: Frequencies
) -> Frequencies:
    """Return sin(pi f.d) / (pi f.d): uniform motion along d during the exposure."""
    angle = math.pi * (fy * drift_y_angstrom + fx * drift_x_angstrom)
    small = jnp.abs(angle) < 1e-2
    safe = jnp.where(small, 1.0, angle)
    return jnp.where(small, 1.0 - angle**2 / 6.0, cos_sin(safe)[1] / safe)


def dose_envelope(
    dose_e_per_angstrom2: Scalar, voltage_kv: Scalar, fy: Frequencies, fx: Frequencies
) -> Frequencies:
    """Return the radiation damage of a summed exposure: (2 Nc / D) (1 - exp(-D / (2 Nc))).

    Nc(f) = 0.245 f^-1.665 + 2.81 e/angstrom^2 is the critical exposure at 300 kV (Grant and
    Grigorieff 2015, eq. 3); it is interpolated between the factors 0.532 at 100 kV, 0.8 at 200 kV
    and 1 at 300 kV. A dose of 0 gives 1.
    """
    square = jnp.maximum(fy**2 + fx**2, 1e-12)
    # f^-1.665 as exp of log: several times faster than a power on a CPU.
    critical = 0.245 * jnp.exp(-0.8325 * jnp.log(square)) + 2.81
    critical = critical * jnp.interp(
        voltage_kv, jnp.array([100.0, 200.0, 300.0]), jnp.array([0.532, 0.8, 1.0])
    )
    ratio = dose_e_per_angstrom2 / (2.0 * critical)
    safe = jnp.maximum(ratio, 1e-3)
    return jnp.where(ratio < 1e-3, 1.0 - 0.5 * ratio, -jnp.expm1(-safe) / safe)


def spatial_coherence_envelope(
    optics: Optics, convergence_mrad: Scalar, fy: Frequencies, fx: Frequencies
) -> Frequencies:
    """Return exp(-(pi alpha)^2 (Cs lambda^2 f^3 - D f)^2) for the illumination semi-angle alpha."""
    square = fy**2 + fx**2
    wavelength = electron_wavelength_angstrom(optics.voltage_kv)
    spherical_angstrom = optics.spherical_aberration_mm * 1e7
    defocus_square = _defocus_times_square(optics, fy, fx, square)
    # (Cs lambda^2 f^3 - D f)^2 = (Cs lambda^2 f^4 - D f^2)^2 / f^2, which is 0 at the origin.
    slope = spherical_angstrom * wavelength**2 * square**2 - defocus_square
    squared_slope = slope**2 / jnp.maximum(square, 1e-12)
    return jnp.exp(-((math.pi * 1e-3 * convergence_mrad) ** 2) * squared_slope)


def envelope(damping: Envelope, fy: Frequencies, fx: Frequencies) -> Frequencies:
    """Return the product of B-factor, drift and dose envelopes (spatial coherence is separate)."""
    drift = drift_envelope(damping.drift_y_angstrom, damping.drift_x_angstrom, fy, fx)
    dose = dose_envelope(damping.dose_e_per_angstrom2, damping.voltage_kv, fy, fx)
    return b_factor_envelope(damping.b_factor_angstrom2, fy, fx) * drift * dose


def _defocus_times_square(
    optics: Optics, fy: Frequencies, fx: Frequencies, square: Frequencies
) -> Frequencies:
    # D(theta) f^2 as a quadratic form: no arctangent, smooth at the origin.
    mean = 0.5 * (optics.defocus_u_angstrom + optics.defocus_v_angstrom)
    half_difference = 0.5 * (optics.defocus_u_angstrom - optics.defocus_v_angstrom)
    twice_azimuth = 2.0 * jnp.deg2rad(optics.astigmatism_deg)
    along = half_difference * jnp.cos(twice_azimuth)
    across = half_difference * jnp.sin(twice_azimuth)
    return mean * square + along * (fx**2 - fy**2) + 2.0 * across * fx * fy
