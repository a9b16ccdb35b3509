"""Loading a database again, beside others, and in the wrong place."""

import psycopg
import pytest

from blueprints.errors import InputRejectedError, SilentError
from simrack.datastore.load import MARKER, load
from tests.simrack.odd_rack import odd_rack
from tests.simrack.read_back import ask, count, read_back, what_tables_hold
from tests.simrack.rows import small_rack


def test_rows_are_replaced_and_tables_stay(database: str) -> None:
    """Another snapshot leaves none of the rows before it, and the tables are the same ones."""
    load(database, odd_rack())
    before = ask(database, "SELECT oid FROM pg_class WHERE relname = 'sled'")
    load(database, small_rack())
    assert read_back(database, small_rack()) == what_tables_hold(small_rack())
    assert ask(database, "SELECT oid FROM pg_class WHERE relname = 'sled'") == before


def test_another_schema_makes_the_tables_again(database: str) -> None:
    """Nothing of the schema before is left, and loading the first again works."""
    load(database, small_rack(), schema=297)
    load(database, small_rack(groups=(), underlay_groups=(), members=()), schema=199)
    assert ask(database, "SELECT relname FROM pg_class WHERE relname LIKE %s", "multicast%") == []
    load(database, small_rack(), schema=297)
    assert read_back(database, small_rack()) == what_tables_hold(small_rack())


def test_readers_keep_what_they_see(database: str) -> None:
    """A reader in its transaction is neither kept waiting nor shown another snapshot."""
    load(database, small_rack())
    with psycopg.connect(database) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        query = "SELECT count(*) FROM multicast_group_member"
        before = reader.execute(query).fetchall()
        load(database, small_rack(members=()))
        assert reader.execute(query).fetchall() == before == [(4,)]
    assert count(database, "multicast_group_member") == 0


def test_a_writer_who_holds_rows_is_not_waited_for_for_ever(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that somebody keeps locked are given up after a while, and everything is as before."""
    monkeypatch.setattr("simrack.datastore.load.PATIENCE", "100ms")
    load(database, small_rack())
    with psycopg.connect(database) as writer:
        writer.execute("UPDATE sled SET rcgen = rcgen + 1")
        with pytest.raises(SilentError, match="lock timeout"):
            load(database, odd_rack())
        writer.rollback()
    assert read_back(database, small_rack()) == what_tables_hold(small_rack())


def test_a_database_of_somebody_else_is_left_alone(database: str) -> None:
    """Tables, types and sequences of such names that were not made here are all named, and nothing is touched."""
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE sled (id INT PRIMARY KEY)")
        connection.execute("CREATE TYPE vmm_state AS ENUM ('running')")
        connection.execute("CREATE SEQUENCE multicast_group_version")
        connection.execute("INSERT INTO sled VALUES (1)")
    with pytest.raises(InputRejectedError) as refused:
        load(database, small_rack())
    assert [mistake.path for mistake in refused.value.mistakes] == ["multicast_group_version", "sled", "vmm_state"]
    assert ask(database, "SELECT * FROM sled") == [(1,)]
    assert ask(database, "SELECT relname FROM pg_class WHERE relname = ANY(%s)", [MARKER, "instance"]) == []


def test_what_was_added_to_ours_is_left_alone(database: str) -> None:
    """A table that another schema would have, made by hand beside ours, is not dropped."""
    load(database, small_rack(groups=(), underlay_groups=(), members=()), schema=199)
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE multicast_group (id INT PRIMARY KEY)")
    with pytest.raises(InputRejectedError, match="multicast_group"):
        load(database, small_rack())
    assert ask(database, "SELECT version FROM db_metadata") == [("199.0.0",)]


def test_a_database_that_does_not_answer_is_silent() -> None:
    """A server that is not there is an error of ours, with the driver's words."""
    with pytest.raises(SilentError, match="does not answer"):
        load("host=/nonexistent dbname=none", small_rack())
