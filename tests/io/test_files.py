"""Files appear whole or not at all; inputs are found or named in one sentence."""

import errno
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxpick.io import files
from jaxpick.io.array_cache import stored_array
from jaxpick.io.files import (
    InputError,
    OutputError,
    discard_folder,
    find_files,
    replacing,
    write_text,
)
from jaxpick.io.mrc import write_mrc


def test_text_is_replaced_and_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "text.txt"
    write_text(path, "old")
    write_text(path, "new ångström")
    assert path.read_text(encoding="utf-8") == "new ångström"
    assert [p.name for p in path.parent.iterdir()] == ["text.txt"]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OSError(errno.ENOSPC, "No space left"), InputError),
        (KeyboardInterrupt("stop"), KeyboardInterrupt),
    ],
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, failure, told):
    path = tmp_path / "text.txt"
    write_text(path, "old")
    with (
        pytest.raises(told, match=r"text\.txt: cannot be written \(No space left\)|stop"),
        replacing(path) as temporary,
    ):
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_bytes_of_other_encodings_come_out_as_they_went_in(tmp_path):
    write_text(tmp_path / "text", b"m\xe9.mrc".decode("utf-8", errors="surrogateescape"))
    assert (tmp_path / "text").read_bytes() == b"m\xe9.mrc"


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    write_text(tmp_path / "out", "a file")
    for path in (tmp_path / "out" / "a.txt", tmp_path / "out" / "b" / "a.txt"):
        with pytest.raises(InputError, match=r"out.*: expected a folder to write into"):
            write_text(path, "more")


def test_the_temporary_name_keeps_the_suffix_and_is_hidden(tmp_path):
    with replacing(tmp_path / "picture.png") as temporary:
        assert temporary.suffix == ".png" and temporary.name.startswith(".")
        assert temporary.parent == tmp_path


def test_files_are_found_by_name_folder_and_glob(tmp_path):
    for name in ("b.mrc", "a.MRC", "a.txt", "[1].mrc"):
        (tmp_path / name).touch()
    (tmp_path / "folder.mrc").mkdir()
    expected = ["[1].mrc", "a.MRC", "b.mrc"]
    assert [p.name for p in find_files(tmp_path, (".mrc",))] == expected
    assert [p.name for p in find_files(f"{tmp_path}/*", (".mrc",))] == expected
    assert [p.name for p in find_files(tmp_path / "a.txt", (".mrc",))] == ["a.txt"]
    assert [p.name for p in find_files(tmp_path / "[1].mrc", (".mrc",))] == ["[1].mrc"]


@pytest.mark.parametrize("name", ["none.mrc", "*.tif", ""])
def test_nothing_found_is_told(tmp_path, name):
    with pytest.raises(InputError, match="no such file, folder or glob"):
        find_files(tmp_path / name, (".mrc",))


LEFT_OVER = """
import os, signal, sys
from jaxpick.io.files import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    if sys.argv[2] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    with writer(tmp_path / "a.txt", "lives") as alive:
        written = Path(alive.stdout.readline().strip())
        with writer(tmp_path / "b.txt", "dies") as dead:
            left = Path(dead.stdout.readline().strip())
        assert dead.wait() == -signal.SIGKILL and left.is_file() and written.is_file()
        write_text(tmp_path / "mine.txt", "mine")
        assert not left.exists() and written.is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "mine.txt"]
    assert (tmp_path / "a.txt").read_text() == "half"


def writer(path, end):
    """Start a process that writes a file and dies, or waits until its input is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", LEFT_OVER, str(path), end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_files_of_others_are_never_taken_for_left_over(tmp_path):
    for name in (".hidden", ".mine-abcdefgh.txt", "writing-a.txt"):
        (tmp_path / name).touch()
    write_text(tmp_path / "a.txt", "a")
    assert len(list(tmp_path.iterdir())) == 4


def test_a_folder_goes_as_if_at_once(tmp_path, monkeypatch):
    """A kill in the midst leaves nothing of its name, and the next writer removes the rest."""
    for name in ("a", "b"):
        write_text(tmp_path / "folder" / name, name)

    def killed(folder):
        (folder / "a").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", killed)
        discard_folder(tmp_path / "folder")
    assert not (tmp_path / "folder").exists() and any(tmp_path.iterdir())
    discard_folder(tmp_path / "folder")
    files._remove_abandoned.cache_clear()  # as a new process would
    write_text(tmp_path / "c", "c")
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize("write", ["text", "array", "micrograph"])
def test_what_a_limit_cuts_short_is_no_file(tmp_path, write):
    """The sizes of files are limited, as where a quota is used up; what was there stays."""
    image = np.ones((64, 64), np.float32)
    writers = {
        "text": lambda: write_text(tmp_path / "text", "more" * 4096),
        "array": lambda: stored_array(tmp_path, "array", {}, lambda: (image, {})),
        "micrograph": lambda: write_mrc(tmp_path / "m.mrc", image, 1.0),
    }
    write_text(tmp_path / "text", "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OutputError, match=r": cannot be written \((File too large|No space)"):
            writers[write]()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.suffix for path in tmp_path.iterdir()} <= {"", ".json"}
    assert (tmp_path / "text").read_text() == "old"
