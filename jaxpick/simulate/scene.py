"""A scene: which molecules lie where in one field, before any optics.

Slots are of fixed number: first the particles, then members of aggregates, then small proteins of the background. Positions
are in pixels of the *field*, which is larger than the micrograph by a margin on each side, so that particles cut by the
edge and the fringes of those outside come out right.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxpick.simulate import layouts, placement
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.draws import coin, log_uniform, pick, uniform, units
from jaxpick.simulate.orientations import draw_directions, nearest_view, view_directions
from jaxpick.simulate.priors import Priors
from jaxpick.simulate.species import Species, draw_species
from jaxpick.typing import RandomKey

TARGET, BROKEN, AGGREGATE, SMALL = 0, 1, 2, 3
# Fields of a scene that have no row for each slot.
SCENE_SCALARS = ("species_drawn", "is_dirty", "num_wanted")
CANDIDATES_PER_PARTICLE = 2
MEMBERS_PER_AGGREGATE = 16


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything made of molecules of the bank; arrays have one row a slot, used or not (`valid`).

    Attributes:
        magnification: bank pixels per micrograph pixel.
        strength: factor on the bank's projected potential.
        cut: (normal y, normal x, offset px): only offsets with normal . offset < offset px remain of a particle.
        layer: which air-water interface, 0 or 1.
        role: TARGET, BROKEN, AGGREGATE or SMALL.
        is_dirty: contaminants are allowed in this micrograph.
        num_wanted: particles asked for; fewer are there when they found no room or no slot.
    """

    species_drawn: Species
    centre_yx_px: Float[Array, "particle 2"]
    valid: Bool[Array, " particle"]
    species: Int[Array, " particle"]
    view: Int[Array, " particle"]
    psi_deg: Float[Array, " particle"]
    diameter_px: Float[Array, " particle"]
    magnification: Float[Array, " particle"]
    strength: Float[Array, " particle"]
    cut: Float[Array, "particle 3"]
    layer: Int[Array, " particle"]
    role: Int[Array, " particle"]
    is_dirty: Bool[Array, ""]
    num_wanted: Float[Array, ""]


def draw_scene(
    key: RandomKey,
    priors: Priors,
    bank: Bank,
    field_yx_px: tuple[int, int],
    max_particles: int,
    max_distractors: int,
) -> Scene:
    """Draw one scene.

    Args:
        priors: of which `pixel`, `scene` and the molecular part of `contaminants` are used.
        bank: species and views to draw from.
        field_yx_px: size of the field with its margins.
        max_particles: slots for particles, whole or broken.
        max_distractors: slots for aggregated particles and small proteins, half each.
    """
    species_key, layout_key, aggregate_key, small_key, pose_key, clean_key = jax.random.split(
        key, 6
    )
    drawn = draw_species(species_key, priors, bank)
    is_dirty = ~coin(units(clean_key, 1)[0], priors.contaminants.clean_probability)
    amount = priors.contaminants.amount * is_dirty
    num_aggregated = max_distractors // 2
    aggregates = _draw_aggregates(
        aggregate_key, priors, bank, drawn, field_yx_px, num_aggregated, amount
    )
    particles, wanted = _draw_particles(
        layout_key, priors, bank, drawn, field_yx_px, max_particles, amount, aggregates
    )
    small = _draw_small(
        small_key,
        priors,
        bank,
        drawn,
        field_yx_px,
        max_distractors - num_aggregated,
        amount,
        wanted,
    )
    slots = {
        name: jnp.concatenate([particles[name], aggregates[name], small[name]])
        for name in particles
    }
    direction_key, psi_key = jax.random.split(pose_key)
    num = max_particles + max_distractors
    directions = draw_directions(direction_key, priors.scene, num)
    return Scene(
        species_drawn=drawn,
        view=nearest_view(directions, view_directions(bank.euler_deg)),
        psi_deg=jax.random.uniform(psi_key, (num,), jnp.float32, -180.0, 180.0),
        is_dirty=is_dirty,
        num_wanted=wanted,
        **slots,
    )


def _draw_particles(
    key: RandomKey,
    priors: Priors,
    bank: Bank,
    drawn: Species,
    field_yx_px: tuple[int, int],
    capacity: int,
    amount: Float[Array, ""],
    aggregates: dict[str, Array],
) -> tuple[dict[str, Array], Float[Array, ""]]:
    """Draw the layout of the particles and which of them are broken."""
    layout_key, species_key, broken_key = jax.random.split(key, 3)
    num = CANDIDATES_PER_PARTICLE * capacity
    target_px = bank.diameter_angstrom[drawn.target] / drawn.pixel_angstrom
    layout = layouts.draw_layout(layout_key, priors.scene, target_px, field_yx_px, num)
    species = pick(jax.random.uniform(species_key, (num,), jnp.float32), drawn.weights)
    diameter_px = bank.diameter_angstrom[species] / drawn.pixel_angstrom
    eligible = layout.keep & _clear_of(layout.points_yx_px, diameter_px, aggregates)
    exclusion_px = 0.5 * layout.contact * diameter_px
    accepted = placement.adsorb(layout.points_yx_px, exclusion_px, layout.layer, eligible)
    chosen = placement.compact(placement.keep_first(accepted, layout.num_wanted), capacity)
    slot = jnp.minimum(chosen, num - 1)
    slots = _slots(bank, drawn, layout.points_yx_px[slot], species[slot], jnp.ones((capacity,)))
    is_broken, cut = _draw_cuts(broken_key, priors, slots["diameter_px"], amount)
    slots |= {
        "valid": chosen < num,
        "cut": cut,
        "layer": layout.layer[slot],
        "role": jnp.where(is_broken, BROKEN, TARGET).astype(jnp.int32),
    }
    return slots, layout.num_wanted


def _draw_aggregates(
    key: RandomKey,
    priors: Priors,
    bank: Bank,
    drawn: Species,
    field_yx_px: tuple[int, int],
    capacity: int,
    amount: Float[Array, ""],
) -> dict[str, Array]:
    """Draw clumps of touching copies of the target's species."""
    unit_key, start_key, grow_key, step_key = jax.random.split(key, 4)
    for_coin, for_number, *for_sizes = units(
        unit_key, 2 + max(1, capacity // MEMBERS_PER_AGGREGATE)
    )
    most = max(1, capacity // MEMBERS_PER_AGGREGATE)
    size = capacity // most
    number = jnp.floor(1 + most * for_number)
    number *= coin(for_coin, amount * priors.contaminants.aggregates)
    fewest = min(3, size)
    members = jnp.floor(fewest + (size + 1 - fewest) * jnp.stack(for_sizes))
    target_px = bank.diameter_angstrom[drawn.target] / drawn.pixel_angstrom
    u = jax.random.uniform(step_key, (most * size + capacity,), jnp.float32)
    steps = target_px * uniform(u[: most * size].reshape(most, size), (0.5, 0.95))
    starts = placement.uniform_points(start_key, most, field_yx_px)
    points = jax.vmap(placement.grow_aggregate)(jax.random.split(grow_key, most), starts, steps)
    used = jnp.arange(size)[None, :] < members[:, None]
    used &= jnp.arange(most)[:, None] < number
    rest = capacity - most * size
    points = jnp.pad(points.reshape(-1, 2), ((0, rest), (0, 0)))
    species = pick(u[most * size :], drawn.weights)
    slots = _slots(bank, drawn, points, species, jnp.ones((capacity,)))
    slots["valid"] = jnp.pad(used.reshape(-1), (0, rest))
    slots["valid"] &= placement.inside(points, field_yx_px)
    return slots | {"role": jnp.full((capacity,), AGGREGATE, jnp.int32)}


def _draw_small(
    key: RandomKey,
    priors: Priors,
    bank: Bank,
    drawn: Species,
    field_yx_px: tuple[int, int],
    capacity: int,
    amount: Float[Array, ""],
    num_particles: Float[Array, ""],
) -> dict[str, Array]:
    """Draw small proteins of the background: intact species of the bank, shrunken where they are too large.

    A shrunken body keeps its density, so its projected potential shrinks with its length.
    """
    unit_key, slot_key = jax.random.split(key)
    for_coin, for_ratio = units(unit_key, 2)
    u = jax.random.uniform(slot_key, (4, capacity), jnp.float32)
    ratio = log_uniform(for_ratio, priors.contaminants.small_per_target)
    number = ratio * jnp.maximum(num_particles, 5.0)
    number *= coin(for_coin, amount * priors.contaminants.small_proteins)
    points = u[:2].T * jnp.asarray(field_yx_px, jnp.float32)[None, :]
    species = pick(u[2], bank.is_intact.astype(jnp.float32))
    largest = 0.5 * bank.diameter_angstrom[drawn.target]
    wanted = largest * uniform(u[3], (0.5, 1.0))
    shrink = jnp.minimum(1.0, wanted / bank.diameter_angstrom[species])
    slots = _slots(bank, drawn, points, species, shrink)
    return slots | {
        "valid": jnp.arange(capacity) < number,
        "role": jnp.full((capacity,), SMALL, jnp.int32),
    }


def _slots(
    bank: Bank,
    drawn: Species,
    points_yx_px: Float[Array, "particle 2"],
    species: Int[Array, " particle"],
    shrink: Float[Array, " particle"],
) -> dict[str, Array]:
    """Return the columns that follow from position, species and size; nothing cut, first layer."""
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


def _draw_cuts(
    key: RandomKey, priors: Priors, diameter_px: Float[Array, " particle"], amount: Float[Array, ""]
) -> tuple[Bool[Array, " particle"], Float[Array, "particle 3"]]:
    """Draw which particles are broken, and the line along which each lost a part (15 to 70 % of its width)."""
    unit_key, slot_key = jax.random.split(key)
    for_fraction, for_coin = units(unit_key, 2)
    fraction = uniform(for_fraction, priors.contaminants.broken_fraction)
    fraction *= coin(for_coin, amount * priors.contaminants.broken)
    u = jax.random.uniform(slot_key, (3, *diameter_px.shape), jnp.float32)
    is_broken = u[0] < fraction
    angle, offset = 2.0 * jnp.pi * u[1], uniform(u[2], (-0.2, 0.35))
    cut = jnp.stack([jnp.sin(angle), jnp.cos(angle), offset * diameter_px], axis=-1)
    no_cut = jnp.asarray([0.0, 0.0, 1.0], jnp.float32)
    return is_broken, jnp.where(is_broken[:, None], cut, no_cut[None, :])


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
