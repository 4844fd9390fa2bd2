"""Figures as weighted sums: merging parts gives the figure of the whole."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.train.metrics import means, merge, weigh

RNG = np.random.default_rng(0)


def test_parts_merge_to_the_whole():
    values, hits = RNG.normal(size=20), RNG.integers(0, 2, 20)
    tries = hits + RNG.integers(0, 3, 20)

    def figures(part):
        ratio = (jnp.asarray(hits[part]), jnp.asarray(tries[part]))
        return weigh({"value": jnp.asarray(values[part]), "precision": ratio})

    merged = {}
    for part in (slice(0, 3), slice(3, 11), slice(11, 20)):
        merged = merge(merged, figures(part))
    assert means(merged) == pytest.approx(
        {"value": values.mean(), "precision": hits.sum() / tries.sum()}, rel=1e-5
    )


def test_a_figure_of_nothing_is_not_a_number():
    assert math.isnan(means({"recall": (0.0, 0.0)})["recall"])


def test_merge_keeps_what_only_one_side_has():
    assert merge({"a": (1.0, 2.0)}, {"b": (3.0, 4.0)}) == {"a": (1.0, 2.0), "b": (3.0, 4.0)}
