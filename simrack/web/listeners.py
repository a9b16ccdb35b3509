"""Sockets on loopback, and the server that listens on all of them in one process.

This file does not know what is served.
"""

import asyncio
import contextlib
import resource
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from simrack.web.exchange import TRANSPORT

LOOPBACK = "::1"


def listening_socket(port: int = 0) -> socket.socket:
    """Return a socket bound to loopback, on a free port unless one is named.

    The protocol is said on purpose: asyncio turns Nagle's algorithm off only for sockets that name TCP, and with it
    on every answer waits 40 ms for the client's acknowledgement.

    Raises:
        OSError: the port is taken, or there is no IPv6 loopback.
    """
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((LOOPBACK, port))
    except OSError:
        sock.close()
        raise
    return sock


def port_of(sock: socket.socket) -> int:
    """Return the port that *sock* is bound to."""
    port: int = sock.getsockname()[1]
    return port


def url_of(port: int, host: str = LOOPBACK) -> str:
    """Return the base address of a server on *port* of *host*, a name or an IPv6 address."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def raise_file_limit() -> int:
    """Let the process open as many files as it may, and return how many.

    Some systems do not take their own hard limit for a soft one, mostly where it is none; then the soft one stays.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


class _Protocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with the connection left in the scope so that faults can break it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the event loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listeners:
    """A server on many sockets."""

    def __init__(self, application: Any, sockets: list[socket.socket]) -> None:
        """Serve the ASGI *application* on *sockets*, which are closed at the end."""
        config = uvicorn.Config(
            application,
            http=_Protocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=600,
            timeout_graceful_shutdown=2,
        )
        self._server, self._config = _Server(config), config
        self._sockets = sockets
        self._task: asyncio.Task[None] | None = None
        self._open: dict[int, asyncio.AbstractServer] = {}
        self._bound: dict[int, socket.socket] = {}
        """By port, sockets that nobody listens on."""

        self._opening: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Return once every socket is listened on.

        Raises:
            OSError: listening failed.
        """
        self._task = asyncio.create_task(self._server.serve(sockets=self._sockets))
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.001)
        self._open = dict(zip(map(port_of, self._sockets), self._server.servers, strict=True))

    def set_accepting(self, port: int, *, accepting: bool) -> None:
        """Let connections to *port* be accepted, or refused; nothing happens where that is so already."""
        if accepting and port in self._bound:
            self._accept(port)
        elif not accepting and port not in self._bound:
            self._refuse(port)

    def _refuse(self, port: int) -> None:
        """Let connections to *port* be refused from now on, and end those that there are.

        The port stays ours: a socket is bound to it that does not listen.
        """
        self._open.pop(port).close()
        self._bound[port] = listening_socket(port)
        for connection in tuple(self._server.server_state.connections):
            if isinstance(connection, _Protocol) and connection.server is not None and connection.server[1] == port:
                connection.transport.abort()

    def _accept(self, port: int) -> None:
        """Let connections to *port* be accepted: at once, to be served as soon as the loop comes to it."""
        sock = self._bound.pop(port)
        sock.listen(self._config.backlog)
        task = asyncio.get_running_loop().create_task(self._serve(port, sock))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _serve(self, port: int, sock: socket.socket) -> None:
        def protocol() -> _Protocol:
            return _Protocol(config=self._config, server_state=self._server.server_state, app_state={})

        self._open[port] = await asyncio.get_running_loop().create_server(protocol, sock=sock)

    async def stop(self) -> None:
        """Close every socket and connection."""
        await asyncio.gather(*self._opening)
        for server in self._open.values():
            server.close()
        for sock in self._bound.values():
            sock.close()
        self._server.should_exit = True
        if self._task is not None:
            await self._task
