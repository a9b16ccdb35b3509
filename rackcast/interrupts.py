"""Signals that end a command.

This file does not know commands.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer, main_thread
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Sent by a supervisor, and by a terminal that is closed."""

_SOON = 0.01
"""Seconds after which the place is left where nothing could be raised."""

Hook = Callable[["sys.UnraisableHookArgs"], object]


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, so that what is half done is taken away.

    One that is ignored, as by ``nohup``, stays ignored. For the main thread.
    """
    before, unraisable = {each: signal.getsignal(each) for each in _ENDING}, sys.unraisablehook
    sys.unraisablehook = _striking_again(unraisable)
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, _interrupt)
    try:
        yield
    finally:
        sys.unraisablehook = unraisable
        for each, handler in before.items():
            signal.signal(each, handler)


def _striking_again(usual: Hook) -> Hook:
    """Return what lets an interruption strike once more that struck where Python drops it, such as amid an import.

    Everything else that cannot be raised is left to the *usual* hook.
    """

    def hook(dropped: "sys.UnraisableHookArgs") -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            usual(dropped)
            return
        number = signal.SIGINT if callable(signal.getsignal(signal.SIGINT)) else signal.SIGTERM
        # Raised here it would be dropped as well.
        again = Timer(_SOON, signal.pthread_kill, (main_thread().ident, number))
        again.daemon = True
        again.start()

    return hook


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Do what Ctrl-C does here: within asyncio that stops the work at its next step, not amid one."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # ignored, as in the background of a shell: this signal is not
        raise KeyboardInterrupt
    handler(signum, frame)
