"""A change changes little: what has nothing to do with it stays, and so does every choice."""

from collections import Counter
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints import facts
from blueprints.blueprint import Blueprint
from blueprints.documents import file_form
from blueprints.explanations import explanations
from blueprints.identifiers import SwitchSlot, rendezvous
from blueprints.snapshot import InstanceState, MemberState, Snapshot
from blueprints.text import dumps
from planner.plan import plan
from tests.planner.big_rack import big_rack
from tests.strategies import pick, snapshots

MANY = settings(max_examples=80)

HEAD = ("id", "digest", "parent", "generation", "snapshot_digest")


def unlike(first: Blueprint, second: Blueprint) -> set[tuple[str, ...]]:
    """Return the keys of entries that only one of the two has as it is."""
    one, other = ({each.entry.key: each.entry for each in explanations(plan_)} for plan_ in (first, second))
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


@MANY
@given(st.data())
def test_a_change_of_one_instance_changes_only_what_cites_it(data: st.DataObject) -> None:
    """When one instance stops, an entry that changes or goes cites the instance or a membership of its."""
    snapshot = data.draw(snapshots())
    if not snapshot.instances:
        return
    (gone,) = pick(data.draw, snapshot.instances)
    stopped = evolve(gone, state=InstanceState.NO_VMM, active_vmm=None, target_vmm=None, migration_id=None)
    after = evolve(snapshot, instances=[stopped if row is gone else row for row in snapshot.instances])
    first = plan(snapshot)
    mine = {facts.instance(gone.id)} | {
        facts.about_member(row.id) for row in snapshot.members if row.instance_id == gone.id
    }
    second = plan(after, first)
    changed = unlike(first, second)
    for each in explanations(first):
        if each.entry.key in changed:
            assert each.cited & mine, each


@MANY
@given(snapshots())
def test_a_switch_that_leaves_and_comes_back_moves_only_its_own_groups(snapshot: Snapshot) -> None:
    """Without one switch only its groups get another next hop; when it is back none moves. Addresses never do."""
    if len(snapshot.switches) < 2:
        return
    first = plan(snapshot)
    left = evolve(snapshot, switches={SwitchSlot.SWITCH1: snapshot.switches[SwitchSlot.SWITCH1]})
    second = plan(left, first)
    third = plan(snapshot, second)
    hops = [{row.id: row.next_hop_switch for row in each.groups} for each in (first, second, third)]
    homes = [{row.id: (row.underlay_ip, row.salt) for row in each.groups} for each in (first, second, third)]
    assert homes[0] == homes[1] == homes[2]
    assert set(hops[1].values()) <= {SwitchSlot.SWITCH1}
    assert hops[2] == hops[1]
    assert all(hops[0][group] is rendezvous(group, SwitchSlot) for group in hops[0])


@pytest.mark.parametrize("place", range(0, 600, 60))
def test_one_member_more_or_less_is_ten_lines(place: int) -> None:
    """After one member has gone, or has come, the text differs in at most ten lines, its head not counted.

    Whether its row is gone or a tombstone, whether others hear the group on its sled or nobody does. Sources that it
    alone named, and a group that nobody else hears, are lines of their own: so many more for each switch.
    """
    snapshot = big_rack(groups=200, instances=200)
    row = sorted(snapshot.members, key=lambda row: row.id)[place]
    rest = [each for each in snapshot.members if each is not row]
    buried = evolve(row, state=MemberState.LEFT, time_deleted=snapshot.evaluated_at)
    full, less = plan(snapshot), plan(evolve(snapshot, members=rest))
    for before, members in ((full, rest), (full, [*rest, buried]), (less, snapshot.members)):
        after = plan(evolve(snapshot, members=members), before)
        filters = 0 if after.groups == before.groups else 5 + 2 * sources_between(before, after)
        assert 0 < lines_between(before, after) <= 10 + filters


def sources_between(first: Blueprint, second: Blueprint) -> int:
    """Return how many routes of a switch only one of the two has."""
    one, other = (set(each.switches[SwitchSlot.SWITCH0].mrib_routes) for each in (first, second))
    return len(one ^ other)


def lines_between(first: Blueprint, second: Blueprint) -> int:
    """Return how many lines have to be written, or struck out, to make *second* of *first*, those of heads apart."""
    heads = tuple(f'"{name}":' for name in HEAD)
    before, after = (
        Counter(line for line in dumps(file_form(each)).splitlines() if not line.startswith(heads))
        for each in (first, second)
    )
    return max((before - after).total(), (after - before).total())


def test_causes_alone_move_no_generation() -> None:
    """Another row of the same membership makes another blueprint, and leaves every target's generation."""
    rack = big_rack(groups=5, instances=8)
    sleds = {row.id: row.active_vmm.sled_id for row in rack.instances if row.active_vmm}
    # Everybody is where his row says: no transition names a row.
    snapshot = evolve(rack, members=[evolve(row, sled_id=sleds[row.instance_id]) for row in rack.members])
    first = plan(snapshot)
    assert first.transitions == ()
    row = snapshot.members[0]
    other = evolve(row, id=UUID(int=row.id.int ^ 1))
    second = plan(evolve(snapshot, members=[other if each is row else each for each in snapshot.members]), first)
    assert second.generation == first.generation + 1
    assert second.switches == first.switches
    assert second.sleds == first.sleds
