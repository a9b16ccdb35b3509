"""Seeded racks: a snapshot of any size, and what has become of it a while later.

The same numbers give the same rack, byte for byte, on every machine. This file does not know what is measured or
shown with it; the clock in it is part of the workload.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from itertools import accumulate
from random import Random
from uuid import UUID

from attrs import evolve, frozen

from blueprints.addresses import Address, UnderlayUnicast, is_source_specific, underlay_address
from blueprints.blueprint import Blueprint, Subject
from blueprints.identifiers import PortId, SwitchSlot, Tag
from blueprints.snapshot import (
    Group,
    GroupState,
    Instance,
    InstanceState,
    Inventory,
    Member,
    MemberState,
    Peer,
    ServiceProcessor,
    Sled,
    SledPolicy,
    SledState,
    Snapshot,
    Source,
    SpType,
    Switch,
    UnderlayRow,
    Vmm,
    VmmState,
)

START = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
PART = "913-0000019"

LIVES = (
    ("running", 80),
    ("stopped", 8),
    ("starting", 5),
    ("migrating", 5),
    ("stopping", 2),
)
"""What instances do, with weights."""


@frozen(kw_only=True)
class Size:
    """How large a rack is."""

    sleds: int = 32
    groups: int = 200
    members: int = 2000
    instances: int = 800


def _uuid(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def _ids(random: Random, count: int) -> list[UUID]:
    return [_uuid(random) for _ in range(count)]


def rack(seed: int, size: Size | None = None) -> Snapshot:
    """Return a rack in the middle of its life: most groups active, some just created, members of all kinds."""
    size = size or Size()
    random = Random(f"rack-{seed}")
    sleds = _sleds(random, size.sleds)
    groups, rows = _groups(random, size.groups)
    instances = _instances(random, size.instances, sleds)
    return Snapshot(
        rack_id=_uuid(random),
        evaluated_at=START,
        source=Source(datastore_schema="296", collected_by=f"workload generator, seed {seed}"),
        switches={slot: _switch(slot, sleds) for slot in SwitchSlot},
        sleds=sleds,
        inventory=_inventory(random, sleds),
        groups=groups,
        underlay_groups=rows,
        members=_members(random, size.members, groups, instances),
        instances=instances,
    )


def _sleds(random: Random, count: int) -> list[Sled]:
    """Return sleds for cubbies 0 and up; the serial ends in the cubby, so that people can read the examples."""
    return [
        Sled(
            id=sled,
            serial=f"BRM4222{cubby:04}",
            part=PART,
            underlay_address=UnderlayUnicast.parse(f"fd00:1122:3344:{0x101 + cubby:x}::1"),
            policy=SledPolicy.NO_PROVISION if cubby % 16 == 9 else SledPolicy.IN_SERVICE,
            state=SledState.ACTIVE,
            underlay_nics=("cxgbe0", "cxgbe1"),
        )
        for cubby, sled in enumerate(_ids(random, count))
    ]


def _cubby(sled: Sled) -> int:
    return int(sled.serial[-4:])


def _switch(slot: SwitchSlot, sleds: list[Sled]) -> Switch:
    """Return a switch that peers with every sled but one, which inventory has to stand in for."""
    peers = [
        Peer(
            if_name=f"tfportrear{_cubby(sled)}_0",
            addr=Address.parse(f"fe80::aa40:25ff:fe05:{0x100 * slot.number + _cubby(sled):x}"),
            host=sled.serial,
            kind=0,
            status="Solicit" if _cubby(sled) == 5 + slot.number else "Exchange",
        )
        for sled in sleds
    ]
    uplink = Peer(
        if_name="tfportqsfp0_0", addr=Address.parse("fe80::1"), host="other-switch", kind=1, status="Exchange"
    )
    return Switch(
        underlay_address=UnderlayUnicast.parse(f"fd00:1122:3344:{0x101 + slot.number:x}::2"),
        backplane=[PortId("rear", number) for number in range(32)],
        peers=[*peers, uplink],
    )


def _inventory(random: Random, sleds: list[Sled]) -> Inventory:
    boards = [ServiceProcessor(type=SpType.SLED, slot=_cubby(sled), serial=sled.serial, part=PART) for sled in sleds]
    others = [
        ServiceProcessor(type=SpType.SWITCH, slot=slot.number, serial=f"BRM4423000{slot.number}", part="913-0000006")
        for slot in SwitchSlot
    ]
    return Inventory(
        collection_id=_uuid(random),
        completed_at=START - timedelta(minutes=4),
        errors=0,
        service_processors=[*boards, *others],
    )


def _group_address(number: int) -> Address:
    """Return a group address: IPv4 and IPv6, any-source and source-specific in turn."""
    high, low = divmod(number, 250)
    match number % 4:
        case 0:
            return Address(IPv4Address(f"233.252.{high}.{low}"))
        case 1:
            return Address(IPv6Address(f"ff0e::db8:0:{number:x}"))
        case 2:
            return Address(IPv4Address(f"232.1.{high}.{low}"))
        case _:
            return Address(IPv6Address(f"ff3e::8000:{number:x}"))


def _groups(random: Random, count: int) -> tuple[list[Group], list[UnderlayRow]]:
    """Return groups, every tenth just created, and the underlay rows of the others."""
    groups: list[Group] = []
    rows: list[UnderlayRow] = []
    for number in range(count):
        group, row = _ids(random, 2)
        address = _group_address(number)
        new = number % 10 == 7
        if not new:
            underlay = underlay_address(address, 0)
            rows.append(UnderlayRow(id=row, multicast_ip=underlay, tag=str(Tag.of_group(group, address))))
        groups.append(
            Group(
                id=group,
                name=f"group-{number:04}",
                multicast_ip=address,
                state=GroupState.CREATING if new else GroupState.ACTIVE,
                tag=str(Tag.of_group(group, address)),
                underlay_group_id=None if new else row,
                underlay_salt=None,
                time_created=START - timedelta(seconds=20 if new else 86400),
            )
        )
    return groups, rows


def _vmm(random: Random, sleds: list[Sled], state: VmmState, *, not_on: UUID | None = None) -> Vmm:
    sled = random.choice([sled for sled in sleds if sled.id != not_on])
    return Vmm(id=_uuid(random), sled_id=sled.id, state=state)


def _instances(random: Random, count: int, sleds: list[Sled]) -> list[Instance]:
    kinds = random.choices([kind for kind, _ in LIVES], [weight for _, weight in LIVES], k=count)
    return [_instance(random, kind, sleds) for kind in kinds]


def _instance(random: Random, kind: str, sleds: list[Sled]) -> Instance:
    name = _uuid(random)
    if kind == "stopped":
        return Instance(id=name, state=InstanceState.NO_VMM)
    if kind != "migrating":
        return Instance(id=name, state=InstanceState.VMM, active_vmm=_vmm(random, sleds, VmmState(kind)))
    active = _vmm(random, sleds, VmmState.MIGRATING)
    target = _vmm(random, sleds, VmmState.MIGRATING, not_on=active.sled_id)
    return Instance(
        id=name, state=InstanceState.VMM, migration_id=_uuid(random), active_vmm=active, target_vmm=target
    )


def _member_state(instance: Instance) -> tuple[MemberState, UUID | None]:
    """Return what the datastore says of a member of *instance*: state and recorded sled."""
    vmm = instance.active_vmm
    if vmm is None:
        return MemberState.LEFT, None
    return (MemberState.JOINING if vmm.state is VmmState.STARTING else MemberState.JOINED), vmm.sled_id


def _pairs(random: Random, count: int, groups: list[Group], instances: list[Instance]) -> Iterable[tuple[int, int]]:
    """Yield *count* distinct pairs of group and instance: every group has one, few have many."""
    ends = list(accumulate(random.lognormvariate(0, 0.8) for _ in groups))
    chosen = {(group, random.randrange(len(instances))): None for group in range(len(groups))}
    while len(chosen) < min(count, len(groups) * len(instances)):
        group = random.choices(range(len(groups)), cum_weights=ends)[0]
        chosen[group, random.randrange(len(instances))] = None
    return chosen


def _sources_of(group: int, address: Address) -> list[Address]:
    count = 1 + group % 4
    if address.family == 4:
        return [Address(IPv4Address(f"10.20.{group % 250}.{host + 5}")) for host in range(count)]
    return [Address(IPv6Address(f"fd00:99::{group:x}:{host + 5:x}")) for host in range(count)]


def _members(random: Random, count: int, groups: list[Group], instances: list[Instance]) -> list[Member]:
    members = []
    for group, instance in _pairs(random, count, groups, instances):
        address = groups[group].multicast_ip
        offered = _sources_of(group, address)
        picky = is_source_specific(address) or random.random() < 0.2
        state, sled = _member_state(instances[instance])
        members.append(
            Member(
                id=_uuid(random),
                group_id=groups[group].id,
                instance_id=instances[instance].id,
                sled_id=sled,
                state=state,
                multicast_ip=address,
                source_ips=random.sample(offered, random.randint(1, len(offered))) if picky else (),
            )
        )
    return members


def tombstones(snapshot: Snapshot, seed: int, count: int) -> Snapshot:
    """Return *snapshot* with *count* more rows of members that left; each names the sled that it was last told on."""
    random = Random(f"tombstones-{seed}")
    sleds = [sled.id for sled in snapshot.sleds]
    left = []
    for _ in range(count):
        group, instance = random.choice(snapshot.groups), random.choice(snapshot.instances)
        vmm = instance.active_vmm
        left.append(
            Member(
                id=_uuid(random),
                group_id=group.id,
                instance_id=instance.id,
                # Most processes are where they were; the others moved on since, or ended.
                sled_id=random.choice(sleds) if vmm is None or random.random() < 0.2 else vmm.sled_id,
                state=MemberState.LEFT,
                multicast_ip=group.multicast_ip,
                source_ips=(),
                time_deleted=snapshot.evaluated_at - timedelta(seconds=random.randint(1, 600)),
            )
        )
    return evolve(snapshot, members=[*snapshot.members, *left])


def settled(snapshot: Snapshot, blueprint: Blueprint) -> Snapshot:
    """Return *snapshot* after the datastore was told that *blueprint* is in effect."""
    moves = {move.id: move for move in blueprint.transitions}
    planned = {group.id: group for group in blueprint.groups}
    rows = {row.id for row in snapshot.underlay_groups}
    groups = []
    new_rows = []
    for group in snapshot.groups:
        move = moves.get(group.id)
        if move is None or move.subject is not Subject.GROUP or move.to != GroupState.ACTIVE:
            groups.append(group)
            continue
        row = group.underlay_group_id or UUID(int=group.id.int ^ 1)
        if row not in rows:
            mine = planned[group.id]
            new_rows.append(UnderlayRow(id=row, multicast_ip=mine.underlay_ip, tag=str(mine.tag)))
        salt = planned[group.id].salt
        groups.append(evolve(group, state=GroupState.ACTIVE, underlay_group_id=row, underlay_salt=salt))
    members = [
        evolve(row, state=MemberState(moves[row.id].to), sled_id=moves[row.id].sled_id) if row.id in moves else row
        for row in snapshot.members
    ]
    return evolve(snapshot, groups=groups, underlay_groups=[*snapshot.underlay_groups, *new_rows], members=members)


def a_while_later(snapshot: Snapshot, seed: int) -> Snapshot:
    """Return *snapshot* ten minutes on: a tenth of the instances moved, migrations over, members left, groups too."""
    random = Random(f"later-{seed}")
    now = snapshot.evaluated_at + timedelta(minutes=10)
    sleds = list(snapshot.sleds)
    instances = [_moved(random, instance, sleds) for instance in snapshot.instances]
    leaving = {row.id for row in snapshot.members if random.random() < 0.03}
    ending = random.choice([group for group in snapshot.groups if group.state is GroupState.ACTIVE])
    leaving |= {row.id for row in snapshot.members if row.group_id == ending.id}
    members = [
        evolve(row, state=MemberState.LEFT, time_deleted=now) if row.id in leaving else row
        for row in snapshot.members
    ]
    groups = [
        evolve(group, state=GroupState.DELETING, time_deleted=now) if group is ending else group
        for group in snapshot.groups
    ]
    return evolve(snapshot, evaluated_at=now, groups=groups, members=members, instances=instances)


def _moved(random: Random, instance: Instance, sleds: list[Sled]) -> Instance:
    """Return *instance* a while later: migrations end on their target, starts run, stops stop, a tenth moves."""
    active = instance.active_vmm
    if active is None:
        if random.random() < 0.75:
            return instance
        return evolve(instance, state=InstanceState.VMM, active_vmm=_vmm(random, sleds, VmmState.RUNNING))
    if instance.target_vmm is not None:
        target = evolve(instance.target_vmm, state=VmmState.RUNNING)
        return evolve(instance, migration_id=None, active_vmm=target, target_vmm=None)
    if active.state is VmmState.STOPPING:
        return evolve(instance, state=InstanceState.NO_VMM, active_vmm=None)
    if random.random() < 0.1:
        return evolve(instance, active_vmm=_vmm(random, sleds, VmmState.RUNNING, not_on=active.sled_id))
    return evolve(instance, active_vmm=evolve(active, state=VmmState.RUNNING))
