"""A command starts without what it does not need, and keeps compiled programs where it may."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from experiments import _compiled

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("optax", "orbax", "tensorboardX", "tensorstore", "matplotlib", "h5py", "gemmi", "mrcfile")
COMPILE = """
import jax, numpy
from experiments._compiled import keep_compiled_programs
keep_compiled_programs()


@jax.jit
def long(x):  # long enough to compile that it is kept
    y = x
    for _ in range(60):
        y = jax.numpy.cos(jax.numpy.fft.irfft(jax.numpy.fft.rfft(y)) @ y)
    return jax.numpy.linalg.svd(x)[1].sum() + 0 * y.sum()


print(long(numpy.diag(numpy.arange(1.0, 5.0))))
"""


def python(code, **environment):
    """Run code in a process of its own."""
    inherited = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS" and k[:4] != "JAX_"}
    surroundings = {**inherited, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-c", code], env=surroundings, capture_output=True, text=True
    )


def test_picking_does_not_load_what_only_training_needs():
    code = "import json, sys, experiments.pick as p; p.methods.get('unet'); print(json.dumps([*sys.modules]))"
    loaded = {name.split(".")[0] for name in json.loads(python(code).stdout)}
    assert not loaded & set(HEAVY)
    assert {"jax", "flax"} <= loaded, "the list is of what was loaded"


def test_a_damaged_store_changes_neither_results_nor_messages(tmp_path):
    first = python(COMPILE, XDG_CACHE_HOME=str(tmp_path))
    kept = [p for p in tmp_path.glob("jaxpick/compiled/*/*-cache") if p.stat().st_size]
    assert (first.stdout, first.stderr) == ("10.0\n", "") and kept
    second = python(COMPILE, XDG_CACHE_HOME=str(tmp_path))
    for path in kept:
        path.write_bytes(path.read_bytes()[:100])
    third = python(COMPILE, XDG_CACHE_HOME=str(tmp_path))
    for again in (second, third):
        assert (again.stdout, again.stderr) == ("10.0\n", "")


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """What would be told to JAX, in a home of its own."""
    told = {}
    fake = types.SimpleNamespace(config=types.SimpleNamespace(update=told.__setitem__))
    monkeypatch.setitem(sys.modules, "jax", fake)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return told


@pytest.mark.filterwarnings("default")
def test_programs_are_kept_in_the_users_cache_folder(settings, tmp_path):
    _compiled.keep_compiled_programs()
    folder = Path(settings["jax_compilation_cache_dir"])
    assert folder.is_dir() and folder.parent == tmp_path / "cache" / "jaxpick" / "compiled"


def test_the_folder_that_was_asked_for_is_left_to_jax(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    _compiled.keep_compiled_programs()
    assert not settings and not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_made_is_done_without(settings, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    _compiled.keep_compiled_programs()
    assert not settings


def test_a_command_without_jax_does_not_load_it(settings, monkeypatch):
    monkeypatch.delitem(sys.modules, "jax")
    _compiled.keep_compiled_programs()
    assert "jax" not in sys.modules and not settings
