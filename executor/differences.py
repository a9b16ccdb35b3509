"""What sets a rack apart from a blueprint, worked out from typed tables, in time proportional to them.

Rules:
    F1  an unknown table (None) makes its whole target *owed*: nothing about it is derived, nothing is sent to it.
    F2  only what was read and is ours is ever changed or removed (`executor.ownership`).
    F3  a foreign or held object where ours should stand blocks that group in that place, and nothing else.
    F4  an object that says what this version has no word for is somebody else's, whoever's it is.
    F5  only switches and sleds that the blueprint names are targets; with multicast disabled there are none.
    F6  no sled is turned to a switch that would give its group to nobody because nobody's port is known there: what
        the blueprint does not know takes nothing away.

This file does not know what is sent, in which order, nor how a rack is read.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from operator import attrgetter
from types import MappingProxyType
from uuid import UUID

from attrs import field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Content
from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation, Silence, SledObservation, SwitchObservation
from blueprints.snapshot import MemberPorts
from executor.actions import FORMS, Effect
from executor.changes import ADDRESS_MOVES, Change, Conflict, Foreign, MembersElsewhere
from executor.changeset import Changes, Difference, Part, parted, sorted_changes
from executor.drains import REFILTERS, Zones, drained
from executor.ownership import Ownership, mappings_seen, ownership
from executor.sled_differences import Alike, SledView, sled_differences
from executor.switch_differences import SwitchView, dpd_differences, mgd_differences
from executor.targets import Daemon, Target, targets_of

Item = Change | Conflict | Foreign | MembersElsewhere
_NO_ZONES: Zones = MappingProxyType({})
BY_SORT_KEY = attrgetter("sort_key")
REASSERTED = frozenset(kind for kind, form in FORMS.items() if form.effect is Effect.REASSERT)


def differences(
    content: Content,
    observation: Observation,
    *,
    earlier: Observation | None = None,
    zones: Zones = _NO_ZONES,
) -> Difference:
    """Return what sets the rack as observed apart from the blueprint's *content*.

    Args:
        content: the blueprint.
        observation: what the rack holds.
        earlier: what it held when this run began. Objects that were ours then are ours still, even if what
            proved it is gone by now.
        zones: addresses of switches, for those that the blueprint sends nothing through.
    """
    ours = ownership(content, [observation] if earlier is None else [observation, earlier])
    hops: dict[Address, str] = {group.underlay_ip: group.next_hop_switch.value for group in content.groups}
    comparison = _Comparison(content=content, observation=observation, ours=ours, hops=hops)
    targets = targets_of(content)
    unknown = {target for target in targets if not comparison.knows(target)}
    found = _Sorted()
    for target in targets:
        if target not in unknown:
            found.add(comparison.items(target))
            found.add(comparison.only_read(target))
    conflicts = sorted(found.conflicts, key=BY_SORT_KEY)
    blocked = {(conflict.group, conflict.target.place) for conflict in conflicts}
    changes = _unblocked(sorted_changes(found.parts, ()), blocked)
    if changes.of(REFILTERS):
        detoured = drained(tuple(changes), content, observation, known=zones, silent=unknown, blocked=blocked)
        changes = sorted_changes((), detoured)
    foreign = sorted(found.foreign, key=BY_SORT_KEY)
    return Difference(
        changes=changes,
        asserts=_unblocked(Changes(found.asserts), blocked),
        unknown=_silences(observation, [target for target in targets if target in unknown]),
        conflicts=tuple(conflicts),
        foreign=tuple(thing for thing in foreign if not thing.held),
        held=tuple(thing for thing in foreign if thing.held),
        members_elsewhere=tuple(sorted(found.members_elsewhere, key=BY_SORT_KEY)),
        settled=_settled(content, observation, changes),
    )


@frozen
class _Sorted:
    """Items by what they are, in the order in which they were found."""

    parts: list[Part] = field(factory=list, init=False)
    asserts: list[Part] = field(factory=list, init=False)
    conflicts: list[Conflict] = field(factory=list, init=False)
    foreign: list[Foreign] = field(factory=list, init=False)
    members_elsewhere: list[MembersElsewhere] = field(factory=list, init=False)

    def add(self, items: Iterable[Item | Part]) -> None:
        """Put *items*, all of one target, where they belong."""
        changes: list[Change] = []
        for item in items:
            if isinstance(item, Part):
                (self.asserts if item.kind in REASSERTED else self.parts).append(item)
            elif isinstance(item, Change) and item.kind in REASSERTED:
                self.asserts.extend(Changes.made([item]).parts)
            elif isinstance(item, Change):
                changes.append(item)
            elif isinstance(item, Conflict):
                self.conflicts.append(item)
            elif isinstance(item, Foreign):
                self.foreign.append(item)
            elif isinstance(item, MembersElsewhere):
                self.members_elsewhere.append(item)
        self.parts.extend(parted(changes))


def _unblocked(changes: Changes, blocked: Collection[tuple[Address, str]]) -> Changes:
    """Return *changes* without those of a group in a place where something stands in its way (rule F3)."""
    if not blocked:
        return changes
    free = (c for c in changes if not any((group, c.target.place) in blocked for group in c.groups))
    return Changes.made(free)


@frozen(kw_only=True)
class _Comparison:
    """A blueprint, an observation, and what follows from both for one target at a time."""

    content: Content
    observation: Observation
    ours: Ownership
    hops: Mapping[Address, str]
    """Underlay group to the switch that it is sent by."""

    alike: Alike = field(factory=Alike)

    def knows(self, target: Target) -> bool:
        """Return whether all tables of *target* were read (rule F1)."""
        if target.daemon is Daemon.SLED_AGENT:
            sled = self.observation.sleds.get(UUID(target.place))
            return sled is not None and None not in (sled.m2p, sled.forwarding)
        switch = self.observation.switches.get(SwitchSlot(target.place))
        if switch is None:
            return False
        if target.daemon is Daemon.MGD:
            return switch.mrib_routes is not None
        return None not in (switch.underlay_groups, switch.external_groups)

    def items(self, target: Target) -> Iterator[Item | Part]:
        """Yield what sets a known *target* apart."""
        if target.daemon is Daemon.SLED_AGENT:
            sled = UUID(target.place)
            tables, seen = self.content.sleds[sled], self.observation.sleds[sled]
            yield from sled_differences(
                SledView(
                    target=target,
                    tables=tables,
                    seen=seen,
                    ours=self.ours,
                    hop_switches=self.hops,
                    stranded=self.stranded,
                    unplaced=self.unplaced,
                ),
                self.alike,
            )
        elif target.daemon is Daemon.DPD:
            yield from dpd_differences(self._switch(SwitchSlot(target.place)))
        else:
            yield from mgd_differences(self._switch(SwitchSlot(target.place)))

    def only_read(self, target: Target) -> Iterator[Item]:
        """Yield what of *target* cannot be understood: never touched, and in the way of its group if that is ours."""
        if target.daemon is Daemon.SLED_AGENT:
            seen: SledObservation | SwitchObservation = self.observation.sleds[UUID(target.place)]
        else:
            seen = self.observation.switches[SwitchSlot(target.place)]
        for row in seen.opaque:
            if (row.table == "mrib_routes") is not (target.daemon is Daemon.MGD):
                continue
            what = f"{row.table.replace('_', ' ')}: {row.address} cannot be read, {row.because}"
            groups = self.ours.opaque_groups(row)
            yield from (Conflict(target=target, group=group, because=what) for group in groups)
            if not groups:
                yield Foreign(target=target, what=what)

    def listens_elsewhere(self, group: Address) -> bool:
        """Return whether a sled may hear *group* under another underlay address than the blueprint's.

        One that did not answer may if somebody there hears it. What nobody hears elsewhere is lost to nobody: the
        entry of a switch that leads there was changed by somebody, and is led back.
        """
        return group in self._heard_elsewhere

    @cached_property
    def _heard_elsewhere(self) -> frozenset[Address]:
        """The groups of which that is so; looked up only where an entry leads astray."""
        tables = [seen.m2p for sled, seen in self.observation.sleds.items() if sled in self.content.sleds]
        silent = [its for sled, its in self.content.sleds.items() if not self.knows(Target.sled(sled))]
        distinct = {id(table): table for table in tables if table}.values()  # sleds share theirs
        pairs = {(pair.group, pair.underlay) for table in distinct for pair in table}
        moved = {group for group, _ in pairs - self.ours.mappings}
        return frozenset(moved.union(row.group_ip for its in silent for row in its.subscriptions))

    def stranded(self, group: Address, underlay: Address) -> bool:
        """Return whether a sled that maps *group* to *underlay* was left behind by a move, or changed by somebody.

        So it is if no switch has that underlay group, and the rack uses the blueprint's elsewhere.
        """
        return group in self._in_use and underlay not in self._delivered

    @cached_property
    def _in_use(self) -> frozenset[Address]:
        """The groups that are led to their underlay groups somewhere; none while a switch is silent or missing."""
        slots = (*self.content.switches, *self.content.missing_switches)
        if not all(self.knows(Target.dpd(slot)) for slot in slots):
            return frozenset()
        seen = mappings_seen(self.observation)
        return frozenset(group for _, group, underlay in seen if (group, underlay) in self.ours.mappings)

    @cached_property
    def _delivered(self) -> frozenset[Address]:
        """Every address that a switch was seen to have a group at, whoever's it is."""
        switches = self.observation.switches.values()
        rows = (row.group_ip for seen in switches for row in seen.underlay_groups or ())
        return frozenset(rows).union(row.address for seen in switches for row in seen.opaque)

    def unplaced(self, underlay: Address) -> bool:
        """Return whether the switch that sends *underlay* gives it to no port, as none is known (rule F6)."""
        return underlay in self._unplaced

    @cached_property
    def _unplaced(self) -> frozenset[Address]:
        """The underlay groups of which that is so; looked up only where a sled would be turned."""
        return frozenset(
            row.group_ip
            for slot, tables in self.content.switches.items()
            for row in tables.underlay_groups
            if not (row.complete or row.members) and self.hops.get(row.group_ip) == slot.value
        ).difference(*map(self._given_to_ports, self.content.switches))

    def _given_to_ports(self, slot: SwitchSlot) -> Iterator[Address]:
        """Yield what the switch in *slot* gives to somebody, if sleds are to send it by that one."""
        seen = self.observation.switches.get(slot)
        for row in (None if seen is None else seen.underlay_groups) or ():
            if row.members and self.hops.get(row.group_ip) == slot.value:
                yield row.group_ip

    def _switch(self, slot: SwitchSlot) -> SwitchView:
        return SwitchView(
            slot=slot,
            tables=self.content.switches[slot],
            seen=self.observation.switches[slot],
            ours=self.ours,
            derived=self.content.policy.member_ports is MemberPorts.DERIVED,
            elsewhere={
                row.group_ip: other.value
                for other, tables in self.content.switches.items()
                if other is not slot
                for row in tables.external_groups
            },
            listens_elsewhere=self.listens_elsewhere,
        )


def _silences(observation: Observation, targets: Iterable[Target]) -> tuple[Silence, ...]:
    """Return one silence for each of *targets*, with every reason that was noted."""
    reasons: dict[str, list[str]] = {}
    for silence in observation.silent:
        reasons.setdefault(silence.target, []).append(silence.reason)
    return tuple(
        Silence(target=str(target), reason="; ".join(reasons.get(str(target), ["it was not read"])))
        for target in targets
    )


def _settled(content: Content, observation: Observation, changes: Changes) -> frozenset[Address]:
    """Return the groups with a move whose new underlay address the rack already uses somewhere."""
    moving = {group for change in changes.of(ADDRESS_MOVES) for group in change.groups}
    if not moving:
        return frozenset()
    wanted = {(group.multicast_ip, group.underlay_ip) for group in content.groups if group.multicast_ip in moving}
    return frozenset(group for _, group, underlay in mappings_seen(observation) if (group, underlay) in wanted)
