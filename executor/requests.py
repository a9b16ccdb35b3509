"""Requests as HTTP: their headers and addresses, made once for what many share.

This file does not know what is asked, nor when it is sent.
"""

from functools import lru_cache

import httpx
from attrs import frozen

from executor.bodies import Json, encoded


@frozen
class Request:
    """A request before it has a version."""

    method: str
    path: str
    body: Json
    purpose: str
    alike: bool
    """Several daemons answer it alike."""

    @property
    def writing(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


def as_http(base: str, request: Request, version: str) -> httpx.Request:
    """Return *request* as it is sent to the daemon at *base*, which is spoken to in *version* of its API."""
    content = encoded(request.body)
    url = _url(base, request.path)
    headers = _headers(url.netloc, version, len(content), typed=request.body is not None)
    # A stream, because httpx looks for headers that it could add to content: half the cost of a request.
    made = httpx.Request(request.method, url, headers=headers, stream=httpx.ByteStream(content))
    made.read()
    return made


@lru_cache(maxsize=512)
def _headers(host: bytes, version: str, length: int, *, typed: bool) -> httpx.Headers:
    """Return what goes with a body of that length; requests copy it.

    Calls that follow each other are of few lengths: keeping more takes more than it saves.
    """
    rows = [
        (b"host", host),
        (b"api-version", version.encode("ascii")),
        (b"accept-encoding", b"identity"),
        (b"content-length", b"%d" % length),
    ]
    return httpx.Headers([*rows, (b"content-type", b"application/json")] if typed else rows)


@lru_cache(maxsize=512)
def _url(base: str, path: str) -> httpx.URL:
    """Return a parsed address: most calls of a run go to few paths, and parsing costs more than sending.

    Paths that name a process or a group come once in a while, and keeping them all takes more than it saves.
    """
    return httpx.URL(base).copy_with(raw_path=path.encode("ascii"))
