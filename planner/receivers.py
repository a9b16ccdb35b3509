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
from functools import cached_property
from itertools import chain
from operator import attrgetter
from types import MappingProxyType

from attrs import define, evolve, field

from blueprints.addresses import Address, UnicastSource, is_source_specific
from blueprints.blueprint import Blueprint
from blueprints.causes import Absence, Apart
from blueprints.columns import column
from blueprints.findings import Finding, finding
from blueprints.rows import written
from blueprints.snapshot import GROUP_SOURCES, MEMBER_SOURCES, GroupState, MemberState
from blueprints.written import WrittenApart, WrittenMember, WrittenSubscription
from planner.draft import Audience, Draft, LiveGroup, apart
from planner.life_cycle import Verdict
from planner.seats import REFUSED, WAITING, Seat, gone, seats_of


def judge_members(draft: Draft) -> Draft:
    """Return *draft* with every live member of a planned group judged."""
    judge = _Judge(draft)
    rooms = _rooms(draft, judge)
    audiences = {room.live.row.id: judge.audience_of(room) for room in rooms}
    empty = {group for group, audience in audiences.items() if not audience.peopled}
    unborn = {group for group in empty if draft.groups[group].row.state is GroupState.CREATING}
    found = [finding("group_without_members", f"group {group}", "no live member") for group in empty]
    return evolve(
        draft,
        groups={group: live for group, live in draft.groups.items() if group not in unborn},
        audiences={group: audience for group, audience in audiences.items() if group not in unborn},
        absences={**draft.absences, **dict.fromkeys(unborn, Absence.WITHOUT_MEMBERS)},
        apart=(*draft.apart, *judge.aside),
    ).noting([*judge.found, *found])


def _rooms(draft: Draft, judge: "_Judge") -> list["_Room"]:
    """Return the planned groups with the rows of their live members."""
    rooms = {str(group): _Room(live, live.address.text) for group, live in draft.groups.items()}
    for row in draft.live_rows:
        room = rooms.get(row.group_id)
        if room is None:
            judge.turn_away(row)
        else:
            room.rows.append(row)
    return list(rooms.values())


@define(eq=False)
class _Room:
    """A planned group with what was found out so far."""

    live: LiveGroup
    address: str
    rows: list[WrittenMember] = field(factory=list)
    """Its live members."""

    granted: dict[str, UnicastSource] = field(factory=dict)
    """The sources that were asked for and switches accept, by their text."""

    refused: dict[str, str] = field(factory=dict)
    """Those that they do not, and why."""

    hearers: list[str] = field(factory=list)
    """Of those who hear, their rows."""

    kept: list[str] = field(factory=list)
    """Of these, those whose sources are the ones that the parent had them hear."""

    subscriptions: list[WrittenSubscription] = field(factory=list)
    places: list[str] = field(factory=list)
    """The sled of each."""

    outdated: list[tuple[WrittenMember, Seat]] = field(factory=list)
    located: bool = True
    any_source: bool = False
    most: int = 0
    """How many sources the member names that names the most."""

    def look_at_sources(self) -> bool:
        """Find out which sources switches accept, and return whether everybody can have what his row says."""
        specific_only = is_source_specific(self.live.address)
        asked = list(map(_SOURCES, self.rows))
        for source in dict.fromkeys(chain.from_iterable(asked)):
            _check(source, self)
        for_any = not all(asked)
        self.any_source = for_any and not specific_only
        self.most = max(map(len, asked), default=0)
        return not self.refused and not (for_any and specific_only)

    def excesses(self) -> Iterable[Finding]:
        """Yield who names more sources than joins may; asked before anybody keeps what he heard."""
        for row in self.rows if self.most > MEMBER_SOURCES else ():
            if len(row.source_ips) > MEMBER_SOURCES:
                message = f"{len(row.source_ips)} sources, a join may name {MEMBER_SOURCES}"
                yield finding("member_sources_many", f"member {row.id}", message)
        union = len(self.granted) + len(self.refused)
        if union > GROUP_SOURCES:
            message = f"{union} sources, its joins may name {GROUP_SOURCES} together"
            yield finding("group_sources_many", f"group {self.live.row.id}", message)

    def audience(self) -> Audience:
        """Return what the members come to together."""
        return Audience(
            peopled=bool(self.rows),
            rows=self.hearers,
            kept=self.kept,
            subscriptions=self.subscriptions,
            places=self.places,
            sleds=frozenset(self.places),
            located=self.located,
            any_source=self.any_source,
            sources=tuple(self.granted.values()),
            outdated=self.outdated,
        )


_JOINED = MemberState.JOINED  # asking an enumeration for a member takes Python code, which tells for every member
_SOURCES = attrgetter("source_ips")
_BY_INSTANCE = attrgetter("instance_id")


class _Memory:
    """What instances heard in the parent; looked up only where that decides something."""

    def __init__(self, parent: Blueprint | None) -> None:
        self._parent = parent

    @cached_property
    def _heard(self) -> Mapping[tuple[str, str], list[str]]:
        rows = (written(tables.subscriptions) for tables in self._parent.sleds.values()) if self._parent else ()
        return {(row.group_ip, row.instance_id): row.sources for row in chain.from_iterable(rows)}

    def of(self, group: str, instance: str) -> list[str] | None:
        """Return the sources that *instance* heard *group* from, none for any; None if it did not hear it."""
        return self._heard.get((group, instance))


class _Judge:
    """Judges members one by one, and notes what is to be said of them."""

    def __init__(self, draft: Draft) -> None:
        self.found: list[Finding] = []
        self.aside: list[WrittenApart] = []
        self._states = {str(row.id): row.state for row in draft.snapshot.groups}
        takes_part = {str(sled): sled in draft.sleds for sled in draft.known_sleds}
        self._seats = seats_of(written(draft.snapshot.instances), takes_part)
        self._memory = _Memory(draft.parent)

    def turn_away(self, row: WrittenMember) -> None:
        """Note a live member whose group is not planned, and what else would keep it from hearing."""
        state = self._states.get(row.group_id)
        self.found += _homeless(row, state)
        self.aside.append(apart(row, _place_of(state)))
        seat = self._seats.get(row.instance_id) or gone(row.instance_id)
        self.aside += [apart(row, verdict, sled) for verdict, sled in _hindrances(row, seat, row.source_ips)]

    def audience_of(self, room: _Room) -> Audience:
        """Judge the members in *room*, of each instance the one with the lowest id, and return what they come to."""
        room.rows = self._first_of_each(room)
        as_asked = room.look_at_sources()
        self.found += room.excesses()
        seat_of, group = self._seats.get, room.address
        hearers, places, subscriptions = room.hearers, room.places, room.subscriptions
        # One loop for all of it: a large rack's rows do not fit into the caches, and each look at them costs.
        for row in room.rows:
            sources: list[str] | None = row.source_ips if as_asked else _granted(row, room, self.found)
            seat = seat_of(row.instance_id) or gone(row.instance_id)
            if sources is None or not seat.plain:
                seat, sources = self._look_closer(row, room, seat, sources)
            elif not seat.ports:
                self.aside += _apart(row, seat, sources)
            if sources is not None and seat.ports:
                hearers.append(row.id)
                for process, sled in seat.ports:
                    places.append(sled)
                    subscriptions.append(WrittenSubscription(seat.instance, process, group, sources))
            settled = row.state is _JOINED and row.sled_id == seat.home is not None
            if not settled and seat.outdates(row):
                room.outdated.append((row, seat))
        return room.audience()

    def _first_of_each(self, room: _Room) -> list[WrittenMember]:
        """Return the rows in *room* in the order of their instances, of each one row."""
        odd = column(room.rows, "multicast_ip").count(room.address) < len(room.rows)
        for row in room.rows if odd else ():
            if row.multicast_ip != room.address:
                self.found.append(finding("member_address_differs", f"member {row.id}", row.multicast_ip))
        rows = sorted(room.rows, key=_BY_INSTANCE)
        if len(set(map(_BY_INSTANCE, rows))) == len(rows):
            return rows
        first = {row.instance_id: row for row in reversed(rows)}
        for row in rows:
            if first[row.instance_id] is not row:
                message = f"instance {row.instance_id} already is a member of group {row.group_id}"
                self.found.append(finding("member_repeated", f"member {row.id}", message))
                self.aside.append(apart(row, Apart.REPEATED))
        return [row for row in rows if first[row.instance_id] is row]

    def _look_closer(
        self, row: WrittenMember, room: _Room, seat: Seat, sources: list[str] | None
    ) -> tuple[Seat, list[str] | None]:
        """Return seat and sources of a member that is granted nothing, or of whose seat something is to be said.

        One that is granted nothing keeps what it heard, but only if it hears: the next plan finds it again.
        """
        self.found += [finding(code, f"member {row.id}", message) for code, message in seat.found]
        its = WAITING if seat.keeps and row.state is not MemberState.JOINED else seat
        if sources is None:
            sources = self._memory.of(room.address, row.instance_id) if its.ports else None
            if sources is not None:
                room.kept.append(row.id)
                room.granted |= {source: UnicastSource.parse(source) for source in sources}
                room.any_source = room.any_source or not sources
            elif its.wanted:
                its = REFUSED
        room.located = room.located and its.located
        if not its.ports or seat.found:
            self.aside += _apart(row, seat, sources)
        return its, sources


def _granted(row: WrittenMember, room: _Room, found: list[Finding]) -> list[str] | None:
    """Return the sources that switches accept, empty for any; None where nothing can be granted (L3)."""
    asked = row.source_ips
    refused = [room.refused[source] for source in asked if source in room.refused]
    found += [finding("member_source_refused", f"member {row.id}", message) for message in refused]
    good = [source for source in asked if source in room.granted]
    if good or (not asked and not is_source_specific(room.live.address)):
        return good
    if asked:
        found.append(finding("member_sources_refused", f"member {row.id}", "none of its sources can be granted"))
    else:
        found.append(finding("member_without_source", f"member {row.id}", f"{room.address} is source-specific"))
    return None


def _homeless(member: WrittenMember, state: GroupState | None) -> Iterable[Finding]:
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


def _check(source: str, room: _Room) -> None:
    """Note in *room* whether switches accept *source*."""
    address = Address.parse(source)
    if address.family != room.live.address.family:
        room.refused[source] = f"{source} is of another family than {room.live.address}"
        return
    try:
        room.granted[source] = UnicastSource.of(address)
    except ValueError as error:
        room.refused[source] = str(error)


def _apart(row: WrittenMember, seat: Seat, sources: list[str] | None) -> Iterable[WrittenApart]:
    """Yield everything that keeps a member, or one of its processes, from hearing; None as *sources*: refused."""
    for verdict, sled in _hindrances(row, seat, sources):
        yield WrittenApart(
            row.group_id, row.instance_id, row.id, verdict, sled, sources is not None and not sources, sources or []
        )


def _hindrances(row: WrittenMember, seat: Seat, sources: list[str] | None) -> Iterable[tuple[Apart, str | None]]:
    if sources is None:
        yield Apart.REFUSED, None
    had = not seat.keeps or row.state is MemberState.JOINED
    if seat.wanted and had:
        yield from seat.out_of_reach
    elif not seat.ports or not had:
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
