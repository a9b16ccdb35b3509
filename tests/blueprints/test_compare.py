"""Comparison: the changes it tells are all there are, and lead from one blueprint to the other."""

from collections.abc import Iterable
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.blueprint import Blueprint
from blueprints.compare import RACK, SLED, SWITCH, MissingRow, PortRow, compare, hearings
from blueprints.snapshot import ExternalEntry, Policy, Snapshot
from planner.plan import plan
from tests.oracle.receivers import hearings as heard_by_rows
from tests.planner.big_rack import big_rack
from tests.planner.case_files import CASES, id_of, read_case, read_snapshot
from tests.strategies import name, snapshots

Place = tuple[str, str]
"""Where a row stands, and in which table."""


_MADE_ROWS = ("policy", "missing_switches", "ports")
"""Tables that are no lists of rows in a blueprint."""


def rows_of(blueprint: Blueprint) -> set[tuple[Place, Any]]:
    """Return every row of *blueprint* with its place."""
    tables: dict[Place, Iterable[Any]] = {("rack", "policy"): [blueprint.policy]}
    tables |= {("rack", table): getattr(blueprint, table) for table in RACK if table not in _MADE_ROWS}
    tables["rack", "missing_switches"] = [MissingRow(switch=slot) for slot in blueprint.missing_switches]
    ports = blueprint.ports.items()
    tables["rack", "ports"] = [
        PortRow(sled=s, switch=slot, port=port) for s, row in ports for slot, port in row.items()
    ]
    for slot, its in blueprint.switches.items():
        tables |= {(slot.value, table): getattr(its, table) for table in SWITCH}
    for sled, hers in blueprint.sleds.items():
        tables |= {(str(sled), table): getattr(hers, table) for table in SLED}
    return {(place, row) for place, rows in tables.items() for row in rows}


@settings(max_examples=60)
@given(st.data())
def test_the_changes_lead_from_one_to_the_other(data: st.DataObject) -> None:
    """Taking away what goes and adding what comes turns the old rows into the new ones, and does nothing twice."""
    one = plan(data.draw(snapshots()))
    other = plan(data.draw(snapshots()), data.draw(st.sampled_from([None, one])))
    rows = rows_of(one)
    for change in compare(one, other):
        assert change.before != change.after
        for where in change.places:
            if change.before is not None:
                rows.remove(((where, change.table), change.before))
            if change.after is not None:
                assert ((where, change.table), change.after) not in rows
                rows.add(((where, change.table), change.after))
    assert rows == rows_of(other)


@settings(max_examples=40)
@given(snapshots(), snapshots())
def test_instances_feel_what_the_rows_say(before: Snapshot, after: Snapshot) -> None:
    """Who starts, stops or moves is the difference of who hears by the rows."""
    one, other = plan(before), plan(after)
    held = [{row.id for row in blueprint.held} for blueprint in (one, other)]
    old, new = (
        {(row.group_ip, row.instance_id, row.sled_id) for row in heard_by_rows(snapshot, without)}
        for snapshot, without in zip((before, after), held, strict=True)
    )
    told = hearings(one, other)
    assert {(h.group.text, h.instance, sled) for h in told for sled in h.before} - {
        (h.group.text, h.instance, sled) for h in told for sled in h.after
    } == old - new
    assert {(h.group.text, h.instance, sled) for h in told for sled in h.after} - {
        (h.group.text, h.instance, sled) for h in told for sled in h.before
    } == new - old


def test_nothing_differs_from_itself() -> None:
    """A blueprint compared with itself, read again or not, changes nothing."""
    blueprint = plan(big_rack(sleds=4, groups=6, instances=6))
    again = plan(big_rack(sleds=4, groups=6, instances=6))
    assert compare(blueprint, again) == ()
    assert hearings(blueprint, again) == ()


def test_equal_changes_of_many_sleds_are_told_once() -> None:
    """A group that goes from 32 sleds is one mapping, one forwarding entry and two filters, at 32 places."""
    snapshot = big_rack(groups=5, instances=10)
    gone = evolve(snapshot, groups=[row for row in snapshot.groups if row.id != name("group", 3)])
    changes = [
        change
        for change in compare(plan(snapshot), plan(gone))
        if change.table in ("m2p", "forwarding", "nic_filters")
    ]
    assert [(change.table, len(change.places), change.after) for change in changes] == [
        ("m2p", 32, None),
        ("forwarding", 32, None),
        ("nic_filters", 32, None),
        ("nic_filters", 32, None),
    ]


def test_a_change_of_policy_is_a_change() -> None:
    """Blueprints that differ in what operators settled do not compare as equal, though every table is the same."""
    snapshot = read_snapshot(CASES / "_two_sleds.yaml")
    elected = evolve(snapshot, policy=Policy(external_entry=ExternalEntry.ELECTED))
    changes = compare(plan(snapshot), plan(elected))
    assert [(change.places, change.table, change.before, change.after) for change in changes] == [
        (("rack",), "policy", snapshot.policy, elected.policy)
    ]


def test_a_target_without_rows_is_a_change() -> None:
    """A sled that joins a rack without groups is told by its ports, although it holds nothing yet."""
    snapshot = read_snapshot(CASES / "_two_sleds.yaml")
    alone = evolve(snapshot, sleds=snapshot.sleds[:1])
    assert {change.after.sled for change in compare(plan(alone), plan(snapshot)) if change.table == "ports"} == {
        id_of("sled-b")
    }


def test_migration_is_felt_as_a_move() -> None:
    """An instance that goes on on another sled moves; one that loses its group stops, one that finds it starts."""
    case = read_case(CASES / "member_moved")
    assert case.parent is not None
    found = hearings(case.parent, case.blueprint)
    assert [(h.kind, h.instance, h.before, h.after) for h in found] == [
        ("moves", id_of("vm-1"), (id_of("sled-a"),), (id_of("sled-b"),)),
        ("starts", id_of("vm-2"), (), (id_of("sled-b"),)),
    ]
    assert [h.kind for h in hearings(case.blueprint, case.parent)] == ["moves", "stops"]
