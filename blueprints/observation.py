"""The observation: what the rack's daemons said they hold (`format: rackcast.observation/1`).

Every table is complete as the daemon gave it, or None: *unknown*, with the reason among the silences. Objects of
other owners are in it too, so addresses here are any addresses and tags any text.

This file does not know how daemons are asked, nor what should be there.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from attrs import field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Direction, FilterMode
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.ordering import (
    Key,
    address_key,
    addresses,
    by_slot,
    by_uuid,
    in_order,
    maybe_addresses,
    maybe_in_order,
)

OBSERVATION_FORMAT = "rackcast.observation/1"


@frozen(kw_only=True, weakref_slot=False)
class SeenMember:
    """A member of an underlay group as a switch reports it."""

    port_id: PortId
    link_id: int
    direction: Direction

    @property
    def sort_key(self) -> Key:
        """In the order of the fields."""
        return (self.port_id, self.link_id, self.direction)


@frozen(kw_only=True, weakref_slot=False)
class SeenUnderlay:
    """An underlay group that a switch reports. Its two group ids mean nothing beyond that switch: left out."""

    group_ip: Address
    tag: str
    members: tuple[SeenMember, ...] = field(converter=in_order)

    @property
    def sort_key(self) -> Key:
        """IPv4 before IPv6, then by number."""
        return (self.group_ip.key, self.tag)


@frozen(kw_only=True)
class SeenExternal:
    """An external group that a switch reports; None where the switch says nothing."""

    group_ip: Address
    tag: str
    internal_ip: Address | None
    inner_mac: str | None
    vni: int | None
    vlan_id: int | None
    sources: tuple[Address, ...] | None = field(converter=maybe_addresses)
    """None: any source."""

    astray: bool = False
    """Its underlay group is gone, or was made anew since: the chip still leads to the former one, which is nobody."""

    @property
    def sort_key(self) -> Key:
        """IPv4 before IPv6, then by number."""
        return (self.group_ip.key, self.tag)


@frozen(kw_only=True, weakref_slot=False)
class SeenRoute:
    """A static multicast route that mgd keeps."""

    group: Address
    source: Address | None
    vni: int
    underlay_group: Address

    @property
    def sort_key(self) -> Key:
        """IPv4 before IPv6, then by number."""
        return (self.group.key, address_key(self.source), self.underlay_group.key, self.vni)


@frozen(kw_only=True)
class SeenM2p:
    """A mapping that a sled reports."""

    group: Address
    underlay: Address

    @property
    def sort_key(self) -> Key:
        """IPv4 before IPv6, then by number."""
        return (self.group.key, self.underlay.key)


@frozen(kw_only=True)
class SeenHop:
    """A next hop that a sled reports."""

    next_hop: Address
    replication: str
    mode: FilterMode
    sources: tuple[Address, ...] = field(converter=addresses)

    @property
    def inert(self) -> bool:
        """Whether no packet ever takes it: "include nobody" is how a hop is switched off without a gap."""
        return self.mode is FilterMode.INCLUDE and not self.sources

    @property
    def sort_key(self) -> Key:
        """IPv4 before IPv6, then by number."""
        return (self.next_hop.key, self.replication)


@frozen(kw_only=True)
class SeenForwarding:
    """A forwarding entry that a sled reports."""

    underlay: Address
    next_hops: tuple[SeenHop, ...] = field(converter=in_order)

    @property
    def sort_key(self) -> Key:
        """IPv4 before IPv6, then by number."""
        return (self.underlay.key,)


@frozen(kw_only=True)
class Opaque:
    """An object of which a daemon says something that this version has no word for: it is only ever read."""

    table: str
    """Where it stands, such as ``underlay_groups``."""

    address: Address
    """What it is looked up by: the group, or the underlay group of a forwarding entry."""

    tag: str | None
    """None where objects carry none."""

    because: str

    @property
    def sort_key(self) -> Key:
        """By table, then by address."""
        return (self.table, self.address.key, self.because)


@frozen(kw_only=True)
class SwitchObservation:
    """What the daemons of one switch said. dpd gives the first two together, mgd the third."""

    underlay_groups: tuple[SeenUnderlay, ...] | None = field(converter=maybe_in_order)
    external_groups: tuple[SeenExternal, ...] | None = field(converter=maybe_in_order)
    mrib_routes: tuple[SeenRoute, ...] | None = field(converter=maybe_in_order)
    opaque: tuple[Opaque, ...] = field(default=(), converter=in_order)


@frozen(kw_only=True)
class SledObservation:
    """What one sled-agent said."""

    m2p: tuple[SeenM2p, ...] | None = field(converter=maybe_in_order)
    forwarding: tuple[SeenForwarding, ...] | None = field(converter=maybe_in_order)
    opaque: tuple[Opaque, ...] = field(default=(), converter=in_order)


@frozen(kw_only=True)
class Silence:
    """A target that gave no answer to trust, and why."""

    target: str
    """Such as ``switch0 dpd`` or ``sled 5f0c…``."""

    reason: str

    @property
    def sort_key(self) -> Key:
        """In the order of the fields."""
        return (self.target, self.reason)


@frozen(kw_only=True)
class Observation:
    """What a rack said at one time."""

    observed_at: datetime | None = None
    switches: Mapping[SwitchSlot, SwitchObservation] = field(converter=by_slot, repr=False)
    sleds: Mapping[UUID, SledObservation] = field(converter=by_uuid, repr=False)
    """Neither is in the repr, which `asyncio.run` asks for, twice, of what it returns: that took as long as reading
    the rack."""

    silent: tuple[Silence, ...] = field(converter=in_order)
