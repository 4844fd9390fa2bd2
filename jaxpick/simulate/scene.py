"""A scene: which molecules lie where in one field, before any optics.

Slots are of fixed number: first the particles, then members of aggregates, then small proteins of
the background. Positions are in pixels of the *field*, which is larger than the micrograph by a
margin on each side, so that particles cut by the edge and the fringes of those outside come out
right.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxpick.pytrees import pytree
from jaxpick.simulate import layouts, placement
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.draws import coin, log_uniform, pick, uniform, unit_arrays, units
from jaxpick.simulate.orientations import (
    draw_poses,
    nearest_view,
    rot_and_tilt_deg,
    view_directions,
)
from jaxpick.simulate.priors import Priors
from jaxpick.simulate.species import Species, draw_species
from jaxpick.typing import RandomKey

TARGET, BROKEN, AGGREGATE, SMALL = 0, 1, 2, 3
# Fields of a scene that have no row for each slot.
SCENE_SCALARS = ("species_drawn", "is_dirty", "num_wanted")
CANDIDATES_PER_PARTICLE = 2
MEMBERS_PER_AGGREGATE = 16


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
        layer: which air-water interface, 0 or 1.
        role: TARGET, BROKEN, AGGREGATE or SMALL.
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
    aggregates = _draw_aggregates(aggregate_key, room, num_aggregated)
    particles, wanted = _draw_particles(particle_key, room, max_particles, aggregates)
    small = _draw_small(small_key, room, num_small, wanted)
    slots = {
        name: jnp.concatenate([particles[name], aggregates[name], small[name]])
        for name in particles
    }
    directions, psi_deg = draw_poses(pose_key, priors.scene, max_particles + max_distractors)
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
class Room:
    """What every kind of molecule in one scene is drawn from; `amount` scales contaminants."""

    priors: Priors
    bank: Bank
    drawn: Species
    field_yx_px: tuple[int, int]
    amount: Float[Array, ""]


def _draw_particles(
    key: RandomKey, room: Room, capacity: int, aggregates: dict[str, Array]
) -> tuple[dict[str, Array], Float[Array, ""]]:
    """Draw the layout of the particles and which of them are broken."""
    layout_key, unit_key = jax.random.split(key)
    num = CANDIDATES_PER_PARTICLE * capacity
    for_species, for_cuts, scalars = unit_arrays(unit_key, (num,), (capacity, 5), (2,))
    bank, drawn = room.bank, room.drawn
    target_px = bank.diameter_angstrom[drawn.target] / drawn.pixel_angstrom
    layout = layouts.draw_layout(layout_key, room.priors.scene, target_px, room.field_yx_px, num)
    species = pick(for_species, drawn.weights)
    diameter_px = bank.diameter_angstrom[species] / drawn.pixel_angstrom
    eligible = layout.keep & _clear_of(layout.points_yx_px, diameter_px, aggregates)
    exclusion_px = 0.5 * layout.contact * diameter_px
    accepted = placement.adsorb(layout.points_yx_px, exclusion_px, layout.layer, eligible)
    chosen = placement.compact(placement.keep_first(accepted, layout.num_wanted), capacity)
    # From top to bottom, so that neighbours in memory are drawn one after another.
    height = jnp.where(chosen < num, layout.points_yx_px[jnp.minimum(chosen, num - 1), 0], jnp.inf)
    chosen = chosen[jnp.argsort(height)]
    slot = jnp.minimum(chosen, num - 1)
    prior = room.priors.contaminants
    fraction = uniform(scalars[0], prior.broken_fraction)
    fraction *= coin(scalars[1], room.amount * prior.broken)
    is_broken = for_cuts[:, 0] < fraction
    variant, has_variant = _broken_variant(for_cuts[:, 1], bank, species[slot])
    is_variant = is_broken & has_variant & (for_cuts[:, 2] < 0.5)
    shown = jnp.where(is_variant, variant, species[slot])
    slots = _slots(room, layout.points_yx_px[slot], shown, jnp.ones((capacity,)))
    slots |= {
        "valid": chosen < num,
        "cut": _cuts(for_cuts[:, 3:], slots["diameter_px"], is_broken & ~is_variant),
        "layer": layout.layer[slot],
        "role": jnp.where(is_broken, BROKEN, TARGET).astype(jnp.int32),
    }
    return slots, layout.num_wanted


def _draw_aggregates(key: RandomKey, room: Room, capacity: int) -> dict[str, Array]:
    """Draw clumps of touching copies of the target's species."""
    most = max(1, capacity // MEMBERS_PER_AGGREGATE)
    size = capacity // most
    scalars, for_sizes, for_starts, for_members, for_species = unit_arrays(
        key, (2,), (most,), (most, 2), (most, size, 3), (capacity,)
    )
    bank, drawn = room.bank, room.drawn
    number = jnp.floor(1 + most * scalars[0])
    number *= coin(scalars[1], room.amount * room.priors.contaminants.aggregates)
    fewest = min(3, size)
    members = jnp.floor(fewest + (size + 1 - fewest) * for_sizes)
    target_px = bank.diameter_angstrom[drawn.target] / drawn.pixel_angstrom
    steps = target_px * uniform(for_members[..., 0], (0.5, 0.95))
    starts = placement.uniform_points(for_starts, room.field_yx_px)
    points = jax.vmap(placement.grow_aggregate)(for_members[..., 1:], starts, steps)
    used = jnp.arange(size)[None, :] < members[:, None]
    used &= jnp.arange(most)[:, None] < number
    rest = capacity - most * size
    points = jnp.pad(points.reshape(-1, 2), ((0, rest), (0, 0)))
    slots = _slots(room, points, pick(for_species, drawn.weights), jnp.ones((capacity,)))
    slots["valid"] = jnp.pad(used.reshape(-1), (0, rest))
    slots["valid"] &= placement.inside(points, room.field_yx_px)
    return slots | {"role": jnp.full((capacity,), AGGREGATE, jnp.int32)}


def _draw_small(
    key: RandomKey, room: Room, capacity: int, num_particles: Float[Array, ""]
) -> dict[str, Array]:
    """Draw small proteins of the background: intact species of the bank, shrunken where too large.

    A shrunken body keeps its density, so its projected potential shrinks with its length.
    """
    scalars, u = unit_arrays(key, (2,), (capacity, 4))
    prior, bank = room.priors.contaminants, room.bank
    number = log_uniform(scalars[0], prior.small_per_target) * jnp.maximum(num_particles, 5.0)
    number *= coin(scalars[1], room.amount * prior.small_proteins)
    points = placement.uniform_points(u[:, :2], room.field_yx_px)
    species = pick(u[:, 2], bank.is_intact.astype(jnp.float32))
    largest = 0.5 * bank.diameter_angstrom[room.drawn.target]
    shrink = largest * uniform(u[:, 3], (0.5, 1.0)) / bank.diameter_angstrom[species]
    slots = _slots(room, points, species, jnp.minimum(1.0, shrink))
    return slots | {
        "valid": jnp.arange(capacity) < number,
        "role": jnp.full((capacity,), SMALL, jnp.int32),
    }


def _slots(
    room: Room,
    points_yx_px: Float[Array, "particle 2"],
    species: Int[Array, " particle"],
    shrink: Float[Array, " particle"],
) -> dict[str, Array]:
    """Return the columns that follow from position, species and size; nothing cut, first layer."""
    bank, drawn = room.bank, room.drawn
    no_cut = jnp.asarray([0.0, 0.0, 1.0], jnp.float32)
    return {
        "centre_yx_px": points_yx_px,
        "species": species,
        "diameter_px": shrink * bank.diameter_angstrom[species] / drawn.pixel_angstrom,
        "magnification": drawn.pixel_angstrom / (shrink * bank.pixel_angstrom[species]),
        "strength": shrink.astype(jnp.float32),
        "cut": jnp.broadcast_to(no_cut[None, :], (species.shape[0], 3)),
        "layer": jnp.zeros_like(species),
        "role": jnp.zeros_like(species),
        "valid": jnp.zeros(species.shape, bool),
    }


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
    no_cut = jnp.asarray([0.0, 0.0, 1.0], jnp.float32)
    return jnp.where(is_cut[:, None], cut, no_cut[None, :])


def _clear_of(
    points_yx_px: Float[Array, "candidate 2"],
    diameter_px: Float[Array, " candidate"],
    aggregates: dict[str, Array],
) -> Bool[Array, " candidate"]:
    """Return which candidates do not touch a member of an aggregate."""
    offset = points_yx_px[:, None, :] - aggregates["centre_yx_px"][None, :, :]
    reach = 0.4 * (diameter_px[:, None] + aggregates["diameter_px"][None, :])
    touches = (jnp.sum(offset**2, axis=-1) < reach**2) & aggregates["valid"][None, :]
    return ~jnp.any(touches, axis=1)
