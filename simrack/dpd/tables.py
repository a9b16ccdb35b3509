"""The chip's tables as dpd shows them: names, sizes, and rows as texts.

Names and sizes are the switch program's, columns are as much of it as tells one row from another. A row that dpd no
longer remembers is here all the same. This file does not know HTTP, tags or soft state.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from blueprints.addresses import Address
from simrack.dpd.chip import TABLE_ROWS, Chip, Entry
from simrack.web.answers import refused

Row = dict[str, Any]


def _row(action: str, keys: Mapping[str, object], **arguments: object) -> Row:
    return {
        "keys": {name: str(value) for name, value in keys.items()},
        "action": action,
        "action_args": {name: str(value) for name, value in arguments.items()},
    }


def _entries(chip: Chip, family: int) -> Iterator[tuple[Address, Entry]]:
    return ((group, chip.entries[group]) for group in sorted(chip.entries) if group.family == family)


def _routes(family: int) -> Callable[[Chip], Iterator[Row]]:
    def rows(chip: Chip) -> Iterator[Row]:
        if family == 6:
            yield from (_row("forward", {"dst_addr": group}) for group in sorted(chip.replication))
        yield from (_row("forward", {"dst_addr": group}) for group, _ in _entries(chip, family))

    return rows


def _translations(family: int) -> Callable[[Chip], Iterator[Row]]:
    def rows(chip: Chip) -> Iterator[Row]:
        for group, entry in _entries(chip, family):
            nat, vlan = entry.external.nat, entry.external.vlan_id
            keys = {"dst_addr": group, "vlan_valid": int(vlan is not None), "vlan_id": vlan or 0}
            yield _row("forward_to", keys, target=nat.internal_ip, inner_mac=nat.inner_mac, vni=nat.vni)

    return rows


def _filters(family: int) -> Callable[[Chip], Iterator[Row]]:
    def rows(chip: Chip) -> Iterator[Row]:
        for group, entry in _entries(chip, family):
            for source in entry.filter_keys(family):
                yield _row("allow_source", {"src_addr": source, "dst_addr": group})

    return rows


def _replications(chip: Chip) -> Iterator[Row]:
    for group in sorted(chip.replication):
        replication = chip.replication[group]
        if replication.ports:
            yield _row("replicate", {"dst_addr": group}, mcast_grp=replication.group_id)


def _bitmaps(chip: Chip) -> Iterator[Row]:
    for group in sorted(chip.replication):
        replication = chip.replication[group]
        ports = ",".join(sorted({str(port.port_id) for port in replication.ports}))
        yield _row("decap_ports", {"mcast_grp": replication.group_id}, ports=ports)


_ROUTER, _NAT = "pipe.Ingress.l3_router.MulticastRouter", "pipe.Ingress.nat_ingress.ingress_ipv"
_MULTICAST = "pipe.Ingress.mcast_ingress.mcast_"

TABLES: Mapping[str, Callable[[Chip], Iterator[Row]]] = MappingProxyType(
    {
        f"{_ROUTER}4.tbl": _routes(4),
        f"{_ROUTER}6.tbl": _routes(6),
        f"{_NAT}4_mcast": _translations(4),
        f"{_NAT}6_mcast": _translations(6),
        f"{_MULTICAST}source_filter_ipv4": _filters(4),
        f"{_MULTICAST}source_filter_ipv6": _filters(6),
        f"{_MULTICAST}replication_ipv6": _replications,
        "pipe.Egress.mcast_egress.tbl_decap_ports": _bitmaps,
    }
)
"""Name to what yields its rows. Source of the names: dendrite, dpd/src/table/mcast."""


def dump(chip: Chip, name: str) -> dict[str, Any]:
    """Return table *name* of *chip*.

    Raises:
        HttpError: 404, no such table.
    """
    rows = TABLES.get(name)
    if rows is None:
        raise refused(404, f"no table {name}")
    return {"name": name, "size": TABLE_ROWS, "entries": list(rows(chip))}
