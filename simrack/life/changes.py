"""What becomes of a rack when life goes on: pure functions from one state to the next, one for each kind of event.

Rules:
    L1  An instance that starts gets a VMM on a sled in service; its members that did not leave are on that sled.
    L2  An instance that stops or fails has no VMM, and its members have left; both as Nexus writes it.
    L3  A migration has a second VMM on another sled. Committed, it is the active one; aborted, it is gone.
    L4  A sled that lost its power has no VMMs when it returns: their instances have failed.
    L5  What cannot be is refused with the field that is wrong.

Source of what becomes of members: see `simrack.life.rows`. This file does not know clocks, daemons or documents.
"""

from collections.abc import Callable

from attrs import evolve

from blueprints.errors import FieldError
from blueprints.snapshot import (
    Instance,
    InstanceState,
    Member,
    MemberState,
    SledPolicy,
    Vmm,
    VmmState,
)
from simrack.life.rows import given_up, made_id, with_instance, with_members, without_vmms
from simrack.life.state import (
    Fields,
    How,
    Life,
    free_sled,
    machine_of,
    machines,
    membership,
    running,
    the_group,
    the_instance,
    the_sled,
)
from simrack.world import sled_target

Change = Callable[[Life, Fields], Life]


# --- instances ------------------------------------------------------------------------------------------------------


def start(life: Life, fields: Fields) -> Life:
    """Rule L1."""
    instance = the_instance(life, fields)
    if instance.state is InstanceState.DESTROYED:
        raise FieldError("instance", "is destroyed")
    if instance.active_vmm is not None:
        raise FieldError("instance", f"has a VMM on sled {instance.active_vmm.sled_id} already")
    sled = free_sled(life, fields, "sled")
    vmm = Vmm(id=made_id(life, "vmm", instance.id), sled_id=sled.id, state=VmmState.RUNNING)
    return with_instance(life, evolve(instance, state=InstanceState.VMM, active_vmm=vmm), sled.id)


def stopping(life: Life, fields: Fields) -> Life:
    """The VMM has been told to stop, and is still there."""
    instance, vmm = running(life, fields)
    return with_instance(life, evolve(instance, active_vmm=evolve(vmm, state=VmmState.STOPPING)), vmm.sled_id)


def stop(life: Life, fields: Fields) -> Life:
    """Rule L2."""
    return without_vmms(life, [running(life, fields)[0].id], InstanceState.NO_VMM)


def crash(life: Life, fields: Fields) -> Life:
    """Rule L2."""
    return without_vmms(life, [running(life, fields)[0].id], InstanceState.FAILED)


def migrate(life: Life, fields: Fields) -> Life:
    """Rule L3, its beginning: nothing else changes until it is committed."""
    instance, vmm = running(life, fields)
    sled = free_sled(life, fields, "to")
    if sled.id == vmm.sled_id:
        raise FieldError("to", "is where the instance is already")
    target = Vmm(id=made_id(life, "vmm", instance.id), sled_id=sled.id, state=VmmState.MIGRATING)
    begun = evolve(
        instance,
        migration_id=made_id(life, "migration", instance.id),
        active_vmm=evolve(vmm, state=VmmState.MIGRATING),
        target_vmm=target,
    )
    return with_instance(life, begun, vmm.sled_id)


def commit(life: Life, fields: Fields) -> Life:
    """Rule L3, its end."""
    return _end_migration(life, fields, lambda instance: instance.target_vmm)


def abort(life: Life, fields: Fields) -> Life:
    """Rule L3, its other end."""
    return _end_migration(life, fields, lambda instance: instance.active_vmm)


def _end_migration(life: Life, fields: Fields, survivor: Callable[[Instance], Vmm | None]) -> Life:
    instance = the_instance(life, fields)
    vmm = survivor(instance)
    if instance.target_vmm is None or vmm is None:
        raise FieldError("instance", "does not migrate")
    active = evolve(vmm, state=VmmState.RUNNING)
    ended = evolve(instance, migration_id=None, active_vmm=active, target_vmm=None)
    return with_instance(life, ended, active.sled_id)


# --- members --------------------------------------------------------------------------------------------------------


def join(life: Life, fields: Fields) -> Life:
    """A new membership, or one that had left and joins again; sources are those of this join."""
    instance, group = the_instance(life, fields), the_group(life, fields)
    sled = None if instance.active_vmm is None else instance.active_vmm.sled_id
    sources = fields.get("sources", ())
    if any(source.family != group.multicast_ip.family for source in sources):
        raise FieldError("sources", f"the group is {group.multicast_ip}")
    live = membership(life, instance, group)
    if live is None:
        row = Member(
            id=made_id(life, "member", instance.id),
            group_id=group.id,
            instance_id=instance.id,
            sled_id=sled,
            state=MemberState.JOINING,
            multicast_ip=group.multicast_ip,
            source_ips=sources,
        )
        return evolve(life, snapshot=evolve(life.snapshot, members=(*life.snapshot.members, row)))
    joins = live.state is MemberState.LEFT
    again = evolve(live, state=MemberState.JOINING, sled_id=sled) if joins else live
    return with_members(life, lambda row: evolve(again, source_ips=sources) if row.id == live.id else row)


def leave(life: Life, fields: Fields) -> Life:
    """The membership has left, and its row is a tombstone that keeps its sled."""
    instance, group = the_instance(life, fields), the_group(life, fields)
    live = membership(life, instance, group)
    if live is None:
        raise FieldError("group", f"instance {instance.id} is no member of it")
    gone = evolve(live, state=MemberState.LEFT, time_deleted=life.snapshot.evaluated_at)
    return with_members(life, lambda row: gone if row.id == live.id else row)


# --- machines -------------------------------------------------------------------------------------------------------


def fail(life: Life, fields: Fields) -> Life:
    """A machine, or one daemon, is down from now on; its rows do not know yet."""
    machine = machine_of(life.snapshot, fields["machine"])
    if machine in life.down:
        raise FieldError("machine", "is down already")
    return evolve(life, down={**life.down, machine: fields.get("how", How.SILENT)})


def come_back(life: Life, fields: Fields) -> Life:
    """A machine is there again; rule L4 where it lost its power."""
    machine = machine_of(life.snapshot, fields["machine"])
    if machine not in life.down:
        raise FieldError("machine", "is not down")
    back = evolve(life, down={name: how for name, how in life.down.items() if name != machine})
    if not fields.get("rebooted", True) or machine.startswith("switch"):
        return back
    return given_up(back, machine)


def expunge(life: Life, fields: Fields) -> Life:
    """A sled is given up: it is out of service for good, and its instances have failed."""
    sled = the_sled(life, fields, "sled")
    gone = evolve(sled, policy=SledPolicy.EXPUNGED)
    sleds = [gone if row.id == sled.id else row for row in life.snapshot.sleds]
    return given_up(evolve(life, snapshot=evolve(life.snapshot, sleds=sleds)), sled_target(sled.id))


def plug(life: Life, fields: Fields) -> Life:
    """Cables are no rows."""
    the_sled(life, fields, "sled")
    return life


def restart(life: Life, fields: Fields) -> Life:
    """No rows change, but the daemon has to be one that is there."""
    target = machine_of(life.snapshot, fields["target"], "target")
    if len(machines(life.snapshot)[target]) > 1:
        raise FieldError("target", f"{target} is no daemon; there are {', '.join(machines(life.snapshot)[target])}")
    return life


def nothing(life: Life, _: Fields) -> Life:
    """No rows change."""
    return life
