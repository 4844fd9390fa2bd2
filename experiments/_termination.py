"""Signals that end a command: what is half-written is removed, and a scheduler's own part follows."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any, NoReturn


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""

    signal_number = signal.SIGTERM


def exit_status(stop: KeyboardInterrupt) -> int:
    """Return 128 and the number of the signal that stopped a command, as shells do."""
    return 128 + (signal.SIGTERM if _is_termination(stop) else signal.SIGINT)


@contextlib.contextmanager
def sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into an exception; unless another handler is there, or this is no main thread."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def terminate(number: int, frame: Any) -> NoReturn:
        raise _Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def launcher_hears() -> Iterator[None]:
    """Give a signal that a run was saved upon to the launcher's handler, which sends the job again."""
    try:
        yield
    except KeyboardInterrupt as stop:
        number = getattr(stop, "signal_number", signal.SIGINT)
        if number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.raise_signal(number)
        raise


def _is_termination(stop: BaseException | None) -> bool:
    if stop is None or getattr(stop, "signal_number", None) == signal.SIGTERM:
        return stop is not None
    return _is_termination(stop.__context__)
