"""Signals that end a command.

This file does not know commands.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Sent by a supervisor, and by a terminal that is closed."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, so that what is half done is taken away.

    One that is ignored, as by ``nohup``, stays ignored. For the main thread.
    """
    before = {each: signal.getsignal(each) for each in _ENDING}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, _interrupt)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Do what Ctrl-C does here: within asyncio that stops the work at its next step, not amid one."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # ignored, as in the background of a shell: this signal is not
        raise KeyboardInterrupt
    handler(signum, frame)
