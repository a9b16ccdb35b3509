"""What of a snapshot the tables cannot hold, found before a database is asked: every mistake at once.

This file does not know SQL, nor how rows are made.
"""

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from attrs import frozen

from blueprints.addresses import Address
from blueprints.errors import Mistake
from blueprints.snapshot import InstanceState, SledState, Snapshot
from simrack.datastore.tables import MULTICAST

_Network = IPv4Network | IPv6Network

_MULTICAST = (ip_network("224.0.0.0/4"), ip_network("ff00::/8"))
_UNDERLAY = ip_network("ff04::/16")
_RESERVED_V4 = (ip_network("224.0.0.0/24"),)
_RESERVED_V6 = tuple(ip_network(f"ff0{scope}::/16") for scope in (4, 0, 1, 2))

RESERVED_V6_SINCE = 220

_NAME = 63
"""Characters that a VARCHAR takes."""

_INDEXED = 255
"""Characters of a text without a limit of its own that surely fit into an index over two of them."""

_INT4 = (1 << 31) - 1
_MOST_ERRORS = 65_535
"""Each error of a collection is a row."""


def refusals(snapshot: Snapshot, schema: int) -> tuple[Mistake, ...]:
    """Return everything in *snapshot* that the tables of *schema* refuse; rows are named by their ids."""
    return tuple(
        mistake
        for find in (_tables, _addresses, _states, _repetitions, _texts, _numbers)
        for mistake in find(snapshot, schema)
    )


def _tables(snapshot: Snapshot, schema: int) -> Iterator[Mistake]:
    if schema >= MULTICAST:
        return
    for name in ("groups", "underlay_groups", "members"):
        if getattr(snapshot, name):
            yield Mistake(name, f"schema {schema} has no table for them; the first that has is {MULTICAST}")


def _addresses(snapshot: Snapshot, schema: int) -> Iterator[Mistake]:
    reserved = (*_RESERVED_V4, *(_RESERVED_V6 if schema >= RESERVED_V6_SINCE else ()))
    for group in snapshot.groups:
        reason = _refused_group(group.multicast_ip, reserved)
        if reason is not None:
            check = f"CHECK multicast_group_v{group.multicast_ip.family}"
            yield Mistake(f"groups[{group.id}].multicast_ip", f"{group.multicast_ip} is {reason}; {check} refuses it")
    for row in snapshot.underlay_groups:
        if row.multicast_ip.ip not in _UNDERLAY:
            path = f"underlay_groups[{row.id}].multicast_ip"
            yield Mistake(
                path, f"{row.multicast_ip} is not in {_UNDERLAY}; CHECK underlay_multicast_group_ip refuses it"
            )


def _refused_group(address: Address, reserved: Iterable[_Network]) -> str | None:
    if not any(address.ip in network for network in _MULTICAST):
        return "not a multicast address"
    return next((f"in {network}" for network in reserved if address.ip in network), None)


def _states(snapshot: Snapshot, _: int) -> Iterator[Mistake]:
    for row in snapshot.instances:
        if row.active_vmm is not None and row.state is not InstanceState.VMM:
            message = f"an instance in state {row.state} has no VMM; CHECK vmm_iff_active_propolis refuses it"
            yield Mistake(f"instances[{row.id}].active_vmm", message)


@frozen
class _Once:
    """What no two rows may share."""

    index: str
    path: str
    rows: Callable[[Snapshot], Iterable[Any]]
    key: Callable[[Any], Any]
    name: Callable[[Any], str] = lambda row: row.id


def _live(rows: Iterable[Any]) -> Iterator[Any]:
    return (row for row in rows if row.time_deleted is None)


def _vmms(snapshot: Snapshot) -> Iterator[Any]:
    for row in snapshot.instances:
        yield from (vmm for vmm in (row.active_vmm, row.target_vmm) if vmm is not None)


def _boards(snapshot: Snapshot) -> Iterable[Any]:
    return () if snapshot.inventory is None else snapshot.inventory.service_processors


def _id(row: Any) -> Any:
    return row.id


_ONCE = (
    _Once("the primary key of sled", "sleds[{}].id", lambda s: s.sleds, _id),
    _Once(
        "index sled_board",
        "sleds[{}].serial",
        lambda s: (sled for sled in s.sleds if sled.state is not SledState.DECOMMISSIONED),
        lambda sled: (sled.serial, sled.part),
    ),
    _Once(
        "the primary key of inv_service_processor",
        "inventory.service_processors[{}]",
        _boards,
        lambda board: (board.serial, board.part),
        lambda board: f"{board.type} {board.slot}",
    ),
    _Once("the primary key of multicast_group", "groups[{}].id", lambda s: s.groups, _id),
    _Once(
        "index multicast_group_live_ip",
        "groups[{}].multicast_ip",
        lambda s: _live(s.groups),
        lambda group: group.multicast_ip,
    ),
    _Once("index multicast_group_live_name", "groups[{}].name", lambda s: _live(s.groups), lambda group: group.name),
    _Once("the primary key of underlay_multicast_group", "underlay_groups[{}].id", lambda s: s.underlay_groups, _id),
    _Once(
        "index underlay_multicast_group_live_ip",
        "underlay_groups[{}].multicast_ip",
        lambda s: s.underlay_groups,
        lambda row: row.multicast_ip,
    ),
    _Once("the primary key of multicast_group_member", "members[{}].id", lambda s: s.members, _id),
    _Once(
        "index multicast_group_member_once",
        "members[{}].instance_id",
        lambda s: _live(s.members),
        lambda row: (row.group_id, row.instance_id),
    ),
    _Once("the primary key of instance", "instances[{}].id", lambda s: s.instances, _id),
    _Once("the primary key of vmm", "instances: VMM {}", _vmms, _id),
)


def _repetitions(snapshot: Snapshot, _: int) -> Iterator[Mistake]:
    for once in _ONCE:
        seen = set()
        for row in once.rows(snapshot):
            key = once.key(row)
            if key in seen:
                yield Mistake(
                    once.path.format(once.name(row)), f"an earlier row has the same; {once.index} refuses it"
                )
            seen.add(key)


def _texts(snapshot: Snapshot, _: int) -> Iterator[Mistake]:
    for path, text, most in _all_texts(snapshot):
        if text is not None and len(text) > most:
            yield Mistake(path, f"{len(text)} characters; the table takes {most}")
        if text is not None and not _is_storable(text):
            yield Mistake(path, "holds a character that no database takes as text")


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _all_texts(snapshot: Snapshot) -> Iterator[tuple[str, str | None, int]]:
    for sled in snapshot.sleds:
        yield f"sleds[{sled.id}].serial", sled.serial, _NAME
        yield f"sleds[{sled.id}].part", sled.part, _NAME
    for board in _boards(snapshot):
        path = f"inventory.service_processors[{board.type} {board.slot}]"
        yield f"{path}.serial", board.serial, _INDEXED
        yield f"{path}.part", board.part, _INDEXED
    for group in snapshot.groups:
        yield f"groups[{group.id}].name", group.name, _NAME
        yield f"groups[{group.id}].tag", group.tag, _NAME
    for row in snapshot.underlay_groups:
        yield f"underlay_groups[{row.id}].tag", row.tag, _NAME


def _numbers(snapshot: Snapshot, _: int) -> Iterator[Mistake]:
    for path, number, lowest, highest in _all_numbers(snapshot):
        if not lowest <= number <= highest:
            yield Mistake(path, f"{number} is outside {lowest} to {highest}, which the table can hold")


def _all_numbers(snapshot: Snapshot) -> Iterator[tuple[str, int, int, int]]:
    for group in snapshot.groups:
        yield f"groups[{group.id}].vni", group.vni, -_INT4 - 1, _INT4
    for board in _boards(snapshot):
        yield f"inventory.service_processors[{board.type} {board.slot}].slot", board.slot, -_INT4 - 1, _INT4
    if snapshot.inventory is not None:
        yield "inventory.errors", snapshot.inventory.errors, 0, _MOST_ERRORS
