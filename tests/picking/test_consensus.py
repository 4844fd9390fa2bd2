"""Consensus: cliques and their best choice against exhaustive search, ranks, and plain cases."""

import itertools

import numpy as np
import pytest

from jaxpick.io.nouns import make_picks
from jaxpick.picking.consensus import (
    LEAST_OVERLAP,
    consensus,
    find_cliques,
    heaviest,
    rank_scores,
    square_overlap,
)

BOX = 20.0


def at(x, y, score):
    columns = (np.asarray(values, np.float64) for values in (x, y, score))
    return make_picks("m.mrc", *columns, pixel_size_angstrom=2.0)


def crowd(seed, counts=(9, 8, 10), side=60.0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0, side, (count, 2)) for count in counts]


@pytest.mark.parametrize("seed", range(3))
def test_cliques_are_all_sets_that_overlap_pairwise(seed):
    points = crowd(seed)
    expected = set()
    for combination in itertools.product(*(range(len(p)) for p in points)):
        chosen = [points[k][i] for k, i in enumerate(combination)]
        pairs = itertools.combinations(chosen, 2)
        if all(square_overlap((a - b)[None], BOX)[0] > LEAST_OVERLAP for a, b in pairs):
            expected.add(combination)
    assert set(map(tuple, find_cliques(points, BOX).tolist())) == expected
    assert expected, "the case must have some"


@pytest.mark.parametrize("seed", range(3))
def test_the_choice_is_the_heaviest_of_all(seed):
    cliques = find_cliques(crowd(seed), BOX)[:14]
    weight = np.random.default_rng(seed).uniform(0.1, 1, len(cliques))

    def is_allowed(chosen):
        columns = cliques[list(chosen)].T
        return all(len(np.unique(column)) == len(column) for column in columns)

    subsets = itertools.chain.from_iterable(
        itertools.combinations(range(len(cliques)), r) for r in range(len(cliques) + 1)
    )
    best = max(weight[list(chosen)].sum() for chosen in subsets if is_allowed(chosen))
    found = heaviest(cliques, weight)
    assert is_allowed(found) and weight[found].sum() == pytest.approx(best)


def test_pickers_that_agree_give_their_own_picks():
    where = np.asarray([[10.0, 10.0], [90.0, 40.0], [40.0, 90.0]])
    one = at(*where.T, (0.9, 0.8, 0.7))
    found = consensus([one, one, one], BOX)
    order = np.argsort(-found.score)
    np.testing.assert_array_equal(np.stack([found.x, found.y], 1)[order], where)
    np.testing.assert_allclose(found.score[order], one.score)
    assert found.pixel_size_angstrom == 2.0


def test_a_pick_of_one_alone_and_an_empty_picker_give_nothing():
    one = at((10.0, 200.0), (10.0, 10.0), (0.9, 0.9))
    near = at((12.0,), (10.0,), (0.5,))
    found = consensus([one, near], BOX)
    assert len(found) == 1 and found.score[0] == pytest.approx(0.7)
    assert len(consensus([one, at((), (), ())], BOX)) == 0
    assert len(consensus([at((), (), ()), one], BOX)) == 0


def test_the_middle_one_represents_three():
    members = [at((x,), (0.0,), (0.5,)) for x in (0.0, 4.0, 8.0)]
    assert consensus(members, BOX).x[0] == 4.0


def test_ranks_keep_the_order_and_put_the_threshold_at_a_half():
    score = np.random.default_rng(0).normal(size=200)
    rank = rank_scores(score, 0.3)
    order = np.argsort(score)
    assert np.all(np.diff(rank[order]) > 0) and rank.min() >= 0 and rank.max() < 1
    np.testing.assert_array_equal(rank >= 0.5, score >= 0.3)
    assert np.all(rank_scores(score, None) >= 0.5)
    assert len(np.unique(rank_scores(np.ones(5), 0.0))) == 1, "equal scores have equal ranks"


def test_overlap_of_equal_squares():
    offsets = np.asarray([[0.0, 0.0], [BOX / 2, 0.0], [BOX, 0.0]])
    np.testing.assert_allclose(square_overlap(offsets, BOX), [1.0, 1 / 3, 0.0])
