"""Sources of examples: one key, one example; every loaded one is seen once an epoch."""

import jax
import jax.numpy as jnp
import numpy as np
from toy import SLOPES, draw

from jaxpick import rngs
from jaxpick.parallel import HardwareSpec, parallelism
from jaxpick.train import Cached, Loaded, Simulated, cache_examples
from jaxpick.train.sources import feed


def loaded(count=10, **settings):
    return Loaded(load=lambda index: {"index": np.int32(index)}, count=count, **settings)


def test_cache_holds_the_examples_that_its_keys_draw():
    key, one = jax.random.key(3), parallelism(HardwareSpec(num_devices=1))
    cached = cache_examples(Simulated(draw=draw, shared=SLOPES), key, 6, one, chunk_size=4)
    keys = [rngs.per_example(rngs.at_step(key, chunk), 4) for chunk in range(2)]
    expected = [draw(k, SLOPES)["image"] for chunk in keys for k in chunk]
    np.testing.assert_allclose(cached.shared["image"], np.stack(expected), atol=1e-6)


def test_cache_is_the_same_on_any_devices():
    source = Simulated(draw=draw, shared=SLOPES)
    pools = [
        cache_examples(source, jax.random.key(3), 8, parallelism(HardwareSpec(num_devices=n)))
        for n in (1, 4)
    ]
    np.testing.assert_allclose(pools[0].shared["image"], pools[1].shared["image"], atol=1e-6)


def test_cached_examples_are_drawn_evenly_and_augmented():
    pool = {"value": jnp.arange(4.0)}

    def add_noise(key, example):
        return {"value": example["value"] + jax.random.uniform(key)}

    cached = Cached(shared=pool, augment=add_noise)
    keys = rngs.per_example(jax.random.key(0), 4000)
    values = np.asarray(jax.vmap(lambda k: cached.example(k, None, pool)["value"])(keys))
    counts = np.bincount(np.floor(values).astype(int), minlength=4)
    # Binomial(4000, 1/4) has a deviation of 27; four of them.
    assert np.all(np.abs(counts - 1000) < 110)
    fractions = values - np.floor(values)
    assert abs(fractions.mean() - 0.5) < 4 / np.sqrt(12 * 4000)


def test_each_loaded_example_is_seen_once_an_epoch_in_a_new_order():
    source = loaded(10)
    batches = [source.rows(7, step, 4)["index"] for step in range(10)]
    seen = np.concatenate(batches).reshape(4, 10)
    for epoch in seen:
        assert sorted(epoch) == list(range(10))
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(batches[5], source.rows(7, 5, 4)["index"])
    assert not np.array_equal(batches[0], source.rows(8, 0, 4)["index"])


def test_feed_gives_the_batches_of_its_steps_in_order():
    source = loaded(10)
    fed = list(feed(source, 7, 4, range(3, 8), lambda rows: rows["index"]))
    expected = [source.rows(7, step, 4)["index"] for step in range(3, 8)]
    np.testing.assert_array_equal(fed, expected)


def test_feed_of_a_simulation_has_nothing_to_load():
    source = Simulated(draw=draw, shared=SLOPES)
    assert list(feed(source, 0, 4, range(3), lambda rows: rows)) == [None] * 3


def test_augmentation_of_loaded_examples_gets_their_key():
    source = loaded(augment=lambda key, row: {**row, "noise": jax.random.normal(key)})
    example = source.example(jax.random.key(5), {"index": 3}, None)
    assert example["index"] == 3
    assert float(example["noise"]) == float(jax.random.normal(jax.random.key(5)))
