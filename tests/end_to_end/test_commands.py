"""The commands that speak to a rack, against a simulated one."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.files import read_blueprint, read_observation, read_snapshot, write_endpoints, write_snapshot
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Snapshot
from executor.execute import execute
from planner import plan
from rackcast.round_trip import collected_again
from rackcast.simulated import simulated_rack
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
def blueprint(run: Run, tmp_path: Path) -> Path:
    """Return the blueprint of the hand-sized rack."""
    path = tmp_path / "blueprint.json"
    assert run("plan", ONE_GROUP, "-o", path).code == 0
    return path


def _fault(rack: SimulatedRack, **fault: object) -> None:
    httpx.post(f"{rack.control_url}/faults", json=fault).raise_for_status()


def test_execute_by_dns_converges_and_then_writes_nothing(run: Run, rack: SimulatedRack, blueprint: Path) -> None:
    """Found through internal DNS alone, the rack is brought to its blueprint; a second run writes nothing."""
    way = ("--dns", rack.dns, "--subscriptions", "instance", "--json")
    first, second = (json.loads(run("execute", blueprint, *way).out) for _ in range(2))
    assert (first["outcome"], first["counts"]["writes"]) == ("converged", 10)
    assert second["counts"]["writes"] == 0
    assert second["counts"]["reasserts"] == 4


def test_execute_json_is_one_document_with_the_fixed_keys(run: Run, endpoints: Path, blueprint: Path) -> None:
    """``--json`` prints one document: outcome, actions, owed and counts."""
    ending = run("execute", blueprint, "--endpoints", endpoints, "--json")
    document = json.loads(ending.out)
    assert {"outcome", "actions", "owed", "counts"} <= set(document)
    assert set(document["counts"]) == {"reads", "writes", "reasserts"}
    assert all({"target", "method", "path", "outcome"} <= set(action) for action in document["actions"])
    assert ending.err == ""


def test_dry_run_sends_nothing_that_writes(run: Run, rack: SimulatedRack, endpoints: Path, blueprint: Path) -> None:
    """A dry run ends with 3 and prints the exact calls that the run then makes, in their order."""
    dry = run("execute", blueprint, "--endpoints", endpoints, "--dry-run", "--json")
    calls = httpx.get(f"{rack.control_url}/calls").json()
    assert dry.code == 3
    assert {call["method"] for call in calls} == {"GET"}
    wet = run("execute", blueprint, "--endpoints", endpoints, "--json")
    announced, made = (
        [(action["target"], action["method"], action["path"]) for action in json.loads(ending.out)["actions"]]
        for ending in (dry, wet)
    )
    assert announced == made


def test_a_silent_daemon_is_owed_and_the_run_goes_on(
    run: Run, rack: SimulatedRack, endpoints: Path, blueprint: Path
) -> None:
    """With one dead daemon the run ends with 4, names what is owed, and the next run heals it."""
    _fault(rack, target="switch1 mgd", kind="refuse", times=None)
    ending = run("execute", blueprint, "--endpoints", endpoints)
    assert ending.code == 4
    assert "switch1 mgd" in ending.out
    httpx.delete(f"{rack.control_url}/faults")
    assert run("execute", blueprint, "--endpoints", endpoints).code == 0


def test_observe_writes_what_the_rack_holds(
    run: Run, rack: SimulatedRack, endpoints: Path, blueprint: Path, tmp_path: Path
) -> None:
    """The observation holds every table; with a silent daemon its table is unknown and the command ends with 4."""
    asyncio.run(execute(read_blueprint(str(blueprint)), rack.endpoints))
    target = tmp_path / "observation.json"
    assert run("observe", "-o", target, "--endpoints", endpoints).code == 0
    seen = read_observation(str(target))
    assert all(len(its.underlay_groups or ()) == 1 for its in seen.switches.values())
    assert all(len(its.m2p or ()) == 1 for its in seen.sleds.values())
    _fault(rack, target="switch0 mgd", kind="status", status=500, times=None)
    ending = run("observe", "-o", target, "--dns", rack.dns, "--sleds-of", blueprint)
    seen = read_observation(str(target))
    assert ending.code == 4
    assert [its.mrib_routes is None for its in seen.switches.values()] == [True, False]
    assert [silence.target for silence in seen.silent] == ["switch0 mgd"]


def test_sleds_that_nobody_could_ask_are_not_empty(run: Run, rack: SimulatedRack, tmp_path: Path) -> None:
    """DNS does not list sleds: an observation without them says so and ends with 4."""
    target = tmp_path / "observation.json"
    ending = run("observe", "-o", target, "--dns", rack.dns)
    assert ending.code == 4
    assert [silence.target for silence in read_observation(str(target)).silent] == ["sleds"]


@pytest.mark.parametrize("option", ["--against", "--sleds-of"])
def test_whom_a_blueprint_names_and_no_address_leads_to_is_silent(
    run: Run, rack: SimulatedRack, blueprint: Path, tmp_path: Path, option: str
) -> None:
    """A sled and a switch that the endpoints file leaves out are unknown and named, and the command ends with 4."""
    less, target = tmp_path / "less.yaml", tmp_path / "observation.json"
    sled, slot = next(iter(rack.endpoints.sleds)), SwitchSlot.SWITCH1
    sleds = {each: url for each, url in rack.endpoints.sleds.items() if each != sled}
    switches = {each: its for each, its in rack.endpoints.switches.items() if each is not slot}
    write_endpoints(str(less), evolve(rack.endpoints, sleds=sleds, switches=switches))
    ending = run("observe", "-o", target, "--endpoints", less, option, blueprint)
    seen = read_observation(str(target))
    assert ending.code == 4
    assert [silence.target for silence in seen.silent] == [f"sled {sled}", "switch1 dpd", "switch1 mgd"]
    assert (seen.sleds[sled].m2p, seen.switches[slot].underlay_groups) == (None, None)


def test_diff_with_the_rack_ends_with_3_until_it_is_executed(run: Run, endpoints: Path, blueprint: Path) -> None:
    """`diff --rack` says what would have to be written, and nothing once it was."""
    way = ("--rack", "--endpoints", endpoints)
    before = run("diff", blueprint, *way)
    assert before.code == 3
    assert "underlay_create" in before.out
    assert run("execute", blueprint, "--endpoints", endpoints).code == 0
    after = run("diff", blueprint, *way, "--json")
    assert (after.code, json.loads(after.out)["changes"]) == (0, [])


def test_diff_with_the_rack_is_logged_and_ends_in_time(
    run: Run, rack: SimulatedRack, endpoints: Path, blueprint: Path, tmp_path: Path
) -> None:
    """It has the options of `observe`; without --rack they are wrong usage, since nobody is asked."""
    assert run("execute", blueprint, "--endpoints", endpoints).code == 0
    log = tmp_path / "log"
    assert run("diff", blueprint, "--rack", "--endpoints", endpoints, "--log", log).code == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {(line["command"], line.get("method", "GET")) for line in lines} == {("diff", "GET")}
    assert [line["event"] for line in lines[:2]] == ["begin", "call"]
    hang = {"target": "switch0 dpd", "kind": "timeout_before", "times": None}
    httpx.post(f"{rack.control_url}/faults", json=hang).raise_for_status()
    late = run("diff", blueprint, "--rack", "--endpoints", endpoints, "--deadline", "1")
    assert (late.code, "the time of this run is over" in " ".join(late.out.split())) == (4, True)
    assert "What was read is as the blueprint has it" in late.out
    assert run("diff", blueprint, "--rack", "--endpoints", endpoints, "--deadline", "nan").code == 2
    for option in (("--endpoints", endpoints), ("--log", log), ("--deadline", "1")):
        alone = run("diff", blueprint, blueprint, *option)
        assert (alone.code, f"{option[0]} goes with --rack" in alone.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [(), ("--endpoints", "a.json", "--dns", "[::1]:53"), ("--endpoints", "a.json", "--subscriptions", "vmm")],
)
def test_the_rack_is_named_exactly_once(run: Run, blueprint: Path, words: tuple[str, ...]) -> None:
    """No way to the rack, or two, is wrong usage."""
    assert run("execute", blueprint, *words).code == 2


def test_a_wrong_endpoints_file_is_refused_with_all_its_mistakes(run: Run, blueprint: Path, tmp_path: Path) -> None:
    """Mistakes of an endpoints file are told at once, and nothing is called."""
    path = tmp_path / "endpoints.yaml"
    path.write_text("format: rackcast.endpoints/1\nswitches: {switch7: {dpd: here}}\nsleds: []\n")
    ending = run("execute", blueprint, "--endpoints", path)
    assert ending.code == 7
    for place in ("switches.switch7", "switches.switch7.dpd", "switches.switch7.mgd", "sleds"):
        assert f"{place}:" in ending.err


def test_a_rack_that_dns_does_not_know_ends_with_4(run: Run, blueprint: Path) -> None:
    """A name server that does not answer is no rack, and no reason to write or to crash."""
    ending = run("execute", blueprint, "--dns", "[::1]:9")
    assert ending.code == 4
    assert "no answer to trust" in ending.err


def test_sim_says_when_it_listens_and_ends_on_sigterm(tmp_path: Path) -> None:
    """The first line is one JSON object; SIGTERM ends the rack with 0."""
    target = tmp_path / "endpoints.json"
    words = ["sim", str(ONE_GROUP), "--endpoints-out", str(target)]
    with subprocess.Popen([sys.executable, "-m", "rackcast", *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        state = httpx.get(f"{ready['control']}/state")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert set(ready) == {"ready", "control", "dns"}
    assert ready["ready"] is True
    assert state.status_code == 200
    assert target.exists()


def test_sim_refuses_a_taken_port(run: Run, rack: SimulatedRack) -> None:
    """A control port that somebody else has is said in one line."""
    ending = run("sim", ONE_GROUP, "--control-port", rack.control_url.rpartition(":")[2])
    assert ending.code == 2
    assert "cannot listen" in ending.err


def test_demo_of_a_hand_sized_rack_ends_well(run: Run, tmp_path: Path) -> None:
    """The demo plays any folder with two snapshots, and says so when all went right."""
    for name in ("before.json.gz", "after.json.gz"):
        _write(tmp_path / name)
    ending = run("demo", tmp_path)
    assert (ending.code, "as planned" in ending.out) == (0, True)
    document = json.loads(run("demo", tmp_path, "--json").out)
    assert document["good"] is True
    assert [step["step"] for step in document["steps"] if step["good"]] == [
        *["collect", "execute", "packets"] * 2,
        "execute",
        "all of it",
    ]


def test_demo_without_a_database_plans_from_its_files(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the packages that a database needs are missing, the demo says which extras have them, and goes on."""
    monkeypatch.setattr("rackcast.commands.demo.DATASTORE_NEEDS", ("no_such_package",))
    for name in ("before.json.gz", "after.json.gz"):
        _write(tmp_path / name)
    ending = run("demo", tmp_path)
    assert ending.code == 0
    assert ending.out.count("rackcast[datastore,postgres]") == 2


def test_demo_compares_what_was_collected_with_what_was_loaded(tmp_path: Path) -> None:
    """A snapshot that the rows were not made of is told by what differs."""
    loaded = read_snapshot(str(ONE_GROUP))
    other = evolve(loaded, members=())
    with simulated_rack(str(ONE_GROUP), tmp_path, datastore=True) as rack:
        assert rack.dsn is not None
        same, nothing = collected_again(rack, rack.dsn, loaded)
        _, different = collected_again(rack, rack.dsn, other)
    assert same.members == loaded.members
    assert nothing == []
    assert different == ["members", "instances"]


def _write(path: Path) -> None:
    write_snapshot(str(path), read_snapshot(str(ONE_GROUP)))


def test_demo_says_so_when_packets_go_wrong(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rack that is not programmed delivers nothing, and the demo ends with 1."""

    def plans_too_little(snapshot: Snapshot, parent: Blueprint | None = None) -> Blueprint:
        return plan(evolve(snapshot, members=snapshot.members[:1]), parent)

    monkeypatch.setattr("rackcast.story.plan", plans_too_little)
    for name in ("before.json.gz", "after.json.gz"):
        _write(tmp_path / name)
    ending = run("demo", tmp_path)
    assert ending.code == 1
    assert "did not hear it" in ending.out
