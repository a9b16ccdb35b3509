"""Signals that end a command in order."""

import signal
import sys
import time
from types import SimpleNamespace

import pytest

from rackcast.interrupts import terminable


@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_work_as_an_interrupt(ends: signal.Signals) -> None:
    """Inside it is an interrupt; afterwards the signal means what it meant before."""
    before = signal.getsignal(ends)
    with pytest.raises(KeyboardInterrupt), terminable():
        signal.raise_signal(ends)
    assert signal.getsignal(ends) == before


def test_a_signal_ends_the_work_the_way_ctrl_c_does_there() -> None:
    """Whoever handles Ctrl-C, as asyncio does, handles these too; where Ctrl-C is ignored they are not."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with terminable():
            signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with pytest.raises(KeyboardInterrupt), terminable():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """A command that runs under nohup outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminable():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


class EndsAmidItsEnd:
    """Is told to end where nothing can be raised."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def end_an_object() -> None:
    """End one that is told to end amid that, and go on as if it were not."""
    EndsAmidItsEnd()
    time.sleep(5)


def test_an_interruption_that_python_drops_strikes_again() -> None:
    """What comes amid the end of an object, as often while modules are loaded, ends the work all the same."""
    with pytest.raises(KeyboardInterrupt), terminable():
        end_an_object()


def test_other_errors_that_cannot_be_raised_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """They go to whoever heard of them before, and leave no hook behind."""
    told: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    with terminable():
        sys.unraisablehook(SimpleNamespace(exc_type=ValueError))  # all that is looked at
    assert len(told) == 1
    assert sys.unraisablehook == told.append
