"""What keeps `rackcast execute` from doing harm, from the command line, against a simulated rack."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve

from blueprints.files import read_observation, read_snapshot, write_endpoints, write_snapshot
from simrack.background import running
from simrack.rack import SimulatedRack
from tests.rackcast.conftest import Run
from tests.rackcast.conftest import run as run  # noqa: PLC0414 (a fixture, lent)

ONE_GROUP = Path(__file__).parents[2] / "examples" / "01_one_group" / "snapshot.yaml"


@pytest.fixture
def rack() -> Iterator[SimulatedRack]:
    """Run the hand-sized rack."""
    with running(read_snapshot(str(ONE_GROUP))) as running_rack:
        yield running_rack


@pytest.fixture
def endpoints(rack: SimulatedRack, tmp_path: Path) -> Path:
    """Return its endpoints file."""
    path = tmp_path / "endpoints.yaml"
    write_endpoints(str(path), rack.endpoints)
    return path


@pytest.fixture
def plans(run: Run, tmp_path: Path) -> tuple[Path, Path]:
    """Return the blueprint of the hand-sized rack, and one after it from rows without members."""
    first, second, emptied = (tmp_path / name for name in ("1.json", "2.json", "emptied.json"))
    write_snapshot(str(emptied), evolve(read_snapshot(str(ONE_GROUP)), members=()))
    assert run("plan", ONE_GROUP, "-o", first).code == 0
    assert run("plan", emptied, "--parent", first, "-o", second).code == 0
    return first, second


def _written(rack: SimulatedRack) -> list[str]:
    calls = httpx.get(f"{rack.control_url}/calls").json()
    return [call["path"] for call in calls if call["method"] != "GET"]


def test_a_mass_change_is_asked_about_and_accepted(
    run: Run, rack: SimulatedRack, endpoints: Path, plans: tuple[Path, Path]
) -> None:
    """A loss beyond the limit ends with 5, says how much and what accepts it; then it goes through."""
    way = ("--endpoints", endpoints, "--max-members-losing", "0")
    first, second = plans
    assert run("execute", first, *way).code == 0
    before = len(_written(rack))
    asked = run("execute", second, *way)
    assert (asked.code, len(_written(rack))) == (5, before)
    assert "members would stop hearing" in asked.out
    assert "--allow-mass-change" in asked.out.replace("\n", " ")
    assert run("execute", second, *way, "--dry-run").code == 5
    assert run("execute", second, *way, "--allow-mass-change").code == 0


def test_limits_by_hand(run: Run, endpoints: Path, plans: tuple[Path, Path]) -> None:
    """One group goes unasked; a share of all, or enough, ask nobody; what is no limit is wrong usage."""
    way = ("--endpoints", endpoints, "--json")
    first, second = plans
    assert run("execute", first, *way).code == 0
    none = ("--max-members-losing", "0", "--max-groups-removed", "0", "--max-rows-removed", "0")
    asked = json.loads(run("execute", second, *way, *none).out)
    assert {loss["what"] for loss in asked["losses"] if loss["beyond"]} == {"members", "groups", "rows"}
    assert run("execute", second, *way, "--max-members-losing", "many").code == 2
    limits = ("--max-members-losing", "100%", "--max-groups-removed", "1", "--max-rows-removed", "10")
    assert run("execute", second, *way, "--dry-run", *limits).code == 3
    assert run("execute", second, *way).code == 0


def test_the_target_is_set_shown_and_the_only_one_carried_out(
    run: Run, rack: SimulatedRack, endpoints: Path, plans: tuple[Path, Path], tmp_path: Path
) -> None:
    """A store leads from plan to plan; what is not the target ends with 6 and writes nothing."""
    first, second = plans
    store = tmp_path / "target.json"
    way = ("--endpoints", endpoints, "--target-store", store, "--allow-mass-change")
    assert "no blueprint" in run("target", "show", "--store", store).out
    assert json.loads(run("target", "show", "--store", store, "--json").out)["target"] is None
    assert run("execute", first, *way).code == 6
    assert run("target", "set", first, "--store", store).code == 0
    assert run("execute", first, *way).code == 0
    assert run("target", "set", second, "--store", store).code == 0
    back = run("target", "set", first, "--store", store)
    assert (back.code, "may not become the target" in back.err) == (6, True)
    assert "generation 2" in run("target", "show", "--store", store).out
    before = len(_written(rack))
    stale = run("execute", first, *way, "--json")
    assert (stale.code, json.loads(stale.out)["outcome"], len(_written(rack))) == (6, "fenced", before)
    assert run("execute", second, *way).code == 0


def test_a_store_that_is_spoilt_or_nowhere_is_refused(
    run: Run, endpoints: Path, plans: tuple[Path, Path], tmp_path: Path
) -> None:
    """What cannot be read or written ends with 7."""
    store = tmp_path / "target.json"
    store.write_text("{}")
    assert run("execute", plans[0], "--endpoints", endpoints, "--target-store", store).code == 7
    assert run("target", "show", "--store", store).code == 7
    assert run("target", "set", plans[0], "--store", tmp_path / "nowhere" / "target.json").code == 7


def _with_endpoints(command: list[object], **options: Any) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "rackcast", *map(str, command)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("calls", [1, 4, 7])
def test_a_process_that_is_killed_is_made_good_by_the_next(
    run: Run, rack: SimulatedRack, endpoints: Path, plans: tuple[Path, Path], tmp_path: Path, calls: int
) -> None:
    """Killed without warning once some calls were made, it leaves a journal; the next process converges with it."""
    first, second = plans
    way = ("--endpoints", endpoints, "--journal", tmp_path / "journal.json", "--allow-mass-change")
    assert run("execute", first, *way).code == 0
    before = len(_written(rack))
    with _with_endpoints(["execute", second, *way]) as process:
        while process.poll() is None and len(_written(rack)) < before + calls:
            time.sleep(0.002)
        process.kill()
    ending = run("execute", second, *way, "--json")
    assert (ending.code, json.loads(ending.out)["journal"]) == (0, {"leaves": 0, "retired": 0, "doubted": 0})
    state = httpx.get(f"{rack.control_url}/state").json()
    assert [sled["subscriptions"] for sled in state["sleds"].values()] == [[], []]
    assert json.loads(run("execute", second, *way, "--json").out)["counts"]["writes"] == 0


@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_says_what_to_do_and_sends_nothing_more(
    run: Run, rack: SimulatedRack, endpoints: Path, plans: tuple[Path, Path], tmp_path: Path, ends: signal.Signals
) -> None:
    """A signal amid the calls ends it with 130; its report claims nothing, and the next run converges."""
    hang = {"target": "switch0 dpd", "kind": "timeout_before", "method": "POST", "times": 1}
    httpx.post(f"{rack.control_url}/faults", json=hang).raise_for_status()
    way = ("--endpoints", endpoints, "--report", tmp_path / "report.json")
    with _with_endpoints(["execute", plans[0], *way]) as process:
        while process.poll() is None and not _written(rack):
            time.sleep(0.002)
        process.send_signal(ends)
        _, said = process.communicate()
    assert (process.returncode, "run it again" in said, "Traceback" in said) == (130, True, False)
    report = json.loads((tmp_path / "report.json").read_text())
    assert [owed["because"] for owed in report["owed"]] == ["the run has not ended"]
    written = len(_written(rack))
    time.sleep(0.2)
    assert len(_written(rack)) == written
    assert run("execute", plans[0], *way).code == 0


def test_the_report_is_written_though_nobody_reads_what_is_printed(
    endpoints: Path, plans: tuple[Path, Path], tmp_path: Path
) -> None:
    """A run whose reader has gone ends with 141, and its report file says what was done all the same."""
    reading, writing = os.pipe()
    os.close(reading)
    words = ("execute", plans[0], "--endpoints", endpoints, "--report", tmp_path / "report.json")
    command = [sys.executable, "-m", "rackcast", *map(str, words)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    assert subprocess.run(command, env=environment, stdout=writing, check=False).returncode == 141
    os.close(writing)
    assert json.loads((tmp_path / "report.json").read_text())["outcome"] == "converged"


def test_a_report_that_finds_no_room_at_the_end_hides_nothing(
    run: Run, rack: SimulatedRack, endpoints: Path, plans: tuple[Path, Path], tmp_path: Path
) -> None:
    """What was sent is told, the file still says that the run has not ended, and the run is owed its report (4)."""
    report = tmp_path / "report.json"
    way = ("--endpoints", endpoints, "--report", report)
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (2000, 2000))
    with _with_endpoints(["execute", plans[0], *way], preexec_fn=limit) as process:
        out, said = process.communicate()
    assert (process.returncode, bool(_written(rack))) == (4, True)
    assert "The rack holds the blueprint" in out
    assert said.endswith(f"{report}: File too large\n")
    assert json.loads(report.read_text())["owed"][0]["because"] == "the run has not ended"
    assert run("execute", plans[0], *way).code == 0
    assert json.loads(report.read_text())["outcome"] == "converged"


def test_a_file_that_cannot_be_written_is_named(
    run: Run, endpoints: Path, plans: tuple[Path, Path], tmp_path: Path
) -> None:
    """A log without its folder, and a store whose scratch file cannot be made, end with 7 and their names."""
    nowhere = tmp_path / "nowhere" / "log"
    done = run("execute", plans[0], "--endpoints", endpoints, "--log", nowhere)
    assert (done.code, f"{nowhere}: No such file" in done.err) == (7, True)
    store = tmp_path / "target.json"
    (tmp_path / ".target.json.new").mkdir()
    done = run("target", "set", plans[0], "--store", store)
    assert (done.code, f"{store}: Is a directory" in done.err) == (7, True)


def test_who_may_not_begin_is_told_what_to_do(
    run: Run, endpoints: Path, plans: tuple[Path, Path], tmp_path: Path
) -> None:
    """No target: which command names one. A spoilt journal: every mistake on a line of its own."""
    done = run("execute", plans[0], "--endpoints", endpoints, "--target-store", tmp_path / "target.json")
    assert (done.code, "rackcast target set" in " ".join(done.out.split())) == (6, True)
    rack_id = json.loads(plans[0].read_text())["rack_id"]
    spoilt = {"format": "rackcast.journal/1", "rack_id": rack_id, "leaves": 1, "retired": 2}
    (tmp_path / "journal.json").write_text(json.dumps(spoilt))
    done = run("execute", plans[0], "--endpoints", endpoints, "--journal", tmp_path / "journal.json", "--json")
    assert done.code == 7
    assert [said.rpartition("journal.json: ")[2].split(":")[0] for said in json.loads(done.out)["refusals"]] == [
        "leaves",
        "retired",
    ]


def test_a_disk_without_room_for_the_journal_sends_nothing(
    run: Run, rack: SimulatedRack, endpoints: Path, plans: tuple[Path, Path], tmp_path: Path
) -> None:
    """With a file system that takes no more bytes the run ends with 4 before its first write, and says why."""
    first, second = plans
    way = ("--endpoints", endpoints, "--journal", tmp_path / "journal.json", "--allow-mass-change")
    assert run("execute", first, *way).code == 0
    before = len(_written(rack))
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (64, 64))
    with _with_endpoints(["execute", second, *way], preexec_fn=limit) as process:
        out, _ = process.communicate()
    assert (process.returncode, len(_written(rack))) == (4, before)
    assert "journal" in out
    assert "File too large" in out.replace("\n", " ")
    assert run("execute", second, *way).code == 0


def test_objects_are_classified_by_every_command_that_reads(
    run: Run, endpoints: Path, plans: tuple[Path, Path], tmp_path: Path
) -> None:
    """`execute`, `observe --against` and `diff --rack` count the same objects; files of observations are the same."""
    first, second = plans
    way = ("--endpoints", endpoints)
    done = json.loads(run("execute", first, *way, "--json").out)["objects"]
    seen = json.loads(run("observe", *way, "--against", first, "--json").out)["objects"]
    compared = json.loads(run("diff", first, "--rack", *way, "--json").out)["objects"]
    assert done == seen == compared
    assert done["wanted"]["total"] == done["observed"] == 12
    assert "nobody can list them" in run("observe", *way, "--against", first).out
    assert "stale" in run("diff", second, "--rack", *way).out
    target = tmp_path / "observation.json"
    assert run("observe", *way, "--against", second, "-o", target).code == 0
    assert read_observation(str(target)).silent == ()
