"""Writes the rows of a snapshot into a database, PostgreSQL or CockroachDB, making the tables where they are missing.

A database that holds a table, type or sequence of such a name that was not made here is left alone: a wrong address
must not cost anybody a datastore. What was made here is on record in a table of its own, `MARKER`.

This file does not know what the rows mean.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psycopg
from psycopg import sql
from psycopg.crdb import CrdbConnection

from blueprints.errors import InputRejectedError, Mistake, SilentError
from blueprints.snapshot import Snapshot
from simrack.datastore.definitions import Definition
from simrack.datastore.rows import Row, rows_of, sequences_of
from simrack.datastore.tables import USUAL, columns, definitions, names

MARKER = "rackcast_rehearsal"
"""The table that lists what was made here: one row per statement. Its database may be emptied by `load`."""

PATIENCE = "10s"
"""How long others may keep rows or tables that are to be replaced."""

_MARKER = (
    Definition(
        "TABLE",
        MARKER,
        f"CREATE TABLE {MARKER} (step INT4 PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, sql TEXT NOT NULL)",
    ),
)

_MARKER_NAME = sql.Identifier(MARKER)

_DROPPED = ("TABLE", "SEQUENCE", "TYPE")
"""In this order: a table goes before what its columns use, and its indexes go with it."""

_STRANGERS = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relname = ANY(%(names)s)
    UNION
    SELECT t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = current_schema() AND t.typname = ANY(%(names)s)
    ORDER BY 1
"""

_Connection = psycopg.Connection[tuple[Any, ...]]


def load(dsn: str, snapshot: Snapshot, *, schema: int = USUAL) -> None:
    """Let the database at *dsn* hold the rows of *snapshot*, and no others, in tables of *schema*.

    Tables of the same schema stay and get other rows, which readers see all at once; those of another are made again.
    Sources of members do not survive a schema before 220, which has no place for them.

    Raises:
        InputRejectedError: the tables refuse some of *snapshot*; *schema* is unknown; or the database holds tables of
            these names that were not made here.
        SilentError: the database cannot be reached, or the connection was lost.
        psycopg.Error: the database refuses something else, such as making tables without the right to.
    """
    rows = rows_of(snapshot, schema)
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("SET lock_timeout = {}").format(PATIENCE))
            wanted = definitions(schema)
            with _all_at_once(connection):
                _make(connection, wanted)
                with connection.transaction():
                    _fill(connection, columns(schema), rows)
            for table in rows:
                connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
    except psycopg.OperationalError as error:
        raise SilentError(f"the database does not answer: {error}") from error


def _is_cockroach(connection: _Connection) -> bool:
    return CrdbConnection.is_crdb(connection)


def _all_at_once(connection: _Connection) -> AbstractContextManager[object]:
    """Return a transaction around everything; not so for CockroachDB, where what was dropped first has to be gone."""
    return nullcontext() if _is_cockroach(connection) else connection.transaction()


def _make(connection: _Connection, wanted: tuple[Definition, ...]) -> None:
    made = _made(connection)
    if made == wanted:
        return
    if made:
        _drop(connection, (*_MARKER, *made))
    with connection.transaction():
        for definition in (*_MARKER, *wanted):
            connection.execute(sql.SQL(definition.sql))
        record = sql.SQL("INSERT INTO {} (step, kind, name, sql) VALUES (%s, %s, %s, %s)").format(_MARKER_NAME)
        listed = [(step, one.kind, one.name, one.sql) for step, one in enumerate(wanted)]
        with connection.cursor() as cursor:
            cursor.executemany(record, listed)


def _made(connection: _Connection) -> tuple[Definition, ...]:
    """Return what was made here before, once it is sure that nothing else of these names is there."""
    marked = connection.execute(_STRANGERS, {"names": [MARKER]}).fetchall()
    record = sql.SQL("SELECT kind, name, sql FROM {} ORDER BY step").format(_MARKER_NAME)
    made = tuple(Definition(*row) for row in connection.execute(record)) if marked else ()
    ours = {definition.name for definition in made}
    strangers = [name for (name,) in connection.execute(_STRANGERS, {"names": [*names()]}) if name not in ours]
    if strangers:
        message = "is already there and was not made by rackcast; name a database without it, such as a new one"
        raise InputRejectedError(f"database {connection.info.dbname}", [Mistake(name, message) for name in strangers])
    return made


def _drop(connection: _Connection, made: tuple[Definition, ...]) -> None:
    with connection.transaction():
        for kind in _DROPPED:
            for definition in made:
                if definition.kind == kind:
                    name = sql.Identifier(definition.name)
                    connection.execute(sql.SQL("DROP {} IF EXISTS {}").format(sql.SQL(kind), name))


def _fill(connection: _Connection, layout: Mapping[str, Sequence[str]], rows: Mapping[str, list[Row]]) -> None:
    """Replace all rows. They are deleted one by one, so that readers keep what they see until they end."""
    write = _insert if _is_cockroach(connection) else _copy
    with connection.cursor() as cursor:
        for table, names_ in layout.items():
            cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            write(cursor, table, names_, rows[table])
        for sequence, number in sequences_of(rows).items():
            cursor.execute("SELECT setval(%s, %s, false)", (sequence, number))


def _copy(cursor: psycopg.Cursor[Any], table: str, names_: Sequence[str], rows: list[Row]) -> None:
    listed = sql.SQL(", ").join(map(sql.Identifier, names_))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), listed)
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _insert(cursor: psycopg.Cursor[Any], table: str, names_: Sequence[str], rows: list[Row]) -> None:
    listed = sql.SQL(", ").join(map(sql.Identifier, names_))
    values = sql.SQL(", ").join([sql.Placeholder()] * len(names_))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table), listed, values)
    cursor.executemany(statement, rows)
