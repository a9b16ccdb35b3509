"""What one read of the datastore gives: rows as the planner's vocabulary has them, and what only a collector needs.

This file does not know SQL, connections or what a snapshot is made of besides.
"""

from datetime import datetime
from uuid import UUID

from attrs import frozen

from blueprints.addresses import Address
from blueprints.findings import Finding
from blueprints.snapshot import Group, Instance, Inventory, Member, Sled, UnderlayRow


@frozen(kw_only=True)
class SledRow:
    """A row of the sled table: what the planner sees of it, and to which rack it belongs."""

    rack_id: UUID
    is_scrimlet: bool
    """Whether it hosts a switch zone."""

    sled: Sled
    """Without NICs, which no table tells."""


@frozen(kw_only=True)
class SledBoard:
    """What a sled says about itself in the inventory collection."""

    sled_id: UUID
    role: str
    serial: str | None
    """None where the hardware told no baseboard."""

    part: str | None


@frozen(kw_only=True)
class PoolRange:
    """A range of multicast addresses that operators gave out, both ends included."""

    pool_id: UUID
    range_id: UUID
    first: Address
    last: Address


@frozen(kw_only=True)
class Stored:
    """Everything of one read-only transaction: one cut through the datastore."""

    schema: int
    vendor: str
    """``PostgreSQL`` or ``CockroachDB``."""

    transaction: str
    """What the database calls the cut; for people."""

    taken_at: datetime
    """The time of the cut by the database's own clock."""

    sleds: tuple[SledRow, ...]
    inventory: Inventory | None
    """The latest collection; None where there is none."""

    boards: tuple[SledBoard, ...]
    groups: tuple[Group, ...]
    underlay_groups: tuple[UnderlayRow, ...]
    members: tuple[Member, ...]
    instances: tuple[Instance, ...]
    pools: tuple[PoolRange, ...]
    findings: tuple[Finding, ...] = ()
    """What rows could not be taken as they stand, and why."""
