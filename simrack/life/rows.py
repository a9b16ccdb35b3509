"""Changes of rows that several kinds of event share, as Nexus's sagas make them.

Source: the transitions of members (omicron, nexus/src/app/sagas and the instance-update saga). This file does not
know events.
"""

from collections.abc import Callable, Iterable
from functools import partial
from uuid import NAMESPACE_OID, UUID, uuid5

from attrs import evolve

from blueprints.snapshot import Instance, InstanceState, Member, MemberState, VmmState
from simrack.life.state import Life, instances_on
from simrack.world import sled_target


def made_id(life: Life, what: str, whose: UUID) -> UUID:
    """Return the id of *what* an event makes for *whose*: the same in every run of a story."""
    return uuid5(NAMESPACE_OID, f"rackcast {what} of {whose} in event {life.made}")


def with_instance(life: Life, changed: Instance, sled_id: UUID | None) -> Life:
    """Return *life* with an instance *changed*, and its members that did not leave on *sled_id*."""
    instances = [changed if row.id == changed.id else row for row in life.snapshot.instances]
    told = evolve(life, snapshot=evolve(life.snapshot, instances=instances))
    return with_members(told, partial(_moved, changed.id, sled_id))


def _moved(instance_id: UUID, sled_id: UUID | None, row: Member) -> Member:
    if row.instance_id != instance_id or row.time_deleted is not None or row.state is MemberState.LEFT:
        return row
    return evolve(row, sled_id=sled_id)


def without_vmms(life: Life, ended: Iterable[UUID], state: InstanceState) -> Life:
    """Return *life* with the VMMs of the *ended* instances gone, and their members having left."""
    gone = frozenset(ended)
    instances = [
        evolve(row, state=state, migration_id=None, active_vmm=None, target_vmm=None) if row.id in gone else row
        for row in life.snapshot.instances
    ]
    told = evolve(life, snapshot=evolve(life.snapshot, instances=instances))
    return with_members(told, partial(_left, gone))


def given_up(life: Life, machine: str) -> Life:
    """Return *life* without the VMMs on the sled *machine*: instances have failed, migrations to it are aborted."""
    instances = [_not_migrating_to(machine, row) for row in life.snapshot.instances]
    told = evolve(life, snapshot=evolve(life.snapshot, instances=instances))
    return without_vmms(told, instances_on(told, machine), InstanceState.FAILED)


def _not_migrating_to(machine: str, row: Instance) -> Instance:
    if row.active_vmm is None or row.target_vmm is None or sled_target(row.target_vmm.sled_id) != machine:
        return row
    return evolve(row, migration_id=None, active_vmm=evolve(row.active_vmm, state=VmmState.RUNNING), target_vmm=None)


def _left(instances: frozenset[UUID], row: Member) -> Member:
    if row.instance_id not in instances or row.time_deleted is not None or row.state is MemberState.LEFT:
        return row
    return evolve(row, state=MemberState.LEFT, sled_id=None)


def with_members(life: Life, change: Callable[[Member], Member]) -> Life:
    """Return *life* with every row of a member changed."""
    members = [change(row) for row in life.snapshot.members]
    return evolve(life, snapshot=evolve(life.snapshot, members=members))
