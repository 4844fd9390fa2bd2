"""Other programs, each in an environment of its own: `sh benchmarks/peers/install.sh` makes them."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "peers"
# Networks of a peer keep freed memory as our commands do (experiments/_memory.py); whole programs run as they come.
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 34), "MALLOC_ARENA_MAX": "1"}


def environment(name: str) -> Path | None:
    """Return the folder of programs of a peer's environment, None where it is not installed."""
    root = Path(os.environ.get("JAXPICK_PEERS", HERE / ".environments"))
    folder = root / name / "bin"
    return folder if (folder / "python").exists() else None


def program(name: str) -> str | None:
    """Return a program of the system, such as RELION's, None where it is not installed."""
    return shutil.which(name)


def ask(name: str, script: str, **settings: Any) -> Any | None:
    """Run `peers/SCRIPT` by a peer's own Python on settings; return the JSON that it prints, None if missing."""
    folder = environment(name)
    if folder is None:
        return None
    command = [str(folder / "python"), str(HERE.resolve() / script), json.dumps(settings)]
    with tempfile.TemporaryDirectory() as place:  # some write logs where they are started
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=place, env={**os.environ, **KEPT}
        )
    if done.returncode:
        raise RuntimeError(f"{script}: {done.stderr[-600:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def version(name: str, package: str) -> str:
    """Return a package's version in a peer's environment."""
    folder = environment(name)
    if folder is None:
        return "missing"
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([str(folder / "python"), "-c", code], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
