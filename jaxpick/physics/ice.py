"""Vitreous ice: its thickness and the structural noise that it adds to the phase.

Molecules of water at picking resolution (8 angstrom and coarser) scatter as white noise: only the
level of their power spectral density matters, softened by their motion under the beam. Because the
noise enters as phase, it shows the Thon rings of the micrograph. Power spectral densities are in
rad^2 angstrom^2 of phase.
"""

import dataclasses
import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.fields import gaussian_field, smooth_field, white_noise
from jaxpick.numerics.grids import centred_pixel_grid
from jaxpick.physics.constants import (
    ICE_DISPLACEMENT_ANGSTROM2_PER_DOSE,
    ICE_MOLECULES_PER_ANGSTROM3,
    ICE_SCATTERING_FACTOR_ANGSTROM,
    ICE_STRUCTURE_FACTOR,
    POTENTIAL_PREFACTOR_VOLT_ANGSTROM2,
    interaction_constant_rad_per_volt_angstrom,
)
from jaxpick.pytrees import pytree
from jaxpick.typing import Image, RandomKey, Scalar

Parameter = Float[Array, "..."] | float


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class IceLayer:
    """Shape of the ice over the field: scalars that may be traced or batched.

    The relative parts add up: t = mean (1 + gradient . r + lens r^2 + roughness g), with r from the
    centre of the image in units of half its longer side.

    Attributes:
        thickness_angstrom: at the centre.
        gradient_y: relative change from the centre to the edge of the longer side, along y.
        gradient_x: the same along x.
        lens: relative change from the centre to the edge; positive where the ice is thinnest in the
            middle of a hole.
        roughness: relative standard deviation of a smooth random field.
        correlation_angstrom: its correlation length.
    """

    thickness_angstrom: Parameter = 350.0
    gradient_y: Parameter = 0.0
    gradient_x: Parameter = 0.0
    lens: Parameter = 0.0
    roughness: Parameter = 0.0
    correlation_angstrom: Parameter = 2000.0


def ice_thickness_angstrom(
    key: RandomKey, shape: tuple[int, int], layer: IceLayer, pixel_size_angstrom: Scalar
) -> Image:
    """Draw the thickness of the ice over the field; nowhere below a tenth of its mean."""
    relative = _even_part(layer, *centred_pixel_grid(shape))
    rough = smooth_field(key, shape, layer.correlation_angstrom / pixel_size_angstrom)
    return layer.thickness_angstrom * jnp.maximum(relative + layer.roughness * rough, 0.1)


def even_thickness_angstrom(
    layer: IceLayer, y: Float[Array, "*shape"], x: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the thickness at places, but for its roughness; nowhere below a tenth of its mean.

    Args:
        y: from the centre of the field in units of half its longer side.
        x: likewise.
    """
    return layer.thickness_angstrom * jnp.maximum(_even_part(layer, y, x), 0.1)


def _even_part(
    layer: IceLayer, y: Float[Array, "*shape"], x: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    return 1.0 + layer.gradient_y * y + layer.gradient_x * x + layer.lens * (y**2 + x**2)


def ice_phase_density(
    voltage_kv: Scalar, thickness_angstrom: Scalar, structure_factor: Scalar = ICE_STRUCTURE_FACTOR
) -> Scalar:
    """Return the phase power spectral density of still water: sigma_e^2 (K f0)^2 n t S.

    300 angstrom at 300 kV give 0.084 rad^2 angstrom^2 for uncorrelated molecules (S = 1), 0.005 for
    the S of the liquid.
    """
    volt_angstrom3 = POTENTIAL_PREFACTOR_VOLT_ANGSTROM2 * ICE_SCATTERING_FACTOR_ANGSTROM
    phase = interaction_constant_rad_per_volt_angstrom(voltage_kv) * volt_angstrom3
    return phase**2 * ICE_MOLECULES_PER_ANGSTROM3 * thickness_angstrom * structure_factor


def relative_phase_density(dose_e_per_angstrom2: Scalar, kappa: Scalar) -> Scalar:
    """Return the phase density kappa / (4 D): kappa times shot noise where sin^2 chi = 1.

    Args:
        dose_e_per_angstrom2: detected exposure D, dose x DQE.
        kappa: ratio of structural to shot noise in the image.
    """
    return 0.25 * kappa / dose_e_per_angstrom2


def motion_averaging(
    dose_e_per_angstrom2: Scalar, frequency: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the factor on the power of ice noise from molecules that move during the exposure D.

    The pattern decorrelates as exp(-b |t - t'|) with b = 2 pi^2 f^2 MSD / 3 per exposure; its
    average over the exposure keeps 2 (bD - 1 + exp(-bD)) / (bD)^2.

    References: McMullan et al. 2015 (displacement 1.1 angstrom^2 per e/angstrom^2).
    """
    rate = (2.0 * math.pi**2 / 3.0) * ICE_DISPLACEMENT_ANGSTROM2_PER_DOSE * frequency**2
    x = rate * dose_e_per_angstrom2
    safe = jnp.maximum(x, 0.05)
    series = 1.0 - x / 3.0 + x**2 / 12.0 - x**3 / 60.0
    return jnp.where(x < 0.05, series, 2.0 * (safe + jnp.expm1(-safe)) / safe**2)


def ice_phase_noise(
    key: RandomKey,
    shape: tuple[int, int],
    phase_density: Scalar,
    pixel_size_angstrom: Scalar,
    motion_dose_e_per_angstrom2: Scalar | None = None,
) -> Image:
    """Draw the phase noise of the ice, white unless its motion is averaged.

    Multiply by sqrt(t / mean t) for ice of uneven thickness.

    Args:
        key: random key.
        shape: (y, x).
        phase_density: in rad^2 angstrom^2.
        pixel_size_angstrom: pixel size.
        motion_dose_e_per_angstrom2: exposure of `motion_averaging`; None saves its pair of FFTs.
    """
    standard_deviation = jnp.sqrt(phase_density) / pixel_size_angstrom
    if motion_dose_e_per_angstrom2 is None:
        return standard_deviation * white_noise(key, shape)

    def amplitude(frequency: Float[Array, "fy fx"]) -> Float[Array, "fy fx"]:
        return jnp.sqrt(
            motion_averaging(motion_dose_e_per_angstrom2, frequency / pixel_size_angstrom)
        )

    return standard_deviation * gaussian_field(key, shape, amplitude)


def ice_texture(
    key: RandomKey,
    shape: tuple[int, int],
    phase_density: Scalar,
    exponent: Scalar,
    pixel_size_angstrom: Scalar,
) -> Image:
    """Draw the coarse texture of badly frozen ice: phase noise of density P (50 f)^-a, no mean.

    Args:
        key: random key.
        shape: (y, x).
        phase_density: P, in rad^2 angstrom^2, at 50 angstrom.
        exponent: a, about 2; the density is level beyond 600 angstrom.
        pixel_size_angstrom: pixel size.
    """

    def amplitude(frequency: Float[Array, "fy fx"]) -> Float[Array, "fy fx"]:
        relative = jnp.maximum(frequency / pixel_size_angstrom, 1.0 / 600.0) * 50.0
        height = jnp.sqrt(phase_density) / pixel_size_angstrom
        return jnp.where(frequency > 0, height * jnp.exp(-0.5 * exponent * jnp.log(relative)), 0.0)

    return gaussian_field(key, shape, amplitude)


def mottling(
    key: RandomKey,
    shape: tuple[int, int],
    correlation_angstrom: Scalar,
    pixel_size_angstrom: Scalar,
) -> Image:
    """Draw low-frequency mottling of the ice: unit variance, band around 1 / correlation, no mean.

    Multiply by a phase in radian. The power is (f l)^2 exp(-(f l)^2), which peaks at f = 1 / l.
    """

    def amplitude(frequency: Float[Array, "fy fx"]) -> Float[Array, "fy fx"]:
        relative = frequency * (correlation_angstrom / pixel_size_angstrom)
        return relative * jnp.exp(-0.5 * relative**2)

    return gaussian_field(key, shape, amplitude, unit_variance=True)
