"""Arrays that are computed once and then read from memory.

On a CPU, XLA fuses what is cheap into whatever reads it; a table of a thousand entries that a
million pixels look up is then computed anew for every pixel. A branch is a border that it does not
fuse across (an optimization barrier is removed before fusion).
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

Tree = TypeVar("Tree")


def computed_once(is_needed: Bool[Array, ""], compute: Callable[[], Tree]) -> Tree:
    """Return what `compute` returns, from memory; zeros where it is not needed.

    Args:
        is_needed: a value that the compiler cannot know; where it is False, zeros must do.
        compute: of no arguments.
    """
    nothing = jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), jax.eval_shape(compute))
    return jax.lax.cond(is_needed, compute, lambda: nothing)
