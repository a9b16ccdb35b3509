"""The blueprint: what every switch and sled shall hold (`format: rackcast.blueprint/1`).

A blueprint leaves nothing to decide: every address, port, tag, next hop and generation is in it.

Rules, arranged by the constructors (nobody has to sort):
    B1  lists are sorted: addresses first (IPv4 before IPv6, then by number, None before values), then the
        remaining fields in the order shown.
    B2  equal tables may be one object: 32 sleds share their M2P, forwarding and filter tables.

This file does not know how a plan is made, how a file looks, or devices.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import field, fields, frozen

from blueprints.addresses import Address, ExternalGroup, UnderlayGroup, UnderlayUnicast, UnicastSource
from blueprints.causes import NO_CAUSES, Causes
from blueprints.findings import Finding, sorted_findings
from blueprints.identifiers import FLEET_VNI, MulticastMac, PortId, SwitchSlot, Tag
from blueprints.ordering import (
    BY_NUMBER,
    Key,
    address_key,
    addresses,
    by_slot,
    by_uuid,
    in_order,
    maybe_addresses,
    slots,
)
from blueprints.policy import Policy
from blueprints.words import Word

BLUEPRINT_FORMAT = "rackcast.blueprint/1"


class Direction(Word):
    """Which of the two replication groups of a switch a member port belongs to; we only write Underlay."""

    UNDERLAY = "Underlay"
    EXTERNAL = "External"


class Replication(Word):
    """Where a sled sends copies of a packet."""

    EXTERNAL = "external"
    UNDERLAY = "underlay"
    BOTH = "both"


class FilterMode(Word):
    """Whether the listed sources are the only ones let through, or the only ones not."""

    INCLUDE = "include"
    EXCLUDE = "exclude"


class LearnedFrom(Word):
    """Who said behind which port a sled is, strongest first."""

    DDM = "ddm"
    INVENTORY = "inventory"
    PARENT = "parent"
    OLD_INVENTORY = "old_inventory"
    """Too old, or of the future, when it was last seen: good for adding a member, never for removing one."""


class Subject(Word):
    """Whose row a transition is about."""

    GROUP = "group"
    MEMBER = "member"


@frozen(kw_only=True)
class GroupSources:
    """Whose packets the live members ask for."""

    any: bool
    """Some live member takes any source."""

    specific: tuple[UnicastSource, ...] = field(converter=addresses)
    """The union of what live members name."""


@frozen(kw_only=True)
class PlannedGroup:
    """A group that has or will have dataplane state."""

    id: UUID
    name: str
    multicast_ip: ExternalGroup
    underlay_ip: UnderlayGroup
    salt: int
    tag: Tag
    vni: int = FLEET_VNI
    next_hop_switch: SwitchSlot
    sources: GroupSources
    receiving: bool
    """Some instance hears it now; without a receiver there are no routes, mappings, filters or members."""

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.multicast_ip.key, self.underlay_ip.key, self.id.int)


@frozen(kw_only=True, weakref_slot=False)
class MemberPort:
    """A port that gets one copy of each packet of an underlay group."""

    port_id: PortId
    link_id: int = 0
    direction: Direction = Direction.UNDERLAY

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.port_id.kind, self.port_id.number, self.link_id, self.direction)


@frozen(kw_only=True, weakref_slot=False)
class UnderlayEntry:
    """An underlay group on a switch."""

    group_ip: UnderlayGroup
    tag: Tag
    members: tuple[MemberPort, ...] = field(converter=in_order)
    complete: bool
    """False: the list is a lower bound; members may be added on its strength and never removed."""

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.group_ip.key, self.tag.text)


@frozen(kw_only=True)
class ExternalEntryRow:
    """An external group on a switch: the translation into its underlay group, and the source filter."""

    group_ip: ExternalGroup
    tag: Tag
    internal_ip: UnderlayGroup
    inner_mac: MulticastMac
    vni: int = FLEET_VNI
    vlan_id: int | None = None
    sources: tuple[UnicastSource, ...] | None = field(converter=maybe_addresses)
    """None: any source. Empty: no live member asks for anything, so an entry that is there stays as it is
    and none is made (switches refuse a source-specific group without sources)."""

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.group_ip.key, self.internal_ip.key, self.tag.text)


@frozen(kw_only=True, weakref_slot=False)
class MribRoute:
    """A multicast route: (*,G) where ``source`` is None, else (S,G)."""

    group: ExternalGroup
    source: UnicastSource | None
    vni: int = FLEET_VNI
    underlay_group: UnderlayGroup

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.group.key, address_key(self.source), self.underlay_group.key, self.vni)


@frozen(kw_only=True)
class SwitchTables:
    """What one switch shall hold."""

    generation: int
    """Grows by one whenever this switch's tables change."""

    underlay_groups: tuple[UnderlayEntry, ...] = field(converter=in_order)
    external_groups: tuple[ExternalEntryRow, ...] = field(converter=in_order)
    mrib_routes: tuple[MribRoute, ...] = field(converter=in_order)


@frozen(kw_only=True, weakref_slot=False)
class M2pEntry:
    """A sled's mapping of an external group to its underlay group."""

    group: ExternalGroup
    underlay: UnderlayGroup

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.group.key, self.underlay.key)


@frozen(kw_only=True)
class HopFilter:
    """Which sources a next hop lets through; exclude with no sources is everything."""

    mode: FilterMode = FilterMode.EXCLUDE
    sources: tuple[UnicastSource, ...] = field(default=(), converter=addresses)


@frozen(kw_only=True)
class NextHop:
    """A switch that takes a sled's packets of one underlay group and replicates them."""

    next_hop: UnderlayUnicast
    replication: Replication = Replication.UNDERLAY
    filter: HopFilter = field(factory=HopFilter)

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.next_hop.key, self.replication)


@frozen(kw_only=True)
class ForwardingEntry:
    """Where a sled sends packets of one underlay group."""

    underlay: UnderlayGroup
    next_hops: tuple[NextHop, ...] = field(converter=in_order)

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.underlay.key,)


@frozen(kw_only=True, weakref_slot=False)
class NicFilter:
    """An underlay group that a NIC lets in."""

    nic: str
    underlay: UnderlayGroup
    mac: MulticastMac

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.underlay.key, self.nic, self.mac.text)


@frozen(kw_only=True, weakref_slot=False)  # most rows of a large blueprint are these: as small as they can be
class Subscription:
    """What one instance's port hears of one group."""

    instance_id: UUID = field(eq=BY_NUMBER)
    propolis_id: UUID = field(eq=BY_NUMBER)
    group_ip: ExternalGroup
    sources: tuple[UnicastSource, ...] = field(converter=addresses)
    """Empty: any source."""

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.group_ip.key, self.instance_id.int, self.propolis_id.int)


@frozen(kw_only=True)
class Departure:
    """A leave owed on a sled; subscriptions cannot be read back, so it is said here and may be said again."""

    instance_id: UUID = field(eq=BY_NUMBER)
    propolis_id: UUID = field(eq=BY_NUMBER)
    group_ip: ExternalGroup

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.group_ip.key, self.instance_id.int, self.propolis_id.int)


@frozen(kw_only=True)
class SledTables:
    """What one sled shall hold.

    The first three tables come sorted (`in_order`) and are kept as the very objects given, so that sleds can
    share them (rule B2).
    """

    generation: int
    m2p: tuple[M2pEntry, ...]
    forwarding: tuple[ForwardingEntry, ...]
    nic_filters: tuple[NicFilter, ...]
    subscriptions: tuple[Subscription, ...] = field(converter=in_order)
    departures: tuple[Departure, ...] = field(converter=in_order)


@frozen(kw_only=True)
class SledPort:
    """The port behind which a sled is on one switch."""

    port_id: PortId
    link_id: int = 0
    learned_from: LearnedFrom


@frozen(kw_only=True)
class Transition:
    """What the datastore should be told once the state is in effect."""

    subject: Subject
    id: UUID
    from_: str = field(converter=str)
    to: str = field(converter=str)
    sled_id: UUID | None = None
    because: str

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.subject, self.id.int, self.from_, self.to)


@frozen(kw_only=True)
class HeardBy:
    """A port that heard a held group when it was last planned."""

    sled_id: UUID
    instance_id: UUID
    propolis_id: UUID
    group_ip: ExternalGroup

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.group_ip.key, self.sled_id.int, self.instance_id.int, self.propolis_id.int)


@frozen(kw_only=True)
class HeldGroup:
    """A group that could not be planned: nothing of it is added, changed or removed anywhere.

    What it had is remembered, because it still has it: its addresses stay taken, and who hears it is owed a leave if
    it is not wanted when the group is planned again.
    """

    id: UUID
    multicast_ip: Address
    because: str
    """The code of the finding that holds it."""

    planned: PlannedGroup | None = None
    """As it was last planned; None if it never was."""

    heard_by: tuple[HeardBy, ...] = field(default=(), converter=in_order)

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.multicast_ip.key, self.id.int)


@frozen(kw_only=True)
class FormerGroup:
    """A group that ports have yet to leave, on an address where it is not planned any more.

    Subscriptions go by address: as long as they stand, another group there would be heard by its members.
    """

    id: UUID
    multicast_ip: ExternalGroup

    @property
    def sort_key(self) -> Key:
        """Rule B1."""
        return (self.multicast_ip.key, self.id.int)


@frozen(kw_only=True)
class Made:
    """Who made a blueprint, and when; outside the digest."""

    at: datetime | None = None
    by: str | None = None
    comment: str | None = None
    planner: str | None = None


@frozen(kw_only=True)
class ParentRef:
    """The blueprint that this one was planned after."""

    id: UUID
    digest: str


Ports = Mapping[UUID, Mapping[SwitchSlot, SledPort | None]]
"""Sled, then switch, to the port behind which the sled is; None where nobody knows."""


def _ports(table: Ports) -> Ports:
    return by_uuid({sled: by_slot(row) for sled, row in table.items()})


@frozen(kw_only=True)
class Content:
    """All that a plan decides; two plans are the same plan when their contents are equal."""

    rack_id: UUID
    policy: Policy
    groups: tuple[PlannedGroup, ...] = field(converter=in_order)
    held: tuple[HeldGroup, ...] = field(converter=in_order)
    former_groups: tuple[FormerGroup, ...] = field(default=(), converter=in_order)
    switches: Mapping[SwitchSlot, SwitchTables] = field(converter=by_slot)
    missing_switches: tuple[SwitchSlot, ...] = field(default=(), converter=slots)
    """Switches that an earlier plan named and this one does not: they may hold whatever they held."""

    sleds: Mapping[UUID, SledTables] = field(converter=by_uuid)
    ports: Ports = field(converter=_ports)
    transitions: tuple[Transition, ...] = field(converter=in_order)
    findings: tuple[Finding, ...] = field(converter=sorted_findings)
    causes: Causes = NO_CAUSES
    """Why all of the above is as it is."""


Named = tuple[UUID, str, tuple[str, ...]]
"""Id, digest, and the text that they are made of."""


@frozen(kw_only=True)
class Blueprint(Content):
    """A plan with its name and its ancestors."""

    id: UUID
    """A function of the digest: same snapshot, same parent, same id."""

    digest: str
    """``sha256:`` over the canonical text without ``id``, ``digest`` and ``made``."""

    parent: ParentRef | None
    generation: int
    snapshot_digest: str
    made: Made | None = None

    body: tuple[str, ...] | None = field(init=False, default=None, eq=False, repr=False)
    """The canonical text of the content in pieces, where it was made for the digest; a changed blueprint has none."""

    _name: Callable[["Blueprint"], Named] | None = field(init=False, default=None, eq=False, repr=False)

    def keep_body(self, body: tuple[str, ...]) -> None:
        """Remember the text of this very content."""
        object.__setattr__(self, "body", body)

    def name_later(self, name: Callable[["Blueprint"], Named]) -> None:
        """Have *name* make id, digest and text when somebody asks for one of them: it takes its time."""
        for attribute in LATER:
            object.__delattr__(self, attribute)
        object.__setattr__(self, "_name", name)


def _made_now(blueprint: Blueprint, attribute: str) -> Any:
    """Return what was to be made later; asked for whatever the blueprint does not have."""
    if attribute not in LATER or blueprint._name is None:  # noqa: SLF001  # its own
        raise AttributeError(f"{type(blueprint).__name__} has no {attribute}")
    for name, value in zip(LATER, blueprint._name(blueprint), strict=True):  # noqa: SLF001  # its own
        object.__setattr__(blueprint, name, value)
    return object.__getattribute__(blueprint, attribute)


# Not in the class, where type checkers would see it and take every misspelt attribute for one.
Blueprint.__getattr__ = _made_now  # type: ignore[attr-defined]

LATER = ("id", "digest", "body")
"""What `Blueprint.name_later` is about."""

CONTENT_FIELDS = tuple(attribute.name for attribute in fields(Content))
"""The names of what a plan decides, and of why."""
