"""From the specimen of a field to the intensity behind the lens: ice, phase, wave."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.fields import white_noise
from jaxpick.physics.constants import (
    ice_mean_free_path_angstrom,
    interaction_constant_rad_per_volt_angstrom,
)
from jaxpick.physics.ice import ice_texture, ice_thickness_angstrom, relative_phase_density
from jaxpick.physics.wave import (
    add_inelastic,
    form_intensity,
    form_intensity_tilted,
    zero_loss_transmission,
)
from jaxpick.simulate.draws import log_uniform, sometimes, uniform, units
from jaxpick.simulate.imaging import Exposure
from jaxpick.simulate.planes import coarse_shape, refine, size_of
from jaxpick.simulate.priors import IcePrior, Priors
from jaxpick.typing import RandomKey

# Sampling of what is coarse.
TEXTURE_STEP_PX = 4


def form_image(
    key: RandomKey,
    potential: Float[Array, "y x"],
    absorption: Float[Array, "y x"],
    exposure: Exposure,
    pixel: Float[Array, ""],
    priors: Priors,
) -> Float[Array, "y x"]:
    """Return the intensity behind the lens of everything that lies in the ice."""
    thickness_key, structure_key, texture_key = jax.random.split(key, 3)
    voltage = exposure.optics.voltage_kv
    thickness = ice_thickness_angstrom(thickness_key, size_of(potential), exposure.ice, pixel)
    density = relative_phase_density(exposure.dose_e_per_angstrom2, exposure.structure_to_shot)
    # The branch keeps the draw in memory: fused into the wave, it would be repeated for each use.
    noise = jax.lax.cond(
        density > 0,
        lambda: white_noise(structure_key, size_of(potential)),
        lambda: jnp.zeros(potential.shape, jnp.float32),
    )
    structure = jnp.sqrt(density * thickness / jnp.mean(thickness)) / pixel * noise
    phase = interaction_constant_rad_per_volt_angstrom(voltage) * potential + structure
    phase = _add_texture(texture_key, phase, exposure, pixel, priors.ice)
    lens = (exposure.optics, exposure.damping, pixel)

    def level() -> Float[Array, "y x"]:
        return form_intensity(phase, absorption, *lens)

    def tilted() -> Float[Array, "y x"]:
        return form_intensity_tilted(phase, absorption, *lens, exposure.tilt_yx)

    can_tilt = priors.microscope.tilt_probability > 0
    is_tilted = jnp.any(exposure.tilt_yx != 0)
    elastic = jax.lax.cond(is_tilted, tilted, level) if can_tilt else level()
    zero_loss = zero_loss_transmission(thickness, ice_mean_free_path_angstrom(voltage))
    return add_inelastic(elastic, zero_loss, jnp.where(exposure.is_filtered, 0.0, 1.0))


def _add_texture(
    key: RandomKey,
    phase: Float[Array, "y x"],
    exposure: Exposure,
    pixel: Float[Array, ""],
    prior: IcePrior,
) -> Float[Array, "y x"]:
    """Add the coarse texture of badly frozen ice to some micrographs, on a coarse grid."""
    unit_key, noise_key = jax.random.split(key)
    for_coin, for_level, for_exponent = units(unit_key, 3)

    def add(phase: Float[Array, "y x"]) -> Float[Array, "y x"]:
        dose, level = exposure.dose_e_per_angstrom2, log_uniform(for_level, prior.texture)
        exponent = uniform(for_exponent, prior.texture_exponent)
        shape, density = size_of(phase), relative_phase_density(dose, level)
        coarse = coarse_shape(shape, TEXTURE_STEP_PX)
        texture = ice_texture(noise_key, coarse, density, exponent, TEXTURE_STEP_PX * pixel)
        return phase + refine(texture, TEXTURE_STEP_PX, shape)

    return sometimes(for_coin, prior.texture_probability, add, phase)
