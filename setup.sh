#!/bin/sh
# Set up jaxpick in .venv, then do one job:
#   sh setup.sh demo    simulate micrographs, pick them, evaluate, write demo/report.html
#   sh setup.sh test    run the tests
#   sh setup.sh check   linter, type checker, import walls and tests (what .ci/run calls)
#   sh setup.sh         set up only
# PYTHON=python3.12 sh setup.sh ... chooses the interpreter; EXTRAS=cuda adds GPU support.
set -eu
cd "$(dirname "$0")"

new_enough() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1
}

find_python() {
  for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python \
    "$HOME"/.pyenv/versions/3.1[1-4].*/bin/python /opt/*/bin/python3; do
    if new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
}

make_environment() {
  python=$(find_python)
  if [ -n "$python" ]; then
    echo "setup: making .venv with $($python --version)"
    "$python" -m venv .venv && return
    echo "setup: $python cannot make environments (on Debian and Ubuntu: apt install python3-venv)" >&2
    exit 1
  fi
  echo "setup: no Python 3.11 or newer here; fetching one with uv"
  python3 -m venv .bootstrap && .bootstrap/bin/pip install -q uv &&
    .bootstrap/bin/uv venv -q --seed --python 3.12 .venv && return
  echo "setup: install Python 3.11 or newer, or name one: PYTHON=/path/to/python3.12 sh setup.sh" >&2
  exit 1
}

install() { # $1: extras. A stamp of the requirements saves the seconds that pip takes to find nothing to do.
  stamp=".venv/.installed-$(echo "$1" | tr ',' '-')"
  if ! cmp -s pyproject.toml "$stamp"; then
    echo "setup: installing packages (about 800 MB on disk)"
    .venv/bin/python -m pip install -q --disable-pip-version-check -e ".[$1]"
    cp pyproject.toml "$stamp"
  fi
}

[ -x .venv/bin/python ] && new_enough .venv/bin/python || make_environment
extras=${EXTRAS:+,$EXTRAS}
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
  *)
    sed -n '2,7p' "$0" >&2
    exit 2
    ;;
esac
