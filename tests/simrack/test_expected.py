"""The oracle of receivers, row by row."""

from uuid import UUID

import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.snapshot import (
    GroupState,
    InstanceState,
    MemberState,
    Policy,
    SledPolicy,
    SledState,
    Snapshot,
    UnderlayRow,
    VmmState,
)
from simrack.expected import expected_receivers
from tests.simrack.rows import (
    G4,
    G6,
    GROUP4,
    GROUP6,
    LISTENER,
    MOVER,
    NOON,
    OTHER4,
    PICKER,
    READER,
    S4,
    S6,
    SLEDS,
    SPEAKER,
    TAG4,
    group,
    instance,
    member,
    propolis,
    sled,
    small_rack,
    uid,
    vmm,
)


def hears(snapshot: Snapshot, group_ip: str = G4, source: str = S4, sender: UUID | None = None) -> set[UUID]:
    """The propolis ids of those who hear."""
    found = expected_receivers(snapshot, Address.parse(group_ip), Address.parse(source), sender)
    return {propolis_id for _, propolis_id, _ in found}


MOVERS = {propolis(MOVER), propolis(MOVER, 1)}
EVERYBODY = {propolis(LISTENER), propolis(PICKER)} | MOVERS


def one(who: object, **rows: object) -> Snapshot:
    """A rack whose group 233.252.0.1 has the listener alone, with *who* for its instance."""
    defaults: dict[str, object] = {"members": (member(GROUP4, LISTENER),), "instances": (who,)}
    return small_rack(**(defaults | rows))


def test_members_hear_what_they_asked_for() -> None:
    """An empty list of sources is any source; the family has to match."""
    assert hears(small_rack()) == EVERYBODY
    assert hears(small_rack(), source=OTHER4) == EVERYBODY - {propolis(PICKER)}
    assert hears(small_rack(), G6, S6) == {propolis(READER)}
    assert hears(small_rack(), G6, "fd00:99::6") == set()
    assert hears(small_rack(), G4, S6) == set()
    assert hears(small_rack(), "239.1.1.1") == set()


def test_receivers_come_with_instance_and_sled() -> None:
    """Of a migrating instance both VMMs, each where it is."""
    found = expected_receivers(small_rack(), Address.parse(G4), Address.parse(OTHER4), LISTENER)
    assert found == {(MOVER, propolis(MOVER), SLEDS[1]), (MOVER, propolis(MOVER, 1), SLEDS[2])}


def test_nobody_hears_itself() -> None:
    """Neither VMM of a sender that migrates."""
    assert hears(small_rack(), sender=LISTENER) == EVERYBODY - {propolis(LISTENER)}
    assert hears(small_rack(), sender=MOVER) == EVERYBODY - MOVERS


@pytest.mark.parametrize(
    "who",
    [
        instance(SPEAKER, None),
        instance(SPEAKER, 2, active_vmm=vmm(SPEAKER, 2, VmmState.CREATING)),
        instance(SPEAKER, 2, active_vmm=vmm(SPEAKER, 2, VmmState.DESTROYED)),
    ],
)
def test_who_does_not_run_does_not_send(who: object) -> None:
    """Nor does an instance without a row, or on a sled that is out of use."""
    rows = [row for row in small_rack().instances if row.id != SPEAKER]
    assert hears(small_rack(instances=(*rows, who)), sender=SPEAKER) == set()
    assert hears(small_rack(instances=rows), sender=SPEAKER) == set()
    gone = (sled(0), sled(1), sled(2, policy=SledPolicy.EXPUNGED))
    assert hears(small_rack(sleds=gone), sender=SPEAKER) == set()
    assert hears(small_rack(), sender=SPEAKER) == EVERYBODY


@pytest.mark.parametrize(
    ("state", "live"),
    [(GroupState.CREATING, True), (GroupState.ACTIVE, True), (GroupState.DELETING, False)],
)
def test_creating_and_active_groups_are_heard(state: GroupState, live: bool) -> None:
    """A group that is being deleted is not."""
    snapshot = one(instance(LISTENER, 0), groups=(group(GROUP4, G4, state=state),))
    assert bool(hears(snapshot)) is live


@pytest.mark.parametrize(
    "rows",
    [
        {"policy": Policy(multicast_enabled=False)},
        {"groups": (group(GROUP4, G4, time_deleted=NOON),)},
        {"groups": (group(GROUP4, G4, vni=78),)},
        {"groups": (group(GROUP4, G4), group(GROUP6, G4, underlay_group_id=None))},
        {"groups": (group(GROUP4, G4), group(GROUP6, G6, underlay_group_id=uid(4, 4)))},
        {"underlay_groups": (UnderlayRow(id=uid(4, 4), multicast_ip=Address.parse("ff05::1"), tag=TAG4),)},
        {"groups": ()},
        {"members": ()},
        {"instances": ()},
    ],
)
def test_held_groups_are_heard_by_nobody(rows: dict[str, object]) -> None:
    """Feature off, contradictory rows, another network, a shared address, a bad underlay row, rows missing."""
    assert hears(one(instance(LISTENER, 0), **rows)) == set()


@pytest.mark.parametrize(
    ("state", "linked", "heard"),
    [
        (GroupState.CREATING, True, False),
        (GroupState.CREATING, False, True),
        (GroupState.ACTIVE, True, True),
    ],
)
def test_a_new_group_waits_for_the_teardown_of_an_older_one(state: GroupState, linked: bool, heard: bool) -> None:
    """Unless the older one never had an underlay group, or the new one is active already."""
    link = uid(4, 9) if linked else None
    older = group(GROUP6, G4, state=GroupState.DELETING, underlay_group_id=link)
    newer = group(GROUP4, G4, state=state)
    assert bool(hears(one(instance(LISTENER, 0), groups=(newer, older)))) is heard


def test_a_group_outside_the_ranges_is_heard_by_nobody() -> None:
    """Even if its rows are otherwise in order."""
    reserved = "224.0.0.9"
    snapshot = one(instance(LISTENER, 0), groups=(group(GROUP4, reserved),))
    assert hears(snapshot, reserved) == set()


@pytest.mark.parametrize(
    ("state", "member_state", "heard"),
    [
        *[(state, MemberState.JOINING, True) for state in ("starting", "running", "rebooting", "migrating")],
        *[(state, MemberState.LEFT, True) for state in ("starting", "running", "rebooting", "migrating")],
        *[(state, MemberState.JOINED, True) for state in ("stopping", "stopped", "failed")],
        *[(state, MemberState.LEFT, False) for state in ("stopping", "stopped", "failed")],
        *[(state, MemberState.JOINING, False) for state in ("stopping", "stopped", "failed")],
        *[(state, MemberState.JOINED, False) for state in ("creating", "saga_unwound", "destroyed")],
    ],
)
def test_the_process_decides_and_the_stored_state_holds_back(
    state: str, member_state: MemberState, heard: bool
) -> None:
    """A live membership of a running instance hears, joined or not; a stopping one only while joined."""
    who = instance(LISTENER, 0, active_vmm=vmm(LISTENER, 0, VmmState(state)))
    assert bool(hears(one(who, members=(member(GROUP4, LISTENER, state=member_state),)))) is heard


@pytest.mark.parametrize(
    "state", [state for state in InstanceState if state is not InstanceState.VMM], ids=lambda state: state.value
)
def test_an_instance_in_another_state_hears_nothing(state: InstanceState) -> None:
    """Only an instance with a VMM runs, whatever its row still points to."""
    assert hears(one(instance(LISTENER, 0, state=state))) == set()


def test_migration_decides_about_the_target() -> None:
    """The target hears while a migration is under way and it has a process; a stopping source then hears too."""
    moving = instance(LISTENER, 0, 1)
    assert hears(one(moving)) == {propolis(LISTENER), propolis(LISTENER, 1)}
    assert hears(one(evolve(moving, migration_id=None))) == {propolis(LISTENER)}
    unborn = evolve(moving, target_vmm=vmm(LISTENER, 1, VmmState.CREATING, 1))
    assert hears(one(unborn)) == {propolis(LISTENER)}
    leaving = evolve(moving, active_vmm=vmm(LISTENER, 0, VmmState.STOPPING))
    rows = (member(GROUP4, LISTENER, state=MemberState.LEFT),)
    assert hears(one(leaving, members=rows)) == {propolis(LISTENER), propolis(LISTENER, 1)}


@pytest.mark.parametrize(
    ("policy", "state", "heard"),
    [
        (SledPolicy.IN_SERVICE, SledState.ACTIVE, True),
        (SledPolicy.NO_PROVISION, SledState.ACTIVE, True),
        (SledPolicy.EXPUNGED, SledState.ACTIVE, False),
        (SledPolicy.IN_SERVICE, SledState.DECOMMISSIONED, False),
    ],
)
def test_sleds_out_of_use_hear_nothing(policy: SledPolicy, state: SledState, heard: bool) -> None:
    """A sled that takes no new instances still counts."""
    assert bool(hears(one(instance(LISTENER, 0), sleds=(sled(0, policy=policy, state=state),)))) is heard


def test_an_unknown_sled_hears_nothing() -> None:
    """A VMM may point to a sled that has no row."""
    assert hears(one(instance(LISTENER, 0), sleds=(sled(1),))) == set()


def test_tombstones_and_repeats_do_not_count() -> None:
    """A deleted membership hears nothing; of two live ones the first by id decides."""
    who = instance(LISTENER, 0)
    assert hears(one(who, members=(member(GROUP4, LISTENER, time_deleted=NOON),))) == set()
    first = member(GROUP4, LISTENER, OTHER4, id=uid(0, 1))
    second = member(GROUP4, LISTENER, id=uid(0, 2))
    assert hears(one(who, members=(second, first))) == set()
    assert hears(one(who, members=(second, first)), source=OTHER4) == {propolis(LISTENER)}


@pytest.mark.parametrize("sources", [("127.0.0.1",), ("169.254.1.1", S6), ("240.0.0.1",)])
def test_refused_sources_are_left_out(sources: tuple[str, ...]) -> None:
    """Not even a packet from one of them is heard."""
    who = instance(LISTENER, 0)
    rows = (member(GROUP4, LISTENER, *sources),)
    assert [hears(one(who, members=rows), source=source) for source in (sources[0], S4)] == [set(), set()]
    rows = (member(GROUP4, LISTENER, *sources, S4),)
    assert hears(one(who, members=rows)) == {propolis(LISTENER)}


def test_a_source_specific_group_needs_sources() -> None:
    """A member without any hears nothing."""
    rows = (member(GROUP6, READER),)
    assert hears(small_rack(members=rows), G6, S6) == set()
