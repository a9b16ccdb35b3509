"""A full rack made from a number: what tests of size and of stored bytes are planned from."""

from datetime import timedelta
from random import Random
from uuid import UUID

from blueprints.addresses import Address, UnderlayUnicast
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.snapshot import (
    Group,
    GroupState,
    Instance,
    InstanceState,
    Member,
    MemberState,
    Peer,
    Sled,
    SledPolicy,
    SledState,
    Snapshot,
    Switch,
    Vmm,
    VmmState,
)
from tests.strategies import NOW, SOURCES, name

ALL_REAR = tuple(PortId("rear", number) for number in range(32))


def big_rack(*, sleds: int = 32, groups: int = 60, instances: int = 120, seed: int = 1) -> Snapshot:
    """Return a rack in which every instance runs and is in about three of the *groups*, some with sources."""
    random = Random(seed)
    rows = [_sled(number) for number in range(sleds)]
    group_rows = [_group(number) for number in range(groups)]
    members = [
        _member(1000 * group + instance, group_rows[group], instance, random)
        for instance in range(instances)
        for group in sorted(random.sample(range(groups), min(3, groups)))
    ]
    peers = [_peer(number) for number in range(sleds)]
    return Snapshot(
        rack_id=UUID(int=7),
        evaluated_at=NOW,
        switches={
            slot: Switch(
                underlay_address=UnderlayUnicast.parse(f"fd00:1122:3344:{0x201 + slot.number:x}::2"),
                backplane=ALL_REAR,
                peers=peers,
            )
            for slot in SwitchSlot
        },
        sleds=rows,
        groups=group_rows,
        underlay_groups=(),
        members=members,
        instances=[_instance(number, random.choice(rows).id) for number in range(instances)],
    )


def _sled(number: int) -> Sled:
    return Sled(
        id=name("sled", number),
        serial=f"BRM{number:08}",
        part="gimlet",
        underlay_address=UnderlayUnicast.parse(f"fd00:1122:3344:{0x101 + number:x}::1"),
        policy=SledPolicy.IN_SERVICE,
        state=SledState.ACTIVE,
        underlay_nics=("cxgbe0", "cxgbe1"),
    )


def _peer(number: int) -> Peer:
    address = Address.parse(f"fe80::{number + 1:x}")
    return Peer(if_name=f"tfportrear{number}_0", addr=address, host=f"BRM{number:08}", kind=0, status="Exchange")


def _group(number: int) -> Group:
    ip = f"ff0e::{number:x}" if number % 3 == 0 else f"{233 - number % 2}.252.{number // 200}.{number % 200 + 1}"
    return Group(
        id=name("group", number),
        name=f"group-{number}",
        multicast_ip=Address.parse(ip),
        state=GroupState.ACTIVE,
        time_created=NOW - timedelta(hours=1),
    )


def _member(number: int, group: Group, instance: int, random: Random) -> Member:
    pool = SOURCES[group.multicast_ip.family]
    specific = group.multicast_ip.text.startswith("232.") or random.random() < 0.5
    return Member(
        id=name("member", number),
        group_id=group.id,
        instance_id=name("instance", instance),
        state=MemberState.JOINED,
        multicast_ip=group.multicast_ip,
        source_ips=[Address.parse(text) for text in random.sample(pool, 2)] if specific else (),
    )


def _instance(number: int, sled: UUID) -> Instance:
    vmm = Vmm(id=name("propolis", number), sled_id=sled, state=VmmState.RUNNING)
    return Instance(id=name("instance", number), state=InstanceState.VMM, active_vmm=vmm)
