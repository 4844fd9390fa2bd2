"""Settings of the whole test run: four CPU devices, quick compilation, executed shape annotations, strict promotion."""

import os
import subprocess
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
if os.environ["JAX_PLATFORMS"] == "cpu":
    # Compile quickly rather than well: tests run each program once. Numeric tests have tolerances that hold either way.
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
    )
    if version("jaxlib").startswith(
        "0.10."
    ):  # later ones know no such flag; half the time to compile
        os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")

ROOT = Path(__file__).resolve().parents[1]


def _folder(variable: str, name: str) -> Path:
    folder = Path(os.environ.get(variable, ROOT.parent / "shared" / name))
    if not folder.is_dir():
        pytest.skip(f"{variable} names no folder and ../shared/{name} is not there")
    return folder


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real micrographs, or a skip with its reason."""
    return _folder("JAXPICK_DATA", "data")


@pytest.fixture(scope="session")
def oracles() -> Path:
    """The folder of other programs' inputs and outputs, or a skip with its reason."""
    return _folder("JAXPICK_ORACLES", "oracles")


class SmallDisk:
    """A disk of its own, of which all but so much can be taken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def leave(self, kib: float) -> None:
        """Take all space but so many KiB."""
        self.give_back()
        free = os.statvfs(self.path)
        self._filler.write_bytes(bytes(free.f_bavail * free.f_frsize - int(1024 * kib)))

    def give_back(self) -> None:
        """Leave all space free."""
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def small_disk(tmp_path_factory):
    """A disk of 4 MiB in memory; a skip where one may not be mounted."""
    path = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small disk can be mounted here ({error})")
    yield SmallDisk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture(scope="session", autouse=True)
def compiler_cache(tmp_path_factory):
    """Keep compiled programs for the session: the same small ones are compiled many times over."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
