"""Facts: what causes call the things that a plan was made from, as people read them.

A row is named by its table and id, a choice of the parent by what it is about. Some facts are answers to a question,
such as who else is on an address: they change when a row comes that nobody could have named before. This file does
not know who cites what.
"""

from ipaddress import IPv6Address
from uuid import UUID

from blueprints.addresses import Address, underlay_address
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.snapshot import Peer, ServiceProcessor

SWITCHES = "switches of the rack"
INVENTORY = "age of the inventory"
TIME = "time of the snapshot"
UNDERLAY_ROWS = "underlay rows and links"


def group(name: UUID) -> str:
    """Return the row of a group."""
    return f"group {name}"


def groups_on(address: Address | str) -> str:
    """Return which rows of groups have an address."""
    return f"groups on {address}"


def groups_at(address: Address) -> str:
    """Return which groups a row or the parent puts on an underlay address."""
    return f"groups at {address}"


def block(address: Address) -> str:
    """Return what is taken of the 256 underlay addresses to which salts lead from *address*."""
    return block_of(underlay_address(address, 0))


def block_of(address: Address) -> str:
    """Return the same for an underlay address among them."""
    return f"underlay addresses from {IPv6Address(address.key[1] & ~0xFF)}"


def underlay(name: UUID) -> str:
    """Return the row of an underlay group."""
    return f"underlay {name}"


def member(name: UUID) -> str:
    """Return the row of a member."""
    return f"member {name}"


def members_of(name: UUID) -> str:
    """Return which live members a group has."""
    return f"members of group {name}"


def memberships(instance: UUID, address: str) -> str:
    """Return the rows, tombstones included, that make an instance a member on an address."""
    return f"memberships of instance {instance} on {address}"


def about_member(name: UUID) -> str:
    """Return everything that decides what becomes of a member's row."""
    return f"life of member {name}"


def instance(name: UUID) -> str:
    """Return the row of an instance with its processes."""
    return f"instance {name}"


def sled(name: UUID) -> str:
    """Return the row of a sled."""
    return f"sled {name}"


def switch(slot: SwitchSlot) -> str:
    """Return a switch, and where it is."""
    return f"switch {slot}"


def backplane(slot: SwitchSlot) -> str:
    """Return the ports that a switch says it has."""
    return f"backplane of {slot}"


def peers_read(slot: SwitchSlot) -> str:
    """Return whether a switch told its DDM peers, however many."""
    return f"whether the peers of {slot} were read"


def peer(slot: SwitchSlot, row: Peer) -> str:
    """Return a DDM peer of a switch."""
    return f"peer {slot} {row.if_name} {row.host} {row.addr}"


def board(row: ServiceProcessor) -> str:
    """Return a board of the inventory."""
    return f"board {row.type} {row.slot} {row.serial} {row.part}"


def said_of(name: UUID, slot: SwitchSlot) -> str:
    """Return all that anybody says of where a sled is."""
    return f"what is said of sled {name} on {slot}"


def said_behind(port: PortId, slot: SwitchSlot) -> str:
    """Return who is said to be behind a port."""
    return f"who is said to be behind {port} on {slot}"


def policy(name: str) -> str:
    """Return what operators have settled."""
    return f"policy {name}"


def parent_group(name: UUID) -> str:
    """Return a group as the parent has it: address, salt, next hop, sources."""
    return f"parent's group {name}"


def parent_sled(name: UUID) -> str:
    """Return whether the parent has a sled."""
    return f"parent's sled {name}"


def parent_nics(name: UUID) -> str:
    """Return the NICs that the parent's filters of a sled name."""
    return f"parent's NICs of sled {name}"


def parent_port(name: UUID, slot: SwitchSlot) -> str:
    """Return the parent's port of a sled."""
    return f"parent's port of sled {name} on {slot}"


def memory(instance: UUID, address: Address | str) -> str:
    """Return what the parent had an instance hear on an address."""
    return f"parent's subscription of instance {instance} to {address}"


def parent_leave(sled: UUID, propolis: UUID, address: Address) -> str:
    """Return that the parent had a process hear, or leave, an address on a sled."""
    return f"parent's word on process {propolis} and {address} on sled {sled}"
