"""Dataclasses as pytrees.

Like `jax.tree_util.register_dataclass`, but a tree is rebuilt without the constructor: jax rebuilds trees of shapes,
flags and other things that are no arrays, which annotations checked at construction would refuse.
"""

import dataclasses
from typing import Any, TypeVar

import jax

T = TypeVar("T", bound=type)


def pytree(cls: T) -> T:
    """Register a frozen dataclass whose fields are all leaves or trees; for use as a decorator above `dataclass`."""
    names = tuple(field.name for field in dataclasses.fields(cls))

    def flatten_with_keys(tree: Any) -> tuple[list[tuple[Any, Any]], None]:
        return [(jax.tree_util.GetAttrKey(name), getattr(tree, name)) for name in names], None

    def flatten(tree: Any) -> tuple[list[Any], None]:
        return [getattr(tree, name) for name in names], None

    def unflatten(_: None, children: Any) -> Any:
        tree: Any = object.__new__(cls)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(tree, name, child)
        return tree

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls
