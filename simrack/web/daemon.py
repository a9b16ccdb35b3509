"""One daemon's front: version policy, routing, and errors as answers.

This file does not know connections, nor what any daemon does.
"""

from collections.abc import Awaitable, Callable, Iterable

from attrs import define

from simrack.web.answers import Answer, HttpError, error_body
from simrack.web.requests import Request
from simrack.web.router import Route, Router
from simrack.web.versions import FIRST, DaemonKind, Version, asked_version

Headers = Iterable[tuple[bytes, bytes]]

Restart = Callable[[bool], None]
"""Restarts a daemon; True keeps what outlives its process."""


def _header(headers: Headers, name: bytes) -> bytes | None:
    for key, value in headers:
        if key == name:
            return value
    return None


@define
class Daemon:
    """What stands behind one listening socket."""

    kind: DaemonKind | None
    """None for the control interface, which has no versions."""

    target: str
    router: Router
    newest: Version
    body_limit: int
    restart: Restart

    async def answer(self, request: Request, headers: Headers, request_id: str) -> Answer:
        """Return what the daemon says to *request*, errors included."""
        answer = self.begin(request, headers, request_id)
        return answer if isinstance(answer, Answer) else await answer

    def begin(self, request: Request, headers: Headers, request_id: str) -> Answer | Awaitable[Answer]:
        """Return what the daemon says to *request* if it says it at once, else what is to be waited for."""
        try:
            request.version = self._version(headers)
            request.content_type = _header(headers, b"content-type")
            request.body_limit = self.body_limit
            answer = self.router.handler(request)(request)
        except HttpError as error:
            return _error(error, request_id)
        return answer if isinstance(answer, Answer) else _waited(answer, request_id)

    def _version(self, headers: Headers) -> Version:
        if self.kind is None:
            return self.newest
        return asked_version(_header(headers, b"api-version"), self.newest)


def _error(error: HttpError, request_id: str) -> Answer:
    return Answer(error.status, error_body(error, request_id))


async def _waited(answer: Awaitable[Answer], request_id: str) -> Answer:
    try:
        return await answer
    except HttpError as error:
        return _error(error, request_id)


def control(routes: Iterable[Route]) -> Daemon:
    """Return the front of the control interface: no versions, large bodies, nothing to restart."""
    return Daemon(None, "control", Router(routes), FIRST, 64 << 20, lambda _: None)
