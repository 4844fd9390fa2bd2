"""A scene: which molecules lie where in one field, before any optics.

Slots are of fixed number: first the particles, then members of aggregates or of a crystalline
patch, then small proteins of the background. Positions are in pixels of the *field*, which is
larger than the micrograph by a margin on each side, so that particles cut by the edge and the
fringes of those outside come out right.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxpick.pytrees import pytree
from jaxpick.simulate import layouts, placement
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.chains import draw_groups
from jaxpick.simulate.distractors import align_lattice, draw_clumps, draw_small
from jaxpick.simulate.draws import coin, pick, uniform, unit_arrays, units
from jaxpick.simulate.orientations import (
    draw_poses,
    nearest_view,
    rot_and_tilt_deg,
    view_directions,
)
from jaxpick.simulate.priors import Priors
from jaxpick.simulate.roles import BROKEN, TARGET
from jaxpick.simulate.slots import Room, Slots, make_slots, uncut
from jaxpick.simulate.species import Species, draw_species
from jaxpick.typing import RandomKey

# Fields of a scene that have no row for each slot.
SCENE_SCALARS = ("species_drawn", "is_dirty", "num_wanted")
CANDIDATES_PER_PARTICLE = 2


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything made of molecules of the bank; arrays have one row a slot, used or not (`valid`).

    Attributes:
        view: of the bank.
        rot_tilt_deg: the Euler angles of what is shown: the view's, or the drawn ones for exact poses.
        magnification: bank pixels per micrograph pixel.
        strength: factor on the bank's projected potential.
        cut: (normal y, normal x, offset px): only offsets with normal . offset < offset px remain
            of a particle.
        layer: which air-water interface, 0 or 1, or 2 for between them.
        height: in the ice, from -1 where the particle touches interface 1 to 1 at interface 0.
        height_shift_angstrom: how far it lies above that.
        role: one of `roles`.
        is_dirty: contaminants are allowed in this micrograph.
        num_wanted: particles asked for; fewer are there when they found no room or no slot.
    """

    species_drawn: Species
    centre_yx_px: Float[Array, "*batch particle 2"]
    valid: Bool[Array, "*batch particle"]
    species: Int[Array, "*batch particle"]
    view: Int[Array, "*batch particle"]
    rot_tilt_deg: Float[Array, "*batch particle 2"]
    psi_deg: Float[Array, "*batch particle"]
    diameter_px: Float[Array, "*batch particle"]
    magnification: Float[Array, "*batch particle"]
    strength: Float[Array, "*batch particle"]
    cut: Float[Array, "*batch particle 3"]
    layer: Int[Array, "*batch particle"]
    height: Float[Array, "*batch particle"]
    height_shift_angstrom: Float[Array, "*batch particle"]
    role: Int[Array, "*batch particle"]
    is_dirty: Bool[Array, "*batch"]
    num_wanted: Float[Array, "*batch"]


def draw_scene(
    key: RandomKey,
    priors: Priors,
    bank: Bank,
    field_yx_px: tuple[int, int],
    max_particles: int,
    max_distractors: int,
    has_exact_poses: bool = False,
) -> Scene:
    """Draw one scene.

    Args:
        priors: of which `pixel`, `scene` and the molecular part of `contaminants` are used.
        bank: species and views to draw from.
        field_yx_px: size of the field with its margins.
        max_particles: slots for particles, whole or broken.
        max_distractors: slots for aggregated particles and small proteins, half each.
        has_exact_poses: keep the directions drawn instead of those of the nearest views.
    """
    species_key, particle_key, aggregate_key, small_key, pose_key, clean_key = jax.random.split(
        key, 6
    )
    drawn = draw_species(species_key, priors, bank)
    is_dirty = ~coin(units(clean_key, 1)[0], priors.contaminants.clean_probability)
    amount = priors.contaminants.amount * is_dirty
    num_aggregated = max_distractors // 2
    num_small = max_distractors - num_aggregated
    room = Room(priors=priors, bank=bank, drawn=drawn, field_yx_px=field_yx_px, amount=amount)
    clumps = draw_clumps(aggregate_key, room, num_aggregated)
    particles, wanted = _draw_particles(particle_key, room, max_particles, clumps)
    small = draw_small(small_key, room, num_small, wanted)
    slots = {
        name: jnp.concatenate([particles[name], clumps[name], small[name]]) for name in particles
    }
    poses = draw_poses(pose_key, priors.scene, max_particles + max_distractors)
    directions, psi_deg = align_lattice(slots["role"], *poses)
    view = nearest_view(directions, view_directions(bank.euler_deg))
    return Scene(
        species_drawn=drawn,
        view=view,
        rot_tilt_deg=rot_and_tilt_deg(directions) if has_exact_poses else bank.euler_deg[view],
        psi_deg=psi_deg,
        is_dirty=is_dirty,
        num_wanted=wanted,
        **slots,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placed:
    """Candidates after adsorption; arrays have one row a candidate."""

    points_yx_px: Float[Array, "candidate 2"]
    species: Int[Array, " candidate"]
    layer: Int[Array, " candidate"]
    height: Float[Array, " candidate"]
    shift_angstrom: Float[Array, " candidate"]
    accepted: Bool[Array, " candidate"]


def _draw_particles(
    key: RandomKey, room: Room, capacity: int, clumps: Slots
) -> tuple[Slots, Float[Array, ""]]:
    """Draw the layout of the particles, single or in chains, and which of them are broken."""
    layout_key, unit_key = jax.random.split(key)
    num = CANDIDATES_PER_PARTICLE * capacity
    for_species, for_cuts, scalars = unit_arrays(unit_key, (num,), (capacity, 5), (2,))
    placed, wanted = _place(layout_key, for_species, room, clumps)
    chosen = placement.compact(placement.keep_first(placed.accepted, wanted), capacity)
    # From top to bottom, so that neighbours in memory are drawn one after another.
    height = placed.points_yx_px[jnp.minimum(chosen, num - 1), 0]
    chosen = chosen[jnp.argsort(jnp.where(chosen < num, height, jnp.inf))]
    slot = jnp.minimum(chosen, num - 1)
    prior, species = room.priors.contaminants, placed.species[slot]
    fraction = uniform(scalars[0], prior.broken_fraction)
    fraction *= coin(scalars[1], room.amount * prior.broken)
    is_broken = for_cuts[:, 0] < fraction
    variant, has_variant = _broken_variant(for_cuts[:, 1], room.bank, species)
    is_variant = is_broken & has_variant & (for_cuts[:, 2] < 0.5)
    shown = jnp.where(is_variant, variant, species)
    slots = make_slots(room, placed.points_yx_px[slot], shown, jnp.ones((capacity,)))
    slots |= {
        "valid": chosen < num,
        "cut": _cuts(for_cuts[:, 3:], slots["diameter_px"], is_broken & ~is_variant),
        "layer": placed.layer[slot],
        "height": placed.height[slot],
        "height_shift_angstrom": placed.shift_angstrom[slot],
        "role": jnp.where(is_broken, BROKEN, TARGET).astype(jnp.int32),
    }
    return slots, wanted


def _place(
    key: RandomKey, for_species: Float[Array, " candidate"], room: Room, clumps: Slots
) -> tuple[Placed, Float[Array, ""]]:
    """Adsorb the candidates of a layout; return them and how many particles are asked for."""
    num, target_px, prior = for_species.shape[0], room.target_px, room.priors.scene
    layout = layouts.draw_layout(key, prior, target_px, room.field_yx_px, num)
    groups = draw_groups(jax.random.fold_in(key, 1), prior, layout.points_yx_px, target_px)
    points, leader = groups.points_yx_px, groups.leader
    species = pick(for_species, room.drawn.weights)[leader]
    diameter_px = room.bank.diameter_angstrom[species] / room.drawn.pixel_angstrom
    is_free = placement.inside(points, room.field_yx_px) & _clear_of(points, diameter_px, clumps)
    # A group adsorbs as one disc, by its leader, where all of its members find room.
    is_blocked = jnp.zeros((num,), bool).at[leader].max(~is_free)
    eligible = layout.keep & ~is_blocked & (leader == jnp.arange(num))
    exclusion_px = groups.reach_px + 0.5 * layout.contact * diameter_px
    accepted = placement.adsorb(groups.middle_yx_px, exclusion_px, layout.level, eligible)
    placed = Placed(
        points_yx_px=points,
        species=species,
        layer=layout.layer[leader],
        height=layout.height[leader],
        shift_angstrom=layout.shift_angstrom,
        accepted=accepted[leader],
    )
    return placed, layout.num_wanted


def _broken_variant(
    u: Float[Array, " particle"], bank: Bank, species: Int[Array, " particle"]
) -> tuple[Int[Array, " particle"], Bool[Array, " particle"]]:
    """Return a random broken variant of each particle's molecule, and whether the bank has one."""
    same = bank.group[species][:, None] == bank.group[None, :]
    rank = jnp.cumsum(same & ~bank.is_intact[None, :], axis=1)
    number = rank[:, -1]
    wanted = jnp.floor(u * number).astype(jnp.int32) + 1
    return jnp.argmax(rank >= wanted[:, None], axis=1).astype(jnp.int32), number > 0


def _cuts(
    u: Float[Array, "particle 2"],
    diameter_px: Float[Array, " particle"],
    is_cut: Bool[Array, " particle"],
) -> Float[Array, "particle 3"]:
    """Return the line along which each broken particle lost a part, 15 to 70 % of its width."""
    angle, offset = 2.0 * jnp.pi * u[:, 0], uniform(u[:, 1], (-0.2, 0.35))
    cut = jnp.stack([jnp.sin(angle), jnp.cos(angle), offset * diameter_px], axis=-1)
    return jnp.where(is_cut[:, None], cut, uncut(is_cut.shape[0]))


def _clear_of(
    points_yx_px: Float[Array, "candidate 2"],
    diameter_px: Float[Array, " candidate"],
    clumps: Slots,
) -> Bool[Array, " candidate"]:
    """Return which candidates do not touch a member of an aggregate."""
    offset = points_yx_px[:, None, :] - clumps["centre_yx_px"][None, :, :]
    reach = 0.4 * (diameter_px[:, None] + clumps["diameter_px"][None, :])
    touches = (jnp.sum(offset**2, axis=-1) < reach**2) & clumps["valid"][None, :]
    return ~jnp.any(touches, axis=1)
