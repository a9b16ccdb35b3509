"""Sessions with a real database, and with one that only looks like another: cuts, limits, refusals."""

import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from blueprints.errors import BadAnswerError, DeviceError, InputRejectedError, SilentError
from collector.refusals import DatastoreRefusedError
from collector.session import COCKROACHDB, POSTGRESQL, Limits, reading, writing
from simrack.datastore.load import load
from tests.collector.rows import meddle
from tests.collector.wire import CLOCK, LICENSED, UNLICENSED, Wire, through
from tests.simrack.rows import small_rack

HASTY = Limits(statement_seconds=0.2, total_seconds=30)
SHORT = Limits(total_seconds=0.5)


@pytest.fixture
def loaded(shared: str) -> str:
    """A database that holds the small rack."""
    load(shared, small_rack())
    return shared


def _setting(name: str) -> str:
    return f"SELECT current_setting('{name}')"


def test_a_cut_is_one_read_only_snapshot(loaded: str) -> None:
    """The transaction is repeatable read and read only, and the session would be so without it."""
    with reading(loaded) as cut:
        values = [
            cut.rows(_setting(name))[0][0]
            for name in ("transaction_isolation", "transaction_read_only", "default_transaction_read_only")
        ]
    assert values == ["repeatable read", "on", "on"]


def test_a_cut_knows_what_and_when_it_is(loaded: str) -> None:
    """Vendor, schema, the name of the snapshot and the database's time are those of the transaction itself."""
    with reading(loaded) as cut:
        [(name, time_)] = cut.rows("SELECT pg_current_snapshot()::text, transaction_timestamp()")
    assert (cut.vendor, cut.schema.version, cut.transaction, cut.taken_at) == (POSTGRESQL, 296, name, time_)
    assert cut.taken_at.tzinfo is UTC


def test_a_cut_does_not_see_later_commits(loaded: str) -> None:
    """What is committed after the cut was taken is not in it, even if nothing had been read of that table."""
    with reading(loaded) as cut:
        meddle(loaded, "DELETE FROM multicast_group_member")
        assert cut.rows("SELECT count(*) FROM multicast_group_member") != [(0,)]


def test_a_cut_cannot_write(loaded: str) -> None:
    """A statement that writes is refused by the database."""
    with reading(loaded) as cut, pytest.raises(DatastoreRefusedError, match="read-only") as caught:
        cut.rows("DELETE FROM sled RETURNING id")
    assert caught.value.sqlstate == "25006"


def test_answers_come_in_the_order_of_the_questions(loaded: str) -> None:
    """Statements may be sent before earlier answers are taken."""
    with reading(loaded) as cut:
        answers = [cut.ask("SELECT %s::int", (number,)) for number in range(5)]
        assert [answer.rows() for answer in answers] == [[(number,)] for number in range(5)]


def test_a_writing_session_commits_each_statement(loaded: str) -> None:
    """What one statement changed is seen by others at once, and its count of rows is told."""
    with writing(loaded) as session:
        assert session.changed("UPDATE sled SET revision = %s", (7,)) == 3
        with psycopg.connect(loaded) as other:
            assert other.execute("SELECT DISTINCT revision FROM sled").fetchall() == [(7,)]


def test_a_statement_without_rows_gives_none(loaded: str) -> None:
    """Statements that answer with no rows at all give an empty list."""
    with writing(loaded) as session:
        assert session.rows("SET application_name = 'x'") == []


@pytest.mark.parametrize("opened", [reading, writing])
def test_a_schema_that_is_not_understood_opens_no_session(loaded: str, opened: object) -> None:
    """The gate stands before both kinds of session."""
    meddle(loaded, "UPDATE db_metadata SET version = '400.0.0'")
    with pytest.raises(InputRejectedError, match="schema 400 is not understood"), opened(loaded):  # type: ignore[operator]
        pass


def test_a_database_of_somebody_else_is_told_by_its_missing_table(database: str) -> None:
    """Without the metadata table it is the wrong database, which asking again does not mend."""
    with pytest.raises(InputRejectedError, match="db_metadata: there is no such table") as caught, reading(database):
        pass
    assert caught.value.source == "datastore"


# --- limits ---------------------------------------------------------------------------------------------------------


def test_a_statement_that_takes_too_long_is_ended_by_the_server(loaded: str) -> None:
    """The server keeps the limit of each statement."""
    with reading(loaded, HASTY) as cut, pytest.raises(SilentError, match="57014"):
        cut.rows("SELECT pg_sleep(10)")


def test_a_transaction_that_stands_idle_is_ended_by_the_server(loaded: str) -> None:
    """A reader that hangs does not hold its cut for ever."""
    with pytest.raises(SilentError, match="datastore at"):
        _ask_after(0.6, loaded)


def _ask_after(seconds: float, dsn: str) -> None:
    with reading(dsn, HASTY) as cut:
        time.sleep(seconds)
        cut.rows("SELECT 1")


def test_a_session_that_takes_too_long_is_cut(loaded: str) -> None:
    """The limit of the whole session holds whatever the server does."""
    with pytest.raises(SilentError, match=r"not done within 0\.5 s"), reading(loaded, SHORT) as cut:
        cut.rows("SELECT pg_sleep(10)")


def test_a_server_that_falls_silent_is_given_up(loaded: str) -> None:
    """A connection that stands and never answers again ends by the limit of the session."""
    wire = Wire(server=loaded, falls_silent_at=b"SELECT 4711")
    with through(wire) as dsn, pytest.raises(SilentError, match="not done within"), reading(dsn, SHORT) as cut:
        cut.rows("SELECT 4711")


def test_asking_does_not_wait_for_the_answer(loaded: str) -> None:
    """A statement is on its way before the answer to the one before it came, or can ever come."""
    asked: list[str] = []
    with through(Wire(server=loaded, falls_silent_at=b"SELECT 4711")) as dsn, pytest.raises(SilentError):
        _ask_all(dsn, ["SELECT 4711", "SELECT 4712"], asked)
    assert asked == ["SELECT 4711", "SELECT 4712"]


def _ask_all(dsn: str, questions: list[str], asked: list[str]) -> None:
    with reading(dsn, SHORT) as cut:
        for question in questions:
            cut.ask(question)
            asked.append(question)


def test_a_lost_connection_is_a_silence(loaded: str) -> None:
    """What the server did before the line went dead is unknown."""
    with (
        through(Wire(server=loaded, hangs_up_at=b"SELECT 4711")) as dsn,
        pytest.raises(SilentError, match=r"datastore at 127\.0\.0\.1"),
        reading(dsn) as cut,
    ):
        cut.rows("SELECT 4711")


def test_a_session_within_its_limits_is_not_cut(loaded: str) -> None:
    """The end of a session stops its clock, which would wait on for as long as the session might have taken."""
    before = set(threading.enumerate())
    with reading(loaded) as cut:
        assert cut.rows("SELECT 1") == [(1,)]
        clocks = set(threading.enumerate()) - before
    for clock in clocks:
        clock.join(timeout=5)
    assert clocks
    assert not any(clock.is_alive() for clock in clocks)


def test_nobody_there_is_a_silence() -> None:
    """A port on which nobody listens is a silence that names the place."""
    with (
        pytest.raises(SilentError, match=r"datastore at 127\.0\.0\.1 port 1, database omicron"),
        reading("postgresql://root@127.0.0.1:1/omicron"),
    ):
        pass


def test_a_database_that_does_not_exist_is_a_refusal(loaded: str) -> None:
    """The server's own no is no silence."""
    dsn = psycopg.conninfo.make_conninfo(loaded, dbname="nowhere")
    with pytest.raises(DatastoreRefusedError, match=r'database nowhere: .*"nowhere" does not exist'), reading(dsn):
        pass


def test_a_value_that_python_cannot_hold_is_a_bad_answer(loaded: str) -> None:
    """A time beyond all years is not trusted, and not guessed at."""
    with reading(loaded) as cut, pytest.raises(BadAnswerError):
        cut.rows("SELECT 'infinity'::timestamptz")


# --- CockroachDB ----------------------------------------------------------------------------------------------------


def _cockroach(dsn: str, rewrites: dict[bytes, bytes]) -> Wire:
    meddle(dsn, CLOCK)
    return Wire(server=dsn, parameters={b"crdb_version": b"CockroachDB CCL v22.1.22"}, rewrites=rewrites)


def _statements(wire: Wire) -> list[bytes]:
    """Return what was heard of transactions and clocks."""
    words = (b"BEGIN", b"ROLLBACK", b"AS OF SYSTEM TIME", b"cluster_logical", b"db_metadata")
    return [next(word for word in words if word in body) for body in wire.heard if any(w in body for w in words)]


def test_cockroach_is_read_in_the_past(loaded: str) -> None:
    """CockroachDB is told by what it says of itself; the time is set before anything is read, the gate included."""
    wire = _cockroach(loaded, dict(LICENSED))
    with through(wire) as dsn, reading(dsn) as cut:
        [(now,)] = cut.rows("SELECT transaction_timestamp()")
    assert cut.vendor == COCKROACHDB
    assert _statements(wire) == [b"BEGIN", b"AS OF SYSTEM TIME", b"cluster_logical", b"db_metadata"]
    assert cut.taken_at == now
    assert float(cut.transaction) == pytest.approx(now.timestamp() * 1e9)


def test_cockroach_without_a_licence_is_read_some_seconds_ago(loaded: str) -> None:
    """Where follower reads are not licensed, a fixed age is asked for in a new transaction."""
    wire = _cockroach(loaded, dict(UNLICENSED))
    with through(wire) as dsn, reading(dsn) as cut:
        assert cut.rows("SELECT count(*) FROM sled") == [(3,)]
    assert _statements(wire) == [
        *(b"BEGIN", b"AS OF SYSTEM TIME", b"ROLLBACK"),
        *(b"BEGIN", b"AS OF SYSTEM TIME", b"cluster_logical", b"db_metadata"),
    ]
    assert b"'-5s'" in next(body for body in wire.heard[::-1] if b"AS OF SYSTEM TIME" in body)
    assert abs(cut.taken_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_cockroach_that_refuses_for_another_reason_is_believed(loaded: str) -> None:
    """Only a missing licence leads to another try."""
    refused = {b"SET TRANSACTION AS OF SYSTEM TIME follower_read_timestamp()": b"SELECT 1/0"}
    with through(_cockroach(loaded, refused)) as dsn, pytest.raises(DeviceError, match="22012"), reading(dsn):
        pass
