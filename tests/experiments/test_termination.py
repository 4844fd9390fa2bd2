"""A scheduler's signal: the run saves first, then the launcher's own handler has its turn."""

import signal

import pytest

from experiments._termination import launcher_hears
from jaxpick.train.stops import Interrupted, stop_requests


@pytest.fixture
def handled():
    """A launcher that handles SIGUSR2, as submitit does, and what it heard."""
    heard = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: heard.append(number))
    yield heard
    signal.signal(signal.SIGUSR2, before)


def test_the_launcher_hears_of_it_once_after_the_run_has_saved(handled):
    with pytest.raises(Interrupted), launcher_hears(), stop_requests() as stop:
        signal.raise_signal(signal.SIGUSR2)
        assert stop.is_set() and not handled, "the run comes first"
        raise Interrupted("saved", stop.signal_number)
    assert handled == [signal.SIGUSR2]


def test_ctrl_c_is_no_affair_of_the_launchers(handled):
    with pytest.raises(Interrupted), launcher_hears(), stop_requests() as stop:
        signal.raise_signal(signal.SIGINT)
        raise Interrupted("saved", stop.signal_number)
    assert not handled


def test_a_signal_that_nobody_handles_keeps_its_meaning():
    before = signal.getsignal(signal.SIGUSR1)
    assert before is signal.SIG_DFL
    with stop_requests():
        assert signal.getsignal(signal.SIGUSR1) is before
