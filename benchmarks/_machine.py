"""What the figures were measured on, and how fast that is: the scale of every floor."""

import datetime
import functools
import os
import platform
from importlib import metadata
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks._timing import repeated

SIDE = 2048
LARGE = 1 << 27


def described() -> str:
    """Return machine, versions and date in a line."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "flax", "numpy"))
    device = jax.devices()[0]
    on = "" if device.platform == "cpu" else f"; {device.device_kind} x {jax.device_count()}"
    load = os.getloadavg()[0]
    return (
        f"{_processor()}, {os.cpu_count()} cores{on}; Python {platform.python_version()}, {versions}; "
        f"{datetime.date.today().isoformat()}; load {load:.1f} at the start"
    )


@functools.cache
def flops_per_second() -> float:
    """Return what a float32 product of large matrices reaches here."""
    matrix = jnp.ones((SIDE, SIDE), jnp.float32)
    product = jax.jit(lambda a: jax.lax.dot(a, a, precision=jax.lax.Precision.HIGHEST))
    return 2 * SIDE**3 / min(repeated(lambda: product(matrix), 5).seconds)


@functools.cache
def bytes_per_second() -> float:
    """Return what reading and writing a large array reaches here."""
    array = jnp.ones(LARGE // 4, jnp.float32)
    double = jax.jit(lambda a: 2 * a)
    return 2 * LARGE / min(repeated(lambda: double(array), 5).seconds)


def floor_seconds(flops: float, moved_bytes: float) -> float:
    """Return the time below which this machine cannot do so many operations on so many bytes."""
    return max(flops / flops_per_second(), moved_bytes / bytes_per_second())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
