"""Finding input files and writing output files so that nothing is ever half-written."""

import contextlib
import fcntl
import functools
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_WRITING = ".writing-"


class InputError(ValueError):
    """Input that cannot be used; the message is one sentence that names the file, the value and what was expected."""


class OutputError(InputError):
    """Output that cannot be written: there is no sense in going on with other input."""


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on failure removed.

    The temporary name keeps the suffix, since some writers choose the format by it. What a killed
    process left is removed by the next that writes into the folder.

    Raises:
        OutputError: when the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    try:
        make_folder(path.parent)
        _remove_abandoned(path.parent.absolute())
        with _temporary(path) as temporary:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({_reason(error)})") from error


def _reason(error: OSError) -> str:
    """Return what the system said; numpy only counts what did not fit."""
    is_cut = re.fullmatch(r"\d+ requested and \d+ written", str(error))
    return "No space left on device" if is_cut else error.strerror or str(error)


def make_folder(folder: Path) -> None:
    """Make a folder if it is missing.

    Raises:
        OutputError: when it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OutputError(f"{folder}: expected a folder to write into, not a file") from None
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({_reason(error)})") from error


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Make a file that is locked as long as this process writes it, and remove it if it is left."""
    descriptor, name = tempfile.mkstemp(
        prefix=f"{_WRITING}{path.stem[:40]}-", suffix=path.suffix, dir=path.parent
    )
    temporary = Path(name)
    try:
        with contextlib.suppress(OSError):  # no locks here, and so nothing is taken for abandoned
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


@functools.cache
def _remove_abandoned(folder: Path) -> None:
    """Remove what killed processes were writing in a folder; done once by each process."""
    for path in folder.glob(f"{_WRITING}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
            continue
        with contextlib.suppress(OSError), path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while its writer lives
            path.unlink()


def discard_folder(folder: Path) -> None:
    """Remove a folder, if there is one, as if at once: what a kill leaves of it has no name any more.

    The next that writes beside it removes the rest.
    """
    nameless = folder.with_name(f"{_WRITING}{folder.name}-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(nameless)
        shutil.rmtree(nameless)


def write_text(path: Path | str, text: str) -> None:
    """Write text whole or not at all; bytes of file names that are no UTF-8 come out as they went
    in.

    Raises:
        OutputError: when the folder cannot be written or the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", errors="surrogateescape"))


def find_files(pattern: str | Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files that a path, a folder or a glob names, sorted, restricted to `suffixes` (folder and glob).

    A glob may hold one `{a,b}`, as in a shell: folders to look into.

    Raises:
        InputError: when nothing matches.
    """
    text = os.path.expanduser(str(pattern))
    if Path(text).is_file():
        return [Path(text)]
    if Path(text).is_dir():
        text = os.path.join(glob.escape(text), "*")
    names = glob.glob(text, recursive=True)
    if not names and (braces := re.search(r"\{([^{}]*,[^{}]*)\}", text)):
        each = [text.replace(braces[0], choice) for choice in braces[1].split(",")]
        names = [name for one in each for name in glob.glob(one, recursive=True)]
    found = sorted(Path(name) for name in names)
    kept = [path for path in found if path.is_file() and path.name.lower().endswith(suffixes)]
    if not kept:
        expected = "/".join(suffixes)
        raise InputError(f"{pattern}: no such file, folder or glob with files ending in {expected}")
    return kept
