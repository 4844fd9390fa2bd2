"""setup.sh: which Python it takes, how it gets one, and what it says when nothing works; without a network."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("cat", "cmp", "cp", "dirname", "echo", "mkdir", "rm", "sed", "sh", "tail", "tr", "chmod")
NEW = 'case "$*" in *venv*) fake_environment ;; *--version*) echo Python 3.12.1 ;; esac'
OLD = 'case "$*" in *sys.version_info*) exit 1 ;; *"-m venv"*) fake_bootstrap ;; esac'
UV = 'echo "$@" >> uv_calls; fake_environment'
SHARED = """#!/bin/sh
fake_environment() {
  mkdir -p .venv/bin
  printf '#!/bin/sh\\necho "$@" >> pip_calls\\n' > .venv/bin/python
  chmod +x .venv/bin/python
}
fake_bootstrap() {
  mkdir -p .bootstrap/bin
  cp "$UV" .bootstrap/bin/uv
  printf '#!/bin/sh\\n%s\\n' "$PIP" > .bootstrap/bin/python
  chmod +x .bootstrap/bin/*
}
"""


@pytest.fixture
def place(tmp_path):
    """A folder with setup.sh and a PATH of its own that holds no Python."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found is None:
            pytest.skip(f"{tool} is not on the PATH")
        (tmp_path / "bin" / tool).symlink_to(found)
    here = tmp_path / "jaxpick"
    here.mkdir()
    text = (ROOT / "setup.sh").read_text().replace("/opt/", f"{tmp_path}/opt/")
    (here / "setup.sh").write_text(text)
    (here / "pyproject.toml").write_text("[project]\n")
    program(tmp_path / "uv_to_fetch", UV)
    return here


def program(path, body):
    path.write_text(f"{SHARED}{body}\n")
    path.chmod(0o755)


def setup(place, **variables):
    environment = {"PATH": str(place.parent / "bin"), "HOME": str(place.parent), "PIP": "true"}
    environment |= {"UV": str(place.parent / "uv_to_fetch"), **variables}
    return subprocess.run(
        ["sh", "setup.sh"], cwd=place, env=environment, capture_output=True, text=True, timeout=60
    )


def calls(place, name):
    path = place / name
    return path.read_text() if path.is_file() else ""


def test_a_new_python_is_taken_and_nothing_is_fetched(place):
    program(place.parent / "bin" / "python3", OLD)
    program(place.parent / "bin" / "python3.12", NEW)
    done = setup(place)
    assert done.returncode == 0 and not done.stderr, done
    assert "making .venv with Python 3.12.1" in done.stdout
    assert "pip install" in calls(place, "pip_calls") and not calls(place, "uv_calls")


@pytest.mark.parametrize("has_uv", [False, True])
def test_where_all_pythons_are_old_uv_fetches_one(place, has_uv):
    """With the uv that is there, or one that the old Python installs; what it took to do so is removed."""
    program(place.parent / "bin" / "python3", OLD)
    if has_uv:
        program(place.parent / "bin" / "uv", UV)
    done = setup(place)
    assert done.returncode == 0 and not done.stderr, done
    assert "fetching one with uv" in done.stdout
    assert "venv -q --seed --python 3.12 .venv" in calls(place, "uv_calls")
    assert "pip install" in calls(place, "pip_calls") and not (place / ".bootstrap").exists()


@pytest.mark.parametrize(
    ("python", "pip", "said"),
    [
        (OLD, "echo no uv here; exit 1", "that failed (no uv here): install Python 3.11 or newer"),
        ("echo no venv here; exit 1", "true", "that failed (no venv here): install Python"),
        (None, "true", "not found): install Python 3.11 or newer"),
    ],
)
def test_where_nothing_works_one_sentence_says_so(place, python, pip, said):
    if python is not None:
        program(place.parent / "bin" / "python3", python)
    done = setup(place, PIP=pip)
    assert done.returncode == 1
    assert done.stderr.startswith("setup: that failed (") and said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_python_that_is_named_and_does_not_do_is_refused(place):
    program(place.parent / "bin" / "python3.12", NEW)
    program(place.parent / "bin" / "mine", OLD)
    done = setup(place, PYTHON="mine")
    expected = "setup: PYTHON=mine is not a Python 3.11 to 3.14 that can make environments\n"
    assert (done.returncode, done.stderr) == (1, expected)


def test_a_second_run_does_nothing(place):
    program(place.parent / "bin" / "python3.12", NEW)
    setup(place)
    before = calls(place, "pip_calls")
    done = setup(place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "install" not in calls(place, "pip_calls").removeprefix(before)


def test_packages_that_cannot_be_installed_are_told(place):
    broken = NEW.replace("fake_environment", "fake_environment; " + REFUSE)
    program(place.parent / "bin" / "python3.12", broken)
    done = setup(place)
    assert done.returncode == 1
    assert done.stderr.endswith("with a network and space on the disk, run this again\n")


REFUSE = """printf '#!/bin/sh\\ncase "$*" in *install*) exit 1 ;; esac\\n' > .venv/bin/python"""


def test_this_python_would_do(place):
    """The question that is put to an interpreter, put to a real one."""
    (place.parent / "bin" / "python3").symlink_to(sys.executable)
    question = 'usable() { :; }; eval "$(sed -n "/^usable()/,/^}/p" setup.sh)"; usable python3 sys'
    path = {"PATH": str(place.parent / "bin")}
    assert subprocess.run(["sh", "-c", question], cwd=place, env=path).returncode == 0
