"""What a micrograph shows: the target molecule, companions of similar size, and the pixel it is
seen with.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxpick.pytrees import pytree
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.draws import Unit, log_uniform, pick, uniform, units
from jaxpick.simulate.priors import DiameterPixels, Priors
from jaxpick.typing import RandomKey

# Keeps a particle's rim, blurred by interpolation, inside its patch.
PATCH_RIM_PX = 4.0


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Species:
    """What is in this micrograph: the target, its companions, and the pixel.

    Attributes:
        weights: share of each bank species among the particles; sums to 1.
        target: bank index of the target.
        pixel_angstrom: of the micrograph.
        nominal_diameter_angstrom: the target's diameter as a user would give it.
    """

    weights: Float[Array, "*batch species"]
    target: Int[Array, "*batch"]
    pixel_angstrom: Float[Array, "*batch"]
    nominal_diameter_angstrom: Float[Array, "*batch"]


def draw_species(key: RandomKey, priors: Priors, bank: Bank) -> Species:
    """Draw the target (each group of conformers equally likely), its companions and the pixel size."""
    u = units(key, 4 + 2 * len(priors.scene.species_weights))
    scene, most_px = priors.scene, priors.patch_px - PATCH_RIM_PX
    same_group = bank.group[:, None] == bank.group[None, :]
    low, high = scene.target_mass_kda
    eligible = bank.is_intact & (bank.mass_kda >= low) & (bank.mass_kda <= high)
    if isinstance(priors.pixel, DiameterPixels):
        target = pick(u[0], _per_group(eligible, same_group))
        diameter = bank.diameter_angstrom[target]
        pixel, nominal = _pixel_by_diameter(u[1], u[2], priors.pixel, diameter)
    else:
        pixel = log_uniform(u[1], priors.pixel.pixel_angstrom)
        eligible &= bank.diameter_angstrom <= most_px * pixel
        target = pick(u[0], _per_group(eligible, same_group))
        nominal = bank.diameter_angstrom[target]
    ratio = bank.diameter_angstrom / bank.diameter_angstrom[target]
    low, high = scene.species_size_ratio
    fits = (ratio >= low) & (ratio <= high) & (bank.diameter_angstrom <= most_px * pixel)
    others = _per_group(eligible & fits & ~same_group[target], same_group)
    weights = _mix(
        u[3:],
        scene.species_weights,
        others,
        (eligible & same_group[target]).astype(jnp.float32),
        (eligible[:, None] & same_group & eligible[None, :]).astype(jnp.float32),
    )
    return Species(
        weights=weights,
        target=target,
        pixel_angstrom=pixel,
        nominal_diameter_angstrom=nominal,
    )


def _pixel_by_diameter(
    for_size: Unit, for_error: Unit, prior: DiameterPixels, diameter_angstrom: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    error = uniform(for_error, (-prior.diameter_error, prior.diameter_error))
    nominal = diameter_angstrom / (1.0 + error)
    return nominal / log_uniform(for_size, prior.diameter_px), nominal


def _per_group(
    eligible: Bool[Array, " species"], same_group: Bool[Array, "species species"]
) -> Float[Array, " species"]:
    """Weigh species so that every group that has an eligible member is equally likely."""
    members = jnp.sum(same_group & eligible[None, :], axis=1)
    return eligible / jnp.maximum(members, 1).astype(jnp.float32)


def _mix(
    u: tuple[Unit, ...],
    number_weights: tuple[float, ...],
    others: Float[Array, " species"],
    target_members: Float[Array, " species"],
    members: Float[Array, "species species"],
) -> Float[Array, " species"]:
    """Return each species' share: the target's conformers and those of the companions drawn."""
    most = len(number_weights)
    num_extra = pick(u[0], jnp.asarray(number_weights, jnp.float32))
    drawn = pick(jnp.stack(u[1:most]), others)
    used = (jnp.arange(most - 1) < num_extra) & (jnp.sum(others) > 0)
    # Exponential shares make a flat Dirichlet mixture; none vanishes.
    share = 0.05 - jnp.log1p(-jnp.stack(u[most : 2 * most]))
    rows = jnp.concatenate([target_members[None, :], members[drawn] * used[:, None]])
    rows = rows / jnp.maximum(jnp.sum(rows, axis=1, keepdims=True), 1.0)
    weights = jnp.sum(rows * share[:, None], axis=0)
    return weights / jnp.maximum(jnp.sum(weights), 1e-20)
