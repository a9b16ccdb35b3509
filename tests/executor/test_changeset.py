"""Changes, calls and outcomes that are made when somebody asks are those that would have been made at once."""

from itertools import chain

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from blueprints.blueprint import Blueprint
from blueprints.endpoints import SubscriptionForm
from blueprints.observation import Observation
from executor import calls
from executor.calls import call_for, calls_for
from executor.changes import Kind
from executor.changeset import Changes, parted, sorted_changes
from executor.differences import differences
from executor.endings import Log
from executor.joined import Joined, Made
from executor.rehearsal import rehearse
from executor.sending import CallOutcome, Sent
from executor.targets import Daemon, targets_of
from tests.executor.bench import planned
from tests.executor.builders import G, blueprint, empty_rack
from tests.executor.strategies import blueprints, racks
from tests.simrack.rows import small_rack

PLAN = blueprint(G(number=1), G(number=2))
EMPTY = differences(PLAN, empty_rack(PLAN))


@given(st.lists(st.lists(st.integers(), max_size=4), max_size=5), st.slices(12))
def test_joined_sequences_are_one(parts: list[list[int]], some: slice) -> None:
    """Sequences one after the other have the items, the length and the slices of one."""
    whole = list(chain.from_iterable(parts))
    joined = Joined([Made(part, int.__neg__) for part in parts])
    assert joined == [-number for number in whole]
    assert (len(joined), joined[some]) == (len(whole), tuple(-number for number in whole)[some])
    assert [joined[place] for place in range(-len(whole), len(whole))] == [-number for number in whole * 2]
    assert joined != [*joined, 0]


@given(blueprints(), racks())
def test_differences_are_in_order(plan: Blueprint, rack: Observation) -> None:
    """What differs is sorted as one list, and each part of it is of one kind and one target."""
    changes = differences(plan, rack).changes
    assert list(changes) == sorted(changes, key=lambda change: change.sort_key)
    for part in changes.parts:
        assert {(change.kind, change.target) for change in part} == {(part.kind, part.target)}
    assert sorted_changes((), reversed(list(changes))) == changes


def test_what_sleds_lack_alike_is_held_once() -> None:
    """Mappings and forwarding that every sled lacks are changes of one, looked at for the others."""
    plan = planned(small_rack())
    changes = differences(plan, empty_rack(plan)).changes
    for kind in (Kind.M2P_SET, Kind.FORWARDING_SET):
        parts = changes.of({kind}).parts
        assert [part.target for part in parts] == [t for t in targets_of(plan) if t.daemon is Daemon.SLED_AGENT]
        assert len({id(part.of) for part in parts}) == 1
        assert [change.target for part in parts for change in part] == [p.target for p in parts for _ in p.of]


def test_what_an_empty_switch_lacks_is_held_as_rows() -> None:
    """Entries and routes that their rows say all about are made to changes when somebody asks; others are kept."""
    parts = EMPTY.changes.of({Kind.EXTERNAL_CREATE, Kind.ROUTE_PUT}).parts
    assert {part.kind for part in parts} == {Kind.EXTERNAL_CREATE, Kind.ROUTE_PUT}
    for part in parts:
        assert isinstance(part.of, Made)
        assert all((c.kind, c.target, c.groups) == (part.kind, part.target, (c.subject,)) for c in part)
    (route,) = (change for change in parts[-1][:1])
    for odd in (evolve(route, seen=route.row), evolve(route, via="switch0"), evolve(route, held="later")):
        (kept,) = parted([odd])
        assert (tuple(kept), kept.of) == ((odd,), (odd,))


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_long_batch_is_several(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """No request takes more rows than a batch has; none is left out, and they keep their order."""
    monkeypatch.setattr(calls, "BATCH_ROWS", most)
    (part, *_) = EMPTY.changes.of({Kind.ROUTE_PUT}).parts
    made = calls_for(Changes([part]), SubscriptionForm.VMM)
    assert [change for call in made for change in call.changes] == list(part)
    assert [len(call.changes) for call in made][:-1] == [most] * (len(made) - 1)
    assert len(made) == -(-len(part) // most)


def test_calls_are_made_in_order_batches_last() -> None:
    """The calls of one target are those of its changes in order, and one for each batch behind them."""
    (target, *_) = {part.target for part in EMPTY.changes.parts if part.kind is Kind.ROUTE_PUT}
    routes = Changes(part for part in EMPTY.changes.parts if part.target == target)
    assert [call.changes for call in calls_for(routes, SubscriptionForm.VMM)] == [tuple(routes)]
    sled = next(part.target for part in EMPTY.changes.parts if part.kind is Kind.M2P_SET)
    several = [change for change in reversed(EMPTY.everything) if change.target == sled]
    made = calls_for(several, SubscriptionForm.VMM)
    assert [call.changes for call in made] == [(c,) for c in sorted(several, key=lambda change: change.sort_key)]


def test_outcomes_are_put_together_again() -> None:
    """A log gives back every outcome in the order of the calls, those apart that did not end well."""
    planned_calls = rehearse(EMPTY, targets_of(PLAN)).calls
    log = Log()
    lane = log.lane(planned_calls)
    split = [
        Sent(call=planned_calls[1], outcome=CallOutcome.SPLIT),
        Sent(call=planned_calls[1], outcome=CallOutcome.DONE),
        Sent(call=planned_calls[1], outcome=CallOutcome.OWED),
    ]
    made_up = [Sent(call=call_for(planned_calls[3].changes, SubscriptionForm.INSTANCE), outcome=CallOutcome.DONE)]
    expected: list[Sent] = []
    for place, call in enumerate(planned_calls):
        done = Sent(call=call, outcome=CallOutcome.DONE, status=204)
        owed = evolve(done, outcome=CallOutcome.OWED, note="x")
        results = {1: split, 2: [owed], 3: made_up}.get(place, [done])
        lane.note(place, call, results)
        expected += results
    log.lanes.append(lane)
    assert log.sent() == expected
    assert log.sent()[4] == expected[4]
    assert list(lane.undone()) == [sent for sent in expected if not sent.done]
    assert (len(log.sent(since=1)), len(log.sent())) == (0, len(planned_calls) + 2)
