"""Exit codes: the one table that all commands end by."""

from enum import IntEnum


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    DIFFERENCES = 3
    PARTIAL = 4
    CONSENT = 5
    FENCED = 6
    REFUSED = 7
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    """Whoever read our output stopped; as shells say it."""
