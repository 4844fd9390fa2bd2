"""Freed memory stays with the process, so that large arrays do not fault their pages in again each time.

glibc gives every freed block above 32 MB back to the system, and each new one comes as pages that the processor
touches for the first time: on a CPU that costs several times what most array operations do (DeepEM over a 2048 x 2048
micrograph: 3.7 s, 2.0 s with its memory kept). The process grows to its peak and stays there; it does not grow beyond.
Set MALLOC_MMAP_MAX_, MALLOC_TRIM_THRESHOLD_ or MALLOC_ARENA_MAX yourself and these are left alone.
"""

import ctypes
import os
import sys

# glibc's malloc.h. The last: threads that each have a heap of their own would keep one peak each.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
NEVER = -1
VARIABLES = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX")


def keep_freed_memory() -> bool:
    """Tell glibc to keep what is freed; return whether it was told (not on other systems, nor where the user chose)."""
    if not sys.platform.startswith("linux") or any(name in os.environ for name in VARIABLES):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    wishes = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_ARENA_MAX, 1))
    return all([mallopt(option, value) for option, value in wishes])
