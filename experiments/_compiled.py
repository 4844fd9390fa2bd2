"""Compiled programs kept on disk, so that a command compiles once for each shape and not each time.

They lie in the user's cache folder, apart for each kind of processor: a home folder may be shared by
machines whose instructions differ. JAX's own variables go first: JAX_COMPILATION_CACHE_DIR=FOLDER
keeps them elsewhere, JAX_ENABLE_COMPILATION_CACHE=false nowhere.
"""

import contextlib
import hashlib
import logging
import os
import platform
import sys
import warnings
from pathlib import Path
from typing import Any

SECONDS_WORTH_KEEPING = 0.05


def keep_compiled_programs() -> None:
    """Turn the store of compiled programs on; leave it off where its folder cannot be written.

    A command that has not loaded JAX does not load it for this.
    """
    jax = sys.modules.get("jax")
    if jax is None or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = compiled_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS_WORTH_KEEPING)
    _quiet(jax)


def compiled_folder() -> Path:
    """Return the folder of this kind of processor."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "jaxpick" / "compiled" / _processor()


def _processor() -> str:
    """Return a short name of the instructions that this machine knows."""
    known = f"{platform.machine()} {platform.processor()}"
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        known = next((line for line in file if line.startswith(("flags", "Features"))), known)
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def _quiet(jax: Any) -> None:
    """Silence what a store that is full or damaged says: programs are compiled anew then.

    XLA also logs an error for each program that it reads on a CPU, naming two tuning hints that
    are no instructions (`prefer-no-gather`, `prefer-no-scatter`); only its fatal messages are kept.
    JAX's own warnings stay.
    """
    for doing in ("reading", "writing"):
        warnings.filterwarnings("ignore", f"Error {doing} persistent compilation cache")
    jax.config.update("jax_logging_level", "CRITICAL")
    logging.getLogger("jax").setLevel(logging.WARNING)
    logging.getLogger("jaxlib").setLevel(logging.WARNING)
