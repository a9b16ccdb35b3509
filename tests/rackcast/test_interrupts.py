"""Signals that end a command in order."""

import signal

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
