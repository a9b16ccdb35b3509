"""The users' page about the simulated rack says what there is, and its examples are read."""

import re
from pathlib import Path

import pytest
import yaml

from simrack.fault_orders import FaultReader
from simrack.life.events import EVENTS, EventReader
from simrack.life.state import Life
from simrack.rack import SimulatedRack
from simrack.web.fault_kinds import FAULT_KINDS
from tests.simrack.program import ok
from tests.simrack.rows import small_rack
from tests.simrack.talk import Json, Talk
from tests.simrack.triggers import TRIGGERS

PAGE = (Path(__file__).parents[2] / "docs" / "simulated-rack.md").read_text()
TARGETS = (
    *(f"switch{slot} {daemon}" for slot in (0, 1) for daemon in ("dpd", "mgd", "ddmd", "mgs")),
    "sled x",
    "dns",
)


def section(heading: str) -> str:
    """Return the part of the page under *heading*."""
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def documents(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def words(text: str) -> set[str]:
    return set(re.findall(r"`([a-z_0-9]+)`", text))


def test_every_kind_of_fault_and_event_is_on_the_page() -> None:
    """Each by its name."""
    assert set(FAULT_KINDS) <= words(section("Faults"))
    assert set(EVENTS) <= words(section("Events"))


def test_every_control_call_is_on_the_page(rack: SimulatedRack) -> None:
    """With its method, and no call that there is not."""
    told = {
        (method, path)
        for row in re.findall(r"^\| (`.*?) \|", section("The control interface"), re.MULTILINE)
        for chunk in [re.findall(r"[A-Z]{3,6}|/[a-z-]+", row)]
        for method, path in paired(chunk)
    }
    front = rack._fronts()["control"]
    assert told == {(method, pattern) for method, pattern in front.router.patterns()}


def paired(chunk: list[str]) -> list[tuple[str, str]]:
    """Return each path with the methods before it."""
    pairs: list[tuple[str, str]] = []
    methods: list[str] = []
    for word in chunk:
        if word.startswith("/"):
            pairs += [(method, word) for method in methods]
            methods = []
        else:
            methods.append(word)
    return pairs


def test_documents_on_the_page_are_read() -> None:
    """The story is rehearsed on the small rack, the faults are for its targets."""
    story, faults = (yaml.safe_load(text) for text in documents("yaml"))
    reader = FaultReader(TARGETS)
    assert len(EventReader(reader).story(story, "page", Life(snapshot=small_rack()))) == 5
    assert len(reader.document(faults, "page")) == 3


CURL = re.compile(r"curl (?:-X (\w+) )?-H 'Content-Type: application/json' -d '(\{.*?\})' \$CONTROL(/\w+)")


LINES = [line for text in documents("sh") for line in CURL.findall(text) if "…" not in line[1]]


@pytest.mark.parametrize("order", LINES)
def test_calls_on_the_page_are_taken(talk: Talk, order: tuple[str, str, str]) -> None:
    """As they stand there."""
    method, body, path = order
    value: Json = yaml.safe_load(body)
    talk.moved_on = True
    ok(talk.control(method or "POST", path, value))
    if value.get("event") == "fail":
        ok(talk.control("POST", "/events", {"event": "return", "machine": value["machine"]}))


def test_the_page_and_the_triggers_are_of_one_rack() -> None:
    """A way of a trigger that is a call of the control interface is on the page."""
    paths = {way.path for ways in TRIGGERS.values() for way in ways if hasattr(way, "path")}
    assert all(path in section("The control interface") for path in paths)
