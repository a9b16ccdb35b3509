"""Between a client and a PostgreSQL server: a server that says it is another, falls silent, or will not let in.

Everything is passed on as it is, but for what a `Wire` is told to change. The protocol is PostgreSQL's, version 3:
a message is a letter, its length as four octets that count themselves, and a body.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from struct import pack, unpack
from threading import Event, Thread
from types import MappingProxyType

from attrs import define, field
from psycopg.conninfo import conninfo_to_dict, make_conninfo

LICENSED: Mapping[bytes, bytes] = MappingProxyType(
    {
        b"SET TRANSACTION AS OF SYSTEM TIME follower_read_timestamp()": b"SET TRANSACTION ISOLATION LEVEL "
        b"REPEATABLE READ READ ONLY",
    }
)
"""What CockroachDB takes, in words that PostgreSQL takes."""

UNLICENSED: Mapping[bytes, bytes] = MappingProxyType(
    {
        b"SET TRANSACTION AS OF SYSTEM TIME follower_read_timestamp()": b"DO $$ BEGIN RAISE EXCEPTION "
        b"'this needs a licence' USING ERRCODE = 'XXC02'; END $$",
        b"SET TRANSACTION AS OF SYSTEM TIME '-5s'": b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
    }
)

CLOCK = """
    CREATE OR REPLACE FUNCTION cluster_logical_timestamp() RETURNS numeric LANGUAGE sql
    AS 'SELECT (extract(epoch FROM transaction_timestamp()) * 1000000000)::numeric(30, 10)'
"""
"""CockroachDB's clock: nanoseconds since 1970, and ten digits behind the point that count within one."""


@define
class Wire:
    """How the way to the server behaves."""

    server: str
    """The connection string of the server."""

    parameters: Mapping[bytes, bytes] = field(factory=dict)
    """What the server says of itself beyond its own words."""

    rewrites: Mapping[bytes, bytes] = field(factory=dict)
    """Statements that arrive as others."""

    falls_silent_at: bytes | None = None
    """From the statement that holds this on, nothing comes back."""

    hangs_up_at: bytes | None = None
    """At the statement that holds this, the line goes dead."""

    repeats_password: bool = False
    """Asks for the password, refuses it, and says what it was."""

    heard: list[bytes] = field(factory=list)
    """Statements, as the client sent them."""

    silent: Event = field(factory=Event)

    def serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, _GoneError):
            startup = _startup(client)
            if self.repeats_password:
                self._refuse(client)
                return
            with _connected(self.server) as server:
                server.sendall(startup)
                client.sendall(_exactly(server, 9))  # "you are let in"
                client.sendall(b"".join(_message(b"S", b"%s\0%s\0" % pair) for pair in self.parameters.items()))
                answers = Thread(target=self._answers, args=(server, client), daemon=True)
                answers.start()
                self._questions(client, server)

    def _refuse(self, client: socket.socket) -> None:
        client.sendall(_message(b"R", pack("!i", 3)))
        kind, body = _read(client)
        assert kind == b"p"
        words = b"SFATAL\0VFATAL\0C28P01\0Mthe password %s is wrong\0\0" % body.rstrip(b"\0")
        client.sendall(_message(b"E", words))

    def _questions(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            kind, body = _read(client)
            if kind in (b"Q", b"P"):
                self.heard.append(body)
                if self.hangs_up_at and self.hangs_up_at in body:
                    client.shutdown(socket.SHUT_RDWR)
                    return
                if self.falls_silent_at and self.falls_silent_at in body:
                    self.silent.set()
                for statement, other in self.rewrites.items():
                    body = body.replace(statement, other)
            server.sendall(_message(kind, body))

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while answer := server.recv(1 << 16):
                if not self.silent.is_set():
                    client.sendall(answer)


class _GoneError(Exception):
    """The other side hung up."""


def _exactly(line: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = line.recv(count - len(data))
        if not more:
            raise _GoneError
        data += more
    return data


def _startup(line: socket.socket) -> bytes:
    length = _exactly(line, 4)
    return length + _exactly(line, unpack("!i", length)[0] - 4)


def _read(line: socket.socket) -> tuple[bytes, bytes]:
    kind, length = _exactly(line, 1), unpack("!i", _exactly(line, 4))[0]
    return kind, _exactly(line, length - 4)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + pack("!i", len(body) + 4) + body


def _connected(dsn: str) -> socket.socket:
    named = conninfo_to_dict(dsn)
    host, port = str(named["host"]), int(named.get("port") or 5432)
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    line = socket.socket(socket.AF_UNIX)
    line.connect(f"{host}/.s.PGSQL.{port}")
    return line


@contextmanager
def through(wire: Wire) -> Iterator[str]:
    """Serve *wire* on loopback while the context lasts, and give the connection string that leads through it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=_accept, args=(listener, wire), daemon=True).start()
        try:
            port = listener.getsockname()[1]
            yield make_conninfo(wire.server, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
        finally:
            wire.silent.set()
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, wire: Wire) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            Thread(target=wire.serve, args=(client,), daemon=True).start()
