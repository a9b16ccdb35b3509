"""A rack without sockets: calls go from an httpx transport straight into the application behind every address.

Rules:
    P1  A call lets go of the event loop once before it acts and once after, as a socket would: calls of several tasks
        take turns, and a task that is cancelled is so before the effect or after it.
    P2  What a daemon has begun it ends, also when its client has gone away.
    P3  A call that no fault strikes is answered without HTTP being written or read.
    P4  A call that a fault strikes goes over a line in memory: octets are written and parsed, so that the client
        meets what it would meet on a connection. Daemons play the fault after the client has gone away, too.

Everything takes place in the caller's event loop and in an order that follows from its tasks alone. Silence lasts as
long as the loop's clock says: see `simrack.leaping`. This file does not know daemons, nor which faults there are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import unquote

import httptools
import httpx
from attrs import define, field

from simrack.web.answers import Answer, phrase
from simrack.web.application import Application
from simrack.web.daemon import Daemon, Headers
from simrack.web.exchange import TRANSPORT, Message
from simrack.web.requests import Request

ANSWER_BYTES = 16 * 1024 * 1024
"""Largest body that is taken, unpacked or not, of an answer that a fault has spoiled."""

_JSON = (b"content-type", b"application/json")

_GONE: Message = {"type": "http.disconnect"}


@define(eq=False)
class InProcessTransport(httpx.AsyncBaseTransport):
    """The way to one daemon; the host that requests name is not looked at."""

    application: Application
    daemon: Daemon
    answer_bytes: int = ANSWER_BYTES
    accepting: bool = True
    """Whether a connection would be accepted."""

    _under_way: set["asyncio.Future[Any]"] = field(factory=set)
    """What goes on without its client."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let the daemon act on *request* and return its answer.

        Raises:
            httpx.ConnectError: the daemon is down, so that connections to it are refused.
            httpx.ReadError: a fault closed the line before the answer was whole.
            httpx.RemoteProtocolError: a fault made the answer something else than HTTP.
            httpx.DecodingError: a fault made the answer compressed or too large.
        """
        await asyncio.sleep(0)
        if not self.accepting:
            raise httpx.ConnectError("the connection was refused")
        raw_path, _, query = request.url.raw_path.partition(b"?")
        path = raw_path.decode("ascii")
        asked = Request(request.method, unquote(path), query, await request.aread(), raw_path)
        headers = _lowered(request.headers.raw)
        request_id, fault = self.application.received(self.daemon, asked)
        if fault is not None:
            line = Line(asyncio.get_running_loop().create_future(), self.answer_bytes, headers)
            playing = self.application.spoil(self.daemon, asked, request_id, fault, line.wire)
            return await self._over(line, playing)
        answer = self.application.answer(self.daemon, asked, headers, request_id)
        if isinstance(answer, Answer):
            await asyncio.sleep(0)
            return _response(answer, request_id)
        return _response(await asyncio.shield(self._going_on(answer)), request_id)

    async def _over(self, line: "Line", playing: Coroutine[Any, Any, None]) -> httpx.Response:
        self._going_on(playing)
        try:
            return await line.answer
        finally:
            line.hang_up()

    def _going_on(self, work: Awaitable[Any]) -> "asyncio.Future[Any]":
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task


def _lowered(headers: list[tuple[bytes, bytes]]) -> Headers:
    return [(name.lower(), value) for name, value in headers]


class _WholeResponse(httpx.Response):
    """A response whose body is there from the start: a third of the cost of reading it in pieces.

    It is never open, so there is no time that it took.
    """

    def __init__(self, status: int, headers: httpx.Headers, body: bytes) -> None:
        super().__init__(status, headers=headers, stream=httpx.ByteStream(body))
        self._whole = body

    @property
    def content(self) -> bytes:
        return self._whole

    def read(self) -> bytes:
        return self._whole

    async def aread(self) -> bytes:
        return self._whole


def _response(answer: Answer, request_id: str) -> httpx.Response:
    rows = [(b"x-request-id", request_id.encode())]
    if answer.body is not None:
        rows += [_JSON, (b"content-length", b"%d" % len(answer.body))]
    return _WholeResponse(answer.status, httpx.Headers(rows), answer.body or b"")


@define(eq=False)
class Line:
    """A connection in memory: the daemon's end is ASGI and an asyncio transport, the client's a parser of HTTP."""

    answer: "asyncio.Future[httpx.Response]"
    """What the client waits for."""

    limit: int
    headers: Headers
    """Of the request."""

    _closed: asyncio.Event = field(factory=asyncio.Event)
    _noticed: bool = True
    """Whether the daemon's end notices that the client's was closed."""

    _parser: Any = None
    _body: bytearray = field(factory=bytearray)
    _fields: list[tuple[bytes, bytes]] = field(factory=list)
    _chunked: bool = False

    def __attrs_post_init__(self) -> None:
        """Start to read."""
        self._parser = httptools.HttpResponseParser(self)

    @property
    def wire(self) -> tuple[dict[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]]:
        """Scope, receive and send of the daemon's end."""
        return {TRANSPORT: self, "headers": self.headers}, self._receive, self._send

    # --- the daemon's end

    def write(self, octets: bytes) -> None:
        """Bring *octets* to the client."""
        if self._closed.is_set():
            return
        try:
            self._parser.feed_data(octets)
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(f"the answer is not HTTP: {error}"))

    def close(self) -> None:
        """Let the client notice that nothing more comes."""
        self._fail(httpx.ReadError("closed before the answer was whole: by the peer"))

    abort = close

    def is_closing(self) -> bool:
        """Return whether one end has closed the line."""
        return self._closed.is_set()

    def pause_reading(self) -> None:
        """Notice nothing of the client any more, not even that it has gone away."""
        self._noticed = False

    async def _receive(self) -> Message:
        await self._closed.wait()
        return _GONE

    async def _send(self, message: Message) -> None:
        await asyncio.sleep(0)
        if message["type"] == "http.response.start":
            self._chunked = not any(name == b"content-length" for name, _ in message["headers"])
            self.write(_head(message, chunked=self._chunked and message["status"] != 204))
            return
        body = message["body"]
        self.write(b"%x\r\n%b\r\n" % (len(body), body) if self._chunked and body else body)
        if self._chunked and not message.get("more_body"):
            self.write(b"0\r\n\r\n")

    # --- the client's end

    def hang_up(self) -> None:
        """Go away, whether or not the answer is whole."""
        if self._noticed:
            self._closed.set()

    # --- called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head."""
        self._fields.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._body += body
        if len(self._body) > self.limit:
            self._fail(httpx.DecodingError(f"the answer is larger than {self.limit} bytes"))

    def on_message_complete(self) -> None:
        """Give the client the whole answer."""
        if self.answer.done():
            return
        if dict(self._fields).get(b"content-encoding", b"identity") != b"identity":
            self._fail(httpx.DecodingError("the answer is compressed"))
            return
        status = self._parser.get_status_code()
        self.answer.set_result(httpx.Response(status, headers=self._fields, content=bytes(self._body)))

    def _fail(self, error: httpx.RequestError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
        self._closed.set()


def _head(message: Message, *, chunked: bool) -> bytes:
    status = message["status"]
    lines = [b"HTTP/1.1 %d %b" % (status, phrase(status).encode())]
    lines += [name + b": " + value for name, value in message["headers"]]
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    return b"\r\n".join([*lines, b"", b""])
