"""The draft: what the passes have found out so far.

Each pass takes a draft and returns one with more in it; no pass changes what an earlier one wrote, except that a
group may be held (`Draft.holding`). This file does not know any rule.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from functools import cached_property
from uuid import UUID

import networkx
from attrs import evolve, field, frozen

from blueprints.addresses import Address, ExternalGroup, UnderlayGroup, UnderlayUnicast, UnicastSource
from blueprints.blueprint import (
    Blueprint,
    FormerGroup,
    GroupSources,
    HeldGroup,
    PlannedGroup,
    Ports,
    SledTables,
    SwitchTables,
    Transition,
)
from blueprints.causes import NO_CAUSES, Absence, Apart, Causes, DepartureCauses, PortCauses, SledCauses
from blueprints.findings import Finding, finding
from blueprints.identifiers import SwitchSlot, Tag
from blueprints.rows import written
from blueprints.snapshot import Group, Snapshot
from blueprints.written import WrittenApart, WrittenInstance, WrittenMember, WrittenSubscription
from planner.seats import Seat


@frozen(kw_only=True)
class RoutingSled:
    """A sled that takes part in the rack's virtual networks."""

    id: UUID
    serial: str | None
    """None for a sled that only the parent knows."""

    part: str | None
    underlay_address: UnderlayUnicast | None
    nics: tuple[str, ...]


@frozen(kw_only=True)
class LiveGroup:
    """A group that is planned: its row, with address and tag checked."""

    row: Group
    address: ExternalGroup
    tag: Tag


@frozen(kw_only=True)
class Audience:
    """What the live members of a planned group come to together."""

    peopled: bool = False
    """There are some."""

    rows: Sequence[str] = ()
    """Of those who hear, in the order of their instances, their rows."""

    kept: Sequence[str] = ()
    """Of these, those whose sources are the ones that the parent had them hear."""

    subscriptions: Sequence[WrittenSubscription] = ()
    """What their processes hear, in the order of instances, then of processes."""

    places: Sequence[str] = ()
    """The sled of each of these processes."""

    sleds: frozenset[str] = frozenset()
    """The sleds on which somebody hears."""

    located: bool = True
    """False: somebody would hear on a sled of which nothing is known, so the group's ports are a lower bound."""

    any_source: bool = False
    """Some member, whether it hears or not, takes any source."""

    sources: Sequence[UnicastSource] = ()
    """Those that members name, whether they hear or not."""

    outdated: Sequence[tuple[WrittenMember, Seat]] = ()
    """Members whose rows do not say what will be true, and what their instances do."""


@frozen(kw_only=True)
class Home:
    """A group's underlay address, and what led to it."""

    address: UnderlayGroup
    salt: int
    row: UUID | None
    """The underlay row that has it."""

    parent: bool
    """The parent has the group there."""

    search: bool
    """The first free salt leads there."""

    taken_rows: tuple[UUID, ...] = ()
    taken_groups: tuple[UUID, ...] = ()
    taken_before: tuple[UUID, ...] = ()
    """Who has the addresses of the salts before that of a new group."""


def apart(row: WrittenMember, verdict: Apart, sled: str | None = None) -> WrittenApart:
    """Return the note that *row* lets nobody hear, and counts for nothing; *sled* is where its process is."""
    return WrittenApart(row.group_id, row.instance_id, row.id, verdict, sled, any=False, sources=[])


@frozen(kw_only=True)
class Draft:
    """Everything the passes know."""

    snapshot: Snapshot
    parent: Blueprint | None
    live_rows: Sequence[WrittenMember]
    """The snapshot's members without tombstones."""

    tombstones: Sequence[WrittenMember]
    """The snapshot's members that are gone."""

    sleds: Mapping[UUID, RoutingSled] = field(factory=dict)
    """Those that carry mappings, and whose instances hear."""

    in_service: Mapping[UUID, RoutingSled] = field(factory=dict)
    """Those whose ports are looked for."""

    graph: "networkx.Graph[tuple[str, ...]]" = field(factory=networkx.Graph, eq=False)
    groups: Mapping[UUID, LiveGroup] = field(factory=dict)
    held: tuple[HeldGroup, ...] = ()
    former: tuple[FormerGroup, ...] = ()
    audiences: Mapping[UUID, Audience] = field(factory=dict)
    """By group; those of groups without a live member are empty."""

    sources: Mapping[UUID, GroupSources] = field(factory=dict)
    fresh_sources: Mapping[UUID, GroupSources] = field(factory=dict)
    """By group of the parent, the sources that it did not have there."""

    underlay: Mapping[UUID, Home] = field(factory=dict)
    """By group."""

    next_hops: Mapping[UUID, SwitchSlot] = field(factory=dict)
    hashed: frozenset[UUID] = frozenset()
    """The groups whose next hop is the one that hashing gives."""

    ports: Ports = field(factory=dict)
    switches: Mapping[SwitchSlot, SwitchTables] = field(factory=dict)
    sled_tables: Mapping[UUID, SledTables] = field(factory=dict)
    absences: Mapping[UUID, Absence] = field(factory=dict)
    """Why live groups that nobody holds are not planned."""

    succeeding: frozenset[UUID] = frozenset()
    """New groups that would wait for an older one on their address, had the parent not planned them."""

    apart: tuple[WrittenApart, ...] = ()
    """Live members, or processes of them, that do not hear."""

    sled_causes: tuple[SledCauses, ...] = ()
    port_causes: tuple[PortCauses, ...] = ()
    departure_causes: tuple[DepartureCauses, ...] = ()
    causes: Causes = NO_CAUSES

    transitions: tuple[Transition, ...] = ()
    findings: tuple[Finding, ...] = ()

    def noting(self, findings: Iterable[Finding]) -> "Draft":
        """Return the draft with more findings."""
        return evolve(self, findings=(*self.findings, *findings))

    def holding(self, groups: Mapping[UUID, tuple[Address, str, str]]) -> "Draft":
        """Return the draft with *groups* taken out of the plan and held: id to address, code and message."""
        held = tuple(
            HeldGroup(id=group, multicast_ip=address, because=code) for group, (address, code, _) in groups.items()
        )
        found = [finding(code, f"group {group}", message) for group, (_, code, message) in groups.items()]
        members = self._judged({str(group) for group in groups if group in self.audiences})
        return evolve(
            self,
            groups={group: live for group, live in self.groups.items() if group not in groups},
            audiences={group: audience for group, audience in self.audiences.items() if group not in groups},
            held=(*self.held, *held),
            apart=(*self.apart, *(apart(row, Apart.GROUP_NOT_PLANNED) for row in members)),
        ).noting(found)

    def _judged(self, groups: Set[str]) -> Sequence[WrittenMember]:
        """Return the live members of *groups*, of each instance one."""
        repeated = {note.member for note in self.apart if note.verdict is Apart.REPEATED}
        return [row for row in self.live_rows if row.group_id in groups and row.id not in repeated] if groups else []

    @cached_property
    def before(self) -> Mapping[UUID, PlannedGroup]:
        """The parent's groups by id, and those that it held as they were last planned."""
        if self.parent is None:
            return {}
        held = {group.id: group.planned for group in self.parent.held if group.planned is not None}
        return held | {group.id: group for group in self.parent.groups}

    @cached_property
    def by_address(self) -> Sequence[UUID]:
        """The planned groups in the order of their addresses: most rows are made in the order in which they stand."""
        return sorted(self.groups, key=lambda group: self.groups[group].address.key)

    @cached_property
    def by_underlay(self) -> Sequence[UUID]:
        """The planned groups in the order of their underlay addresses, of which each has its own."""
        return sorted(self.groups, key=lambda group: self.underlay[group].address.key)

    @cached_property
    def peopled(self) -> frozenset[str]:
        """The groups that live members name, planned or not."""
        return frozenset([row.group_id for row in self.live_rows])

    @cached_property
    def instances(self) -> Mapping[str, WrittenInstance]:
        """The snapshot's, by id."""
        return {row.id: row for row in written(self.snapshot.instances)}

    @cached_property
    def known_sleds(self) -> frozenset[UUID]:
        """The sleds of which something is known: a row, or the parent's word."""
        return frozenset({row.id for row in self.snapshot.sleds} | set(self.sleds))

    @cached_property
    def receiving(self) -> frozenset[UUID]:
        """The groups that some instance hears, or would on a sled of which nothing is known: that is not nobody."""
        return frozenset(group for group, its in self.audiences.items() if its.sleds or not its.located)
