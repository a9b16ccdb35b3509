"""Room on switches amid a run: what does not fit before the removals comes after them, in the same run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.addresses import Address, ExternalGroup, underlay_address
from blueprints.blueprint import Blueprint
from blueprints.capacity import LIMITS, TABLE_ROWS
from blueprints.observation import Observation, Opaque
from blueprints.run_report import TargetState
from blueprints.snapshot import Snapshot, UnderlayRow
from executor import room as module
from executor.changes import Kind
from executor.differences import differences
from executor.gates import CREATIONS
from executor.intents import unproven
from executor.rehearsal import Rehearsal, rehearse
from executor.report import Report
from executor.room import TABLES, Room
from executor.targets import Daemon, Target, targets_of
from tests.executor.bench import Bench, planned
from tests.executor.builders import (
    SWITCH0,
    SWITCH1,
    G,
    blueprint,
    empty_rack,
    group_id,
    group_ip,
    observation_of,
    with_switch,
)
from tests.executor.strategies import FOREIGN_EXTERNAL, FOREIGN_UNDERLAY, blueprints, racks
from tests.simrack.rows import LISTENER, PICKER, group, member, small_rack, uid

OURS = Target.dpd(SWITCH0)
FILTER = [table.name for table in TABLES].index("IPv4 source filter")
FOREIGN = "233.252.0.99"


@pytest.fixture
def bench(bench_inside: Bench) -> Bench:
    """The small rack without sockets."""
    return bench_inside


def address(number: int) -> str:
    """Return the address of a group."""
    return f"233.252.0.{16 + number}"


def sources(number: int, many: int) -> list[str]:
    """Return so many senders of a group."""
    return [f"10.{number}.{each // 256}.{each % 256}" for each in range(1, many + 1)]


def rack(sizes: dict[int, int], *more: int) -> Snapshot:
    """Return the small rack with groups of so many sources, heard by one instance; by a second one in *more*."""
    ids = {number: uid(3, 16 + number) for number in sizes}
    members = [(number, LISTENER) for number in sizes] + [(number, PICKER) for number in more]
    return small_rack(
        groups=[group(ids[number], address(number)) for number in sizes],
        underlay_groups=[
            UnderlayRow(
                id=uid(4, 16 + number),
                multicast_ip=underlay_address(ExternalGroup.parse(address(number)), 0),
                tag=f"{ids[number]}:{address(number)}",
            )
            for number in sizes
        ],
        members=[
            evolve(
                member(ids[number], who, *sources(number, sizes[number])), multicast_ip=Address.parse(address(number))
            )
            for number, who in members
        ],
    )


def follows(bench: Bench, earlier: Blueprint | None, world: Snapshot) -> tuple[Blueprint, Report]:
    """Carry the plan for *world* out, and see that the dry run told every call of it, in order."""
    bench.enter(world)
    plan = planned(world, earlier)
    dry = bench.run(plan, dry_run=True)
    bench.forget_calls()
    report = bench.run(plan)
    assert [action.call for action in dry.actions] == [action.call for action in report.actions]
    assert dry.owed == report.owed
    assert {call["status"] for call in bench.calls()} <= {200, 201, 204}
    return plan, report


def kinds(report: Report, number: int) -> list[Kind]:
    """Return what was sent to switches about a group."""
    dpds = [action.call for action in report.actions if action.call.target.daemon is Daemon.DPD]
    return [call.kind for call in dpds if address(number) in map(str, call.groups)]


def order(report: Report, number: int, gone: int) -> bool:
    """Return whether a group was created only after another one was *gone*."""
    calls = [(action.call.kind, str(action.call.groups[0])) for action in report.actions]
    removed = max(place for place, call in enumerate(calls) if call == (Kind.UNDERLAY_DELETE, address(gone)))
    return calls.index((Kind.UNDERLAY_CREATE, address(number))) > removed


FULL = dict.fromkeys(range(4), 256)


def fill(bench: Bench, slot: str, many: int) -> None:
    """Let somebody else have a group with so many sources on one switch."""
    base = bench.rack.endpoints.switches[SWITCH0 if slot == "switch0" else SWITCH1].dpd
    mac = {"a": [0x33, 0x33, 0, 0, 0, 9]}
    for path, body in (
        ("underlay-groups", {"group_ip": "ff04::bad", "tag": "backup", "members": []}),
        (
            "external-groups",
            {
                "group_ip": FOREIGN,
                "tag": "backup",
                "internal_forwarding": {"nat_target": {"internal_ip": "ff04::bad", "inner_mac": mac, "vni": 77}},
                "external_forwarding": {"vlan_id": None},
                "sources": [{"Exact": each} for each in sources(99, many)],
            },
        ),
    ):
        answer = bench.http.post(f"{base}/multicast/{path}", json=body, headers={"api-version": "12.0.0"})
        assert answer.is_success, answer.text


def test_a_full_table_that_changes_hands_converges_in_one_run(bench: Bench) -> None:
    """Of four groups that fill a table one goes and another comes: no switch refuses, and all is heard."""
    first, _ = follows(bench, None, rack(FULL))
    plan, report = follows(bench, first, rack({1: 256, 2: 256, 3: 256, 4: 256}))
    assert (report.exit_code, report.owed, order(report, 4, gone=0)) == (0, (), True)
    assert bench.heard(address(4), sources(4, 1)[0]) == {LISTENER: 1}
    assert bench.run(plan).counts.get("writes", 0) == 0


@pytest.mark.parametrize(("size", "waits"), [(256, False), (257, True)])
def test_only_a_row_too_many_waits(bench: Bench, size: int, waits: bool) -> None:
    """A peak of exactly the table's size is sent as ever; with one row more the new group comes last."""
    first, _ = follows(bench, None, rack({0: 256, 1: 256, 2: size}))
    _, report = follows(bench, first, rack({1: 256, 2: size, 3: 256}))
    assert (report.exit_code, order(report, 3, gone=0)) == (0, waits)


def test_no_more_groups_wait_than_must(bench: Bench) -> None:
    """Of three new groups the largest waits, because the others fit without it."""
    first, _ = follows(bench, None, rack({0: 256, 1: 256, 2: 256, 3: 232}))
    _, report = follows(bench, first, rack({0: 256, 1: 256, 2: 256, 4: 20, 5: 14, 6: 10}))
    assert report.exit_code == 0
    assert [order(report, number, gone=3) for number in (4, 5, 6)] == [True, False, False]


def test_a_group_that_grows_does_not_wait_but_is_counted(bench: Bench) -> None:
    """A rewritten filter takes its rows in its turn; the new group is what waits."""
    first, _ = follows(bench, None, rack({0: 256, 1: 256, 2: 256, 3: 200}))
    _, report = follows(bench, first, rack({1: 256, 2: 256, 3: 240, 4: 20}))
    assert order(report, 4, gone=0)
    assert Kind.UNDERLAY_CREATE not in kinds(report, 3)


def test_what_others_hold_counts_and_what_never_fits_is_owed_by_numbers(bench: Bench) -> None:
    """The other switch gets the group; here it is owed run by run, until a group goes: then within that run."""
    first, _ = follows(bench, None, rack({0: 256, 1: 256, 2: 256}))
    fill(bench, "switch0", 200)
    second, report = follows(bench, first, rack({0: 256, 1: 256, 2: 256, 3: 100}))
    because = "waits: IPv4 source filter: 100 needed, 56 of 1024 rows free, at switch0 dpd"
    for each in (report, bench.run(second)):
        owed = {owed.kind: owed.because for owed in each.owed if owed.target == "switch0 dpd"}
        assert (each.exit_code, owed) == (4, {"underlay_create": because, "external_create": because})
        assert {owed.state for owed in each.owed} == {TargetState.OWED}
        assert not any(owed.target.startswith("switch1") for owed in each.owed)
    _, report = follows(bench, second, rack({1: 256, 2: 256, 3: 100}, 3))
    assert (report.exit_code, report.owed) == (0, ())
    sent = kinds(report, 3)
    assert sent == [Kind.MEMBERS_ADD, Kind.UNDERLAY_CREATE, Kind.EXTERNAL_CREATE], "its receivers did not wait"
    assert order(report, 3, gone=0)


def test_the_tables_are_those_of_capacity() -> None:
    """Every limit that groups share is counted, and what cannot be understood takes a row wherever it may."""
    assert tuple(limit for limit in LIMITS if limit.most == TABLE_ROWS) == TABLES
    plan = blueprint(G(number=1, sources=(1, 2)), G(number=2))
    seen = observation_of(plan)
    opaque = [
        Opaque(table="external_groups", address=group_ip(9), tag="x", because="new"),
        Opaque(table="underlay_groups", address=Address.parse("ff04::9"), tag="x", because="new"),
        Opaque(table="mrib_routes", address=group_ip(9), tag=None, because="new"),
    ]
    held = Room.of(with_switch(seen, SWITCH0, opaque=opaque), ()).taken
    assert held[Target.dpd(SWITCH1)] == (2, 2, 2, 0, 3, 0, 2, 2)
    assert held[OURS] == (3, 3, 3, 0, 4, 0, 3, 3)
    assert Room.of(with_switch(seen, SWITCH0, underlay_groups=None), ()).taken.keys() == {Target.dpd(SWITCH1)}


def test_what_is_sent_to_a_switch_adds_up() -> None:
    """After the calls from nothing to a plan, and from a plan to nothing, as much is held as was read."""
    plan = blueprint(G(number=1, sources=(1, 2)), G(number=2))
    none = blueprint()
    for wanted, seen in ((plan, empty_rack(plan)), (none, observation_of(plan)), (plan, with_foreign(plan))):
        difference = differences(wanted, seen)
        kept = Room.of(seen, ()).after(difference.changes).taken
        foreign = (1, 1, 1, 0, 1, 0, 1, 1) if seen == with_foreign(plan) else (0,) * len(TABLES)
        expected = Room.of(observation_of(wanted), ()).taken
        assert kept == {
            target: tuple(a + (b if target == OURS else 0) for a, b in zip(rows, foreign, strict=True))
            for target, rows in expected.items()
        }


def with_foreign(plan: Blueprint) -> Observation:
    """Return a rack that holds somebody else's group on one switch, and nothing of *plan*."""
    return with_switch(
        empty_rack(plan), SWITCH0, underlay_groups=[FOREIGN_UNDERLAY], external_groups=[FOREIGN_EXTERNAL]
    )


@contextmanager
def tables_of(most: int) -> Iterator[None]:
    """Let tables be so small that made-up racks fill them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TABLES", tuple(evolve(table, most=most) for table in TABLES))
        yield


def rehearsed(plan: Blueprint, seen: Observation) -> Rehearsal:
    """Return the calls of a run that counts."""
    room = Room.of(seen, unproven(plan, seen, ()))
    moves = [group.multicast_ip for group in plan.groups]
    return rehearse(differences(plan, seen), targets_of(plan), allow_loss=True, moves=moves, room=room)


@settings(max_examples=100)
@given(most=st.sampled_from([1, 3, 6]), plan=blueprints(), seen=racks())
def test_no_creation_overfills_a_table(most: int, plan: Blueprint, seen: Observation) -> None:
    """Whatever stands there, a group is created where there is room, unless it is made anew; the rest is told."""
    with tables_of(most):
        rehearsal = rehearsed(plan, seen)
    room = Room.of(seen, ())
    rebuilt: set[Address] = set()
    for call in rehearsal.calls:
        if call.kind in (Kind.REBUILD_EXTERNAL, Kind.REBUILD_UNDERLAY):
            rebuilt.update(call.groups)
        before, room = room, room.after(call.changes)
        if call.kind in CREATIONS and rebuilt.isdisjoint(call.groups):
            pairs = zip(before.taken[call.target], room.taken[call.target], strict=True)
            assert all(now <= max(most, then) for then, now in pairs), call
    sent = {change.sort_key for call in rehearsal.calls for change in call.changes}
    told = {held.change.sort_key for held in rehearsal.held}
    wanted = [change for change in differences(plan, seen).changes if change.kind in CREATIONS]
    assert all(change.sort_key in sent | told for change in wanted)


@settings(max_examples=60)
@given(plan=blueprints(), seen=racks())
def test_where_everything_fits_nothing_changes(plan: Blueprint, seen: Observation) -> None:
    """A run that counts sends what one that does not count sends, in the same order."""
    moves = [group.multicast_ip for group in plan.groups]
    uncounted = rehearse(differences(plan, seen), targets_of(plan), allow_loss=True, moves=moves)
    assert rehearsed(plan, seen) == uncounted


def filtered(number: int, many: int, **options: Any) -> G:
    """Return a group with so many sources."""
    return G(number=number, sources=tuple(range(1, many + 1)), **options)


def short(plan: Blueprint, seen: Observation, free: int, **options: Any) -> dict[str, str]:
    """Return which groups have to wait, and why, while so many rows of the source filter are free on one switch."""
    rows = tuple(TABLE_ROWS - free if place == FILTER else 0 for place in range(len(TABLES)))
    new = options.pop("new", ())
    found = Room(taken={OURS: rows}, new=new).shortage(differences(plan, seen).changes, **options)
    return {str(group): str(wait) for (group, _), wait in found.places.items()}


def test_a_group_that_the_rack_knows_comes_before_new_ones() -> None:
    """Even if it takes more: somebody hears it already."""
    plan = blueprint(filtered(1, 5), filtered(2, 3))
    assert short(plan, empty_rack(plan), 5, new={group_ip(2)}).keys() == {"233.252.0.2"}
    assert short(plan, empty_rack(plan), 5).keys() == {"233.252.0.1"}


def test_a_group_that_waits_for_its_address_takes_nothing() -> None:
    """It is not sent in this round."""
    plan = blueprint(filtered(1, 3), filtered(2, 5))
    assert short(plan, empty_rack(plan), 5, waiting={group_ip(1)}) == {}


def test_a_group_that_is_made_anew_does_not_wait() -> None:
    """What it had is deleted first, whatever becomes of it then; nobody else gets the room that it needs."""
    old, new = filtered(1, 5, tag=f"{group_id(7)}:{group_ip(1)}"), filtered(1, 5)
    seen = observation_of(blueprint(old))
    assert Kind.REBUILD_EXTERNAL in {change.kind for change in differences(blueprint(new), seen).changes}
    assert short(blueprint(new), seen, -1) == {}
    assert short(blueprint(new, filtered(2, 5)), seen, 4).keys() == {"233.252.0.2"}
    assert short(blueprint(new, filtered(2, 5)), seen, 5) == {}


def test_a_table_that_is_too_full_stops_only_who_needs_it() -> None:
    """Nothing is known to be free there, and the rest of the switch is told apart from it."""
    plan = blueprint(filtered(1, 1))
    changes = differences(plan, empty_rack(plan)).changes
    for place, table in enumerate(TABLES):
        rows = tuple(TABLE_ROWS + 1 if at == place else 0 for at in range(len(TABLES)))
        waits = [wait.because for wait in Room(taken={OURS: rows}).shortage(changes).places.values()]
        uses = "IPv6" not in table.name or table.name == "IPv6 routes"
        assert waits == ([f"{table.name}: 1 needed, 0 of {TABLE_ROWS} rows free"] if uses else [])


@given(st.permutations(list(range(1, 7))), st.integers(0, 21))
def test_as_few_groups_wait_as_can_be(sizes: list[int], free: int) -> None:
    """Of groups that ask for one table alone, no choice would let more in."""
    plan = blueprint(*(filtered(number, size) for number, size in enumerate(sizes, 1)))
    most = max(many for many in range(7) if sum(sorted(sizes)[:many]) <= free)
    assert len(short(plan, empty_rack(plan), free)) == 6 - most
