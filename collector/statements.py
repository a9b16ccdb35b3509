"""What is asked of the datastore, schema by schema: columns, what each becomes, and the SQL.

Rows come in pages by key, so that every statement is bounded by an index and no page is long; a full scan of a table
is never needed, and on the product's own sessions never allowed. Enums and addresses are asked for as text, which
PostgreSQL and CockroachDB write alike; ids come as ids.

Statements are made from constants alone: no value from outside is ever part of their text.

This file opens no connection and builds no records.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

from attrs import evolve, field, frozen

from blueprints.addresses import Address, UnderlayUnicast
from blueprints.snapshot import (
    Group,
    GroupState,
    InstanceState,
    MemberState,
    SledPolicy,
    SledState,
    SpType,
    VmmState,
)
from collector.schema import Feature, Schema
from collector.values import Read, address_of, given, kept_by, one_of, sources, utc

PAGE = 1000
"""Rows of a page, and ids of one look-up: the product's own batch size."""

_NIL = UUID(int=0)


class ParentKind(StrEnum):
    """What a member is."""

    INSTANCE = "instance"
    PROBE = "probe"


class MemberOrigin(StrEnum):
    """Who asked for a membership."""

    STATIC = "static"
    IGMP_SNOOPED = "igmp_snooped"


class SledRole(StrEnum):
    """What a sled says it is: a scrimlet hosts a switch."""

    SCRIMLET = "scrimlet"
    GIMLET = "gimlet"


@frozen
class Column:
    """One column of an answer."""

    name: str
    """What mistakes and records call it."""

    sql: str

    read: Read | None = None
    """What its values become; None: they stay as they are, NULL included."""

    null: bool = field(default=False, kw_only=True)
    """Whether NULL is a value, which then stays None."""

    feature: Feature | None = field(default=None, kw_only=True)
    """Schemas without it do not have the column."""


@frozen(kw_only=True)
class Statement:
    """One question, answered page by page."""

    table: str
    """Whose rows these are, for mistakes and for progress."""

    columns: tuple[Column, ...]
    """The first is the row's id."""

    text: str
    """SQL; its parameters are those of the question itself, then the key of the row before the page."""

    key: tuple[int, ...] = ()
    """Which columns make the key; none where the question itself keeps the answer to a page."""

    def first(self) -> tuple[UUID, ...]:
        """Return the key before all rows."""
        return (_NIL,) * len(self.key)

    def after(self, row: Sequence[Any]) -> tuple[UUID, ...]:
        """Return the key of *row*, before the page that follows it."""
        return tuple(row[place] for place in self.key)


def _statement(table: str, columns: Sequence[Column], source: str, where: str) -> Statement:
    """Return the question for one page."""
    listed = ", ".join(column.sql for column in columns)
    text = f"SELECT {listed} FROM {source} WHERE {where}"  # noqa: S608 - constants of this file alone
    return Statement(table=table, columns=tuple(columns), text=text)


def _paged(table: str, columns: Sequence[Column], source: str, where: str = "", key: Sequence[str] = ()) -> Statement:
    """Return the question for all pages in order of *key*, which is the first column unless named."""
    names = [column.sql for column in columns]
    keys = tuple(key) or (names[0],)
    order = ", ".join(keys)
    beyond = f"({order}) > ({', '.join(['%s'] * len(keys))})"
    page = _statement(table, columns, source, f"{where} AND {beyond}" if where else beyond)
    text = f"{page.text} ORDER BY {order} LIMIT {PAGE}"
    return evolve(page, text=text, key=tuple(names.index(name) for name in keys))


def _in(schema: Schema, *columns: Column) -> tuple[Column, ...]:
    return tuple(column for column in columns if column.feature is None or schema.has(column.feature))


_ADDRESS = address_of(Address)


def _group_state(schema: Schema) -> Read:
    known = one_of(GroupState)
    if not schema.has(Feature.DELETED_STATE):
        return known
    return lambda value: GroupState.DELETING if value == "deleted" else known(value)


def groups(schema: Schema) -> Statement:
    """Return the question for all groups, whatever their state."""
    columns = _in(
        schema,
        Column("id", "id"),
        Column("name", "name", given),
        Column("multicast_ip", "host(multicast_ip)", _ADDRESS),
        Column("state", "state::text", _group_state(schema)),
        Column("vni", "vni", given),
        Column("tag", "tag"),
        Column("underlay_group_id", "underlay_group_id"),
        Column("underlay_salt", "underlay_salt", kept_by(Group, "underlay_salt"), null=True, feature=Feature.SALTS),
        Column("time_created", "time_created", utc),
        Column("time_deleted", "time_deleted", utc, null=True),
        Column("mvlan", "mvlan", feature=Feature.VLANS),
    )
    return _paged("multicast_group", columns, "multicast_group")


def underlay_groups() -> Statement:
    """Return the question for all underlay groups whose rows stand."""
    columns = (
        Column("id", "id"),
        Column("multicast_ip", "host(multicast_ip)", _ADDRESS),
        Column("tag", "tag"),
    )
    return _paged("underlay_multicast_group", columns, "underlay_multicast_group", "time_deleted IS NULL")


def _member_columns(schema: Schema) -> tuple[tuple[Column, ...], str]:
    """Return the columns of a live member, and what they are read from."""
    own = schema.has(Feature.MEMBER_ADDRESSES)
    holder = "m" if own else "g"
    group = "" if own else " LEFT JOIN multicast_group g ON g.id = m.external_group_id"
    columns = _in(
        schema,
        Column("id", "m.id"),
        Column("external_group_id", "m.external_group_id"),
        Column("parent_id", "m.parent_id"),
        Column("sled_id", "m.sled_id"),
        Column("state", "m.state::text", one_of(MemberState)),
        Column("multicast_ip", f"host({holder}.multicast_ip)", _ADDRESS, null=not own),
        Column("source_ips", f"{holder}.source_ips::text", sources, null=not own),
        Column("origin", "m.membership_origin::text", one_of(MemberOrigin), feature=Feature.MEMBER_ORIGINS),
        Column("parent_kind", "m.parent_kind::text", one_of(ParentKind), feature=Feature.PARENT_KINDS),
    )
    return columns, f"multicast_group_member m{group}"


def live_members(schema: Schema) -> Statement:
    """Return the question for all live members, group by group."""
    columns, source = _member_columns(schema)
    key = ("m.external_group_id", "m.id")
    return _paged("multicast_group_member", columns, source, "m.time_deleted IS NULL", key)


def tombstones(schema: Schema) -> Statement:
    """Return the question for members that have left and may still owe a leave to a sled."""
    columns, source = _member_columns(schema)
    columns = (*columns, Column("time_deleted", "m.time_deleted", utc))
    where = "m.time_deleted IS NOT NULL AND m.state = 'left' AND m.sled_id IS NOT NULL"
    return _paged("multicast_group_member", columns, source, where)


def _vmm(which: str, alias: str) -> tuple[Column, ...]:
    return (
        Column(f"{which}.id", f"{alias}.id"),
        Column(f"{which}.sled_id", f"{alias}.sled_id"),
        Column(f"{which}.state", f"{alias}.state::text", one_of(VmmState), null=True),
    )


def instances() -> Statement:
    """Return the question for some instances, by their ids, with the processes that their rows point to."""
    columns = (
        Column("id", "i.id"),
        Column("state", "i.state::text", one_of(InstanceState)),
        Column("migration_id", "i.migration_id"),
        *_vmm("active_vmm", "a"),
        *_vmm("target_vmm", "t"),
    )
    source = (
        "instance i "
        "LEFT JOIN vmm a ON a.id = i.active_propolis_id AND a.time_deleted IS NULL "
        "LEFT JOIN vmm t ON t.id = i.target_propolis_id AND t.time_deleted IS NULL"
    )
    return _statement("instance", columns, source, "i.time_deleted IS NULL AND i.id = ANY(%s) ORDER BY i.id")


def sleds() -> Statement:
    """Return the question for all sleds, those that are gone included."""
    columns = (
        Column("id", "id"),
        Column("rack_id", "rack_id", given),
        Column("is_scrimlet", "is_scrimlet", given),
        Column("serial_number", "serial_number", given),
        Column("part_number", "part_number", given),
        Column("ip", "host(ip)", address_of(UnderlayUnicast)),
        Column("sled_policy", "sled_policy::text", one_of(SledPolicy)),
        Column("sled_state", "sled_state::text", one_of(SledState)),
    )
    return _paged("sled", columns, "sled")


LATEST_COLLECTION = (
    "SELECT c.id, c.time_done, "
    "(SELECT count(*) FROM inv_collection_error e WHERE e.inv_collection_id = c.id) "
    "FROM inv_collection c ORDER BY c.time_started DESC, c.id DESC LIMIT 1"
)
"""Id, end and number of errors of the latest collection; of two that began at once, the one with the higher id."""


def service_processors() -> Statement:
    """Return the question for the service processors of one collection, by its id."""
    columns = (
        Column("id", "p.hw_baseboard_id"),
        Column("sp_type", "p.sp_type::text", one_of(SpType)),
        Column("sp_slot", "p.sp_slot", given),
        Column("serial_number", "b.serial_number", given),
        Column("part_number", "b.part_number", given),
    )
    source = "inv_service_processor p JOIN hw_baseboard_id b ON b.id = p.hw_baseboard_id"
    return _paged("inv_service_processor", columns, source, "p.inv_collection_id = %s")


def sled_boards() -> Statement:
    """Return the question for what sleds say of themselves in one collection, by its id."""
    columns = (
        Column("sled_id", "s.sled_id"),
        Column("role", "s.sled_role::text", one_of(SledRole)),
        Column("serial_number", "b.serial_number"),
        Column("part_number", "b.part_number"),
    )
    source = "inv_sled_agent s LEFT JOIN hw_baseboard_id b ON b.id = s.hw_baseboard_id"
    return _paged("inv_sled_agent", columns, source, "s.inv_collection_id = %s")


def pool_ranges() -> Statement:
    """Return the question for the ranges of all pools of multicast addresses."""
    columns = (
        Column("id", "r.id"),
        Column("ip_pool_id", "r.ip_pool_id"),
        Column("first_address", "host(r.first_address)", _ADDRESS),
        Column("last_address", "host(r.last_address)", _ADDRESS),
    )
    source = "ip_pool_range r JOIN ip_pool p ON p.id = r.ip_pool_id"
    where = "r.time_deleted IS NULL AND p.time_deleted IS NULL AND p.pool_type = 'multicast'"
    return _paged("ip_pool_range", columns, source, where)
