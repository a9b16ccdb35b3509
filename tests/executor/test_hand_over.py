"""Addresses that go from one group to another: only once nobody of the former is left under them."""

from collections.abc import Callable
from uuid import UUID

import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Snapshot, UnderlayRow
from executor.changes import Kind
from executor.differences import differences
from executor.intents import occupied
from executor.journal import Intents, JournalFile, OwedLeave, Retired
from executor.progress import CallFinished, Event
from tests.executor.bench import IMPATIENT, Bench, planned, summary
from tests.executor.builders import empty_rack
from tests.executor.deaths import keeping, killed, killed_after, orphans
from tests.simrack.rows import (
    G6,
    GROUP6,
    LISTENER,
    RACK,
    READER,
    S6,
    SLEDS,
    SPEAKER,
    SWITCH0,
    SWITCH1,
    TAG4,
    U4,
    U6,
    group,
    member,
    small_rack,
    uid,
)

FIRST = planned(small_rack())


@pytest.fixture
def bench(bench_inside: Bench) -> Bench:
    """The small rack without sockets: deadlines pass at once, and a machine that is busy misses none."""
    return bench_inside


LEAVE = f"/instances/{READER}/multicast-group"

G9, GROUP9 = "233.252.0.9", uid(3, 9)


def handed_over(address: str, *listeners: UUID) -> Snapshot:
    """Return the rack after its second group went and another one got its underlay address."""
    rack = small_rack()
    new = group(GROUP9, address, underlay_group_id=uid(4, 9))
    members = [
        evolve(member(GROUP9, who, *([S6] if address == G6 else [])), multicast_ip=Address.parse(address))
        for who in listeners
    ]
    return evolve(
        rack,
        groups=[rack.groups[0], new],
        underlay_groups=[
            UnderlayRow(id=uid(4, 4), multicast_ip=Address.parse(U4), tag=TAG4),
            UnderlayRow(id=uid(4, 9), multicast_ip=Address.parse(U6), tag=f"{GROUP9}:{address}"),
        ],
        members=[*rack.members[:3], *members],
    )


def leaks(
    bench: Bench, address: str, source: str, mine: set[UUID], slot: SwitchSlot = SWITCH0
) -> tuple[Callable[[Event], None], set[UUID]]:
    """Return a listener that sends a packet to a group after every call, and who hears it without being *mine*.

    Under the address of the former group its own ports hear it until they leave, but never together with *mine*.
    """
    strangers: set[UUID] = set()

    def listen(event: Event) -> None:
        if isinstance(event, CallFinished):
            heard = bench.heard(address, source, slot).keys()
            if address != G6 or heard & mine:
                strangers.update(heard - mine)

    return listen, strangers


HANDED = [
    pytest.param(G9, "10.20.0.77", id="another address of a group"),
    pytest.param(G6, S6, id="the same address of a group"),
]


@pytest.mark.parametrize(("address", "source"), HANDED)
def test_an_address_is_handed_over_in_one_run_and_nobody_of_before_hears_it(
    bench: Bench, journal: JournalFile, address: str, source: str
) -> None:
    """The former group leaves and is unmapped everywhere first; only then is its address the other one's."""
    bench.run(FIRST)
    world = handed_over(address, SPEAKER)
    after = planned(world, FIRST)
    assert {row.multicast_ip.text: row.underlay_ip.text for row in after.groups}[address] == U6
    bench.enter(world)
    listen, strangers = leaks(bench, address, source, {SPEAKER})
    lossy = keeping(journal, allow_loss=True)
    dry = bench.run(after, dry_run=True, safeguards=lossy)
    report = bench.run(after, progress=listen, safeguards=lossy)
    assert (report.exit_code, report.owed, strangers) == (0, (), set())
    assert (bench.heard(address, source), orphans(bench, after)) == ({SPEAKER: 1}, [])
    assert [a.call.kind for a in dry.actions] == [a.call.kind for a in report.actions]
    assert bench.run(after, safeguards=lossy).counts.get("writes", 0) == 0


@pytest.mark.parametrize(("address", "source"), HANDED)
def test_an_address_waits_for_a_sled_that_does_not_answer(
    bench: Bench, journal: JournalFile, address: str, source: str
) -> None:
    """While a sled of the former group is silent nobody else gets its address, in the runs after it neither."""
    bench.run(FIRST)
    world = handed_over(address, SPEAKER)
    after = planned(world, FIRST)
    forgetful = evolve(after, sleds={sled: evolve(its, departures=()) for sled, its in after.sleds.items()})
    bench.enter(world)
    lossy = keeping(journal, allow_loss=True)
    listen, strangers = leaks(bench, address, source, {SPEAKER})
    bench.fault(f"sled {SLEDS[0]}", "refuse", times=None)
    for plan in (after, forgetful, forgetful):
        report = bench.run(plan, limits=IMPATIENT, progress=listen, safeguards=lossy)
        waiting = {because for owed in report.owed if (because := owed.because).startswith("waits: ")}
        assert (report.exit_code, len(waiting)) == (4, 1)
        assert bench.heard(address, source).keys() <= {READER}
    bench.calm()
    assert bench.run(forgetful, progress=listen, safeguards=lossy).exit_code == 0
    assert (bench.heard(address, source), orphans(bench, after)) == ({SPEAKER: 1}, [])
    assert journal.read(RACK) == Intents()
    assert strangers == set()


@pytest.mark.parametrize(("address", "source"), HANDED)
def test_a_hand_over_that_is_killed_after_any_call_is_made_good(
    bench: Bench, journal: JournalFile, address: str, source: str
) -> None:
    """Wherever it ends, the next run converges, and no port of before is left under the address."""
    world = handed_over(address, SPEAKER)
    after = planned(world, FIRST)
    forgetful = evolve(after, sleds={sled: evolve(its, departures=()) for sled, its in after.sleds.items()})
    lossy = keeping(journal, allow_loss=True)
    deaths = 0
    for call in range(1, 46, 3):
        bench.reset(small_rack())
        bench.run(FIRST)
        bench.enter(world)
        deaths += killed(bench, after, progress=killed_after(call), safeguards=lossy)
        report = bench.run(forgetful, safeguards=lossy)
        assert (call, report.exit_code, orphans(bench, after)) == (call, 0, [])
        assert (bench.heard(address, source), journal.read(RACK)) == ({SPEAKER: 1}, Intents())
    assert deaths > 5


def test_the_next_groups_wait_is_told_in_the_report(bench: Bench, journal: JournalFile) -> None:
    """A run whose address is not free says for whom it waits, group by group."""
    bench.run(FIRST)
    world = handed_over(G9, SPEAKER)
    after = planned(world, FIRST)
    journal.record(
        RACK,
        Intents(retired=[Retired(underlay=Address.parse(U6), group=Address.parse(G6), places=(f"sled {SLEDS[1]}",))]),
    )
    bench.fault(f"sled {SLEDS[1]}", "refuse", times=None)
    report = bench.run(after, limits=IMPATIENT, safeguards=keeping(journal, allow_loss=True))
    assert ("switch0 dpd", "underlay_create", G9) in summary(report)
    assert {"m2p_set", "join"} <= {kind for _, kind, groups in summary(report) if groups == G9}


U6_SALTED = "ff04::ff3e:0:8000:0"


def replaced(underlay: str, *listeners: UUID) -> Snapshot:
    """Return the rack after its second group was made anew, at the same address but under that underlay group."""
    rack = handed_over(G6, *listeners)
    rows = [rack.underlay_groups[0], evolve(rack.underlay_groups[1], multicast_ip=Address.parse(underlay))]
    return evolve(rack, underlay_groups=rows)


@pytest.mark.parametrize("listeners", [(READER,), (SPEAKER,), (READER, SPEAKER)], ids=["stays", "leaves", "both"])
def test_a_group_made_anew_under_another_underlay_group_does_not_wait_for_itself(
    bench: Bench, journal: JournalFile, listeners: tuple[UUID, ...]
) -> None:
    """Ports of before leave under the mapping that stands, and those of both groups just move along."""
    bench.run(FIRST)
    world = replaced(U6_SALTED, *listeners)
    after = planned(world, FIRST)
    bench.enter(world)
    accepted = keeping(journal, allow_loss=True, move_underlay=[Address.parse(G6)])
    report = bench.run(after, safeguards=accepted)
    assert (report.exit_code, report.owed, orphans(bench, after)) == (0, (), [])
    assert (bench.heard(G6, S6), journal.read(RACK)) == (dict.fromkeys(listeners, 1), Intents())


def test_a_leave_that_is_owed_on_a_sled_without_the_mapping_does_not_block_the_group(
    bench: Bench, journal: JournalFile
) -> None:
    """A sled that was booted meanwhile gets the mapping first: without it no leave would have an effect."""
    bench.run(FIRST)
    world = handed_over(G6, SPEAKER)
    after = planned(world, FIRST)
    bench.enter(world)
    bench.control("POST", "/restarts", {"target": f"sled {SLEDS[0]}", "keep_state": False})
    report = bench.run(after, safeguards=keeping(journal, allow_loss=True))
    assert (report.exit_code, report.owed, orphans(bench, after)) == (0, (), [])
    assert bench.heard(G6, S6) == {SPEAKER: 1}


def test_a_new_group_waits_for_ports_that_the_journal_remembers(bench: Bench, journal: JournalFile) -> None:
    """Also where the former group is gone from all switches, and so no tag tells that the address had an owner."""
    bench.run(FIRST)
    rack = small_rack()
    gone = evolve(rack, groups=rack.groups[:1], underlay_groups=rack.underlay_groups[:1], members=rack.members[:3])
    between = planned(gone, FIRST)
    bench.enter(gone)
    bench.fault(f"sled {SLEDS[0]}", "refuse", times=None)
    bench.run(between, limits=IMPATIENT, safeguards=keeping(journal))
    bench.calm()
    world = handed_over(G6, LISTENER)
    bench.enter(world)
    listen, strangers = leaks(bench, G6, S6, {LISTENER})
    report = bench.run(planned(world, between), progress=listen, safeguards=keeping(journal))
    assert (report.exit_code, strangers, bench.heard(G6, S6)) == (0, set(), {LISTENER: 1})


def test_a_new_group_waits_in_later_runs_too(bench: Bench, journal: JournalFile) -> None:
    """The mapping that the former group left is the new one's as well: it does not show that the group was there."""
    bench.run(FIRST)
    rack = small_rack()
    gone = evolve(rack, groups=rack.groups[:1], underlay_groups=rack.underlay_groups[:1], members=rack.members[:3])
    between = planned(gone, FIRST)
    bench.enter(gone)
    bench.fault(f"sled {SLEDS[0]}", "refuse", times=None)
    bench.run(between, limits=IMPATIENT, safeguards=keeping(journal))
    bench.calm()
    world = handed_over(G6, LISTENER)
    after = planned(world, between)
    bench.enter(world)
    listen, strangers = leaks(bench, G6, S6, {LISTENER})
    bench.fault(f"sled {SLEDS[0]}", "status", method="DELETE", status=500, times=None)
    codes = [bench.run(after, progress=listen, safeguards=keeping(journal)).exit_code for _ in range(2)]
    bench.calm()
    codes.append(bench.run(after, progress=listen, safeguards=keeping(journal)).exit_code)
    assert (codes, strangers, bench.heard(G6, S6)) == ([4, 4, 0], set(), {LISTENER: 1})
    assert journal.read(RACK) == Intents()


def without_switch0(snapshot: Snapshot) -> Snapshot:
    """Return what a collection learns that does not find one of the switches, though that goes on."""
    return evolve(snapshot, switches={SWITCH1: snapshot.switches[SWITCH1]})


def test_a_mapping_tells_nothing_where_ports_have_to_leave_a_former_group(bench: Bench, journal: JournalFile) -> None:
    """Address and underlay address are the former group's, no run noted its end, and no switch shows its tag."""
    bench.run(FIRST)
    bench.control("POST", "/restarts", {"target": "switch1 dpd", "keep_state": False})
    world = handed_over(G6, SPEAKER)
    after = planned(without_switch0(world), FIRST)
    assert [(row.id, row.multicast_ip.text) for row in after.former_groups] == [(GROUP6, G6)]
    bench.enter(world)
    bench.fault(f"sled {SLEDS[0]}", "status", method="DELETE", path=LEAVE, status=500, times=None)
    listen, strangers = leaks(bench, G6, S6, {SPEAKER}, SWITCH1)
    report = bench.run(after, progress=listen, safeguards=keeping(journal, allow_loss=True))
    assert (report.exit_code, strangers, bench.heard(G6, S6, SWITCH1)) == (4, set(), {})
    bench.calm()
    report = bench.run(after, progress=listen, safeguards=keeping(journal, allow_loss=True))
    assert (report.exit_code, strangers, bench.heard(G6, S6, SWITCH1)) == (0, set(), {SPEAKER: 1})


def test_an_address_waits_for_a_switch_that_the_plan_misses(bench: Bench, journal: JournalFile) -> None:
    """It may still lead the former group there: nobody else gets the address before it is back, or is given up."""
    bench.run(FIRST)
    world = handed_over(G9, SPEAKER)
    bare = planned(without_switch0(world), FIRST)
    bench.enter(world)
    strangers: set[UUID] = set()

    def listen(event: Event) -> None:
        if isinstance(event, CallFinished):
            strangers.update(bench.heard(G6, S6, SWITCH0).keys() - {READER})

    lossy = keeping(journal, allow_loss=True)
    for _ in range(2):
        report = bench.run(bare, progress=listen, safeguards=lossy)
        because = {owed.because for owed in report.owed}
        assert because == {f"waits: {G6} still leads to {U6}, at switch0 dpd, switch0 mgd"}
        assert (report.exit_code, strangers) == (4, set())
    again = planned(world, bare)
    assert bench.run(again, progress=listen, safeguards=lossy).exit_code == 0
    assert (strangers, bench.heard(G9, "10.20.0.77"), journal.read(RACK)) == (set(), {SPEAKER: 1}, Intents())


def test_a_switch_that_is_gone_for_good_is_given_up_by_a_plan_without_a_parent(
    bench: Bench, journal: JournalFile
) -> None:
    """Such a plan knows of no other switch."""
    bench.run(FIRST)
    world = handed_over(G9, SPEAKER)
    lossy = keeping(journal, allow_loss=True)
    bench.enter(world)
    assert bench.run(planned(without_switch0(world), FIRST), safeguards=lossy).exit_code == 4
    assert bench.run(planned(without_switch0(world)), safeguards=lossy).exit_code == 0
    assert (bench.heard(G9, "10.20.0.77", SWITCH1), journal.read(RACK)) == ({SPEAKER: 1}, Intents())


@pytest.mark.parametrize("led", ["nobody", "a group that stays", "a group that goes"])
def test_no_mapping_is_set_for_a_leave_while_another_group_that_stays_is_led_there(led: str) -> None:
    """Its ports may still listen under the underlay address; else the leave is what the mapping is for."""
    plan = planned(handed_over(G6, LISTENER))
    groups = {row.multicast_ip.text: row.multicast_ip for row in plan.groups}
    new, stays = groups.pop(G6), next(iter(groups.values()))
    leave = OwedLeave(sled_id=SLEDS[0], instance_id=READER, propolis_id=uid(8, 1), group_ip=new)
    other = Address.parse(G9) if led == "a group that goes" else stays
    entries = [] if led == "nobody" else [Retired(underlay=Address.parse(U6), group=other, places=["switch0 dpd"])]
    difference = differences(plan, empty_rack(plan))
    wait = occupied(plan, difference, Intents(leaves=[leave], retired=entries), {new})[new]
    sled = f"sled {SLEDS[0]}"
    (mapping,) = (c for c in difference.changes.of({Kind.M2P_SET}) if new in c.groups and str(c.target) == sled)
    assert wait.needs(mapping) is (led != "a group that stays")
    assert wait.places == {sled, *(place for entry in entries for place in entry.places)}
