"""The ledger: what a blueprint wrote down of its causes, laid out for looking up.

This file does not know what rests on what.
"""

from collections.abc import Iterable
from uuid import UUID

from attrs import frozen

from blueprints import facts
from blueprints.addresses import Address, UnicastSource
from blueprints.blueprint import Blueprint, LearnedFrom, PlannedGroup
from blueprints.causes import Apart, ApartMember
from blueprints.errors import InvariantError
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import GroupState

UNCOUNTED = frozenset({Apart.REPEATED, Apart.GROUP_UNKNOWN, Apart.GROUP_ENDING, Apart.GROUP_NOT_PLANNED})
"""What keeps a row from counting as a live member at all."""


@frozen(kw_only=True)
class Hearer:
    """An instance that hears a group, and the row that lets it."""

    instance: UUID
    member: UUID
    sleds: tuple[UUID, ...]
    sources: tuple[UnicastSource, ...]
    kept: bool
    """It hears the sources of before."""


class Ledger:
    """A blueprint's causes, by what they are about."""

    def __init__(self, blueprint: Blueprint) -> None:
        """Lay out the causes of *blueprint*.

        Raises:
            InvariantError: they do not fit its tables.
        """
        causes = blueprint.causes
        self.groups = {line.group: line for line in causes.groups}
        self.sleds = {line.sled: line for line in causes.sleds}
        self.ports = {(line.sled, line.switch): line for line in causes.ports}
        self.departures = {(line.sled, line.propolis, line.group_ip): line for line in causes.departures}
        self.by_address = {group.multicast_ip: group for group in blueprint.groups}
        self.absent = {line.group: line for line in causes.absent}
        self._addresses = {line.group: line.multicast_ip.text for line in causes.absent}
        self._addresses |= {group.id: group.multicast_ip.text for group in blueprint.groups}
        self._apart: dict[UUID, list[ApartMember]] = {}
        for row in causes.members:
            self._apart.setdefault(row.group, []).append(row)
        self._blueprint = blueprint
        self.has_parent = blueprint.parent is not None
        self.sled_behind = {
            (slot, str(port.port_id), port.link_id): sled
            for sled, places in blueprint.ports.items()
            for slot, port in places.items()
            if port is not None
        }
        self.hearers = self._hearers(blueprint)

    def _hearers(self, blueprint: Blueprint) -> dict[UUID, tuple[Hearer, ...]]:
        heard: dict[UUID, dict[UUID, tuple[list[UUID], tuple[UnicastSource, ...]]]] = {g: {} for g in self.groups}
        for sled, tables in blueprint.sleds.items():
            for row in tables.subscriptions:
                group = self.by_address[row.group_ip].id
                heard[group].setdefault(row.instance_id, ([], row.sources))[0].append(sled)
        return {group: tuple(self._named(group, its)) for group, its in heard.items()}

    def _named(
        self, group: UUID, heard: dict[UUID, tuple[list[UUID], tuple[UnicastSource, ...]]]
    ) -> Iterable[Hearer]:
        line = self.groups[group]
        if len(line.members) != len(heard):
            raise InvariantError("causes", f"group {group}: {len(line.members)} members for {len(heard)} who hear it")
        for member, instance in zip(line.members, sorted(heard), strict=True):
            sleds, sources = heard[instance]
            yield Hearer(
                instance=instance, member=member, sleds=tuple(sleds), sources=sources, kept=member in line.kept
            )

    def apart_of_group(self, group: UUID) -> Iterable[ApartMember]:
        """Return who does not hear a group, and what keeps them."""
        return self._apart.get(group, ())

    def apart_of_instance(self, instance: UUID) -> Iterable[ApartMember]:
        """Return where an instance does not hear, and what keeps it."""
        return (row for rows in self._apart.values() for row in rows if row.instance == instance)

    def rows_of_instance(self, group: UUID, instance: UUID) -> list[str]:
        """Return the live rows of an instance in a group that does, or may, make it hear."""
        hearing = [facts.member(h.member) for h in self.hearers.get(group, ()) if h.instance == instance]
        return hearing + [facts.member(row.member) for row in self._apart.get(group, ()) if row.instance == instance]

    def rows_of(self, group: UUID, hearer: Hearer) -> list[str]:
        """Return the rows that let *hearer* hear: its own, and those that would take its place."""
        return list(dict.fromkeys(self.rows_of_instance(group, hearer.instance)))

    def live_members(self, group: UUID) -> list[str]:
        """Return every live row of a group."""
        rows = [facts.member(hearer.member) for hearer in self.hearers[group]]
        return rows + [facts.member(row.member) for row in self.apart_of_group(group)]

    def askers(self, group: UUID, source: UnicastSource | None) -> list[UUID]:
        """Return the instances that ask for a source, hearing it or not; None: that take any."""
        hearing = [h.instance for h in self.hearers[group] if _asks(source, h.sources, any_source=not h.sources)]
        waiting = [
            row.instance
            for row in self.apart_of_group(group)
            if row.verdict not in UNCOUNTED and _asks(source, row.sources, any_source=row.any)
        ]
        return list(dict.fromkeys((*hearing, *waiting)))

    def stands_alone(self, group: UUID, source: UnicastSource | None) -> bool:
        """Return whether the parent had a source that all members ask for: without any of them it would stay."""
        line = self.groups[group]
        if not self.has_parent or line.new or (line.any_new if source is None else source in line.sources_new):
            return False
        hearing = (_asks(source, h.sources, any_source=not h.sources) for h in self.hearers[group])
        counted = (row for row in self.apart_of_group(group) if row.verdict not in UNCOUNTED)
        return all(hearing) and all(_asks(source, row.sources, any_source=row.any) for row in counted)

    def had_nic(self, sled: UUID, nic: str) -> bool:
        """Return whether the parent has filters for a NIC that a sled has now."""
        line = self.sleds[sled]
        return self.has_parent and not line.new and (line.nics_before is None or nic in line.nics_before)

    def unsure_of_sources(self, group: PlannedGroup) -> Iterable[str]:
        """Yield what decides over members whose own sources are refused: they count while they hear."""
        doubtful = [hearer.instance for hearer in self.hearers[group.id] if hearer.kept]
        doubtful += [row.instance for row in self.apart_of_group(group.id) if row.verdict is Apart.REFUSED]
        for instance in doubtful:
            yield from (facts.instance(instance), facts.memory(instance, group.multicast_ip))

    def is_sure(self, sled: UUID, slot: SwitchSlot) -> bool:
        """Return whether somebody vouches for where a sled is on a switch."""
        port = self._blueprint.ports[sled][slot]
        return port is not None and port.learned_from is not LearnedFrom.OLD_INVENTORY

    def rivals(self, group: UUID, address: Address) -> Iterable[UUID]:
        """Return the other groups that are live, or say so, on an address that none can have for that reason."""
        return (
            line.group
            for line in self.absent.values()
            if line.group != group and line.multicast_ip == address and line.state is not GroupState.DELETING
        )

    def address_of(self, group: UUID) -> str | None:
        """Return the address of a group's row, planned or not; None for a group without a row."""
        return self._addresses.get(group)


def _asks(source: UnicastSource | None, sources: tuple[UnicastSource, ...], *, any_source: bool) -> bool:
    return any_source if source is None else source in sources
