"""Rows of the datastore to records, a column at a time: a rack has tens of thousands of rows and few distinct values.

Nothing is coerced: a value that the vocabulary refuses is a mistake with its row, and all of them are collected.

This file does not know connections, nor what is wrong with records that can be made.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress, repeat
from typing import Any, Generic, TypeVar

from attrs import define, field, fields

from blueprints.errors import Mistake
from blueprints.findings import Finding
from blueprints.snapshot import Group, Instance, Member, ServiceProcessor, Sled, UnderlayRow, Vmm
from collector.checks import found
from collector.statements import Column, ParentKind, Statement
from collector.stored import PoolRange, SledBoard, SledRow
from collector.values import Read

T = TypeVar("T")

Columns = Mapping[str, Sequence[Any]]
"""A page on its side: name of a column to its values, row by row."""

Build = Callable[[Columns, list[Finding]], list[T]]
"""Makes the records of a page, and adds what it finds."""


class _Known(dict[Any, Any]):
    """What values of a column become; each distinct one is read once."""

    def __init__(self, read: Read, nothing: bool) -> None:
        super().__init__({None: None} if nothing else {})
        self._read = read

    def __missing__(self, value: Any) -> Any:
        made = self[value] = self._read(value)
        return made


@define(eq=False)
class Table(Generic[T]):
    """The records of one statement, growing page by page."""

    statement: Statement
    build: Build[T]
    mistakes: list[Mistake]
    findings: list[Finding]
    records: list[T] = field(factory=list)
    _known: Mapping[str, _Known] = field(init=False)

    @_known.default
    def _nothing_known(self) -> Mapping[str, _Known]:
        return {c.name: _Known(c.read, c.null) for c in self.statement.columns if c.read is not None}

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Take a page of *rows*; those with mistakes become no records."""
        if not rows:
            return
        ids, *_ = sides = list(zip(*rows, strict=True))
        refused: set[int] = set()
        columns: Columns = {
            column.name: self._values(column, values, ids, refused)
            for column, values in zip(self.statement.columns, sides, strict=True)
        }
        if refused:
            taken = [place not in refused for place in range(len(rows))]
            columns = {name: list(compress(values, taken)) for name, values in columns.items()}
        self.records += self.build(columns, self.findings)

    def _values(self, column: Column, values: Sequence[Any], ids: Sequence[Any], refused: set[int]) -> Sequence[Any]:
        if column.read is None:
            return values
        known = self._known[column.name]
        try:
            return list(map(known.__getitem__, values))
        except ValueError:
            return [self._value(column, value, ids, place, refused) for place, value in enumerate(values)]

    def _value(self, column: Column, value: Any, ids: Sequence[Any], place: int, refused: set[int]) -> Any:
        """Return what *value* becomes, or note that its row is refused, and why."""
        try:
            return self._known[column.name][value]
        except ValueError as error:
            self.mistakes.append(Mistake(f"{self.statement.table}[{ids[place]}].{column.name}", str(error)))
            refused.add(place)
            return None


def _each(columns: Columns) -> Iterator[dict[str, Any]]:
    names = tuple(columns)
    return (dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True))


def groups(columns: Columns, findings: list[Finding]) -> list[Group]:
    """Return the groups; a VLAN, which some schemas have, is not kept but told."""
    rows = list(_each(columns))
    for row in rows:
        vlan = row.pop("mvlan", None)
        if vlan is not None:
            findings.append(found("group_vlan_ignored", f"group {row['id']}", f"VLAN {vlan} is not planned"))
    return [Group(**row) for row in rows]


def underlay_groups(columns: Columns, _: list[Finding]) -> list[UnderlayRow]:
    """Return the underlay groups."""
    return [UnderlayRow(**row) for row in _each(columns)]


def members(columns: Columns, findings: list[Finding]) -> list[Member]:
    """Return the members, live ones or tombstones; what cannot be planned of them is told."""
    if None in columns["source_ips"]:
        columns = _with_group(columns, findings)
    if "parent_kind" in columns and "time_deleted" not in columns:
        findings += _probes(columns)
    values = {name: columns[column] for name, column in _MEMBER_FIELDS.items() if column in columns}
    return _records(Member, len(columns["id"]), values)


_MEMBER_FIELDS = {
    "id": "id",
    "group_id": "external_group_id",
    "instance_id": "parent_id",
    "sled_id": "sled_id",
    "state": "state",
    "multicast_ip": "multicast_ip",
    "source_ips": "source_ips",
    "time_deleted": "time_deleted",
}
"""Field to column."""


def _with_group(columns: Columns, findings: list[Finding]) -> Columns:
    """Return *columns* without members whose address no row tells: it stood in their group's, which is gone."""
    told = [sources is not None for sources in columns["source_ips"]]
    for name, group, has_group in zip(columns["id"], columns["external_group_id"], told, strict=True):
        if not has_group:
            message = f"its group {group} has no row, and the address of the group stood only there: left out"
            findings.append(found("member_without_address", f"member {name}", message))
    return {name: list(compress(values, told)) for name, values in columns.items()}


def _probes(columns: Columns) -> Iterator[Finding]:
    for name, parent, kind in zip(columns["id"], columns["parent_id"], columns["parent_kind"], strict=True):
        if kind is ParentKind.PROBE:
            yield found("member_is_probe", f"member {name}", f"probe {parent}: where it listens cannot be told")


def _records(kind: type[T], count: int, columns: Columns) -> list[T]:
    """Return *count* records of a frozen attrs class, filled field by field with values that need no conversion.

    A field that *columns* does not name is None. Of the largest table this takes a fifth of the time that as many
    calls of ``__init__`` take.
    """
    records = list(map(kind.__new__, repeat(kind, count)))
    for attribute in fields(kind):  # type: ignore[arg-type]  # says attrs' own protocol, which T cannot name
        fill = getattr(kind, attribute.name).__set__
        deque(map(fill, records, columns.get(attribute.name, repeat(None))), maxlen=0)
    return records


def _vmms(columns: Columns, which: str) -> Iterator[Vmm | None]:
    rows = zip(*(columns[f"{which}.{field}"] for field in ("id", "sled_id", "state")), strict=True)
    return (None if name is None else Vmm(id=name, sled_id=sled, state=state) for name, sled, state in rows)


def instances(columns: Columns, _: list[Finding]) -> list[Instance]:
    """Return the instances with their processes."""
    own = (columns[name] for name in ("id", "state", "migration_id"))
    return [
        Instance(id=name, state=state, migration_id=migration, active_vmm=active, target_vmm=target)
        for name, state, migration, active, target in zip(
            *own, _vmms(columns, "active_vmm"), _vmms(columns, "target_vmm"), strict=True
        )
    ]


def sleds(columns: Columns, _: list[Finding]) -> list[SledRow]:
    """Return the sleds, without NICs."""
    return [
        SledRow(
            rack_id=row["rack_id"],
            is_scrimlet=row["is_scrimlet"],
            sled=Sled(
                id=row["id"],
                serial=row["serial_number"],
                part=row["part_number"],
                underlay_address=row["ip"],
                policy=row["sled_policy"],
                state=row["sled_state"],
            ),
        )
        for row in _each(columns)
    ]


def service_processors(columns: Columns, _: list[Finding]) -> list[ServiceProcessor]:
    """Return the service processors."""
    return [
        ServiceProcessor(
            type=row["sp_type"], slot=row["sp_slot"], serial=row["serial_number"], part=row["part_number"]
        )
        for row in _each(columns)
    ]


def sled_boards(columns: Columns, _: list[Finding]) -> list[SledBoard]:
    """Return what sleds say of themselves."""
    return [
        SledBoard(sled_id=row["sled_id"], role=row["role"], serial=row["serial_number"], part=row["part_number"])
        for row in _each(columns)
    ]


def pool_ranges(columns: Columns, _: list[Finding]) -> list[PoolRange]:
    """Return the ranges of multicast addresses."""
    return [
        PoolRange(pool_id=row["ip_pool_id"], range_id=row["id"], first=row["first_address"], last=row["last_address"])
        for row in _each(columns)
    ]
