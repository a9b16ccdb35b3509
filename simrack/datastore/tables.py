"""The tables of the rack's database that multicast rests on, schema by schema.

Columns, indexes and CHECKs are those that readers of membership, instances, sleds and inventory rely on; real tables
have more columns. What the control plane keeps as enums of no concern to multicast is text here.

Source:
    omicron, schema/crdb/dbinit.sql and its migrations 199 to 297.

This file does not know rows.
"""

from simrack.datastore.definitions import (
    OLDEST,
    Check,
    Column,
    Definition,
    EnumType,
    Index,
    Sequence,
    Table,
    standing,
    statements,
)

NEWEST = 297
USUAL = 296
"""The schema version that is made unless another is asked for."""

MULTICAST = 209
"""The first version with groups and members."""

_LIVE = "time_deleted IS NULL"

_TYPES = (
    EnumType("multicast_group_state", ("creating", "active", "deleting", "deleted"), since=MULTICAST, until=295),
    EnumType("multicast_group_state", ("creating", "active", "deleting"), since=295),
    EnumType("multicast_group_member_state", ("joining", "joined", "left"), since=MULTICAST),
    EnumType("multicast_group_member_origin", ("static", "igmp_snooped"), since=296),
    EnumType("multicast_group_member_parent_kind", ("instance", "probe"), since=297),
    EnumType("instance_state_v2", ("creating", "no_vmm", "vmm", "failed", "destroyed")),
    EnumType(
        "vmm_state",
        (
            *("creating", "starting", "running", "stopping", "stopped", "rebooting", "migrating", "failed"),
            *("destroyed", "saga_unwound"),
        ),
    ),
    EnumType("sled_policy", ("in_service", "no_provision", "expunged")),
    EnumType("sled_state", ("active", "decommissioned")),
    EnumType("sp_type", ("sled", "switch", "power")),
    EnumType("sled_role", ("scrimlet", "gimlet")),
    EnumType("ip_pool_type", ("unicast", "multicast")),
)

_SEQUENCES = (
    Sequence("multicast_group_version", since=MULTICAST),
    Sequence("multicast_group_member_version", since=MULTICAST),
)


def _versions(sequence: str) -> tuple[Column, Column]:
    return (
        Column("version_added", "INT8", default=f"nextval('{sequence}')"),
        Column("version_removed", "INT8", null=True),
    )


def _in_and_not_in(column: str, family: int, inside: str, *outside: str) -> str:
    kept_out = "".join(f" AND NOT {column} << '{network}'" for network in outside)
    return f"family({column}) <> {family} OR ({column} << '{inside}'{kept_out})"


_GROUP = Table(
    "multicast_group",
    (
        Column("id", "UUID"),
        Column("name", "VARCHAR(63)"),
        Column("description", "VARCHAR(512)"),
        Column("time_created", "TIMESTAMPTZ"),
        Column("time_modified", "TIMESTAMPTZ"),
        Column("time_deleted", "TIMESTAMPTZ", null=True),
        Column("vni", "INT4"),
        Column("ip_pool_id", "UUID"),
        Column("ip_pool_range_id", "UUID"),
        Column("multicast_ip", "INET"),
        Column("source_ips", "INET[]", default="'{}'", until=220),
        Column("mvlan", "INT2", null=True, until=240),
        Column("underlay_group_id", "UUID", null=True),
        Column("tag", "VARCHAR(63)", null=True),
        *_versions("multicast_group_version"),
        Column("underlay_salt", "INT2", null=True, since=220),
        Column("state", "multicast_group_state", default="'creating'"),
    ),
    checks=(
        Check("multicast_group_v4", _in_and_not_in("multicast_ip", 4, "224.0.0.0/4", "224.0.0.0/24")),
        Check("multicast_group_v6", _in_and_not_in("multicast_ip", 6, "ff00::/8"), until=220),
        Check(
            "multicast_group_v6",
            _in_and_not_in("multicast_ip", 6, "ff00::/8", "ff04::/16", "ff00::/16", "ff01::/16", "ff02::/16"),
            since=220,
        ),
    ),
    indexes=(
        Index("multicast_group_live_ip", "multicast_ip", _LIVE, unique=True),
        Index("multicast_group_live_name", "name", _LIVE, unique=True),
        Index("multicast_group_version_added", "version_added", unique=True),
        Index("multicast_group_version_removed", "version_removed", unique=True),
        Index("multicast_group_by_state", "state, id"),
        Index("multicast_group_live_by_state", "state, id", _LIVE),
        Index("multicast_group_by_underlay", "underlay_group_id", f"{_LIVE} AND underlay_group_id IS NOT NULL"),
        Index("multicast_group_by_pool", "ip_pool_id, ip_pool_range_id", _LIVE),
    ),
    since=MULTICAST,
)

_UNDERLAY = Table(
    "underlay_multicast_group",
    (
        Column("id", "UUID"),
        Column("time_created", "TIMESTAMPTZ"),
        Column("time_modified", "TIMESTAMPTZ"),
        Column("time_deleted", "TIMESTAMPTZ", null=True),
        Column("multicast_ip", "INET"),
        Column("tag", "VARCHAR(63)", null=True),
        *_versions("multicast_group_version"),
    ),
    checks=(Check("underlay_multicast_group_ip", "multicast_ip << 'ff04::/16'"),),
    indexes=(
        Index("underlay_multicast_group_live_ip", "multicast_ip", _LIVE, unique=True),
        Index("underlay_multicast_group_version_added", "version_added", unique=True),
        Index("underlay_multicast_group_version_removed", "version_removed", unique=True),
    ),
    since=MULTICAST,
)

_MEMBER = Table(
    "multicast_group_member",
    (
        Column("id", "UUID"),
        Column("time_created", "TIMESTAMPTZ"),
        Column("time_modified", "TIMESTAMPTZ"),
        Column("time_deleted", "TIMESTAMPTZ", null=True),
        Column("external_group_id", "UUID"),
        Column("parent_id", "UUID"),
        Column("sled_id", "UUID", null=True),
        Column("state", "multicast_group_member_state"),
        *_versions("multicast_group_member_version"),
        Column("multicast_ip", "INET", since=220),
        Column("source_ips", "INET[]", default="'{}'", since=220),
        Column("membership_origin", "multicast_group_member_origin", default="'static'", since=296),
        Column("parent_kind", "multicast_group_member_parent_kind", default="'instance'", since=297),
    ),
    indexes=(
        Index("multicast_group_member_once", "external_group_id, parent_id", _LIVE, unique=True, until=297),
        Index(
            "multicast_group_member_once", "external_group_id, parent_kind, parent_id", _LIVE, unique=True, since=297
        ),
        Index("multicast_group_member_version_added", "version_added", unique=True),
        Index("multicast_group_member_version_removed", "version_removed", unique=True),
        Index("multicast_group_member_by_group", "external_group_id, id", _LIVE),
        Index("multicast_group_member_by_group_state", "external_group_id, state", _LIVE),
        Index("multicast_group_member_by_parent", "parent_id, id", _LIVE),
        Index("multicast_group_member_by_parent_group", "parent_id, external_group_id", _LIVE),
        Index("multicast_group_member_by_parent_state", "parent_id, state", _LIVE),
        Index("multicast_group_member_by_sled", "sled_id", _LIVE),
        Index("multicast_group_member_gone", "state", "time_deleted IS NOT NULL"),
    ),
    since=MULTICAST,
)

_INSTANCE = Table(
    "instance",
    (
        Column("id", "UUID"),
        Column("time_deleted", "TIMESTAMPTZ", null=True),
        Column("state", "instance_state_v2"),
        Column("state_generation", "INT8"),
        Column("time_state_updated", "TIMESTAMPTZ"),
        Column("active_propolis_id", "UUID", null=True),
        Column("target_propolis_id", "UUID", null=True),
        Column("migration_id", "UUID", null=True),
        Column("intended_state", "VARCHAR(63)"),
        Column("updater_id", "UUID", null=True),
        Column("updater_gen", "INT8", default="0"),
    ),
    checks=(Check("vmm_iff_active_propolis", "(state = 'vmm') = (active_propolis_id IS NOT NULL)"),),
)

_VMM = Table(
    "vmm",
    (
        Column("id", "UUID"),
        Column("time_deleted", "TIMESTAMPTZ", null=True),
        Column("instance_id", "UUID"),
        Column("sled_id", "UUID"),
        Column("state", "vmm_state"),
        Column("state_generation", "INT8"),
        Column("propolis_ip", "INET"),
        Column("propolis_port", "INT4"),
        Column("failure_reason", "VARCHAR(63)", null=True),
    ),
    checks=(Check("failure_reason_iff_failed", "(state = 'failed') = (failure_reason IS NOT NULL)"),),
)

_SLED = Table(
    "sled",
    (
        Column("id", "UUID"),
        Column("time_deleted", "TIMESTAMPTZ", null=True),
        Column("rack_id", "UUID"),
        Column("is_scrimlet", "BOOL"),
        Column("serial_number", "VARCHAR(63)"),
        Column("part_number", "VARCHAR(63)"),
        Column("revision", "INT8"),
        Column("ip", "INET"),
        Column("port", "INT4"),
        Column("sled_policy", "sled_policy"),
        Column("sled_state", "sled_state"),
        Column("sled_agent_gen", "INT8", default="1"),
        Column("rcgen", "INT8"),
    ),
    indexes=(Index("sled_board", "serial_number, part_number", "sled_state <> 'decommissioned'", unique=True),),
)

_INVENTORY = (
    Table(
        "hw_baseboard_id",
        (Column("id", "UUID"), Column("part_number", "TEXT"), Column("serial_number", "TEXT")),
        indexes=(Index("hw_baseboard_id_board", "part_number, serial_number", unique=True),),
    ),
    Table(
        "inv_collection",
        (
            Column("id", "UUID"),
            Column("time_started", "TIMESTAMPTZ"),
            Column("time_done", "TIMESTAMPTZ"),
            Column("collector", "TEXT"),
        ),
        indexes=(
            Index("inv_collection_by_time_started", "time_started"),
            Index("inv_collection_by_time_done", "time_done DESC"),
        ),
    ),
    Table(
        "inv_collection_error",
        (Column("inv_collection_id", "UUID"), Column("idx", "INT4"), Column("message", "TEXT")),
        key="inv_collection_id, idx",
    ),
    Table(
        "inv_service_processor",
        (
            Column("inv_collection_id", "UUID"),
            Column("hw_baseboard_id", "UUID"),
            Column("time_collected", "TIMESTAMPTZ"),
            Column("source", "TEXT"),
            Column("sp_type", "sp_type"),
            Column("sp_slot", "INT4"),
            Column("baseboard_revision", "INT8"),
            Column("power_state", "VARCHAR(63)"),
        ),
        key="inv_collection_id, hw_baseboard_id",
    ),
    Table(
        "inv_sled_agent",
        (
            Column("inv_collection_id", "UUID"),
            Column("sled_id", "UUID"),
            Column("hw_baseboard_id", "UUID", null=True),
            Column("sled_agent_ip", "INET"),
            Column("sled_agent_port", "INT4"),
            Column("sled_role", "sled_role"),
        ),
        key="inv_collection_id, sled_id",
    ),
)

_POOLS = (
    Table(
        "ip_pool",
        (
            Column("id", "UUID"),
            Column("time_deleted", "TIMESTAMPTZ", null=True),
            Column("pool_type", "ip_pool_type"),
            Column("ip_version", "VARCHAR(63)"),
            Column("assignment", "VARCHAR(63)"),
            Column("rcgen", "INT8"),
        ),
        checks=(Check("ip_pool_assignment", "assignment IN ('silos', 'system_services')"),),
    ),
    Table(
        "ip_pool_range",
        (
            Column("id", "UUID"),
            Column("time_deleted", "TIMESTAMPTZ", null=True),
            Column("first_address", "INET"),
            Column("last_address", "INET"),
            Column("ip_pool_id", "UUID"),
            Column("rcgen", "INT8"),
        ),
        indexes=(Index("ip_pool_range_by_pool", "ip_pool_id", _LIVE),),
    ),
)

_METADATA = Table(
    "db_metadata",
    (
        Column("singleton", "BOOL"),
        Column("time_created", "TIMESTAMPTZ"),
        Column("time_modified", "TIMESTAMPTZ"),
        Column("version", "VARCHAR(64)"),
        Column("target_version", "VARCHAR(64)", null=True),
    ),
    key="singleton",
    checks=(Check("db_metadata_singleton", "singleton"),),
)

_TABLES = (_METADATA, _SLED, *_INVENTORY, *_POOLS, _GROUP, _UNDERLAY, _MEMBER, _INSTANCE, _VMM)


def definitions(schema: int) -> tuple[Definition, ...]:
    """Return what makes the empty tables of *schema*, in an order in which it can be run."""
    return tuple(statements((*_TYPES, *_SEQUENCES, *_TABLES), schema))


def columns(schema: int) -> dict[str, tuple[str, ...]]:
    """Return the tables of *schema*, each with the names of its columns in their order."""
    return {
        table.name: tuple(column.name for column in standing(table.columns, schema))
        for table in standing(_TABLES, schema)
    }


def names() -> frozenset[str]:
    """Return the names of all tables, types and sequences of any version."""
    return frozenset(thing.name for thing in (*_TYPES, *_SEQUENCES, *_TABLES))


def is_known(schema: int) -> bool:
    """Return whether the tables of *schema* are described here."""
    return OLDEST <= schema <= NEWEST
