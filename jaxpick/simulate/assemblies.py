"""Symmetric assemblies: copies of one subunit about a point group, moved in until they touch.

Touching is judged by a distance map of the subunit on a 2 angstrom grid, so that a try costs one
table look-up for each bead.
"""

import numpy as np
from jaxtyping import Float
from scipy import ndimage
from scipy.spatial import cKDTree

from jaxpick.simulate.domains import Beads, Points, ball_radius_angstrom, random_frame

CLASH_DISTANCE_ANGSTROM = 4.5
MAX_CLASH_SHARE = 0.04
# Radius of gyration over that of a ball of equal mass, above which an arrangement is tried anew.
LOOSE_GYRATION_RATIO = 1.35
NUM_TRIES = 12
_GRID_ANGSTROM = 2.0
# The map's grid rounds positions by up to 1 angstrom an axis; the test is stricter by as much on
# the mean.
_ROUNDING_ANGSTROM = 0.4


def assemble(
    rng: np.random.Generator,
    subunit: Beads,
    group: Float[np.ndarray, "element 3 3"],
    *,
    is_ring: bool = False,
) -> Beads:
    """Arrange copies of a subunit, at random orientation and direction, as close as clashes allow.

    Args:
        rng: source of the arrangement.
        subunit: centred beads of one subunit.
        group: rotations, identity first.
        is_ring: keep the subunit's centre near the plane z = 0, so that Cn gives a flat ring.

    Returns:
        The most compact of the tries; the first one whose radius of gyration is near a ball's ends
        the search.
    """
    frame, offset = place(rng, subunit, group, is_ring=is_ring)
    return _copies(subunit, subunit.positions_angstrom @ frame.T + offset[None, :], group)


def place(
    rng: np.random.Generator,
    subunit: Beads,
    group: Float[np.ndarray, "element 3 3"],
    *,
    is_ring: bool = False,
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """Return the turn and the shift of the subunit in the arrangement that `assemble` chooses."""
    if len(group) == 1:
        return np.eye(3), np.zeros(3)
    best_ratio = np.inf
    for _ in range(NUM_TRIES):
        frame = random_frame(rng)
        turned = subunit.positions_angstrom @ frame.T
        offset = _closest_offset(turned, _direction(rng, is_ring), group)
        ratio = _gyration_ratio(turned + offset[None, :], group, float(subunit.mass_da.sum()))
        if ratio < best_ratio:
            best_ratio, best = ratio, (frame, offset)
        if ratio < LOOSE_GYRATION_RATIO:
            break
    return best


def clash_share(first: Points, others: Float[np.ndarray, "other 3"]) -> float:
    """Return the share of `first`'s beads nearer than 4.5 angstrom to any of `others` (exact)."""
    distance, _ = cKDTree(others).query(first, distance_upper_bound=CLASH_DISTANCE_ANGSTROM)
    return float(np.mean(np.isfinite(distance)))


def _direction(rng: np.random.Generator, is_ring: bool) -> np.ndarray:
    direction = rng.normal(size=3)
    if is_ring:
        direction[2] = 0.15 * np.linalg.norm(direction[:2]) * rng.normal()
    return direction / np.linalg.norm(direction)


def _closest_offset(turned: Points, direction: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Bisect the distance along `direction` at which at most 4 % of the subunit's beads clash."""
    near, origin = _clash_map(turned)
    radius = np.linalg.norm(turned, axis=1).max()
    others = group[1:]
    # Far enough for the two closest images of the direction to clear each other.
    gap = np.linalg.norm(others @ direction - direction[None, :], axis=1)
    low, high = 0.0, 2.2 * radius / max(float(gap[gap > 1e-6].min(initial=2.0)), 0.05)
    for _ in range(12):
        middle = 0.5 * (low + high)
        if _clashes(turned, middle * direction, others, near, origin, radius) > MAX_CLASH_SHARE:
            low = middle
        else:
            high = middle
    return high * direction


def _clash_map(points: Points) -> tuple[np.ndarray, np.ndarray]:
    """Return where a bead would clash with `points` (boolean grid) and the grid's origin."""
    reach = CLASH_DISTANCE_ANGSTROM + _ROUNDING_ANGSTROM
    origin = points.min(axis=0) - reach - _GRID_ANGSTROM
    index = np.rint((points - origin) / _GRID_ANGSTROM).astype(np.int64)
    size = index.max(axis=0) + int(np.ceil(reach / _GRID_ANGSTROM)) + 2
    is_empty = np.ones(size, bool)
    is_empty[tuple(index.T)] = False
    return ndimage.distance_transform_edt(is_empty) * _GRID_ANGSTROM < reach, origin


def _clashes(
    turned: Points,
    offset: np.ndarray,
    others: np.ndarray,
    near: np.ndarray,
    origin: np.ndarray,
    radius: float,
) -> float:
    """Return the share of the copies' beads that fall into the subunit's clash zone."""
    shift = others @ offset - offset[None, :]
    touching = np.linalg.norm(shift, axis=1) < 2 * radius + CLASH_DISTANCE_ANGSTROM
    if not touching.any():
        return 0.0
    moved = np.einsum("gij,nj->gni", others[touching], turned) + shift[touching][:, None, :]
    index = np.rint((moved - origin) / _GRID_ANGSTROM).astype(np.int64)
    is_inside = np.all((index >= 0) & (index < np.array(near.shape)), axis=-1)
    hits = near[tuple(index[is_inside].T)]
    return float(np.count_nonzero(hits)) / len(turned)


def _gyration_ratio(placed: Points, group: np.ndarray, subunit_da: float) -> float:
    ball = np.sqrt(0.6) * ball_radius_angstrom(subunit_da * len(group) * 1e-3)
    centre = group.mean(axis=0) @ placed.mean(axis=0)
    return float(np.sqrt(np.mean(np.sum((placed - centre) ** 2, axis=1)))) / ball


def _copies(subunit: Beads, placed: Points, group: np.ndarray) -> Beads:
    order, num = len(group), len(placed)
    positions = np.einsum("gij,nj->gni", group, placed).reshape(-1, 3)
    return Beads(
        positions_angstrom=np.asarray(positions, np.float32),
        contrast=np.tile(subunit.contrast, order),
        mass_da=np.tile(subunit.mass_da, order),
        unit=np.repeat(np.arange(order, dtype=np.int32), num),
    )
