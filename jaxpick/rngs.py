"""Named random-key streams: key = root / stream name / step, then split per example.

No key is ever stored in a state or reused; resuming at a step draws what the uninterrupted run would have drawn.
"""

import zlib

import jax
from jaxtyping import Array, Key

from jaxpick.typing import RandomKey


def stream(seed: int, name: str) -> RandomKey:
    """Return the root key of the stream `name`: independent streams for independent names."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def at_step(stream_key: RandomKey, step: int | Array) -> RandomKey:
    """Return the key of `stream_key` at a step (a traced step is allowed)."""
    return jax.random.fold_in(stream_key, step)


def per_example(key: RandomKey, num_examples: int) -> Key[Array, " batch"]:
    """Split one key into a key for each example of a batch, so that sharding cannot change what is drawn."""
    return jax.random.split(key, num_examples)
