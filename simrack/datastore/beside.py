"""The database that runs beside a simulated rack and moves on with it.

This file does not know racks.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import gettempdir

from attrs import frozen

from blueprints.errors import SilentError
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
    with ExitStack() as stack:
        try:
            dsn = stack.enter_context(running(Path(gettempdir())))
        except (OSError, subprocess.SubprocessError) as error:
            raise SilentError(f"PostgreSQL did not start: {error}") from error
        yield LoadedDatabase(dsn)
