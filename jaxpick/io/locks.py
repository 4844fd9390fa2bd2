"""One process at a time writes into a folder, or several that agree on what.

The operating system keeps the lock and drops it when the process ends, however it ends; what is
left in the folder is an empty file that means nothing.
"""

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path

from jaxpick.io.files import InputError, OutputError, make_folder

NAME = ".lock"
SECONDS_TO_PREPARE = 10.0


@contextlib.contextmanager
def sole_writer(folder: Path | str) -> Iterator[None]:
    """Hold a folder, made if missing, for this process; do without where its file system has no locks.

    Raises:
        InputError: when another process holds it.
        OutputError: when it cannot be made.
    """
    folder = Path(folder)
    with _lock_file(folder) as file:
        if _is_taken(file, fcntl.LOCK_EX):
            raise InputError(
                f"{folder}: another process is writing here; wait for it to end, or give another out="
            )
        yield


@contextlib.contextmanager
def joint_writer(folder: Path | str, prepare: Callable[[bool], None]) -> Iterator[None]:
    """Hold a folder together with other processes that do the same.

    Args:
        folder: made if missing.
        prepare: called with True while no other process holds the folder, if it can be so; then
            with False once they may. It raises where what the others do there does not go together
            with what this one will.

    Raises:
        InputError: when a `sole_writer` holds it.
        OutputError: when it cannot be made.
    """
    folder = Path(folder)
    with _lock_file(folder) as file:
        if not _is_taken(file, fcntl.LOCK_EX):
            prepare(True)
        end = time.monotonic() + SECONDS_TO_PREPARE
        while _is_taken(file, fcntl.LOCK_SH):
            if time.monotonic() > end:
                raise InputError(
                    f"{folder}: another process is writing here; wait for it to end, or give "
                    "another out="
                )
            time.sleep(0.01)
        prepare(False)
        yield


def _lock_file(folder: Path) -> TextIOWrapper:
    make_folder(folder)
    try:
        return (folder / NAME).open("w")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _is_taken(file: TextIOWrapper, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks here
        return False
    return False
