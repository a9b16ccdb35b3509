"""What becomes of a rack from one snapshot to the next: a table of changes, each a small function of rows.

A change that does not apply to the rows as they are does nothing. This file does not know who plans, nor what of
it is seen.
"""

from collections.abc import Callable

from attrs import evolve

from blueprints.snapshot import GroupState, Instance, InstanceState, MemberState
from tests.campaign.rows import ADDRESSES, MIGRATION, Rows
from tests.simrack.rows import NOON

Change = Callable[[Rows], None]


def _running(rows: Rows) -> list[Instance]:
    return [row for row in rows.snapshot.instances if row.active_vmm is not None]


def join(rows: Rows) -> None:
    """An instance becomes a member of a group."""
    taken = {(row.group_id, row.instance_id) for row in rows.live_members()}
    pairs = [
        (group, who)
        for group in rows.live_groups()
        for who in rows.snapshot.instances
        if (group.id, who.id) not in taken
    ]
    if pairs:
        rows.add_member(*rows.random.choice(pairs))


def leave(rows: Rows) -> None:
    """A membership ends; its tombstone says where it was."""
    live = rows.live_members()
    if live:
        row = rows.random.choice(live)
        rows.replace_member(evolve(row, state=MemberState.LEFT, time_deleted=NOON))


def change_sources(rows: Rows) -> None:
    """A member wants to hear others."""
    live = rows.live_members()
    if live:
        row = rows.random.choice(live)
        rows.replace_member(evolve(row, source_ips=rows.sources_for(row.multicast_ip)))


def start(rows: Rows) -> None:
    """An instance starts."""
    stopped = [row for row in rows.snapshot.instances if row.active_vmm is None]
    where = rows.some_sled()
    if stopped and where is not None:
        row = rows.random.choice(stopped)
        rows.replace_instance(evolve(row, state=InstanceState.VMM, active_vmm=rows.vmm(where)))


def stop(rows: Rows) -> None:
    """An instance stops."""
    running = _running(rows)
    if running:
        _end(rows, rows.random.choice(running), InstanceState.NO_VMM)


def _end(rows: Rows, row: Instance, state: InstanceState) -> None:
    rows.replace_instance(evolve(row, state=state, active_vmm=None, target_vmm=None, migration_id=None))


def migrate(rows: Rows) -> None:
    """A migration begins: its target runs already."""
    still = [row for row in _running(rows) if row.migration_id is None]
    if not still:
        return
    row = rows.random.choice(still)
    where = rows.some_sled(*([row.active_vmm.sled_id] if row.active_vmm else []))
    if where is not None:
        rows.replace_instance(evolve(row, migration_id=rows.fresh(MIGRATION), target_vmm=rows.vmm(where)))


def arrive(rows: Rows) -> None:
    """A migration ends: the target is the instance."""
    moving = [row for row in rows.snapshot.instances if row.target_vmm is not None]
    if moving:
        row = rows.random.choice(moving)
        rows.replace_instance(evolve(row, migration_id=None, active_vmm=row.target_vmm, target_vmm=None))


def jump(rows: Rows) -> None:
    """An instance stops and runs again elsewhere before anybody looked."""
    running = [row for row in _running(rows) if row.migration_id is None]
    if not running:
        return
    row = rows.random.choice(running)
    where = rows.some_sled(*([row.active_vmm.sled_id] if row.active_vmm else []))
    if where is not None:
        rows.replace_instance(evolve(row, active_vmm=rows.vmm(where)))


def create(rows: Rows) -> None:
    """A group is created at an address that no live group has."""
    taken = {row.multicast_ip.text for row in rows.live_groups()}
    free = [address for address in ADDRESSES if address not in taken]
    if free and len(taken) < 4:
        rows.add_group(rows.random.choice(free))


def delete(rows: Rows) -> None:
    """A group is deleted, its members with it."""
    live = rows.live_groups()
    if not live:
        return
    group = rows.random.choice(live)
    for row in rows.live_members():
        if row.group_id == group.id:
            rows.replace_member(evolve(row, state=MemberState.LEFT, time_deleted=NOON))
    gone = evolve(group, state=GroupState.DELETING, time_deleted=NOON)
    groups = [gone if row.id == group.id else row for row in rows.snapshot.groups]
    rows.snapshot = evolve(rows.snapshot, groups=groups)


def forget(rows: Rows) -> None:
    """The rows of groups that were being deleted go."""
    gone = {row.id for row in rows.snapshot.groups if row.state is GroupState.DELETING}
    rows.snapshot = evolve(
        rows.snapshot,
        groups=[row for row in rows.snapshot.groups if row.id not in gone],
        members=[row for row in rows.snapshot.members if row.group_id not in gone],
    )


def recreate(rows: Rows) -> None:
    """A group is deleted, and its address goes to a new one at once."""
    live = rows.live_groups()
    if live:
        before = {row.id for row in live}
        delete(rows)
        gone = before - {row.id for row in rows.live_groups()}
        if rows.chance(70):
            forget(rows)
        for row in live:
            if row.id in gone:
                rows.add_group(row.multicast_ip.text)


def lose_a_sled(rows: Rows) -> None:
    """A sled dies with all that ran on it."""
    sled = rows.some_sled()
    for row in _running(rows):
        places = [vmm.sled_id for vmm in (row.active_vmm, row.target_vmm) if vmm is not None]
        if sled in places:
            _end(rows, row, InstanceState.FAILED)


CHANGES: tuple[Change, ...] = (
    *(join, join, join, leave, leave, leave, change_sources, change_sources),
    *(start, start, stop, migrate, migrate, arrive, arrive, jump),
    *(create, create, delete, forget, recreate, lose_a_sled),
)
"""What can happen; what stands here more than once is likelier."""
