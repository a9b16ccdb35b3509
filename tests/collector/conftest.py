"""Databases that tests of one file share: making one takes longer than filling it."""

from collections.abc import Iterator

import pytest

from tests.postgres import fresh_database


@pytest.fixture(scope="module")
def shared(database_server: str) -> Iterator[str]:
    """The address of one database for all tests of a file; each test loads it again."""
    with fresh_database(database_server) as dsn:
        yield dsn
