"""Arguments as they are typed become arguments as Hydra reads them.

Hydra's grammar gives commas, brackets, `=` and blanks a meaning, which a glob or a file's name has
no use for: text settings are quoted. Nothing here knows Hydra itself.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from experiments import _commandline as commandline
from jaxpick.spec import SpecError

HYDRAS_OWN = ("range", "interval", "glob", "tag", "sort", "shuffle", "extend_list")
CONF = Path(__file__).resolve().parents[1] / "conf"


def as_hydra_reads(
    arguments: list[str], spec_type: type, choices: Iterable[str], is_sweep: bool
) -> list[str]:
    """Return the arguments as Hydra has to be given them.

    Args:
        arguments: as typed.
        spec_type: of the command's settings.
        choices: fields that hold a mapping whose names are those of a spec that is chosen.
        is_sweep: commas separate the values of a sweep.
    """
    fields = commandline.composite_fields(spec_type)
    free = [name for name, kind in fields.items() if not commandline.has_specs(kind)]
    files = {f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml")}
    names = [name for name in free if name not in choices]
    # A choice of conf/, as data=empiar, is no text for the mapping.
    opened = [a if _all_in(a, files) else open_mappings([a], names)[0] for a in arguments]
    return quote_arguments(opened, spec_type, is_sweep)


def _call_as_text(argument: str) -> str:
    name, _, value = argument.partition("=")
    call = re.fullmatch(r"(\w+)\([^']*\)", value)
    return f"{name}='{value}'" if call and call[1] not in HYDRAS_OWN else argument


def _all_in(argument: str, files: set[str]) -> bool:
    name, _, values = argument.partition("=")
    return all(f"{name}={value}" in files for value in values.split(","))


def quote_arguments(arguments: list[str], spec_type: type, is_sweep: bool) -> list[str]:
    """Quote the values of text settings, so that globs, commas, `=`, brackets and blanks reach them
    untouched.

    A shell removes its own quotes, and Hydra's grammar would then read `a,b` as a sweep and `x=y`
    as a mistake. In a sweep, commas, intervals and choices keep their meaning; a value that is
    already quoted stays as it is.
    """
    kinds = {field.path: field.kind for field in commandline.flatten(spec_type)}
    return [_quote_argument(argument, kinds, is_sweep) for argument in arguments]


def open_mappings(arguments: list[str], names: Iterable[str]) -> list[str]:
    """Mark the settings within mappings that hold any names as new ones, as Hydra wants them
    marked: `decode.mass=3` becomes `++decode.mass=3`. What looks like a function is text there, unless
    Hydra sweeps with it: `space.rate=log(1,10)` becomes `++space.rate='log(1,10)'`.
    """
    pattern = re.compile(rf"({'|'.join(map(re.escape, names)) or '(?!)'})[.=]")
    return [f"++{_call_as_text(a)}" if pattern.match(a) else a for a in arguments]


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


def check_sweep(arguments: list[str], spec_type: type) -> None:
    """Refuse a sweep whose jobs would all write into one folder.

    Raises:
        SpecError: naming it, and how each job is given its own.
    """
    if "out" not in {field.name for field in dataclasses.fields(spec_type)}:
        return
    out = next((a.partition("=")[2] for a in arguments if a.startswith("out=")), "")
    if "${" not in out and "," not in out:
        raise SpecError(
            f"out: the jobs of a sweep would all write into {out or 'one folder'!r}; "
            f"give out='{out or 'FOLDER'}/${{hydra:job.num}}'"
        )


def check_single(arguments: list[str]) -> None:
    """Refuse a launcher where nothing is launched.

    Raises:
        SpecError: naming it, and what it needs.
    """
    chosen = next((a for a in arguments if a.startswith("launcher=")), "launcher=local")
    if chosen != "launcher=local" and "--cfg" not in arguments:
        raise SpecError(f"{chosen}: launchers are for sweeps; give -m, with one value for one job")


def _quote_argument(argument: str, kinds: Mapping[str, Any], is_sweep: bool) -> str:
    key, equals, value = argument.partition("=")
    kind = kinds.get(key.lstrip("+"))
    parts = commandline.parts(kind)
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
