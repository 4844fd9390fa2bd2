"""Oligomers of the target that hold together loosely: dimers and short worm-like chains.

Candidates for places become groups: the first of each is its leader, which adsorbs for all by the
disc that bounds the group. Groups of one are single particles.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxpick.pytrees import pytree
from jaxpick.simulate.draws import Unit, coin, log_uniform, standard_normal, uniform, unit_arrays
from jaxpick.simulate.priors import ScenePrior
from jaxpick.typing import RandomKey

BOND_DIAMETERS = (0.9, 1.1)
PERSISTENCE_DIAMETERS = (2.0, 10.0)


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Groups:
    """Candidates and the groups that they belong to; all of a group follow its leader.

    Attributes:
        points_yx_px: places of the members.
        leader: candidate that leads each one's group; its own number for a leader.
        middle_yx_px: centre of the disc that bounds the members' centres.
        reach_px: its radius, 0 for a single particle.
    """

    points_yx_px: Float[Array, "*batch candidate 2"]
    leader: Int[Array, "*batch candidate"]
    middle_yx_px: Float[Array, "*batch candidate 2"]
    reach_px: Float[Array, "*batch candidate"]


def draw_groups(
    key: RandomKey,
    prior: ScenePrior,
    points_yx_px: Float[Array, "candidate 2"],
    diameter_px: Float[Array, ""],
) -> Groups:
    """Turn the candidates of some micrographs into chains; leave them single in the others."""
    alone = _single(points_yx_px)
    if prior.chain_probability <= 0.0:
        return alone
    scalars, u = unit_arrays(key, (4,), (points_yx_px.shape[0], 4))
    return jax.lax.cond(
        coin(scalars[0], prior.chain_probability),
        lambda: _chains(scalars[1:], u, prior, points_yx_px, diameter_px),
        lambda: alone,
    )


def _single(points_yx_px: Float[Array, "candidate 2"]) -> Groups:
    num = points_yx_px.shape[0]
    return Groups(
        points_yx_px=points_yx_px,
        leader=jnp.arange(num),
        middle_yx_px=points_yx_px,
        reach_px=jnp.zeros((num,), jnp.float32),
    )


def _chains(
    scalars: Float[Array, "3"],
    u: Float[Array, "candidate 4"],
    prior: ScenePrior,
    points_yx_px: Float[Array, "candidate 2"],
    diameter_px: Float[Array, ""],
) -> Groups:
    leader = _leaders(scalars[0], scalars[1], u[:, 0], prior.chain_members)
    persistence = log_uniform(scalars[2], PERSISTENCE_DIAMETERS)
    bond = uniform(u[:, 1], BOND_DIAMETERS)
    # A worm-like chain in the plane: directions walk with variance bond / persistence.
    bend = jnp.sqrt(bond / persistence) * standard_normal(u[:, 2])
    own = 2.0 * jnp.pi * u[:, 3]
    is_leader = leader == jnp.arange(leader.shape[0])
    angle = own[leader] + _from_leader(jnp.where(is_leader, 0.0, bend)[:, None], leader)[:, 0]
    step = (diameter_px * bond)[:, None] * jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1)
    offset = _from_leader(jnp.where(is_leader[:, None], 0.0, step), leader)
    low = jnp.full_like(offset, jnp.inf).at[leader].min(offset)
    high = jnp.full_like(offset, -jnp.inf).at[leader].max(offset)
    middle = 0.5 * (low + high)[leader]
    reach = jnp.sqrt(jnp.sum((offset - middle) ** 2, axis=-1))
    # The group lies about the leader's place.
    points = points_yx_px[leader] + offset - middle
    return Groups(
        points_yx_px=points,
        leader=leader,
        middle_yx_px=points_yx_px[leader],
        reach_px=jnp.zeros_like(reach).at[leader].max(reach)[leader],
    )


def _leaders(
    for_share: Unit, for_longest: Unit, u: Float[Array, " candidate"], members: tuple[int, int]
) -> Int[Array, " candidate"]:
    """Divide the candidates into runs of random length: single, or 2 to the longest."""
    longest = jnp.floor(uniform(for_longest, (float(members[0]), members[1] + 1.0)))
    # Of each number, the part below the share of single particles says which, the rest how long.
    share = 0.8 * for_share
    above = (u - share) / (1.0 - share)
    length = jnp.floor(members[0] + (longest + 1.0 - members[0]) * jnp.maximum(above, 0.0))
    length = jnp.where(u < share, 1, length).astype(jnp.int32)
    start = jnp.cumsum(length) - length
    num = u.shape[0]
    run = jnp.searchsorted(start, jnp.arange(num), side="right") - 1
    return start[run].astype(jnp.int32)


def _from_leader(
    steps: Float[Array, "candidate axis"], leader: Int[Array, " candidate"]
) -> Float[Array, "candidate axis"]:
    """Sum the steps from each one's leader (whose own is 0) up to itself."""
    total = jnp.cumsum(steps, axis=0)
    return total - total[leader]
