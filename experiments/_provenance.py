"""What made an output folder: settings, package versions, git revision, seed, command line.

`config.json` is the settings as `jaxpick.spec.build` reads them back; `provenance.json` is the
rest. Both are written whole or not at all.
"""

import datetime
import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from jaxpick.io.files import write_text
from jaxpick.spec import as_plain

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "jaxpick",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "scipy",
    "hydra-core",
    "mrcfile",
    "gemmi",
)


def write(out: Path, spec: Any) -> None:
    """Write `config.json` and `provenance.json` into the output folder.

    Args:
        out: folder, made if missing.
        spec: the frozen spec of the run.
    """
    write_text(out / "config.json", json.dumps(as_plain(spec), indent=2, default=str) + "\n")
    record = {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "seed": getattr(spec, "seed", None),
        "git": git_revision(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": package_versions(),
        "time_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    write_text(out / "provenance.json", json.dumps(record, indent=2) + "\n")


def package_versions() -> dict[str, str | None]:
    """Return the version of each package that shapes results, None if absent."""
    return {name: _version(name) for name in PACKAGES}


def git_revision(root: Path = ROOT) -> dict[str, Any] | None:
    """Return the repository's commit and whether tracked files differ from it; None without."""
    if not (root / ".git").exists():
        return None
    revision = _git(root, "rev-parse", "HEAD")
    if revision is None:
        return None
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"revision": revision, "has_changes": None if changes is None else bool(changes)}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
