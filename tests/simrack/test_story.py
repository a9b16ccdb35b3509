"""Stories and fault files: read strictly, rehearsed, and played by `rackcast sim`."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from blueprints.errors import InputRejectedError
from blueprints.files import read_document, write_snapshot
from blueprints.snapshot import InstanceState, SledPolicy
from rackcast.round_trip import collected_again
from rackcast.simulated import simulated_rack
from simrack.life.events import Event
from simrack.plot import faults_from, story_from
from tests.simrack.program import ok
from tests.simrack.rows import LISTENER, MOVER, PICKER, READER, SLEDS, SPEAKER, sled, small_rack
from tests.simrack.talk import Json, Talk

SERIALS = tuple(sled(number).serial for number in range(3))
HEAD = {"format": "rackcast.story/1"}
WHO = {
    name: str(instance)
    for name, instance in (("listener", LISTENER), ("picker", PICKER), ("mover", MOVER), ("speaker", SPEAKER))
}


def read(*events: Json, **head: Json) -> tuple[Event, ...]:
    return story_from({**HEAD, "events": list(events), **head}, "story.yaml", small_rack())


def mistakes(*events: Json, **head: Json) -> list[str]:
    with pytest.raises(InputRejectedError) as error:
        read(*events, **head)
    return [str(mistake) for mistake in error.value.mistakes]


class TestReading:
    """`rackcast.story/1`."""

    def test_a_story_is_read_in_its_order(self) -> None:
        """Each event with its time, 0 unless said, and faults with the story's seed."""
        fault = {"target": "sled *", "kind": "refuse", "chance": 0.5}
        events = read(
            {"event": "stop", "instance": WHO["listener"]},
            {"at": 10, "event": "fault", "fault": fault},
            {"at": 2.5, "event": "fail", "machine": "switch0", "how": "refused"},
            seed=7,
        )
        assert [(event.kind, event.at) for event in events] == [("stop", 0), ("fault", 10), ("fail", 2.5)]
        assert events[1].fields["fault"].seed == 7

    def test_every_mistake_in_form_is_told_with_its_path(self) -> None:
        """All of them at once, in the order of the file."""
        told = mistakes(
            {"event": "melt", "instance": 3},
            {"event": "stop"},
            {"event": "start", "instance": "x", "sled": 4, "why": 1},
            {"at": -1, "event": "calm"},
            "stop",
            {"event": "fault", "fault": {"target": "switch0 dpd", "kind": "melt"}},
            {"event": "fail", "machine": "switch0", "how": "loudly"},
            {"instance": WHO["listener"]},
            {"event": "join", "instance": WHO["listener"], "group": "group-4", "sources": ["10.0.0.1", "x"]},
            seed="7",
        )
        assert [line.split(": ")[0] for line in told] == [
            "seed",
            "events[0].event",
            "events[1].instance",
            "events[2].instance",
            "events[2].sled",
            "events[2].why",
            "events[3].at",
            "events[4]",
            "events[5].fault.kind",
            "events[6].how",
            "events[7].event",
            "events[8].sources",
        ]

    def test_a_story_is_rehearsed(self) -> None:
        """What cannot be at its time is told, once for each thing that it is about, in the order of the file."""
        told = mistakes(
            {"at": 30, "event": "commit", "instance": WHO["picker"]},
            {"at": 20, "event": "migrate", "instance": WHO["picker"], "to": "nowhere"},
            {"at": 10, "event": "stop", "instance": WHO["listener"]},
            {"at": 5, "event": "stop", "instance": WHO["mover"]},
            {"at": 15, "event": "stop", "instance": WHO["listener"]},
            {"at": 1, "event": "return", "machine": "switch0"},
            {"at": 2, "event": "return", "machine": "switch1 dpd"},
        )
        assert [line.split(": ")[0] for line in told] == [
            "events[1].to",
            "events[3].instance",
            "events[4].instance",
            "events[5].machine",
            "events[6].machine",
        ]

    def test_a_story_that_can_be_has_no_mistake(self) -> None:
        """The order of times counts, not that of the file."""
        events = read(
            {"at": 20, "event": "commit", "instance": WHO["picker"]},
            {"at": 10, "event": "migrate", "instance": WHO["picker"], "to": SERIALS[2]},
            {"at": 30, "event": "fail", "machine": SERIALS[2]},
            {"at": 40, "event": "return", "machine": f"sled {SLEDS[2]}"},
            {"at": 50, "event": "start", "instance": WHO["picker"], "sled": str(SLEDS[0])},
        )
        assert len(events) == 5

    @pytest.mark.parametrize("document", [[], {"events": []}, {"format": "rackcast.faults/1", "events": []}, HEAD])
    def test_another_document_is_refused(self, document: Json) -> None:
        """Before anything in it is looked at."""
        with pytest.raises(InputRejectedError):
            story_from(document, "story.yaml", small_rack())


def test_a_story_may_be_told_over_the_control_interface(talk: Talk) -> None:
    """What is due has happened at once, the rest when its time comes; a wrong story changes nothing."""
    ok(talk.control("PUT", "/time", {"held": True}))
    now = talk.control("GET", "/time").json()["now"]
    story = [
        {"event": "stop", "instance": WHO["listener"]},
        {"at": now + 5, "event": "start", "instance": WHO["listener"], "sled": SERIALS[1]},
    ]
    ok(talk.control("PUT", "/events", {**HEAD, "events": story}))
    assert homes(talk.state(), "listener") == []
    wrong = talk.control("PUT", "/events", {**HEAD, "events": [{"event": "stop", "instance": WHO["listener"]}]})
    assert (wrong.status_code, "does not run" in wrong.json()["message"]) == (400, True)
    talk.advance(5)
    assert homes(talk.state(), "listener") == [str(SLEDS[1])]


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def snapshot_file(tmp_path: Path) -> str:
    path = str(tmp_path / "snapshot.json")
    write_snapshot(path, small_rack())
    return path


def homes(state: Json, name: str) -> list[str]:
    """Return the sleds on which an instance has a VMM."""
    return [
        sled_id
        for sled_id, row in state["sleds"].items()
        if any(vmm["instance_id"] == WHO[name] for vmm in row["vmms"])
    ]


@contextmanager
def sim(snapshot_file: str, *options: str) -> Iterator[httpx.Client]:
    """Run the command, and speak to its control interface."""
    words: Sequence[str] = [sys.executable, "-m", "rackcast", "sim", snapshot_file, *options]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            with httpx.Client(base_url=ready["control"], timeout=5) as client:
                yield client
        finally:
            process.terminate()
        assert process.wait(timeout=20) == 0


STORY = """
format: rackcast.story/1
events:
  - {event: stop, instance: 00000000-0000-0005-0000-000000000000}
  - {event: fail, machine: switch0, how: refused}
  - {at: 0.6, event: start, instance: 00000000-0000-0005-0000-000000000000, sled: BRM42220002}
  - {at: 1000, event: return, machine: switch0}
"""

FAULTS = """
format: rackcast.faults/1
faults:
  - {target: sled *, kind: status, status: 507, times: null, until: 1000.5}
"""


def test_sim_plays_a_story_and_orders_faults(snapshot_file: str, tmp_path: Path) -> None:
    """What has no time has happened when the first line is printed, the rest comes with the rack's clock."""
    story, faults, endpoints = tmp_path / "story.yaml", tmp_path / "faults.yaml", tmp_path / "endpoints.json"
    story.write_text(STORY)
    faults.write_text(FAULTS)
    files = ["--story", str(story), "--faults", str(faults), "--endpoints-out", str(endpoints), "--populate-peers"]
    with sim(snapshot_file, *files) as control:
        rack = read_document(str(endpoints))
        assert httpx.get(rack["sleds"][str(SLEDS[0])] + "/sled-identifiers").status_code == 507
        with pytest.raises(httpx.ConnectError):
            httpx.get(rack["switches"]["switch0"]["dpd"])
        assert control.get("/peers").json()["populated"] is True
        assert control.get("/time").json()["held"] is False
        deadline = time.monotonic() + 5
        while not (there := homes(control.get("/state").json(), "listener")) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert there == [str(SLEDS[2])]
        log = control.get("/events").json()
        assert [row["refused"] for row in log] == [None] * 4
        assert log[2]["played_at"] >= 0.6
        assert log[3]["played_at"] is None


def test_a_clock_that_is_held_does_not_run(snapshot_file: str, tmp_path: Path) -> None:
    """Until it is let go of; by hand it moves all the same."""
    story = tmp_path / "story.yaml"
    story.write_text(STORY)
    with sim(snapshot_file, "--story", str(story)) as control:
        ok(control.put("/time", json={"held": True}))
        before = control.get("/time").json()["now"]
        time.sleep(0.2)
        assert control.get("/time").json()["now"] == before
        ok(control.post("/time", json={"seconds": 2000}))
        assert [row["played_at"] is None for row in control.get("/events").json()] == [False] * 4
        ok(control.put("/time", json={"held": False}))
        time.sleep(0.1)
        assert control.get("/time").json()["now"] > before + 2000


@pytest.mark.parametrize(
    ("option", "text", "told"),
    [
        ("--story", STORY.replace("event: stop", "event: stops"), "events[0].event"),
        ("--story", STORY.replace("BRM42220002", "nowhere"), "events[2].sled"),
        ("--story", "format: rackcast.faults/1", "format"),
        ("--story", "[", "story"),
        ("--faults", FAULTS.replace("sled *", "sledge *"), "faults[0].target"),
    ],
)
def test_sim_refuses_a_wrong_file_before_anything_starts(
    snapshot_file: str, tmp_path: Path, option: str, text: str, told: str
) -> None:
    """Exit code 7, the path of the mistake, and nothing on standard output; a database is not even started."""
    file = tmp_path / "story.yaml"
    file.write_text(text)
    words = [sys.executable, "-m", "rackcast", "sim", snapshot_file, option, str(file)]
    ending = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ending.returncode, ending.stdout, told in ending.stderr) == (7, "", True), ending.stderr


def test_faults_are_read_for_the_racks_own_targets() -> None:
    """A sled of another rack is a mistake."""
    row = {"target": "sled 00000000-0000-0000-0000-000000000000", "kind": "refuse"}
    with pytest.raises(InputRejectedError) as error:
        faults_from({"format": "rackcast.faults/1", "faults": [row]}, "f", small_rack())
    assert [mistake.path for mistake in error.value.mistakes] == ["faults[0].target"]


def test_what_happened_is_collected(snapshot_file: str, tmp_path: Path) -> None:
    """A migration that begins, a sled that is expunged and a member that joins are in the next snapshot."""
    with (
        simulated_rack(snapshot_file, tmp_path, datastore=True) as rack,
        httpx.Client(base_url=rack.control) as control,
    ):
        for event in (
            {"event": "migrate", "instance": WHO["picker"], "to": SERIALS[2]},
            {"event": "join", "instance": WHO["speaker"], "group": "group-4"},
            {"event": "expunge", "sled": SERIALS[0]},
        ):
            ok(control.post("/events", json=event))
        assert rack.dsn is not None
        collected, _ = collected_again(rack, rack.dsn, small_rack())
    picker = next(row for row in collected.instances if row.id == PICKER)
    assert picker.target_vmm is not None
    assert (picker.target_vmm.sled_id, picker.migration_id is None) == (SLEDS[2], False)
    assert collected.sleds[0].policy is SledPolicy.EXPUNGED
    assert [row.sled_id for row in collected.members if row.instance_id == SPEAKER] == [SLEDS[2]]
    assert {row.state for row in collected.instances if row.id in (LISTENER, READER)} == {InstanceState.FAILED}
