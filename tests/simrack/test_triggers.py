"""Every trigger of the failure catalogue can be brought about."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from simrack.life.events import EVENTS
from simrack.web.fault_kinds import FAULT_KINDS
from tests.simrack.program import ok, program
from tests.simrack.rows import SLEDS, sled
from tests.simrack.talk import Talk
from tests.simrack.triggers import TRIGGERS, Call, Way

HERE = Path(__file__).parent
COUNTS = {"T": 21, "N": 7, "D": 19, "MD": 12, "S": 20}


@pytest.fixture
def lively(talk: Talk) -> Iterator[Talk]:
    """A programmed rack; machines that are down are up again afterwards."""
    program(talk)
    talk.moved_on = True
    yield talk
    ok(talk.control("DELETE", "/events"))
    for machine in ("switch0", "switch1", "switch0 dpd", "switch1 ddmd", *(sled(n).serial for n in range(3))):
        talk.control("POST", "/events", {"event": "return", "machine": machine})
    talk.restart(f"sled {SLEDS[0]}", keep_state=False)
    for slot in ("switch0", "switch1"):
        for daemon in ("dpd", "mgd"):
            talk.restart(f"{slot} {daemon}", keep_state=False)


def test_no_trigger_is_left_out() -> None:
    """The catalogue numbers them, without gaps in any of its tables."""
    assert set(TRIGGERS) == {f"{table}{number}" for table, count in COUNTS.items() for number in range(1, count + 1)}


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_every_way_is_one_that_the_rack_takes(lively: Talk, trigger: str) -> None:
    """What is ordered is accepted, in this order; what daemons do by themselves has a test that shows it."""
    for way in TRIGGERS[trigger]:
        if isinstance(way, Call):
            ok(lively.control(way.method, way.path, way.body))
        else:
            file, _, name = way.test.partition("::")
            assert name in names_in(file), way.test


def test_every_kind_of_fault_and_machine_event_is_of_use() -> None:
    """A kind that no trigger asks for would be a toy; events of instances are what the world does anyway."""
    bodies = [way.body for way in all_ways() if isinstance(way, Call)]
    kinds = {body["kind"] for body in bodies if isinstance(body, dict) and "kind" in body}
    assert set(FAULT_KINDS) - kinds == {"restart_with_state", "ports_die"}
    events = {body["event"] for body in bodies if isinstance(body, dict) and "event" in body}
    assert events <= set(EVENTS)


def all_ways() -> Iterator[Way]:
    for ways in TRIGGERS.values():
        yield from ways


def names_in(file: str) -> set[str]:
    """Return the names of the tests in *file*."""
    tree = ast.parse((HERE / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
