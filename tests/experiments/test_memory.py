"""Memory that a command frees is there for its next array, unless the user's settings say otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments._memory import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
PAGES = 64 * 1024**2 // 4096
COUNT = """
import resource, sys
import numpy as np
from experiments._memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else False
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(16 << 20, np.float32)
before = faults()
for _ in range(4):
    np.ones(16 << 20, np.float32)
print(int(kept), faults() - before)
"""


def count(choice, **environment):
    """Return whether glibc was told, and the page faults of four arrays of 64 MB after a first."""
    given = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    given |= {"PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", COUNT, choice]
    told = subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout
    return [int(word) for word in told.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc is told")
def test_arrays_after_the_first_fault_in_no_pages():
    """Pages of 4 KB, or of 2 MB where the system makes large ones by itself: then there is nothing to gain."""
    told, kept = count("keep")
    _, given_back = count("leave")
    if not told:
        pytest.skip("this C library has no mallopt")
    assert kept < PAGES / 100
    assert given_back > 100 * kept or given_back < PAGES / 100


def test_settings_of_the_user_are_left_alone():
    told, _ = count("keep", MALLOC_ARENA_MAX="2")
    assert told == 0
