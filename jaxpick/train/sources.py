"""Where examples come from: simulated inside the step, drawn from a cached set, or loaded from
files.

All give ONE example from a key; the same key gives the same example on any number of devices.
Arrays that all examples share (a bank of views, a cached set) live on the device and are arguments
of the step, not constants in it.
"""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jaxpick import rngs
from jaxpick.parallel import Parallelism, process_rows
from jaxpick.typing import RandomKey

Example = PyTree


@runtime_checkable
class ExampleSource(Protocol):
    """One example from a key and shared arrays; it also has `rows` if the host loads a part."""

    @property
    def shared(self) -> PyTree:
        """Arrays that every example is made from, the same on all devices."""

    def example(self, key: RandomKey, row: PyTree, shared: PyTree) -> Example:
        """Make one example inside the step; `row` is the host's part of it, or None."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulated:
    """Examples simulated on the fly: `draw(key, shared) -> example`, no two steps alike."""

    draw: Callable[..., Example]
    shared: PyTree = None

    def example(self, key: RandomKey, row: PyTree, shared: PyTree) -> Example:
        """Simulate one example."""
        return self.draw(key, shared)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cached:
    """Examples drawn with replacement from a fixed set, changed by `augment(key, example)`."""

    shared: PyTree
    augment: Callable[..., Example] | None = None

    def example(self, key: RandomKey, row: PyTree, shared: PyTree) -> Example:
        """Choose and augment one example."""
        choice_key, augment_key = jax.random.split(key)
        count = jax.tree.leaves(shared)[0].shape[0]
        index = jax.random.randint(choice_key, (), 0, count)
        chosen = jax.tree.map(lambda leaf: leaf[index], shared)
        return chosen if self.augment is None else self.augment(augment_key, chosen)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded:
    """Examples that the host loads, each once per epoch in a shuffled order, then changed on the
    device.

    Attributes:
        load: `index -> example` of numpy arrays, all of the same shapes.
        count: number of indices.
        augment: `(key, example) -> example`.
        num_threads: examples loaded at the same time.
    """

    load: Callable[[int], Example]
    count: int
    augment: Callable[..., Example] | None = None
    num_threads: int = 2
    shared: PyTree = None

    def example(self, key: RandomKey, row: PyTree, shared: PyTree) -> Example:
        """Augment one loaded example."""
        return row if self.augment is None else self.augment(key, row)

    def rows(self, seed: int, step: int, batch_size: int) -> PyTree:
        """Load this process's rows of the batch of a step."""
        positions = np.arange(step * batch_size, (step + 1) * batch_size)[process_rows(batch_size)]
        epochs, places = np.divmod(positions, self.count)
        orders = {
            int(epoch): np.random.default_rng((seed, int(epoch))).permutation(self.count)
            for epoch in np.unique(epochs)
        }
        indices = [int(orders[int(e)][p]) for e, p in zip(epochs, places, strict=True)]
        with ThreadPoolExecutor(self.num_threads) as pool:
            examples = list(pool.map(self.load, indices))
        return jax.tree.map(lambda *leaves: np.stack(leaves), *examples)


def cache_examples(
    source: ExampleSource,
    key: RandomKey,
    count: int,
    parallel: Parallelism,
    augment: Callable[..., Example] | None = None,
    chunk_size: int = 64,
) -> Cached:
    """Draw a fixed set once, in chunks, and return it as a source.

    Args:
        source: simulated examples; sources with rows from the host are already sets.
        key: the same key gives the same set.
        count: number of examples, rounded up to whole chunks.
        parallel: devices that share the work.
        augment: applied to each example whenever it is drawn.
        chunk_size: examples simulated at a time.
    """
    parallel.check_batch(chunk_size, "chunk_size")

    def simulate(_: None, shared: PyTree, batch: None, chunk_key: RandomKey) -> Example:
        keys = rngs.per_example(chunk_key, chunk_size)
        return parallel.per_example(lambda k, arrays: source.example(k, None, arrays))(keys, shared)

    compiled = jax.jit(simulate)
    chunks = [
        jax.device_get(compiled(None, source.shared, None, rngs.at_step(key, index)))
        for index in range(-(-count // chunk_size))
    ]
    pool = jax.tree.map(lambda *leaves: jnp.asarray(np.concatenate(leaves)), *chunks)
    return Cached(shared=pool, augment=augment)


def feed(
    source: ExampleSource, seed: int, batch_size: int, steps: range, place: Callable[..., Any]
) -> Iterator[PyTree | None]:
    """Yield the host's part of each step's batch on the devices, loading two ahead."""
    load_rows = getattr(source, "rows", None)
    if load_rows is None:
        yield from (None for _ in steps)
        return
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(load_rows, seed, step, batch_size) for step in steps[:2]]
        for step in steps:
            if step + 2 in steps:
                waiting.append(pool.submit(load_rows, seed, step + 2, batch_size))
            yield place(waiting.pop(0).result())
