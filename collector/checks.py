"""Whether the rows of one cut agree with each other: what the planner would have to live with, told to people.

`CHECKS` is the one table of codes; each check below is a function that yields findings with its own codes. None of
them refuses anything: rows stand in the snapshot as they are.

This file does not know SQL, nor what follows from the rows for a plan.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from uuid import UUID

from blueprints.addresses import Address
from blueprints.errors import InvariantError
from blueprints.findings import Finding, Severity, sorted_findings
from blueprints.identifiers import Tag
from blueprints.snapshot import CLOCK_SKEW, GroupState, Inventory
from collector.stored import Stored

_W, _N = Severity.WARNING, Severity.NOTE

_LATE = timedelta(hours=1)
"""Collections are made every ten minutes; of an older one, several have failed: somebody should look."""

CHECKS: Mapping[str, tuple[Severity, str]] = MappingProxyType(
    {
        "board_differs": (_W, "the sled table and the sled itself name different boards"),
        "group_ip_repeated": (_N, "several groups on one address: an old one is still being taken down"),
        "group_outside_pools": (_W, "a live group's address lies in no range of multicast addresses"),
        "group_underlay_differs": (_W, "an active group's underlay row carries another group's tag"),
        "group_underlay_missing": (_W, "an active group has no underlay row"),
        "group_vlan_ignored": (_W, "a group has a VLAN, for which a plan has no place"),
        "inventory_early": (_W, "the inventory collection ends after the datastore was read: clocks disagree"),
        "inventory_late": (_W, "the inventory collection is older than an hour: sleds may have moved since"),
        "inventory_missing": (_W, "no inventory collection: nothing says which board sits in which cubby"),
        "inventory_partial": (_N, "the inventory collection had errors: absence from it proves nothing"),
        "member_instance_missing": (_W, "a live member's instance has no row"),
        "member_ip_differs": (_W, "a live member's copy of the group address is not the group's"),
        "member_is_probe": (_W, "a live member is a probe: the group is kept, where the probe listens is not known"),
        "member_without_address": (_W, "a member's group has no row, and only that had the address: left out"),
        "racks_several": (_N, "the sleds belong to several racks"),
        "slot_repeated": (_W, "several service processors of one kind say one slot"),
        "underlay_row_unused": (_N, "no group names this underlay row; its address stays taken"),
        "vmm_sled_missing": (_W, "a VMM is on a sled that has no row"),
    }
)
"""Code -> severity and meaning."""


def found(code: str, subject: str, message: str) -> Finding:
    """Return the finding *code* with the severity of the table.

    Raises:
        InvariantError: the table does not know *code*.
    """
    if code not in CHECKS:
        raise InvariantError("CHECKS", f"no such code: {code}")
    return Finding(code=code, severity=CHECKS[code][0], subject=subject, message=message)


def check(stored: Stored) -> tuple[Finding, ...]:
    """Return what reading found and what the checks find, each once, sorted."""
    return sorted_findings([*stored.findings, *(finding for run in _RUNS for finding in run(stored))])


def _underlay_of_active_groups(stored: Stored) -> Iterator[Finding]:
    rows = {row.id: row for row in stored.underlay_groups}
    for group in stored.groups:
        if group.state is not GroupState.ACTIVE or group.time_deleted is not None:
            continue
        row = None if group.underlay_group_id is None else rows.get(group.underlay_group_id)
        if row is None:
            named = "it names none" if group.underlay_group_id is None else f"{group.underlay_group_id} has no row"
            yield found("group_underlay_missing", f"group {group.id}", named)
        elif row.tag != (group.tag or str(Tag.of_group(group.id, group.multicast_ip))):
            message = f"underlay row {row.id} carries {_said(row.tag)}, the group {_said(group.tag)}"
            yield found("group_underlay_differs", f"group {group.id}", message)


def _said(tag: str | None) -> str:
    return "no tag" if tag is None else f"the tag {tag!r}"


def _unused_underlay_rows(stored: Stored) -> Iterator[Finding]:
    named = {group.underlay_group_id for group in stored.groups}
    for row in stored.underlay_groups:
        if row.id not in named:
            yield found("underlay_row_unused", f"underlay row {row.id}", f"{row.multicast_ip} stays taken")


def _groups_on_one_address(stored: Stored) -> Iterator[Finding]:
    by_address: dict[Address, list[str]] = {}
    for group in stored.groups:
        by_address.setdefault(group.multicast_ip, []).append(f"{group.id} ({group.state})")
    for address, named in by_address.items():
        if len(named) > 1:
            yield found("group_ip_repeated", f"address {address}", "groups " + ", ".join(sorted(named)))


def _groups_outside_pools(stored: Stored) -> Iterator[Finding]:
    for group in stored.groups:
        key = group.multicast_ip.key
        if group.time_deleted is None and not any(p.first.key <= key <= p.last.key for p in stored.pools):
            yield found("group_outside_pools", f"group {group.id}", f"{group.multicast_ip} is in no multicast pool")


def _members(stored: Stored) -> Iterator[Finding]:
    # By number: a rack has tens of thousands of members, and hashing a UUID is a call of its own.
    addresses = {group.id.int: group.multicast_ip for group in stored.groups}
    known = {instance.id.int for instance in stored.instances}
    odd = [
        member
        for member in stored.members
        if addresses.get(member.group_id.int) is not member.multicast_ip or member.instance_id.int not in known
    ]
    probes = {finding.subject for finding in stored.findings if finding.code == "member_is_probe"}
    for member in odd:
        if member.time_deleted is not None:
            continue
        address = addresses.get(member.group_id.int, member.multicast_ip)
        if address != member.multicast_ip:
            message = f"{member.multicast_ip}, and group {member.group_id} has {address}"
            yield found("member_ip_differs", f"member {member.id}", message)
        if member.instance_id.int not in known and f"member {member.id}" not in probes:
            yield found("member_instance_missing", f"member {member.id}", f"instance {member.instance_id} has no row")


def _sleds_of_vmms(stored: Stored) -> Iterator[Finding]:
    known = {row.sled.id.int for row in stored.sleds}
    for instance in stored.instances:
        for vmm in (instance.active_vmm, instance.target_vmm):
            if vmm is not None and vmm.sled_id.int not in known:
                message = f"instance {instance.id}: sled {vmm.sled_id} has no row"
                yield found("vmm_sled_missing", f"VMM {vmm.id}", message)


def _boards(stored: Stored) -> Iterator[Finding]:
    boards = {board.sled_id: board for board in stored.boards if board.serial is not None}
    for row in stored.sleds:
        board = boards.get(row.sled.id)
        if board is not None and (board.serial, board.part) != (row.sled.serial, row.sled.part):
            message = f"{row.sled.serial} {row.sled.part} in its row, {board.serial} {board.part} in the inventory"
            yield found("board_differs", f"sled {row.sled.id}", message)


def _slots(stored: Stored) -> Iterator[Finding]:
    if stored.inventory is None:
        return
    claims = Counter((board.type, board.slot) for board in stored.inventory.service_processors)
    for (kind, slot), count in claims.items():
        if count > 1:
            yield found("slot_repeated", f"{kind} {slot}", f"{count} service processors say it")


def _inventory(stored: Stored) -> Iterator[Finding]:
    inventory = stored.inventory
    if inventory is None:
        yield found("inventory_missing", "inventory", "the datastore holds no collection")
        return
    subject = f"collection {inventory.collection_id}"
    if inventory.errors:
        yield found("inventory_partial", subject, f"{inventory.errors} errors")
    yield from _age(inventory, stored, subject)


def _age(inventory: Inventory, stored: Stored, subject: str) -> Iterator[Finding]:
    age = stored.taken_at - inventory.completed_at
    ended = f"it ended {inventory.completed_at:%Y-%m-%d %H:%M:%S} UTC"
    if age > _LATE:
        yield found("inventory_late", subject, f"{ended}, {age} before the datastore was read")
    elif -age > CLOCK_SKEW:
        yield found("inventory_early", subject, f"{ended}, {-age} after the datastore was read")


def _racks(stored: Stored) -> Iterator[Finding]:
    counts: Counter[UUID] = Counter(row.rack_id for row in stored.sleds)
    if len(counts) > 1:
        listed = ", ".join(f"{rack} ({counts[rack]} sleds)" for rack in sorted(counts))
        yield found("racks_several", "sleds", f"of racks {listed}")


_RUNS: Iterable[Callable[[Stored], Iterator[Finding]]] = (
    _underlay_of_active_groups,
    _unused_underlay_rows,
    _groups_on_one_address,
    _groups_outside_pools,
    _members,
    _sleds_of_vmms,
    _boards,
    _slots,
    _inventory,
    _racks,
)
