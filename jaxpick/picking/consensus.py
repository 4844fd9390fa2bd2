"""What several pickers agree on: REPIC's consensus (Cameron et al. 2024, Commun Biol 7:1421).

Picks are equal squares. Squares of different pickers that overlap by more than 0.3 (Jaccard) are
joined; a clique holds one pick of every picker, each joined to all others. Its weight is the median
of its scores times the median of its overlaps. Cliques are chosen so that their weights add up to
the most while no pick serves twice: an integer program, solved exactly. A clique is represented by
the pick that overlaps the others most.

Scores of different pickers share no scale, so they are first turned into ranks: 0.5 at the picker's
own threshold, 1 for its best pick, 0 for its worst.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from jaxpick.io.nouns import Picks, make_picks

LEAST_OVERLAP = 0.3
# The score of a consensus from which the median picker would pick by itself.
THRESHOLD = 0.5


def rank_scores(
    score: Float[np.ndarray, " pick"], threshold: float | None
) -> Float[np.ndarray, " pick"]:
    """Return each score's rank among all of its picker: 0.5 to 1 for picks, below for the rest."""
    cut = -np.inf if threshold is None else threshold
    is_pick = score >= cut
    ranked = np.zeros(len(score))
    for part, start in ((is_pick, 0.5), (~is_pick, 0.0)):
        ordered = np.sort(score[part])
        below = np.searchsorted(ordered, score[part], side="left")
        ranked[part] = start + 0.5 * below / max(len(ordered), 1)
    return ranked


def consensus(members: Sequence[Picks], box_px: float, name: str = "consensus") -> Picks:
    """Return what all pickers agree on in one micrograph.

    Args:
        members: picks of each picker in the same micrograph, scores between 0 and 1.
        box_px: side of the squares.
        name: of the result's method.

    Returns:
        One pick a chosen clique; its score is the median of the clique's.
    """
    points = [np.stack([p.y, p.x], 1) for p in members]
    cliques = find_cliques(points, box_px)
    scores = np.stack([p.score[cliques[:, k]] for k, p in enumerate(members)], 1)
    overlaps = clique_overlaps(points, cliques, box_px)
    pairs = np.triu_indices(len(members), 1)
    confidence = np.median(scores, axis=1) if len(cliques) else np.zeros(0)
    agreement = np.median(overlaps[:, *pairs], axis=1) if len(cliques) else np.zeros(0)
    chosen = heaviest(cliques, confidence * agreement)
    best = np.argmax(overlaps[chosen].sum(axis=2), axis=1)
    picked = cliques[chosen, best]
    where = np.array([points[k][i] for k, i in zip(best, picked, strict=True)], np.float64).reshape(
        -1, 2
    )
    known = [p.pixel_size_angstrom for p in members if p.pixel_size_angstrom]
    return make_picks(
        members[0].micrograph,
        where[:, 1],
        where[:, 0],
        confidence[chosen],
        pixel_size_angstrom=known[0] if known else None,
        method=name,
    )


def find_cliques(
    points: Sequence[Float[np.ndarray, "_ 2"]], box_px: float
) -> Int[np.ndarray, "clique picker"]:
    """Return all sets of one point a picker whose squares overlap pairwise by more than 0.3."""
    cliques = np.arange(len(points[0]))[:, None]
    for k in range(1, len(points)):
        # Squares that overlap by 0.3 are nearer than half a side along both axes.
        near = cKDTree(points[k].reshape(-1, 2)).query_ball_point(
            points[0][cliques[:, 0]].reshape(-1, 2), box_px, p=np.inf
        )
        first = np.repeat(np.arange(len(cliques)), [len(found) for found in near])
        last = np.fromiter((i for found in near for i in found), np.int64, len(first))
        longer = np.column_stack([cliques[first], last])
        joined = np.ones(len(longer), bool)
        for other in range(k):
            offset = points[other][longer[:, other]] - points[k][longer[:, k]]
            joined &= square_overlap(offset, box_px) > LEAST_OVERLAP
        cliques = longer[joined]
    return cliques


def clique_overlaps(
    points: Sequence[Float[np.ndarray, "_ 2"]],
    cliques: Int[np.ndarray, "clique picker"],
    box_px: float,
) -> Float[np.ndarray, "clique picker picker"]:
    """Return the overlaps within each clique, 0 on the diagonal."""
    where = np.stack([points[k][cliques[:, k]] for k in range(len(points))], 1)
    overlap = square_overlap(where[:, :, None] - where[:, None], box_px)
    return overlap * (1 - np.eye(len(points)))


def heaviest(
    cliques: Int[np.ndarray, "clique picker"], weight: Float[np.ndarray, " clique"]
) -> Int[np.ndarray, " chosen"]:
    """Return the cliques of the largest total weight in which no pick occurs twice."""
    if len(cliques) == 0:
        return np.zeros(0, np.int64)
    rows = []
    for column in cliques.T:
        used, index = np.unique(column, return_inverse=True)
        shape = (len(used), len(cliques))
        rows.append(csr_array((np.ones(len(index)), (index, np.arange(len(index)))), shape=shape))
    constraints = [LinearConstraint(row, -np.inf, 1.0) for row in rows]
    # An arbitrarily small weight still beats leaving a clique out.
    found = milp(
        -np.maximum(weight, 1e-6), constraints=constraints, integrality=1, bounds=Bounds(0, 1)
    )
    if found.x is None:
        raise RuntimeError(f"consensus: no optimum found ({found.message})")
    return np.flatnonzero(found.x > 0.5)


def square_overlap(offset: Float[np.ndarray, "*pair 2"], side: float) -> Float[np.ndarray, "*pair"]:
    """Return the Jaccard index of equal squares at an offset."""
    shared = np.prod(np.maximum(side - np.abs(offset), 0.0), axis=-1)
    return shared / (2 * side**2 - shared)
