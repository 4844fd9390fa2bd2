"""Strict mapping -> frozen dataclass: the only way settings become objects.

`build(SomeSpec, mapping)` refuses unknown fields, wrong types and impossible values with the dotted path of the field.
Lists become tuples, ints become floats, and a union of dataclasses is chosen by its ``kind`` key (a field of each
member with a `Literal` type). Standard library only: the library sees neither Hydra nor OmegaConf.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

T = TypeVar("T")


class SpecError(ValueError):
    """A setting that cannot be used: the message names its dotted path, its value and what was expected."""


def build(spec_type: type[T], values: Any, path: str = "") -> T:
    """Build a frozen spec from nested plain data.

    Args:
        spec_type: a dataclass.
        values: nested mapping as YAML or JSON gives it.
        path: dotted path of `values` within the whole, for messages.

    Raises:
        SpecError: on an unknown field, a missing field, a wrong type or a value that the spec refuses.
    """
    if not isinstance(values, Mapping):
        raise SpecError(f"{path or spec_type.__name__}: expected settings by name, got {values!r}")
    hints = typing.get_type_hints(spec_type)
    fields = {f.name: f for f in dataclasses.fields(spec_type) if f.init}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            known = ", ".join(sorted(fields))
            raise SpecError(f"{_join(path, name)}: unknown setting; known here: {known}")
    built = {name: convert(hints[name], values[name], _join(path, name)) for name in values}
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in values:
            raise SpecError(f"{_join(path, name)}: missing; it has no default")
    try:
        return spec_type(**built)
    except ValueError as error:
        # A spec names its own field; the whole path to it is known only here.
        joint = "." if isinstance(error, SpecError) else ": "
        raise SpecError(f"{path}{joint}{error}" if path else str(error)) from error


def convert(kind: Any, value: Any, path: str) -> Any:
    """Turn one plain value into the annotated type `kind`, or refuse it with its path."""
    origin = get_origin(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(kind), value, path)
    if origin is Literal:
        if value not in get_args(kind):
            choices = ", ".join(repr(choice) for choice in get_args(kind))
            raise SpecError(f"{path}: expected one of {choices}, got {value!r}")
        return value
    if origin is tuple:
        return _convert_tuple(get_args(kind), value, path)
    if origin in (dict, Mapping) or kind is dict or origin is typing.get_origin(Mapping[str, int]):
        if not isinstance(value, Mapping):
            raise SpecError(f"{path}: expected settings by name, got {value!r}")
        return dict(value)
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else build(kind, value, path)  # type: ignore[arg-type]
    return _convert_plain(kind, value, path)


def as_plain(value: Any) -> Any:
    """Turn a spec into plain data (dicts, lists, numbers, strings) that `build` reads back."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: as_plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init
        }
    if isinstance(value, Mapping):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [as_plain(item) for item in value]
    return value


def require(holds: bool, field: str, value: Any, expected: str) -> None:
    """Refuse an impossible value in one sentence; for `__post_init__` of specs."""
    if not holds:
        raise SpecError(f"{field}: expected {expected}, got {value!r}")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else str(name)


def _convert_plain(kind: Any, value: Any, path: str) -> Any:
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is int and isinstance(value, bool):
        raise SpecError(f"{path}: expected a whole number, got {value!r}")
    if isinstance(kind, type) and isinstance(value, kind):
        return value
    names = {
        float: "a number",
        int: "a whole number",
        str: "text",
        bool: "true or false",
        type(None): "null",
    }
    raise SpecError(
        f"{path}: expected {names.get(kind, getattr(kind, '__name__', kind))}, got {value!r}"
    )


def _convert_tuple(items: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise SpecError(f"{path}: expected a list, got {value!r}")
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(value)
    if len(items) != len(value):
        raise SpecError(f"{path}: expected {len(items)} values, got {len(value)}")
    return tuple(
        convert(item, part, f"{path}[{i}]")
        for i, (item, part) in enumerate(zip(items, value, strict=True))
    )


def _convert_union(members: tuple[Any, ...], value: Any, path: str) -> Any:
    if value is None and type(None) in members:
        return None
    members = tuple(member for member in members if member is not type(None))
    specs = [member for member in members if dataclasses.is_dataclass(member)]
    if any(isinstance(value, member) for member in specs):  # type: ignore[arg-type]
        return value
    if isinstance(value, Mapping) and len(specs) > 1:
        return build(_by_kind(specs, value, path), value, path)
    failures = []
    for member in members:
        try:
            return convert(member, value, path)
        except SpecError as error:
            failures.append(str(error))
    raise SpecError(
        failures[0] if len(failures) == 1 else f"{path}: no allowed type fits {value!r}"
    )


def _by_kind(specs: list[Any], value: Mapping[str, Any], path: str) -> Any:
    by_kind = {get_args(typing.get_type_hints(spec)["kind"])[0]: spec for spec in specs}
    if value.get("kind") not in by_kind:
        raise SpecError(
            f"{path}.kind: expected one of {sorted(by_kind)}, got {value.get('kind')!r}"
        )
    return by_kind[value["kind"]]
