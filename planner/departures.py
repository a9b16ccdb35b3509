"""Pass 10: the leaves that sleds are owed.

Needs      tombstones; the parent's subscriptions and departures; ``draft.subscriptions``.
Adds       the departures of ``draft.sled_tables`` with their causes; the memory of ``draft.held``.
Promises   what cannot be read back is not forgotten before it is undone: a subscription of the parent leaves the
           plan as a departure for as long as its VMM lives on that sled. Nothing that is wanted departs.
"""

from collections.abc import Iterable
from uuid import UUID

from attrs import evolve

from blueprints.addresses import Address, ExternalGroup
from blueprints.blueprint import Departure, HeardBy, HeldGroup, Subscription
from blueprints.causes import DepartureCauses
from blueprints.snapshot import Member, MemberState
from planner.draft import Draft
from planner.life_cycle import processes

Owed = tuple[UUID, Departure]
"""A sled and a leave."""


def list_departures(draft: Draft) -> Draft:
    """Return *draft* with the departures of every sled, and with what held groups have remembered."""
    held = {group.multicast_ip for group in draft.held}
    owed: dict[UUID, dict[Departure, list[Member | None]]] = {}
    for sled, leave, row in (*_of_tombstones(draft), *((*pair, None) for pair in _of_parent(draft))):
        if leave.group_ip not in held and sled in draft.sleds:
            owed.setdefault(sled, {}).setdefault(leave, []).append(row)
    wanted = _wanted(draft) if owed else frozenset()
    tables = dict(draft.sled_tables)
    causes: list[DepartureCauses] = []
    for sled, leaves in owed.items():
        unwanted = {leave for leave in leaves if (leave.propolis_id.int, leave.group_ip.text) not in wanted}
        tables[sled] = evolve(tables[sled], departures=unwanted)
        causes += [_cause(sled, leave, leaves[leave], has_parent=draft.parent is not None) for leave in unwanted]
    return evolve(draft, sled_tables=tables, departure_causes=tuple(causes), held=remember(draft, draft.held))


def _cause(sled: UUID, leave: Departure, said: list[Member | None], *, has_parent: bool) -> DepartureCauses:
    """Return who said that *leave* is owed: tombstones, and the parent for None."""
    return DepartureCauses(
        sled=sled,
        propolis=leave.propolis_id,
        group_ip=leave.group_ip,
        tombstones=tuple(sorted(row.id for row in said if row is not None)),
        new=has_parent and None not in said,
    )


def _wanted(draft: Draft) -> frozenset[tuple[int, str]]:
    """Return the processes, by number, with the addresses that they shall hear on whatever sled."""
    return frozenset(
        (row.propolis_id.int, row.group_ip.text) for rows in draft.subscriptions.values() for row in rows
    )


def remember(draft: Draft, groups: Iterable[HeldGroup]) -> tuple[HeldGroup, ...]:
    """Return *groups*, which are held, with what the parent had of them: it is still on the rack."""
    heard: dict[Address, set[HeardBy]] = {}
    for sled, leave in _of_parent(draft):
        row = HeardBy(
            sled_id=sled, instance_id=leave.instance_id, propolis_id=leave.propolis_id, group_ip=leave.group_ip
        )
        heard.setdefault(leave.group_ip, set()).add(row)
    return tuple(
        evolve(group, planned=draft.before.get(group.id), heard_by=heard.get(group.multicast_ip, ()))
        for group in groups
    )


def leaves_of(draft: Draft) -> Iterable[tuple[Member, Departure | None]]:
    """Yield each tombstone that names a sled, with the leave that it still owes there."""
    named = [row for row in draft.tombstones if row.sled_id is not None and row.state is MemberState.LEFT]
    addresses = {row.multicast_ip.text for row in named}
    # Instances with the addresses of which they are live members: those memberships own the filter now.
    owners = frozenset(
        (row.instance_id.int, row.multicast_ip.text)
        for row in (draft.live_rows if named else ())
        if row.multicast_ip.text in addresses
    )
    yield from ((row, _leave_of(draft, row, owners)) for row in named)


def _leave_of(draft: Draft, row: Member, owners: frozenset[tuple[int, str]]) -> Departure | None:
    """Return the leave that tombstone *row* still owes on its recorded sled, or None where nothing is to be undone.

    Nothing is owed where a live membership took over, or where the instance's active VMM is no longer there: its
    port went with it.
    """
    if (row.instance_id.int, row.multicast_ip.text) in owners:
        return None
    instance = draft.instances.get(row.instance_id)
    active = instance.active_vmm if instance else None
    if active is None or active.sled_id != row.sled_id or active not in processes(instance):
        return None
    try:
        group = ExternalGroup.of(row.multicast_ip)
    except ValueError:
        return None  # no sled ever took such an address
    return Departure(instance_id=row.instance_id, propolis_id=active.id, group_ip=group)


def _of_tombstones(draft: Draft) -> Iterable[tuple[UUID, Departure, Member]]:
    for row, leave in leaves_of(draft):
        if leave is not None and row.sled_id is not None:
            yield row.sled_id, leave, row


def _of_parent(draft: Draft) -> Iterable[Owed]:
    """Yield a leave for everything that the parent had somebody hear, or owed, where the process still lives."""
    for sled, row in _heard_before(draft):
        alive = processes(draft.instances.get(row.instance_id))
        if any(vmm.id == row.propolis_id and vmm.sled_id == sled for vmm in alive):
            yield (
                sled,
                Departure(instance_id=row.instance_id, propolis_id=row.propolis_id, group_ip=row.group_ip),
            )


def _heard_before(draft: Draft) -> Iterable[tuple[UUID, Subscription | Departure | HeardBy]]:
    if draft.parent is None:
        return
    for sled, tables in draft.parent.sleds.items():
        yield from ((sled, row) for row in tables.subscriptions)
        yield from ((sled, row) for row in tables.departures)
    for group in draft.parent.held:
        yield from ((row.sled_id, row) for row in group.heard_by)
