"""One sending of one request, as it is told to whoever keeps a log.

Nothing of a body is told: what a call is to bring about stands in the report, and what daemons say in bodies is
nobody's business but the reader's. This file does not know who listens.
"""

from collections.abc import Callable
from enum import StrEnum

from attrs import frozen


class Ending(StrEnum):
    """How one sending ended."""

    ANSWERED = "answered"
    """With a whole answer, of whatever status."""
    SILENT = "silent"
    """Without a whole answer: what the daemon did is unknown."""
    NOT_SENT = "not sent"
    BAD_ANSWER = "bad answer"


@frozen(kw_only=True)
class Exchange:
    """One sending of one request."""

    target: str
    method: str
    path: str
    """With its query."""

    purpose: str
    """What it was counted as: reads, writes or reasserts."""

    attempt: int
    """From 1."""

    ending: Ending
    status: int | None
    because: str
    """What the daemon says of an error, or why there is no answer; empty where all is well."""

    seconds: float


Listener = Callable[[Exchange], None]
"""Who is told; called from the event loop, so it must return at once."""
