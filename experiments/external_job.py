"""Pick as an External job of RELION 4 or 5, from its window or its scheduler.

    External executable:   /path/to/jaxpick/.venv/bin/python -m experiments.external_job
    Input micrographs:     CtfFind/job003/micrographs_ctf.star
    Params:                diameter 180, and any other setting of `pick`: method log, threshold 0.4, ...

RELION then runs, in the project's folder,

    ... -m experiments.external_job --o External/job012/ --in_mics micrographs.star --diameter 180 --j 4

Picks are written as RELION's own autopicking writes them (autopick.star, one file a micrograph), so
that Extract takes External/job012/autopick.star; `pick`'s tables and report are in
External/job012/picks/. A job that is continued goes on where it stopped. Whole pixels are written,
as Extract truncates fractions; `--subpixel true` keeps them. --j is the number of cores (Linux).

The job ends with the file RELION_JOB_EXIT_SUCCESS, _FAILURE or _ABORTED and the exit status 0, 1 or
2, as RELION's programs do. Micrographs that are left out are told on stderr (run.err) and are not in
autopick.star; a job that picked any other is a success.
"""

import _thread
import contextlib
import itertools
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments import _hydra, pick
from experiments._compiled import keep_compiled_programs
from experiments._hydra_errors import is_user_error, sentence
from experiments._memory import keep_freed_memory
from experiments._termination import sigterm_raises
from jaxpick.io import relion_job
from jaxpick.io.output_names import stem
from jaxpick.picking.picker import find_jobs
from jaxpick.spec import SpecError

# What RELION gives beside the settings; the scheduler adds the last.
OF_RELION = ("o", "in_mics", "j", "pipeline_control")
SECONDS_BETWEEN_LOOKS = 1.0


class Call(NamedTuple):
    """A job as RELION calls it: its folder, its micrographs, its cores, settings of `pick`."""

    job: Path
    micrographs: str
    num_cores: int
    settings: dict[str, str]


def main(arguments: Sequence[str]) -> int:
    """Run the job and mark how it ended; return 0, 1 (failure) or 2 (aborted)."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print((__doc__ or "").strip())
        return 0 if arguments else 1
    job = _value(arguments, "o")
    if not job:
        print(
            "external_job: --o is missing; expected the job's folder from RELION", file=sys.stderr
        )
        return 1
    folder = Path(job)
    try:
        relion_job.begin(folder)
        with sigterm_raises(), _stops_when_asked(folder):
            run(read_call(arguments))
    except KeyboardInterrupt as stop:
        print(f"external_job: aborted {stop}".rstrip(), file=sys.stderr)
        relion_job.end(folder, "ABORTED")
        return 2
    except Exception as error:
        relion_job.end(folder, "FAILURE")
        if os.environ.get("JAXPICK_TRACEBACK") or not is_user_error(error):
            raise
        known = _hydra.Command(name="pick", spec_type=pick.PickSpec, run=pick.run).known()
        print(sentence(error, known), file=sys.stderr)
        return 1
    relion_job.end(folder, "SUCCESS")
    return 0


def run(call: Call) -> None:
    """Pick the micrographs, and write the picks as RELION expects them."""
    if hasattr(os, "sched_setaffinity"):  # before JAX starts and counts the cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: call.num_cores])
    given = {**call.settings, "micrographs": call.micrographs, "out": str(call.job / "picks")}
    spec = _hydra.compose(pick.PickSpec, "pick", [f"{name}={given[name]}" for name in given])
    names = relion_job.listed_names(Path(call.micrographs))
    pick.run(spec)
    out = Path(spec.out)
    finished = json.loads((out / "pick.json").read_text(encoding="utf-8"))["picks"]
    jobs = [job for job in find_jobs(call.micrographs, spec.pixel_size) if job.name in finished]
    picked = {job.path: out / f"{stem(job.name)}.star" for job in jobs}
    total = relion_job.write_job_picks(call.job, picked, names, spec.subpixel)
    print(f"{total} picks in {len(picked)} micrographs -> {call.job / 'autopick.star'}")


def read_call(arguments: Sequence[str]) -> Call:
    """Read `--label value` pairs; a label without a value is true.

    Raises:
        SpecError: naming what RELION gives and this program does not take, or what is missing.
    """
    pairs: dict[str, str] = {}
    label = ""
    for argument in arguments:
        if argument.startswith("--"):
            label = argument[2:]
            pairs[label] = ""
        elif not label or pairs[label]:
            raise SpecError(f"{argument}: expected --label value, as RELION calls External jobs")
        else:
            pairs[label] = argument
    for name in pairs:
        if name.startswith("in_") and name not in OF_RELION:
            raise SpecError(f"--{name}: expected --in_mics alone; micrographs are what is picked")
    if not pairs.get("in_mics"):
        raise SpecError("--in_mics: missing; expected a list of micrographs (micrographs.star)")
    cores = pairs.get("j", "1")
    if not cores.isdigit() or int(cores) < 1:
        raise SpecError(f"--j: expected a number of cores, got {cores!r}")
    settings = {name: value or "true" for name, value in pairs.items() if name not in OF_RELION}
    return Call(Path(pairs["o"]), pairs["in_mics"], int(cores), settings)


def _value(arguments: Sequence[str], label: str) -> str:
    after = [b for a, b in itertools.pairwise(arguments) if a == f"--{label}"]
    return after[-1] if after and not after[-1].startswith("--") else ""


@contextlib.contextmanager
def _stops_when_asked(job: Path) -> Iterator[None]:
    """Interrupt the program, as Ctrl-C does, once RELION's file that asks for it is there."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            if relion_job.is_to_stop(job):
                return _thread.interrupt_main()

    threading.Thread(target=look, daemon=True).start()
    try:
        yield
    finally:
        done.set()


if __name__ == "__main__":
    keep_compiled_programs()
    keep_freed_memory()
    sys.exit(main(sys.argv[1:]))
