"""What dpd keeps per group, and the answers that its machine gives instead of doing something.

This file does not know HTTP encodings, nor when what is done.
"""

from attrs import define, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Direction
from blueprints.identifiers import MulticastMac, PortId


@frozen(order=True)
class Port:
    """A member of an underlay group: one copy of each packet goes there."""

    port_id: PortId
    link_id: int
    direction: Direction


Sources = tuple[Address, ...] | None
"""Whose packets are let in; None: everybody's."""


@frozen
class NatTarget:
    """Into what an external group is translated."""

    internal_ip: Address
    inner_mac: MulticastMac
    vni: int


@frozen
class External:
    """The attributes of an external group that a PUT replaces."""

    nat: NatTarget
    vlan_id: int | None
    sources: Sources


@define
class UnderlayGroup:
    """An underlay group as dpd remembers it."""

    group_ip: Address
    tag: str
    members: tuple[Port, ...]
    external_group_id: int
    underlay_group_id: int


@define
class ExternalGroup:
    """An external group as dpd remembers it."""

    group_ip: Address
    tag: str
    external: External
    external_group_id: int
    """Borrowed from the underlay group that was there when it was last looked up."""
