"""What a command's spec says on the command line: its defaults as plain data, its help, and how its
values are quoted.

Plain functions of a frozen spec; nothing here knows Hydra.
"""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from jaxpick.spec import SpecError, as_plain

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
    specs = [part for part in _parts(kind) if dataclasses.is_dataclass(part)]
    tagged: dict[str, Any] = {}
    for spec in specs:
        tag = typing.get_type_hints(spec).get("kind")
        if get_origin(tag) is Literal and len(get_args(tag)) == 1:
            tagged[get_args(tag)[0]] = spec
    return tagged if len(tagged) == len(specs) else {}


def composite_fields(spec_type: type) -> dict[str, Any]:
    """Return the fields that hold a spec, a union of specs or a mapping, with their types."""
    hints = typing.get_type_hints(spec_type)
    kept = {}
    for field in dataclasses.fields(spec_type):
        parts = _parts(hints[field.name])
        if any(dataclasses.is_dataclass(part) or _is_mapping(part) for part in parts):
            kept[field.name] = hints[field.name]
    return kept


def has_specs(kind: Any) -> bool:
    """Return whether a field's type is a spec or a union with one, not a mapping of any names."""
    return any(dataclasses.is_dataclass(part) for part in _parts(kind))


def flatten(spec_type: type, prefix: str = "") -> list[Field]:
    """List every setting of a spec and of the specs within it, depth first."""
    hints, defaults = typing.get_type_hints(spec_type), plain_defaults(spec_type)
    found = []
    for field in (f for f in dataclasses.fields(spec_type) if f.init):
        path, kind, default = prefix + field.name, hints[field.name], defaults[field.name]
        inner = [part for part in _parts(kind) if dataclasses.is_dataclass(part)]
        if isinstance(default, Mapping) and inner:
            chosen: Any = members(kind).get(str(default.get("kind")), inner[0])  # type: ignore[arg-type]
            nested = flatten(chosen, f"{path}.")
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


def quote_arguments(arguments: list[str], spec_type: type, is_sweep: bool) -> list[str]:
    """Quote the values of text settings, so that globs, commas, `=`, brackets and blanks reach them
    untouched.

    A shell removes its own quotes, and Hydra's grammar would then read `a,b` as a sweep and `x=y`
    as a mistake. In a sweep, commas, intervals and choices keep their meaning; a value that is
    already quoted stays as it is.
    """
    kinds = {field.path: field.kind for field in flatten(spec_type)}
    return [_quote_argument(argument, kinds, is_sweep) for argument in arguments]


def open_mappings(arguments: list[str], names: Iterable[str]) -> list[str]:
    """Mark the settings within mappings that hold any names as new ones, as Hydra wants them
    marked: `decode.mass=3` becomes `++decode.mass=3`.
    """
    pattern = re.compile(rf"({'|'.join(map(re.escape, names)) or '(?!)'})[.=]")
    return [f"++{a}" if pattern.match(a) else a for a in arguments]


def check_options(arguments: list[str], known: Iterable[str]) -> None:
    """Refuse what looks like another program's option, and say how it is typed here.

    Raises:
        SpecError: naming the first option that is not known.
    """
    for argument in arguments:
        name = argument.split("=")[0]
        if name.startswith("--") and name not in known:
            setting = name.lstrip("-").replace("-", "_")
            raise SpecError(f"{name}: no such option; settings are given as {setting}=VALUE")


def closest(name: str, known: Iterable[str]) -> str:
    """Return a remark that names the known setting most like `name`, or where to find them all."""
    leaves = {path.split(".")[-1]: path for path in reversed(list(known))}
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


def _parts(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


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


def _quote_argument(argument: str, kinds: Mapping[str, Any], is_sweep: bool) -> str:
    key, equals, value = argument.partition("=")
    kind = kinds.get(key.lstrip("+"))
    parts = _parts(kind)
    is_list = any(get_origin(part) is tuple and set(get_args(part)) == {str, ...} for part in parts)
    if not equals or not (str in parts or is_list) or _is_grammar(value, parts, is_sweep):
        return argument
    quoted = "'" + re.sub(r"(\\*)'", r"\1\1\\'", value)
    quoted += re.search(r"\\*$", value).group() + "'"  # type: ignore[union-attr]
    return f"{key}=[{quoted}]" if is_list and str not in parts else f"{key}={quoted}"


def _is_grammar(value: str, parts: tuple[Any, ...], is_sweep: bool) -> bool:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return True
    if value.lower() == "null" and type(None) in parts:
        return True
    if any(get_origin(part) is tuple for part in parts) and value.startswith("["):
        return True
    return is_sweep and ("," in value or re.fullmatch(r"\w+\(.*\)", value) is not None)
