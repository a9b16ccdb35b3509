"""Work on very many objects at once, and all of them at the end of a process.

This file does not know the work.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bulk() -> Iterator[None]:
    """Keep Python from looking for cycles: rows make none, and looking through them costs as much as the work."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def end_at_once() -> None:
    """Keep Python from looking for cycles when this process ends.

    Everything goes then in any case; looking would take a short command a seventh of its time.
    """
    atexit.register(gc.freeze)
