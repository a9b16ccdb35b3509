"""Dry runs: the very bytes that a run sends, what each call rests on, and what takes it back."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings

from blueprints.blueprint import Blueprint
from blueprints.observation import Observation, SeenForwarding, SledObservation
from blueprints.snapshot import Snapshot
from executor.actions import FORMS
from executor.calls import Call
from executor.changes import Kind
from executor.differences import differences
from executor.inverses import INVERSES, NO_HOPS, NO_TARGET, SEVERAL, inverse
from executor.rehearsal import rehearse
from executor.report import Report
from executor.targets import Daemon, targets_of
from executor.terms import expected, preconditions
from tests.executor.bench import LOSSY, QUICK, Bench, planned
from tests.executor.builders import SWITCH0, SWITCH1, hop_address
from tests.executor.model import ModelRack
from tests.executor.strategies import blueprints, racks
from tests.executor.test_runs import moved_underlay
from tests.simrack.rows import GROUP4, LISTENER, MOVER, OTHER4, PICKER, S4, instance, member, small_rack

RACK = small_rack()
ONE_AT_A_TIME = evolve(QUICK, lanes=dict.fromkeys(Daemon, 1))
"""Limits under which a target takes its calls in the order in which they are sent."""

UNREAD = {Kind.JOIN, Kind.LEAVE, Kind.MOVE_LEAVE, Kind.M2P_ASSERT}
"""What nothing takes back, because what stood there cannot be read, or stands there still."""

NOTHING_TO_RESTORE = {NO_TARGET, NO_HOPS, SEVERAL}
"""Why else nothing takes a call back: what was read cannot be made."""

ZONES = {SWITCH0: hop_address(SWITCH0), SWITCH1: hop_address(SWITCH1)}
PICKED = evolve(RACK, members=[member(GROUP4, LISTENER, S4, OTHER4), member(GROUP4, PICKER, S4), RACK.members[3]])
CHANGES: list[tuple[str, Snapshot, Snapshot]] = [
    ("from nothing", evolve(RACK, groups=(), members=(), underlay_groups=()), RACK),
    ("nothing", RACK, RACK),
    ("members go", RACK, evolve(RACK, members=RACK.members[2:])),
    ("an instance moves", RACK, evolve(RACK, instances=[*RACK.instances[:3], instance(MOVER, 2), RACK.instances[4]])),
    ("sources change", evolve(PICKED, members=PICKED.members[1:]), PICKED),
    ("an address moves", RACK, moved_underlay()),
    ("everything goes", RACK, evolve(RACK, groups=(), members=(), underlay_groups=())),
]


def by_target(rows: Iterable[tuple[str, str, str, str]]) -> dict[str, list[tuple[str, str, str]]]:
    """Return method, path and content of each call, in order, by target."""
    lanes = defaultdict(list)
    for target, *call in rows:
        lanes[target].append(tuple(call))
    return dict(lanes)  # type: ignore[arg-type]  # three texts each


def printed(report: Report) -> dict[str, list[tuple[str, str, str]]]:
    """Return the calls of a dry run as its JSON has them."""
    document = json.loads(json.dumps(report.as_json()))
    return by_target((a["target"], a["method"], a["path"], a["content"]) for a in document["actions"])


def recorded(bench: Bench) -> dict[str, list[tuple[str, str, str]]]:
    """Return the calls that the rack received, reads apart."""
    return by_target((call["target"], call["method"], call["path"], call["content"]) for call in bench.calls())


@pytest.mark.parametrize(("name", "before", "after"), CHANGES, ids=[name for name, *_ in CHANGES])
def test_a_dry_run_prints_the_bytes_that_the_run_sends(
    bench: Bench, name: str, before: Snapshot, after: Snapshot
) -> None:
    """Method, path and body of every call, byte for byte, in the order in which each target gets them."""
    earlier = planned(before)
    bench.enter(before)
    bench.run(earlier)
    bench.enter(after)
    target = planned(after, earlier)
    bench.forget_calls()
    dry = bench.run(target, dry_run=True, safeguards=LOSSY)
    assert bench.calls() == [], name
    assert bench.run(target, safeguards=LOSSY, limits=ONE_AT_A_TIME).exit_code == 0
    assert printed(dry) == recorded(bench)


def test_every_planned_call_has_its_terms(bench: Bench) -> None:
    """What it rests on, the statuses that mean success, and what takes it back or why nothing does."""
    actions = bench.run(planned(RACK), dry_run=True).as_json()["actions"]
    assert actions
    for action in actions:
        assert action["preconditions"]
        assert all(200 <= status < 300 or action["method"] == "DELETE" for status in action["expects"])
        assert (action["inverse"] is None) is (action["inverse_because"] is not None)
        assert action["content"] == json.dumps(action["body"], separators=(",", ":"))
    done = bench.run(planned(RACK)).as_json()["actions"]
    assert all("inverse" not in action for action in done)


def test_every_kind_has_an_inverse_or_a_reason_and_expects_something() -> None:
    """The tables know every kind."""
    assert list(INVERSES) == list(Kind)
    assert all(expected(kind) for kind in Kind)
    assert set(FORMS) == set(INVERSES)


def told(call: Call) -> dict[str, Any]:
    """Return the preconditions of *call* by their first key."""
    return {next(iter(row)): row for row in preconditions(call)}


def test_preconditions_are_those_that_a_run_goes_by() -> None:
    """An external group rests on its underlay group, a join on its mapping, a hop on the switch that it leads to."""
    plan = planned(RACK)
    empty = differences(plan, _emptied(plan))
    calls = {call.kind: call for call in rehearse(empty, targets_of(plan)).calls}
    assert told(calls[Kind.UNDERLAY_CREATE])["object"]["is"] == "absent"
    assert "underlay_create" in told(calls[Kind.EXTERNAL_CREATE])["in_effect"]["in_effect"]
    assert "m2p_set" in told(calls[Kind.JOIN])["in_effect"]["in_effect"]
    assert told(calls[Kind.JOIN])["object"]["is"] == "unknown"
    assert told(calls[Kind.ROUTE_PUT])["read"]["read"].endswith("dpd")


def _emptied(plan: Blueprint) -> Observation:
    model = ModelRack()
    for slot in plan.switches:
        model.switches[slot.value]
    for sled in plan.sleds:
        model.sleds[str(sled)]
    return model.observation()


@settings(max_examples=25)
@given(blueprints(salts=True), racks())
def test_an_inverse_restores_what_stood_there(plan: Blueprint, rack: Observation) -> None:
    """After a call and its inverse the rack holds what it held before, hops apart that carry nothing."""
    model = ModelRack()
    model.load(rack)
    moves = [group.multicast_ip for group in plan.groups]
    difference = differences(plan, rack, zones=ZONES)
    for call in rehearse(difference, targets_of(plan), allow_loss=True, moves=moves).calls:
        back = inverse(call)
        assert bool(back.calls) is not bool(back.because)
        assert back.calls or call.kind in UNREAD or back.because in NOTHING_TO_RESTORE, call
        if back.calls and not _dangling(model, call):
            before = _live(model.observation())
            for each in (call, *back.calls):
                model.obey(each)
            assert _live(model.observation()) == before, call
        model.obey(call)
    assert model.refused == []


def _dangling(model: ModelRack, call: Call) -> bool:
    """Return whether *call* deletes an entry whose underlay group is not there: no switch makes such an entry."""
    if call.kind is not Kind.EXTERNAL_DELETE:
        return False
    underlay = call.changes[0].row.internal_ip
    return underlay is None or underlay.text not in model.switches[call.target.place].underlay


def _live(seen: Observation) -> Observation:
    """Return *seen* without hops that carry nothing, and entries of such hops alone."""
    return evolve(seen, sleds={sled: _live_sled(tables) for sled, tables in seen.sleds.items()})


def _live_sled(tables: SledObservation) -> SledObservation:
    rows: list[SeenForwarding] = [
        evolve(row, next_hops=[hop for hop in row.next_hops if not hop.inert]) for row in tables.forwarding or ()
    ]
    return evolve(tables, forwarding=rows)
