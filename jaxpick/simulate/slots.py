"""Slots of a scene: the columns that every kind of molecule fills in."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxpick.simulate.bank import Bank
from jaxpick.simulate.priors import Priors
from jaxpick.simulate.species import Species

Slots = dict[str, Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Room:
    """What every kind of molecule in one scene is drawn from; `amount` scales contaminants."""

    priors: Priors
    bank: Bank
    drawn: Species
    field_yx_px: tuple[int, int]
    amount: Float[Array, ""]

    @property
    def target_px(self) -> Float[Array, ""]:
        """Diameter of the target in pixels."""
        return self.bank.diameter_angstrom[self.drawn.target] / self.drawn.pixel_angstrom


def uncut(num: int) -> Float[Array, "particle 3"]:
    """Return the cuts of molecules that are whole: no normal, an offset of 1."""
    no_cut = jnp.asarray([0.0, 0.0, 1.0], jnp.float32)
    return jnp.broadcast_to(no_cut[None, :], (num, 3))


def make_slots(
    room: Room,
    points_yx_px: Float[Array, "particle 2"],
    species: Int[Array, " particle"],
    shrink: Float[Array, " particle"],
) -> Slots:
    """Return the columns that follow from position, species and size; nothing cut, first layer."""
    bank, drawn = room.bank, room.drawn
    return {
        "centre_yx_px": points_yx_px,
        "species": species,
        "diameter_px": shrink * bank.diameter_angstrom[species] / drawn.pixel_angstrom,
        "magnification": drawn.pixel_angstrom / (shrink * bank.pixel_angstrom[species]),
        "strength": shrink.astype(jnp.float32),
        "cut": uncut(species.shape[0]),
        "layer": jnp.zeros_like(species),
        "height": jnp.ones(species.shape, jnp.float32),
        "height_shift_angstrom": jnp.zeros(species.shape, jnp.float32),
        "role": jnp.zeros_like(species),
        "valid": jnp.zeros(species.shape, bool),
    }
