"""The draft: what the passes have found out so far.

Each pass takes a draft and returns one with more in it; no pass changes what an earlier one wrote, except that a
group may be held (`Draft.holding`). This file does not know any rule.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from uuid import UUID

import networkx
from attrs import evolve, field, frozen
from msgspec import Struct

from blueprints.addresses import Address, ExternalGroup, UnderlayGroup, UnderlayUnicast, UnicastSource
from blueprints.blueprint import (
    Blueprint,
    GroupSources,
    HeldGroup,
    PlannedGroup,
    Ports,
    SledTables,
    Subscription,
    SwitchTables,
    Transition,
)
from blueprints.causes import NO_CAUSES, Absence, Apart, ApartMember, Causes, DepartureCauses, PortCauses, SledCauses
from blueprints.findings import Finding, finding
from blueprints.identifiers import SwitchSlot, Tag
from blueprints.snapshot import Group, Instance, Member, Snapshot
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


class Membership(Struct, frozen=True, gc=False):
    """A live member of a planned group, judged. A struct, because there are very many."""

    row: Member
    number: int
    """Of its instance."""

    seat: Seat
    """What its instance does, and where; for a member that does not hear what its instance could, one that says so."""

    sources: tuple[UnicastSource, ...]
    any_source: bool
    """No source is named; never set for a member whose sources were all refused."""

    kept: bool = False
    """Its sources are those that the parent had it hear."""


@frozen(kw_only=True)
class Audience:
    """The live members of a planned group, and what they come to together."""

    members: Sequence[Membership] = ()
    hearing: Sequence[Membership] = ()
    """Those who hear, in the order of their instances."""

    sleds: frozenset[int] = frozenset()
    """The sleds, by number, on which somebody hears."""

    located: bool = True
    """False: somebody would hear on a sled of which nothing is known, so the group's ports are a lower bound."""

    any_source: bool = False
    """Some member, whether it hears or not, takes any source."""

    sources: tuple[UnicastSource, ...] = ()
    """Those that members name, whether they hear or not."""

    kept: bool = False
    """Some member's sources are those that the parent had it hear."""


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


def apart(row: Member, verdict: Apart) -> ApartMember:
    """Return the note that *row* lets nobody hear, and counts for nothing."""
    return ApartMember(
        group=row.group_id,
        instance=row.instance_id,
        member=row.id,
        verdict=verdict,
        sled=None,
        any=False,
        sources=(),
    )


@frozen(kw_only=True)
class Draft:
    """Everything the passes know."""

    snapshot: Snapshot
    parent: Blueprint | None
    instances: Mapping[UUID, Instance]
    """The snapshot's, by id."""

    sleds: Mapping[UUID, RoutingSled] = field(factory=dict)
    graph: "networkx.Graph[tuple[str, ...]]" = field(factory=networkx.Graph, eq=False)
    groups: Mapping[UUID, LiveGroup] = field(factory=dict)
    held: tuple[HeldGroup, ...] = ()
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
    subscriptions: Mapping[UUID, tuple[Subscription, ...]] = field(factory=dict)
    """By sled."""

    absences: Mapping[UUID, Absence] = field(factory=dict)
    """Why live groups that nobody holds are not planned."""

    succeeding: frozenset[UUID] = frozenset()
    """New groups that would wait for an older one on their address, had the parent not planned them."""

    apart: tuple[ApartMember, ...] = ()
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
        members = [member.row for group in groups if group in self.audiences for member in self.audiences[group].members]
        return evolve(
            self,
            groups={group: live for group, live in self.groups.items() if group not in groups},
            audiences={group: audience for group, audience in self.audiences.items() if group not in groups},
            held=(*self.held, *held),
            apart=(*self.apart, *(apart(row, Apart.GROUP_NOT_PLANNED) for row in members)),
        ).noting(found)

    @cached_property
    def before(self) -> Mapping[UUID, PlannedGroup]:
        """The parent's groups by id, and those that it held as they were last planned."""
        if self.parent is None:
            return {}
        held = {group.id: group.planned for group in self.parent.held if group.planned is not None}
        return held | {group.id: group for group in self.parent.groups}

    @cached_property
    def live_rows(self) -> tuple[Member, ...]:
        """The snapshot's members without tombstones."""
        return tuple([row for row in self.snapshot.members if row.time_deleted is None])

    @cached_property
    def peopled(self) -> frozenset[int]:
        """The numbers of the groups that live members name, planned or not."""
        return frozenset([row.group_id.int for row in self.live_rows])

    @cached_property
    def tombstones(self) -> tuple[Member, ...]:
        """The snapshot's members that are gone."""
        return tuple([row for row in self.snapshot.members if row.time_deleted is not None])

    @cached_property
    def known_sleds(self) -> frozenset[UUID]:
        """The sleds of which something is known: a row, or the parent's word."""
        return frozenset({row.id for row in self.snapshot.sleds} | set(self.sleds))

    @cached_property
    def receiving(self) -> frozenset[UUID]:
        """The groups that some instance hears."""
        return frozenset(group for group, audience in self.audiences.items() if audience.sleds)
