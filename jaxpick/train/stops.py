"""Signals as requests: a run ends after the step it is in, with its state saved."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


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

    So do SIGUSR1 and SIGUSR2 where something handles them: a scheduler's word that the time is up. A
    signal that the process was started to ignore, as jobs in the background are, stays ignored.
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    now: dict[int, Any] = {number: signal.getsignal(number) for number in STOPPING}
    default: dict[int, Any] = {signal.SIGUSR1: signal.SIG_DFL, signal.SIGUSR2: signal.SIG_DFL}
    before = {n: a for n, a in now.items() if a not in (signal.SIG_IGN, default.get(n))}

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
