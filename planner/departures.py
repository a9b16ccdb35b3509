"""Pass 10: the leaves that sleds are owed.

Needs      tombstones; the parent's subscriptions and departures; ``draft.sled_tables``.
Adds       the departures of ``draft.sled_tables`` with their causes; the memory of ``draft.held``; ``draft.former``.
Promises   what cannot be read back is not forgotten before it is undone: a subscription of the parent leaves the
           plan as a departure for as long as its VMM lives on that sled. Nothing that is wanted departs. As long as a
           leave is owed, the plan remembers of which group: its address may be another's by now.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from uuid import UUID

from attrs import evolve, frozen

from blueprints.addresses import ExternalGroup
from blueprints.blueprint import Departure, FormerGroup, HeardBy, HeldGroup, PlannedGroup
from blueprints.causes import DepartureCauses
from blueprints.rows import written
from blueprints.snapshot import MemberState
from blueprints.written import WrittenMember, WrittenSubscription
from planner.draft import Draft
from planner.life_cycle import processes


@frozen
class Heard:
    """What a process heard, or was to leave."""

    instance_id: str
    propolis_id: str
    group_ip: str


def list_departures(draft: Draft) -> Draft:
    """Return *draft* with the departures of every sled, and with what held groups have remembered."""
    held = {group.multicast_ip for group in draft.held}
    owed: dict[UUID, dict[Departure, list[WrittenMember | None]]] = {}
    groups: dict[str, list[str | None]] = {}
    for sled, leave, row in _owed(draft):
        groups.setdefault(leave.group_ip.text, []).append(None if row is None else row.group_id)
        if leave.group_ip not in held and sled in draft.sleds:
            owed.setdefault(sled, {}).setdefault(leave, []).append(row)
    tables = dict(draft.sled_tables)
    causes: list[DepartureCauses] = []
    for sled, leaves in owed.items():
        tables[sled] = evolve(tables[sled], departures=leaves)
        causes += [_cause(sled, leave, said, has_parent=draft.parent is not None) for leave, said in leaves.items()]
    return evolve(
        draft,
        sled_tables=tables,
        departure_causes=tuple(causes),
        held=remember(draft, draft.held),
        former=former_groups(draft, groups),
    )


def former_groups(draft: Draft, owed: Mapping[str, Iterable[str | None]]) -> tuple[FormerGroup, ...]:
    """Return the groups that ports have to leave, and that are not the ones on their addresses now.

    Args:
        draft: what is planned and held, and the parent.
        owed: the addresses that are left, each with the ids of groups that tombstones name, None for the parent's.
    """
    parent = draft.parent
    rows: tuple[FormerGroup | PlannedGroup | HeldGroup, ...] = ()
    if parent is not None:
        rows = (*parent.former_groups, *parent.groups, *parent.held)
    before = {(row.multicast_ip.text, row.id) for row in rows if row.multicast_ip.text in owed}
    now = {(live.address.text, group) for group, live in draft.groups.items()}
    now |= {(group.multicast_ip.text, group.id) for group in draft.held}
    found = {(address, UUID(row)) for address, named in owed.items() for row in named if row is not None}
    found |= {(address, group) for address, group in before if None in owed[address]}
    return tuple(FormerGroup(id=group, multicast_ip=ExternalGroup.parse(text)) for text, group in found - now)


def _owed(draft: Draft) -> Iterable[tuple[UUID, Departure, WrittenMember | None]]:
    """Yield the leaves that are owed with the tombstone that says so, None for the parent; none that is wanted."""
    said = [(sled, leave, row) for row, leave in leaves_of(draft) if leave is not None and (sled := row.sled_id)]
    no_longer = [(sled, row) for sled, rows in _heard_before(draft).items() for row in _missing(draft, sled, rows)]
    concerned = {str(leave.propolis_id) for _, leave, _ in said} | {row.propolis_id for _, row in no_longer}
    wanted = _wanted(draft, concerned) if concerned else frozenset()
    for sled, leave, row in said:
        if (str(leave.propolis_id), leave.group_ip.text) not in wanted:
            yield UUID(sled), leave, row
    for sled, heard in no_longer:
        if _key(heard) not in wanted and _still_lives(draft, sled, heard):
            yield UUID(sled), _leave(heard), None


def _missing(
    draft: Draft, sled: str, rows: Sequence[Heard | WrittenSubscription]
) -> Iterable[Heard | WrittenSubscription]:
    """Return those of *rows* that nobody shall hear on *sled* any more; most sleds go on as they are."""
    tables = draft.sled_tables.get(UUID(sled))
    now = written(tables.subscriptions) if tables is not None else ()
    if rows == now:
        return ()
    wanted = set(map(_key, now))
    return (row for row in rows if _key(row) not in wanted)


def _key(row: Heard | WrittenSubscription) -> tuple[str, str]:
    return row.propolis_id, row.group_ip


def _cause(sled: UUID, leave: Departure, said: list[WrittenMember | None], *, has_parent: bool) -> DepartureCauses:
    """Return who said that *leave* is owed: tombstones, and the parent for None."""
    return DepartureCauses(
        sled=sled,
        propolis=leave.propolis_id,
        group_ip=leave.group_ip,
        tombstones=tuple(sorted(UUID(row.id) for row in said if row is not None)),
        new=has_parent and None not in said,
    )


def _wanted(draft: Draft, concerned: Set[str]) -> frozenset[tuple[str, str]]:
    """Return the processes that are *concerned*, with the addresses that they shall hear on whatever sled."""
    tables = [written(its.subscriptions) for its in draft.sled_tables.values()]
    return frozenset([_key(row) for rows in tables for row in rows if row.propolis_id in concerned])


def remember(draft: Draft, groups: Iterable[HeldGroup]) -> tuple[HeldGroup, ...]:
    """Return *groups*, which are held, with what the parent had of them: it is still on the rack."""
    several = tuple(groups)
    addresses = {group.multicast_ip.text for group in several}
    heard: dict[str, set[HeardBy]] = {}
    for sled, rows in _heard_before(draft).items() if several else ():
        for row in rows:
            if row.group_ip in addresses and _still_lives(draft, sled, row):
                heard.setdefault(row.group_ip, set()).add(_memory(sled, row))
    return tuple(
        evolve(group, planned=draft.before.get(group.id), heard_by=heard.get(group.multicast_ip.text, ()))
        for group in several
    )


def _memory(sled: str, row: Heard | WrittenSubscription) -> HeardBy:
    leave = _leave(row)
    return HeardBy(
        sled_id=UUID(sled), instance_id=leave.instance_id, propolis_id=leave.propolis_id, group_ip=leave.group_ip
    )


def leaves_of(draft: Draft) -> Iterable[tuple[WrittenMember, Departure | None]]:
    """Yield each tombstone that names a sled, with the leave that it still owes there."""
    named = [row for row in draft.tombstones if row.sled_id is not None and row.state is MemberState.LEFT]
    addresses = {row.multicast_ip for row in named}
    # Instances with the addresses of which they are live members: those memberships own the filter now.
    owners = frozenset(
        (row.instance_id, row.multicast_ip)
        for row in (draft.live_rows if named else ())
        if row.multicast_ip in addresses
    )
    yield from ((row, _leave_of(draft, row, owners)) for row in named)


def _leave_of(draft: Draft, row: WrittenMember, owners: frozenset[tuple[str, str]]) -> Departure | None:
    """Return the leave that tombstone *row* still owes on its recorded sled, or None where nothing is to be undone.

    Nothing is owed where a live membership took over, or where the instance's active VMM is no longer there: its
    port went with it.
    """
    if (row.instance_id, row.multicast_ip) in owners:
        return None
    instance = draft.instances.get(row.instance_id)
    active = instance.active_vmm if instance else None
    if active is None or active.sled_id != row.sled_id or active not in processes(instance):
        return None
    try:
        group = ExternalGroup.parse(row.multicast_ip)
    except ValueError:
        return None  # no sled ever took such an address
    return Departure(instance_id=UUID(row.instance_id), propolis_id=UUID(active.id), group_ip=group)


def _leave(row: Heard | WrittenSubscription) -> Departure:
    return Departure(
        instance_id=UUID(row.instance_id),
        propolis_id=UUID(row.propolis_id),
        group_ip=ExternalGroup.parse(row.group_ip),
    )


def _still_lives(draft: Draft, sled: str, row: Heard | WrittenSubscription) -> bool:
    alive = processes(draft.instances.get(row.instance_id))
    return any(vmm.id == row.propolis_id and vmm.sled_id == sled for vmm in alive)


def _heard_before(draft: Draft) -> dict[str, Sequence[Heard | WrittenSubscription]]:
    """Return everything that the parent had somebody hear, or owed, by sled."""
    found: dict[str, Sequence[Heard | WrittenSubscription]] = {}
    if draft.parent is None:
        return found
    for sled, tables in draft.parent.sleds.items():
        rows = written(tables.subscriptions)
        found[str(sled)] = [*rows, *map(_heard, tables.departures)] if tables.departures else rows
    for group in draft.parent.held:
        for row in group.heard_by:
            found[str(row.sled_id)] = [*found.get(str(row.sled_id), ()), _heard(row)]
    return found


def _heard(row: Departure | HeardBy) -> Heard:
    return Heard(str(row.instance_id), str(row.propolis_id), row.group_ip.text)
