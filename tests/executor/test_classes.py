"""What every observed object is to a blueprint."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from uuid import UUID

from attrs import evolve
from hypothesis import assume, given

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, FilterMode
from blueprints.observation import Observation, SeenHop
from blueprints.snapshot import Policy
from executor import compare
from executor.calls import Call
from executor.changes import Kind
from executor.classes import CLASSES, NOT_VISIBLE, TABLES, Class, Classified, classified
from executor.differences import differences
from executor.rehearsal import rehearse
from executor.targets import targets_of
from tests.executor.bench import QUICK, Bench, planned
from tests.executor.builders import (
    SWITCH0,
    SWITCH1,
    G,
    blueprint,
    empty_rack,
    group_id,
    group_ip,
    hop_address,
    observation_of,
    seen_sled,
    sled_id,
    sled_tables,
    underlay_ip,
    with_sled,
    with_switch,
)
from tests.executor.model import ModelRack
from tests.executor.strategies import (
    FOREIGN_EXTERNAL,
    FOREIGN_FORWARDING,
    FOREIGN_M2P,
    FOREIGN_ROUTE,
    FOREIGN_UNDERLAY,
    HELD_EXTERNAL,
    HELD_FORWARDING,
    HELD_M2P,
    HELD_ROUTE,
    HELD_UNDERLAY,
    blueprints,
    racks,
)
from tests.simrack.rows import small_rack

PLAN = planned(small_rack())
TWO = blueprint(G(number=1), G(number=2), departures=[(0, 3)])


def totals(found: Classified) -> dict[str, int]:
    """Return the classes that have objects."""
    return {which.value: found.total(which) for which in Class if found.total(which)}


def objects(seen: Observation) -> Iterator[object]:
    """Yield everything that was observed, hops that are switched off too."""
    for switch in seen.switches.values():
        for rows in (switch.underlay_groups, switch.external_groups, switch.mrib_routes):
            yield from rows or ()
    for sled in seen.sleds.values():
        yield from sled.m2p or ()
        for entry in sled.forwarding or ():
            yield entry
            yield from (hop for hop in entry.next_hops if hop.inert)


@given(plan=blueprints(salts=True, held=True), seen=racks(silent=True))
def test_the_classes_add_up_to_what_was_observed(plan: Blueprint, seen: Observation) -> None:
    """Every object is in one class, in every table."""
    found = classified(plan, seen)
    assert sum(found.total(which) for which in Class) == found.observed == len(list(objects(seen)))
    document = json.loads(json.dumps(found.as_json()))
    assert sum(document[which.value]["total"] for which in Class) == document["observed"]
    for which in Class:
        assert sum(document[which.value].get(name, 0) for name in TABLES) == document[which.value]["total"]


@given(plan=blueprints(salts=True, held=True), seen=racks())
def test_a_run_changes_what_is_stale_or_orphan_and_nothing_else(plan: Blueprint, seen: Observation) -> None:
    """There is something to change or remove exactly where there is something stale or orphan, and a run ends it."""
    before = classified(plan, seen)
    difference = differences(plan, seen)
    assume(not difference.conflicts)  # what stands in the way keeps its group as it is
    touched = [change for change in difference.changes if change.seen]
    assert bool(touched) is bool(before.total(Class.STALE) + before.total(Class.ORPHAN))
    model = ModelRack()
    model.load(seen)
    for _ in range(3):
        for call in _calls(plan, model.observation()):
            model.obey(call)
    after = classified(plan, model.observation())
    assert (after.total(Class.STALE), after.total(Class.ORPHAN)) == (0, 0)
    for which in (Class.FOREIGN, Class.HELD):
        assert after.total(which) == before.total(which)


def _calls(plan: Blueprint, seen: Observation) -> Sequence[Call]:
    moves = [group.multicast_ip for group in plan.groups]
    return rehearse(differences(plan, seen), targets_of(plan), allow_loss=True, moves=moves).calls


@given(plan=blueprints(salts=True))
def test_a_rack_that_holds_the_blueprint_has_wanted_objects_only(plan: Blueprint) -> None:
    """Nothing is stale where nothing differs."""
    assert set(totals(classified(plan, observation_of(plan)))) <= {"wanted"}


def test_a_group_that_the_blueprint_does_not_know_leaves_orphans() -> None:
    """What is ours by its tag or its address, of no group of the blueprint, is an orphan in every table."""
    seen = observation_of(blueprint(G(number=1), G(number=2), G(number=9)))
    found = classified(TWO, seen)
    assert totals(found) == {"wanted": 2 * (6 + 4), "orphan": 2 * (3 + 2)}
    assert {table for (which, table) in found.counts if which is Class.ORPHAN} == set(TABLES) - {"next_hops"}


def test_what_differs_or_is_owed_a_leave_is_stale() -> None:
    """Another port, source or address, and a mapping that a departure waits for, are stale and no orphans."""
    seen = observation_of(blueprint(G(number=1, sleds=(1,), sources=(4,)), G(number=2, salt=5)))
    stale = {"underlay_groups": 4, "external_groups": 4, "mrib_routes": 4, "m2p": 2, "forwarding": 2}
    found = classified(TWO, seen)
    assert {table: found.counts.get((Class.STALE, table), 0) for table in stale} == stale
    assert found.total(Class.ORPHAN) == 0
    departed = with_sled(empty_rack(TWO), 0, m2p=seen_sled(sled_tables([G(number=3)], 0)).m2p)
    assert totals(classified(TWO, departed)) == {"stale": 1}


def test_another_tag_of_ours_is_stale() -> None:
    """An object that is as it should be but for its tag is made anew."""
    other = f"{group_id(9)}:{group_ip(1)}"
    seen = observation_of(blueprint(G(number=1, tag=other), G(number=2)))
    found = classified(TWO, seen)
    assert (found.counts[Class.STALE, "underlay_groups"], found.counts[Class.STALE, "external_groups"]) == (2, 2)
    assert found.total(Class.STALE) == 4


def test_others_and_held_groups_are_told_apart() -> None:
    """Each table's foreign and held objects are counted as such."""
    holding = blueprint(G(number=1), held=(20,))
    seen = with_switch(
        empty_rack(holding),
        SWITCH0,
        underlay_groups=[FOREIGN_UNDERLAY, HELD_UNDERLAY],
        external_groups=[FOREIGN_EXTERNAL, HELD_EXTERNAL],
        mrib_routes=[FOREIGN_ROUTE, HELD_ROUTE],
    )
    seen = with_sled(seen, 0, m2p=[FOREIGN_M2P, HELD_M2P], forwarding=[FOREIGN_FORWARDING, HELD_FORWARDING])
    assert totals(classified(holding, seen)) == {"foreign": 5, "held": 5}


def test_a_hop_that_is_switched_off_is_inert_and_its_entry_wanted() -> None:
    """Residue of a change of hops is neither stale nor a difference."""
    seen = observation_of(TWO)
    inert = SeenHop(next_hop=hop_address(SWITCH1), replication="underlay", mode=FilterMode.INCLUDE, sources=())
    entries = seen.sleds[sled_id(0)].forwarding or ()
    rows = [evolve(row, next_hops=[*row.next_hops, inert]) for row in entries]
    found = classified(TWO, with_sled(seen, 0, forwarding=rows))
    assert totals(found) == {"wanted": 20, "inert": 2}


def test_what_the_blueprint_does_not_name_is_outside() -> None:
    """A sled that is no target of the blueprint is counted and left; with multicast off, everything is."""
    seen = observation_of(blueprint(G(number=1), sleds=(0, 1, 2)))
    narrow = blueprint(G(number=1), sleds=(0, 1))
    assert totals(classified(narrow, seen)) == {"wanted": 6 + 4, "outside": 2}
    off = blueprint(G(number=1), sleds=(0, 1), policy=Policy(multicast_enabled=False))
    assert totals(classified(off, seen)) == {"outside": 12}


def test_what_nobody_can_read_is_counted_from_the_blueprint() -> None:
    """Subscriptions, departures and NIC filters are no objects of an observation."""
    found = classified(TWO, empty_rack(TWO))
    assert (found.observed, dict(found.not_visible)) == (
        0,
        {"subscriptions": 2, "departures": 1, "nic_filters": 0},
    )
    assert set(found.not_visible) == set(NOT_VISIBLE)


def test_every_class_says_what_it_means_and_what_a_run_does() -> None:
    """The table has a row for each class; what a run leaves is what it does not change."""
    assert list(CLASSES) == list(Class)
    changing = {which for which, (_, does) in CLASSES.items() if does != "leaves it"}
    assert changing == {Class.STALE, Class.ORPHAN}


def test_reports_and_comparisons_count_the_objects(bench: Bench) -> None:
    """A dry run, a run and a comparison have the counts of what was read last."""
    before = asyncio.run(compare(PLAN, bench.rack.endpoints, limits=QUICK))
    assert before.classes.observed == 0
    report = bench.run(PLAN)
    after = asyncio.run(compare(PLAN, bench.rack.endpoints, limits=QUICK))
    assert report.classes == after.classes
    assert totals(after.classes) == {"wanted": after.classes.observed}
    assert report.as_json()["objects"] == after.as_json()["objects"]
    gone = bench.run(planned(evolve(small_rack(), groups=(), members=(), underlay_groups=())), dry_run=True)
    assert gone.classes is not None
    assert totals(gone.classes) == {"orphan": after.classes.observed}


def test_removals_name_only_orphans_and_stale_rows() -> None:
    """The kinds that take something away are those whose rows are not wanted."""
    seen = observation_of(blueprint(G(number=1), G(number=9)))
    taken = [change for change in differences(TWO, seen).changes if change.kind in _REMOVALS]
    assert {change.groups[0] for change in taken} == {Address.parse("233.252.0.9")}
    assert len(taken) == classified(TWO, seen).total(Class.ORPHAN)
    assert underlay_ip(9) in {change.subject for change in taken}
    assert all(isinstance(sled, UUID) for sled in TWO.sleds)


_REMOVALS = {
    Kind.ROUTE_WITHDRAW,
    Kind.FORWARDING_CLEAR,
    Kind.M2P_CLEAR,
    Kind.EXTERNAL_DELETE,
    Kind.UNDERLAY_DELETE,
}
