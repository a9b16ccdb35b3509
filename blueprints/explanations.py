"""Explanations: each entry of a blueprint with what it rests on, put together from what the passes wrote down.

Two laws hold, for a blueprint and the snapshot and parent that it was planned from:
    X1  an entry stays as it is while every fact that it cites stays, whatever else changes.
    X2  a cause is a set of facts of which any one would do: without the whole set the entry changes or goes.

Entries are the smallest things that a table says: a list of ports is an entry for the list, one for each port, and
one for whether it is complete. This file does not know the rules: it reads what is in the blueprint, and no more.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from uuid import UUID

from attrs import field, frozen

from blueprints import facts
from blueprints.addresses import UnicastSource
from blueprints.blueprint import Blueprint, PlannedGroup, SledPort, Subject, Subscription, Transition
from blueprints.causes import Apart
from blueprints.identifiers import SwitchSlot
from blueprints.ledger import Hearer, Ledger
from blueprints.snapshot import ExternalEntry, GroupState

RULES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "group_row": ("a live row of a group is planned", "admitted_groups"),
        "group_peopled": ("a group that is still being created is planned once it has a live member", "receivers"),
        "group_succeeds": ("a group that is planned already does not wait for an older one", "admitted_groups"),
        "underlay_kept": ("the parent's address, else the row's, else the first free one", "underlay_addresses"),
        "underlay_taken": ("the salts before it lead to addresses that are taken", "underlay_addresses"),
        "next_hop": ("the parent's choice while its switch is there, else rendezvous hashing", "next_hops"),
        "switch": ("the snapshot has the switch", "switch_tables"),
        "membership": ("a live membership lets an instance hear", "receivers"),
        "instance": ("an instance hears while its process is on a sled", "receivers"),
        "hearing_sled": ("a process hears on a sled that takes part", "receivers"),
        "sources_kept": ("where no source can be granted, those of the parent stay", "receivers"),
        "source_named": ("every live member's sources count, parked ones too", "group_sources"),
        "source_any": ("a live member that names no source takes any", "group_sources"),
        "source_kept": ("a group that lost its last member keeps the sources it had", "group_sources"),
        "sled": ("a sled takes part while its row says so, or while no row contradicts the parent", "routing_sleds"),
        "nic": ("NICs are those that the row tells, else those of the parent", "routing_sleds"),
        "port": ("a sled is behind the port that DDM, else inventory, else the parent names", "sled_ports"),
        "incomplete": ("behind a port that nobody vouches for somebody hears", "switch_tables"),
        "owed": ("a leave is owed while the process lives", "departures"),
        "transition": ("the row is told what will be in effect", "transitions"),
        "held": ("a row that cannot be right is neither planned nor removed", "admitted_groups"),
    }
)
"""Name of a rule to what it says, and the pass whose head promises it."""


@frozen(kw_only=True)
class Cause:
    """A rule, and the facts of which any one would do for it."""

    rule: str
    any_of: tuple[str, ...]


@frozen(kw_only=True)
class Entry:
    """The smallest thing that a table says."""

    table: str
    names: Mapping[str, str]
    """What it is about: ``group``, ``switch``, ``sled`` and so on."""

    value: str

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same entry in another blueprint."""
        return (self.table, *self.names, *self.names.values())


@frozen(kw_only=True)
class Explanation:
    """An entry with what it rests on."""

    entry: Entry
    because: tuple[Cause, ...]
    given: frozenset[str]
    """Facts that could have made it another entry, or none, and did not."""

    @property
    def cited(self) -> frozenset[str]:
        """Every fact that the entry depends on."""
        return self.given.union(*(cause.any_of for cause in self.because))


@frozen
class _Grounds:
    """What is found to matter, while it is collected."""

    because: dict[Cause, None] = field(factory=dict)
    given: set[str] = field(factory=set)

    def on(self, rule: str, any_of: Iterable[str]) -> "_Grounds":
        """Add a cause; one without facts is none."""
        several = tuple(dict.fromkeys(any_of))
        if several:
            self.because[Cause(rule=rule, any_of=several)] = None
        return self

    def but(self, *given: str) -> "_Grounds":
        """Add facts that could have made a difference."""
        self.given.update(given)
        return self

    def also(self, *others: "_Grounds") -> "_Grounds":
        """Add all that others rest on."""
        for other in others:
            self.because.update(other.because)
            self.given.update(other.given)
        return self

    def aside(self, *others: "_Grounds") -> "_Grounds":
        """Add what others rest on as facts that could have made a difference."""
        for other in others:
            self.given.update(other.given, *(cause.any_of for cause in other.because))
        return self

    def of(self, table: str, value: object, **names: object) -> Explanation:
        """Return the explanation of the entry."""
        entry = Entry(table=table, names={kind: str(name) for kind, name in names.items()}, value=str(value))
        return Explanation(entry=entry, because=tuple(self.because), given=frozenset(self.given))


def explanations(blueprint: Blueprint) -> Iterator[Explanation]:
    """Yield every entry of *blueprint* with what it rests on, table by table."""
    told = _Explainer(blueprint)
    for group in blueprint.groups:
        yield from told.group(group)
    for slot in blueprint.switches:
        yield from told.switch(slot)
    for sled in blueprint.sleds:
        yield from told.sled(sled)
    yield from told.ports()
    yield from told.transitions()
    yield from told.held()


class _Explainer:
    """Puts together what entries rest on."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.ledger = Ledger(blueprint)
        self._planned = {group.id: self._exists(group) for group in blueprint.groups}

    # --- what entries have in common --------------------------------------------------------------------------------

    def _exists(self, group: PlannedGroup) -> _Grounds:
        """Return why the group is planned at all."""
        line = self.ledger.groups[group.id]
        grounds = _Grounds().on("group_row", [facts.group(group.id)])
        if line.rests_on_members:
            grounds.on("group_peopled", self.ledger.live_members(group.id)).but(facts.members_of(group.id))
        if line.stays:
            grounds.on("group_succeeds", [facts.parent_group(group.id)])
        return grounds.but(facts.groups_on(group.multicast_ip)).aside(self._underlay(group))

    def _underlay(self, group: PlannedGroup) -> _Grounds:
        """Return why the group has its underlay address, and the salt."""
        line, me = self.ledger.groups[group.id], facts.group(group.id)
        ways = [facts.parent_group(group.id)] if self.ledger.has_parent and not line.new else []
        ways += [facts.underlay(line.link)] if line.linked and line.link else []
        grounds = _Grounds().on("underlay_kept", ways + ([me] if line.search or not ways else []))
        grounds.on("group_row", [me]).but(facts.parent_group(group.id), facts.groups_at(group.underlay_ip))
        if line.link:
            grounds.but(facts.underlay(line.link))
        if not ways:
            taken = [facts.underlay(row) for row in line.taken_rows]
            taken += [facts.group(other) for other in line.taken_groups]
            taken += [facts.parent_group(other) for other in line.taken_before]
            grounds.on("underlay_taken", taken).but(facts.block(group.multicast_ip))
        return grounds

    def _next_hop(self, group: PlannedGroup) -> _Grounds:
        line, me = self.ledger.groups[group.id], facts.group(group.id)
        ways = [facts.parent_group(group.id)] if self.ledger.has_parent and not line.hop_new else []
        grounds = _Grounds().on("next_hop", ways + ([me] if line.hashed else []))
        return grounds.on("switch", [facts.switch(group.next_hop_switch)]).but(
            facts.SWITCHES, facts.parent_group(group.id), me
        )

    def _takes_part(self, sled: UUID, rule: str = "sled") -> _Grounds:
        line = self.ledger.sleds[sled]
        row = [facts.sled(sled)] if line.policy is not None else []
        before = [facts.parent_sled(sled)] if self.ledger.has_parent and not line.new else []
        return _Grounds().on(rule, row + before).but(facts.sled(sled), facts.parent_sled(sled))

    def _heard_by(self, group: PlannedGroup, hearers: Iterable[Hearer]) -> _Grounds:
        """Return why somebody hears the group: any of *hearers* would do."""
        several = tuple(hearers)
        rows = [row for hearer in several for row in self.ledger.rows_of(group.id, hearer)]
        sleds = [fact for h in several for sled in h.sleds for fact in self._part_of(sled)]
        grounds = _Grounds().on("membership", rows)
        grounds.on("instance", [facts.instance(hearer.instance) for hearer in several]).on("hearing_sled", sleds)
        grounds.but(*(facts.memory(h.instance, group.multicast_ip) for h in several if h.kept))
        return grounds.but(*(f for h in several for s in h.sleds for f in (facts.sled(s), facts.parent_sled(s))))

    def _part_of(self, sled: UUID) -> Iterable[str]:
        return (fact for cause in self._takes_part(sled).because for fact in cause.any_of)

    def _anybody(self, group: PlannedGroup) -> _Grounds:
        return self._heard_by(group, self.ledger.hearers[group.id])

    def _everybody(self, group: PlannedGroup) -> _Grounds:
        """Return everyone who could have made a list longer, or shorter."""
        grounds = _Grounds().aside(self._anybody(group)).but(facts.members_of(group.id))
        for row in self.ledger.apart_of_group(group.id):
            grounds.but(facts.member(row.member), facts.instance(row.instance))
            if row.sled is not None:
                grounds.but(facts.sled(row.sled), facts.parent_sled(row.sled))
            if row.verdict is Apart.REFUSED:
                grounds.but(facts.memory(row.instance, group.multicast_ip))
        return grounds

    def _sources(self, group: PlannedGroup, source: UnicastSource | None) -> _Grounds:
        """Return why a source is let in; None: any is."""
        asking = self.ledger.asking(group.id, source)
        stands = self.ledger.stands_alone(group.id, source)
        before = [facts.parent_group(group.id)] if asking and stands else []
        grounds = _Grounds().on("source_any" if source is None else "source_named", asking + before)
        if not asking:
            grounds.on("source_kept", [facts.parent_group(group.id)]).but(facts.members_of(group.id))
        return grounds.but(*self.ledger.unsure_of_sources(group))

    # --- the rack ---------------------------------------------------------------------------------------------------

    def group(self, group: PlannedGroup) -> Iterator[Explanation]:
        """Yield what is planned for the group as such."""
        me, exists = group.multicast_ip, self._planned[group.id]
        yield exists.of("groups", f"{group.id} {group.tag}", group=me, field="row")
        home = f"{group.underlay_ip} salt {group.salt}"
        yield _Grounds().also(exists, self._underlay(group)).of("groups", home, group=me, field="underlay_ip")
        hop = _Grounds().also(exists, self._next_hop(group))
        yield hop.of("groups", group.next_hop_switch, group=me, field="next_hop_switch")
        if group.sources.any:
            yield _Grounds().also(exists, self._sources(group, None)).of("groups", "any", group=me, field="sources")
        for source in group.sources.specific:
            grounds = _Grounds().also(exists, self._sources(group, source))
            yield grounds.of("groups", "named", group=me, field="sources", source=source)
        if group.receiving:
            grounds = _Grounds().also(exists, self._anybody(group))
        else:
            grounds = _Grounds().also(exists, self._everybody(group))
        yield grounds.of("groups", group.receiving, group=me, field="receiving")

    # --- switches ---------------------------------------------------------------------------------------------------

    def switch(self, slot: SwitchSlot) -> Iterator[Explanation]:
        """Yield the entries of one switch."""
        its = self.blueprint.switches[slot]
        here = _Grounds().on("switch", [facts.switch(slot)])
        entries = {row.group_ip: row for row in its.underlay_groups}
        externals = {row.group_ip: row for row in its.external_groups}
        for group in self.blueprint.groups:
            base = _Grounds().also(here, self._planned[group.id])
            home = _Grounds().also(base, self._underlay(group))
            me, underlay = group.multicast_ip, entries[group.underlay_ip]
            names: dict[str, object] = {"switch": slot, "group": me}
            yield home.of("underlay_groups", f"{underlay.group_ip} {underlay.tag}", **names)
            for member in underlay.members:
                grounds = _Grounds().also(home, self._behind(group, slot, str(member.port_id), member.link_id))
                yield grounds.of(
                    "underlay_groups", group.underlay_ip, **names, port=member.port_id, link=member.link_id
                )
            yield self._complete(group, slot, base).of(
                "underlay_groups", underlay.complete, **names, field="complete"
            )
            external = externals.get(me)
            if external is not None:
                yield from self._external(group, base, external.sources, names)
        for route in its.mrib_routes:
            group = self.ledger.by_address[route.group]
            base = _Grounds().also(here, self._planned[group.id], self._underlay(group), self._anybody(group))
            grounds = base.also(self._sources(group, route.source))
            yield grounds.of(
                "mrib_routes", route.underlay_group, switch=slot, group=route.group, source=route.source or "*"
            )

    def _behind(self, group: PlannedGroup, slot: SwitchSlot, port: str, link: int) -> _Grounds:
        """Return why the list of a group's ports has this one."""
        sled = self.ledger.sled_behind[slot, port, link]
        hearers = [hearer for hearer in self.ledger.hearers[group.id] if sled in hearer.sleds]
        return self._heard_by(group, hearers).also(self._takes_part(sled), self._port(sled, slot))

    def _complete(self, group: PlannedGroup, slot: SwitchSlot, base: _Grounds) -> _Grounds:
        """Return why the list of a group's ports is all of them, or a lower bound."""
        hearers = self.ledger.hearers[group.id]
        unsure = [h for h in hearers if any(not self.ledger.is_sure(sled, slot) for sled in h.sleds)]
        lost = {row.instance for row in self.ledger.apart_of_group(group.id) if row.verdict is Apart.SLED_UNKNOWN}
        lost -= {row.instance for row in self.ledger.apart_of_group(group.id) if row.verdict is Apart.REFUSED}
        rows = [row for h in unsure for row in self.ledger.rows_of(group.id, h)]
        rows += [row for instance in sorted(lost) for row in self.ledger.rows_of_instance(group.id, instance)]
        grounds = _Grounds().also(base, self._everybody(group)).on("incomplete", rows)
        ports = (self._port(sled, slot) for sled in sorted({sled for h in hearers for sled in h.sleds}))
        return grounds.aside(*ports)

    def _external(
        self,
        group: PlannedGroup,
        base: _Grounds,
        sources: tuple[UnicastSource, ...] | None,
        names: dict[str, object],
    ) -> Iterator[Explanation]:
        asking = _Grounds().also(base).but(facts.policy("external_entry"))
        if self.blueprint.policy.external_entry is ExternalEntry.ELECTED:
            asking.also(self._next_hop(group))
        home = _Grounds().also(asking, self._underlay(group))
        yield home.of("external_groups", f"{group.underlay_ip} {group.tag}", **names)
        if sources is None:
            yield asking.also(self._sources(group, None)).of("external_groups", "any", **names, field="filter")
            return
        asking.aside(self._everybody(group)).but(facts.parent_group(group.id))
        yield asking.of("external_groups", "listed", **names, field="filter")
        for source in sources:
            named = _Grounds().also(asking, self._sources(group, source))
            yield named.of("external_groups", "named", **names, source=source)

    # --- sleds ------------------------------------------------------------------------------------------------------

    def sled(self, sled: UUID) -> Iterator[Explanation]:
        """Yield the entries of one sled."""
        its, here = self.blueprint.sleds[sled], self._takes_part(sled)
        homes = {group.underlay_ip: group for group in self.blueprint.groups}
        paths = {
            group.id: _Grounds().also(here, self._planned[group.id], self._underlay(group), self._anybody(group))
            for group in self.blueprint.groups
            if group.receiving
        }
        for row in its.m2p:
            group = self.ledger.by_address[row.group]
            yield paths[group.id].of("m2p", row.underlay, sled=sled, group=row.group)
        for entry in its.forwarding:
            group = homes[entry.underlay]
            hops = ", ".join(f"{hop.next_hop} {hop.replication}" for hop in entry.next_hops)
            grounds = _Grounds().also(paths[group.id], self._next_hop(group))
            yield grounds.of("forwarding", f"{entry.underlay} {hops}", sled=sled, group=group.multicast_ip)
        for nic in its.nic_filters:
            group = homes[nic.underlay]
            grounds = _Grounds().also(paths[group.id], self._nic(sled, nic.nic))
            yield grounds.of(
                "nic_filters", f"{nic.underlay} {nic.mac}", sled=sled, group=group.multicast_ip, nic=nic.nic
            )
        for subscription in its.subscriptions:
            yield self._subscription(sled, subscription)
        yield from self._departures(sled)

    def _nic(self, sled: UUID, nic: str) -> _Grounds:
        line = self.ledger.sleds[sled]
        told = [facts.sled(sled)] if line.nics_told else []
        before = [facts.parent_nics(sled)] if self.ledger.had_nic(sled, nic) else []
        return _Grounds().on("nic", told + before).but(facts.parent_nics(sled))

    def _subscription(self, sled: UUID, row: Subscription) -> Explanation:
        group = self.ledger.by_address[row.group_ip]
        hearer = next(h for h in self.ledger.hearers[group.id] if h.instance == row.instance_id)
        grounds = _Grounds().also(self._takes_part(sled), self._planned[group.id])
        grounds.on("membership", self.ledger.rows_of(group.id, hearer))
        grounds.on("instance", [facts.instance(row.instance_id)])
        if hearer.kept:
            grounds.on("sources_kept", [facts.memory(row.instance_id, row.group_ip)])
        sources = ", ".join(source.text for source in row.sources) or "any"
        return grounds.of(
            "subscriptions",
            sources,
            sled=sled,
            group=row.group_ip,
            instance=row.instance_id,
            propolis=row.propolis_id,
        )

    def _departures(self, sled: UUID) -> Iterator[Explanation]:
        for row in self.blueprint.sleds[sled].departures:
            line = self.ledger.departures[sled, row.propolis_id, row.group_ip]
            owed = [facts.member(tombstone) for tombstone in line.tombstones]
            owed += (
                [facts.parent_leave(sled, row.propolis_id, row.group_ip)]
                if self.ledger.has_parent and not line.new
                else []
            )
            grounds = _Grounds().also(self._takes_part(sled)).on("owed", owed)
            grounds.on("instance", [facts.instance(row.instance_id)])
            grounds.but(*self._about(row.instance_id, row.group_ip.text))
            yield grounds.of(
                "departures",
                "owed",
                sled=sled,
                group=row.group_ip,
                instance=row.instance_id,
                propolis=row.propolis_id,
            )

    def _about(self, instance: UUID, address: str) -> frozenset[str]:
        """Return what decides whether an instance hears an address."""
        grounds = _Grounds().but(facts.memberships(instance, address), facts.instance(instance))
        grounds.but(*self._on(address), facts.memory(instance, address))
        for row in self.ledger.apart_of_instance(instance):
            grounds.but(*(() if row.sled is None else (facts.sled(row.sled), facts.parent_sled(row.sled))))
        return frozenset(grounds.given)

    def _on(self, address: str) -> frozenset[str]:
        """Return what decides whether the groups on *address* are planned, held or going."""
        grounds = _Grounds().but(facts.groups_on(address), facts.UNDERLAY_ROWS)
        grounds.aside(*(self._planned[g.id] for g in self.blueprint.groups if g.multicast_ip.text == address))
        return frozenset(grounds.given)

    # --- the rest ---------------------------------------------------------------------------------------------------

    def ports(self) -> Iterator[Explanation]:
        """Yield behind which port each sled is."""
        for sled, row in self.blueprint.ports.items():
            for slot, port in row.items():
                grounds = _Grounds().also(self._takes_part(sled), self._port(sled, slot))
                grounds.on("switch", [facts.switch(slot)])
                yield grounds.of("ports", _said(port), sled=sled, switch=slot)

    def _port(self, sled: UUID, slot: SwitchSlot) -> _Grounds:
        line = self.ledger.ports[sled, slot]
        said = [facts.peer(slot, peer) for peer in line.peers] + [facts.board(board) for board in line.boards]
        said += [facts.parent_port(sled, slot)] if self.ledger.has_parent and not line.new else []
        grounds = _Grounds().on("port", said).but(facts.INVENTORY, facts.SWITCHES, *map(facts.backplane, SwitchSlot))
        grounds.but(*(facts.said_of(each, slot) for each in (sled, *line.other_sleds)))
        return grounds.but(*(facts.said_behind(port, slot) for port in line.ports))

    def transitions(self) -> Iterator[Explanation]:
        """Yield what the datastore is told."""
        for row in self.blueprint.transitions:
            grounds = self._of_member(row) if row.subject is Subject.MEMBER else self._of_group(row)
            value = f"{row.from_} to {row.to} on {row.sled_id}: {row.because}"
            yield grounds.of("transitions", value, subject=row.subject, id=row.id, to=row.to)

    def _of_member(self, row: Transition) -> _Grounds:
        return _Grounds().on("transition", [facts.member(row.id)]).but(facts.about_member(row.id))

    def _of_group(self, row: Transition) -> _Grounds:
        grounds = _Grounds().on("transition", [facts.group(row.id)]).but(facts.members_of(row.id))
        grounds.but(facts.TIME, facts.SWITCHES, facts.policy("orphan_grace_seconds"))
        address = self.ledger.address_of(row.id)
        if row.from_ == GroupState.CREATING and row.id in self._planned:
            grounds.also(self._planned[row.id])
        return grounds.but(*(self._on(address) if address else ()))

    def held(self) -> Iterator[Explanation]:
        """Yield the groups that nothing is done for."""
        for row in self.blueprint.held:
            grounds = _Grounds().on("held", [facts.group(row.id)]).but(*self._on(row.multicast_ip.text))
            grounds.but(facts.parent_group(row.id), facts.block(row.multicast_ip))
            yield grounds.of("held", row.because, group=row.id)


def _said(port: SledPort | None) -> str:
    return "unknown" if port is None else f"{port.port_id} link {port.link_id} from {port.learned_from}"
