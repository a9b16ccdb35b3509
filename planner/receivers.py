"""Pass 4: the member life cycle: who shall hear what, and where.

Needs      member, instance and VMM rows; ``draft.groups``, ``draft.sleds``; the parent's subscriptions.
Adds       ``draft.memberships`` and ``draft.listening``; ``draft.apart``, the members and processes that do not
           hear; takes out groups being created that have no live member.
Promises   L1  live membership, effective instance state and the VMM's sled decide; the stored member state only
               says whether a stopping instance still has what it had.
           L2  while an instance migrates, both of its processes hear: the new one before the old one stops.
           L3  a member that named sources never becomes one that takes any.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from uuid import UUID

from attrs import define, evolve, field

from blueprints.addresses import Address, UnicastSource, is_source_specific
from blueprints.causes import Absence, Apart, ApartMember
from blueprints.findings import Finding, finding
from blueprints.ordering import InOrder
from blueprints.snapshot import GroupState, Instance, InstanceState, Member, MemberState, Vmm, VmmState
from blueprints.words import Word
from planner.draft import Draft, LiveGroup, Membership, Verdict, apart


class Effective(Word):
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
    if instance is None:
        return ()
    active, target = instance.active_vmm, instance.target_vmm
    first = (active,) if active is not None and ON_SLED[active.state] else ()
    return (*first, target) if target is not None and ON_SLED[target.state] else first


def judge_members(draft: Draft) -> Draft:
    """Return *draft* with every live member of a planned group judged."""
    found: list[Finding] = []
    aside: list[ApartMember] = []
    rooms, seats = _rooms(draft), _seats(draft)
    for row in _first_of_each(draft, rooms, found, aside):
        room, seat = rooms[row.group_id.int], seats.get(row.instance_id.int)
        if seat is None:
            found.append(_unseated(row))
            seat = _GONE
        member = _judge(row, room, seat, found)
        room.members.append(member)
        if not member.hears or seat.found:
            aside += _apart(member, seat)
    members = {room.live.row.id: tuple(room.members) for room in rooms.values()}
    unborn = {g for g, live in draft.groups.items() if not members[g] and live.row.state is GroupState.CREATING}
    found += [finding("group_without_members", f"group {g}", "no live member") for g, m in members.items() if not m]
    return evolve(
        draft,
        groups={group: live for group, live in draft.groups.items() if group not in unborn},
        memberships={group: its for group, its in members.items() if group not in unborn},
        listening={group: _sleds_of(its) for group, its in members.items() if group not in unborn},
        absences={**draft.absences, **dict.fromkeys(unborn, Absence.WITHOUT_MEMBERS)},
        apart=(*draft.apart, *aside),
    ).noting(found)


def _apart(member: Membership, seat: "_Seat") -> Iterable[ApartMember]:
    """Yield everything that keeps *member*, or one of its processes, from hearing."""
    for verdict, sled in _hindrances(member, seat):
        yield evolve(apart(member.row, verdict), sled=sled, any=member.any_source, sources=member.sources)


def _hindrances(member: Membership, seat: "_Seat") -> Iterable[tuple[Apart, UUID | None]]:
    if not member.any_source and not member.sources:
        yield Apart.REFUSED, None
    if seat.wanted and (seat.verdict is not Verdict.KEEPS or member.row.state is MemberState.JOINED):
        yield from seat.out_of_reach
    elif not member.hears:
        yield WITHOUT_PROCESS[seat.verdict], None


WITHOUT_PROCESS: Mapping[Verdict, Apart] = MappingProxyType(
    {
        Verdict.WAITS: Apart.WAITS,
        Verdict.KEEPS: Apart.WAITS,  # it never had anything that it could keep
        Verdict.LOST: Apart.LOST,
        Verdict.PARKED: Apart.PARKED,
    }
)
"""What keeps a member from hearing whose instance has no process that would."""


def _sleds_of(members: Iterable[Membership]) -> frozenset[int]:
    return frozenset([vmm.sled_id.int for member in members for vmm in member.hears])


@define(eq=False)
class _Room:
    """A planned group with those who were judged so far; tables of members ask by number, which costs the least."""

    live: LiveGroup
    source_specific: bool
    heard: Mapping[int, tuple[UnicastSource, ...]]
    """What the parent had instances hear."""

    members: list[Membership] = field(factory=list)
    instances: set[int] = field(factory=set)
    sources: dict[str, UnicastSource | str] = field(factory=dict)
    """Each source that was asked for, or why it is refused."""


def _rooms(draft: Draft) -> dict[int, _Room]:
    """Return a room for each planned group, by the number of its id."""
    heard: dict[Address, dict[int, tuple[UnicastSource, ...]]] = {}
    for tables in draft.parent.sleds.values() if draft.parent else ():
        for row in tables.subscriptions:
            heard.setdefault(row.group_ip, {})[row.instance_id.int] = row.sources
    return {
        group.int: _Room(live, is_source_specific(live.address), heard.get(live.address, {}))
        for group, live in draft.groups.items()
    }


def _first_of_each(
    draft: Draft, rooms: Mapping[int, _Room], found: list[Finding], aside: list[ApartMember]
) -> Iterable[Member]:
    """Yield the live members of planned groups, for each instance and group the one with the lowest id."""
    states = {row.id.int: row.state for row in draft.snapshot.groups}
    for member in draft.live_rows:
        group, instance = member.group_id.int, member.instance_id.int
        room = rooms.get(group)
        if room is None:
            found += _homeless(member, states.get(group))
            aside.append(apart(member, _place_of(states.get(group))))
            continue
        if member.multicast_ip.text != room.live.address.text:
            found.append(finding("member_address_differs", f"member {member.id}", f"{member.multicast_ip}"))
        if instance in room.instances:
            message = f"instance {member.instance_id} already is a member of group {member.group_id}"
            found.append(finding("member_repeated", f"member {member.id}", message))
            aside.append(apart(member, Apart.REPEATED))
            continue
        room.instances.add(instance)
        yield member


def _homeless(member: Member, state: GroupState | None) -> Iterable[Finding]:
    """Yield what is to be said of a live member whose group is not planned."""
    if state is None:
        message = f"there is no group {member.group_id}"
        yield finding("member_of_unknown_group", f"member {member.id}", message)
    elif state is GroupState.DELETING:
        message = f"group {member.group_id} is being deleted"
        yield finding("member_of_ending_group", f"member {member.id}", message)


def _place_of(state: GroupState | None) -> Apart:
    """Return what is to be noted of a live member whose group, in *state*, is not planned."""
    if state is None:
        return Apart.GROUP_UNKNOWN
    return Apart.GROUP_ENDING if state is GroupState.DELETING else Apart.GROUP_NOT_PLANNED


@define(eq=False)
class _Seat:
    """What an instance does, and where: the same for each of its memberships."""

    verdict: Verdict
    wanted: tuple[Vmm, ...]
    """The processes that would hear, wherever they are."""

    hears: tuple[Vmm, ...]
    """Those of them whose sled takes part."""

    located: bool = True
    found: tuple[tuple[str, str], ...] = ()
    """Codes and messages, to be told of each member."""

    out_of_reach: tuple[tuple[Apart, UUID], ...] = ()
    """The processes that would hear, but for where they are: what is the matter with their sleds."""


def _seats(draft: Draft) -> dict[int, _Seat]:
    """Return the seat of each instance that has a row, by the number of its id."""
    takes_part = {sled.int: sled in draft.sleds for sled in draft.known_sleds}
    return {row.id.int: _seat(row, takes_part) for row in draft.snapshot.instances}


def _seat(instance: Instance, takes_part: Mapping[int, bool]) -> _Seat:
    verdict, wanted = _placed(instance)
    for vmm in wanted:
        if not takes_part.get(vmm.sled_id.int, False):
            break
    else:
        return _Seat(verdict, wanted, wanted)
    hears = tuple(vmm for vmm in wanted if takes_part.get(vmm.sled_id.int, False))
    located = all(vmm.sled_id.int in takes_part for vmm in wanted)
    astray = tuple(
        (Apart.SLED_OUT_OF_SERVICE if vmm.sled_id.int in takes_part else Apart.SLED_UNKNOWN, vmm.sled_id)
        for vmm in wanted
        if vmm not in hears
    )
    return _Seat(verdict, wanted, hears, located, tuple(_out_of_reach(wanted, takes_part)), astray)


def _out_of_reach(wanted: Iterable[Vmm], takes_part: Mapping[int, bool]) -> Iterable[tuple[str, str]]:
    for vmm in wanted:
        known = takes_part.get(vmm.sled_id.int)
        if not known:
            code = "member_sled_unknown" if known is None else "member_sled_out_of_service"
            yield code, f"its VMM {vmm.id} is on sled {vmm.sled_id}"


def _placed(instance: Instance) -> tuple[Verdict, tuple[Vmm, ...]]:
    """Return what the life cycle says of *instance*, and the processes that would hear, wherever they are."""
    state = effective_state(instance)
    if state is None:
        return Verdict.LOST, ()
    verdict = LIFE_CYCLE[state]
    if verdict is not Verdict.RECEIVES and verdict is not Verdict.KEEPS:
        return verdict, ()
    hears = processes(instance)
    if state is not Effective.MIGRATING and hears and hears[-1] is not instance.active_vmm:
        hears = hears[:-1]
    return (verdict if hears else Verdict.WAITS), hears


_GONE = _Seat(LIFE_CYCLE[Effective.GONE], (), ())
"""Of an instance without a row."""


def _unseated(row: Member) -> Finding:
    return finding("member_instance_unknown", f"member {row.id}", f"there is no instance {row.instance_id}")


def _judge(row: Member, room: _Room, seat: _Seat, found: list[Finding]) -> Membership:
    sources = _granted(row, room, found) if row.source_ips or room.source_specific else ()
    if seat.verdict is Verdict.KEEPS and row.state is not MemberState.JOINED:
        seat = _WAITING
    if seat.found:
        found += [finding(code, f"member {row.id}", message) for code, message in seat.found]
    kept = sources is None and bool(seat.hears)
    if kept:
        sources = room.heard.get(row.instance_id.int)  # only who hears keeps them: the next plan finds them again
    if sources is None:
        return Membership(row, Verdict.REFUSED if seat.wanted else seat.verdict, (), (), any_source=False)
    verdict = Verdict.WAITS if seat.wanted and not seat.hears else seat.verdict
    return Membership(row, verdict, seat.hears, sources, not sources, seat.located, kept)


_WAITING = _Seat(Verdict.WAITS, (), ())
"""Of an instance that is stopping, for a member that never had anything."""


def _granted(row: Member, room: _Room, found: list[Finding]) -> tuple[UnicastSource, ...] | None:
    """Return the sources that switches accept, empty for any; None where nothing can be granted (L3)."""
    if not row.source_ips:
        message = f"{room.live.address} is source-specific"
        found.append(finding("member_without_source", f"member {row.id}", message))
        return None
    good = []
    for source in row.source_ips:
        checked = room.sources.get(source.text) or room.sources.setdefault(source.text, _checked(source, room))
        if isinstance(checked, str):
            found.append(finding("member_source_refused", f"member {row.id}", checked))
        else:
            good.append(checked)
    if not good:
        found.append(finding("member_sources_refused", f"member {row.id}", "none of its sources can be granted"))
        return None
    return InOrder(good)  # as the row's are


def _checked(source: Address, room: _Room) -> UnicastSource | str:
    """Return *source* as one that switches accept, or why they do not."""
    if source.family != room.live.address.family:
        return f"{source} is of another family than {room.live.address}"
    try:
        return UnicastSource.parse(source.text)
    except ValueError as error:
        return str(error)
