"""The instances of one sled: their VMMs here, and a lock for each instance.

Whoever looks up the VMM of an instance in order to do something with it holds the instance's lock until that is done;
so does a migration that commits. This file does not know what is done with a VMM.

Source: omicron, sled-agent/src/instance.rs: one task runs an instance, and takes one request after the other.
"""

from asyncio import Lock
from collections.abc import Mapping
from uuid import UUID
from weakref import WeakValueDictionary

from attrs import define, field, frozen

from blueprints.snapshot import VmmState


@frozen
class LocalVmm:
    """A VMM on this sled."""

    propolis_id: UUID
    instance_id: UUID
    active: bool
    """False: the target of a migration."""

    state: VmmState = VmmState.RUNNING


@define
class LocalInstances:
    """The VMMs of one sled by the instances that they run."""

    vmms: dict[UUID, LocalVmm] = field(factory=dict)
    """By propolis id."""

    _locks: WeakValueDictionary[UUID, Lock] = field(factory=WeakValueDictionary)
    """A lock lasts as long as somebody holds it or waits for it."""

    def lock(self, instance_id: UUID) -> Lock:
        """Return the lock of *instance_id*, the same one for all who want it meanwhile."""
        return self._locks.setdefault(instance_id, Lock())

    def instance_of(self, propolis_id: UUID) -> UUID | None:
        """Return whose VMM *propolis_id* is, None where it is not here."""
        vmm = self.vmms.get(propolis_id)
        return None if vmm is None else vmm.instance_id

    def vmm_of(self, instance_id: UUID) -> UUID | None:
        """Return the propolis of *instance_id*: the active one, else a migration's target, else None."""
        here = [vmm for vmm in self.vmms.values() if vmm.instance_id == instance_id]
        return min(here, key=lambda vmm: (not vmm.active, vmm.propolis_id)).propolis_id if here else None

    def changed(self, vmms: Mapping[UUID, LocalVmm]) -> list[UUID]:
        """Return the instances that have other VMMs in *vmms* than now, sorted."""
        now, then = set(self.vmms.values()), set(vmms.values())
        return sorted({vmm.instance_id for vmm in now ^ then})

    def commit(self, instance_id: UUID, vmms: Mapping[UUID, LocalVmm]) -> list[UUID]:
        """Give *instance_id* the VMMs that it has in *vmms*, and return those that it has lost."""
        before = {name for name, vmm in self.vmms.items() if vmm.instance_id == instance_id}
        after = {name: vmm for name, vmm in vmms.items() if vmm.instance_id == instance_id}
        for gone in before - after.keys():
            del self.vmms[gone]
        self.vmms.update(after)
        return sorted(before - after.keys())
