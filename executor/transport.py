"""HTTP/1.1 to one daemon: kept-alive connections on asyncio, answers parsed by httptools, the interface of httpx.

It has no redirects, proxies, cookies, TLS or compressed answers, because no daemon of a rack uses them; whoever
needs one hands another httpx transport to `executor.http`.

Measured, PUTs of 60 bytes to 36 loopback servers, 16 in flight, two shared cores: this 5,400 to 9,400/s,
httpx-aiohttp 1,500, httpx in 8 threads 800, httpx.AsyncClient per daemon 600; a whole call costs 250 us of CPU.

This file does not know daemons, statuses or retries.
"""

import asyncio

import httptools
import httpx
from attrs import field, frozen

_HEAD_BYTES = 64 * 1024
"""Allowed for status line, headers and chunk sizes, besides the body."""


class _Connection(asyncio.Protocol):
    """One connection, with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[httpx.Response] | None = None
        self._limit = 0
        self._fresh()

    def _fresh(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._received = 0

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Close without waiting for the peer to take what is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    async def answer(self, request: bytes, limit: int) -> httpx.Response:
        """Return the whole answer to *request*; its body has at most *limit* bytes."""
        if self._transport is None:
            raise httpx.ConnectError("the connection is not open")
        self._answer = asyncio.get_running_loop().create_future()
        self._limit = limit
        self._transport.write(request)
        return await self._answer

    # --- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what asyncio makes for TCP
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._answer is None:
            self.close()  # nobody asked
        elif self._received > self._limit + _HEAD_BYTES:
            self._fail(httpx.DecodingError(f"the answer is larger than {self._limit} bytes"))
        else:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as error:
                self._fail(httpx.RemoteProtocolError(f"the answer is not HTTP: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(httpx.ReadError(f"closed before the answer was whole: {error or 'by the peer'}"))

    # --- called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        answer, self._answer = self._answer, None
        keep = self._parser.should_keep_alive()
        status, headers, body = self._parser.get_status_code(), self._headers, bytes(self._body)
        self._fresh()
        if not keep or status < 200:
            self.close()
        if answer is None or answer.done():
            return
        encoding = {name.lower(): value for name, value in headers}.get(b"content-encoding", b"identity")
        if encoding != b"identity" or len(body) > self._limit:
            answer.set_exception(httpx.DecodingError("the answer is compressed or too large"))
        else:
            answer.set_result(httpx.Response(status, headers=headers, content=body))

    def _fail(self, error: httpx.TransportError | httpx.DecodingError) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)
        self.close()


@frozen(kw_only=True, eq=False)
class PlainTransport(httpx.AsyncBaseTransport):
    """Kept-alive connections to whatever address the requests name; meant for one daemon each."""

    answer_bytes: int
    """Largest body that is taken."""

    idle: list[_Connection] = field(factory=list, init=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request* and return the whole answer.

        Raises:
            httpx.ConnectError: nothing was sent.
            httpx.ReadError: no whole answer came.
            httpx.RemoteProtocolError: the answer is not HTTP.
            httpx.DecodingError: the answer is compressed or too large.
        """
        connection = await self._connection(request.url)
        whole = False
        try:
            response = await connection.answer(_wire(request), self.answer_bytes)
            whole = True
        finally:
            if whole and connection.usable:
                self.idle.append(connection)
            else:
                connection.close()
        response.request = request
        return response

    async def _connection(self, url: httpx.URL) -> _Connection:
        while self.idle:
            connection = self.idle.pop()
            if connection.usable:
                return connection
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(_Connection, url.host, url.port or 80)
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        return connection

    async def aclose(self) -> None:
        """Close the idle connections, and let the loop notice."""
        for connection in self.idle:
            connection.close()
        self.idle.clear()
        await asyncio.sleep(0)


def _wire(request: httpx.Request) -> bytes:
    """Return *request* as it is sent; its body is in memory."""
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join([*lines, b"", request.content])
