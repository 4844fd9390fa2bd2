"""Ctrl-C and SIGTERM as requests: a run ends after the step it is in, with its state saved."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal, after the state had been saved."""


@contextlib.contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Turn a first Ctrl-C or SIGTERM into a request to stop; a second acts at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}

    def request(number: int, frame: Any) -> None:
        stop.set()
        signal.signal(number, before[number])

    for number in numbers:
        signal.signal(number, request)
    try:
        yield stop
    finally:
        for number in numbers:
            signal.signal(number, before[number])
