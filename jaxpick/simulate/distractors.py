"""Molecules of the bank that are no particles: aggregates, two-dimensional crystals, small
proteins.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.simulate import placement
from jaxpick.simulate.draws import (
    coin,
    log_number,
    log_uniform,
    number,
    pick,
    uniform,
    unit_arrays,
    units,
)
from jaxpick.simulate.priors import ContaminantsPrior
from jaxpick.simulate.roles import AGGREGATE, LATTICE, SMALL
from jaxpick.simulate.slots import Room, Slots, make_slots
from jaxpick.spec import require
from jaxpick.typing import RandomKey

LEAST_LATTICE = 9


def require_slots(prior: ContaminantsPrior, max_distractors: int) -> None:
    """Refuse too few slots for what may be drawn: half are for what is aggregated, half for small
    proteins.

    Raises:
        SpecError: naming `max_distractors`.
    """
    can_be_dirty = prior.amount > 0 and prior.clean_probability < 1
    is_drawn = can_be_dirty and max(prior.aggregates, prior.lattices, prior.small_proteins) > 0
    least, reason = (2, ", as contaminants may be drawn") if is_drawn else (0, "")
    require(
        max_distractors >= least, "max_distractors", max_distractors, f"{least} or more{reason}"
    )


def draw_clumps(key: RandomKey, room: Room, capacity: int) -> Slots:
    """Draw what grows by contact: aggregates, or now and then one crystalline patch instead."""
    aggregates = _draw_aggregates(key, room, capacity)
    probability = room.priors.contaminants.lattices
    if probability <= 0.0 or capacity < LEAST_LATTICE:
        return aggregates
    coin_key, lattice_key = jax.random.split(jax.random.fold_in(key, 1))
    return jax.lax.cond(
        coin(units(coin_key, 1)[0], room.amount * probability),
        lambda: _draw_lattice(lattice_key, room, capacity),
        lambda: aggregates,
    )


def _draw_aggregates(key: RandomKey, room: Room, capacity: int) -> Slots:
    """Draw clumps of touching copies of the target's species; the last is cut short by the slots."""
    ranges = room.priors.contaminants.ranges
    most = min(ranges.num_aggregates[1], max(1, capacity // ranges.aggregate_members[0]))
    scalars, for_sizes, for_starts, for_members, for_species = unit_arrays(
        key, (2,), (most,), (most, 2), (capacity, 3), (capacity,)
    )
    sizes = log_number(for_sizes, ranges.aggregate_members)
    ends = jnp.cumsum(sizes)
    slot = jnp.arange(capacity)
    owner = jnp.minimum(jnp.searchsorted(ends, slot, side="right"), most - 1)
    first = (ends - sizes)[owner]
    steps = room.target_px * uniform(for_members[:, 0], (0.5, 0.95))
    starts = placement.uniform_points(for_starts, room.field_yx_px)[owner]
    points = placement.grow_aggregates(for_members[:, 1:], first, starts, steps)
    used = number(scalars[0], (min(ranges.num_aggregates[0], most), most))
    is_full = jnp.minimum(ends, capacity) - (ends - sizes) >= ranges.aggregate_members[0]
    valid = (slot < ends[-1]) & (owner < used) & (is_full[owner] | (owner == 0))
    valid &= coin(scalars[1], room.amount * room.priors.contaminants.aggregates)
    slots = make_slots(room, points, pick(for_species, room.drawn.weights), jnp.ones((capacity,)))
    return slots | {
        "valid": valid & placement.inside(points, room.field_yx_px),
        "role": jnp.full((capacity,), AGGREGATE, jnp.int32),
    }


def _draw_lattice(key: RandomKey, room: Room, capacity: int) -> Slots:
    """Draw a round patch of an oblique lattice of targets; all lie alike (`align_lattice`)."""
    u = units(key, 7)
    spacing_px = room.target_px * jnp.stack([uniform(u[0], (0.9, 1.1)), uniform(u[1], (0.9, 1.1))])
    turn, gamma = 2.0 * jnp.pi * u[2], jnp.deg2rad(uniform(u[3], (60.0, 120.0)))
    angles = jnp.stack([turn, turn + gamma])
    vectors = spacing_px[:, None] * jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1)
    # Enough cells for a disc of `capacity` of them whatever the angle.
    half = int(capacity**0.5) + 1
    row, column = jnp.divmod(jnp.arange((2 * half + 1) ** 2), 2 * half + 1)
    index = jnp.stack([row - half, column - half], axis=-1).astype(jnp.float32)
    sites = index @ vectors
    nearest = jnp.argsort(jnp.sum(sites**2, axis=-1), stable=True)[:capacity]
    place = jnp.stack([u[4], u[5]]) * jnp.asarray(room.field_yx_px, jnp.float32)
    points = sites[nearest] + place[None, :]
    size = log_number(u[6], (LEAST_LATTICE, capacity))
    species = jnp.full((capacity,), room.drawn.target, jnp.int32)
    slots = make_slots(room, points, species, jnp.ones((capacity,)))
    valid = jnp.arange(capacity) < size
    return slots | {
        "valid": valid & placement.inside(points, room.field_yx_px),
        "role": jnp.full((capacity,), LATTICE, jnp.int32),
    }


def align_lattice(
    role: Array, directions: Float[Array, "slot 3"], psi_deg: Float[Array, " slot"]
) -> tuple[Float[Array, "slot 3"], Float[Array, " slot"]]:
    """Give all members of a crystalline patch the pose of its first one."""
    is_member = role == LATTICE
    first = jnp.argmax(is_member)
    directions = jnp.where(is_member[:, None], directions[first][None, :], directions)
    return directions, jnp.where(is_member, psi_deg[first], psi_deg)


def draw_small(key: RandomKey, room: Room, capacity: int, num_particles: Float[Array, ""]) -> Slots:
    """Draw small proteins of the background: intact species of the bank, shrunken where too large.

    A shrunken body keeps its density, so its projected potential shrinks with its length.
    """
    scalars, u = unit_arrays(key, (2,), (capacity, 4))
    prior, bank = room.priors.contaminants, room.bank
    wanted = log_uniform(scalars[0], prior.small_per_target) * jnp.maximum(num_particles, 5.0)
    wanted *= coin(scalars[1], room.amount * prior.small_proteins)
    points = placement.uniform_points(u[:, :2], room.field_yx_px)
    species = pick(u[:, 2], bank.is_intact.astype(jnp.float32))
    largest = 0.5 * bank.diameter_angstrom[room.drawn.target]
    shrink = largest * uniform(u[:, 3], (0.5, 1.0)) / bank.diameter_angstrom[species]
    slots = make_slots(room, points, species, jnp.minimum(1.0, shrink))
    return slots | {
        "valid": jnp.arange(capacity) < wanted,
        "role": jnp.full((capacity,), SMALL, jnp.int32),
    }
