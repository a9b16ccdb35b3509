"""The database that runs beside a simulated rack and moves on with it.

This file does not know racks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from attrs import frozen

from blueprints.snapshot import Snapshot
from simrack.datastore.load import load
from simrack.datastore.server import running


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


@contextmanager
def own_postgres() -> Iterator[LoadedDatabase]:
    """Run a PostgreSQL while the context lasts, and give its database, still empty.

    Raises:
        SilentError: it does not start.
    """
    with running(Path(gettempdir())) as dsn:
        yield LoadedDatabase(dsn)
