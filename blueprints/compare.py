"""Comparison of two blueprints: what changes where, with equal changes of many sleds told once.

The result grows with the change, not with the rack. This file does not know the rack, nor how changes are shown.
"""

from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from attrs import frozen

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, SledPort
from blueprints.identifiers import SwitchSlot
from blueprints.ordering import Key

IDENTITY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "policy": (),
        "groups": ("id",),
        "held": ("id",),
        "former_groups": ("id", "multicast_ip"),
        "missing_switches": ("switch",),
        "underlay_groups": ("group_ip",),
        "external_groups": ("group_ip",),
        "mrib_routes": ("group", "source", "vni"),
        "m2p": ("group",),
        "forwarding": ("underlay",),
        "nic_filters": ("nic", "underlay"),
        "subscriptions": ("instance_id", "propolis_id", "group_ip"),
        "departures": ("instance_id", "propolis_id", "group_ip"),
        "ports": ("sled", "switch"),
        "transitions": ("subject", "id", "from_", "to", "sled_id", "because"),
        "findings": ("code", "subject", "message"),
    }
)
"""Which fields say that two rows of a table are the same thing; none where there is only one row."""

RACK = ("policy", "groups", "held", "former_groups", "missing_switches", "ports", "transitions", "findings")
SWITCH = ("underlay_groups", "external_groups", "mrib_routes")
SLED = ("m2p", "forwarding", "nic_filters", "subscriptions", "departures")


@frozen(kw_only=True)
class PortRow:
    """A sled's port on one switch, as a row."""

    sled: UUID
    switch: SwitchSlot
    port: SledPort | None


@frozen(kw_only=True)
class MissingRow:
    """A switch that an earlier plan named, as a row."""

    switch: SwitchSlot


@frozen(kw_only=True)
class Change:
    """One row that comes, goes or becomes another."""

    places: tuple[str, ...]
    """Where: ``rack``, a switch, or the sleds that all see this same change."""

    table: str
    before: Any
    """The row as it was, or None where it is new."""

    after: Any
    """The row as it will be, or None where it goes."""


def _rows(blueprint: Blueprint, table: str) -> Iterable[Any]:
    if table == "policy":
        return [blueprint.policy]
    if table == "missing_switches":
        return [MissingRow(switch=slot) for slot in blueprint.missing_switches]
    if table != "ports":
        return getattr(blueprint, table)  # type: ignore[no-any-return]
    return [
        PortRow(sled=sled, switch=slot, port=port)
        for sled, row in blueprint.ports.items()
        for slot, port in row.items()
    ]


def _table_changes(table: str, before: Iterable[Any], after: Iterable[Any]) -> tuple[tuple[Any, Any], ...]:
    """Return pairs of old and new row for all that differ, in the order of the tables."""

    def keyed(rows: Iterable[Any]) -> dict[Hashable, Any]:
        return {tuple(getattr(row, name) for name in IDENTITY[table]): row for row in rows}

    old, new = keyed(before), keyed(after)
    gone = [(row, None) for key, row in old.items() if key not in new]
    other = [(old.get(key), row) for key, row in new.items() if old.get(key) != row]
    return (*gone, *other)


def compare(before: Blueprint, after: Blueprint) -> tuple[Change, ...]:
    """Return what *after* changes, rack first, then switches, then sleds."""
    changes = [
        Change(places=("rack",), table=table, before=old, after=new)
        for table in RACK
        for old, new in _table_changes(table, _rows(before, table), _rows(after, table))
    ]
    for slot in sorted({*before.switches, *after.switches}):
        mine = (before.switches.get(slot), after.switches.get(slot))
        changes += [
            Change(places=(slot.value,), table=table, before=old, after=new)
            for table in SWITCH
            for old, new in _table_changes(table, *(getattr(tables, table, ()) for tables in mine))
        ]
    return (*changes, *_sled_changes(before, after))


def _sled_changes(before: Blueprint, after: Blueprint) -> Iterable[Change]:
    """Yield the changes of sleds, those of equal tables computed and told once."""
    for table in SLED:
        known: dict[tuple[int, int], tuple[tuple[Any, Any], ...]] = {}
        seen: dict[tuple[Any, Any], list[str]] = {}
        for sled in sorted({*before.sleds, *after.sleds}):
            old, new = (getattr(its.sleds.get(sled), table, ()) for its in (before, after))
            pair = (id(old), id(new))
            if pair not in known:
                known[pair] = _table_changes(table, old, new)
            for change in known[pair]:
                seen.setdefault(change, []).append(str(sled))
        for (was, will), sleds in seen.items():
            yield Change(places=tuple(sleds), table=table, before=was, after=will)


@frozen(kw_only=True)
class Hearing:
    """An instance that starts to hear a group, stops, or goes on on another sled."""

    group: Address
    instance: UUID
    before: tuple[UUID, ...]
    """Sleds on which it heard; two while it migrated."""

    after: tuple[UUID, ...]

    @property
    def kind(self) -> str:
        """``starts``, ``stops`` or ``moves``."""
        if not self.before:
            return "starts"
        return "moves" if self.after else "stops"

    @property
    def sort_key(self) -> Key:
        """By group, then instance."""
        return (self.group.key, self.instance)


def _hearing(blueprint: Blueprint) -> dict[tuple[Address, UUID], tuple[UUID, ...]]:
    heard: dict[tuple[Address, UUID], tuple[UUID, ...]] = {}
    for sled, tables in blueprint.sleds.items():
        for row in tables.subscriptions:
            key = (row.group_ip, row.instance_id)
            heard[key] = (*heard.get(key, ()), sled)
    return heard


def hearings(before: Blueprint, after: Blueprint) -> tuple[Hearing, ...]:
    """Return the change as instances feel it: who starts, stops, or hears on another sled."""
    old, new = _hearing(before), _hearing(after)
    found = [
        Hearing(
            group=group,
            instance=instance,
            before=old.get((group, instance), ()),
            after=new.get((group, instance), ()),
        )
        for group, instance in {**old, **new}
        if old.get((group, instance)) != new.get((group, instance))
    ]
    return tuple(sorted(found, key=lambda hearing: hearing.sort_key))
