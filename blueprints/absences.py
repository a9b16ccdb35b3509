"""Absences: everything that keeps an entry out of a blueprint, each with the row that it stands in.

Answers come from what the passes wrote down; a question about rows that no pass was shown is answered by saying that
there is no such row. This file does not know the rules.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from uuid import UUID

from attrs import evolve, frozen

from blueprints import facts
from blueprints.addresses import is_source_specific
from blueprints.blueprint import Blueprint, PlannedGroup
from blueprints.causes import Absence, AbsentGroup, Apart, ApartMember
from blueprints.identifiers import SwitchSlot
from blueprints.ledger import Ledger
from blueprints.snapshot import ExternalEntry

MEMBERS: Mapping[Apart, str] = MappingProxyType(
    {
        Apart.WAITS: "its instance is not on a sled yet",
        Apart.LOST: "its instance's VMM is gone",
        Apart.PARKED: "its instance is not running",
        Apart.REFUSED: "none of its sources can be granted",
        Apart.REPEATED: "the instance already is a member by another row, which counts",
        Apart.SLED_OUT_OF_SERVICE: "its VMM is on a sled that is out of service",
        Apart.SLED_UNKNOWN: "its VMM is on a sled that has no row",
        Apart.GROUP_UNKNOWN: "its group has no row",
        Apart.GROUP_ENDING: "its group is being deleted",
        Apart.GROUP_NOT_PLANNED: "its group is held or waits",
    }
)
"""What keeps a member from hearing, in words."""

GROUPS: Mapping[Absence, str] = MappingProxyType(
    {
        Absence.ENDING: "it is being deleted",
        Absence.WAITS_FOR_TEARDOWN: "an older group on its address is still being taken down",
        Absence.WITHOUT_MEMBERS: "it is being created and has no live member",
        Absence.HELD: "it is held",
    }
)
"""What keeps a group from being planned, in words."""


QUARRELS = frozenset({"port_not_on_backplane", "port_ambiguous", "port_claimed_twice", "port_conflict"})
"""Findings that say why a claim to a sled's port is not believed."""

SILENCES = frozenset({"backplane_unknown", "peers_unknown", "inventory_unknown", "slot_claimed_twice"})
"""Findings that say which witnesses of ports are missing, or contradict themselves."""


@frozen(kw_only=True)
class Blocker:
    """One thing that keeps an entry away."""

    fact: str
    """The row, or what is missing."""

    because: str


@frozen(kw_only=True)
class Wanted:
    """An entry that somebody misses."""

    group: str | None = None
    """Name, address or id of a group."""

    sled: UUID | None = None
    switch: SwitchSlot | None = None
    instance: UUID | None = None
    source: str | None = None
    nic: str | None = None
    subject: UUID | None = None
    """Of a transition, the row that would be told: a member or a group."""


def blockers(blueprint: Blueprint, table: str, wanted: Wanted) -> tuple[Blocker, ...]:
    """Return everything that keeps the *wanted* entry out of *table*; nothing that is known is left out."""
    return tuple(dict.fromkeys(_Seeker(blueprint, wanted).all(table)))


class _Seeker:
    """Looks for what keeps one entry away."""

    def __init__(self, blueprint: Blueprint, wanted: Wanted) -> None:
        self.blueprint = blueprint
        self.ledger = Ledger(blueprint)
        self.wanted = evolve(wanted, group=wanted.group or self._group_of(wanted.subject))

    def _group_of(self, subject: UUID | None) -> str | None:
        """Return the group that *subject* is, or is a member of; None where no row is called so."""
        groups = {*self.ledger.absent, *(row.id for row in self.blueprint.groups)}
        groups |= {row.id for row in self.blueprint.held}
        if subject is None or subject in groups:
            return None if subject is None else str(subject)
        apart = (row.group for row in self.blueprint.causes.members if row.member == subject)
        hearing = (group for group, its in self.ledger.hearers.items() if subject in {row.member for row in its})
        return next((str(group) for group in chain(apart, hearing)), None)

    def all(self, table: str) -> Iterator[Blocker]:
        if not self.blueprint.policy.multicast_enabled:
            yield from self._feature_is_off()
            return
        for look in LOOKS[table]:
            yield from look(self)
        yield from self._place_is_away()

    def _feature_is_off(self) -> Iterator[Blocker]:
        """Yield the policy, and who is held for it; no pass was shown the rows, so nothing is said of them."""
        yield Blocker(fact=facts.policy("multicast_enabled"), because="it is off: nothing is planned")
        for group in self.blueprint.held:
            if self.wanted.group in (group.multicast_ip.text, str(group.id)):
                yield Blocker(fact=facts.group(group.id), because=f"it is held ({group.because})")

    def _group(self) -> PlannedGroup | None:
        word = self.wanted.group
        found = (g for g in self.blueprint.groups if word in (g.name, g.multicast_ip.text, str(g.id)))
        return next(found, None)

    def group_is_away(self) -> Iterator[Blocker]:
        word = self.wanted.group
        if word is None or self._group() is not None:
            return
        rows = self._absent()
        held = {group.id: group.because for group in self.blueprint.held}
        for row in rows:
            code = f" ({held[row.group]})" if row.group in held else ""
            yield Blocker(fact=facts.group(row.group), because=GROUPS[row.because] + code)
            yield from (_of(member) for member in self.ledger.apart_of_group(row.group) if self._is_asked(member))
        named = [group for group in self.blueprint.held if word in (group.multicast_ip.text, str(group.id))]
        for group in named:
            if group.id not in self.ledger.absent:
                yield Blocker(fact=facts.group(group.id), because=f"it is held ({group.because})")
        if not rows and not named:
            yield Blocker(fact=f"group {word}", because="the snapshot has no such group")
            yield from (_of(member) for member in self._of_id(word) if self._is_asked(member))

    def _of_id(self, word: str) -> Iterator[ApartMember]:
        """Yield the live members of a group that has no row and is called by its id."""
        return (row for row in self.blueprint.causes.members if str(row.group) == word.lower())

    def _absent(self) -> list[AbsentGroup]:
        """Return the rows that the group may mean and that are not planned."""
        word = self.wanted.group
        return [
            row for row in self.ledger.absent.values() if word in (row.name, row.multicast_ip.text, str(row.group))
        ]

    def _is_asked(self, member: ApartMember) -> bool:
        return self.wanted.instance in (None, member.instance) and self.wanted.subject in (None, member.member)

    def nobody_hears(self) -> Iterator[Blocker]:
        group = self._group()
        if group is None or group.receiving:
            return
        rows = tuple(self.ledger.apart_of_group(group.id))
        if not rows:
            yield Blocker(fact=facts.members_of(group.id), because="there is none")
        yield from map(_of, rows)

    def source_is_missing(self) -> Iterator[Blocker]:
        if self.wanted.source:
            yield from self.nobody_asks()

    def nobody_asks(self) -> Iterator[Blocker]:
        group, word = self._group(), self.wanted.source
        if group is None:
            return
        if word is None or word == "*":
            if not group.sources.any:
                yield Blocker(fact=facts.members_of(group.id), because="every one of them names its sources")
        elif word not in {source.text for source in group.sources.specific}:
            refused = list(self._refused(group, word))
            yield from refused
            if not refused:
                yield Blocker(fact=facts.members_of(group.id), because=f"none of them names {word}")

    def _refused(self, group: PlannedGroup, source: str) -> Iterator[Blocker]:
        """Yield the members that name the source, which no switch accepts, as the plan told."""
        rows = set(self.ledger.live_members(group.id))
        for found in self.blueprint.findings:
            its = found.code == "member_source_refused" and found.subject in rows
            if its and found.message.startswith(f"{source} "):
                yield Blocker(fact=found.subject, because=found.message)

    def filter_is_off(self) -> Iterator[Blocker]:
        """Yield who takes any source: then the entry lets all in, and names none."""
        group = self._group()
        if group is None or self.wanted.source in (None, "*"):
            return
        if group.sources.any and not is_source_specific(group.multicast_ip):
            askers = self.ledger.askers(group.id, None)
            rows = [row for instance in askers for row in self.ledger.rows_of_instance(group.id, instance)]
            for row in rows or [facts.parent_group(group.id)]:
                yield Blocker(fact=row, because="it takes any source, so the entry lets all in and names none")

    def elected_elsewhere(self) -> Iterator[Blocker]:
        group, slot = self._group(), self.wanted.switch
        elected = self.blueprint.policy.external_entry is ExternalEntry.ELECTED
        if group is not None and elected and slot not in (None, group.next_hop_switch):
            yield Blocker(
                fact=facts.policy("external_entry"),
                because=f"the entry stands on the elected switch alone, {group.next_hop_switch}",
            )

    def not_heard_there(self) -> Iterator[Blocker]:
        group, instance, sled = self._group(), self.wanted.instance, self.wanted.sled
        if group is None:
            if self.wanted.group is None and instance is not None:
                yield from map(_of, self.ledger.apart_of_instance(instance))
            return
        rows = [row for row in self.ledger.apart_of_group(group.id) if self._is_asked(row)]
        yield from map(_of, rows)
        hearers = [hearer for hearer in self.ledger.hearers[group.id] if instance in (None, hearer.instance)]
        for hearer in hearers:
            if sled is not None and sled not in hearer.sleds:
                places = ", ".join(map(str, hearer.sleds))
                yield Blocker(fact=facts.instance(hearer.instance), because=f"it hears on sled {places}")
        if not rows and not hearers:
            who = "" if instance is None else f" of instance {instance}"
            yield Blocker(fact=facts.members_of(group.id), because=f"there is no live one{who}")

    def sled_is_not_reached(self) -> Iterator[Blocker]:
        if self.wanted.sled is not None:
            yield from self.not_heard_there()
            yield from self.port_is_unknown()

    def port_is_unknown(self) -> Iterator[Blocker]:
        sled = self.wanted.sled
        if sled is None:
            return
        for slot, port in self.blueprint.ports.get(sled, {}).items():
            if port is not None or self.wanted.switch not in (None, slot):
                continue
            line = self.ledger.ports[sled, slot]
            for peer in line.other_peers:
                yield Blocker(fact=facts.peer(slot, peer), because=f"it is not believed ({peer.status})")
            for board in line.other_boards:
                yield Blocker(fact=facts.board(board), because="it is not believed")
            for other in line.other_sleds:
                yield Blocker(fact=facts.sled(other), because="the same port, serial or address is said to be its")
            if not (line.other_peers or line.other_boards):
                yield Blocker(fact=facts.said_of(sled, slot), because="nobody says behind which port it is")
            yield from self._told_of_ports(sled, slot)

    def _told_of_ports(self, sled: UUID, slot: SwitchSlot) -> Iterator[Blocker]:
        """Yield why what is said of the sled's port is not believed, as the plan told."""
        cubbies = {f"cubby {board.slot}" for board in self.ledger.ports[sled, slot].other_boards}
        for found in self.blueprint.findings:
            its = found.subject == f"sled {sled}" and slot in found.message
            witness = found.subject in ("rack", slot) or found.subject in cubbies
            if (its and found.code in QUARRELS) or (witness and found.code in SILENCES):
                yield Blocker(fact=found.subject, because=f"{found.message} ({found.code})")

    def nothing_to_tell(self) -> Iterator[Blocker]:
        """Yield why rows are told nothing: some have to wait, and the others say already what will be in effect."""
        group, instance, subject = self._group(), self.wanted.instance, self.wanted.subject
        if group is None:
            yield from self._row_has_to_stay()
            return
        told = {row.id for row in self.blueprint.transitions}
        hearing = [
            row.member
            for row in self.ledger.hearers[group.id]
            if instance in (None, row.instance) and subject in (None, row.member)
        ]
        aside = [row.member for row in self.ledger.apart_of_group(group.id) if self._is_asked(row)]
        rows = [facts.member(row) for row in (*hearing, *aside) if row not in told]
        itself = instance is None and subject in (None, group.id) and group.id not in told
        if itself and self.ledger.live_members(group.id):
            rows.append(facts.group(group.id))
        elif itself:
            because = "it has no live member, and the grace is not over"
            yield Blocker(fact=facts.group(group.id), because=because)
        yield from (Blocker(fact=row, because="it says already what will be in effect") for row in rows)

    def _row_has_to_stay(self) -> Iterator[Blocker]:
        """Yield what may keep something of an ending group on the rack: its row, which alone tells of it, stays."""
        if self.wanted.subject is not None and self.wanted.group is None:
            because = "no group and no live member is called so"
            yield Blocker(fact=f"row {self.wanted.subject}", because=because)
        ending = [row for row in self._absent() if row.because is Absence.ENDING]
        if ending and len(self.blueprint.switches) < len(SwitchSlot):
            yield Blocker(fact=facts.SWITCHES, because="one is missing, and may have something of the group")
        for group in self.blueprint.held:
            if any(row.multicast_ip == group.multicast_ip for row in ending):
                yield Blocker(fact=facts.group(group.id), because="it is held, and nothing on its address is touched")

    def not_owed(self) -> Iterator[Blocker]:
        group = self._group()
        if group is not None:
            for hearer in self.ledger.hearers[group.id]:
                if self.wanted.instance == hearer.instance:
                    yield Blocker(fact=facts.member(hearer.member), because="the instance hears the group")
        yield Blocker(
            fact="tombstones and the parent's subscriptions", because="none of a process that lives asks for a leave"
        )

    def nic_is_unknown(self) -> Iterator[Blocker]:
        sled, nic = self.wanted.sled, self.wanted.nic
        if sled is not None and sled in self.ledger.sleds and nic:
            yield Blocker(fact=facts.sled(sled), because=f"nobody says that it has a NIC {nic}")

    def _place_is_away(self) -> Iterator[Blocker]:
        sled, slot = self.wanted.sled, self.wanted.switch
        if sled is not None and sled not in self.blueprint.sleds:
            line = self.ledger.sleds.get(sled)
            said = "there is no row of it" if line is None else f"it is {line.policy} and {line.state}"
            yield Blocker(fact=facts.sled(sled), because=said)
        if slot is not None and slot not in self.blueprint.switches:
            yield Blocker(fact=facts.SWITCHES, because=f"the snapshot has no {slot}")


_Look = Callable[[_Seeker], Iterator[Blocker]]

_AWAY, _UNHEARD = _Seeker.group_is_away, _Seeker.nobody_hears

LOOKS: Mapping[str, tuple[_Look, ...]] = MappingProxyType(
    {
        "groups": (_AWAY, _Seeker.source_is_missing),
        "underlay_groups": (_AWAY, _Seeker.sled_is_not_reached),
        "external_groups": (
            _AWAY,
            _Seeker.source_is_missing,
            _Seeker.filter_is_off,
            _Seeker.elected_elsewhere,
        ),
        "mrib_routes": (_AWAY, _UNHEARD, _Seeker.nobody_asks),
        "m2p": (_AWAY, _UNHEARD),
        "forwarding": (_AWAY, _UNHEARD),
        "nic_filters": (_AWAY, _UNHEARD, _Seeker.nic_is_unknown),
        "subscriptions": (_AWAY, _Seeker.not_heard_there),
        "departures": (_AWAY, _Seeker.not_owed),
        "ports": (_Seeker.port_is_unknown,),
        "transitions": (_AWAY, _Seeker.nothing_to_tell),
        "held": (_AWAY,),
    }
)
"""What may keep an entry out of each table, but for places that are not there, which keep it out of all."""


def _of(row: ApartMember) -> Blocker:
    where = "" if row.sled is None else f": {facts.sled(row.sled)}"
    return Blocker(
        fact=facts.member(row.member), because=f"{MEMBERS[row.verdict]} ({facts.instance(row.instance)}){where}"
    )
