"""What stands in the database, asked without the code under test, and somebody else who changes it."""

from typing import Any
from uuid import UUID

import psycopg
from attrs import evolve
from psycopg.rows import dict_row

from blueprints.addresses import Address
from blueprints.snapshot import Group, GroupState, Member, MemberState, Snapshot, UnderlayRow

TABLES = ("multicast_group", "underlay_multicast_group", "multicast_group_member")

Rows = dict[tuple[str, UUID], dict[str, Any]]
"""Table and id to the columns of the row."""


def meddle(dsn: str, statement: str, *values: object) -> None:
    """Change the database as somebody else."""
    with psycopg.connect(dsn) as connection:
        connection.execute(statement.encode(), values)


def rows(dsn: str) -> Rows:
    """Return every row that a transition could change."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        found = [
            (table, row)
            for table in TABLES
            for row in connection.execute(f"SELECT * FROM {table}".encode()).fetchall()  # noqa: S608
        ]
    return {(table, row["id"]): row for table, row in found}


def changes(before: Rows, after: Rows) -> dict[tuple[str, UUID], dict[str, Any] | None]:
    """Return what differs: new and changed columns of each row, None for a row that is gone."""
    differing: dict[tuple[str, UUID], dict[str, Any] | None] = dict.fromkeys(before.keys() - after.keys())
    for key, row in after.items():
        changed = {name: value for name, value in row.items() if before.get(key, {}).get(name, ...) != value}
        if changed:
            differing[key] = changed
    return differing


def _address(value: Any) -> Address:
    return Address.parse(str(value).partition("/")[0])


def read_again(snapshot: Snapshot, dsn: str) -> Snapshot:
    """Return *snapshot* with groups, underlay groups and members as they stand in the database now."""
    found = rows(dsn)

    def of(table: str) -> list[dict[str, Any]]:
        return [row for (name, _), row in found.items() if name == table]

    groups = [
        Group(
            id=row["id"],
            name=row["name"],
            multicast_ip=_address(row["multicast_ip"]),
            state=GroupState(row["state"]),
            vni=row["vni"],
            tag=row["tag"],
            underlay_group_id=row["underlay_group_id"],
            underlay_salt=row["underlay_salt"],
            time_created=row["time_created"],
            time_deleted=row["time_deleted"],
        )
        for row in of("multicast_group")
    ]
    underlay = [
        UnderlayRow(id=row["id"], multicast_ip=_address(row["multicast_ip"]), tag=row["tag"])
        for row in of("underlay_multicast_group")
        if row["time_deleted"] is None
    ]
    members = [
        Member(
            id=row["id"],
            group_id=row["external_group_id"],
            instance_id=row["parent_id"],
            sled_id=row["sled_id"],
            state=MemberState(row["state"]),
            multicast_ip=_address(row["multicast_ip"]),
            source_ips=[_address(source) for source in row["source_ips"]],
            time_deleted=row["time_deleted"],
        )
        for row in of("multicast_group_member")
    ]
    return evolve(snapshot, groups=groups, underlay_groups=underlay, members=members)
