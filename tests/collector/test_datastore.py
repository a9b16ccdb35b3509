"""Reading a real database: what was loaded comes back, in one cut, under every schema, or is refused as a whole."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from blueprints.addresses import Address
from blueprints.errors import DeviceError, InputRejectedError
from blueprints.files import read_snapshot
from blueprints.snapshot import GroupState, InstanceState, Member, MemberState, Snapshot
from collector import session, statements
from collector.checks import check
from collector.datastore import read
from collector.schema import Schema
from collector.session import Limits, reading
from collector.statements import Statement
from collector.stored import PoolRange, SledBoard, Stored
from simrack.datastore.load import load
from simrack.datastore.refusals import refusals
from simrack.datastore.tables import USUAL
from tests.collector.rows import meddle
from tests.collector.wire import CLOCK, LICENSED, Wire, through
from tests.simrack.rows import (
    G4,
    G6,
    GROUP4,
    GROUP6,
    LISTENER,
    MOVER,
    NOON,
    PICKER,
    READER,
    S4,
    S6,
    SLEDS,
    small_rack,
    uid,
)
from tests.strategies import snapshots

FULL_RACK = "examples/full_rack/after.json.gz"


def _owed(member: Member) -> bool:
    """Return whether the datastore is asked for this row: it is live, or it may still owe a leave."""
    return member.time_deleted is None or member.sled_id is not None


def assert_is(stored: Stored, snapshot: Snapshot) -> None:
    """Assert that *stored* has the rows of *snapshot* that can matter, and no others."""
    owed = [member for member in snapshot.members if _owed(member)]
    named = {member.instance_id for member in owed}
    assert stored.groups == snapshot.groups
    assert stored.underlay_groups == snapshot.underlay_groups
    assert sorted(stored.members, key=lambda row: row.id) == owed
    assert stored.instances == tuple(row for row in snapshot.instances if row.id in named)
    assert [row.sled for row in stored.sleds] == [evolve(sled, underlay_nics=None) for sled in snapshot.sleds]
    assert {row.rack_id for row in stored.sleds} <= {snapshot.rack_id}
    assert stored.inventory == snapshot.inventory
    boards = [SledBoard(sled_id=s.id, role="", serial=s.serial, part=s.part) for s in snapshot.sleds]
    assert [evolve(board, role="") for board in stored.boards] == (boards if snapshot.inventory else [])
    for group in snapshot.groups:
        assert any(r.first.key <= group.multicast_ip.key <= r.last.key for r in stored.pools)


def test_a_full_rack_comes_back(shared: str) -> None:
    """The example's rows are read as they were loaded."""
    snapshot = read_snapshot(FULL_RACK)
    load(shared, snapshot)
    stored = read(shared)
    assert_is(stored, snapshot)
    assert (stored.schema, stored.vendor, stored.findings) == (296, "PostgreSQL", ())


def test_made_up_racks_come_back(shared: str) -> None:
    """Whatever rows the tables accept are read as they were loaded."""

    @settings(max_examples=40)
    @given(st.one_of(snapshots(clean=True), snapshots()))
    def comes_back(snapshot: Snapshot) -> None:
        assume(not refusals(snapshot, USUAL))
        load(shared, snapshot)
        assert_is(read(shared), snapshot)

    comes_back()


def test_an_empty_datastore_is_known_to_be_empty(shared: str) -> None:
    """No rows are no rows; no collection is an unknown inventory."""
    load(shared, evolve(small_rack(), sleds=(), inventory=None, groups=(), underlay_groups=(), members=()))
    stored = read(shared)
    assert (stored.groups, stored.members, stored.instances, stored.sleds, stored.pools) == ((), (), (), (), ())
    assert stored.inventory is None


def test_cockroach_is_read_alike(shared: str) -> None:
    """Without statements side by side the same comes back."""
    load(shared, small_rack())
    meddle(shared, CLOCK)
    wire = Wire(server=shared, parameters={b"crdb_version": b"CockroachDB CCL v22.1.22"}, rewrites=LICENSED)
    with through(wire) as dsn:
        stored = read(dsn)
    assert stored.vendor == "CockroachDB"
    assert_is(stored, small_rack())


def test_each_page_is_told(shared: str) -> None:
    """Progress names the table and the rows of each page; a full page has 1,000."""
    load(shared, _crowd())
    pages: list[tuple[str, int]] = []
    read(shared, page=lambda table, count: pages.append((table, count)))
    assert [count for table, count in pages if table == "multicast_group_member"] == [1000, 1000, 501, 1000, 0]
    assert [count for table, count in pages if table == "instance"] == [1000, 1000, 501]


def _crowd() -> Snapshot:
    """Return the small rack with members enough for several pages, of live ones and of tombstones."""
    base = small_rack()
    lone = base.instances[0]
    bare = [evolve(lone, id=uid(70, number), state=InstanceState.NO_VMM, active_vmm=None) for number in range(2501)]
    live = [
        Member(
            id=uid(71, number),
            group_id=(GROUP4, GROUP6)[number % 2],
            instance_id=row.id,
            state=MemberState.LEFT,
            multicast_ip=Address.parse((G4, G6)[number % 2]),
            source_ips=(),
        )
        for number, row in enumerate(bare)
    ]
    gone = [evolve(row, id=uid(72, row.id.int & 0xFFFF), sled_id=SLEDS[0], time_deleted=NOON) for row in live[:1000]]
    return evolve(base, instances=bare, members=[*live, *gone])


def test_pages_lose_and_repeat_nothing(shared: str) -> None:
    """Rows of many pages come back once each, also when the last page is full."""
    load(shared, _crowd())
    assert_is(read(shared), _crowd())


def test_processes_that_are_gone_are_not_read(shared: str) -> None:
    """An instance whose row points to a deleted process has none."""
    load(shared, small_rack())
    meddle(shared, "UPDATE vmm SET time_deleted = now() WHERE instance_id IN (%s, %s)", LISTENER, MOVER)
    gone = {row.id: row for row in read(shared).instances if row.active_vmm is None and row.target_vmm is None}
    assert set(gone) == {LISTENER, MOVER}
    assert {row.state for row in gone.values()} == {InstanceState.VMM}


# --- one cut --------------------------------------------------------------------------------------------------------


def _read_while_it_changes(dsn: str) -> Stored:
    """Return what is read while another connection takes everything apart after the first page."""
    changed = False

    def change(_table: str, _count: int) -> None:
        nonlocal changed
        if not changed:
            changed = True
            with psycopg.connect(dsn) as other:
                other.execute("DELETE FROM underlay_multicast_group")
                other.execute("UPDATE multicast_group SET state = 'deleting', time_deleted = now()")
                other.execute("UPDATE multicast_group_member SET state = 'left', time_deleted = now()")
                other.execute("UPDATE instance SET state = 'no_vmm', active_propolis_id = NULL")
                other.execute("UPDATE sled SET sled_policy = 'expunged'")
                other.execute("DELETE FROM inv_service_processor")

    return read(dsn, page=change)


def test_a_commit_in_between_does_not_show(shared: str) -> None:
    """A writer that commits between two statements of a read changes nothing of what is read."""
    load(shared, small_rack())
    assert_is(_read_while_it_changes(shared), small_rack())
    assert read(shared).underlay_groups == ()


def test_without_one_cut_a_commit_in_between_would_show(shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a transaction of another kind the same writer tears the same read: the test above can fail."""
    monkeypatch.setattr(session, "_BEGIN_READING", "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY")
    load(shared, small_rack())
    torn = _read_while_it_changes(shared)
    assert torn.groups == small_rack().groups
    assert torn.underlay_groups == ()


# --- schemas --------------------------------------------------------------------------------------------------------


def test_before_groups_there_are_none(shared: str) -> None:
    """A schema without the tables knows sleds and inventory, and that nobody is a member of anything."""
    rack = evolve(small_rack(), groups=(), underlay_groups=(), members=())
    load(shared, rack, schema=208)
    stored = read(shared)
    assert_is(stored, rack)
    assert stored.schema == 208


@pytest.mark.parametrize("schema", [220, 239, 240, 294, 295, 296, 297])
def test_every_schema_with_its_own_sources_gives_the_same(shared: str, schema: int) -> None:
    """From 220 on, the same rack is read from every schema."""
    load(shared, small_rack(), schema=schema)
    stored = read(shared)
    assert_is(stored, small_rack())
    assert (stored.schema, stored.findings) == (schema, ())


@pytest.mark.parametrize("schema", [209, 219])
def test_members_without_addresses_have_those_of_their_group(shared: str, schema: int) -> None:
    """Before 220, a member listens to the address and the sources that stand in its group's row."""
    load(shared, small_rack(), schema=schema)
    meddle(shared, "UPDATE multicast_group SET source_ips = '{10.20.0.6,10.20.0.5}' WHERE id = %s", GROUP4)
    stored = read(shared)
    by_group = {(row.group_id, row.multicast_ip, row.source_ips) for row in stored.members}
    sources = (Address.parse(S4), Address.parse("10.20.0.6"))
    assert by_group == {
        (GROUP4, Address.parse(G4), sources),
        (GROUP6, Address.parse(G6), (Address.parse(S6),)),
    }
    assert all(group.underlay_salt is None for group in stored.groups)
    assert stored.findings == ()


def test_a_member_whose_address_is_lost_is_left_out(shared: str) -> None:
    """Before 220, a member whose group row is gone has no address: it is told and left out."""
    load(shared, small_rack(), schema=219)
    meddle(shared, "DELETE FROM multicast_group WHERE id = %s", GROUP6)
    lost = [row for row in small_rack().members if row.group_id == GROUP6]
    assert lost
    stored = read(shared)
    assert [row.id for row in stored.members] == [row.id for row in small_rack().members if row not in lost]
    assert [(f.code, f.subject) for f in stored.findings] == [
        ("member_without_address", f"member {row.id}") for row in lost
    ]


def test_a_vlan_is_told(shared: str) -> None:
    """A group's VLAN, which some schemas have, has no place in a snapshot."""
    load(shared, small_rack(), schema=239)
    meddle(shared, "UPDATE multicast_group SET mvlan = 42 WHERE id = %s", GROUP4)
    stored = read(shared)
    assert stored.groups == small_rack().groups
    assert [(f.code, f.subject) for f in stored.findings] == [("group_vlan_ignored", f"group {GROUP4}")]


def test_deleted_means_deleting(shared: str) -> None:
    """A state that was never written, and is gone since 295, is planned absent like the one before it."""
    load(shared, small_rack(), schema=294)
    meddle(shared, "UPDATE multicast_group SET state = 'deleted' WHERE id = %s", GROUP4)
    assert {row.id: row.state for row in read(shared).groups}[GROUP4] is GroupState.DELETING


def test_a_probe_is_a_member_that_leads_to_no_instance(shared: str) -> None:
    """A live probe keeps its group from looking empty, is told, and is looked up nowhere; a tombstone is kept."""
    load(shared, small_rack(), schema=297)
    meddle(shared, "UPDATE multicast_group_member SET parent_kind = 'probe' WHERE parent_id = %s", LISTENER)
    meddle(
        shared,
        "INSERT INTO multicast_group_member (id, time_created, time_modified, time_deleted, external_group_id,"
        " parent_id, sled_id, state, multicast_ip, parent_kind)"
        " VALUES (%s, now(), now(), now(), %s, %s, %s, 'left', %s, 'probe')",
        *(uid(80, 1), GROUP4, uid(80, 2), SLEDS[0], G4),
    )
    stored = read(shared)
    assert {row.instance_id for row in stored.members} == {LISTENER, READER, PICKER, MOVER, uid(80, 2)}
    assert {row.id for row in stored.instances} == {READER, PICKER, MOVER}
    probes = [f"member {row.id}" for row in small_rack().members if row.instance_id == LISTENER]
    assert [(f.code, f.severity, f.subject) for f in stored.findings] == [
        ("member_is_probe", "warning", name) for name in probes
    ]
    assert "member_instance_missing" not in {finding.code for finding in check(stored)}


# --- what is refused ------------------------------------------------------------------------------------------------

MEMBER = small_rack().members[0].id
UNKNOWN = (
    ("multicast_group", "state", "multicast_group_state", GROUP4),
    ("multicast_group_member", "state", "multicast_group_member_state", MEMBER),
    ("multicast_group_member", "membership_origin", "multicast_group_member_origin", MEMBER),
    ("instance", "state", "instance_state_v2", PICKER),
    ("sled", "sled_policy", "sled_policy", SLEDS[0]),
    ("sled", "sled_state", "sled_state", SLEDS[1]),
)
"""Table, column, type, and the row that gets a value nobody knows."""


def _with_unknown_values(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table, column, kind, name in UNKNOWN:
            connection.execute(f"ALTER TYPE {kind} ADD VALUE 'unheard'".encode())
            loose = "ALTER TABLE instance DROP CONSTRAINT IF EXISTS vmm_iff_active_propolis"
            connection.execute(loose.encode())
            connection.execute(f"UPDATE {table} SET {column} = 'unheard' WHERE id = %s".encode(), (name,))  # noqa: S608
        connection.execute("ALTER TYPE vmm_state ADD VALUE 'unheard'")
        connection.execute("ALTER TYPE sp_type ADD VALUE 'unheard'")
        connection.execute("ALTER TYPE sled_role ADD VALUE 'unheard'")
        connection.execute("UPDATE inv_sled_agent SET sled_role = 'unheard' WHERE sled_id = %s", (SLEDS[0],))
        connection.execute("UPDATE vmm SET state = 'unheard' WHERE instance_id = %s", (MOVER,))
        connection.execute("UPDATE inv_service_processor SET sp_type = 'unheard' WHERE sp_slot = 15")


def test_values_that_nobody_knows_are_refused_together(database: str) -> None:
    """A state of a later schema may mean anything: every row that has one is named, and nothing is read."""
    load(database, small_rack())
    _with_unknown_values(database)
    with pytest.raises(InputRejectedError) as caught:
        read(database)
    [board] = _column(database, "SELECT hw_baseboard_id FROM inv_service_processor WHERE sp_slot = 15")
    assert caught.value.source == "datastore"
    assert [mistake.path for mistake in caught.value.mistakes] == [
        f"multicast_group[{GROUP4}].state",
        f"multicast_group_member[{MEMBER}].state",
        f"multicast_group_member[{MEMBER}].origin",
        f"instance[{PICKER}].state",
        f"instance[{MOVER}].active_vmm.state",
        f"instance[{MOVER}].target_vmm.state",
        f"sled[{SLEDS[0]}].sled_policy",
        f"sled[{SLEDS[1]}].sled_state",
        f"inv_sled_agent[{SLEDS[0]}].role",
        f"inv_service_processor[{board}].sp_type",
    ]
    assert all("'unheard' is not one of" in mistake.message for mistake in caught.value.mistakes)


def _column(dsn: str, statement: str) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute(statement.encode()).fetchall()]


REFUSED = [
    (
        "UPDATE multicast_group SET underlay_salt = 300",
        [f"multicast_group[{GROUP4}].underlay_salt", f"multicast_group[{GROUP6}].underlay_salt"],
    ),
    ("UPDATE sled SET ip = '10.0.0.1' WHERE serial_number LIKE '%%1'", [f"sled[{SLEDS[1]}].ip"]),
    ("UPDATE sled SET ip = 'ff02::1' WHERE serial_number LIKE '%%2'", [f"sled[{SLEDS[2]}].ip"]),
    (
        "UPDATE multicast_group_member SET source_ips = '{10.20.0.6,10.0.0.0/8}' WHERE source_ips = '{}'",
        [f"multicast_group_member[{row.id}].source_ips" for row in small_rack().members if not row.source_ips],
    ),
    (
        "UPDATE multicast_group_member SET source_ips = '{NULL}' WHERE source_ips = '{}'",
        [f"multicast_group_member[{row.id}].source_ips" for row in small_rack().members if not row.source_ips],
    ),
]


@pytest.mark.parametrize(("statement", "paths"), REFUSED)
def test_values_outside_the_vocabulary_are_refused(shared: str, statement: str, paths: list[str]) -> None:
    """A value that a snapshot cannot hold is refused with its row."""
    load(shared, small_rack())
    meddle(shared, statement)
    with pytest.raises(InputRejectedError) as caught:
        read(shared)
    assert [mistake.path for mistake in caught.value.mistakes] == paths


NEVER_NULL = (
    ("multicast_group", "name"),
    ("multicast_group", "vni"),
    ("multicast_group_member", "multicast_ip"),
    ("multicast_group_member", "source_ips"),
    ("sled", "rack_id"),
    ("sled", "is_scrimlet"),
    ("sled", "serial_number"),
    ("sled", "part_number"),
    ("inv_service_processor", "sp_slot"),
)


@pytest.mark.parametrize(("table", "column"), NEVER_NULL)
def test_a_value_that_is_missing_is_refused(database: str, table: str, column: str) -> None:
    """Where the tables are looser than they should be no snapshot is made that cannot be read again."""
    load(database, small_rack())
    meddle(database, f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")
    meddle(database, f"UPDATE {table} SET {column} = NULL")  # noqa: S608
    with pytest.raises(InputRejectedError) as caught:
        read(database)
    paths = [mistake.path for mistake in caught.value.mistakes]
    assert {(path.partition("[")[0], path.rpartition(".")[2]) for path in paths} == {(table, column)}


def test_a_full_mask_is_the_address_itself(shared: str) -> None:
    """A source written with all bits of its mask is that address."""
    load(shared, small_rack())
    meddle(shared, "UPDATE multicast_group_member SET source_ips = '{10.20.0.6/32}' WHERE id = %s", MEMBER)
    assert {row.id: row.source_ips for row in read(shared).members}[MEMBER] == (Address.parse("10.20.0.6"),)


def test_a_mistake_on_one_page_hides_none_on_another(shared: str) -> None:
    """Pages with mistakes do not keep the pages after them from being read."""
    load(shared, _crowd())
    wrong = [uid(71, number) for number in (0, 1, 2498, 2500)]
    meddle(shared, "UPDATE multicast_group_member SET source_ips = '{10.0.0.0/8}' WHERE id = ANY(%s)", wrong)
    with pytest.raises(InputRejectedError) as caught:
        read(shared)
    # In order of the groups: even members are in the first.
    named = [wrong[0], wrong[2], wrong[3], wrong[1]]
    assert [m.path for m in caught.value.mistakes] == [f"multicast_group_member[{name}].source_ips" for name in named]


# --- inventory ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=1)])
def test_the_latest_collection_counts(shared: str, later: timedelta) -> None:
    """Of several collections the latest is read; of two that began at once, the one with the higher id."""
    load(shared, small_rack())
    [began] = _column(shared, "SELECT time_started FROM inv_collection")
    newer = UUID(int=(1 << 128) - 1)
    statement = "INSERT INTO inv_collection (id, time_started, time_done, collector) VALUES (%s, %s, %s, 'x')"
    meddle(shared, statement, newer, began + later, began + timedelta(minutes=9))
    meddle(shared, statement, UUID(int=1), began - timedelta(seconds=1), began + timedelta(hours=1))
    inventory = read(shared).inventory
    assert inventory is not None
    assert (inventory.collection_id, inventory.completed_at) == (newer, began + timedelta(minutes=9))
    assert inventory.service_processors == ()


def test_sleds_of_several_racks_are_all_read(shared: str) -> None:
    """Which rack is meant is settled elsewhere."""
    load(shared, small_rack())
    other = uid(90, 1)
    meddle(shared, "UPDATE sled SET rack_id = %s WHERE id = %s", other, SLEDS[0])
    stored = read(shared)
    assert {row.sled.id for row in stored.sleds} == set(SLEDS)
    assert {row.rack_id for row in stored.sleds} == {other, small_rack().rack_id}


def test_scrimlets_and_roles_are_read(shared: str) -> None:
    """What a sled's row and the sled itself say of its role is kept."""
    load(shared, small_rack())
    meddle(shared, "UPDATE sled SET is_scrimlet = id = %s", SLEDS[1])
    meddle(shared, "UPDATE inv_sled_agent SET sled_role = 'gimlet', hw_baseboard_id = NULL")
    stored = read(shared)
    assert {row.sled.id for row in stored.sleds if row.is_scrimlet} == {SLEDS[1]}
    assert stored.boards == tuple(SledBoard(sled_id=name, role="gimlet", serial=None, part=None) for name in SLEDS)


def test_ranges_of_other_pools_are_not_read(shared: str) -> None:
    """Only ranges of multicast pools that stand are address space of groups."""
    load(shared, small_rack())
    kept = read(shared).pools
    pool = "INSERT INTO ip_pool (id, time_deleted, pool_type, ip_version, assignment, rcgen) VALUES "
    meddle(shared, pool + "(%s, NULL, 'unicast', 'v4', 'silos', 1)", uid(91, 1))
    meddle(shared, pool + "(%s, now(), 'multicast', 'v4', 'silos', 1)", uid(91, 2))
    meddle(shared, pool + "(%s, NULL, 'multicast', 'v4', 'silos', 1)", uid(91, 3))
    part = "INSERT INTO ip_pool_range (id, time_deleted, first_address, last_address, ip_pool_id, rcgen) VALUES "
    for number in (1, 2, 3):
        meddle(shared, part + "(%s, NULL, '239.0.0.0', '239.0.0.9', %s, 1)", uid(92, number), uid(91, number))
    meddle(shared, part + "(%s, now(), '239.1.0.0', '239.1.0.9', %s, 1)", uid(92, 4), uid(91, 3))
    new = PoolRange(
        pool_id=uid(91, 3), range_id=uid(92, 3), first=Address.parse("239.0.0.0"), last=Address.parse("239.0.0.9")
    )
    assert set(read(shared).pools) == {*kept, new}


# --- how it is asked ------------------------------------------------------------------------------------------------


def _paged(schema: Schema) -> Iterable[tuple[Statement, tuple[Any, ...]]]:
    collection = uid(0, 0)
    yield statements.groups(schema), ()
    yield statements.underlay_groups(), ()
    yield statements.live_members(schema), ()
    yield statements.tombstones(schema), ()
    yield statements.sleds(), ()
    yield statements.service_processors(), (collection,)
    yield statements.sled_boards(), (collection,)
    yield statements.pool_ranges(), ()


@pytest.mark.parametrize("schema", [209, 296, 297])
def test_no_page_needs_a_full_scan(shared: str, schema: int) -> None:
    """Every paged statement is a range of an index, in the order that the page comes in."""
    load(shared, small_rack(), schema=schema)
    with reading(shared) as cut:
        cut.rows("SELECT set_config('enable_seqscan', 'off', true)")
        for statement, parameters in _paged(Schema(schema)):
            plan = cut.rows(f"EXPLAIN {statement.text}", (*parameters, *statement.first()))
            text = "\n".join(line for (line,) in plan)
            assert "Seq Scan" not in text, text
            assert "Index Cond" in text, text


def test_a_read_is_bounded_in_time(shared: str) -> None:
    """The limits of the session are those of the read."""
    load(shared, small_rack())
    with psycopg.connect(shared) as other:
        other.execute("LOCK TABLE sled IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DeviceError, match="57014"):
            read(shared, limits=Limits(statement_seconds=0.2))
