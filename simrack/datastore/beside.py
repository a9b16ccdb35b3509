"""The database that runs beside a simulated rack and moves on with it.

This file does not know racks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from uuid import UUID

import psycopg
from attrs import frozen

from blueprints.errors import SilentError
from blueprints.snapshot import Snapshot
from simrack.datastore.load import load
from simrack.datastore.server import running

_IN_SERVICE = """
    SELECT id FROM sled
    WHERE time_deleted IS NULL AND sled_policy <> 'expunged' AND sled_state = 'active'
"""


@frozen
class LoadedDatabase:
    """A database whose rows are those of one snapshot, then of the next."""

    dsn: str

    def hold(self, snapshot: Snapshot) -> None:
        """Replace all rows by those of *snapshot*.

        Raises:
            InputRejectedError: the tables refuse some of *snapshot*.
            SilentError: the database does not answer.
        """
        load(self.dsn, snapshot)

    def sleds_in_service(self) -> frozenset[UUID]:
        """Return the sleds in service, by the rows as they are now.

        Raises:
            SilentError: the database does not answer.
        """
        try:
            with psycopg.connect(self.dsn, autocommit=True) as connection:
                return frozenset(row[0] for row in connection.execute(_IN_SERVICE))
        except psycopg.OperationalError as error:
            raise SilentError(f"the database does not answer: {error}") from error


@contextmanager
def own_postgres() -> Iterator[LoadedDatabase]:
    """Run a PostgreSQL while the context lasts, and give its database, still empty.

    Raises:
        SilentError: it does not start.
    """
    with running(Path(gettempdir())) as dsn:
        yield LoadedDatabase(dsn)
