"""One process at a time writes into a folder.

The operating system keeps the lock and drops it when the process ends, however it ends; what is
left in the folder is an empty file that means nothing.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from jaxpick.io.files import InputError

NAME = ".lock"


@contextlib.contextmanager
def sole_writer(folder: Path | str) -> Iterator[None]:
    """Hold a folder, made if missing, for this process; do without where its file system has no locks.

    Raises:
        InputError: when another process holds it, or it cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / NAME).open("w")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{folder}: another process is writing here; wait for it to end, or give another out="
            ) from None
        except OSError:  # no locks here
            pass
        yield
