"""The microscope, exposure and ice of one micrograph, drawn from their priors."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxpick.physics.ctf import Envelope, Optics
from jaxpick.physics.ice import IceLayer
from jaxpick.pytrees import pytree
from jaxpick.simulate.draws import (
    Unit,
    choice,
    clipped_log_normal,
    coin,
    log_uniform,
    standard_normal,
    uniform,
    units,
)
from jaxpick.simulate.priors import IcePrior, MicroscopePrior
from jaxpick.typing import RandomKey


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Exposure:
    """How one micrograph was taken.

    Attributes:
        dose_e_per_angstrom2: electrons that are counted, dose x DQE(0).
        structure_to_shot: power of the ice's structural noise over that of shot noise, before the
            transfer's zeros.
        is_filtered: an energy filter removes the electrons that lost energy.
        tilt_yx: how fast the defocus grows along y and x: the slopes of the tilted specimen.
    """

    optics: Optics
    damping: Envelope
    ice: IceLayer
    dose_e_per_angstrom2: Float[Array, "*batch"]
    structure_to_shot: Float[Array, "*batch"]
    is_filtered: Bool[Array, "*batch"]
    tilt_yx: Float[Array, "*batch 2"]


def draw_exposure(key: RandomKey, microscope: MicroscopePrior, ice: IcePrior) -> Exposure:
    """Draw how one micrograph is taken."""
    optics_key, damping_key, ice_key, rest_key = jax.random.split(key, 4)
    for_dose, for_structure, for_filter, for_coin, for_tilt, for_axis = units(rest_key, 6)
    optics = draw_optics(optics_key, microscope)
    dose = log_uniform(for_dose, microscope.dose_e_per_angstrom2)
    damage_dose = dose if microscope.damage else jnp.zeros_like(dose)
    return Exposure(
        optics=optics,
        damping=_draw_damping(damping_key, microscope, damage_dose, jnp.asarray(optics.voltage_kv)),
        ice=_draw_ice(ice_key, ice),
        dose_e_per_angstrom2=dose,
        structure_to_shot=log_uniform(for_structure, ice.structure),
        is_filtered=coin(for_filter, microscope.filtered_probability),
        tilt_yx=_draw_tilt((for_coin, for_tilt, for_axis), microscope),
    )


def _draw_tilt(u: tuple[Unit, Unit, Unit], prior: MicroscopePrior) -> Float[Array, "2"]:
    """Draw the slopes of the stage: the tangent of its tilt across a random axis."""
    slope = jnp.tan(jnp.deg2rad(uniform(u[1], prior.tilt_deg)))
    slope = jnp.where(coin(u[0], prior.tilt_probability), slope, 0.0)
    across = 2.0 * jnp.pi * u[2]
    return slope * jnp.stack([jnp.sin(across), jnp.cos(across)])


def draw_optics(key: RandomKey, prior: MicroscopePrior) -> Optics:
    """Draw the state of the lens."""
    u = units(key, 10)
    defocus = 1e4 * jnp.where(
        coin(u[0], prior.low_defocus_probability),
        uniform(u[1], prior.low_defocus_um),
        clipped_log_normal(u[2], prior.defocus_median_um, prior.defocus_log_sd, prior.defocus_um),
    )
    spread = prior.astigmatism_sd_angstrom * jnp.abs(standard_normal(u[3]))
    half = 0.5 * jnp.minimum(spread, prior.astigmatism_max_angstrom)
    has_plate = coin(u[4], prior.phase_plate_probability)
    return Optics(
        voltage_kv=choice(u[5], prior.voltage_kv, prior.voltage_weights),
        defocus_u_angstrom=defocus + half,
        defocus_v_angstrom=defocus - half,
        astigmatism_deg=uniform(u[6], (-90.0, 90.0)),
        spherical_aberration_mm=choice(
            u[7], prior.spherical_aberration_mm, prior.spherical_aberration_weights
        ),
        amplitude_contrast=uniform(u[8], prior.amplitude_contrast),
        phase_shift_deg=jnp.where(has_plate, uniform(u[9], prior.phase_shift_deg), 0.0),
    )


def _draw_damping(
    key: RandomKey, prior: MicroscopePrior, dose: Float[Array, ""], voltage_kv: Array
) -> Envelope:
    for_b, for_coin, for_drift, for_angle = units(key, 4)
    drift = jnp.where(
        coin(for_coin, prior.drift_probability),
        uniform(for_drift, prior.drift_angstrom),
        uniform(for_drift, prior.still_drift_angstrom),
    )
    angle = uniform(for_angle, (0.0, 2.0 * jnp.pi))
    return Envelope(
        b_factor_angstrom2=uniform(for_b, prior.b_factor_angstrom2),
        drift_y_angstrom=drift * jnp.sin(angle),
        drift_x_angstrom=drift * jnp.cos(angle),
        dose_e_per_angstrom2=dose,
        voltage_kv=voltage_kv,
        convergence_mrad=0.0,
    )


def _draw_ice(key: RandomKey, prior: IcePrior) -> IceLayer:
    for_thickness, for_slope, for_angle, for_lens, for_rough, for_length = units(key, 6)
    slope = uniform(for_slope, prior.gradient)
    angle = uniform(for_angle, (0.0, 2.0 * jnp.pi))
    return IceLayer(
        thickness_angstrom=clipped_log_normal(
            for_thickness,
            prior.thickness_median_angstrom,
            prior.thickness_log_sd,
            prior.thickness_angstrom,
        ),
        gradient_y=slope * jnp.sin(angle),
        gradient_x=slope * jnp.cos(angle),
        lens=uniform(for_lens, (-0.5, 1.0)) * slope,
        roughness=uniform(for_rough, prior.mottling),
        correlation_angstrom=log_uniform(for_length, prior.mottling_length_angstrom),
    )
