"""What life changes: the rows of a rack and which of its machines are down; and how people name a row or a machine.

This file does not know what happens.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from attrs import Factory, frozen

from blueprints.errors import FieldError
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Group, Instance, Member, Sled, Snapshot, Vmm
from simrack.naming import SERVICES
from simrack.populated import is_in_service
from simrack.world import is_on_its_sled, sled_target, switch_target

Fields = Mapping[str, Any]
"""What an event says, by name."""


class How(StrEnum):
    """How a machine that is down answers."""

    SILENT = "silent"
    """Connections lead nowhere."""

    REFUSED = "refused"
    """There is a machine, and nothing listens."""


@frozen(kw_only=True)
class Life:
    """What events change."""

    snapshot: Snapshot
    down: Mapping[str, str] = Factory(dict)
    """Machines and daemons that are down, by name, and how (`How`)."""

    made: int = 0
    """How many events there were; ids follow from it."""


def machine_of(snapshot: Snapshot, text: str, field: str = "machine") -> str:
    """Return the name of the machine, or of the daemon, that people call *text* in *field*.

    Raises:
        FieldError: there is none.
    """
    if text in machines(snapshot):
        return text
    sled = sled_named(snapshot, text.removeprefix("sled "))
    if sled is None:
        raise FieldError(field, f"there is no machine {text}; there are {', '.join(machines(snapshot))}")
    return sled_target(sled.id)


def machines(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Return every machine and every daemon by name, with the daemons that are down when it is."""
    found: dict[str, tuple[str, ...]] = {}
    for slot in snapshot.switches:
        daemons = tuple(switch_target(slot, kind) for kind in SERVICES)
        found |= {slot.value: daemons, **{daemon: (daemon,) for daemon in daemons}}
    return found | {sled_target(sled.id): (sled_target(sled.id),) for sled in snapshot.sleds}


def sled_named(snapshot: Snapshot, text: str) -> Sled | None:
    """Return the sled that people call *text*, by its id or its serial, or None."""
    return next((row for row in snapshot.sleds if text in (str(row.id), row.serial)), None)


def the_sled(life: Life, fields: Fields, name: str) -> Sled:
    """Return the sled of the field *name*.

    Raises:
        FieldError: there is none.
    """
    sled = sled_named(life.snapshot, fields[name])
    if sled is None:
        serials = ", ".join(row.serial for row in life.snapshot.sleds)
        raise FieldError(name, f"there is no sled {fields[name]}; there are {serials}")
    return sled


def free_sled(life: Life, fields: Fields, name: str) -> Sled:
    """Return the sled of the field *name*, on which a VMM can start.

    Raises:
        FieldError: there is none, or it is out of service or down.
    """
    sled = the_sled(life, fields, name)
    if not is_in_service(sled):
        raise FieldError(name, f"sled {fields[name]} is not in service")
    if sled_target(sled.id) in life.down:
        raise FieldError(name, f"sled {fields[name]} is down")
    return sled


def the_instance(life: Life, fields: Fields) -> Instance:
    """Return the instance of the event.

    Raises:
        FieldError: there is none.
    """
    for row in life.snapshot.instances:
        if row.id == fields["instance"]:
            return row
    raise FieldError("instance", f"there is no instance {fields['instance']}")


def running(life: Life, fields: Fields) -> tuple[Instance, Vmm]:
    """Return the instance of the event, which does not migrate, with its VMM.

    Raises:
        FieldError: there is none, it does not run, or it migrates.
    """
    instance = the_instance(life, fields)
    vmm = instance.active_vmm
    if vmm is None or not is_on_its_sled(vmm):
        raise FieldError("instance", "does not run")
    if instance.target_vmm is not None:
        raise FieldError("instance", "migrates; commit or abort that first")
    return instance, vmm


def the_group(life: Life, fields: Fields) -> Group:
    """Return the live group of the event, by its id, name or address.

    Raises:
        FieldError: there is none.
    """
    for row in life.snapshot.groups:
        if row.time_deleted is None and fields["group"] in (str(row.id), row.name, row.multicast_ip.text):
            return row
    raise FieldError("group", f"there is no group {fields['group']}")


def membership(life: Life, instance: Instance, group: Group) -> Member | None:
    """Return the live membership of *instance* in *group*, or None."""
    meant = (instance.id, group.id)
    rows = (row for row in life.snapshot.members if row.time_deleted is None)
    return next((row for row in rows if (row.instance_id, row.group_id) == meant), None)


def instances_on(life: Life, machine: str) -> list[UUID]:
    """Return the instances with an active VMM on the sled *machine*."""
    return [
        row.id
        for row in life.snapshot.instances
        if row.active_vmm is not None and sled_target(row.active_vmm.sled_id) == machine
    ]


def slot_named(machine: str) -> SwitchSlot | None:
    """Return the switch that *machine* is as a whole, None for anything else."""
    return SwitchSlot(machine) if machine in tuple(SwitchSlot) else None
