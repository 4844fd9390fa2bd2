"""Named streams of keys: reproducible, different, and independent of how a batch is shared."""

import jax
import numpy as np

from jaxpick import rngs


def data(key):
    return tuple(np.asarray(jax.random.key_data(key)).ravel().tolist())


def test_streams_are_reproducible_and_distinct():
    keys = [rngs.stream(seed, name) for seed in range(3) for name in ("train", "init", "a", "b")]
    again = [rngs.stream(seed, name) for seed in range(3) for name in ("train", "init", "a", "b")]
    assert list(map(data, keys)) == list(map(data, again))
    assert len(set(map(data, keys))) == 12


def test_stream_does_not_depend_on_the_process():
    """Python's own hash of text does; CRC-32 has a published check value for this text."""
    expected = jax.random.fold_in(jax.random.key(7), 0xCBF43926)
    assert data(rngs.stream(7, "123456789")) == data(expected)


def test_steps_are_distinct_and_may_be_traced():
    root = rngs.stream(0, "train")
    eager = [data(rngs.at_step(root, step)) for step in range(50)]
    traced = jax.jit(jax.vmap(lambda step: rngs.at_step(root, step)))(np.arange(50))
    assert len(set(eager)) == 50
    assert eager == [data(key) for key in traced]


def test_draws_of_examples_are_uncorrelated():
    """Neighbouring examples and steps correlate by less than four standard errors."""
    root = rngs.stream(1, "train")
    keys = [rngs.per_example(rngs.at_step(root, step), 2) for step in (0, 1)]
    draws = [np.asarray(jax.random.normal(key, (20000,))) for pair in keys for key in pair]
    correlation = np.corrcoef(draws) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(20000)
