"""Pass 4: who shall hear what, and where.

Needs      member, instance and VMM rows; ``draft.groups``, ``draft.sleds``; the parent's subscriptions.
Adds       ``draft.audiences``; ``draft.apart``, the members and processes that do not hear; takes out groups being
           created that have no live member.
Promises   L1  live membership, effective instance state and the VMM's sled decide; the stored member state only
               says whether a stopping instance still has what it had.
           L2  while an instance migrates, both of its processes hear: the new one before the old one stops.
           L3  a member that named sources never becomes one that takes any.

This file does not know the life cycle of instances (`planner.life_cycle`), nor sleds (`planner.seats`).
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType
from uuid import UUID

from attrs import define, evolve, field

from blueprints.addresses import Address, UnicastSource, is_source_specific
from blueprints.causes import Absence, Apart, ApartMember
from blueprints.findings import Finding, finding
from blueprints.ordering import InOrder
from blueprints.snapshot import GroupState, Member, MemberState
from planner.draft import Audience, Draft, LiveGroup, Membership, apart
from planner.life_cycle import Verdict
from planner.seats import GONE, WAITING, Seat, seats_of


def judge_members(draft: Draft) -> Draft:
    """Return *draft* with every live member of a planned group judged."""
    found: list[Finding] = []
    aside: list[ApartMember] = []
    rooms = _rooms(draft)
    _people(rooms, draft, found, aside)
    audiences = {room.live.row.id: room.audience() for room in rooms.values()}
    empty = {group for group, audience in audiences.items() if not audience.members}
    unborn = {group for group in empty if draft.groups[group].row.state is GroupState.CREATING}
    found += [finding("group_without_members", f"group {group}", "no live member") for group in empty]
    return evolve(
        draft,
        groups={group: live for group, live in draft.groups.items() if group not in unborn},
        audiences={group: audience for group, audience in audiences.items() if group not in unborn},
        absences={**draft.absences, **dict.fromkeys(unborn, Absence.WITHOUT_MEMBERS)},
        apart=(*draft.apart, *aside),
    ).noting(found)


@define(eq=False)
class _Room:
    """A planned group with those who were judged so far."""

    live: LiveGroup
    source_specific: bool
    heard: Mapping[int, tuple[UnicastSource, ...]]
    """What the parent had instances hear, by their number."""

    members: list[Membership] = field(factory=list)
    instances: set[int] = field(factory=set)
    granted: dict[str, UnicastSource] = field(factory=dict)
    """The sources that were asked for and switches accept, by their text."""

    refused: dict[str, str] = field(factory=dict)
    """Those that they do not, and why."""

    def audience(self) -> Audience:
        """Return what the members come to together."""
        hearing = [member for member in self.members if member.seat.hears]
        kept = [member for member in self.members if member.kept] if self.heard else []
        remembered = {source.text: source for member in kept for source in member.sources}
        return Audience(
            members=self.members,
            hearing=sorted(hearing, key=_BY_INSTANCE),
            sleds=frozenset().union(*map(_SLEDS, hearing)),
            located=all(map(_LOCATED, self.members)),
            any_source=any(map(_ANY_SOURCE, self.members)),
            sources=tuple({**self.granted, **remembered}.values()),
            kept=bool(kept),
        )


_BY_INSTANCE = attrgetter("number")
_SLEDS = attrgetter("seat.sleds")
_LOCATED = attrgetter("seat.located")
_ANY_SOURCE = attrgetter("any_source")


def _rooms(draft: Draft) -> dict[int, _Room]:
    """Return a room for each planned group, by the number of its id."""
    heard: dict[str, dict[int, tuple[UnicastSource, ...]]] = {}
    for tables in draft.parent.sleds.values() if draft.parent else ():
        for row in tables.subscriptions:
            heard.setdefault(row.group_ip.text, {})[row.instance_id.int] = row.sources
    return {
        group.int: _Room(live, is_source_specific(live.address), heard.get(live.address.text, {}))
        for group, live in draft.groups.items()
    }


def _people(rooms: Mapping[int, _Room], draft: Draft, found: list[Finding], aside: list[ApartMember]) -> None:
    """Put the live members into their *rooms*, for each instance and group the one with the lowest id."""
    seats = seats_of(draft.snapshot.instances, {sled.int: sled in draft.sleds for sled in draft.known_sleds})
    states = {row.id.int: row.state for row in draft.snapshot.groups}
    for row in draft.live_rows:
        room = rooms.get(row.group_id.int)
        if room is None:
            state = states.get(row.group_id.int)
            found += _homeless(row, state)
            aside.append(apart(row, _place_of(state)))
            continue
        if row.multicast_ip.text != room.live.address.text:
            found.append(finding("member_address_differs", f"member {row.id}", f"{row.multicast_ip}"))
        number = row.instance_id.int
        if number in room.instances:
            message = f"instance {row.instance_id} already is a member of group {row.group_id}"
            found.append(finding("member_repeated", f"member {row.id}", message))
            aside.append(apart(row, Apart.REPEATED))
            continue
        room.instances.add(number)
        seat = seats.get(number)
        if seat is None:
            message = f"there is no instance {row.instance_id}"
            found.append(finding("member_instance_unknown", f"member {row.id}", message))
            seat = GONE
        member = _judge(row, number, room, seat, found)
        room.members.append(member)
        if not member.seat.hears or seat.found:
            aside += _apart(member, seat)


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


_REFUSED = Seat(Verdict.REFUSED)
"""For a member that would hear, had it not asked for what cannot be granted."""


def _judge(row: Member, number: int, room: _Room, seat: Seat, found: list[Finding]) -> Membership:
    sources = _granted(row, room, found) if row.source_ips or room.source_specific else ()
    if seat.keeps and row.state is not MemberState.JOINED:
        seat = WAITING
    if seat.found:
        found += [finding(code, f"member {row.id}", message) for code, message in seat.found]
    if sources is not None:
        return Membership(row, number, seat, sources, not sources)
    sources = room.heard.get(number) if seat.hears else None  # only who hears keeps them: the next plan finds them
    if sources is None:
        return Membership(row, number, _REFUSED if seat.wanted else seat, (), any_source=False)
    return Membership(row, number, seat, sources, not sources, kept=True)


def _granted(row: Member, room: _Room, found: list[Finding]) -> tuple[UnicastSource, ...] | None:
    """Return the sources that switches accept, empty for any; None where nothing can be granted (L3)."""
    known = room.granted
    try:
        good = [known[source.text] for source in row.source_ips]
    except KeyError:
        good = list(_checked(row, room, found))
    if good:
        return InOrder(good)  # as the row's are
    if row.source_ips:
        found.append(finding("member_sources_refused", f"member {row.id}", "none of its sources can be granted"))
    else:
        message = f"{room.live.address} is source-specific"
        found.append(finding("member_without_source", f"member {row.id}", message))
    return None


def _checked(row: Member, room: _Room, found: list[Finding]) -> Iterable[UnicastSource]:
    """Yield the sources of *row* that switches accept, and find those that they do not."""
    for source in row.source_ips:
        if source.text not in room.granted and source.text not in room.refused:
            _check(source, room)
        if source.text in room.granted:
            yield room.granted[source.text]
        else:
            found.append(finding("member_source_refused", f"member {row.id}", room.refused[source.text]))


def _check(source: Address, room: _Room) -> None:
    """Note in *room* whether switches accept *source*."""
    if source.family != room.live.address.family:
        room.refused[source.text] = f"{source} is of another family than {room.live.address}"
        return
    try:
        room.granted[source.text] = UnicastSource.parse(source.text)
    except ValueError as error:
        room.refused[source.text] = str(error)


def _apart(member: Membership, seat: Seat) -> Iterable[ApartMember]:
    """Yield everything that keeps *member*, or one of its processes, from hearing."""
    row = member.row
    for verdict, sled in _hindrances(member, seat):
        yield ApartMember(
            group=row.group_id,
            instance=row.instance_id,
            member=row.id,
            verdict=verdict,
            sled=sled,
            any=member.any_source,
            sources=member.sources,
        )


def _hindrances(member: Membership, seat: Seat) -> Iterable[tuple[Apart, UUID | None]]:
    if not member.any_source and not member.sources:
        yield Apart.REFUSED, None
    if seat.wanted and (not seat.keeps or member.row.state is MemberState.JOINED):
        yield from seat.out_of_reach
    elif not member.seat.hears:
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
