"""Pass 4: the member life cycle: who shall hear what, and where.

Needs      member, instance and VMM rows; ``draft.groups``, ``draft.sleds``; the parent's subscriptions.
Adds       ``draft.memberships``; takes out groups that are still being created and have no live member.
Promises   L1  live membership, effective instance state and the VMM's sled decide; the stored member state only
               says whether a stopping instance still has what it had.
           L2  while an instance migrates, both of its processes hear: the new one before the old one stops.
           L3  a member that named sources never becomes one that takes any.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from uuid import UUID

from attrs import evolve

from blueprints.addresses import Address, UnicastSource, is_source_specific
from blueprints.findings import Finding, finding
from blueprints.snapshot import Group, GroupState, Instance, InstanceState, Member, MemberState, Vmm, VmmState
from planner.draft import Draft, LiveGroup, Membership, Verdict


class Effective(Enum):
    """What an instance does, from its row, its active VMM and whether it migrates."""

    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    REBOOTING = "rebooting"
    MIGRATING = "migrating"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    DESTROYED = "destroyed"
    GONE = "gone"


BY_ROW: Mapping[InstanceState, Effective] = MappingProxyType(
    {
        InstanceState.CREATING: Effective.CREATING,
        InstanceState.NO_VMM: Effective.STOPPED,
        InstanceState.FAILED: Effective.FAILED,
        InstanceState.DESTROYED: Effective.DESTROYED,
    }
)
"""Rows that say it all; ``vmm`` sends the reader to `BY_VMM`."""

BY_VMM: Mapping[VmmState, Effective] = MappingProxyType(
    {
        VmmState.CREATING: Effective.STARTING,
        VmmState.STARTING: Effective.STARTING,
        VmmState.RUNNING: Effective.RUNNING,
        VmmState.REBOOTING: Effective.REBOOTING,
        VmmState.MIGRATING: Effective.MIGRATING,
        VmmState.STOPPING: Effective.STOPPING,
        VmmState.STOPPED: Effective.STOPPING,
        VmmState.DESTROYED: Effective.STOPPING,
        VmmState.FAILED: Effective.STOPPING,
        VmmState.SAGA_UNWOUND: Effective.FAILED,
    }
)
"""The state of an instance that has an active VMM and does not migrate."""

ON_SLED: Mapping[VmmState, bool] = MappingProxyType(
    {state: state not in (VmmState.CREATING, VmmState.SAGA_UNWOUND, VmmState.DESTROYED) for state in VmmState}
)
"""Whether a process in that state exists on its sled."""

LIFE_CYCLE: Mapping[Effective, Verdict] = MappingProxyType(
    {
        Effective.CREATING: Verdict.WAITS,
        Effective.STARTING: Verdict.RECEIVES,
        Effective.RUNNING: Verdict.RECEIVES,
        Effective.REBOOTING: Verdict.RECEIVES,
        Effective.MIGRATING: Verdict.RECEIVES,
        Effective.STOPPING: Verdict.KEEPS,
        Effective.STOPPED: Verdict.PARKED,
        Effective.FAILED: Verdict.PARKED,
        Effective.DESTROYED: Verdict.PARKED,
        Effective.GONE: Verdict.PARKED,
    }
)
"""What follows for a live member; a verdict that needs a process on a sled becomes WAITS without one."""


def effective_state(instance: Instance | None) -> Effective | None:
    """Return what *instance* does; None where its row names a VMM that has no row."""
    if instance is None:
        return Effective.GONE
    if instance.state is not InstanceState.VMM:
        return BY_ROW[instance.state]
    if instance.active_vmm is None:
        return None
    return Effective.MIGRATING if instance.migration_id else BY_VMM[instance.active_vmm.state]


def processes(instance: Instance | None) -> tuple[Vmm, ...]:
    """Return the processes of *instance* that exist on a sled, the active one first."""
    both = (instance.active_vmm, instance.target_vmm) if instance else ()
    return tuple(vmm for vmm in both if vmm is not None and ON_SLED[vmm.state])


def judge_members(draft: Draft) -> Draft:
    """Return *draft* with every live member of a planned group judged."""
    found: list[Finding] = []
    members: dict[UUID, list[Membership]] = {group: [] for group in draft.groups}
    heard = _parent_sources(draft)
    for row in _first_of_each(_live_members(draft, found), found):
        live = draft.groups[row.group_id]
        members[row.group_id].append(_judge(draft, row, live, heard.get((row.instance_id, live.address)), found))
    unborn = {g for g, live in draft.groups.items() if not members[g] and live.row.state is GroupState.CREATING}
    found += [finding("group_without_members", f"group {g}", "no live member") for g, m in members.items() if not m]
    return evolve(
        draft,
        groups={group: live for group, live in draft.groups.items() if group not in unborn},
        memberships={group: tuple(its) for group, its in members.items() if group not in unborn},
    ).noting(found)


def _live_members(draft: Draft, found: list[Finding]) -> Iterable[Member]:
    """Yield the live members of planned groups; tell about those of groups that are unknown or going."""
    rows: dict[UUID, Group] = {row.id: row for row in draft.snapshot.groups}
    for member in draft.snapshot.members:
        if member.time_deleted is not None:
            continue
        group = rows.get(member.group_id)
        if member.group_id in draft.groups:
            if member.multicast_ip != draft.groups[member.group_id].address:
                found.append(finding("member_address_differs", f"member {member.id}", f"{member.multicast_ip}"))
            yield member
        elif group is None:
            message = f"there is no group {member.group_id}"
            found.append(finding("member_of_unknown_group", f"member {member.id}", message))
        elif group.state is GroupState.DELETING:
            message = f"group {member.group_id} is being deleted"
            found.append(finding("member_of_ending_group", f"member {member.id}", message))


def _first_of_each(members: Iterable[Member], found: list[Finding]) -> Iterable[Member]:
    """Yield one member for each instance and group, the one with the lowest id."""
    seen: set[tuple[UUID, UUID]] = set()
    for member in members:
        key = (member.group_id, member.instance_id)
        if key in seen:
            message = f"instance {member.instance_id} already is a member of group {member.group_id}"
            found.append(finding("member_repeated", f"member {member.id}", message))
        else:
            seen.add(key)
            yield member


def _parent_sources(draft: Draft) -> dict[tuple[UUID, Address], tuple[UnicastSource, ...]]:
    tables = draft.parent.sleds.values() if draft.parent else ()
    return {(row.instance_id, row.group_ip): row.sources for its in tables for row in its.subscriptions}


def _judge(
    draft: Draft, row: Member, live: LiveGroup, before: tuple[UnicastSource, ...] | None, found: list[Finding]
) -> Membership:
    sources = _granted(row, live, found)
    verdict, wanted = _placed(draft, row, found)
    hears = tuple(vmm for vmm in wanted if _in_service(draft, row, vmm, found))
    if sources is None and hears:
        sources = before  # only who hears keeps them: the next plan finds them in the subscription again
    if sources is None:
        refused = Verdict.REFUSED if wanted else verdict
        return Membership(row=row, verdict=refused, hears=(), sources=(), any_source=False)
    if wanted and not hears:
        verdict = Verdict.WAITS
    located = all(vmm.sled_id in draft.known_sleds for vmm in wanted)
    return Membership(row=row, verdict=verdict, hears=hears, sources=sources, any_source=not sources, located=located)


def _granted(row: Member, live: LiveGroup, found: list[Finding]) -> tuple[UnicastSource, ...] | None:
    """Return the sources that switches accept, empty for any; None where nothing can be granted (L3)."""
    subject = f"member {row.id}"
    if not row.source_ips:
        if not is_source_specific(live.address):
            return ()
        found.append(finding("member_without_source", subject, f"{live.address} is source-specific"))
        return None
    good = []
    for source in row.source_ips:
        try:
            if source.family != live.address.family:
                raise ValueError(f"{source} is of another family than {live.address}")
            good.append(UnicastSource.parse(source.text))
        except ValueError as error:
            found.append(finding("member_source_refused", subject, str(error)))
    if not good:
        found.append(finding("member_sources_refused", subject, "none of its sources can be granted"))
        return None
    return tuple(good)


def _placed(draft: Draft, row: Member, found: list[Finding]) -> tuple[Verdict, tuple[Vmm, ...]]:
    """Return what the life cycle says of *row*, and the processes that would hear, wherever they are."""
    instance = draft.instances.get(row.instance_id)
    if instance is None:
        message = f"there is no instance {row.instance_id}"
        found.append(finding("member_instance_unknown", f"member {row.id}", message))
    state = effective_state(instance)
    if state is None:
        return Verdict.LOST, ()
    verdict = LIFE_CYCLE[state]
    if verdict is Verdict.KEEPS and row.state is not MemberState.JOINED:
        return Verdict.WAITS, ()
    if verdict not in (Verdict.RECEIVES, Verdict.KEEPS):
        return verdict, ()
    hears = processes(instance)
    if state is not Effective.MIGRATING:
        hears = tuple(vmm for vmm in hears if instance is not None and vmm == instance.active_vmm)
    return (verdict if hears else Verdict.WAITS), hears


def _in_service(draft: Draft, row: Member, vmm: Vmm, found: list[Finding]) -> bool:
    if vmm.sled_id in draft.sleds:
        return True
    code = "member_sled_out_of_service" if vmm.sled_id in draft.known_sleds else "member_sled_unknown"
    found.append(finding(code, f"member {row.id}", f"its VMM {vmm.id} is on sled {vmm.sled_id}"))
    return False
