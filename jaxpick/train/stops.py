"""Ctrl-C and SIGTERM as requests: a run ends after the step it is in, with its state saved."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal, after the state had been saved."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class StopRequest(threading.Event):
    """Set by a signal, whose number it keeps."""

    signal_number = int(signal.SIGINT)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn a first Ctrl-C or SIGTERM into a request to stop; a second acts at once.

    A signal that the process was started to ignore, as jobs in the background are, stays ignored.
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    now: dict[int, Any] = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    before = {number: action for number, action in now.items() if action is not signal.SIG_IGN}

    def request(number: int, frame: Any) -> None:
        stop.signal_number = number
        stop.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, request)
    try:
        yield stop
    finally:
        for number, action in before.items():
            signal.signal(number, action)
