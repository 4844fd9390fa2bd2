"""Hydra, kept in one place: a frozen spec and a function of it become a command.

`main(Spec, run)` stores the defaults of `Spec` as plain data, adds the deltas of `conf/NAME.yaml`
and the groups of `conf/`, reads `key=value` from the command line, builds the spec with
`jaxpick.spec.build` and exits with what `run(spec)` returns. A mistake of the user's ends in one
sentence and exit status 2; Ctrl-C in 130, SIGTERM in 143. An ordinary run leaves no folder or log
of Hydra's; a sweep (`-m`) keeps its record beside the jobs' own folders.

A field that holds settings of its own may have a folder of choices in `conf/`; the members of a
union of specs are choices by themselves, under their `kind`. A field that holds one value is never
a group, whatever `conf/` contains.
"""

import contextlib
import dataclasses
import inspect
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar

import yaml

from experiments import _commandline as commandline
from experiments._compiled import keep_compiled_programs
from jaxpick.io.files import InputError
from jaxpick.spec import SpecError, build

T = TypeVar("T")
Choices: TypeAlias = Mapping[str, Mapping[str, type]]
CONF = Path(__file__).resolve().parents[1] / "conf"
USER_ERRORS = (SpecError, InputError, OSError)
OPTIONS = (
    *("--cfg", "--resolve", "--package", "--run", "--multirun", "--info", "--version"),
    *("--hydra-help", "--shell-completion", "--config-path", "--config-name", "--config-dir"),
    "--experimental-rerun",
)


class JobFailedError(RuntimeError):
    """A job of a sweep that ran in another process and did not succeed."""

    def __init__(self, status: int) -> None:
        super().__init__(f"a job of the sweep ended with exit status {status}")
        self.status = status


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


def main(
    spec_type: type[T],
    run: Callable[[T], int | None],
    config_name: str | None = None,
    choices: Choices | None = None,
) -> NoReturn:
    """Run a command from `sys.argv` and exit.

    Args:
        spec_type: frozen dataclass of the command's settings; a field's `metadata={"help": ...}` is
            its help.
        run: does the work; returns the exit status, None for success.
        config_name: name of the command and of its file in `conf/`; the module's name if left out.
        choices: for a field that holds a mapping, specs by name: `field=name` fills it with that
            spec's defaults and the name itself under `name`.
    """
    name = config_name or Path(inspect.getfile(run)).stem
    command = Command(name=name, spec_type=spec_type, run=run, choices=choices or {})
    arguments = sys.argv[1:]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may hold bytes of any encoding
            stream.reconfigure(errors="backslashreplace")
    if {"-h", "--help"} & set(arguments):
        docstring = inspect.getmodule(run).__doc__ or name  # type: ignore[union-attr]
        groups = {group: list(nodes) for group, nodes in _group_nodes(command).items()}
        print(commandline.help_text(name, docstring, spec_type, groups))
        sys.exit(0)
    keep_compiled_programs()
    sys.exit(_run_hydra(command, arguments))


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""

    signal_number = signal.SIGTERM


def _is_termination(stop: BaseException | None) -> bool:
    if stop is None or getattr(stop, "signal_number", None) == signal.SIGTERM:
        return stop is not None
    return _is_termination(stop.__context__)


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that what is half-written is removed; unless another
    handler is there, or this is no main thread.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def terminate(number: int, frame: Any) -> NoReturn:
        raise _Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def compose(
    spec_type: type[T], name: str, overrides: list[str], choices: Choices | None = None
) -> T:
    """Build the spec that a command line would give, without running anything."""
    import hydra

    command = Command(name=name, spec_type=spec_type, run=lambda spec: None, choices=choices or {})
    _store(command, [])
    with hydra.initialize(version_base="1.3", config_path=None):
        quoted = _quoted(command, overrides, is_sweep=False)
        return _build(spec_type, hydra.compose(name, quoted))


def _run_hydra(command: Command, arguments: list[str]) -> int:
    """Let Hydra compose and launch; tell what goes wrong in a sentence and a status."""
    import hydra

    wants_traceback = bool(os.environ.get("HYDRA_FULL_ERROR"))
    os.environ["HYDRA_FULL_ERROR"] = (
        "1"  # Hydra would print and exit by itself; here errors are told in one sentence.
    )
    statuses: list[int] = []
    try:
        commandline.check_options(arguments, OPTIONS)
        is_sweep = bool({"-m", "--multirun"} & set(arguments))
        if is_sweep:
            _check_sweep(command.spec_type, arguments)
        _store(command, arguments)
        sys.argv[1:] = _quoted(command, arguments, is_sweep)
        decorate = hydra.main(version_base="1.3", config_path=None, config_name=command.name)
        with _sigterm_raises():
            decorate(_task(command, statuses))()
    except KeyboardInterrupt as stop:
        print(str(stop) or f"{command.name}: stopped by the user", file=sys.stderr)
        return 128 + (signal.SIGTERM if _is_termination(stop) else signal.SIGINT)
    except JobFailedError as failure:
        return max([failure.status, *statuses])
    except Exception as error:
        if wants_traceback or not _is_user_error(error):
            raise
        print(_sentence(error, command), file=sys.stderr)
        return 2
    return max(statuses, default=0)


def _quoted(command: Command, arguments: list[str], is_sweep: bool) -> list[str]:
    """Return the arguments as Hydra has to be given them."""
    fields = commandline.composite_fields(command.spec_type)
    free = [name for name, kind in fields.items() if not commandline.has_specs(kind)]
    opened = commandline.open_mappings(arguments, [f for f in free if f not in command.choices])
    return commandline.quote_arguments(opened, command.spec_type, is_sweep)


def _task(command: Command, statuses: list[int]) -> Callable[[Any], None]:
    """Return what Hydra calls for each job: build the spec, run, keep the status."""
    main_process = os.getpid()
    wants_traceback = bool(os.environ.get("JAXPICK_TRACEBACK"))

    def task(config: Any) -> None:
        try:
            status = command.run(_build(command.spec_type, config)) or 0
        except USER_ERRORS as error:
            if wants_traceback or isinstance(error, BrokenPipeError):
                raise
            print(_sentence(error, command), file=sys.stderr)
            status = 2
        if status and os.getpid() != main_process:
            raise JobFailedError(status)
        statuses.append(status)

    return task


def _build(spec_type: type[T], config: Any) -> T:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        missing = OmegaConf.missing_keys(config)
        values = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise SpecError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    if missing:
        raise SpecError(f"{', '.join(sorted(missing))}: missing; give it as {min(missing)}=VALUE")
    return build(spec_type, values)  # type: ignore[arg-type]


def _store(command: Command, arguments: list[str]) -> None:
    """Put the command's defaults, its groups and its deltas into Hydra's store."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    for left_over in [n for n in store.repo if not n.startswith(("hydra", "_dummy"))]:
        del store.repo[left_over]  # of another command in this process
    base = commandline.plain_defaults(command.spec_type)
    deltas = _read(CONF / f"{command.name}.yaml")
    choices = {}
    for group, nodes in _group_nodes(command).items():
        choices[group] = _default_choice(group, base, nodes)
        for option, (package, node) in nodes.items():
            store.store(group=group, name=option, node=node, package=package)
    for entry in deltas.pop("defaults", []):
        choices.update(entry if isinstance(entry, dict) else {})
    store.store(name="_spec_", node=base)
    last = [{"experiment": choices.pop("experiment", None)}] if "experiment" in choices else []
    defaults = ["_spec_", *({group: choice} for group, choice in choices.items()), "_self_", *last]
    quiet = [{"override hydra/job_logging": "none"}, {"override hydra/hydra_logging": "none"}]
    settings = {"defaults": defaults + quiet, "hydra": _hydra_settings(command.name, arguments)}
    store.store(name=command.name, node=settings | deltas)


def _group_nodes(command: Command) -> dict[str, dict[str, tuple[str, dict[str, Any]]]]:
    """Return group -> choice -> (package, settings), from unions and from `conf/`."""
    groups: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {}
    for field, kind in commandline.composite_fields(command.spec_type).items():
        kinds = commandline.members(kind)
        nodes = {tag: (field, commandline.plain_defaults(spec)) for tag, spec in kinds.items()}
        for name, spec in command.choices.get(field, {}).items():
            nodes[name] = (field, {"name": name, **commandline.plain_defaults(spec)})
        for path in _choices(field):
            _, defaults = nodes.get(path.stem, (field, {}))
            nodes[path.stem] = (field, commandline.merged(defaults, _read(path)))
        if nodes:
            groups[field] = nodes
    for group, folder in (("experiment", f"experiment/{command.name}"), ("launcher", "launcher")):
        nodes = {path.stem: ("_global_", _read(path)) for path in _choices(folder)}
        if nodes:
            groups[group] = nodes
    return groups


def _default_choice(group: str, base: dict[str, Any], nodes: dict[str, Any]) -> str | None:
    """Return a field's default choice, which then comes from the group, not from the base."""
    value = base.get(group)
    chosen = value.get("kind", value.get("name")) if isinstance(value, dict) else None
    if chosen not in nodes:
        return None
    package, node = nodes[chosen]
    nodes[chosen] = (package, commandline.merged(node, base.pop(group)))
    return str(chosen)


def _choices(folder: str) -> list[Path]:
    return sorted((CONF / folder).glob("*.yaml"))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from error


def _hydra_settings(name: str, arguments: list[str]) -> dict[str, Any]:
    out = next((a.partition("=")[2] for a in arguments if a.startswith("out=")), "sweeps/")
    literal = re.split(r"\$\{|,", out.strip("'\""))[0]
    return {
        "run": {"dir": "."},
        "sweep": {"dir": str(Path(literal + "_").parent), "subdir": "."},
        "output_subdir": None,
        "job": {"name": name, "chdir": False},
    }


def _check_sweep(spec_type: type, arguments: list[str]) -> None:
    """Refuse a sweep whose jobs would all write into one folder."""
    if "out" not in {field.name for field in dataclasses.fields(spec_type)}:
        return
    out = next((a.partition("=")[2] for a in arguments if a.startswith("out=")), "")
    if "${" not in out and "," not in out:
        raise SpecError(
            f"out: the jobs of a sweep would all write into {out or 'one folder'!r}; "
            f"give out='{out or 'FOLDER'}/${{hydra:job.num}}'"
        )


def _is_user_error(error: Exception) -> bool:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return isinstance(error, (*USER_ERRORS, HydraException, OmegaConfBaseException))


def _sentence(error: Exception, command: Command) -> str:
    """Say in one sentence what was wrong, with the closest known name for one that is unknown."""
    text = " ".join(str(error).split())
    unknown = re.match(r"Could not override '([^']+)'", text)
    if unknown:
        remark = commandline.closest(unknown[1], command.known())
        return f"{unknown[1]}: unknown setting; {remark}"
    absent = re.search(
        r"Could not find '(.+)/([^'/]+)' Available options in '\S+': (.*) Config search", text
    )
    if absent:
        expected = ", ".join(absent[3].split())
        return f"{absent[1]}={absent[2]}: no such choice; expected one of {expected}"
    ambiguous = re.match(r"Ambiguous value for argument '(.+?)=(.*?)' ", text)
    if ambiguous:
        return f"{ambiguous[1]}: expected one value, got {ambiguous[2]!r}; -m sweeps over several"
    if type(error).__name__ == "OverrideParseException":
        override = getattr(error, "override", "")
        return f"{override!r} cannot be read as key=value; quote text as key=\"'VALUE'\""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return text
