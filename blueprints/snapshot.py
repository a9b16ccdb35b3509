"""The snapshot: everything a planner may know (`format: rackcast.snapshot/1`).

Rows stand as the datastore has them, wrong ones included: an address here is any IP address, because a row that
breaks a rule is something to report, not a reason to refuse the other rows. None is *unknown*; an empty tuple is
*known to be empty*. Rows are sorted by id when they are built, so that the order in which a database returned
them is gone before anyone can depend on it.

This file does not know what follows from the rows.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, cast
from uuid import UUID

from attrs import field, frozen

from blueprints.addresses import Address, UnderlayUnicast
from blueprints.identifiers import FLEET_VNI, PortId, SwitchSlot
from blueprints.ordering import Arranged, InOrder, addresses, by_slot, in_order, maybe_in_order
from blueprints.policy import ExternalEntry, MemberPorts, Policy
from blueprints.reports import GroupState, Peer, ServiceProcessor, SledPolicy, SledState, SpType
from blueprints.words import Word

__all__ = [
    "CLOCK_SKEW",
    "GROUP_SOURCES",
    "INVENTORY_AGE",
    "MEMBER_SOURCES",
    "SNAPSHOT_FORMAT",
    "ExternalEntry",
    "Group",
    "GroupState",
    "Instance",
    "InstanceState",
    "Inventory",
    "Member",
    "MemberPorts",
    "MemberState",
    "Peer",
    "Policy",
    "ServiceProcessor",
    "Sled",
    "SledPolicy",
    "SledState",
    "Snapshot",
    "Source",
    "SpType",
    "Switch",
    "UnderlayRow",
    "Vmm",
    "VmmState",
]

SNAPSHOT_FORMAT = "rackcast.snapshot/1"

INVENTORY_AGE = timedelta(days=1)
"""Collections are made every ten minutes: when all of a day are missing, nobody has watched who was moved where."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far clocks of one rack may be apart."""

MEMBER_SOURCES = 32
"""As many sources a join may name (omicron, common/src/address.rs)."""

GROUP_SOURCES = 256
"""As many all joins of a group may name together (omicron, common/src/address.rs)."""


class MemberState(Word):
    """Life cycle of a member's row."""

    JOINING = "joining"
    JOINED = "joined"
    LEFT = "left"


class InstanceState(Word):
    """What an instance's own row says; see `VmmState` for what its process does."""

    CREATING = "creating"
    NO_VMM = "no_vmm"
    VMM = "vmm"
    FAILED = "failed"
    DESTROYED = "destroyed"


class VmmState(Word):
    """What the hosting process of an instance does."""

    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    REBOOTING = "rebooting"
    MIGRATING = "migrating"
    FAILED = "failed"
    DESTROYED = "destroyed"
    SAGA_UNWOUND = "saga_unwound"


def _by_id(rows: Iterable[Any]) -> tuple[Any, ...]:
    return cast(InOrder, rows) if isinstance(rows, Arranged) else InOrder(sorted(rows, key=_BY_ID))


_BY_ID = attrgetter("id.int")


def _unique(values: Iterable[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(sorted(set(values)))


@frozen(kw_only=True)
class Source:
    """Where a snapshot came from; for people, never for decisions."""

    datastore_schema: str | None = None
    transaction: str | None = None
    collected_by: str | None = None


@frozen(kw_only=True)
class Switch:
    """One switch: its zone's address, and what it says about its ports."""

    underlay_address: UnderlayUnicast

    backplane: tuple[PortId, ...] | None = field(default=None, converter=_unique)
    """Ports of the backplane, or None where the switch was not read."""

    peers: tuple[Peer, ...] | None = field(default=None, converter=maybe_in_order)
    """DDM peers, or None where ddmd was not read."""


@frozen(kw_only=True)
class Sled:
    """A row of the sled table, with the sled's NICs."""

    id: UUID
    serial: str
    part: str
    underlay_address: UnderlayUnicast
    policy: SledPolicy
    state: SledState

    underlay_nics: tuple[str, ...] | None = field(default=None, converter=_unique)
    """Usually two, the first wired to switch0; None where the sled was not asked."""


@frozen(kw_only=True)
class Inventory:
    """The latest collection of hardware facts."""

    collection_id: UUID
    completed_at: datetime
    errors: int
    """How many parts of the collection failed; above 0, absence proves nothing."""

    service_processors: tuple[ServiceProcessor, ...] = field(converter=in_order)


@frozen(kw_only=True)
class Group:
    """A row of the external groups, in whatever state."""

    id: UUID
    name: str
    multicast_ip: Address
    state: GroupState
    vni: int = FLEET_VNI
    tag: str | None = None
    underlay_group_id: UUID | None = None
    """None: nothing was ever programmed for this group."""

    underlay_salt: int | None = field(default=None)
    """None means 0. Written after the link, so the linked row is the truth."""

    time_created: datetime
    time_deleted: datetime | None = None

    @underlay_salt.validator
    def _one_octet(self, _: object, salt: int | None) -> None:
        if salt is not None and not 0 <= salt <= 255:
            raise ValueError(f"{salt} is not a salt; salts are 0 to 255")


@frozen(kw_only=True)
class UnderlayRow:
    """A row of the underlay groups; its address is taken as long as the row stands."""

    id: UUID
    multicast_ip: Address
    tag: str | None = None


@frozen(kw_only=True)
class Member:
    """A membership of an instance in a group; with ``time_deleted`` set it is a tombstone."""

    id: UUID
    group_id: UUID
    instance_id: UUID
    sled_id: UUID | None = None
    """Where the sled was last told; a hint, the VMM's sled is the truth."""

    state: MemberState
    multicast_ip: Address
    source_ips: tuple[Address, ...] = field(converter=addresses)
    """Empty: any source."""

    time_deleted: datetime | None = None


@frozen(kw_only=True)
class Vmm:
    """The hosting process of an instance; its id is the propolis id."""

    id: UUID
    sled_id: UUID
    state: VmmState


@frozen(kw_only=True)
class Instance:
    """An instance with the processes that its row points to."""

    id: UUID
    state: InstanceState
    migration_id: UUID | None = None
    active_vmm: Vmm | None = None
    target_vmm: Vmm | None = None


@frozen(kw_only=True)
class Snapshot:
    """One consistent view of datastore, DDM and inventory."""

    rack_id: UUID
    evaluated_at: datetime
    """The only clock a plan sees."""

    source: Source | None = None
    policy: Policy = field(factory=Policy)
    switches: Mapping[SwitchSlot, Switch] = field(converter=by_slot)

    @switches.validator
    def _some_switch(self, _: object, switches: Mapping[SwitchSlot, Switch]) -> None:
        if not switches:
            raise ValueError("names no switch")

    sleds: tuple[Sled, ...] = field(converter=_by_id)
    inventory: Inventory | None = None
    groups: tuple[Group, ...] = field(converter=_by_id)
    underlay_groups: tuple[UnderlayRow, ...] = field(converter=_by_id)
    members: tuple[Member, ...] = field(converter=_by_id)
    instances: tuple[Instance, ...] = field(converter=_by_id)
    digest: str | None = field(init=False, default=None, eq=False, repr=False)
    """Of the canonical text, once somebody made it; no part of the snapshot, and a changed one has none."""

    def keep_digest(self, digest: str) -> None:
        """Remember the *digest* of this very snapshot."""
        object.__setattr__(self, "digest", digest)
