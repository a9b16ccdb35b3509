"""What an instance does, and what follows for its memberships: the tables of the life cycle.

This file does not know groups, members or sleds.
"""

from collections.abc import Mapping
from types import MappingProxyType

from blueprints.snapshot import InstanceState, MemberState, VmmState
from blueprints.words import Word
from blueprints.written import WrittenInstance, WrittenVmm


class Effective(Word):
    """What an instance does, from its row, its active VMM and whether it migrates."""

    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    REBOOTING = "rebooting"
    MIGRATING = "migrating"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    DESTROYED = "destroyed"
    GONE = "gone"


class Verdict(Word):
    """What the life cycle says of a live member."""

    RECEIVES = "its instance is on a sled"
    KEEPS = "its instance is stopping: what it has stays until its VMM is gone"
    WAITS = "its instance is not on a sled yet"
    LOST = "its instance's VMM is gone"
    PARKED = "its instance is not running"
    REFUSED = "what it asks for cannot be granted"


BY_ROW: Mapping[InstanceState, Effective] = MappingProxyType(
    {
        InstanceState.CREATING: Effective.CREATING,
        InstanceState.NO_VMM: Effective.STOPPED,
        InstanceState.FAILED: Effective.FAILED,
        InstanceState.DESTROYED: Effective.DESTROYED,
    }
)
"""Rows that say it all; ``vmm`` sends the reader to `BY_VMM`."""

BY_VMM: Mapping[VmmState, Effective] = MappingProxyType(
    {
        VmmState.CREATING: Effective.STARTING,
        VmmState.STARTING: Effective.STARTING,
        VmmState.RUNNING: Effective.RUNNING,
        VmmState.REBOOTING: Effective.REBOOTING,
        VmmState.MIGRATING: Effective.MIGRATING,
        VmmState.STOPPING: Effective.STOPPING,
        VmmState.STOPPED: Effective.STOPPING,
        VmmState.DESTROYED: Effective.STOPPING,
        VmmState.FAILED: Effective.STOPPING,
        VmmState.SAGA_UNWOUND: Effective.FAILED,
    }
)
"""The state of an instance that has an active VMM and does not migrate."""

ON_SLED: Mapping[VmmState, bool] = MappingProxyType(
    {state: state not in (VmmState.CREATING, VmmState.SAGA_UNWOUND, VmmState.DESTROYED) for state in VmmState}
)
"""Whether a process in that state exists on its sled."""

LIFE_CYCLE: Mapping[Effective, Verdict] = MappingProxyType(
    {
        Effective.CREATING: Verdict.WAITS,
        Effective.STARTING: Verdict.RECEIVES,
        Effective.RUNNING: Verdict.RECEIVES,
        Effective.REBOOTING: Verdict.RECEIVES,
        Effective.MIGRATING: Verdict.RECEIVES,
        Effective.STOPPING: Verdict.KEEPS,
        Effective.STOPPED: Verdict.PARKED,
        Effective.FAILED: Verdict.PARKED,
        Effective.DESTROYED: Verdict.PARKED,
        Effective.GONE: Verdict.PARKED,
    }
)
"""What follows for a live member; a verdict that needs a process on a sled becomes WAITS without one."""


_NEVER: frozenset[MemberState] = frozenset()

PARKS: Mapping[Verdict, frozenset[MemberState]] = MappingProxyType(
    {
        Verdict.RECEIVES: _NEVER,
        Verdict.KEEPS: _NEVER,
        Verdict.WAITS: _NEVER,
        Verdict.REFUSED: _NEVER,
        Verdict.LOST: frozenset({MemberState.JOINED}),
        Verdict.PARKED: frozenset({MemberState.JOINED, MemberState.JOINING}),
    }
)
"""In which stored states a member becomes ``left``, by verdict."""


def effective_state(instance: WrittenInstance | None) -> Effective | None:
    """Return what *instance* does; None where its row names a VMM that has no row and no other took over."""
    if instance is None:
        return Effective.GONE
    if instance.state is not InstanceState.VMM:
        return BY_ROW[instance.state]
    if instance.active_vmm is None:  # the row of a source may go before the migration is committed
        return Effective.MIGRATING if instance.migration_id and processes(instance) else None
    return Effective.MIGRATING if instance.migration_id else BY_VMM[instance.active_vmm.state]


def processes(instance: WrittenInstance | None) -> tuple[WrittenVmm, ...]:
    """Return the processes of *instance* that exist on a sled, the active one first."""
    if instance is None:
        return ()
    active, target = instance.active_vmm, instance.target_vmm
    first = (active,) if active is not None and ON_SLED[active.state] else ()
    return (*first, target) if target is not None and ON_SLED[target.state] else first


def placed(instance: WrittenInstance) -> tuple[Verdict, tuple[WrittenVmm, ...]]:
    """Return what the life cycle says of *instance*, and the processes that would hear, wherever they are."""
    state = effective_state(instance)
    if state is None:
        return Verdict.LOST, ()
    verdict = LIFE_CYCLE[state]
    if verdict is not Verdict.RECEIVES and verdict is not Verdict.KEEPS:
        return verdict, ()
    there = processes(instance)
    if state is not Effective.MIGRATING and there and there[-1] is not instance.active_vmm:
        there = there[:-1]
    return (verdict if there else Verdict.WAITS), there
