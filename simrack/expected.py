"""Who should hear a packet, read straight from the rows of a snapshot: an oracle for whole-system tests.

Written from the datastore's own rules and in the plainest way, apart from any planner, so that a mistake has to be
made twice to go unseen. It says who *should* hear in a rack that is programmed from nothing but the snapshot: what a
parent blueprint would keep is not known here.

Rules:
    E1  A group is heard if it is creating or active, not deleted, and nothing about its rows is refused: address in
        the permitted ranges, network identifier 77, underlay row in ff04::/64, no second live group on its address
        or underlay row. A creating group waits for the teardown that an older group on its address is owed.
    E2  A live membership counts whatever its state, one per instance and group (the first by id).
    E3  An instance hears where its process is: starting, running and rebooting on the active VMM's sled, migrating
        there and on the target's; stopping only while the member says joined. VMMs that are creating, saga_unwound
        or destroyed have no process.
    E4  The sled is in service or no_provision, and active.
    E5  The member's own sources decide, none meaning any. Sources that switches refuse are left out; if none is
        left, or a source-specific group has none, the member hears nothing. The filter of the group as a whole
        always lets through what one of its members asks for, so it needs no rule.
    E6  A sender has to run on such a sled itself, and never hears itself.

This file does not know switches, sleds' tables, or how packets travel.
"""

from collections.abc import Iterator
from uuid import UUID

from blueprints.addresses import Address, ExternalGroup, UnicastSource, is_source_specific
from blueprints.identifiers import FLEET_VNI
from blueprints.snapshot import (
    Group,
    GroupState,
    Instance,
    InstanceState,
    Member,
    MemberState,
    SledPolicy,
    SledState,
    Snapshot,
    Vmm,
    VmmState,
)
from simrack.addresses import is_underlay

Receiver = tuple[UUID, UUID, UUID]
"""Instance, propolis, sled."""

_LIVE = (GroupState.CREATING, GroupState.ACTIVE)
_IN_USE = (SledPolicy.IN_SERVICE, SledPolicy.NO_PROVISION)
_NO_PROCESS = (VmmState.CREATING, VmmState.SAGA_UNWOUND, VmmState.DESTROYED)
_ENDING = (VmmState.STOPPING, VmmState.STOPPED, VmmState.FAILED, VmmState.DESTROYED)


def expected_receivers(
    snapshot: Snapshot, group_ip: Address, source: Address, sender: UUID | None = None
) -> set[Receiver]:
    """Return who should hear a packet from *source* to *group_ip*.

    Args:
        snapshot: the rows.
        group_ip: where the packet is sent to.
        source: its source address; one of the other family reaches nobody.
        sender: the instance that sends it, None for a packet from outside.
    """
    if not snapshot.policy.multicast_enabled or group_ip.family != source.family:
        return set()
    group = _the_group(snapshot, group_ip)
    if group is None or not (sender is None or _can_send(snapshot, sender)):
        return set()
    return {
        (instance.id, vmm.id, vmm.sled_id)
        for member, instance in _memberships(snapshot, group)
        if instance.id != sender and _wants(member, group, source)
        for vmm in _processes(instance, member)
        if _in_use(snapshot, vmm.sled_id)
    }


def _the_group(snapshot: Snapshot, address: Address) -> Group | None:
    """Rule E1."""
    same = [row for row in snapshot.groups if row.multicast_ip == address]
    live = [row for row in same if row.state in _LIVE]
    if len(live) != 1 or live[0].time_deleted is not None or live[0].vni != FLEET_VNI:
        return None
    group = live[0]
    going = [row for row in same if row.state is GroupState.DELETING and row.underlay_group_id is not None]
    if going and group.state is GroupState.CREATING:
        return None
    return group if _is_permitted(address) and _has_good_underlay(snapshot, group) else None


def _is_permitted(address: Address) -> bool:
    try:
        ExternalGroup.parse(address.text)
    except ValueError:
        return False
    return True


def _has_good_underlay(snapshot: Snapshot, group: Group) -> bool:
    rows = {row.id: row.multicast_ip for row in snapshot.underlay_groups}
    mine = None if group.underlay_group_id is None else rows.get(group.underlay_group_id)
    if mine is None:
        return True
    others = [
        rows.get(other.underlay_group_id)
        for other in snapshot.groups
        if other.id != group.id and other.state in _LIVE and other.underlay_group_id is not None
    ]
    return is_underlay(mine) and mine not in others


def _memberships(snapshot: Snapshot, group: Group) -> Iterator[tuple[Member, Instance]]:
    """Rule E2."""
    instances = {instance.id: instance for instance in snapshot.instances}
    seen: set[UUID] = set()
    for member in sorted(snapshot.members, key=lambda row: row.id):
        if member.group_id == group.id and member.time_deleted is None and member.instance_id not in seen:
            seen.add(member.instance_id)
            if member.instance_id in instances:
                yield member, instances[member.instance_id]


def _processes(instance: Instance, member: Member) -> list[Vmm]:
    """Rule E3."""
    active = instance.active_vmm
    if instance.state is not InstanceState.VMM or active is None:
        return []
    vmms = [active]
    if instance.migration_id is not None:
        vmms += [] if instance.target_vmm is None else [instance.target_vmm]
    elif active.state in _ENDING and member.state is not MemberState.JOINED:
        return []
    return [vmm for vmm in vmms if vmm.state not in _NO_PROCESS]


def _in_use(snapshot: Snapshot, sled_id: UUID) -> bool:
    """Rule E4."""
    return any(
        sled.id == sled_id and sled.policy in _IN_USE and sled.state is SledState.ACTIVE for sled in snapshot.sleds
    )


def _wants(member: Member, group: Group, source: Address) -> bool:
    """Rule E5."""
    if not member.source_ips:
        return not is_source_specific(group.multicast_ip)
    return source in member.source_ips and _is_acceptable(source, group)


def _is_acceptable(source: Address, group: Group) -> bool:
    try:
        UnicastSource.parse(source.text)
    except ValueError:
        return False
    return source.family == group.multicast_ip.family


def _can_send(snapshot: Snapshot, sender: UUID) -> bool:
    """Rule E6."""
    instance = next((row for row in snapshot.instances if row.id == sender), None)
    vmm = None if instance is None else instance.active_vmm
    return vmm is not None and vmm.state not in _NO_PROCESS and _in_use(snapshot, vmm.sled_id)
