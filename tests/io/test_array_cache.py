"""Arrays on disk: opened without being read, by one thread at a time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jaxpick.io import array_cache
from jaxpick.io.array_cache import map_array


def test_threads_open_one_after_another(tmp_path, monkeypatch):
    """Two parsers of headers at once crash on Python 3.11."""
    path = tmp_path / "array.npy"
    np.save(path, np.arange(6.0))
    busy, load = threading.Lock(), np.load

    def alone(*args, **kwargs):
        assert busy.acquire(blocking=False), "two threads read headers at once"
        time.sleep(0.005)
        array = load(*args, **kwargs)
        busy.release()
        return array

    monkeypatch.setattr(array_cache.np, "load", alone)
    with ThreadPoolExecutor(4) as pool:
        for array in pool.map(map_array, [path] * 12):
            np.testing.assert_array_equal(array, np.arange(6.0))
