"""`rackcast collect`: a real database, a simulated rack over HTTP and DNS, and the command between them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from attrs import evolve
from psycopg.conninfo import make_conninfo

from blueprints.addresses import UnderlayUnicast
from blueprints.blueprint import CONTENT_FIELDS
from blueprints.documents import snapshot_digest, snapshot_document
from blueprints.endpoints import Endpoints
from blueprints.files import read_snapshot, write_endpoints, write_snapshot
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import MemberPorts, Policy, Snapshot
from planner import plan
from rackcast import __version__
from rackcast.simulated import simulated_rack
from simrack.background import running
from simrack.datastore.load import load
from simrack.peers import peers_of
from simrack.rack import SimulatedRack
from tests.postgres import fresh_database
from tests.rackcast.conftest import Ending, Run
from tests.simrack.rows import NOON, SLEDS, SPEAKER, SWITCH0, SWITCH1, ZONES, small_rack

NICS = ("--underlay-nics", "cxgbe1, cxgbe0")
CANARY = "c4nary-pa55word"


def as_collected() -> Snapshot:
    """Return the small rack as a collection finds it: without an instance that no member names."""
    rack = small_rack()
    return evolve(rack, instances=[instance for instance in rack.instances if instance.id != SPEAKER])


@pytest.fixture(scope="module")
def rack() -> Iterator[SimulatedRack]:
    """Run the small rack."""
    with running(as_collected()) as rack:
        yield rack


@pytest.fixture(autouse=True)
def _calm(rack: SimulatedRack) -> None:
    """Withdraw all faults."""
    httpx.delete(f"{rack.control_url}/faults").raise_for_status()


@pytest.fixture(scope="module")
def dsn(database_server: str) -> Iterator[str]:
    """Return a datastore that holds the small rack, for tests that leave it as it is."""
    with fresh_database(database_server) as dsn:
        load(dsn, as_collected())
        yield dsn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder for what is written."""
    folder = tmp_path / "written"
    folder.mkdir()
    return folder


@pytest.fixture
def endpoints(rack: SimulatedRack, tmp_path: Path) -> Path:
    """Return the endpoints file of the rack."""
    path = tmp_path / "endpoints.json"
    write_endpoints(str(path), rack.endpoints)
    return path


def fault(rack: SimulatedRack, target: str, kind: str, **options: Any) -> None:
    """Order a fault that lasts."""
    order = {"target": target, "kind": kind, "times": None, **options}
    httpx.post(f"{rack.control_url}/faults", json=order).raise_for_status()


def whole(rack: SimulatedRack) -> Snapshot:
    """Return the small rack with the peers that its switches report."""
    switches = {
        slot: evolve(switch, peers=peers_of(rack.world, slot)) for slot, switch in as_collected().switches.items()
    }
    return evolve(as_collected(), switches=switches)


def told(ending: Ending) -> dict[str, Any]:
    """Return the report that ``--json`` printed."""
    document: dict[str, Any] = json.loads(ending.out)
    return document


def unknown(document: dict[str, Any]) -> dict[str, str]:
    """Return the unknown parts of a report, with their reasons."""
    return {part["part"]: part["reason"] for part in document["parts"] if not part["known"]}


# --- all is well ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["--dns", "--endpoints"])
def test_what_was_loaded_is_collected(
    run: Run, dsn: str, rack: SimulatedRack, endpoints: Path, folder: Path, way: str
) -> None:
    """Found either way, the snapshot is the one that was loaded, and so is the plan; only source and time differ."""
    path = folder / "snapshot.json"
    where = rack.dns if way == "--dns" else endpoints
    ending = run("collect", "--dsn", dsn, way, where, *NICS, "-o", path)
    assert (ending.code, ending.out) == (0, "")
    assert ending.err.startswith("The whole rack was read.\n")
    collected, original = read_snapshot(str(path)), whole(rack)
    assert collected == evolve(original, source=collected.source, evaluated_at=collected.evaluated_at)
    assert collected.evaluated_at > NOON
    assert collected.source is not None
    assert (collected.source.datastore_schema, collected.source.collected_by) == ("296", f"rackcast {__version__}")
    plans = [plan(evolve(snapshot, evaluated_at=NOON)) for snapshot in (collected, original)]
    assert all(getattr(plans[0], name) == getattr(plans[1], name) for name in CONTENT_FIELDS)
    assert list(folder.iterdir()) == [path]


def test_the_report_stands_beside_the_snapshot(run: Run, dsn: str, rack: SimulatedRack, folder: Path) -> None:
    """The same report is printed as JSON and written: of this snapshot, every part known, each phase timed."""
    path, report = folder / "snapshot.yaml.gz", folder / "report.json"
    ending = run("collect", "--dsn", dsn, "--dns", rack.dns, "-o", path, "--report", report, "--json")
    assert ending.code == 0
    document = told(ending)
    assert document == json.loads(report.read_text())
    assert document["format"] == "rackcast.collection/1"
    assert document["snapshot_digest"] == snapshot_digest(read_snapshot(str(path)))
    assert unknown(document) == {}
    assert document["rows"]["members"] == 4
    assert document["inventory"]["errors"] == 0
    assert list(document["seconds"]) == ["datastore", "switches", "assembly", "checks"]
    assert "sled_nics_unstated" in [found["code"] for found in document["findings"]]


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_dash_is_standard_output(run: Run, dsn: str, rack: SimulatedRack, words: tuple[str, ...]) -> None:
    """Then the snapshot alone is there, and what people or programs are told goes to standard error."""
    ending = run("collect", "--dsn", dsn, "--dns", rack.dns, *NICS, "-o", "-", *words)
    assert ending.code == 0
    assert json.loads(ending.out)["format"] == "rackcast.snapshot/1"
    if words:
        assert json.loads(ending.err)["format"] == "rackcast.collection/1"
    else:
        assert ending.err.startswith("The whole rack was read.")


def test_the_connection_string_comes_from_the_environment(
    run: Run, dsn: str, rack: SimulatedRack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the option, RACKCAST_DSN leads to the datastore."""
    monkeypatch.setenv("RACKCAST_DSN", dsn)
    assert run("collect", "--dns", rack.dns, "-o", folder / "snapshot.json").code == 0


def test_what_is_stated_is_in_the_snapshot(run: Run, dsn: str, rack: SimulatedRack, folder: Path) -> None:
    """Policy, NICs and a switch's address are as the user says, and a contradiction is told."""
    policy, path = folder / "policy.yaml", folder / "snapshot.json"
    policy.write_text("member_ports: derived\norphan_grace_seconds: 7\n")
    words = ("--policy", policy, "--switch", "switch1=fd00::7", *NICS)
    ending = run("collect", "--dsn", dsn, "--dns", rack.dns, *words, "-o", path)
    assert ending.code == 0
    snapshot = read_snapshot(str(path))
    assert snapshot.policy == Policy(member_ports=MemberPorts.DERIVED, orphan_grace_seconds=7)
    assert {sled.underlay_nics for sled in snapshot.sleds} == {("cxgbe0", "cxgbe1")}
    assert [str(switch.underlay_address) for switch in snapshot.switches.values()] == [ZONES[SWITCH0], "fd00::7"]
    assert "switch_address_contradicted" in ending.err


def test_a_simulated_rack_and_its_datastore_are_collected_by_the_shell(folder: Path) -> None:
    """As processes of their own: `sim --datastore` runs the rack, `collect` reads it by what the first line says."""
    source, path = folder / "source.json", folder / "snapshot.json"
    write_snapshot(str(source), as_collected())
    with simulated_rack(str(source), folder, datastore=True) as rack:
        assert rack.dsn is not None
        ended = command("--dsn", rack.dsn, "--dns", rack.dns, *NICS, "-o", path)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert read_snapshot(str(path)).members == as_collected().members


def command(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run `rackcast collect` as a process."""
    return subprocess.run(
        [sys.executable, "-m", "rackcast", "collect", *map(str, words)], capture_output=True, text=True, check=False
    )


# --- parts are unknown ----------------------------------------------------------------------------------------------


def test_a_silent_daemon_costs_its_part(run: Run, dsn: str, rack: SimulatedRack, folder: Path) -> None:
    """The snapshot is written with null in its place; the command ends with 4 and names the part and the reason."""
    fault(rack, "switch0 ddmd", "refuse")
    path = folder / "snapshot.json"
    ending = run("collect", "--dsn", dsn, "--dns", rack.dns, *NICS, "-o", path)
    assert ending.code == 4
    assert "switch0 peers" in ending.err
    assert "ddmd: closed before the answer was whole" in ending.err
    snapshot = read_snapshot(str(path))
    assert [switch.peers is None for switch in snapshot.switches.values()] == [True, False]
    again = run("collect", "--dsn", dsn, "--dns", rack.dns, *NICS, "-o", path, "--json")
    assert (again.code, list(unknown(told(again)))) == (4, ["switch0 peers"])


def test_a_dead_dpd_changes_no_port(run: Run, dsn: str, rack: SimulatedRack, folder: Path) -> None:
    """One backplane serves both switches: the plan of what one of them told has the same ports and tables."""
    fault(rack, "switch1 dpd", "refuse")
    path = folder / "snapshot.json"
    ending = run("collect", "--dsn", dsn, "--dns", rack.dns, *NICS, "-o", path, "--json")
    assert (ending.code, list(unknown(told(ending)))) == (4, ["switch1 backplane"])
    alone, both = plan(read_snapshot(str(path))), plan(whole(rack))
    assert (alone.ports, alone.switches) == (both.ports, both.switches)


def test_a_restored_dump_is_collected_without_a_rack(run: Run, dsn: str, folder: Path) -> None:
    """With every switch named and nobody to ask, what the switches know is unknown, and that is why."""
    path = folder / "snapshot.json"
    switches = [word for slot in SwitchSlot for word in ("--switch", f"{slot}={ZONES[slot]}")]
    ending = run("collect", "--dsn", dsn, *switches, "-o", path, "--json")
    assert ending.code == 4
    assert list(unknown(told(ending))) == [f"{slot} {part}" for slot in SwitchSlot for part in ("peers", "backplane")]
    assert {reason.partition(":")[0] for reason in unknown(told(ending)).values()} == {"nobody was asked"}
    snapshot = read_snapshot(str(path))
    assert all((its.peers, its.backplane) == (None, None) for its in snapshot.switches.values())
    assert {slot: str(its.underlay_address) for slot, its in snapshot.switches.items()} == ZONES


def test_a_datastore_without_inventory_is_a_part_unknown(
    run: Run, database: str, rack: SimulatedRack, folder: Path
) -> None:
    """No collection is not an empty one: null in the snapshot, 4 from the command."""
    load(database, evolve(as_collected(), inventory=None))
    path = folder / "snapshot.json"
    ending = run("collect", "--dsn", database, "--dns", rack.dns, *NICS, "-o", path, "--json")
    assert (ending.code, unknown(told(ending))) == (4, {"inventory": "the datastore holds no collection"})
    assert read_snapshot(str(path)).inventory is None


def test_a_name_server_that_is_silent_costs_the_switches(
    run: Run, dsn: str, rack: SimulatedRack, folder: Path
) -> None:
    """Switches that the user names keep their place with nothing known; without a name there is no snapshot."""
    fault(rack, "dns", "status", status=2)
    path = folder / "snapshot.json"
    nobody = run("collect", "--dsn", dsn, "--dns", rack.dns, "-o", path)
    assert (nobody.code, nobody.err.partition(":")[0]) == (4, "no answer to trust")
    assert list(folder.iterdir()) == []
    named = run("collect", "--dsn", dsn, "--dns", rack.dns, "--switch", "switch0=fd00::7", "-o", path, "--json")
    assert (named.code, list(unknown(told(named)))) == (4, ["switch0 peers", "switch0 backplane"])


def test_prefixes_that_are_named_are_gone_by(run: Run, dsn: str, rack: SimulatedRack, folder: Path) -> None:
    """A rack on loopback is not asked where loopback is not allowed; where it is, it is."""
    way = ("collect", "--dsn", dsn, "--dns", rack.dns, *NICS, "-o", folder / "snapshot.json")
    outside = run(*way, "--allow-prefix", "fd00:1::/32")
    assert (outside.code, "outside the rack" in " ".join(outside.err.split())) == (4, True)
    assert run(*way, "--allow-prefix", "::1/128").code == 0


# --- nothing is written ---------------------------------------------------------------------------------------------


def swapped(endpoints: Endpoints) -> Endpoints:
    """Return *endpoints* with each switch under the other's slot."""
    return evolve(endpoints, switches={SWITCH0: endpoints.switches[SWITCH1], SWITCH1: endpoints.switches[SWITCH0]})


def test_switches_that_are_not_who_they_should_be_are_refused(
    run: Run, dsn: str, rack: SimulatedRack, endpoints: Path, folder: Path
) -> None:
    """Where a stranger was found says nothing: the switches have to be named, and are unknown then."""
    write_endpoints(str(endpoints), swapped(rack.endpoints))
    path = folder / "snapshot.json"
    ending = run("collect", "--dsn", dsn, "--endpoints", endpoints, "-o", path)
    assert ending.code == 7
    assert "switches: 2 mistakes" in ending.err
    assert "its slot is 0, not 1); pass --switch switch1=ADDRESS" in ending.err
    assert list(folder.iterdir()) == []
    named = [word for slot in SwitchSlot for word in ("--switch", f"{slot}={ZONES[slot]}")]
    ending = run("collect", "--dsn", dsn, "--endpoints", endpoints, *named, "-o", path, "--json")
    assert (ending.code, len(unknown(told(ending)))) == (4, 6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say where the switches are"),
        (("--switch", "switch0=fd00::1", "--allow-prefix", "fd00::/8"), "--allow-prefix goes with --dns"),
        (("--dns", "[::1]:1", "--endpoints", "e.json"), "say once where the switches are"),
        (("--switch", "switch2=fd00::1"), "expected switch0=ADDRESS or switch1=ADDRESS"),
        (("--switch", "switch0"), "expected switch0=ADDRESS or switch1=ADDRESS"),
        (("--switch", "switch0=fd00::1", "--switch", "switch0=fd00::2"), "each once"),
        (("--switch", "switch0=10.0.0.1"), "is not IPv6"),
        (("--dns", "[::1]:1", "--underlay-nics", "cxgbe0,"), "expected names such as cxgbe0,cxgbe1"),
        (("--dns", "[::1]:1", "--underlay-nics", "cxgbe0 cxgbe1"), "expected names such as cxgbe0,cxgbe1"),
        (("--dns", "[::1]:1", "--underlay-nics", "a,a"), "each once"),
        (("--dns", "[::1]:1", "--rack-id", "7"), "not a valid UUID"),
        (("--dns", "[::1]:1", "--report", "./snapshot.json"), "name the same file"),
    ],
    ids=str,
)
def test_wrong_usage_is_told_before_anybody_is_asked(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    """Nobody listens at the connection string; what is wrong with the words is told instead."""
    monkeypatch.chdir(folder)
    ending = run("collect", "--dsn", "postgresql://[::1]:1/nothing", "-o", "snapshot.json", *words)
    assert ending.code == 2
    assert said in " ".join(ending.err.split())


def test_a_connection_string_and_an_output_are_needed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without either the command says which is missing, and where else it may stand."""
    monkeypatch.delenv("RACKCAST_DSN", raising=False)
    without_dsn = run("collect", "--dns", "[::1]:1", "-o", "x.json")
    assert (without_dsn.code, "RACKCAST_DSN" in without_dsn.err) == (2, True)
    without_output = run("collect", "--dns", "[::1]:1", "--dsn", "postgresql://[::1]:1/nothing")
    assert (without_output.code, "'--output'" in without_output.err) == (2, True)


MISTAKEN: list[tuple[str, str, list[str]]] = [
    ("--policy", "- 1", ["expected an object"]),
    (
        "--policy",
        "{member_ports: 7, extra: 1, orphan_grace_seconds: -1}",
        ["3 mistakes", "member_ports: ", "orphan_grace_seconds: -1 is negative", "extra: unknown key"],
    ),
    (
        "--endpoints",
        "{format: rackcast.endpoints/1, switches: {switch0: {}}, sleds: {}}",
        ["3 mistakes", "switches.switch0.ddmd: required"],
    ),
    (
        "--endpoints",
        "{format: rackcast.endpoints/1, switches: {}, sleds: {}}",
        ["switches: none is known; pass --switch SLOT=ADDRESS for each"],
    ),
]


@pytest.mark.parametrize("case", MISTAKEN, ids=lambda case: case[1])
def test_files_with_mistakes_are_refused_with_all_of_them(
    run: Run, dsn: str, rack: SimulatedRack, folder: Path, case: tuple[str, str, list[str]]
) -> None:
    """Each mistake with its path, and nothing is written."""
    option, text, said = case
    given = folder.parent / "given.yaml"
    given.write_text(text)
    way = () if option == "--endpoints" else ("--dns", rack.dns)
    ending = run("collect", "--dsn", dsn, *way, option, given, "-o", folder / "snapshot.json")
    assert ending.code == 7
    assert [words for words in said if words not in ending.err] == []
    assert list(folder.iterdir()) == []


def old_files(folder: Path) -> dict[Path, str]:
    """Return files that stood there before, with what they hold."""
    files = {folder / "snapshot.json": "old snapshot", folder / "report.json": "old report"}
    for path, text in files.items():
        path.write_text(text)
    return files


def texts(folder: Path) -> dict[Path, str]:
    """Return what all files of *folder* hold now."""
    return {path: path.read_text() for path in folder.iterdir()}


SPOILT = {
    "UPDATE db_metadata SET target_version = '297.0.0'": (7, "a migration to '297.0.0' is under way"),
    "UPDATE db_metadata SET version = '500.0.0'": (7, "schema 500 is not understood"),
    "DROP TABLE multicast_group_member": (4, "no answer to trust: datastore at"),
    "DELETE FROM sled": (7, "pass --rack-id"),
}
"""What is done to the datastore to: how the command ends, and what it says."""


@pytest.mark.parametrize("statement", SPOILT)
def test_a_datastore_that_cannot_be_taken_leaves_the_old_files(
    run: Run, database: str, rack: SimulatedRack, folder: Path, statement: str
) -> None:
    """A refused or failed read says so with its code, and neither snapshot nor report is touched."""
    load(database, as_collected())
    with psycopg.connect(database) as connection:
        connection.execute(statement.encode())
    before = old_files(folder)
    words = ("-o", folder / "snapshot.json", "--report", folder / "report.json")
    ending = run("collect", "--dsn", database, "--dns", rack.dns, *words)
    assert (ending.code, ending.out) == (SPOILT[statement][0], "")
    assert SPOILT[statement][1] in ending.err
    assert texts(folder) == before


def test_a_datastore_that_nobody_serves_ends_with_4(run: Run, rack: SimulatedRack, folder: Path) -> None:
    """No connection is no answer: the place is named, and no switch is asked."""
    httpx.delete(f"{rack.control_url}/calls").raise_for_status()
    ending = run("collect", "--dsn", "postgresql://[::1]:1/nothing", "--dns", rack.dns, "-o", folder / "x.json")
    assert (ending.code, ending.err.startswith("no answer to trust: datastore at ::1 port 1")) == (4, True)
    assert httpx.get(f"{rack.control_url}/calls").json() == []
    assert list(folder.iterdir()) == []


def test_a_report_that_cannot_be_written_costs_the_snapshot_too(
    run: Run, dsn: str, rack: SimulatedRack, folder: Path
) -> None:
    """Both appear or none: the old snapshot stands if the report has no place."""
    before = old_files(folder)
    words = ("-o", folder / "snapshot.json", "--report", folder / "none" / "report.json")
    ending = run("collect", "--dsn", dsn, "--dns", rack.dns, *words)
    assert (ending.code, "No such file or directory" in ending.err) == (7, True)
    assert texts(folder) == before


def test_without_the_extra_the_command_says_what_to_install(
    run: Run, rack: SimulatedRack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What speaks to databases is an extra: where it is missing, the way to get it is told."""
    monkeypatch.setitem(sys.modules, "collector.datastore", None)
    ending = run("collect", "--dsn", "postgresql:///x", "--dns", rack.dns, "-o", folder / "x.json")
    assert (ending.code, "pip install 'rackcast[datastore]'" in ending.err) == (2, True)


# --- interrupted ----------------------------------------------------------------------------------------------------

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 20.0
WAITING = b"SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.mark.parametrize("ends", ENDS)
def test_a_collection_that_is_interrupted_leaves_the_old_files(
    dsn: str, rack: SimulatedRack, folder: Path, ends: signal.Signals
) -> None:
    """Ended in the middle of reading, by Ctrl-C, a supervisor or a closed terminal, it leaves nothing new or half."""
    before = old_files(folder)
    words = ["--dns", rack.dns, "-o", folder / "snapshot.json", "--report", folder / "report.json"]
    with psycopg.connect(dsn) as blocker:
        blocker.execute("LOCK TABLE multicast_group_member IN ACCESS EXCLUSIVE MODE")
        started = [sys.executable, "-m", "rackcast", "collect", "--dsn", dsn, *map(str, words)]
        with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_for_a_waiter(dsn)
            process.send_signal(ends)
            out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err.strip()) == (130, "", "interrupted")
    assert texts(folder) == before
    assert command("--dsn", dsn, *words).returncode == 0


@pytest.mark.parametrize("ends", ENDS)
def test_a_collection_that_is_interrupted_while_it_writes_leaves_nothing_half(
    dsn: str, rack: SimulatedRack, folder: Path, ends: signal.Signals
) -> None:
    """Ended while nobody reads the pipe for the snapshot, it takes the new report away and leaves the old one."""
    pipe, report = folder / "pipe.json", folder / "report.json"
    os.mkfifo(pipe)
    report.write_text("old report")
    words = ["--dsn", dsn, "--dns", rack.dns, "-o", str(pipe), "--report", str(report)]
    started = [sys.executable, "-m", "rackcast", "collect", *words]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len(list(folder.iterdir())) == 3, "no report is prepared")
        process.send_signal(ends)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err.strip()) == (130, "", "interrupted")
    assert sorted(folder.iterdir()) == [pipe, report]
    assert report.read_text() == "old report"


def wait_until(reached: Callable[[], bool], otherwise: str) -> None:
    """Return once *reached* says so."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def wait_for_a_waiter(dsn: str) -> None:
    """Return once somebody waits for a lock."""
    with psycopg.connect(dsn, autocommit=True) as watcher:
        wait_until(lambda: watcher.execute(WAITING).fetchone() != (0,), "nobody waits for the lock")


# --- what must not be told ------------------------------------------------------------------------------------------


def everything(ending: Ending, folder: Path) -> str:
    """Return all that was printed or written."""
    return "\n".join([ending.out, ending.err, *texts(folder).values()])


def test_a_password_is_never_told(run: Run, dsn: str, rack: SimulatedRack, folder: Path) -> None:
    """Neither snapshot nor report, neither success nor failure nor a connection string that is none shows it."""
    good = make_conninfo(dsn, password=CANARY)
    path, report = folder / "snapshot.json", folder / "report.json"
    way = ("--dns", rack.dns)
    endings = [
        run("collect", "--dsn", good, *way, "-o", path, "--report", report),
        run("collect", "--dsn", good, *way, "-o", "-", "--json"),
        run("collect", "--dsn", make_conninfo(good, dbname="nothing"), *way, "-o", path),
        run("collect", "--dsn", f"postgresql://someone:{CANARY}@[::1]:1/nothing", *way, "-o", path),
        run("collect", "--dsn", f"postgresql://someone:{CANARY}@@[::1]/nothing", *way, "-o", path),
        run("collect", "--dsn", f"password={CANARY} nonsense", *way, "-o", path),
        run("collect", "--dsn", good),
    ]
    assert [ending.code for ending in endings] == [0, 0, 4, 4, 7, 7, 2]
    assert not any(CANARY in everything(ending, folder) for ending in endings)


def test_help_does_not_show_the_environment(
    run: Run, dsn: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, its value is not; wrong usage does not show it either."""
    monkeypatch.setenv("RACKCAST_DSN", make_conninfo(dsn, password=CANARY))
    for ending in (run("collect", "--help"), run("collect"), run("collect", "--nonsense")):
        assert CANARY not in everything(ending, folder)
    assert "RACKCAST_DSN" in run("collect", "--help").out


def test_a_scrubbed_snapshot_tells_nobody_whose_it_is(run: Run, dsn: str, rack: SimulatedRack, folder: Path) -> None:
    """Ids, serials, addresses and names are exchanged in snapshot and report; the plan has the same shape."""
    fault(rack, "switch1 ddmd", "refuse")
    path, report = folder / "snapshot.json", folder / "report.json"
    words = ("--switch", "switch0=fd00:1122:3344:1fe::2", "-o", path, "--report", report, "--scrub", "--json")
    ending = run("collect", "--dsn", dsn, "--dns", rack.dns, *NICS, *words)
    assert ending.code == 4
    text = everything(ending, folder)
    plain = snapshot_document(whole(rack))
    telling = [plain["rack_id"], str(SLEDS[0]), "BRM42220000", "group-4", "233.252.0.1", "fd00:1122", "fe80::aa40"]
    assert [name for name in telling if name in text] == []
    document = json.loads(report.read_text())
    assert document["snapshot_digest"] == snapshot_digest(read_snapshot(str(path)))
    assert document["rack_id"] == str(read_snapshot(str(path)).rack_id)
    assert unknown(document) == {"switch1 peers": "withheld"}
    counted = {found["code"]: found["message"] for found in document["findings"]}
    assert counted["switch_address_contradicted"] == "1 found"
    shapes = [
        [
            (len(row.members), row.complete)
            for switch in plan(evolve(each, evaluated_at=NOON)).switches.values()
            for row in switch.underlay_groups
        ]
        for each in (read_snapshot(str(path)), whole(rack))
    ]
    assert sorted(shapes[0]) == sorted(shapes[1])


def test_a_switch_address_that_nobody_knows_is_asked_for(run: Run, database: str, folder: Path) -> None:
    """A rack whose zones are named after no sled is refused with what to pass for every switch."""
    far = {
        slot: evolve(switch, underlay_address=UnderlayUnicast.parse(f"fd00:9:9:{slot.number}::2"))
        for slot, switch in as_collected().switches.items()
    }
    snapshot = evolve(as_collected(), switches=far)
    load(database, snapshot)
    with running(snapshot) as rack:
        ending = run("collect", "--dsn", database, "--dns", rack.dns, "-o", folder / "snapshot.json")
    assert ending.code == 7
    assert all(f"pass --switch {slot}=ADDRESS" in ending.err for slot in SwitchSlot)
