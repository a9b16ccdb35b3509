"""Rows of groups, their members, and the address space that they lie in.

This file does not know machines or instances.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from uuid import UUID, uuid5

from attrs import frozen

from blueprints.addresses import Address
from blueprints.snapshot import Snapshot
from simrack.addresses import is_source_specific
from simrack.datastore.named import Named


@frozen
class _Range:
    """Addresses that operators gave out: a run of groups of one family and kind, from its first to its last."""

    id: UUID
    pool_id: UUID
    first: Address
    last: Address

    def holds(self, address: Address) -> bool:
        return self.first.key <= address.key <= self.last.key


def _pool_id(snapshot: Snapshot, family: int) -> UUID:
    return uuid5(snapshot.rack_id, f"rackcast multicast pool IPv{family}")


def _ranges(snapshot: Snapshot) -> Iterator[_Range]:
    """Yield ranges that hold every group's address and do not overlap; source-specific ones are apart."""
    used = sorted({group.multicast_ip for group in snapshot.groups})
    for (family, _), run in groupby(used, key=lambda ip: (ip.family, is_source_specific(ip))):
        addresses = list(run)
        pool = _pool_id(snapshot, family)
        yield _Range(uuid5(pool, addresses[0].text), pool, addresses[0], addresses[-1])


def pools(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `ip_pool`: one per family that groups are of."""
    for family in sorted({group.multicast_ip.family for group in snapshot.groups}):
        yield {
            "id": _pool_id(snapshot, family),
            "time_deleted": None,
            "pool_type": "multicast",
            "ip_version": f"v{family}",
            "assignment": "silos",
            "rcgen": 1,
        }


def pool_ranges(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `ip_pool_range`."""
    for part in _ranges(snapshot):
        yield {
            "id": part.id,
            "time_deleted": None,
            "first_address": part.first.text,
            "last_address": part.last.text,
            "ip_pool_id": part.pool_id,
            "rcgen": 1,
        }


def _array(addresses: Iterable[Address]) -> str:
    return "{" + ",".join(address.text for address in addresses) + "}"


def _sources(snapshot: Snapshot) -> dict[UUID, set[Address]]:
    """Return the sources of each group's live members together; none as soon as one of them takes any."""
    sources: dict[UUID, set[Address]] = {}
    takes_any = set()
    for row in snapshot.members:
        if row.time_deleted is None:
            sources.setdefault(row.group_id, set()).update(row.source_ips)
            if not row.source_ips:
                takes_any.add(row.group_id)
    return {group: listed for group, listed in sources.items() if group not in takes_any}


def groups(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `multicast_group`; sources stand there in schemas before 220 alone."""
    sources, ranges = _sources(snapshot), list(_ranges(snapshot))
    for number, group in enumerate(snapshot.groups, start=1):
        part = next(part for part in ranges if part.holds(group.multicast_ip))
        yield {
            "id": group.id,
            "name": group.name,
            "description": "",
            "time_created": group.time_created,
            "time_modified": group.time_deleted or group.time_created,
            "time_deleted": group.time_deleted,
            "vni": group.vni,
            "ip_pool_id": part.pool_id,
            "ip_pool_range_id": part.id,
            "multicast_ip": group.multicast_ip.text,
            "source_ips": _array(sorted(sources.get(group.id, ()))),
            "mvlan": None,
            "underlay_group_id": group.underlay_group_id,
            "tag": group.tag,
            "version_added": number,
            "version_removed": None,
            "underlay_salt": group.underlay_salt,
            "state": group.state.value,
        }


def underlay_groups(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `underlay_multicast_group`."""
    for number, row in enumerate(snapshot.underlay_groups, start=len(snapshot.groups) + 1):
        yield {
            "id": row.id,
            "time_created": snapshot.evaluated_at,
            "time_modified": snapshot.evaluated_at,
            "time_deleted": None,
            "multicast_ip": row.multicast_ip.text,
            "tag": row.tag,
            "version_added": number,
            "version_removed": None,
        }


def members(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `multicast_group_member`, tombstones included."""
    for number, row in enumerate(snapshot.members, start=1):
        since = row.time_deleted or snapshot.evaluated_at
        yield {
            "id": row.id,
            "time_created": since,
            "time_modified": since,
            "time_deleted": row.time_deleted,
            "external_group_id": row.group_id,
            "parent_id": row.instance_id,
            "sled_id": row.sled_id,
            "state": row.state.value,
            "version_added": number,
            "version_removed": None,
            "multicast_ip": row.multicast_ip.text,
            "source_ips": _array(row.source_ips),
            "membership_origin": "static",
            "parent_kind": "instance",
        }
