"""The rehearsal database: what a snapshot's rows become in a real one."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings

from benchmarks.workload import Size, rack, tombstones
from blueprints.addresses import UnderlayUnicast
from blueprints.errors import InputRejectedError
from blueprints.snapshot import Snapshot
from simrack.datastore.load import load
from tests.postgres import fresh_database
from tests.simrack.odd_rack import odd_rack
from tests.simrack.read_back import ask, count, read_back, what_tables_hold
from tests.simrack.rows import LISTENER, READER, SLEDS, SWITCH0, SWITCH1, small_rack, switch
from tests.strategies import snapshots


@pytest.fixture(scope="module")
def one_database(database_server: str) -> Iterator[str]:
    """A database for all examples of a property, which replace each other's rows."""
    with fresh_database(database_server) as dsn:
        yield dsn


@pytest.mark.parametrize("made", [small_rack, odd_rack, lambda: small_rack(inventory=None, groups=(), members=())])
def test_what_was_loaded_is_what_stands_there(database: str, made: Callable[[], Snapshot]) -> None:
    """Rows read with plain SQL make up the snapshot that was loaded."""
    snapshot = made()
    load(database, snapshot)
    assert read_back(database, snapshot) == what_tables_hold(snapshot)


@settings(max_examples=25)
@given(snapshot=snapshots(clean=True))
def test_whatever_a_datastore_could_hold_is_held(one_database: str, snapshot: Snapshot) -> None:
    """No snapshot that keeps the datastore's rules is refused, and none is changed on its way."""
    load(one_database, snapshot)
    assert read_back(one_database, snapshot) == what_tables_hold(snapshot)


@settings(max_examples=25)
@given(snapshot=snapshots())
def test_nothing_is_held_by_halves(one_database: str, snapshot: Snapshot) -> None:
    """A snapshot is refused before anything is written, or held whole: the database itself never refuses."""
    load(one_database, small_rack())
    try:
        load(one_database, snapshot)
    except InputRejectedError:
        snapshot = small_rack()
    assert read_back(one_database, snapshot) == what_tables_hold(snapshot)


def test_a_large_rack_is_loaded_and_counted(database: str) -> None:
    """Tombstones of the workload stand among the members, each with the sled that it was last told on."""
    snapshot = tombstones(rack(3, Size(groups=50, members=600, instances=200)), 3, 100)
    load(database, snapshot)
    assert read_back(database, snapshot) == what_tables_hold(snapshot)
    query = "SELECT count(*) FROM multicast_group_member WHERE time_deleted IS NOT NULL AND sled_id IS NOT NULL"
    assert ask(database, query) == [(100,)]


def test_missing_salt_is_not_zero(database: str) -> None:
    """An unknown salt is NULL, and sources are stored sorted, each once."""
    load(database, odd_rack())
    salts = ask(database, "SELECT underlay_salt FROM multicast_group ORDER BY multicast_ip, time_deleted NULLS FIRST")
    assert [salt for (salt,) in salts] == [None, 0, 255, 0]
    sources = ask(database, "SELECT source_ips::text FROM multicast_group_member WHERE parent_id = %s", LISTENER)
    assert sources == [("{10.20.0.8,10.20.0.9,::ffff:10.20.0.8,fd00::1}",)]


def test_an_instance_may_name_a_vmm_without_a_row(database: str) -> None:
    """State vmm without a VMM stands for a row that is gone; its id is the same every time."""
    load(database, odd_rack())
    query = "SELECT active_propolis_id FROM instance WHERE id = %s"
    ((first,),) = ask(database, query, READER)
    load(database, odd_rack())
    assert ask(database, query, READER) == [(first,)]
    assert ask(database, "SELECT count(*) FROM vmm WHERE id = %s", first) == [(0,)]


def test_scrimlets_host_the_switch_zones(database: str) -> None:
    """The sled whose /64 a switch's address is of is a scrimlet, to the sled table and to inventory."""
    zone = UnderlayUnicast.parse("fd00:1122:3344:103::2")
    load(database, small_rack(switches={SWITCH0: switch(SWITCH0), SWITCH1: switch(SWITCH1, underlay_address=zone)}))
    told = ask(database, "SELECT id, is_scrimlet FROM sled ORDER BY id")
    assert told == [(SLEDS[0], True), (SLEDS[1], False), (SLEDS[2], True)]
    roles = ask(database, "SELECT sled_id, sled_role::text FROM inv_sled_agent ORDER BY sled_id")
    assert roles == [(SLEDS[0], "scrimlet"), (SLEDS[1], "gimlet"), (SLEDS[2], "scrimlet")]


def test_sleds_tell_the_boards_that_service_processors_have(database: str) -> None:
    """A sled's own board leads to the cubby that its service processor tells."""
    load(database, small_rack())
    query = """
        SELECT sled_id, sp_slot FROM inv_sled_agent a JOIN inv_service_processor p
        ON a.hw_baseboard_id = p.hw_baseboard_id AND a.inv_collection_id = p.inv_collection_id ORDER BY sled_id
    """
    assert ask(database, query) == [(SLEDS[0], 14), (SLEDS[1], 15), (SLEDS[2], 16)]


def test_every_group_lies_in_its_range_and_no_two_ranges_overlap(database: str) -> None:
    """Ranges belong to a pool of their family, and keep any-source and source-specific addresses apart."""
    load(database, rack(1, Size(groups=40, members=40, instances=40)))
    strays = """
        SELECT g.id FROM multicast_group g LEFT JOIN ip_pool_range r
        ON r.id = ip_pool_range_id AND multicast_ip BETWEEN first_address AND last_address
        LEFT JOIN ip_pool p ON p.id = r.ip_pool_id AND p.id = g.ip_pool_id AND pool_type = 'multicast'
        WHERE p.id IS NULL OR ip_version <> 'v' || family(multicast_ip)
    """
    assert ask(database, strays) == []
    overlapping = """
        SELECT a.id FROM ip_pool_range a JOIN ip_pool_range b
        ON a.id <> b.id AND a.first_address <= b.last_address AND b.first_address <= a.last_address
    """
    assert ask(database, overlapping) == []
    pools = "SELECT ip_version, count(*) FROM ip_pool p JOIN ip_pool_range r ON ip_pool_id = p.id GROUP BY 1"
    assert sorted(ask(database, pools)) == [("v4", 2), ("v6", 2)]
    assert count(database, "ip_pool") == 2


def test_the_next_row_gets_the_next_number(database: str) -> None:
    """Whoever adds a row after us meets no number that is taken."""
    load(database, small_rack())
    assert ask(database, "SELECT nextval('multicast_group_version')") == [(5,)]
    assert ask(database, "SELECT nextval('multicast_group_member_version')") == [(5,)]
