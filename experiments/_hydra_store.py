"""What Hydra composes a command from: its defaults, the files of `conf/` and the groups of choices.

A field that holds settings of its own may have a folder of choices in `conf/`; the members of a
union of specs are choices by themselves, under their `kind`, and so are the specs that a command
names. A file that says which of these it is about (`name` or `kind`) is laid over that one's own
defaults. A field that holds one value is never a group, whatever `conf/` contains.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from experiments import _commandline as commandline
from experiments._kinds import Choices, TypedKinds
from jaxpick.io.files import InputError

# What an experiment changes for one method: conf/experiment/COMMAND/EXPERIMENT/METHOD.yaml.
_OF_METHOD = "of_method"
CONF = Path(__file__).resolve().parents[1] / "conf"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """A command as it is typed: its name, its spec, the function that does the work, its choices."""

    name: str
    spec_type: type
    run: Callable[[Any], int | None]
    choices: Choices = dataclasses.field(default_factory=dict)

    def known(self) -> list[str]:
        """Return the dotted paths of all settings."""
        fields = commandline.flatten(self.spec_type)
        for group, specs in self.choices.items():
            for spec in specs.values():
                fields += commandline.flatten(spec, f"{group}.")
        return [field.path for field in fields]


class Node(NamedTuple):
    """A choice: the settings that it gives, where they go, and the spec that they are of, if any."""

    settings: dict[str, Any]
    package: str = "_global_"
    spec: type | None = None


def store(command: Command, arguments: list[str]) -> None:
    """Put the command's defaults, its groups and its deltas into Hydra's store."""
    from hydra.core.config_store import ConfigStore

    place = ConfigStore.instance()
    for left_over in [n for n in place.repo if not n.startswith(("hydra", "_dummy"))]:
        del place.repo[left_over]  # of another command in this process
    kinds = TypedKinds.of(arguments, command.spec_type, command.choices)
    base = kinds.within(commandline.plain_defaults(command.spec_type))
    deltas = kinds.within(_read(CONF / f"{command.name}.yaml"))
    choices = {}
    for group, nodes in groups(command).items():
        choices[group] = _default_choice(group, base, nodes)
        for option, node in nodes.items():
            settings = _with_kinds(node, group, kinds)
            place.store(group=group, name=option, node=settings, package=node.package)
    for entry in deltas.pop("defaults", []):
        choices.update(entry if isinstance(entry, dict) else {})
    place.store(name="_spec_", node=base)
    last = [{"experiment": choices.pop("experiment")}] if "experiment" in choices else []
    for path in _files(f"experiment/{command.name}", "*/*.yaml"):
        name, settings = f"{path.parent.name}_{path.stem}", kinds.within(_read(path))
        place.store(group=_OF_METHOD, name=name, node=settings, package="_global_")
        last[1:] = [{f"optional {_OF_METHOD}": "${experiment}_${method}"}]
    defaults = ["_spec_", *({group: choice} for group, choice in choices.items()), "_self_", *last]
    quiet = [{"override hydra/job_logging": "none"}, {"override hydra/hydra_logging": "none"}]
    settings = {"defaults": defaults + quiet, "hydra": _hydra_settings(command.name, arguments)}
    place.store(name=command.name, node=settings | deltas)


def groups(command: Command) -> dict[str, dict[str, Node]]:
    """Return group -> choice -> settings, from unions, from the command and from `conf/`."""
    found: dict[str, dict[str, Node]] = {}
    for field, kind in commandline.composite_fields(command.spec_type).items():
        nodes = {
            tag: Node(commandline.plain_defaults(spec), field, spec)
            for tag, spec in commandline.members(kind).items()
        }
        for name, spec in command.choices.get(field, {}).items():
            settings = {"name": name, **commandline.plain_defaults(spec)}
            nodes[name] = Node(settings, field, spec)
        own = dict(nodes)
        for path in _files(field):
            nodes[path.stem] = _laid_over_its_own(path, own, Node({}, field))
        if nodes:
            found[field] = nodes
    whole = {
        "experiment": f"experiment/{command.name}",
        "launcher": "launcher",
        "sweeper": "sweeper",
    }
    for group, folder in whole.items():
        if paths := _files(folder):
            found[group] = {path.stem: Node(_read(path)) for path in paths}
    return found


def _laid_over_its_own(path: Path, own: Mapping[str, Node], other: Node) -> Node:
    """Return the settings of a file over the defaults of the choice that it names or is named after.

    A file with a list of defaults says itself what it lies over.
    """
    deltas = _read(path)
    named = deltas.get("name", deltas.get("kind", path.stem))
    node = other if "defaults" in deltas else own.get(named, other)
    return node._replace(settings=commandline.laid_over(node.spec, node.settings, deltas))


def _default_choice(group: str, base: dict[str, Any], nodes: dict[str, Node]) -> str | None:
    """Return a field's default choice, which then comes from the group, not from the base."""
    value = base.get(group)
    chosen = value.get("kind", value.get("name")) if isinstance(value, dict) else None
    if chosen not in nodes:
        return None
    node = nodes[chosen]
    nodes[chosen] = node._replace(settings=commandline.merged(node.settings, base.pop(group)))
    return str(chosen)


def _with_kinds(node: Node, group: str, kinds: TypedKinds) -> dict[str, Any]:
    if node.package == "_global_":
        return kinds.within(node.settings)
    settings: dict[str, Any] = kinds.within({group: node.settings})[group]
    return settings


def _files(folder: str, pattern: str = "*.yaml") -> list[Path]:
    return sorted((CONF / folder).glob(pattern))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from error


def _hydra_settings(name: str, arguments: list[str]) -> dict[str, Any]:
    out = next((a.partition("=")[2] for a in arguments if a.startswith("out=")), "sweeps/")
    # out='FOLDER/${hydra:job.override_dirname}' names a job's folder by what was typed for it.
    named = {"exclude_keys": ["out", "launcher", "sweeper", "hardware", "overwrite"]}
    literal = re.split(r"\$\{|,", out.strip("'\""))[0]
    return {
        "run": {"dir": "."},
        "sweep": {"dir": str(Path(literal + "_").parent), "subdir": "."},
        "output_subdir": None,
        "job": {"name": name, "chdir": False, "config": {"override_dirname": named}},
    }
