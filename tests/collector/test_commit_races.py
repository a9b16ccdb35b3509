"""Telling a datastore in which others write at the same moment, that refuses, blocks, or is cut off half way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import psycopg
import pytest
from attrs import evolve
from hypothesis import assume, given, settings

from benchmarks.workload import Size, a_while_later, settled
from benchmarks.workload import rack as rack_of
from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, Subject
from blueprints.errors import InputRejectedError, SilentError
from blueprints.snapshot import Snapshot
from collector.commit import PAUSES_SECONDS, commit
from collector.session import Limits
from collector.told import Account, Telling
from planner import plan
from simrack.datastore.load import load
from tests.collector.meddling import ANOTHER_JOINED, LINK, MEMBER, MEMBER_LEFT
from tests.collector.rows import changes, meddle, read_again, rows
from tests.collector.situations import BY_KEY, LIVE_GROUP_CREATING, LONG_AGO
from tests.postgres import fresh_database
from tests.simrack.rows import GROUP4, TAG4
from tests.strategies import snapshots

SIZE = Size(sleds=6, groups=30, members=120, instances=50)


def outcomes(account: Account) -> list[Telling]:
    """Return what became of each transition, in the order in which they were told."""
    return [each.outcome for each in account.told]


@contextmanager
def held_back(dsn: str, statement: str, *values: object) -> Iterator[psycopg.Connection]:
    """Hold a row with *statement* in a transaction that is open until the end, and then is forgotten."""
    with psycopg.connect(dsn) as connection:
        connection.execute(statement.encode(), values)
        try:
            yield connection
        finally:
            connection.rollback()


def lives(seed: int) -> Iterator[tuple[Snapshot, Blueprint]]:
    """Yield a rack with its plan, and what has become of it a while later with the plan for that."""
    before = aged(rack_of(seed, SIZE))
    first = plan(before)
    yield before, first
    later = a_while_later(settled(before, first), seed)
    yield later, plan(later, first)


def aged(snapshot: Snapshot) -> Snapshot:
    """Return *snapshot* with groups that are old by any clock: the database asks its own whether a grace is over."""
    return evolve(snapshot, groups=[evolve(group, time_created=LONG_AGO) for group in snapshot.groups])


@pytest.mark.parametrize("seed", range(3))
def test_what_was_told_needs_no_telling_again(database: str, seed: int) -> None:
    """After all of a plan was told, the rack planned again is the same plan, without its transitions.

    Only a group that was closed has one more step to go: its rows are removed with the next plan.
    """
    for snapshot, blueprint in lives(seed):
        load(database, snapshot)
        closed = {move.id for move in blueprint.transitions if move.to == "deleting"}
        assert set(outcomes(commit(blueprint, database, dry_run=True))) == {Telling.PLANNED}
        assert set(outcomes(commit(blueprint, database))) == {Telling.APPLIED}
        again = plan(read_again(snapshot, database), blueprint)
        assert {(move.id, move.to) for move in again.transitions} == {(group, "deleted") for group in closed}
        if not closed:
            assert (again.groups, again.held, again.ports) == (blueprint.groups, blueprint.held, blueprint.ports)
            assert (again.switches, again.sleds) == (blueprint.switches, blueprint.sleds)
            continue
        assert set(outcomes(commit(again, database))) == {Telling.APPLIED}
        assert plan(read_again(snapshot, database), again).transitions == ()


def test_the_datastore_then_holds_what_was_said_to_follow(database: str) -> None:
    """Groups and members are those of a rack that was told, to the column; underlay rows but for their ids."""
    snapshot, blueprint = next(lives(7))
    load(database, snapshot)
    commit(blueprint, database)
    found, wanted = read_again(snapshot, database), settled(snapshot, blueprint)
    assert found.members == wanted.members
    assert by_address(found) == by_address(wanted)
    links = {row.multicast_ip: row.id for row in found.underlay_groups}
    ids = {row.id: links[row.multicast_ip] for row in wanted.underlay_groups}
    assert found.groups == tuple(
        evolve(group, underlay_group_id=ids[group.underlay_group_id] if group.underlay_group_id else None)
        for group in wanted.groups
    )


def by_address(snapshot: Snapshot) -> dict[Address, str | None]:
    """Return the tags of underlay rows by their addresses."""
    return {row.multicast_ip: row.tag for row in snapshot.underlay_groups}


@pytest.mark.parametrize("seed", range(2))
def test_two_at_once_tell_each_transition_once(database: str, seed: int) -> None:
    """Of two runs at the same moment exactly one applies each transition; the other finds it done."""
    for snapshot, blueprint in lives(seed):
        load(database, snapshot)
        start = Barrier(2)

        def run(blueprint: Blueprint = blueprint, start: Barrier = start) -> list[Telling]:
            start.wait()
            return outcomes(commit(blueprint, database))

        with ThreadPoolExecutor(2) as pool:
            one, other = (future.result() for future in [pool.submit(run), pool.submit(run)])
        assert {frozenset(pair) for pair in zip(one, other, strict=True)} == {
            frozenset({Telling.APPLIED, Telling.ALREADY})
        }


def test_a_change_that_is_being_made_is_waited_for_and_then_counts(database: str) -> None:
    """A row that somebody is about to change is not changed behind their back: their commit comes first."""
    situation = BY_KEY[Subject.MEMBER, "left", "joined"]
    blueprint = plan(situation.rack)
    load(database, situation.rack)
    with held_back(database, *MEMBER_LEFT) as theirs, ThreadPoolExecutor(1) as pool:
        telling = pool.submit(commit, blueprint, database)
        with pytest.raises(TimeoutError):
            telling.result(timeout=1)
        theirs.commit()
        (told,) = telling.result(timeout=30).told
    assert (told.outcome, told.unmet) == (Telling.OVERTAKEN, ("it is not deleted",))


def test_a_join_and_a_close_at_one_moment_cannot_both_win(database: str) -> None:
    """A control plane that found the group open loses its join if the group is closed meanwhile, and tries again."""
    situation = BY_KEY[Subject.GROUP, "active", "deleting"]
    load(database, situation.rack)
    with psycopg.connect(database) as theirs:
        theirs.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        assert theirs.execute("SELECT state FROM multicast_group WHERE id = %s", [GROUP4]).fetchall() == [("active",)]
        statement, *values = ANOTHER_JOINED
        theirs.execute(statement, values)
        assert outcomes(commit(plan(situation.rack), database)) == [Telling.APPLIED]
        with pytest.raises(psycopg.errors.SerializationFailure):
            theirs.commit()
        theirs.rollback()


def refusing(state: str, *, times: int) -> str:
    """Return what makes the first *times* updates of members fail with the SQLSTATE *state*."""
    return f"""
        CREATE SEQUENCE attempts;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.id = '{MEMBER}' AND nextval('attempts') <= {times} THEN
                RAISE EXCEPTION 'not now' USING ERRCODE = '{state}';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON multicast_group_member FOR EACH ROW EXECUTE FUNCTION refuse()
    """


@pytest.mark.parametrize(
    ("state", "times", "outcome"),
    [
        ("40001", len(PAUSES_SECONDS) - 1, Telling.APPLIED),
        ("40P01", 1, Telling.APPLIED),
        ("40001", len(PAUSES_SECONDS), Telling.FAILED),
        ("23514", 1, Telling.FAILED),
    ],
)
def test_conflicts_are_tried_again_and_the_rest_goes_on(
    database: str, state: str, times: int, outcome: Telling
) -> None:
    """A conflict is tried again some times, another refusal is not; whatever it is, the others are told."""
    blueprint = plan(LIVE_GROUP_CREATING)
    load(database, LIVE_GROUP_CREATING)
    meddle(database, refusing(state, times=times))
    told = {each.transition.id: each for each in commit(blueprint, database).told}
    failed = told.pop(MEMBER)
    assert failed.outcome is outcome
    assert (f"SQLSTATE {state}" in failed.note) is (outcome is Telling.FAILED)
    assert {each.outcome for each in told.values()} == {Telling.APPLIED}
    assert len(told) >= 2


def test_a_refusal_inside_a_transaction_leaves_nothing_half_done(database: str) -> None:
    """If the group's own statement is refused, the underlay row that was made before it is gone too."""
    blueprint = plan(LIVE_GROUP_CREATING)
    load(database, LIVE_GROUP_CREATING)
    meddle(database, "ALTER TABLE multicast_group ADD CHECK (state <> 'active' OR name <> 'group-4') NOT VALID")
    before = rows(database)
    told = {each.transition.id: each.outcome for each in commit(blueprint, database).told}
    assert told.pop(GROUP4) is Telling.FAILED
    assert set(told.values()) == {Telling.APPLIED}
    assert {table for table, _ in changes(before, rows(database))} == {"multicast_group_member"}


def test_a_row_that_stays_locked_costs_its_own_transition(database: str) -> None:
    """Who waits for a row longer than a statement may gives up on it, says so, and tells the others."""
    blueprint = plan(LIVE_GROUP_CREATING)
    load(database, LIVE_GROUP_CREATING)
    with held_back(database, "SELECT 1 FROM multicast_group_member WHERE id = %s FOR UPDATE", MEMBER):
        account = commit(blueprint, database, limits=Limits(statement_seconds=0.5))
    told = {each.transition.id: each for each in account.told}
    assert (told[MEMBER].outcome, "whether it was applied is not known" in told[MEMBER].note) == (
        Telling.FAILED,
        True,
    )
    assert {each.outcome for name, each in told.items() if name != MEMBER} == {Telling.APPLIED}


def test_a_crash_within_a_group_leaves_no_orphan_and_can_be_told_again(database: str) -> None:
    """Cut off between the underlay row and the link, nothing of either is left; told again, both are there once."""
    blueprint = plan(LIVE_GROUP_CREATING)
    load(database, LIVE_GROUP_CREATING)
    before = rows(database)
    with held_back(database, "SELECT 1 FROM multicast_group WHERE id = %s FOR UPDATE", GROUP4):
        cut = commit(blueprint, database, limits=Limits(total_seconds=2))
        assert set(outcomes(cut)) == {Telling.FAILED}
        assert [each.note for each in cut.told[1:]] == ["not told: the datastore does not answer any more"] * (
            len(cut.told) - 1
        )
        assert changes(before, rows(database)) == {}
    assert set(outcomes(commit(blueprint, database))) == {Telling.APPLIED}
    mine = [row for (table, _), row in rows(database).items() if table.startswith("underlay") and row["tag"] == TAG4]
    assert len(mine) == 1


def test_a_crash_between_transitions_is_taken_up_where_it_stopped(database: str) -> None:
    """What was told before the crash is found done, what was not is told: nothing fails, nothing is undone.

    Of the one that was cut off nobody knows: a statement that waits is carried out when its turn comes.
    """
    blueprint = plan(LIVE_GROUP_CREATING)
    load(database, LIVE_GROUP_CREATING)
    with held_back(database, "SELECT 1 FROM multicast_group_member WHERE id = %s FOR UPDATE", MEMBER):
        cut = outcomes(commit(blueprint, database, limits=Limits(total_seconds=2)))
    assert set(cut) == {Telling.APPLIED, Telling.FAILED}
    assert cut == sorted(cut, key=[Telling.APPLIED, Telling.FAILED].index)
    again = outcomes(commit(blueprint, database))
    unknown = cut.index(Telling.FAILED)
    assert set(again[:unknown]) == {Telling.ALREADY}
    assert again[unknown] in (Telling.ALREADY, Telling.APPLIED)
    assert set(again[unknown + 1 :]) == {Telling.APPLIED}
    assert plan(read_again(LIVE_GROUP_CREATING, database), blueprint).transitions == ()


def test_a_datastore_that_may_only_be_read_fails_each_transition(database: str) -> None:
    """Where nothing may be written every transition says so, and a dry run still tells what would be."""
    blueprint = plan(LIVE_GROUP_CREATING)
    load(database, LIVE_GROUP_CREATING)
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    meddle(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    account = commit(blueprint, database)
    assert set(outcomes(account)) == {Telling.FAILED}
    assert all("read-only" in each.note for each in account.told)
    assert set(outcomes(commit(blueprint, database, dry_run=True))) == {Telling.PLANNED}


def test_a_dry_run_waits_for_nobody(database: str) -> None:
    """A dry run waits for no lock and changes nothing."""
    blueprint = plan(LIVE_GROUP_CREATING)
    load(database, LIVE_GROUP_CREATING)
    with held_back(database, "SELECT 1 FROM multicast_group_member FOR UPDATE"):
        account = commit(blueprint, database, dry_run=True, limits=Limits(statement_seconds=0.5))
    assert set(outcomes(account)) == {Telling.PLANNED}


@settings(max_examples=40)
@given(snapshot=snapshots(clean=True))
def test_any_rack_is_told_until_nothing_is_left(shared: str, snapshot: Snapshot) -> None:
    """Whatever rows a datastore holds no transition fails, none is told twice, and after a few plans none is left."""
    try:
        load(shared, aged(snapshot))
    except InputRejectedError:
        assume(False)
    rack, parent = aged(snapshot), None
    for _ in range(5):
        parent = plan(rack, parent)
        told = set(outcomes(commit(parent, shared)))
        assert told <= {Telling.APPLIED, Telling.OVERTAKEN}
        assert set(outcomes(commit(parent, shared))) <= {Telling.ALREADY, Telling.OVERTAKEN}
        if Telling.APPLIED not in told:
            break
        rack = read_again(rack, shared)
    else:
        pytest.fail("there is always something left to tell")


@pytest.fixture(scope="module")
def shared(database_server: str) -> Iterator[str]:
    """Return the address of a database that many examples share, one after the other."""
    with fresh_database(database_server) as dsn:
        yield dsn


@pytest.mark.parametrize("schema", [209, 219, 220, 239, 240, 294, 295, 296, 297])
def test_every_schema_is_told_in_its_columns(database: str, schema: int) -> None:
    """From the first schema with groups on, all that a rack in the middle of its life needs is told."""
    for snapshot, blueprint in lives(1):
        load(database, snapshot, schema=schema)
        assert set(outcomes(commit(blueprint, database))) == {Telling.APPLIED}
        assert set(outcomes(commit(blueprint, database))) == {Telling.ALREADY}


def test_a_group_whose_end_is_spelled_the_old_way_is_removed(database: str) -> None:
    """Up to schema 294 a group that is being deleted may say ``deleted``, which means the same."""
    situation = BY_KEY[Subject.GROUP, "deleting", "deleted"]
    load(database, situation.rack, schema=294)
    meddle(database, "UPDATE multicast_group SET state = 'deleted' WHERE id = %s", GROUP4)
    before = rows(database)
    assert outcomes(commit(plan(situation.rack), database)) == [Telling.APPLIED]
    assert set(changes(before, rows(database))) == {
        ("multicast_group", GROUP4),
        ("underlay_multicast_group", LINK),
    }


def test_a_datastore_without_groups_or_in_migration_is_refused(database: str) -> None:
    """A schema before there were groups, and one that is being migrated, are told nothing."""
    blueprint = plan(LIVE_GROUP_CREATING)
    load(database, evolve(LIVE_GROUP_CREATING, groups=(), underlay_groups=(), members=()), schema=208)
    with pytest.raises(InputRejectedError, match="schema 208 has no groups"):
        commit(blueprint, database)
    load(database, LIVE_GROUP_CREATING)
    meddle(database, "UPDATE db_metadata SET target_version = '297.0.0'")
    before = rows(database)
    with pytest.raises(InputRejectedError, match="migration"):
        commit(blueprint, database)
    assert changes(before, rows(database)) == {}


def test_a_datastore_that_cannot_be_reached_is_silent() -> None:
    """Nobody listening is said to be nobody listening."""
    with pytest.raises(SilentError):
        commit(plan(LIVE_GROUP_CREATING), "postgresql://nobody@127.0.0.1:1/nothing")
