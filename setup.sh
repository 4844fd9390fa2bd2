#!/bin/sh
# Set up jaxpick in .venv, then do one job:
#   sh setup.sh demo    simulate micrographs, pick them, evaluate, write demo/picks/report.html
#   sh setup.sh test    run the tests
#   sh setup.sh check   linter, type checker, import walls and tests (what .ci/run calls)
#   sh setup.sh         set up only
# PYTHON=python3.12 sh setup.sh ... chooses the interpreter; EXTRAS=cuda adds GPU support.
set -eu
cd "$(dirname "$0")"

fail() {
  echo "setup: $1" >&2
  exit 1
}

usable() { # $1: an interpreter, $2: a module. New enough, with that module.
  "$1" -c "import $2, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))" >/dev/null 2>&1
}

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    usable "$PYTHON" ensurepip || fail "PYTHON=$PYTHON is not a Python 3.11 to 3.14 that can make environments"
    echo "$PYTHON"
    return
  fi
  for candidate in python3 python3.13 python3.12 python3.11 python3.14 python \
    "${HOME:-}"/.pyenv/versions/3.1[1-4].*/bin/python /opt/*/bin/python3; do
    if usable "$candidate" ensurepip; then
      echo "$candidate"
      return
    fi
  done
}

fetch_python() { # For machines whose Pythons are all too old: uv brings its own.
  echo "setup: no Python 3.11 or newer that can make environments; fetching one with uv"
  uv=$(command -v uv || echo .bootstrap/bin/uv)
  rm -rf .venv
  if told=$(run_uv 2>&1) && usable .venv/bin/python pip; then
    rm -rf .bootstrap # the Python that uv fetched lies elsewhere
    return
  fi
  fail "that failed ($(echo "$told" | tail -n 1)): install Python 3.11 or newer (on Debian and Ubuntu \
with python3-venv), or name one: PYTHON=/path/to/python3.12 sh setup.sh"
}

run_uv() { # Any Python from 3.8 can install uv where there is none.
  if [ "$uv" = .bootstrap/bin/uv ]; then
    python3 -m venv .bootstrap && .bootstrap/bin/python -m pip install -q uv || return
  fi
  "$uv" venv -q --seed --python 3.12 .venv
}

make_environment() {
  python=$(find_python)
  if [ -z "$python" ]; then
    fetch_python
    return
  fi
  echo "setup: making .venv with $("$python" --version)"
  "$python" -m venv --clear .venv || fail "$python cannot make .venv here"
}

install() { # $1: extras. A stamp of the requirements saves the seconds that pip takes to find nothing to do.
  for stamp in ".venv/.installed-$(echo "$1" | tr ',' '-')" ".venv/.installed-test$dashed"; do
    if cmp -s pyproject.toml "$stamp"; then return; fi # what the tests need holds all the rest
  done
  echo "setup: installing packages (about 800 MB on disk)"
  .venv/bin/python -m pip install -q --disable-pip-version-check -e ".[$1]" ||
    fail "packages could not be installed (see above); with a network and space on the disk, run this again"
  cp pyproject.toml ".venv/.installed-$(echo "$1" | tr ',' '-')"
}

case "${1:-}" in
  "" | demo | test | check) ;;
  *)
    sed -n "2,7p" setup.sh >&2
    exit 2
    ;;
esac
extras=${EXTRAS:+,$EXTRAS}
dashed=$(echo "$extras" | tr ',' '-')
# A run that was interrupted leaves an environment without pip.
usable .venv/bin/python pip || make_environment
case "${1:-}" in
  "") install "import,tensorboard$extras" ;;
  demo)
    install "import,tensorboard$extras"
    shift
    exec .venv/bin/python -m experiments.demo "$@"
    ;;
  test)
    install "test$extras"
    shift
    exec .venv/bin/python -m pytest -q -n 2 "$@"
    ;;
  check)
    install "test$extras"
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
    exec .venv/bin/python -m pytest -q -n 2
    ;;
esac
