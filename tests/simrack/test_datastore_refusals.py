"""What the tables refuse is found before a database is asked, all at once, and refused by the tables as well."""

from typing import LiteralString

import psycopg
import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.errors import InputRejectedError
from blueprints.snapshot import (
    InstanceState,
    Inventory,
    MemberState,
    ServiceProcessor,
    SledState,
    Snapshot,
    SpType,
    UnderlayRow,
)
from simrack.datastore.load import load
from simrack.datastore.rows import rows_of
from tests.simrack.read_back import ask
from tests.simrack.rows import (
    GROUP4,
    GROUP6,
    LISTENER,
    MOVER,
    NOON,
    PICKER,
    READER,
    SLEDS,
    group,
    instance,
    member,
    sled,
    small_rack,
    uid,
    vmm,
)


def mistakes(snapshot: Snapshot, schema: int = 296) -> list[str]:
    """Return the mistakes of *snapshot*, a line each; none where it can be held."""
    try:
        rows_of(snapshot, schema)
    except InputRejectedError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


def inventory_of(*boards: tuple[int, str, str], errors: int = 0) -> Inventory:
    found = [ServiceProcessor(type=SpType.SLED, slot=slot, serial=serial, part=part) for slot, serial, part in boards]
    return Inventory(collection_id=uid(8, 0), completed_at=NOON, errors=errors, service_processors=found)


def underlay(number: int, address: str, tag: str | None = None) -> UnderlayRow:
    return UnderlayRow(id=uid(4, number), multicast_ip=Address.parse(address), tag=tag)


@pytest.mark.parametrize(
    ("schema", "address", "why"),
    [
        (296, "224.0.0.5", "in 224.0.0.0/24; CHECK multicast_group_v4"),
        (219, "224.0.0.5", "in 224.0.0.0/24; CHECK multicast_group_v4"),
        (296, "10.0.0.1", "not a multicast address; CHECK multicast_group_v4"),
        (296, "fe80::1", "not a multicast address; CHECK multicast_group_v6"),
        (296, "ff04::7", "in ff04::/16; CHECK multicast_group_v6"),
        (296, "ff00::1", "in ff00::/16; CHECK multicast_group_v6"),
        (296, "ff01::1", "in ff01::/16; CHECK multicast_group_v6"),
        (296, "ff02::1", "in ff02::/16; CHECK multicast_group_v6"),
        (219, "ff02::1", None),
        (296, "224.0.1.0", None),
        (296, "239.255.255.255", None),
        (296, "232.0.0.9", None),
        (296, "ff03::1", None),
        (296, "ff14::1", None),
    ],
)
def test_addresses_of_groups(database: str, schema: int, address: str, why: str | None) -> None:
    """The rows that we refuse are those that the table's CHECK refuses, and no others."""
    snapshot = small_rack(groups=(group(GROUP4, address),), underlay_groups=(), members=())
    wanted = [] if why is None else [f"groups[{GROUP4}].multicast_ip: {address} is {why} refuses it"]
    assert mistakes(snapshot, schema) == wanted
    load(database, small_rack(), schema=schema)
    violated = violates(database, "UPDATE multicast_group SET multicast_ip = %s WHERE id = %s", address, GROUP4)
    assert violated == (None if why is None else why.rpartition(" ")[2])


@pytest.mark.parametrize(("address", "held"), [("ff04::1", True), ("ff04:1::1", True), ("ff05::1", False)])
def test_addresses_of_underlay_groups(database: str, address: str, held: bool) -> None:
    """Underlay groups lie in ff04::/16."""
    path = f"underlay_groups[{uid(4, 4)}].multicast_ip"
    why = f"{path}: {address} is not in ff04::/16; CHECK underlay_multicast_group_ip refuses it"
    assert mistakes(small_rack(underlay_groups=(underlay(4, address),))) == ([] if held else [why])
    load(database, small_rack())
    query: LiteralString = "UPDATE underlay_multicast_group SET multicast_ip = %s WHERE id = %s"
    assert violates(database, query, address, uid(4, 4)) == (None if held else "underlay_multicast_group_ip")


def violates(dsn: str, query: LiteralString, *values: object) -> str | None:
    """Return which constraint keeps the database from running *query*, None where none does."""
    try:
        with psycopg.connect(dsn) as connection:
            connection.execute(query, values)
    except psycopg.IntegrityError as error:
        return error.diag.constraint_name
    return None


@pytest.mark.parametrize("state", [state for state in InstanceState if state is not InstanceState.VMM])
def test_only_an_instance_in_state_vmm_has_one(database: str, state: InstanceState) -> None:
    """A VMM in any other state breaks the CHECK; an instance that migrates nowhere does not."""
    row = instance(LISTENER, 0, state=state)
    why = f"an instance in state {state} has no VMM; CHECK vmm_iff_active_propolis refuses it"
    assert mistakes(small_rack(instances=(row,))) == [f"instances[{LISTENER}].active_vmm: {why}"]
    load(database, small_rack())
    query: LiteralString = "UPDATE instance SET state = %s WHERE id = %s"
    assert violates(database, query, state.value, LISTENER) == "vmm_iff_active_propolis"
    load(database, small_rack(instances=(evolve(row, active_vmm=None, target_vmm=vmm(LISTENER, 0)),)))
    assert ask(database, "SELECT state::text FROM instance") == [(state.value,)]


@pytest.mark.parametrize(
    ("query", "values", "constraint"),
    [
        ("UPDATE vmm SET failure_reason = 'x' WHERE instance_id = %s", [LISTENER], "failure_reason_iff_failed"),
        ("UPDATE vmm SET state = 'failed' WHERE instance_id = %s", [LISTENER], "failure_reason_iff_failed"),
        (
            "UPDATE multicast_group SET multicast_ip = '233.252.0.1' WHERE id = %s",
            [GROUP6],
            "multicast_group_live_ip",
        ),
        ("UPDATE multicast_group SET name = 'group-4' WHERE id = %s", [GROUP6], "multicast_group_live_name"),
        ("UPDATE multicast_group SET version_added = 1 WHERE id = %s", [GROUP6], "multicast_group_version_added"),
        ("UPDATE multicast_group_member SET parent_id = %s", [MOVER], "multicast_group_member_once"),
        ("UPDATE sled SET serial_number = 'BRM42220000' WHERE id = %s", [SLEDS[1]], "sled_board"),
        ("UPDATE db_metadata SET singleton = false WHERE singleton", [], "db_metadata_singleton"),
        ("UPDATE ip_pool SET assignment = 'nobody'", [], "ip_pool_assignment"),
    ],
)
def test_tables_keep_their_rules(database: str, query: LiteralString, values: list[object], constraint: str) -> None:
    """A writer who breaks a rule of the tables is told which."""
    load(database, small_rack())
    assert violates(database, query, *values) == constraint


def test_from_297_on_a_probe_may_be_a_member_too(database: str) -> None:
    """Instance and probe of one id are two members; the same instance twice is refused in every version."""
    load(database, small_rack(), schema=297)
    query: LiteralString = """
        INSERT INTO multicast_group_member SELECT gen_random_uuid(), time_created, time_modified, time_deleted,
            external_group_id, parent_id, sled_id, state, nextval('multicast_group_member_version'), version_removed,
            multicast_ip, source_ips, membership_origin, %s::text::multicast_group_member_parent_kind
        FROM multicast_group_member WHERE parent_id = %s
    """
    assert violates(database, query, "probe", LISTENER) is None
    assert violates(database, query, "instance", MOVER) == "multicast_group_member_once"


# --- rows that are there twice --------------------------------------------------------------------------------------

_SAME = "an earlier row has the same; "


@pytest.mark.parametrize(
    ("snapshot", "why"),
    [
        (
            small_rack(groups=(group(GROUP4, "233.252.0.1"), group(uid(3, 7), "233.252.0.1"))),
            [f"groups[{uid(3, 7)}].multicast_ip: {_SAME}index multicast_group_live_ip refuses it"],
        ),
        (
            small_rack(groups=(group(GROUP4, "233.252.0.1"), evolve(group(uid(3, 7), "ff05::1"), name="group-4"))),
            [f"groups[{uid(3, 7)}].name: {_SAME}index multicast_group_live_name refuses it"],
        ),
        (
            small_rack(groups=(group(GROUP4, "233.252.0.1"), evolve(group(GROUP4, "ff05::1"), name="other"))),
            [f"groups[{GROUP4}].id: {_SAME}the primary key of multicast_group refuses it"],
        ),
        (
            small_rack(underlay_groups=(underlay(4, "ff04::1"), underlay(5, "ff04::1"))),
            [f"underlay_groups[{uid(4, 5)}].multicast_ip: {_SAME}index underlay_multicast_group_live_ip refuses it"],
        ),
        (
            small_rack(underlay_groups=(underlay(4, "ff04::1"), underlay(4, "ff04::2"))),
            [f"underlay_groups[{uid(4, 4)}].id: {_SAME}the primary key of underlay_multicast_group refuses it"],
        ),
        (
            small_rack(members=(member(GROUP4, LISTENER), member(GROUP4, LISTENER, id=uid(0x200, 0)))),
            [f"members[{uid(0x200, 0)}].instance_id: {_SAME}index multicast_group_member_once refuses it"],
        ),
        (
            small_rack(members=(member(GROUP4, LISTENER), member(GROUP4, PICKER, id=uid(0x104, 0)))),
            [f"members[{uid(0x104, 0)}].id: {_SAME}the primary key of multicast_group_member refuses it"],
        ),
        (
            small_rack(sleds=(sled(0), sled(0, serial="other"))),
            [f"sleds[{SLEDS[0]}].id: {_SAME}the primary key of sled refuses it"],
        ),
        (
            small_rack(sleds=(sled(0), sled(1, serial=sled(0).serial))),
            [f"sleds[{SLEDS[1]}].serial: {_SAME}index sled_board refuses it"],
        ),
        (
            small_rack(inventory=inventory_of((1, "a", "b"), (2, "a", "b"), (2, "a", "c"), (1, "c", "c"))),
            [f"inventory.service_processors[sled 2]: {_SAME}the primary key of inv_service_processor refuses it"],
        ),
        (
            small_rack(instances=(instance(READER, None), instance(READER, 0))),
            [f"instances[{READER}].id: {_SAME}the primary key of instance refuses it"],
        ),
        (
            small_rack(instances=(instance(READER, 0), instance(PICKER, 1, active_vmm=vmm(READER, 0)))),
            [f"instances: VMM {vmm(READER, 0).id}: {_SAME}the primary key of vmm refuses it"],
        ),
    ],
    ids=lambda value: value[0].partition("[")[0] + value[0].rpartition(";")[2] if isinstance(value, list) else "",
)
def test_rows_that_are_there_twice(snapshot: Snapshot, why: list[str]) -> None:
    """What only one row may have is refused of the later ones, with the index that refuses it."""
    assert mistakes(snapshot) == why


def test_rows_that_ended_may_be_there_twice(database: str) -> None:
    """Tombstones, groups that ended and sleds that are gone share what live rows may not."""
    ended = group(uid(3, 7), "233.252.0.1", time_deleted=NOON)
    gone = member(GROUP4, LISTENER, id=uid(7, 7), state=MemberState.LEFT, time_deleted=NOON)
    snapshot = small_rack(
        sleds=(sled(0), sled(1, serial=sled(0).serial, state=SledState.DECOMMISSIONED)),
        groups=(group(GROUP4, "233.252.0.1"), evolve(ended, name="group-4")),
        members=(member(GROUP4, LISTENER), gone, evolve(gone, id=uid(7, 8))),
    )
    load(database, snapshot)
    assert ask(database, "SELECT count(*) FROM multicast_group_member") == [(3,)]


# --- values that do not fit -----------------------------------------------------------------------------------------


def test_texts_that_do_not_fit(database: str) -> None:
    """Names, tags, serials and parts have 63 characters; what is no text to a database is refused anywhere."""
    long, held = "é" * 64, "é" * 63
    snapshot = small_rack(
        sleds=(sled(0, serial=long), sled(1, part="a\0b")),
        inventory=inventory_of((1, "\ud800", "é" * 256)),
        groups=(evolve(group(GROUP4, "233.252.0.1"), name=long, tag=long),),
        underlay_groups=(underlay(4, "ff04::1", tag=long),),
    )
    too_long, strange = "64 characters; the table takes 63", "holds a character that no database takes as text"
    assert mistakes(snapshot) == [
        f"sleds[{SLEDS[0]}].serial: {too_long}",
        f"sleds[{SLEDS[1]}].part: {strange}",
        f"inventory.service_processors[sled 1].serial: {strange}",
        "inventory.service_processors[sled 1].part: 256 characters; the table takes 255",
        f"groups[{GROUP4}].name: {too_long}",
        f"groups[{GROUP4}].tag: {too_long}",
        f"underlay_groups[{uid(4, 4)}].tag: {too_long}",
    ]
    boards = inventory_of((1, "".join(map(chr, range(0x10000, 0x100FF))), "".join(map(chr, range(0x20000, 0x200FF)))))
    load(database, small_rack(groups=(evolve(group(GROUP4, "233.252.0.1"), name=held, tag=held),), inventory=boards))
    assert ask(database, "SELECT name, tag FROM multicast_group") == [(held, held)]


def test_numbers_that_do_not_fit(database: str) -> None:
    """Columns of four octets hold no more, and a collection has no errors below none."""
    most = 2**31 - 1
    snapshot = small_rack(
        groups=(group(GROUP4, "233.252.0.1", vni=most + 1),), inventory=inventory_of((-most - 2, "a", "b"), errors=-1)
    )
    outside = f"is outside {-most - 1} to {most}, which the table can hold"
    assert mistakes(snapshot) == [
        f"groups[{GROUP4}].vni: {most + 1} {outside}",
        f"inventory.service_processors[sled {-most - 2}].slot: {-most - 2} {outside}",
        "inventory.errors: -1 is outside 0 to 65535, which the table can hold",
    ]
    load(
        database,
        small_rack(groups=(group(GROUP4, "233.252.0.1", vni=most),), inventory=inventory_of((-most - 1, "a", "b"))),
    )
    assert ask(database, "SELECT vni, sp_slot FROM multicast_group, inv_service_processor") == [(most, -most - 1)]


def test_schemas_without_multicast_hold_no_groups() -> None:
    """Before 209 there are no tables for them, which is said of each kind of row that there is."""
    why = "schema 208 has no table for them; the first that has is 209"
    assert mistakes(small_rack(), 208) == [f"{name}: {why}" for name in ("groups", "underlay_groups", "members")]
    assert mistakes(small_rack(groups=(), members=()), 208) == [f"underlay_groups: {why}"]


def test_every_mistake_is_told_at_once() -> None:
    """One round of mending is enough, whatever kinds of mistakes there are."""
    snapshot = small_rack(
        groups=(evolve(group(GROUP4, "224.0.0.1"), name="a\0"), group(GROUP6, "10.0.0.1")),
        instances=(instance(READER, 0, state=InstanceState.FAILED),),
    )
    assert [line.partition(":")[0] for line in mistakes(snapshot)] == [
        f"groups[{GROUP4}].multicast_ip",
        f"groups[{GROUP6}].multicast_ip",
        f"instances[{READER}].active_vmm",
        f"groups[{GROUP4}].name",
    ]
