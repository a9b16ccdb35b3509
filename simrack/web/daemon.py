"""One daemon's front: version policy, body policy, routing, and errors as answers.

This file does not know connections, nor what any daemon does.
"""

from collections.abc import Callable, Iterable

from attrs import define

from simrack.web.answers import Answer, HttpError, bad_request, error_body
from simrack.web.requests import Request
from simrack.web.router import Route, Router
from simrack.web.versions import FIRST, DaemonKind, Version, asked_version

Headers = Iterable[tuple[bytes, bytes]]

Restart = Callable[[bool], None]
"""Restarts a daemon; True keeps what outlives its process."""

_JSON = b"application/json"


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

    def answer(self, request: Request, headers: Headers, request_id: str) -> Answer:
        """Return what the daemon says to *request*, errors included."""
        try:
            request.version = self._version(headers)
            handler = self.router.handler(request)
            if request.body:
                self._check_body(request.body, headers)
            return handler(request)
        except HttpError as error:
            return Answer(error.status, error_body(error, request_id))

    def _version(self, headers: Headers) -> Version:
        if self.kind is None:
            return self.newest
        return asked_version(_header(headers, b"api-version"), self.newest)

    def _check_body(self, body: bytes, headers: Headers) -> None:
        """dropshot: too long a body is 400, not 413; an absent content type is taken as JSON."""
        if len(body) > self.body_limit:
            raise bad_request(f"request body exceeded maximum size of {self.body_limit} bytes")
        kind = _header(headers, b"content-type")
        if kind is not None and kind.split(b";")[0].strip().lower() != _JSON:
            raise bad_request(f'expected content type "application/json", got "{kind.decode("latin-1")}"')


def control(routes: Iterable[Route]) -> Daemon:
    """Return the front of the control interface: no versions, large bodies, nothing to restart."""
    return Daemon(None, "control", Router(routes), FIRST, 64 << 20, lambda _: None)
