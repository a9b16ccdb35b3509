"""Rows of instances and of the processes that host them.

This file does not know groups.
"""

from collections.abc import Iterator
from uuid import UUID, uuid5

from blueprints.snapshot import InstanceState, Snapshot, Vmm, VmmState
from simrack.datastore.named import Named

PROPOLIS_PORT = 12400

_INTENT = {InstanceState.NO_VMM: "stopped", InstanceState.DESTROYED: "destroyed"}


def instances(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `instance`."""
    for row in snapshot.instances:
        active = None if row.active_vmm is None else row.active_vmm.id
        if active is None and row.state is InstanceState.VMM:
            # The row names a VMM that has no row.
            active = uuid5(row.id, "rackcast VMM without a row")
        yield {
            "id": row.id,
            "time_deleted": None,
            "state": row.state.value,
            "state_generation": 1,
            "time_state_updated": snapshot.evaluated_at,
            "active_propolis_id": active,
            "target_propolis_id": None if row.target_vmm is None else row.target_vmm.id,
            "migration_id": row.migration_id,
            "intended_state": _INTENT.get(row.state, "running"),
            "updater_id": None,
            "updater_gen": 1,
        }


def vmms(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `vmm`, migration targets included."""
    addresses = {sled.id: sled.underlay_address.text for sled in snapshot.sleds}
    for row in snapshot.instances:
        for vmm in (row.active_vmm, row.target_vmm):
            if vmm is not None:
                yield _vmm(row.id, vmm, addresses.get(vmm.sled_id, "::"))


def _vmm(instance_id: UUID, vmm: Vmm, address: str) -> Named:
    return {
        "id": vmm.id,
        "time_deleted": None,
        "instance_id": instance_id,
        "sled_id": vmm.sled_id,
        "state": vmm.state.value,
        "state_generation": 1,
        "propolis_ip": address,
        "propolis_port": PROPOLIS_PORT,
        "failure_reason": "unknown" if vmm.state is VmmState.FAILED else None,
    }
