"""`rackcast commit-transitions`: a rack carried out over HTTP, its report, and a real datastore that is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from attrs import evolve, frozen
from psycopg.conninfo import make_conninfo

from blueprints.files import read_blueprint, read_snapshot, write_blueprint, write_endpoints
from planner import plan
from simrack.background import running
from simrack.datastore.load import load
from simrack.rack import SimulatedRack
from tests.postgres import fresh_database
from tests.rackcast.conftest import EXAMPLES, Ending, Run

SNAPSHOT = read_snapshot(str(EXAMPLES / "01_one_group" / "snapshot.yaml"))
PLAN = plan(SNAPSHOT)
CANARY = "c4nary-pa55word"


@pytest.fixture(scope="module")
def rack() -> Iterator[SimulatedRack]:
    """Run the hand-sized rack."""
    with running(SNAPSHOT) as rack:
        yield rack


@pytest.fixture(autouse=True)
def _calm(rack: SimulatedRack) -> None:
    """Withdraw all faults."""
    httpx.delete(f"{rack.control_url}/faults").raise_for_status()


@pytest.fixture(scope="module")
def server(database_server: str) -> Iterator[str]:
    """Return the address of a database of our own."""
    with fresh_database(database_server) as dsn:
        yield dsn


@pytest.fixture
def dsn(server: str) -> str:
    """Return the address of a datastore that holds the rack as it was before it was planned."""
    load(server, SNAPSHOT)
    return server


@frozen
class Files:
    """Where things are."""

    blueprint: Path
    endpoints: Path
    report: Path


@pytest.fixture
def files(rack: SimulatedRack, tmp_path: Path) -> Files:
    """Return the blueprint and the endpoints of the rack, and where reports go."""
    files = Files(tmp_path / "blueprint.json", tmp_path / "endpoints.yaml", tmp_path / "report.json")
    write_blueprint(str(files.blueprint), PLAN)
    write_endpoints(str(files.endpoints), rack.endpoints)
    return files


@pytest.fixture
def execute(run: Run, files: Files) -> Run:
    """Return a function that carries the blueprint out and writes the report."""

    def carry_out(*words: object) -> Ending:
        return run("execute", files.blueprint, "--endpoints", files.endpoints, "--report", files.report, *words)

    return carry_out


@pytest.fixture
def commit(run: Run, files: Files, dsn: str) -> Run:
    """Return a function that tells the datastore on the strength of the report."""

    def tell(*words: object) -> Ending:
        return run("commit-transitions", files.blueprint, "--dsn", dsn, "--report", files.report, *words)

    return tell


def states(dsn: str) -> list[str]:
    """Return the states of all groups and members."""
    with psycopg.connect(dsn) as connection:
        groups = connection.execute("SELECT state FROM multicast_group").fetchall()
        members = connection.execute("SELECT state FROM multicast_group_member").fetchall()
    return [state for (state,) in (*groups, *members)]


BEFORE, AFTER = ["creating", "joining", "joining"], ["active", "joined", "joined"]


def test_what_is_in_effect_is_told_once(execute: Run, commit: Run, dsn: str) -> None:
    """After a run that converged the transitions are applied; told again, they are found to be there already."""
    assert execute().code == 0
    first = commit()
    assert (first.code, first.err) == (0, "")
    assert "The datastore says what is in effect." in first.out
    assert "3 applied" in first.out
    assert states(dsn) == AFTER
    again = commit()
    assert (again.code, "3 already so" in again.out, states(dsn)) == (0, True, AFTER)


def test_json_is_one_document_with_every_transition(execute: Run, commit: Run, dsn: str) -> None:
    """``--json`` names the blueprint, counts the outcomes, and says of each transition what became of it."""
    execute()
    member = PLAN.transitions[1]
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE multicast_group_member SET state = 'left' WHERE id = %s", [member.id])
    document = json.loads(commit("--json").out)
    about = {"id": str(PLAN.id), "digest": PLAN.digest, "generation": PLAN.generation}
    assert (document["blueprint"], document["dry_run"]) == (about, False)
    assert document["counts"] == {"planned": 0, "applied": 2, "already": 0, "overtaken": 1, "failed": 0}
    (overtaken,) = (row for row in document["transitions"] if row["outcome"] == "overtaken")
    assert overtaken == {
        "subject": "member",
        "id": str(member.id),
        "from": "joining",
        "to": "joined",
        "sled_id": str(member.sled_id),
        "because": "its instance is on a sled",
        "outcome": "overtaken",
        "found": {"state": "left", "time_deleted": None, "sled_id": overtaken["found"]["sled_id"]},
        "unmet": ["it still stands where it stood when it was planned"],
        "note": "",
    }
    assert [row["found"] for row in document["transitions"] if row["outcome"] == "applied"] == [None, None]


def test_being_overtaken_is_no_error_and_is_shown(execute: Run, commit: Run, dsn: str) -> None:
    """Where somebody else was first it ends with 0, and people see which row, what stands there, and why."""
    execute()
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM multicast_group_member WHERE id = %s", [PLAN.transitions[1].id])
    ending = commit()
    assert ending.code == 0
    assert "The datastore has moved on for 1 transition: collect and plan again." in ending.out
    assert "gone" in ending.out


def test_what_cannot_be_told_ends_with_4(execute: Run, commit: Run, dsn: str) -> None:
    """A refusal of the database is shown with its reason; the rest is told."""
    execute()
    with psycopg.connect(dsn) as connection:
        connection.execute("ALTER TABLE multicast_group ADD CHECK (state <> 'active') NOT VALID")
    try:
        ending = commit()
        assert ending.code == 4
        assert "1 transition could not be told." in ending.out
        assert "23514" in ending.out
        assert states(dsn) == ["creating", "joined", "joined"]
    finally:
        with psycopg.connect(dsn) as connection:
            connection.execute("ALTER TABLE multicast_group DROP CONSTRAINT multicast_group_state_check")


def test_a_dry_run_needs_no_report_and_changes_nothing(run: Run, files: Files, commit: Run, dsn: str) -> None:
    """A dry run says what would be told and ends with 3; with nothing left to tell it ends with 0."""
    ending = run("commit-transitions", files.blueprint, "--dsn", dsn, "--dry-run")
    assert ending.code == 3
    assert "3 transitions would be told; nothing was changed." in ending.out
    assert states(dsn) == BEFORE
    files.report.write_text("{}")
    assert commit("--dry-run").code == 7
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM multicast_group_member")
        connection.execute("DELETE FROM multicast_group")
    rest = run("commit-transitions", files.blueprint, "--dsn", dsn, "--dry-run", "--json")
    assert (rest.code, json.loads(rest.out)["counts"]["overtaken"]) == (0, 3)
    assert json.loads(rest.out)["transitions"][0]["found"] == {"state": "absent"}


def test_without_a_report_nothing_is_told(run: Run, files: Files, dsn: str) -> None:
    """The report is asked for; a connection string is too."""
    ending = run("commit-transitions", files.blueprint, "--dsn", dsn)
    assert (ending.code, "--report is needed" in ending.err, states(dsn)) == (2, True, BEFORE)
    assert run("commit-transitions", files.blueprint, "--dry-run").code == 2


def _refused(ending: Ending, dsn: str, *told: str) -> None:
    assert ending.code == 7
    assert all(each in ending.err for each in told), ending.err
    assert states(dsn) == BEFORE


def test_the_report_of_another_blueprint_is_refused(execute: Run, commit: Run, files: Files, dsn: str) -> None:
    """A plan that was changed since it was carried out is not in effect."""
    execute()
    other = plan(evolve(SNAPSHOT, members=SNAPSHOT.members[:1]))
    write_blueprint(str(files.blueprint), other)
    _refused(commit(), dsn, f"blueprint.digest: is {PLAN.digest}, this blueprint's is {other.digest}")


def test_a_blueprint_that_was_edited_is_refused(execute: Run, commit: Run, files: Files, dsn: str) -> None:
    """A blueprint that is not what its digest says is nobody's plan."""
    execute()
    text = files.blueprint.read_text()
    sled = str(read_blueprint(str(files.blueprint)).transitions[1].sled_id)
    files.blueprint.write_text(
        text.replace(f'"to": "joined", "sled_id": "{sled}"', '"to": "joined", "sled_id": null')
    )
    assert files.blueprint.read_text() != text
    _refused(commit(), dsn, "digest: says", "changed since planned")


def test_a_dry_run_of_the_executor_is_refused(execute: Run, commit: Run, dsn: str) -> None:
    """Even a rack that holds everything was not told what cannot be read back."""
    execute()
    assert execute("--dry-run").code == 0
    _refused(commit(), dsn, "dry_run: nothing was sent in a dry run")


def test_a_partial_run_is_refused_with_what_is_owed(
    execute: Run, commit: Run, rack: SimulatedRack, files: Files, dsn: str
) -> None:
    """While a daemon is owed its part nothing is told; the daemon is named."""
    fault = {"target": "switch1 mgd", "kind": "refuse", "times": None}
    httpx.post(f"{rack.control_url}/faults", json=fault).raise_for_status()
    assert execute().code == 4
    owed = len(json.loads(files.report.read_text())["owed"])
    _refused(commit(), dsn, "outcome: is partial", f"owed: {owed} still to be done: switch1 mgd (")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"outcome": "consent", "owed": [{}]}, "owed[0].target: required, and missing"),
        ({"outcome": "consent"}, "outcome: is consent; only after converged"),
        ({"outcome": "refused", "refusals": ["one key twice"]}, "refusals[0]: one key twice"),
        ({"outcome": "fenced"}, "outcome: is fenced; only after converged"),
        ({"blueprint": None}, "blueprint: expected an object"),
        ({"format": "rackcast.blueprint/1"}, "format: is 'rackcast.blueprint/1'; expected rackcast.report/1"),
    ],
    ids=["debt without a target", "consent", "refused", "fenced", "no blueprint", "another format"],
)
def test_other_reports_are_refused(
    execute: Run, commit: Run, files: Files, dsn: str, changes: dict[str, Any], told: str
) -> None:
    """Whatever a report says besides that all is in effect, it is refused with the reason."""
    execute()
    files.report.write_text(json.dumps({**json.loads(files.report.read_text()), **changes}))
    _refused(commit(), dsn, told)


def test_a_file_that_is_no_report_is_refused(commit: Run, files: Files, dsn: str) -> None:
    """Text, a list, and a file that is not there are refused, each in words of its own."""
    _refused(commit(), dsn, "report.json: No such file")
    files.report.write_text("[]")
    _refused(commit(), dsn, "expected an object with format: rackcast.report/1")
    files.report.write_text("converged")
    _refused(commit(), dsn, "report.json")


def test_a_run_that_was_cut_short_leaves_a_report_that_says_so(
    execute: Run, commit: Run, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report of an earlier run does not stand any more once another run has begun."""
    assert execute().code == 0

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rackcast.commands.execute.run", interrupted)
    assert execute().code == 130
    _refused(commit(), dsn, "outcome: is partial", "owed: 1 still to be done: rack (the run has not ended)")


def test_a_report_that_cannot_be_written_is_said_before_anything_is_sent(
    run: Run, rack: SimulatedRack, files: Files
) -> None:
    """A place that takes no file is found out while the rack is untouched."""
    httpx.delete(f"{rack.control_url}/calls").raise_for_status()
    place = files.report / "report.json"
    ending = run("execute", files.blueprint, "--endpoints", files.endpoints, "--report", place)
    assert (ending.code, str(place) in ending.err) == (7, True)
    assert httpx.get(f"{rack.control_url}/calls").json() == []


def test_the_report_file_is_what_json_prints(execute: Run, files: Files) -> None:
    """``--report`` writes the very document that ``--json`` prints; a report on standard output is written once."""
    ending = execute("--json")
    assert files.report.read_text() == ending.out
    assert json.loads(ending.out)["blueprint"]["id"] == str(PLAN.id)


@pytest.mark.parametrize("way", ["option", "environment"])
def test_no_secret_is_ever_shown(
    run: Run, files: Files, execute: Run, dsn: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with a connection, its password is in no output."""
    execute()
    words = ["commit-transitions", files.blueprint, "--report", files.report]
    unreachable = f"postgresql://somebody:{CANARY}@127.0.0.1:1/datastore"
    for string in (unreachable, make_conninfo(dsn, password=CANARY, dbname="nothing_here"), f"nonsense {CANARY}"):
        monkeypatch.delenv("RACKCAST_DSN", raising=False)
        if way == "environment":
            monkeypatch.setenv("RACKCAST_DSN", string)
            ending = run(*words)
        else:
            ending = run(*words, "--dsn", string)
        assert ending.code in (4, 7)
        assert CANARY not in ending.out + ending.err
        assert "Traceback" not in ending.err


def test_a_password_is_not_shown_where_all_goes_well(run: Run, files: Files, execute: Run, dsn: str) -> None:
    """Nor is it shown in an account."""
    execute()
    string = make_conninfo(dsn, password=CANARY)
    ending = run("commit-transitions", files.blueprint, "--report", files.report, "--dsn", string, "--json")
    assert ending.code == 0
    assert CANARY not in ending.out + ending.err
