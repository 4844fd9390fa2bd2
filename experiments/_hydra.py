"""Hydra, kept in files of this name: a frozen spec and a function of it become a command.

`main(Spec, run)` stores the defaults of `Spec` as plain data, adds the deltas of `conf/NAME.yaml`
and the groups of `conf/` (`_hydra_store`), reads `key=value` from the command line, builds the spec
with `jaxpick.spec.build` and exits with what `run(spec)` returns. A mistake of the user's ends in
one sentence (`_hydra_errors`) and exit status 2; Ctrl-C in 130, SIGTERM in 143. An ordinary run
leaves no folder or log of Hydra's; a sweep (`-m`) keeps its record beside the jobs' own folders.
"""

import dataclasses
import importlib
import inspect
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from experiments import _commandline as commandline
from experiments import _quoting as quoting
from experiments._compiled import keep_compiled_programs
from experiments._hydra_errors import USER_ERRORS, is_lost_job, is_user_error, sentence
from experiments._hydra_store import Command, groups, store
from experiments._kinds import Choices
from experiments._memory import keep_freed_memory
from experiments._termination import exit_status, launcher_hears, sigterm_raises
from jaxpick.spec import SpecError, build

T = TypeVar("T")
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
        options = {group: list(nodes) for group, nodes in groups(command).items()}
        print(commandline.help_text(name, docstring, spec_type, options))
        sys.exit(0)
    keep_compiled_programs()
    keep_freed_memory()
    sys.exit(_run(command, arguments))


def compose(
    spec_type: type[T], name: str, overrides: list[str], choices: Choices | None = None
) -> T:
    """Build the spec that a command line would give, without running anything.

    A command may do so within its own run: what Hydra has stored of it comes back.
    """
    import hydra
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra

    command = Command(name=name, spec_type=spec_type, run=lambda spec: None, choices=choices or {})
    place, running = ConfigStore.instance(), GlobalHydra.instance().hydra
    stored = dict(place.repo)
    GlobalHydra.instance().clear()
    try:
        store(command, overrides)
        with hydra.initialize(version_base="1.3", config_path=None):
            typed = quoting.as_hydra_reads(overrides, spec_type, command.choices, is_sweep=False)
            return _build(spec_type, hydra.compose(name, typed))
    finally:
        place.repo = stored
        GlobalHydra.instance().hydra = running


def _run(command: Command, arguments: list[str]) -> int:
    """Let Hydra compose and launch; tell what goes wrong in a sentence and a status."""
    import hydra

    wants_traceback = bool(os.environ.get("HYDRA_FULL_ERROR"))
    os.environ["HYDRA_FULL_ERROR"] = (
        "1"  # Hydra would print and exit by itself; here errors are told in one sentence.
    )
    statuses: list[int] = []
    try:
        quoting.check_options(arguments, OPTIONS)
        is_sweep = bool({"-m", "--multirun"} & set(arguments))
        if is_sweep:
            quoting.check_sweep(arguments, command.spec_type)
            command = _importable(command)
        else:
            quoting.check_single(arguments)
        store(command, arguments)
        sys.argv[1:] = quoting.as_hydra_reads(
            arguments, command.spec_type, command.choices, is_sweep
        )
        decorate = hydra.main(version_base="1.3", config_path=None, config_name=command.name)
        with sigterm_raises():
            decorate(_task(command, statuses))()
    except KeyboardInterrupt as stop:
        print(str(stop) or f"{command.name}: stopped by the user", file=sys.stderr)
        return exit_status(stop)
    except JobFailedError as failure:
        return max([failure.status, *statuses])
    except Exception as error:
        if not wants_traceback and is_lost_job(error):
            told = str(error).splitlines()[0]
            print(f"launcher: {told}; the same command goes on from here", file=sys.stderr)
            return 1
        if wants_traceback or not is_user_error(error):
            raise
        print(sentence(error, command.known()), file=sys.stderr)
        return 2
    return max(statuses, default=0)


def _task(command: Command, statuses: list[int]) -> Callable[[Any], None]:
    """Return what Hydra calls for each job: build the spec, run, keep the status."""
    main_process = os.getpid()
    wants_traceback = bool(os.environ.get("JAXPICK_TRACEBACK"))

    def task(config: Any) -> None:
        keep_compiled_programs()  # a launcher may have started this process
        keep_freed_memory()
        try:
            with launcher_hears():
                status = command.run(_build(command.spec_type, config)) or 0
        except USER_ERRORS as error:
            if wants_traceback or isinstance(error, BrokenPipeError):
                raise
            print(sentence(error, command.known()), file=sys.stderr)
            status = 2
        if status and os.getpid() != main_process:
            raise JobFailedError(status)
        statuses.append(status)

    return task


def _importable(command: Command) -> Command:
    """Return the command with spec and function as other processes can import them."""
    main_module = sys.modules["__main__"].__spec__
    if main_module is None or command.run.__module__ != "__main__":
        return command
    module = importlib.import_module(main_module.name)
    spec_type = getattr(module, command.spec_type.__name__)
    return dataclasses.replace(command, spec_type=spec_type, run=module.run)


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
