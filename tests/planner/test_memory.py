"""What a lineage must not forget while a group cannot be planned: its addresses, and who hears it."""

from pathlib import Path
from uuid import UUID

from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.files import read_snapshot
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import GroupState, MemberState, Snapshot
from planner import plan

RACK = read_snapshot(str(Path(__file__).parents[2] / "examples" / "01_one_group" / "snapshot.yaml"))
(OLD,) = RACK.groups
NEW = evolve(OLD, id=UUID(int=99), name="new")
X, Y = (row.instance_id for row in RACK.members)


def members(snapshot: Snapshot, **groups: UUID) -> Snapshot:
    """Return *snapshot* with instance x or y as the only member of the group that is named for it."""
    rows = {"x": RACK.members[0], "y": RACK.members[1]}
    return evolve(snapshot, members=[evolve(rows[name], group_id=group) for name, group in groups.items()])


def leavers(blueprint: Blueprint) -> set[UUID]:
    """Return the instances that are owed a leave."""
    return {row.instance_id for tables in blueprint.sleds.values() for row in tables.departures}


def test_a_leave_outlives_the_time_its_group_was_held() -> None:
    """Held, and then gone: who heard it still has to leave, and its address is nobody's."""
    first = plan(members(RACK, x=OLD.id))
    both = members(evolve(RACK, groups=(OLD, NEW)), x=OLD.id, y=NEW.id)
    held = plan(both, first)
    assert {group.id for group in held.held} == {OLD.id, NEW.id}
    assert leavers(held) == set()
    after = plan(members(evolve(RACK, groups=(NEW,)), y=NEW.id), held)
    assert leavers(after) == {X}
    assert after.groups[0].underlay_ip != first.groups[0].underlay_ip


def test_a_group_that_was_held_comes_back_as_it_was() -> None:
    """Its underlay address and next hop are those of before, and whoever heard it hears it again."""
    first = plan(members(RACK, x=OLD.id))
    held = plan(members(evolve(RACK, groups=(OLD, NEW)), x=OLD.id), first)
    again = plan(evolve(members(RACK, x=OLD.id), underlay_groups=()), held)
    assert again.groups == first.groups
    assert leavers(again) == set()


def test_a_rack_remembers_while_its_multicast_is_off() -> None:
    """Off and on again: addresses stay, a member that left meanwhile is owed its leave, generations go on."""
    on = members(RACK, x=OLD.id, y=OLD.id)
    first = plan(on)
    off = evolve(on, policy=evolve(on.policy, multicast_enabled=False))
    asleep = plan(off, first)
    assert (asleep.groups, dict(asleep.switches), dict(asleep.sleds)) == ((), {}, {})
    assert plan(off, asleep) is asleep
    again = plan(members(RACK, y=OLD.id), asleep)
    assert again.groups[0].underlay_ip == first.groups[0].underlay_ip
    assert leavers(again) == {X}
    assert (
        min(tables.generation for tables in again.switches.values())
        > first.switches[next(iter(first.switches))].generation
    )


def test_memory_ends_with_the_process_that_heard() -> None:
    """A VMM that is gone took its port with it: nothing is owed."""
    first = plan(members(RACK, x=OLD.id))
    both = members(evolve(RACK, groups=(OLD, NEW)), x=OLD.id)
    held = plan(both, first)
    gone = [row for row in RACK.instances if row.id != X]
    ending = evolve(NEW, state=GroupState.ACTIVE)
    after = plan(members(evolve(RACK, groups=(ending,), instances=gone), y=NEW.id), held)
    assert leavers(after) == set()


def former(blueprint: Blueprint) -> set[UUID]:
    """Return the groups that a blueprint remembers on addresses where they are not planned."""
    return {row.id for row in blueprint.former_groups}


def test_a_leave_is_of_the_group_that_was_heard() -> None:
    """The address goes to one group and then to a third: as long as a port has to leave, it is known what."""
    third = evolve(OLD, id=UUID(int=98), name="third")
    first = plan(members(RACK, x=OLD.id))
    second = plan(members(evolve(RACK, groups=(NEW,)), y=NEW.id), first)
    assert (leavers(second), former(second)) == ({X}, {OLD.id})
    after = plan(members(evolve(RACK, groups=(third,))), second)
    assert (leavers(after), former(after)) == ({X, Y}, {OLD.id, NEW.id})
    gone = plan(evolve(members(RACK), groups=(), instances=[]), after)
    assert (leavers(gone), former(gone)) == (set(), set())


def test_a_group_that_is_planned_is_not_a_former_one() -> None:
    """Its own members leave it, whether the address was another's or not."""
    first = plan(members(RACK, x=OLD.id, y=OLD.id))
    less = plan(members(RACK, y=OLD.id), first)
    assert (leavers(less), former(less)) == ({X}, set())
    ended = plan(members(evolve(RACK, groups=())), less)
    assert (leavers(ended), former(ended)) == ({X, Y}, {OLD.id})


def test_a_tombstone_says_of_which_group_its_leave_is() -> None:
    """Without a parent too: its row names the group, though that has no row any more."""
    tombstone = evolve(
        RACK.members[0], state=MemberState.LEFT, time_deleted=OLD.time_created, sled_id=RACK.sleds[0].id
    )
    new = evolve(RACK.members[1], group_id=NEW.id)
    after = plan(evolve(RACK, groups=(NEW,), members=[tombstone, new]))
    assert (leavers(after), former(after)) == ({X}, {OLD.id})


def test_the_former_group_outlives_the_time_its_address_was_held() -> None:
    """Held while its ports had to leave, and while multicast was off: then they still have to leave the same."""
    first = plan(members(RACK, x=OLD.id))
    both = members(evolve(RACK, groups=(evolve(NEW, vni=1),)), y=NEW.id)
    held = plan(both, first)
    assert ([group.id for group in held.held], former(held)) == ([NEW.id], {OLD.id})
    off = plan(evolve(both, policy=evolve(both.policy, multicast_enabled=False)), held)
    assert former(off) == {OLD.id}
    after = plan(members(evolve(RACK, groups=(NEW,)), y=NEW.id), off)
    assert (leavers(after), former(after)) == ({X}, {OLD.id})


def test_a_missing_switch_is_remembered_until_it_is_back() -> None:
    """Whatever came between: a plan of the other switch alone, one that names none."""
    first = plan(RACK)
    bare = evolve(RACK, switches={SwitchSlot.SWITCH1: RACK.switches[SwitchSlot.SWITCH1]})
    missing = plan(bare, first)
    assert (first.missing_switches, missing.missing_switches) == ((), (SwitchSlot.SWITCH0,))
    off = plan(evolve(bare, policy=evolve(bare.policy, multicast_enabled=False)), missing)
    assert off.missing_switches == tuple(SwitchSlot)
    assert plan(bare, off).missing_switches == (SwitchSlot.SWITCH0,)
    assert plan(RACK, off).missing_switches == ()
    assert plan(bare).missing_switches == ()
