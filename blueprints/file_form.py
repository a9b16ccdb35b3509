"""The file form of a blueprint: tables that sleds share are stored once.

Rules, refused when broken:
    F1  every sled stands in exactly one line of ``sleds``.
    F2  a line names tables that are there.
    F3  subscriptions and departures belong to sleds that have a line.

This file does not know text, digests or the expanded form.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from attrs import field, fields, frozen

from blueprints.addresses import ExternalGroup
from blueprints.blueprint import (
    CONTENT_FIELDS,
    Content,
    Departure,
    FormerGroup,
    ForwardingEntry,
    HeldGroup,
    M2pEntry,
    NicFilter,
    PlannedGroup,
    Ports,
    SledTables,
    Subscription,
    SwitchTables,
    Transition,
)
from blueprints.causes import Causes
from blueprints.errors import FieldError
from blueprints.findings import Finding
from blueprints.identifiers import SwitchSlot
from blueprints.ordering import Key, in_order
from blueprints.policy import Policy

Row = M2pEntry | ForwardingEntry | NicFilter


@frozen(kw_only=True)
class SharedTables:
    """Name to rows, for each kind of table that sleds share."""

    m2p: Mapping[str, tuple[M2pEntry, ...]]
    forwarding: Mapping[str, tuple[ForwardingEntry, ...]]
    nic_filters: Mapping[str, tuple[NicFilter, ...]]


@frozen(kw_only=True)
class SledLine:
    """Sleds of one generation that hold the same tables."""

    generation: int
    m2p: str
    forwarding: str
    nic_filters: str
    sleds: tuple[UUID, ...]

    @property
    def sort_key(self) -> Key:
        """By the first sled, so that a line keeps its place when its generation grows."""
        return (self.sleds[:1],)


@frozen(kw_only=True)
class SledDeparture:
    """A leave with the sled that is owed it: few are, and one more is one line more."""

    sled: UUID
    instance_id: UUID
    propolis_id: UUID
    group_ip: ExternalGroup

    @property
    def sort_key(self) -> Key:
        """By sled, then as the leaves of one sled."""
        return (self.sled.int, *self.departure.sort_key)

    @property
    def departure(self) -> Departure:
        """The leave itself."""
        return Departure(instance_id=self.instance_id, propolis_id=self.propolis_id, group_ip=self.group_ip)

    @classmethod
    def of(cls, sled: UUID, row: Departure) -> "SledDeparture":
        """Return *row*, which *sled* is owed."""
        return cls(sled=sled, instance_id=row.instance_id, propolis_id=row.propolis_id, group_ip=row.group_ip)


SHARED = tuple(attribute.name for attribute in fields(SharedTables))


@frozen(kw_only=True)
class FileContent:
    """A blueprint's content as it is stored."""

    rack_id: UUID
    policy: Policy
    groups: tuple[PlannedGroup, ...]
    held: tuple[HeldGroup, ...]
    former_groups: tuple[FormerGroup, ...]
    switches: Mapping[SwitchSlot, SwitchTables]
    missing_switches: tuple[SwitchSlot, ...]
    shared_tables: SharedTables
    sleds: tuple[SledLine, ...] = field(converter=in_order)
    subscriptions: Mapping[UUID, tuple[Subscription, ...]]
    departures: tuple[SledDeparture, ...] = field(converter=in_order)
    ports: Ports
    transitions: tuple[Transition, ...]
    findings: tuple[Finding, ...]
    causes: Causes

    def __attrs_post_init__(self) -> None:
        """Keep rules F1 to F3.

        Raises:
            FieldError: names the first field that breaks one.
        """
        known = [sled for line in self.sleds for sled in line.sleds]
        if len(set(known)) < len(known):
            raise FieldError("sleds", "a sled stands in two lines")
        for kind in SHARED:
            missing = {getattr(line, kind) for line in self.sleds} - set(getattr(self.shared_tables, kind))
            if missing:
                raise FieldError(f"shared_tables.{kind}", f"lacks {', '.join(sorted(missing))}, which sleds name")
        concerned = {"subscriptions": set(self.subscriptions), "departures": {row.sled for row in self.departures}}
        for name, sleds in concerned.items():
            strangers = sleds - set(known)
            if strangers:
                raise FieldError(name, f"{min(strangers)} has no line in sleds")


class _Pool:
    """Gives equal tables one name, by the order in which they come."""

    def __init__(self) -> None:
        self.names: dict[tuple[Row, ...], str] = {}
        self.by_identity: dict[int, str] = {}

    def name(self, table: tuple[Row, ...]) -> str:
        """Return the name of *table*; the same object is never compared twice."""
        name = self.by_identity.get(id(table))
        if name is None:
            name = self.names.setdefault(table, str(len(self.names) + 1))
            self.by_identity[id(table)] = name
        return name

    @property
    def tables(self) -> dict[str, Any]:
        return {name: table for table, name in self.names.items()}


def to_file(content: Content) -> FileContent:
    """Return *content* with shared tables pooled."""
    pools = {kind: _Pool() for kind in SHARED}
    lines: dict[tuple[int, tuple[str, ...]], list[UUID]] = {}
    for sled, tables in content.sleds.items():
        names = tuple(pools[kind].name(getattr(tables, kind)) for kind in SHARED)
        lines.setdefault((tables.generation, names), []).append(sled)
    plain = {name: getattr(content, name) for name in CONTENT_FIELDS if name != "sleds"}
    return FileContent(
        **plain,
        shared_tables=SharedTables(**{kind: pool.tables for kind, pool in pools.items()}),
        sleds=[
            SledLine(generation=generation, **dict(zip(SHARED, names, strict=True)), sleds=tuple(sleds))
            for (generation, names), sleds in lines.items()
        ],
        subscriptions={sled: tables.subscriptions for sled, tables in content.sleds.items() if tables.subscriptions},
        departures=[
            SledDeparture.of(sled, row) for sled, tables in content.sleds.items() for row in tables.departures
        ],
    )


def _shared_in_order(shared: SharedTables) -> dict[str, dict[str, tuple[Any, ...]]]:
    return {kind: {name: in_order(rows) for name, rows in getattr(shared, kind).items()} for kind in SHARED}


def _sled_tables(stored: FileContent) -> Iterable[tuple[UUID, SledTables]]:
    shared = _shared_in_order(stored.shared_tables)
    owed: dict[UUID, list[Departure]] = {}
    for row in stored.departures:
        owed.setdefault(row.sled, []).append(row.departure)
    for line in stored.sleds:
        tables: dict[str, Any] = {kind: shared[kind][getattr(line, kind)] for kind in SHARED}
        for sled in line.sleds:
            yield (
                sled,
                SledTables(
                    generation=line.generation,
                    **tables,
                    subscriptions=stored.subscriptions.get(sled, ()),
                    departures=owed.get(sled, ()),
                ),
            )


def from_file(stored: FileContent) -> Content:
    """Return what *stored* means, with the tables of sleds shared as objects."""
    plain = {name: getattr(stored, name) for name in CONTENT_FIELDS if name != "sleds"}
    return Content(**plain, sleds=dict(_sled_tables(stored)))
