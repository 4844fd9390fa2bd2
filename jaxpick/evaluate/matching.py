"""Which pick found which particle: one-to-one matching of two point sets by distance.

Three rules. `match_hungarian` is the house's: as many pairs as possible, and among those the least
total distance. `match_topaz` is Topaz's assignment on squared distances. `match_by_score` lets
picks choose in descending score. Points are (y, x) in any one unit; the radius is in the same unit.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree


@dataclasses.dataclass(frozen=True, kw_only=True)
class Matching:
    """Pairs of a pick and a truth, sorted by pick; each pick and each truth occurs at most once.

    Attributes:
        pick: indices into the picks.
        truth: indices into the truths.
        distance: of each pair, in the unit of the coordinates.
    """

    pick: Int[np.ndarray, " pair"]
    truth: Int[np.ndarray, " pair"]
    distance: Float[np.ndarray, " pair"]

    def __len__(self) -> int:
        return len(self.pick)


def match_hungarian(
    picks: Float[np.ndarray, "pick 2"],
    score: Float[np.ndarray, " pick"],
    truth: Float[np.ndarray, "truth 2"],
    radius: float | int,
) -> Matching:
    """Match as many pairs with distance <= radius as possible, then with the least total distance.

    The score plays no part. Every pick may also stay alone, at a cost above that of any set of
    pairs, which turns both wishes into one sparse assignment (Jonker and Volgenant 1987,
    doi:10.1007/BF02278710): candidate pairs come from a KD-tree, so that 10^4 particles take a
    fraction of a second however crowded they are.
    """
    pairs = _within(picks, truth, radius)
    alone = float(radius) * (min(len(picks), len(truth)) + 1)
    return _assign(len(picks), len(truth), pairs, pairs.distance, alone)


def match_topaz(
    picks: Float[np.ndarray, "pick 2"],
    score: Float[np.ndarray, " pick"],
    truth: Float[np.ndarray, "truth 2"],
    radius: float | int,
) -> Matching:
    """Match as Topaz does: least sum of min(0, d^2 - r^2), pairs with d < r.

    Bepler 2019, `match_coordinates`. A near pair may outweigh two far ones, so the number of pairs
    is not always the largest possible.
    """
    near = _within(picks, truth, radius)
    keep = near.distance < radius
    pairs = Matching(pick=near.pick[keep], truth=near.truth[keep], distance=near.distance[keep])
    return _assign(len(picks), len(truth), pairs, pairs.distance**2, float(radius) ** 2)


def match_by_score(
    picks: Float[np.ndarray, "pick 2"],
    score: Float[np.ndarray, " pick"],
    truth: Float[np.ndarray, "truth 2"],
    radius: float | int,
) -> Matching:
    """Let each pick, in descending score, take its nearest free truth with distance <= radius.

    The matching of the picks above a threshold is then the same whether or not the others are
    there. It can miss pairs that an assignment finds. Equal scores go by coordinates, so the order
    of the picks does not matter.
    """
    pairs = _within(picks, truth, radius)
    rank = np.empty(len(picks), np.int64)
    rank[np.lexsort((picks[:, 1], picks[:, 0], -score))] = np.arange(len(picks))
    order = np.lexsort((pairs.truth, pairs.distance, rank[pairs.pick]))
    used_pick, used_truth = np.zeros(len(picks), bool), np.zeros(len(truth), bool)
    chosen = []
    for index in order:
        pick, particle = pairs.pick[index], pairs.truth[index]
        if not used_pick[pick] and not used_truth[particle]:
            used_pick[pick] = used_truth[particle] = True
            chosen.append(index)
    return _sorted(pairs, np.asarray(chosen, np.int64))


def nearest(
    points: Float[np.ndarray, "point 2"], others: Float[np.ndarray, "other 2"]
) -> tuple[Int[np.ndarray, " point"], Float[np.ndarray, " point"]]:
    """Return for each point its nearest other point and the distance; -1, inf without."""
    if len(points) == 0 or len(others) == 0:
        return np.full(len(points), -1, np.int64), np.full(len(points), np.inf)
    distance, index = cKDTree(others).query(points)
    return np.asarray(index, np.int64), np.asarray(distance, np.float64)


def _within(
    picks: Float[np.ndarray, "pick 2"], truth: Float[np.ndarray, "truth 2"], radius: float | int
) -> Matching:
    """Return every candidate pair with distance <= radius (many-to-many)."""
    if len(picks) == 0 or len(truth) == 0:
        empty = np.zeros(0, np.int64)
        return Matching(pick=empty, truth=empty, distance=np.zeros(0))
    # The tree's own distances may round the other way at the radius itself: gather a little more,
    # then decide here.
    found = cKDTree(picks).sparse_distance_matrix(
        cKDTree(truth), radius * (1 + 1e-9), output_type="ndarray"
    )
    offset = picks[found["i"]] - truth[found["j"]]
    distance = np.hypot(offset[:, 0], offset[:, 1])
    keep = distance <= radius
    return Matching(
        pick=found["i"][keep].astype(np.int64),
        truth=found["j"][keep].astype(np.int64),
        distance=distance[keep],
    )


def _assign(
    num_picks: int, num_truths: int, pairs: Matching, cost: Float[np.ndarray, " pair"], alone: float
) -> Matching:
    """Return the cheapest choice among `pairs`; a pick may stay alone at the cost `alone`."""
    if len(pairs) == 0:
        return pairs
    # Every pick takes exactly one column (a truth or its own place alone), so a constant shift
    # changes nothing; it keeps costs above zero, which a sparse matrix would read as "no such
    # pair".
    rows = np.concatenate([pairs.pick, np.arange(num_picks)])
    columns = np.concatenate([pairs.truth, num_truths + np.arange(num_picks)])
    costs = np.concatenate([cost, np.full(num_picks, alone)]) + alone
    graph = csr_array((costs, (rows, columns)), shape=(num_picks, num_truths + num_picks))
    row, column = min_weight_full_bipartite_matching(graph)
    partner = np.full(num_picks, -1, np.int64)
    partner[row] = column
    return _sorted(pairs, np.flatnonzero(partner[pairs.pick] == pairs.truth))


def _sorted(pairs: Matching, chosen: Int[np.ndarray, " chosen"]) -> Matching:
    chosen = chosen[np.argsort(pairs.pick[chosen], kind="stable")]
    return Matching(
        pick=pairs.pick[chosen], truth=pairs.truth[chosen], distance=pairs.distance[chosen]
    )
