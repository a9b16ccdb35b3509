"""What every observed object is to a blueprint, counted: the classes add up to what was observed.

An object is a row of a table, or a next hop that is switched off. What nobody can read is counted apart, from the
blueprint. This file does not know what is sent; `CLASSES` says what a run does, and a test holds it to that.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from attrs import frozen

from blueprints.addresses import Address
from blueprints.blueprint import Content, ExternalEntryRow, ForwardingEntry, SledTables, SwitchTables, UnderlayEntry
from blueprints.observation import (
    Observation,
    SeenExternal,
    SeenForwarding,
    SeenM2p,
    SeenRoute,
    SeenUnderlay,
    SledObservation,
    SwitchObservation,
)
from blueprints.snapshot import MemberPorts
from executor.ownership import Ownership, ownership
from executor.sled_differences import same_hops
from executor.switch_differences import member_ports, same_external


class Class(StrEnum):
    """What an object is to a blueprint."""

    WANTED = "wanted"
    STALE = "stale"
    ORPHAN = "orphan"
    INERT = "inert"
    HELD = "held"
    FOREIGN = "foreign"
    UNREADABLE = "unreadable"
    OUTSIDE = "outside"


CLASSES: Mapping[Class, tuple[str, str]] = MappingProxyType(
    {
        Class.WANTED: ("ours, and as the blueprint has it", "leaves it"),
        Class.STALE: ("ours, of a group that the blueprint knows, and not or not so in it", "changes or removes it"),
        Class.ORPHAN: ("ours by tag or address, of a group that the blueprint does not know", "removes it"),
        Class.INERT: ("a next hop that is switched off: it carries nothing", "leaves it"),
        Class.HELD: ("of a group that the blueprint holds", "leaves it"),
        Class.FOREIGN: ("somebody else's", "leaves it"),
        Class.UNREADABLE: (
            "says what this version has no word for, whoever's it is",
            "leaves it",
        ),
        Class.OUTSIDE: (
            "where the blueprint names no target; everywhere while multicast is off",
            "leaves it",
        ),
    }
)
"""What each class means, and what `execute` does with its objects."""

TABLES = ("underlay_groups", "external_groups", "mrib_routes", "m2p", "forwarding", "next_hops")
"""Where objects stand; of next hops, only those that are switched off are objects of their own."""

NOT_VISIBLE = ("subscriptions", "departures", "nic_filters")
"""What the blueprint says and no daemon can be asked for; a run repeats what keeps it."""


@frozen(kw_only=True)
class Classified:
    """How many objects of each class stand in each table."""

    counts: Mapping[tuple[Class, str], int]
    not_visible: Mapping[str, int]

    def total(self, which: Class) -> int:
        """Return how many objects there are of one class."""
        return sum(self.counts.get((which, table), 0) for table in TABLES)

    @property
    def observed(self) -> int:
        """How many objects there are."""
        return sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """Return the counts as plain data: every class with its total, and its tables where it has any."""
        classes = {
            which.value: {
                "total": self.total(which),
                **{table: count for table in TABLES if (count := self.counts.get((which, table), 0))},
            }
            for which in Class
        }
        return {"observed": self.observed, **classes, "not_visible": dict(self.not_visible)}


def classified(content: Content, observation: Observation) -> Classified:
    """Return what every object of *observation* is to the blueprint's *content*."""
    sorter = _Sorter(content=content, ours=ownership(content, [observation]), known=frozenset(_known(content)))
    counts: Counter[tuple[Class, str]] = Counter()
    named = content.policy.multicast_enabled
    for slot, switch in observation.switches.items():
        tables = content.switches.get(slot) if named else None
        counts.update(_outside(switch) if tables is None else sorter.switch(tables, switch))
    for sled, seen in observation.sleds.items():
        its = content.sleds.get(sled) if named else None
        counts.update(_outside(seen) if its is None else sorter.sled(its, seen))
    hidden = {name: sum(len(getattr(its, name)) for its in content.sleds.values()) for name in NOT_VISIBLE}
    return Classified(counts=counts, not_visible=hidden)


def _outside(seen: SwitchObservation | SledObservation) -> Iterator[tuple[Class, str]]:
    """Yield table after table of a place that the blueprint does not name."""
    for name in TABLES:
        for row in getattr(seen, name, None) or ():
            yield Class.OUTSIDE, name
            yield from ((Class.OUTSIDE, "next_hops") for hop in getattr(row, "next_hops", ()) if hop.inert)


def _known(content: Content) -> Iterator[Address]:
    """Yield the groups that a blueprint says anything about."""
    yield from (group.multicast_ip for group in content.groups)
    for tables in content.sleds.values():
        yield from (row.group_ip for row in tables.departures)


@frozen(kw_only=True)
class _Sorter:
    """A blueprint, and whose the observed objects are."""

    content: Content
    ours: Ownership
    known: frozenset[Address]

    def switch(self, tables: SwitchTables, seen: SwitchObservation) -> Iterator[tuple[Class, str]]:
        """Yield class and table of each object of a switch."""
        underlays: dict[Address, UnderlayEntry] = {row.group_ip: row for row in tables.underlay_groups}
        for underlay in seen.underlay_groups or ():
            wanted = underlays.get(underlay.group_ip)
            same = wanted is not None and self._same_members(wanted, underlay)
            yield self._underlay(underlay, same), "underlay_groups"
        externals: dict[Address, ExternalEntryRow] = {row.group_ip: row for row in tables.external_groups}
        for external in seen.external_groups or ():
            row = externals.get(external.group_ip)
            same = row is not None and (row.sources == () or _same(row, external))
            yield self._external(external, same), "external_groups"
        yield from _unreadable(seen)
        routes = {(row.group, row.source, row.vni, row.underlay_group) for row in tables.mrib_routes}
        for route in seen.mrib_routes or ():
            key = (route.group, route.source, route.vni, route.underlay_group)
            yield self._route(route, key in routes), "mrib_routes"

    def sled(self, tables: SledTables, seen: SledObservation) -> Iterator[tuple[Class, str]]:
        """Yield class and table of each object of a sled."""
        yield from _unreadable(seen)
        pairs = {(row.group, row.underlay) for row in tables.m2p}
        for pair in seen.m2p or ():
            yield self._mapping(pair, (pair.group, pair.underlay) in pairs), "m2p"
        entries: dict[Address, ForwardingEntry] = {row.underlay: row for row in tables.forwarding}
        for entry in seen.forwarding or ():
            wanted = entries.get(entry.underlay)
            yield self._forwarding(entry, wanted is not None and same_hops(wanted, entry)), "forwarding"
            yield from ((Class.INERT, "next_hops") for hop in entry.next_hops if hop.inert)

    def _same_members(self, wanted: UnderlayEntry, seen: SeenUnderlay) -> bool:
        """Return whether a run leaves an underlay group as it is."""
        derived = self.content.policy.member_ports is MemberPorts.DERIVED
        members, there = set(wanted.members), member_ports(seen)
        enough = there == members if wanted.complete else there >= members
        return seen.tag == wanted.tag.text and (derived or enough)

    def _underlay(self, seen: SeenUnderlay, same: bool) -> Class:
        if self.ours.holds(seen.group_ip, tag=seen.tag):
            return Class.HELD
        return self._of_ours(self.ours.owns_underlay(seen), same, self.ours.groups_of(seen.group_ip))

    def _external(self, seen: SeenExternal, same: bool) -> Class:
        if self.ours.holds(seen.group_ip, seen.internal_ip, tag=seen.tag):
            return Class.HELD
        return self._of_ours(self.ours.owns_external(seen), same, (seen.group_ip,))

    def _route(self, seen: SeenRoute, same: bool) -> Class:
        if self.ours.holds(seen.group, seen.underlay_group):
            return Class.HELD
        return self._of_ours(self.ours.owns_route(seen), same, (seen.group,))

    def _mapping(self, seen: SeenM2p, same: bool) -> Class:
        if same and not self.content.held:
            return Class.WANTED
        if self.ours.holds(seen.group, seen.underlay):
            return Class.HELD
        return self._of_ours(self.ours.owns_mapping(seen.group, seen.underlay), same, (seen.group,))

    def _forwarding(self, seen: SeenForwarding, same: bool) -> Class:
        if same and not self.content.held:
            return Class.WANTED
        groups = self.ours.groups_of(seen.underlay)
        if self.ours.holds(*groups, seen.underlay):
            return Class.HELD
        return self._of_ours(seen.underlay in self.ours.named, same, groups)

    def _of_ours(self, owned: bool, same: bool, groups: tuple[Address, ...]) -> Class:
        if not owned:
            return Class.FOREIGN
        if same:
            return Class.WANTED
        return Class.STALE if any(group in self.known for group in groups) else Class.ORPHAN


def _unreadable(seen: SwitchObservation | SledObservation) -> Iterator[tuple[Class, str]]:
    yield from ((Class.UNREADABLE, row.table) for row in seen.opaque)


def _same(wanted: ExternalEntryRow, seen: SeenExternal) -> bool:
    return seen.tag == wanted.tag.text and same_external(wanted, seen)
