"""Absences: everything that keeps an entry out of a blueprint, each with the row that it stands in.

Answers come from what the passes wrote down; a question about rows that no pass was shown is answered by saying that
there is no such row. This file does not know the rules.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from uuid import UUID

from attrs import frozen

from blueprints import facts
from blueprints.blueprint import Blueprint, PlannedGroup
from blueprints.causes import Absence, Apart, ApartMember
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


def blockers(blueprint: Blueprint, table: str, wanted: Wanted) -> tuple[Blocker, ...]:
    """Return everything that keeps the *wanted* entry out of *table*; nothing that is known is left out."""
    return tuple(dict.fromkeys(_Seeker(blueprint, wanted).all(table)))


class _Seeker:
    """Looks for what keeps one entry away."""

    def __init__(self, blueprint: Blueprint, wanted: Wanted) -> None:
        self.blueprint = blueprint
        self.ledger = Ledger(blueprint)
        self.wanted = wanted

    def all(self, table: str) -> Iterator[Blocker]:
        if table != "ports":
            yield from self._group_is_away()
        if table in ("mrib_routes", "m2p", "forwarding", "nic_filters"):
            yield from self._nobody_hears()
        if table == "mrib_routes" or (table in ("groups", "external_groups") and self.wanted.source):
            yield from self._nobody_asks()
        if table == "external_groups":
            yield from self._elected_elsewhere()
        if table == "subscriptions":
            yield from self._not_heard_there()
        if table == "underlay_groups" and self.wanted.sled:
            yield from self._not_heard_there()
            yield from self._port_is_unknown(self.wanted.sled)
        if table == "ports" and self.wanted.sled:
            yield from self._port_is_unknown(self.wanted.sled)
        if table == "departures":
            yield from self._not_owed()
        yield from self._place_is_away()
        if table == "nic_filters" and self.wanted.sled in self.ledger.sleds and self.wanted.nic:
            yield Blocker(
                fact=facts.sled(self.wanted.sled), because=f"nobody says that it has a NIC {self.wanted.nic}"
            )

    def _group(self) -> PlannedGroup | None:
        word = self.wanted.group
        found = (g for g in self.blueprint.groups if word in (g.name, g.multicast_ip.text, str(g.id)))
        return next(found, None)

    def _group_is_away(self) -> Iterator[Blocker]:
        word = self.wanted.group
        if word is None or self._group() is not None:
            return
        rows = [
            row for row in self.ledger.absent.values() if word in (row.name, row.multicast_ip.text, str(row.group))
        ]
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

    def _is_asked(self, member: ApartMember) -> bool:
        return self.wanted.instance in (None, member.instance)

    def _nobody_hears(self) -> Iterator[Blocker]:
        group = self._group()
        if group is None or group.receiving:
            return
        rows = tuple(self.ledger.apart_of_group(group.id))
        if not rows:
            yield Blocker(fact=facts.members_of(group.id), because="there is none")
        yield from map(_of, rows)

    def _nobody_asks(self) -> Iterator[Blocker]:
        group, word = self._group(), self.wanted.source
        if group is None:
            return
        if word is None or word == "*":
            if not group.sources.any:
                yield Blocker(fact=facts.members_of(group.id), because="every one of them names its sources")
        elif word not in {source.text for source in group.sources.specific}:
            yield Blocker(fact=facts.members_of(group.id), because=f"none of them names {word}")

    def _elected_elsewhere(self) -> Iterator[Blocker]:
        group, slot = self._group(), self.wanted.switch
        elected = self.blueprint.policy.external_entry is ExternalEntry.ELECTED
        if group is not None and elected and slot not in (None, group.next_hop_switch):
            yield Blocker(
                fact=facts.policy("external_entry"),
                because=f"the entry stands on the elected switch alone, {group.next_hop_switch}",
            )

    def _not_heard_there(self) -> Iterator[Blocker]:
        group = self._group()
        if group is None:
            return
        instance, sled = self.wanted.instance, self.wanted.sled
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

    def _port_is_unknown(self, sled: UUID) -> Iterator[Blocker]:
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

    def _not_owed(self) -> Iterator[Blocker]:
        group = self._group()
        if group is not None:
            for hearer in self.ledger.hearers[group.id]:
                if self.wanted.instance == hearer.instance:
                    yield Blocker(fact=facts.member(hearer.member), because="the instance hears the group")
        yield Blocker(
            fact="tombstones and the parent's subscriptions", because="none of a process that lives asks for a leave"
        )

    def _place_is_away(self) -> Iterator[Blocker]:
        sled, slot = self.wanted.sled, self.wanted.switch
        if sled is not None and sled not in self.blueprint.sleds:
            line = self.ledger.sleds.get(sled)
            said = "there is no row of it" if line is None else f"it is {line.policy} and {line.state}"
            yield Blocker(fact=facts.sled(sled), because=said)
        if slot is not None and slot not in self.blueprint.switches:
            yield Blocker(fact=facts.SWITCHES, because=f"the snapshot has no {slot}")


def _of(row: ApartMember) -> Blocker:
    where = "" if row.sled is None else f": {facts.sled(row.sled)}"
    return Blocker(
        fact=facts.member(row.member), because=f"{MEMBERS[row.verdict]} ({facts.instance(row.instance)}){where}"
    )
