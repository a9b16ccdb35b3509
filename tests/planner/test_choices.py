"""Underlay addresses and next hops: what the planner chooses can be worked out by anybody else."""

from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given, settings

from blueprints.addresses import Address
from blueprints.errors import InputRejectedError
from blueprints.snapshot import Group, GroupState, Snapshot, UnderlayRow
from planner.plan import plan
from tests.oracle.choices import next_hop, underlay_addresses
from tests.oracle.receivers import live_members, wanted_group
from tests.planner.case_files import CASES, id_of, read_snapshot
from tests.strategies import NOW, committed, name, snapshots


@settings(max_examples=100)
@given(snapshots())
def test_choices_of_a_first_plan_can_be_recomputed(snapshot: Snapshot) -> None:
    """Underlay addresses follow from trying salts in the order of ids, next hops from hashing."""
    wanted = [
        group
        for group in snapshot.groups
        if wanted_group(snapshot, group) and (group.state is GroupState.ACTIVE or live_members(snapshot, group))
    ]
    addresses = underlay_addresses(snapshot, wanted)
    blueprint = plan(snapshot)
    assert {group.id: group.underlay_ip.text for group in blueprint.groups} == {
        group: address for group, address in addresses.items() if address is not None
    }
    for group in blueprint.groups:
        assert group.next_hop_switch == next_hop(group.id, snapshot.switches)


def test_a_switch_that_goes_moves_only_its_own_groups() -> None:
    """Of many groups both switches carry about half, and losing one moves none that the other carried."""
    base = read_snapshot(CASES / "_two_sleds.yaml")
    groups = [_group(number, f"233.252.{number // 250}.{number % 250 + 1}") for number in range(400)]
    whole = plan(evolve(base, groups=groups))
    slots = [group.next_hop_switch for group in whole.groups]
    assert 150 < slots.count(slots[0]) < 250
    for slot in base.switches:
        alone = evolve(base, groups=groups, switches={slot: base.switches[slot]})
        moved = {group.id for group in plan(alone, whole).groups if group.next_hop_switch is not slot}
        assert not moved
        back = plan(evolve(base, groups=groups), plan(alone, whole))
        assert {group.next_hop_switch for group in back.groups} == {slot}


def _group(number: int, ip: str) -> Group:
    return Group(
        id=name("group", number),
        name=f"group-{number}",
        multicast_ip=Address.parse(ip),
        state=GroupState.ACTIVE,
        time_created=NOW,
    )


def test_the_257th_group_on_one_fold_is_held() -> None:
    """Two hundred and fifty-six groups that fold alike get an address each; one more gets none and moves nobody."""
    base = read_snapshot(CASES / "_two_sleds.yaml")
    groups = [_group(number, f"ff0e:0:0:{number + 1:x}::{number + 1:x}") for number in range(257)]
    first = plan(evolve(base, groups=groups[:256]))
    assert len({group.underlay_ip for group in first.groups}) == 256
    assert {group.salt for group in first.groups} == set(range(256))
    child = plan(evolve(base, groups=groups), first)
    assert child.groups == first.groups
    assert [(row.id, row.because) for row in child.held] == [(groups[256].id, "underlay_exhausted")]


def test_rows_written_after_a_plan_change_no_address() -> None:
    """Once the datastore has the rows that a plan asked for, the next plan places every group where it was."""
    snapshot = read_snapshot(CASES / "underlay_collision" / "snapshot.yaml")
    blueprint = plan(snapshot)
    later = committed(snapshot, blueprint)
    assert len(later.underlay_groups) == 2
    assert plan(later, blueprint) is blueprint
    assert [group.underlay_ip for group in plan(later).groups] == [group.underlay_ip for group in blueprint.groups]


def test_a_parent_of_another_rack_is_refused() -> None:
    """A blueprint of one rack is no parent for a plan of another."""
    snapshot = read_snapshot(CASES / "_settled.yaml")
    other = plan(evolve(snapshot, rack_id=UUID(int=1)))
    with pytest.raises(InputRejectedError, match="rack_id"):
        plan(snapshot, other)


def test_orphans_keep_their_address() -> None:
    """Every underlay row occupies its address, named by a group or not."""
    snapshot = read_snapshot(CASES / "underlay_collision" / "snapshot.yaml")
    rows = [
        UnderlayRow(id=id_of(f"underlay-{number}"), multicast_ip=Address.parse(f"ff04::e001:20{number:x}"))
        for number in range(8)
    ]
    # 203 xor 0 to 7 are 200 to 207, all taken; 8 and 9 lead to 20b and 20a.
    salts = {group.id: group.salt for group in plan(evolve(snapshot, underlay_groups=rows)).groups}
    assert salts == {id_of("group-1"): 8, id_of("group-2"): 9}
