"""Connections to the datastore: the one read-only transaction, and a session for writing back.

Everything is read in one transaction, hence in one cut: no commit of anybody else shows half. A session is bounded in
time three ways: connecting, each statement (by the server), and all together (here: the connection is cut).

Errors come as `DeviceError` with the place and the meaning, never with the connection string. They are raised outside
the handlers of psycopg's errors, which carry the connection, so that no chain of errors leads back to it.

This file does not know what is asked.
"""

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock, Timer
from typing import Any

import psycopg
from attrs import define, field, frozen
from psycopg.pq.abc import PGconn

from blueprints.errors import (
    BadAnswerError,
    DeviceError,
    InputRejectedError,
    InvariantError,
    Mistake,
    SilentError,
)
from collector.destination import Destination, destination
from collector.refusals import (
    SILENT_STATES,
    UNDEFINED_TABLE,
    UNLICENSED_STATES,
    DatastoreRefusedError,
    meaning,
)
from collector.schema import DATASTORE, Schema, gate

POSTGRESQL = "PostgreSQL"
COCKROACHDB = "CockroachDB"

Row = tuple[Any, ...]


@frozen(kw_only=True)
class Limits:
    """How long a session may take, in seconds."""

    connect_seconds: int = 10
    """For each host that the connection string names; 2 or more."""

    statement_seconds: float = 30.0
    """For one statement, kept by the server, which also ends a transaction that was idle for as long."""

    total_seconds: float = 120.0
    """From connecting to the end; then the connection is cut, whatever the server does."""


LIMITS = Limits()
_BEGIN_READING = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_NAME_OF_CUT = "SELECT pg_current_snapshot()::text, transaction_timestamp()"
_FOLLOWER_READ = "follower_read_timestamp()"
_SOME_SECONDS_AGO = "'-5s'"
"""CockroachDB: as old as a follower read, served by the leaseholder."""

_CLOCK_OF_CUT = "SELECT cluster_logical_timestamp()::text"
_VERSION = "SELECT version, target_version FROM db_metadata WHERE singleton = true"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What psycopg would print while it gives up a lost connection, our error says already.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


@define(eq=False)
class _Link:
    """A connection, who it leads to, and whether its time is over."""

    to: Destination
    limits: Limits
    connection: psycopg.Connection[Row] = field(repr=False)
    ending: Lock = field(factory=Lock, repr=False)
    expired: bool = False

    def ask(self, statement: str, parameters: Sequence[Any] = (), *, binary: bool = False) -> psycopg.Cursor[Row]:
        try:
            return self.connection.execute(statement.encode(), parameters or None, binary=binary)
        except psycopg.Error as error:
            failure = self.failure(error)
        raise failure

    def answer(self, cursor: psycopg.Cursor[Row]) -> list[Row]:
        try:
            return cursor.fetchall()
        except psycopg.Error as error:
            failure = self.failure(error)
        raise failure

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        cursor = self.ask(statement, parameters)
        is_sent_only = self.connection.info.pipeline_status is not psycopg.pq.PipelineStatus.OFF
        return self.answer(cursor) if cursor.description or is_sent_only else []

    @property
    def vendor(self) -> str:
        return COCKROACHDB if self.connection.info.parameter_status("crdb_version") else POSTGRESQL

    def cut(self) -> None:
        """End the connection from another thread: whoever waits for an answer is told that there is none."""
        with self.ending:
            if self.connection.closed:
                return
            self.expired = True
            with socket.socket(fileno=socket.dup(self.connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self.ending:
            self.connection.close()

    def failure(self, error: psycopg.Error) -> Exception:
        """Return *error* as one of ours."""
        if self.expired:
            return SilentError(self.to.told(f"not done within {self.limits.total_seconds:g} s"))
        return _failure(self.to, error)


@frozen(kw_only=True, eq=False)
class Session:
    """A connection whose schema is understood."""

    vendor: str
    schema: Schema
    _link: _Link = field(repr=False)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows that *statement* gives, if any; ``%s`` in it stands for the next of *parameters*.

        Raises:
            SilentError: no whole answer came: for a statement that writes, its outcome is unknown.
            DatastoreRefusedError: the database refused the statement, so it had no effect.
            BadAnswerError: a value that its type does not allow.
        """
        return self._link.rows(statement, parameters)

    def changed(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Return how many rows *statement* changed; see `rows`."""
        return self._link.ask(statement, parameters).rowcount


@frozen(kw_only=True, eq=False)
class Cut(Session):
    """A session inside its one read-only transaction."""

    transaction: str
    """What the database calls the cut."""

    taken_at: datetime
    """When it was taken, by the database's clock."""

    def ask(self, statement: str, parameters: Sequence[Any] = ()) -> "Answer":
        """Send *statement*; the database works on it while the caller does other things.

        The answer comes in the database's own form of each type, which is faster; enums have to be asked for as text.

        Raises:
            DeviceError: see `rows`.
        """
        return Answer(link=self._link, cursor=self._link.ask(statement, parameters, binary=True))


@frozen(kw_only=True, eq=False)
class Answer:
    """What a statement will give."""

    _link: _Link = field(repr=False)
    _cursor: psycopg.Cursor[Row] = field(repr=False)

    def rows(self) -> list[Row]:
        """Wait for all rows and return them. Answers have to be taken in the order in which they were asked for.

        Raises:
            DeviceError: see `Session.rows`.
        """
        return self._link.answer(self._cursor)


@contextmanager
def reading(dsn: str, limits: Limits = LIMITS) -> Iterator[Cut]:
    """Open the one read-only transaction; it ends with the context, and nothing of it is kept.

    Raises:
        InputRejectedError: no connection string, or a schema that is not understood.
        DeviceError: see `Session.rows`; connecting fails in the same ways.
    """
    with _linked(dsn, limits) as link:
        link.ask("SET default_transaction_read_only = on")
        transaction, taken_at = _AS_ONE_CUT[link.vendor](link)
        schema = _schema(link)
        with _side_by_side(link):
            yield Cut(vendor=link.vendor, schema=schema, link=link, transaction=transaction, taken_at=taken_at)


@contextmanager
def writing(dsn: str, limits: Limits = LIMITS) -> Iterator[Session]:
    """Open a session in which every statement is a transaction of its own.

    Raises:
        InputRejectedError: no connection string, or a schema that is not understood.
        DeviceError: see `Session.rows`; connecting fails in the same ways.
    """
    with _linked(dsn, limits) as link:
        yield Session(vendor=link.vendor, schema=_schema(link), link=link)


def _schema(link: _Link) -> Schema:
    try:
        rows = link.rows(_VERSION)
    except DatastoreRefusedError as error:
        if error.sqlstate != UNDEFINED_TABLE:
            raise
    else:
        return gate(rows)
    mistake = Mistake("db_metadata", "there is no such table: this is not the control plane's database")
    raise InputRejectedError(DATASTORE, [mistake])


def _begun_on_postgresql(link: _Link) -> tuple[str, datetime]:
    link.ask(_BEGIN_READING)
    [(name, time)] = link.rows(_NAME_OF_CUT)
    return name, time.astimezone(UTC)


def _begun_on_cockroachdb(link: _Link) -> tuple[str, datetime]:
    """Begin in the past, where reading disturbs nobody: at followers if the cluster's licence has that."""
    try:
        _begin_as_of(link, _FOLLOWER_READ)
    except DatastoreRefusedError as error:
        if error.sqlstate not in UNLICENSED_STATES:
            raise
        link.ask("ROLLBACK")
        _begin_as_of(link, _SOME_SECONDS_AGO)
    [(clock,)] = link.rows(_CLOCK_OF_CUT)
    nanoseconds = int(clock.partition(".")[0])
    return clock, _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _begin_as_of(link: _Link, time: str) -> None:
    link.ask("BEGIN")
    link.ask(f"SET TRANSACTION AS OF SYSTEM TIME {time}")


_AS_ONE_CUT = {POSTGRESQL: _begun_on_postgresql, COCKROACHDB: _begun_on_cockroachdb}


@contextmanager
def _side_by_side(link: _Link) -> Iterator[None]:
    """Let statements be sent before earlier answers are taken; CockroachDB is asked one by one."""
    if link.vendor != POSTGRESQL:
        yield
        return
    try:
        with link.connection.pipeline():
            yield
        return
    except psycopg.Error as error:
        failure = link.failure(error)
    raise failure


@contextmanager
def _linked(dsn: str, limits: Limits) -> Iterator[_Link]:
    link = _connected(destination(dsn), limits)
    clock = Timer(limits.total_seconds, link.cut)
    clock.daemon = True
    clock.start()
    try:
        milliseconds = round(1000 * limits.statement_seconds)
        link.ask(f"SET statement_timeout = {milliseconds}")
        link.ask(f"SET idle_in_transaction_session_timeout = {milliseconds}")
        yield link
    finally:
        clock.cancel()
        link.close()


def _connected(to: Destination, limits: Limits) -> _Link:
    try:
        connection = psycopg.connect(
            to.dsn, autocommit=True, connect_timeout=limits.connect_seconds, fallback_application_name="rackcast"
        )
        return _Link(to=_knowing(to, connection.pgconn), limits=limits, connection=connection)
    except psycopg.Error as error:
        failure = _failure(_knowing(to, error.pgconn), error)
    raise failure


def _knowing(to: Destination, connection: PGconn | None) -> Destination:
    """Return *to* with the secrets that libpq took from files of passwords and services besides."""
    if connection is None:
        return to
    named = [option.val for option in connection.info if option.dispchar == b"*"]
    return to.keeping(found.decode(errors="replace") for found in (connection.password, *named) if found)


def _failure(to: Destination, error: psycopg.Error) -> DeviceError | InvariantError:
    """Return *error* as one of ours, in words that hold no secret."""
    said, state = str(error), error.sqlstate
    if state is not None:
        if state in SILENT_STATES or state[:2] in SILENT_STATES:
            return SilentError(to.told(f"{meaning(state)}: {said}"))
        return DatastoreRefusedError(state, to.told(f"{meaning(state)}: {said}"))
    if isinstance(error, psycopg.OperationalError):
        # Before a session stands, libpq has no state to give; the server's own refusals begin with this word.
        if "FATAL" in said:
            return DatastoreRefusedError(None, to.told(f"no connection: {said}"))
        return SilentError(to.told(said))
    if isinstance(error, psycopg.DataError):
        return BadAnswerError(to.told(said))
    return InvariantError("statements", to.told(said))
