"""Commands that are killed at random moments, and started again.

As a program, `python killing.py PROGRAM` (a module or a script) loads a command once and runs it for
each line of arguments that it reads, in a process of its own; so a run starts in no time and may be
killed where it is at work rather than where it imports.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS_AT_MOST = 300.0
MOST_WRITES_LET_BE = 6


class Runs:
    """Runs of one command, one after another, until it is closed."""

    def __init__(self, program, compiled, seed=0):
        """Load a module, or a script, that keeps compiled programs in the folder `compiled`."""
        cache = {"JAX_COMPILATION_CACHE_DIR": str(compiled), "JAX_PLATFORMS": "cpu"}
        quick = "--xla_backend_optimization_level=0"
        keep = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
        self._random, self._running = random.Random(seed), None
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), str(program)],
            env={**os.environ, **cache, "XLA_FLAGS": quick, keep: "0", "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for pid in filter(None, (self._server.pid, self._running)):
            _signal(pid, signal.SIGKILL)
        self._server.communicate()

    def finish(self, *arguments):
        """Run to the end; return the exit status and what was told."""
        self._start(arguments)
        return self._end()

    def kill(self, out, longest, *arguments, in_a_write=False):
        """Run, and kill at a random moment of the first seconds of work or while a file is half-written.

        Returns:
            Whether it was alive, and which files it left half-written.
        """
        before, left = _state(out), _half_written(out)
        pid, end = self._start(arguments), time.monotonic() + SECONDS_AT_MOST
        while _state(out) == before and _is_alive(pid):
            assert time.monotonic() < end
            time.sleep(0.002)
        if in_a_write:
            _stop_in_a_write(pid, out, left, self._random.randrange(MOST_WRITES_LET_BE))
        else:
            time.sleep(self._random.uniform(0, longest))
        was_alive = _is_alive(pid) and _signal(pid, signal.SIGKILL)
        self._end()
        return was_alive, sorted(path for path, _ in _half_written(out) - left)

    def _start(self, arguments):
        self._server.stdin.write(json.dumps([str(a) for a in arguments]) + "\n")
        self._server.stdin.flush()
        self._running = int(self._server.stdout.readline())
        return self._running

    def _end(self):
        status, told = json.loads(self._server.stdout.readline())
        self._running = None
        return status, told


def leftovers(out):
    """Files that no command means to leave."""
    hidden = [path for path in out.rglob(".*") if path.name != ".lock"]
    return [*hidden, *out.rglob("*tmp*")]


def _stop_in_a_write(pid, out, left, let_be):
    """Halt a process when something is half-written, after so many that were let be; or let it end."""
    seen = set(left)
    while _is_alive(pid):
        found = _half_written(out) - left
        if len(seen | found) > len(left) + let_be:
            _signal(pid, signal.SIGSTOP)
            if _half_written(out) - left:
                return
            _signal(pid, signal.SIGCONT)
        seen |= found
        time.sleep(0.0005)


def _half_written(out):
    return {(path, time_ns) for path, time_ns in _state(out) if _is_half_written(path)}


def _is_half_written(path):
    return path.name.startswith(".writing-") or path.name.endswith(".orbax-checkpoint-tmp")


def _state(out):
    """Return all that is in a folder with the time of its last change; os.walk forgives what vanishes."""
    found = set()
    for folder, folders, files in os.walk(out):
        for name in (*folders, *files):
            path = Path(folder, name)
            with contextlib.suppress(FileNotFoundError):
                found.add((path, path.lstat().st_mtime_ns))
    return found


def _signal(pid, number):
    """Send a signal; return whether there was a process to take it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def _is_alive(pid):
    """Return whether a process runs; one that has ended waits as a zombie until it is asked for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def _serve(program):
    import importlib
    import runpy
    import tempfile
    import warnings

    warnings.simplefilter("ignore")
    is_script = program.endswith(".py")
    if is_script:
        sys.path.insert(0, str(Path(program).parent))
    importlib.import_module(Path(program).stem if is_script else program)
    for line in sys.stdin:
        with tempfile.TemporaryFile() as told:
            pid = os.fork()
            if pid == 0:
                os.dup2(told.fileno(), 1)
                os.dup2(told.fileno(), 2)
                sys.argv = [program, *json.loads(line)]
                if is_script:
                    runpy.run_path(program, run_name="__main__")
                else:
                    runpy.run_module(program, run_name="__main__", alter_sys=True)
                os._exit(0)
            print(pid, flush=True)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            told.seek(0)
            print(json.dumps([status, told.read().decode(errors="replace")]), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
