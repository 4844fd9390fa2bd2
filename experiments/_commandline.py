"""What a command's spec says on the command line: its settings, their defaults as plain data, its help.

Plain functions of a frozen spec; nothing here knows Hydra.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from jaxpick.spec import as_plain

MISSING = "???"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """One setting: its dotted path, annotated type, default as plain data, and one line of help."""

    path: str
    kind: Any
    default: Any
    help: str


def plain_defaults(spec_type: type) -> dict[str, Any]:
    """Return the defaults of a spec as nested plain data, `MISSING` where a value must be given."""
    hints = typing.get_type_hints(spec_type)
    return {f.name: _default(f, hints[f.name]) for f in dataclasses.fields(spec_type) if f.init}


def members(kind: Any) -> dict[str, type]:
    """Return the specs that a field may hold by their fixed `kind`; empty for anything else."""
    specs = [part for part in parts(kind) if dataclasses.is_dataclass(part)]
    tagged: dict[str, Any] = {}
    for spec in specs:
        tag = typing.get_type_hints(spec).get("kind")
        if get_origin(tag) is Literal and len(get_args(tag)) == 1:
            tagged[get_args(tag)[0]] = spec
    return tagged if len(tagged) == len(specs) else {}


def parts(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the one type that it is."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def spec_of(kind: Any, tag: Any) -> Any:
    """Return the spec that a field's type holds, of several the one whose `kind` is the tag, if any."""
    specs = [part for part in parts(kind) if dataclasses.is_dataclass(part)]
    return specs[0] if len(specs) == 1 else members(kind).get(tag)


def composite_fields(spec_type: type) -> dict[str, Any]:
    """Return the fields that hold a spec, a union of specs or a mapping, with their types."""
    hints = typing.get_type_hints(spec_type)
    kept = {}
    for field in dataclasses.fields(spec_type):
        kinds = parts(hints[field.name])
        if any(dataclasses.is_dataclass(kind) or _is_mapping(kind) for kind in kinds):
            kept[field.name] = hints[field.name]
    return kept


def has_specs(kind: Any) -> bool:
    """Return whether a field's type is a spec or a union with one, not a mapping of any names."""
    return any(dataclasses.is_dataclass(part) for part in parts(kind))


def flatten(spec_type: type, prefix: str = "") -> list[Field]:
    """List every setting of a spec and of the specs within it, depth first."""
    hints, defaults = typing.get_type_hints(spec_type), plain_defaults(spec_type)
    found = []
    for field in (f for f in dataclasses.fields(spec_type) if f.init):
        path, kind, default = prefix + field.name, hints[field.name], defaults[field.name]
        inner = spec_of(kind, default.get("kind")) if isinstance(default, Mapping) else None
        if inner:
            nested = flatten(inner, f"{path}.")
            found += [
                dataclasses.replace(f, default=_select(default, f.path, path)) for f in nested
            ]
        else:
            found.append(
                Field(path=path, kind=kind, default=default, help=field.metadata.get("help", ""))
            )
    return found


def help_text(
    name: str, docstring: str, spec_type: type, groups: Mapping[str, Iterable[str]]
) -> str:
    """Return the help of a command: what it does, its settings and how to change them."""
    lines = [docstring.strip(), "", "Settings (key=value; key=??? must be given):"]
    for field in flatten(spec_type):
        setting = f"  {field.path}={_shown(field.default)}"
        lines.append(f"{setting:<44} {field.help}".rstrip())
    named = {group: sorted(options) for group, options in groups.items() if options}
    if named:
        lines += ["", "Named groups of settings (group=name):"]
        lines += [f"  {group}: {', '.join(options)}" for group, options in sorted(named.items())]
    command = f"python -m experiments.{name}"
    lines += [
        "",
        f"  {command} key=value ...   run",
        f"  {command} --cfg job       show every setting as it would run, and stop",
        f"  {command} -m key=a,b ...  sweep over values; give out='FOLDER/${{hydra:job.num}}'",
    ]
    return "\n".join(lines)


def merged(defaults: Mapping[str, Any], deltas: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with the deltas laid over the defaults."""
    result = dict(defaults)
    for name, value in deltas.items():
        both = isinstance(value, Mapping) and isinstance(result.get(name), Mapping)
        result[name] = merged(result[name], value) if both else value
    return result


def laid_over(kind: Any, defaults: Any, deltas: Any) -> Any:
    """Return the deltas laid over the defaults of a spec, at any depth.

    Where the deltas name another `kind` of spec, its own defaults are what they lie over.

    Args:
        kind: type that the settings are of; mappings of any other are merged name by name.
        defaults: of the settings, plain data.
        deltas: some of the settings, plain data.
    """
    if not isinstance(deltas, Mapping):
        return deltas
    given = defaults if isinstance(defaults, Mapping) else {}
    tag = deltas.get("kind", given.get("kind"))
    spec = spec_of(kind, tag)
    if spec is None:
        return merged(given, deltas)
    is_other = not given or (len(members(kind)) > 1 and tag != given.get("kind"))
    settings, hints = plain_defaults(spec) if is_other else given, typing.get_type_hints(spec)
    changed = {
        name: laid_over(hints.get(name), settings.get(name), deltas[name]) for name in deltas
    }
    return {**settings, **changed}


def closest(name: str, known: Iterable[str]) -> str:
    """Return a remark that names the known setting most like `name`, or where to find them all."""
    known = list(known)
    if name in known:
        return "another kind has it"
    leaves = {path.split(".")[-1]: path for path in reversed(known)}
    found = difflib.get_close_matches(name, leaves.values(), n=1, cutoff=0.6)
    similar = found or difflib.get_close_matches(name.split(".")[-1], leaves, n=1, cutoff=0.6)
    if not similar:
        return "--help lists the settings"
    return f"did you mean {leaves.get(similar[0], similar[0])}?"


def _default(field: dataclasses.Field, kind: Any) -> Any:
    if field.default is not dataclasses.MISSING:
        return as_plain(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return as_plain(field.default_factory())
    return plain_defaults(kind) if dataclasses.is_dataclass(kind) else MISSING  # type: ignore[arg-type]


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _select(values: Any, path: str, parent: str) -> Any:
    for name in path.removeprefix(f"{parent}.").split("."):
        values = values.get(name, MISSING) if isinstance(values, Mapping) else MISSING
    return values


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_shown(item) for item in value) + "]"
    return str(value)
