"""The log of a run: one line of JSON for its beginning, for each sending of each request, and for its end.

Each line names the run, the blueprint and its generation, so that a write on any target can be traced to who asked
for it. Bodies are not logged: what a call brings about stands in the report. All text is escaped as JSON in ASCII,
so that nothing from outside can begin a line of its own or steer a terminal.

This file does not know what is sent, nor why.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import RawIOBase
from typing import Any, BinaryIO
from uuid import UUID, uuid4

from attrs import asdict, define

from blueprints.disk import STANDARD
from executor.exchanges import Exchange
from executor.progress import Event
from executor.progress import Progress as Listener
from rackcast.saying import say

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


@define
class Log:
    """An open log."""

    _lines: Any
    """A structlog logger."""

    lost: OSError | None = None
    """Why it could not be written any more; the run goes on without it, and that is told in the end."""

    def line(self, event: str, **said: Any) -> None:
        """Write one line."""
        if self.lost is None:
            try:
                self._lines.info(event, **said)
            except OSError as error:
                self.lost = error

    def heard(self, shown: Listener) -> Listener:
        """Return a listener that logs requests, and hands everything else on to *shown*."""

        def listen(event: Event) -> None:
            if isinstance(event, Exchange):
                said = asdict(event)
                self.line("call", **{**said, "ending": event.ending.value, "seconds": round(event.seconds, 6)})
            else:
                shown(event)

        return listen


@contextmanager
def opened(name: str, **about: Any) -> Iterator[Log]:
    """Yield the log in the file *name* (``-``: standard error), which is appended to and readable by its owner alone.

    Args:
        name: the file; no link is followed.
        about: what every line says, besides the id of the run.

    Raises:
        OSError: it cannot be opened.
    """
    with _stream(name) as stream:
        log = Log(_logger(stream, {"run": uuid4(), **about}))
        yield log
        if log.lost is not None:
            reason = log.lost.strerror or log.lost
            say(f"the log could not be written to its end: {reason}", error=True)


@contextmanager
def _stream(name: str) -> Iterator[BinaryIO | RawIOBase]:
    if name == STANDARD:
        sys.stderr.flush()
        yield sys.stderr.buffer
        return
    # Without a buffer: a line is in the file once it is written, and closing has nothing left to fail with.
    with os.fdopen(os.open(name, _FLAGS, 0o600), "wb", buffering=0) as file:
        yield file


def _logger(stream: BinaryIO | RawIOBase, about: Mapping[str, Any]) -> Any:
    import structlog

    said = {key: str(value) if isinstance(value, UUID) else value for key, value in about.items()}
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")
    processors: list[Any] = [stamp, structlog.processors.JSONRenderer(), _encoded]
    bare = structlog.wrap_logger(structlog.BytesLogger(stream), processors, structlog.BoundLogger)  # type: ignore[arg-type]
    return bare.bind(**said)


def _encoded(_: object, __: str, line: str) -> bytes:
    return line.encode("ascii")
