"""One compiler cache for the folder: the same small steps are compiled many times over."""

import jax
import pytest


@pytest.fixture(scope="session", autouse=True)
def compiler_cache(tmp_path_factory):
    """Keep compiled programs for the session."""
    names = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in names}
    for name, value in names.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
