"""The planner's choices, worked out a second time: underlay addresses by trying salts, next hops by hashing."""

from collections.abc import Iterable
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from blueprints.snapshot import Group, Snapshot


def underlay(ip: IPv4Address | IPv6Address, salt: int) -> str:
    """Return the underlay address of *ip* under *salt*, folded byte by byte."""
    packed = ip.packed.rjust(16, b"\0")
    folded = bytearray(high ^ low for high, low in zip(packed[:8], packed[8:], strict=True))
    folded[-1] ^= salt
    return str(IPv6Address(bytes.fromhex("ff04000000000000") + bytes(folded)))


def underlay_addresses(snapshot: Snapshot, wanted: Iterable[Group]) -> dict[UUID, str | None]:
    """Return where each of the *wanted* groups lives in a first plan of *snapshot*; None where no address is left."""
    rows = {row.id: row.multicast_ip.text for row in snapshot.underlay_groups}
    standing = {group.id: rows[group.underlay_group_id] for group in wanted if group.underlay_group_id in rows}
    taken = set(rows.values())
    found: dict[UUID, str | None] = dict(standing)
    for group in sorted(wanted, key=lambda group: group.id.int):
        if group.id not in standing:
            found[group.id] = None
            for salt in range(group.underlay_salt or 0, 256):
                address = underlay(group.multicast_ip.ip, salt)
                if address not in taken:
                    found[group.id] = address
                    taken.add(address)
                    break
    return found


def next_hop(group: UUID, slots: Iterable[str]) -> str:
    """Return the slot that wins *group*: the highest SHA-256 of ``<group uuid>/<slot>``, as hexadecimal text."""
    return max(slots, key=lambda slot: sha256(f"{group}/{slot}".encode("ascii")).hexdigest())
