"""Source filters that change: nobody inside the rack misses a packet, not even between two halves of a request."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint, NextHop
from blueprints.observation import Observation
from blueprints.run_report import Outcome
from blueprints.snapshot import ExternalEntry, MemberPorts, Policy, Snapshot
from executor.changes import Kind
from executor.differences import differences
from executor.drains import MIXED, Zones
from executor.rehearsal import rehearse
from executor.report import Report
from executor.targets import targets_of
from tests.executor.bench import IMPATIENT, LOSSY, Bench, planned
from tests.executor.builders import (
    SILENT_SWITCH,
    SWITCH0,
    SWITCH1,
    G,
    blueprint,
    hop_address,
    observation_of,
    with_sled,
    with_switch,
)
from tests.simrack.rows import (
    G4,
    G6,
    GROUP4,
    GROUP6,
    LISTENER,
    MOVER,
    OTHER4,
    READER,
    S4,
    S6,
    SPEAKER,
    member,
    small_rack,
)

RACK = small_rack()
PLAN = planned(RACK)
OTHER6 = "fd00:99::6"
INSIDE = {"instance": str(SPEAKER)}


def picky(*sources: str) -> Snapshot:
    """Return the rack whose first group is asked for from some sources alone, by two of its members."""
    return evolve(RACK, members=[member(GROUP4, LISTENER, *sources), member(GROUP4, MOVER, S4), RACK.members[3]])


FIRST, SECOND = picky(S4), picky(S4, OTHER4)
STAYING = {LISTENER, MOVER}


@pytest.fixture(autouse=True)
def unwatched(bench: Bench) -> Iterator[None]:
    """No packets are sent any more once a test is over."""
    yield
    bench.control("PUT", "/watch", [])


def watch(bench: Bench, *packets: dict[str, Any]) -> None:
    """Send these packets after each step of each chip from now on."""
    bench.control("PUT", "/watch", list(packets))


def packet(group: str, source: str, origin: dict[str, str]) -> dict[str, Any]:
    """Return a packet as the control interface takes it."""
    return {"group": group, "source": source, "from": origin}


def missed(bench: Bench, staying: Iterable[UUID], place: int = 0) -> list[str]:
    """Return the steps after which one of those who stay did not hear the packet exactly once."""
    tables = planned(SECOND).sleds.values()
    ports = [str(row.propolis_id) for its in tables for row in its.subscriptions if row.instance_id in staying]
    seen = bench.control("GET", "/watch")
    assert ports
    assert seen
    return [row["after"] for row in seen if any(row["heard"][place].get(port) != 1 for port in ports)]


def kinds(report: Report) -> list[str]:
    """Return the kinds of calls that had to do with filters and hops, each once, in order."""
    wanted = {Kind.EXTERNAL_UPDATE, Kind.DRAIN, Kind.REFILTER_DRAINED, Kind.REFILTER_LIVE, Kind.HOP_CHANGE}
    return list(dict.fromkeys(sent.call.kind.value for sent in report.actions if sent.call.kind in wanted))


def test_senders_inside_the_rack_lose_nothing_while_a_filter_is_rewritten(bench: Bench) -> None:
    """After every single row of a filter that is deleted or added, a packet of a VM still arrives once."""
    bench.run(planned(FIRST))
    bench.enter(SECOND)
    watch(bench, packet(G4, S4, INSIDE))
    report = bench.run(planned(SECOND, planned(FIRST)))
    assert (report.outcome, report.owed) == (Outcome.CONVERGED, ())
    assert kinds(report) == ["external_update", "drain", "refilter_drained", "hop_change"]
    steps = [row["after"] for row in bench.control("GET", "/watch")]
    assert {step.partition(":")[0] for step in steps if "filter deleted" in step} == {"switch0 dpd", "switch1 dpd"}
    assert missed(bench, STAYING) == []
    assert bench.run(planned(SECOND)).counts.get("writes", 0) == 0


def test_what_enters_from_outside_is_interrupted_and_that_is_announced(bench: Bench) -> None:
    """One switch after the other drops it for a moment: the report says for whom, and nobody is asked."""
    bench.run(planned(FIRST))
    bench.enter(SECOND)
    watch(bench, packet(G4, S4, {"switch": "switch0"}), packet(G4, S4, {"switch": "switch1"}))
    target = planned(SECOND, planned(FIRST))
    told = [bench.run(target, dry_run=True), bench.run(target)]
    gaps = [missed(bench, STAYING, place) for place in (0, 1)]
    assert [bool(gap) for gap in gaps] == [True, True]
    assert {step.partition(":")[0] for gap in gaps for step in gap} == {"switch0 dpd", "switch1 dpd"}
    assert set(gaps[0]).isdisjoint(gaps[1])
    for report in told:
        assert [(str(each.group), each.option) for each in report.interruptions] == [(G4, None), (G4, None)]
        assert all({m.instance_id for m in each.members} == STAYING for each in report.interruptions)
        assert all("from outside" in each.what for each in report.interruptions)


def test_a_hop_that_changes_anyway_is_changed_once(bench: Bench) -> None:
    """Where the plan sends a group by the other switch, sleds turn there and stay."""
    bench.run(planned(FIRST))
    bench.enter(SECOND)
    turned = through_the_other(planned(SECOND))
    watch(bench, packet(G4, S4, INSIDE))
    report = bench.run(turned)
    assert report.exit_code == 0
    assert missed(bench, STAYING) == []
    drained = [sent for sent in report.actions if sent.call.kind is Kind.DRAIN]
    back = [s for s in report.actions if s.call.kind is Kind.HOP_CHANGE and GROUP4_IP in s.call.groups]
    assert (len(drained), back) == (3, [])
    assert bench.run(turned).counts.get("writes", 0) == 0


GROUP4_IP = PLAN.groups[0].multicast_ip


def through_the_other(plan: Blueprint) -> Blueprint:
    """Return *plan* with every group sent by the switch that it is not sent by."""
    other = {SWITCH0: SWITCH1, SWITCH1: SWITCH0}
    groups = [evolve(group, next_hop_switch=other[group.next_hop_switch]) for group in plan.groups]
    zones = {group.underlay_ip: RACK.switches[group.next_hop_switch].underlay_address for group in groups}
    sleds = {
        sled: evolve(
            tables,
            forwarding=tuple(
                evolve(row, next_hops=[NextHop(next_hop=zones[row.underlay])]) for row in tables.forwarding
            ),
        )
        for sled, tables in plan.sleds.items()
    }
    return evolve(plan, groups=groups, sleds=sleds)


@pytest.mark.parametrize("group", ["4", "6"])
def test_both_families_are_drained(bench: Bench, group: str) -> None:
    """A source-specific IPv6 group is no exception."""
    wider = evolve(RACK, members=[*RACK.members[:3], member(GROUP6, READER, S6, OTHER6)])
    after = SECOND if group == "4" else wider
    bench.run(planned(FIRST if group == "4" else RACK))
    bench.enter(after)
    watch(bench, packet(G4, S4, INSIDE) if group == "4" else packet(G6, S6, INSIDE))
    assert bench.run(planned(after)).exit_code == 0
    assert missed(bench, STAYING if group == "4" else {READER}) == []


def test_a_sled_that_cannot_be_turned_keeps_the_filter_as_it_is(bench: Bench) -> None:
    """The sled that refuses goes on hearing and sending, what waits for it is owed, and the next run ends it."""
    bench.run(planned(FIRST))
    bench.enter(SECOND)
    sled = next(iter(PLAN.sleds))
    bench.fault(f"sled {sled}", "status", times=None, method="PUT", path="/networking/mcast-fwd", status=500)
    watch(bench, packet(G4, S4, INSIDE))
    report = bench.run(planned(SECOND))
    assert report.exit_code == 4
    assert "refilter_drained" not in kinds(report)
    assert missed(bench, STAYING) == []
    bench.calm()
    again = [bench.run(planned(SECOND)) for _ in range(2)]
    assert [report.exit_code for report in again][-1] == 0
    assert missed(bench, STAYING) == []
    assert bench.run(planned(SECOND)).counts.get("writes", 0) == 0


def test_without_another_switch_the_filter_waits_for_consent(bench: Bench) -> None:
    """While the other switch is silent nobody can be turned to it: who would lose what is named, and nothing lost."""
    bench.run(planned(FIRST))
    bench.enter(SECOND)
    hop = planned(SECOND).groups[0].next_hop_switch
    other = SWITCH1 if hop is SWITCH0 else SWITCH0
    bench.fault(f"{other} dpd", "refuse", times=None)
    report = bench.run(planned(SECOND), limits=IMPATIENT)
    assert report.outcome is Outcome.CONSENT
    (told,) = [each for each in report.interruptions if each.option]
    assert (str(told.group), told.option, told.accepted) == (G4, "--allow-loss", False)
    assert {row.instance_id for row in told.members} == STAYING
    assert told.what == f"what passes {hop} while its source filter is rewritten"
    assert bench.heard(G4, S4, hop) == {LISTENER: 1, MOVER: 1}
    done = bench.run(planned(SECOND), limits=IMPATIENT, safeguards=LOSSY)
    assert "refilter_live" in kinds(done)
    assert done.outcome is Outcome.PARTIAL


# --- what is decided, without a rack --------------------------------------------------------------------------------

ZONES: Zones = {SWITCH0: hop_address(SWITCH0), SWITCH1: hop_address(SWITCH1)}
WIDER = blueprint(G(number=1, sleds=(0, 1), sources=(5, 6)))
NARROW = observation_of(blueprint(G(number=1, sleds=(0, 1), sources=(5,))))


def found(plan: Blueprint, seen: Observation, zones: Zones = ZONES) -> list[tuple[str, str]]:
    """Return kind and place of every change."""
    return [(change.kind.value, change.target.place) for change in differences(plan, seen, zones=zones).changes]


def filters(plan: Blueprint, seen: Observation, zones: Zones = ZONES) -> dict[str, str]:
    """Return how each switch rewrites its filter."""
    names = {"external_update", "refilter_drained", "refilter_live"}
    return {place: kind for kind, place in found(plan, seen, zones) if kind in names}


def test_the_idle_switch_is_rewritten_first() -> None:
    """The switch that nobody sends through needs no detour."""
    assert filters(WIDER, NARROW) == {"switch1": "external_update", "switch0": "refilter_drained"}
    order = [call.kind.value for call in rehearse(differences(WIDER, NARROW, zones=ZONES), targets_of(WIDER)).calls]
    firsts = sorted({kind: order.index(kind) for kind in order}.items(), key=lambda each: each[1])
    wanted = ["external_update", "drain", "refilter_drained", "hop_change"]
    assert [kind for kind, _ in firsts if kind in wanted] == wanted


def test_the_other_switch_has_to_be_good() -> None:
    """One that is silent, unknown, blocked, without the entry or without a port that stays takes nobody over."""
    good = {"switch1": "external_update", "switch0": "refilter_drained"}
    assert filters(WIDER, NARROW) == good
    silent = with_switch(NARROW, SWITCH1, **dict.fromkeys(("underlay_groups", "external_groups")))
    assert filters(WIDER, silent) == {"switch0": "refilter_live"}
    assert SILENT_SWITCH.underlay_groups is None
    assert filters(WIDER, NARROW, {})["switch0"] == "refilter_live"
    foreign = [evolve(row, tag="backup") for row in NARROW.switches[SWITCH1].underlay_groups or ()]
    assert filters(WIDER, with_switch(NARROW, SWITCH1, underlay_groups=foreign)) == {"switch0": "refilter_live"}
    elected = {**WIDER.switches, SWITCH1: evolve(WIDER.switches[SWITCH1], external_groups=())}
    policy = Policy(external_entry=ExternalEntry.ELECTED)
    assert filters(evolve(WIDER, switches=elected, policy=policy), NARROW) == {"switch0": "refilter_live"}
    one = evolve(WIDER, switches={SWITCH0: WIDER.switches[SWITCH0]})
    assert filters(one, NARROW) == {"switch0": "refilter_live"}


def test_ports_that_somebody_else_writes_must_be_there_already() -> None:
    """Where ddmd writes members, the other switch takes over only what it is seen to deliver."""
    derived = evolve(WIDER, policy=Policy(member_ports=MemberPorts.DERIVED))
    assert filters(derived, NARROW)["switch0"] == "refilter_drained"
    bare = [evolve(row, members=()) for row in NARROW.switches[SWITCH1].underlay_groups or ()]
    less = with_switch(NARROW, SWITCH1, underlay_groups=bare)
    assert filters(derived, less)["switch0"] == "refilter_live"
    assert filters(WIDER, less)["switch0"] == "refilter_drained"


def test_sleds_that_send_by_different_switches_are_brought_together_first() -> None:
    """Half of a change of hops that was cut short: both filters wait, the hops do not, and a second run ends it."""
    other = observation_of(blueprint(G(number=1, sleds=(0, 1), sources=(5,), hop=SWITCH1)))
    mixed = with_sled(NARROW, 1, forwarding=next(iter(other.sleds.values())).forwarding)
    rehearsal = rehearse(differences(WIDER, mixed, zones=ZONES), targets_of(WIDER))
    assert {held.because for held in rehearsal.held} == {MIXED}
    assert [call.kind for call in rehearsal.calls if call.kind in (Kind.DRAIN, Kind.HOP_CHANGE)] == [Kind.HOP_CHANGE]


def test_a_rack_without_senders_needs_no_detour() -> None:
    """Where no sled has a hop to either switch, both filters are rewritten as they are."""
    idle = with_sled(with_sled(NARROW, 0, forwarding=()), 1, forwarding=())
    assert filters(WIDER, idle) == {"switch0": "external_update", "switch1": "external_update"}
    assert not [kind for kind, _ in found(WIDER, idle) if kind == "drain"]


def test_fields_that_are_set_at_once_need_no_detour() -> None:
    """Another inner MAC is one write of one row: nothing is turned for it."""
    rows = [evolve(row, inner_mac="33:33:00:00:00:01") for row in NARROW.switches[SWITCH0].external_groups or ()]
    plan = blueprint(G(number=1, sleds=(0, 1), sources=(5,)))
    assert found(plan, with_switch(NARROW, SWITCH0, external_groups=rows)) == [("external_update", "switch0")]
