"""Progress of a run in a terminal: which stage, how many calls, how many failed.

This file does not know what a call does.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from executor.progress import Progress, nobody


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Progress]:
    """Yield a listener that draws on standard error if that is a terminal, else one that hears nothing."""
    if quiet or not sys.stderr.isatty():
        yield nobody
        return
    from rackcast.bars import drawn

    with drawn() as listener:
        yield listener
