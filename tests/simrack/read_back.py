"""Reads the rehearsal database with plain SQL of its own, so that mistakes of the loader meet a second opinion."""

from ipaddress import ip_interface
from typing import Any, LiteralString

import psycopg
from attrs import evolve
from psycopg import sql

from blueprints.addresses import Address, UnderlayUnicast
from blueprints.snapshot import (
    Group,
    GroupState,
    Instance,
    InstanceState,
    Inventory,
    Member,
    MemberState,
    ServiceProcessor,
    Sled,
    SledPolicy,
    SledState,
    Snapshot,
    SpType,
    UnderlayRow,
    Vmm,
    VmmState,
)

Connection = psycopg.Connection[tuple[Any, ...]]


def what_tables_hold(snapshot: Snapshot) -> Snapshot:
    """Return *snapshot* without what no table knows: sleds without NICs, and no source."""
    return evolve(snapshot, source=None, sleds=[evolve(sled, underlay_nics=None) for sled in snapshot.sleds])


def read_back(dsn: str, like: Snapshot) -> Snapshot:
    """Return what the database at *dsn* holds; what no table knows is as in *like*."""
    with psycopg.connect(dsn) as connection:
        return evolve(
            like,
            source=None,
            rack_id=_one(connection, "SELECT DISTINCT rack_id FROM sled") or like.rack_id,
            sleds=_sleds(connection),
            inventory=_inventory(connection),
            groups=_groups(connection),
            underlay_groups=_underlay_groups(connection),
            members=_members(connection),
            instances=_instances(connection),
        )


def ask(dsn: str, query: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query, values).fetchall()


def count(dsn: str, table: str) -> int:
    with psycopg.connect(dsn) as connection:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        return int(connection.execute(query).fetchall()[0][0])


def _one(connection: Connection, query: LiteralString) -> Any:
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]


def _sleds(connection: Connection) -> list[Sled]:
    query = "SELECT id, serial_number, part_number, host(ip), sled_policy::text, sled_state::text FROM sled"
    return [
        Sled(
            id=id_,
            serial=serial,
            part=part,
            underlay_address=UnderlayUnicast.parse(ip),
            policy=SledPolicy(policy),
            state=SledState(state),
        )
        for id_, serial, part, ip, policy, state in connection.execute(query)
    ]


def _inventory(connection: Connection) -> Inventory | None:
    found = connection.execute("SELECT id, time_done FROM inv_collection").fetchone()
    if found is None:
        return None
    query = """
        SELECT sp_type::text, sp_slot, serial_number, part_number
        FROM inv_service_processor JOIN hw_baseboard_id ON id = hw_baseboard_id WHERE inv_collection_id = %s
    """
    boards = [
        ServiceProcessor(type=SpType(type_), slot=slot, serial=serial, part=part)
        for type_, slot, serial, part in connection.execute(query, found[:1])
    ]
    errors = _one(connection, "SELECT count(*) FROM inv_collection_error")
    return Inventory(collection_id=found[0], completed_at=found[1], errors=errors, service_processors=boards)


def _groups(connection: Connection) -> list[Group]:
    query = """
        SELECT id, name, host(multicast_ip), state::text, vni, tag, underlay_group_id, underlay_salt,
            time_created, time_deleted
        FROM multicast_group
    """
    return [
        Group(
            id=id_,
            name=name,
            multicast_ip=Address.parse(ip),
            state=GroupState(state),
            vni=vni,
            tag=tag,
            underlay_group_id=link,
            underlay_salt=salt,
            time_created=created,
            time_deleted=deleted,
        )
        for id_, name, ip, state, vni, tag, link, salt, created, deleted in connection.execute(query)
    ]


def _underlay_groups(connection: Connection) -> list[UnderlayRow]:
    query = "SELECT id, host(multicast_ip), tag FROM underlay_multicast_group"
    return [
        UnderlayRow(id=id_, multicast_ip=Address.parse(ip), tag=tag) for id_, ip, tag in connection.execute(query)
    ]


def _members(connection: Connection) -> list[Member]:
    query = """
        SELECT id, external_group_id, parent_id, sled_id, state::text, host(multicast_ip), source_ips::text[],
            time_deleted
        FROM multicast_group_member
    """
    return [
        Member(
            id=id_,
            group_id=group,
            instance_id=parent,
            sled_id=sled,
            state=MemberState(state),
            multicast_ip=Address.parse(ip),
            source_ips=[Address.parse(str(ip_interface(source).ip)) for source in sources],
            time_deleted=deleted,
        )
        for id_, group, parent, sled, state, ip, sources, deleted in connection.execute(query)
    ]


def _instances(connection: Connection) -> list[Instance]:
    query = """
        SELECT i.id, i.state::text, migration_id,
            a.id, a.sled_id, a.state::text, t.id, t.sled_id, t.state::text
        FROM instance i
        LEFT JOIN vmm a ON a.id = active_propolis_id AND a.instance_id = i.id
        LEFT JOIN vmm t ON t.id = target_propolis_id AND t.instance_id = i.id
    """
    return [
        Instance(
            id=row[0],
            state=InstanceState(row[1]),
            migration_id=row[2],
            active_vmm=_vmm(*row[3:6]),
            target_vmm=_vmm(*row[6:9]),
        )
        for row in connection.execute(query)
    ]


def _vmm(id_: Any, sled: Any, state: str | None) -> Vmm | None:
    return None if state is None else Vmm(id=id_, sled_id=sled, state=VmmState(state))
