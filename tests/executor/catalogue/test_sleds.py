"""Row by row: sleds whose agents restart, whose NICs refuse, whose VMs move, and what packet engines hold (``S``)."""

from typing import Any

import pytest
from attrs import evolve

from blueprints.blueprint import Replication
from blueprints.endpoints import SubscriptionForm
from blueprints.run_report import Outcome
from executor import intents
from executor.actions import FORMS
from executor.changes import Kind
from executor.gates import Ledger, accepted
from executor.http import RETRIED
from executor.sled_differences import same_hops, sled_differences, switched_off
from executor.statuses import MEANINGS, NUANCES, Endpoint, Meaning
from planner.life_cycle import processes
from tests.executor import test_hand_over
from tests.executor.bench import IMPATIENT, LOSSY, Bench, planned
from tests.executor.catalogue.scenes import (
    ANEW,
    END,
    ENDED,
    EVERYBODY,
    PLAN,
    RACK,
    SLED0,
    SLED1,
    SLED2,
    at_rest,
    kinds,
    owed_kinds,
    restart,
    sent_to,
    to_sled,
    when_read,
    with_instances,
)
from tests.executor.catalogue.twins import Twin, altered, dropping, entry, method, must_fail, replaced
from tests.executor.deaths import orphans
from tests.simrack.rows import (
    G4,
    G6,
    LISTENER,
    MOVER,
    PICKER,
    READER,
    S4,
    SLEDS,
    SPEAKER,
    SWITCH0,
    SWITCH1,
    U4,
    U6,
    ZONES,
    instance,
)

M2P, FORWARDING = "/networking/mcast-m2p", "/networking/mcast-fwd"


def filters(bench: Bench, underlay: str) -> int:
    """Return how many NICs of the first sled hear an underlay group."""
    rows = bench.state()["sleds"][str(SLEDS[0])]["nic_filters"]
    return len([row for row in rows if row["underlay"] == underlay])


def test_s1_mappings_are_said_again_in_every_run(bench: Bench) -> None:
    """A sled-agent that restarted has opened its sockets again by itself: nothing is written, and all is repeated."""
    bench.run(PLAN)
    restart(bench, SLED0, keep=True)
    bench.forget_calls()
    report = bench.run(PLAN)
    assert (report.exit_code, report.counts.get("writes", 0)) == (0, 0)
    said = [call["body"]["group"] for call in sent_to(bench, SLED0, "PUT") if call["path"] == M2P]
    assert said == [G4, G6]
    assert bench.heard(G4, S4) == EVERYBODY


def test_s2_a_mapping_that_is_listed_and_whose_nics_did_not_join_is_healed(bench: Bench) -> None:
    """After a restart one group is mapped and heard by no NIC: repeating the mapping is what opens it again."""
    bench.run(PLAN)
    bench.fault(SLED0, "nic_join")
    bench.fault(SLED0, "m2p_clear")
    restart(bench, SLED0, keep=True)
    assert bench.control("GET", "/faults") == []
    assert sorted([filters(bench, U4), filters(bench, U6)]) < [2, 2]
    assert {str(pair.group) for pair in bench.observe().sleds[SLEDS[0]].m2p or ()} == {G4, G6}
    assert bench.run(PLAN).exit_code == 0
    assert (filters(bench, U4), filters(bench, U6)) == (2, 2)
    at_rest(bench, PLAN)


def test_s3_a_nic_that_refuses_is_owed_until_it_joins(bench: Bench) -> None:
    """A repeated mapping that fails takes the mapping along: that is owed, run after run, and others go on."""
    bench.run(PLAN)
    bench.fault(SLED0, "nic_join", times=None)
    bench.fault(SLED0, "m2p_clear")
    restart(bench, SLED0, keep=True)
    for first in (True, False):
        report = bench.run(PLAN)
        assert report.exit_code == 4
        assert {target for target, _ in owed_kinds(report)} == {SLED0}
        assert ((SLED0, "m2p_assert") in owed_kinds(report)) is first
        assert bench.heard(G4, S4) == {PICKER: 1, MOVER: 1}
    bench.calm()
    assert bench.run(PLAN).exit_code == 0
    at_rest(bench, PLAN)


def test_s4_an_address_moves_with_consent_alone_and_a_nic_that_refuses_is_told(bench: Bench) -> None:
    """A refused move rolls back by clearing the mapping: so it is asked for, owed where it failed, and made good."""
    bench.run(PLAN)
    bench.fault(SLED0, "nic_join")
    report = bench.run(ANEW)
    assert (report.outcome, bench.heard(G4, S4)) == (Outcome.CONSENT, EVERYBODY)
    assert bench.control("GET", "/faults") != []
    report = bench.run(ANEW, safeguards=LOSSY)
    assert report.exit_code == 4
    assert (SLED0, "m2p_set") in owed_kinds(report) or (SLED0, "m2p_move") in owed_kinds(report)
    assert {PICKER, MOVER} <= bench.heard(G4, S4).keys()
    assert bench.run(ANEW, safeguards=LOSSY).exit_code == 0
    at_rest(bench, ANEW)


def test_s5_a_mapping_that_leads_elsewhere_is_overwritten_and_never_cleared(bench: Bench) -> None:
    """Clearing goes by the group and would take the new mapping along: a move is one set on each sled."""
    bench.run(PLAN)
    bench.forget_calls()
    assert bench.run(ANEW, safeguards=LOSSY).exit_code == 0
    assert [call for call in bench.calls() if call["method"] == "DELETE" and call["path"] == M2P] == []
    at_rest(bench, ANEW)


def test_s5_a_sled_that_a_move_left_behind_is_brought_after_it_unasked(bench: Bench) -> None:
    """It was silent while the others moved: nobody is reached by the former address, so nobody loses anything."""
    bench.run(PLAN)
    bench.fault(SLED0, "refuse", times=None)
    assert bench.run(ANEW, safeguards=LOSSY).exit_code == 4
    bench.calm()
    assert bench.heard(G4, S4) == {PICKER: 1, MOVER: 1}
    bench.fault("switch1 dpd", "refuse", times=None)  # which may still have the former group
    assert bench.run(ANEW).outcome is Outcome.CONSENT
    bench.calm()
    report = bench.run(ANEW)
    assert (report.exit_code, [told.accepted for told in report.interruptions]) == (0, [True])
    assert [member.sled_id for told in report.interruptions for member in told.members] == [SLEDS[0]]
    assert orphans(bench, ANEW) == []
    at_rest(bench, ANEW)


def hop(slot: Any, sources: dict[str, Any]) -> Any:
    """Return a next hop as sled-agents take it."""
    return {"next_hop": ZONES[slot], "replication": Replication.UNDERLAY.value, "filter": sources}


def test_s6_a_stale_hop_is_switched_off_by_the_request_that_sets_the_right_one(bench: Bench) -> None:
    """A sled sends to both switches: one request, and each packet arrives once."""
    bench.run(PLAN)
    both = {"mode": "exclude", "sources": []}
    hops = [hop(slot, both) for slot in (SWITCH0, SWITCH1)]
    to_sled(bench, SLEDS[2], "PUT", FORWARDING, {"underlay": U4, "next_hops": hops})
    assert from_speaker(bench)[LISTENER] == 2
    bench.forget_calls()
    assert bench.run(PLAN).exit_code == 0
    assert [call["method"] for call in sent_to(bench, SLED2) if call["path"] == FORWARDING] == ["PUT"]
    assert from_speaker(bench) == EVERYBODY


def from_speaker(bench: Bench, *, steady: bool = False) -> dict[Any, int]:
    """Return who hears a packet that a VM on the third sled sends to the first group, and how often."""
    origin = {"instance": str(SPEAKER)}
    body = {"group": G4, "source": S4, "from": origin, "steady": steady}
    ears = bench.control("POST", "/packets", body)["delivered"]
    names = {str(who): who for who in EVERYBODY}
    return {names[ear["instance_id"]]: ear["copies"] for ear in ears}


def test_s7_a_fifth_hop_is_refused_and_told(bench: Bench) -> None:
    """An engine that takes four hops and has four says no to ours: owed with its answer, and nothing else waits."""
    strangers = [
        {**hop(SWITCH0, {"mode": "include", "sources": []}), "next_hop": f"fd00:9::{n}"} for n in range(1, 5)
    ]
    bench.control("PUT", "/packet-engines", {"selects": True})
    to_sled(bench, SLEDS[2], "PUT", FORWARDING, {"underlay": U4, "next_hops": strangers})
    report = bench.run(PLAN)
    bench.control("PUT", "/packet-engines", {"selects": False})
    assert owed_kinds(report) == {(SLED2, "forwarding_set")}
    tries = [call for call in sent_to(bench, SLED2) if call["path"] == FORWARDING and call["body"]["underlay"] == U4]
    assert [call["status"] for call in tries] == [204, 500]
    assert bench.heard(G4, S4) == EVERYBODY


def test_s8_a_hop_that_is_switched_off_differs_in_nothing(bench: Bench) -> None:
    """What includes nobody carries nothing: it stays, and nothing is written because of it."""
    bench.run(PLAN)
    off = [hop(SWITCH0, {"mode": "include", "sources": []})]
    to_sled(bench, SLEDS[2], "PUT", FORWARDING, {"underlay": U4, "next_hops": off})
    at_rest(bench, PLAN)


def test_s10_a_mapping_stays_until_everybody_has_left(bench: Bench) -> None:
    """A leave without a mapping would do nothing, silently: while it fails the mapping is not cleared."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault(SLED0, "status", status=500, method="DELETE", path="/instances", times=None)
    report = bench.run(END)
    assert owed_kinds(report) == {(SLED0, "leave"), (SLED0, "m2p_clear")}
    bench.calm()
    assert bench.run(END).exit_code == 0
    assert orphans(bench, END) == []


@pytest.mark.parametrize("refusals", [0, 1])
def test_s10_a_mapping_that_was_lost_is_set_again_for_whoever_has_to_leave(bench: Bench, refusals: int) -> None:
    """What a refused NIC took away: without it the leave would be acknowledged, forgotten, and have done nothing."""
    bench.run(PLAN)
    to_sled(bench, SLEDS[0], "DELETE", M2P, {"group": G6, "underlay": U6})
    bench.enter(ENDED)
    if refusals:
        bench.fault(SLED0, "nic_join", times=refusals)
        assert owed_kinds(bench.run(END)) >= {(SLED0, "m2p_set"), (SLED0, "leave")}
    assert bench.run(END).exit_code == 0
    assert orphans(bench, END) == []
    assert filters(bench, U6) == 0
    at_rest(bench, END)


@pytest.mark.parametrize("answered", [True, False])
def test_s10_a_leave_whose_mapping_went_with_its_answer_is_owed(bench: Bench, answered: bool) -> None:
    """A sled-agent dies of the leave and cannot take the mapping up again: what it acknowledges then does nothing."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault(SLED0, "nic_join", times=None)
    bench.fault(SLED0, "restart_with_state", method="DELETE", path="/instances", times=1)
    if not answered:
        bench.fault(SLED0, "not_http", method="DELETE", path="/instances")
    report = bench.run(END)
    assert (SLED0, "leave") in owed_kinds(report)
    assert U6 in {str(row.underlay) for row in bench.observe().sleds[SLEDS[0]].forwarding or ()}
    bench.calm()
    assert bench.run(END).exit_code == 0
    assert orphans(bench, END) == []
    at_rest(bench, END)


def test_s12_whoever_stays_leaves_and_joins_again_when_the_address_moves(bench: Bench) -> None:
    """A join that repeats what was told does not reach the packet engine: each port leaves under the old mapping."""
    bench.run(PLAN)
    report = bench.run(ANEW, safeguards=LOSSY)
    order = [kind for kind in kinds(report.actions) if kind in ("move_leave", "m2p_move", "join")]
    assert order.index("move_leave") < order.index("m2p_move") < order.index("join")
    assert orphans(bench, ANEW) == []
    assert bench.heard(G4, S4) == EVERYBODY


@pytest.mark.parametrize(("status", "done"), [(404, True), (204, True), (500, False)])
def test_s13_a_leave_is_done_when_the_right_sled_says_that_the_port_is_gone(
    bench: Bench, status: int, done: bool
) -> None:
    """However sled-agents say it, an unknown VMM has left; an error is none of these, and is owed."""
    bench.run(PLAN)
    gone = with_instances(instance(READER, None))
    bench.enter(evolve(ENDED, instances=gone.instances))
    bench.fault(SLED0, "unknown_vmm", status=status, times=None)
    report = bench.run(END)
    assert (report.exit_code == 0) is done
    assert ((SLED0, "leave") in owed_kinds(report)) is not done


def test_s13_a_path_that_a_sled_does_not_know_is_no_port_that_is_gone(bench: Bench) -> None:
    """404 without the word for it says nothing of the port: the leave is owed, and the mapping stays for it."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault(SLED0, "status", status=404, method="DELETE", path="/instances", times=None)
    assert owed_kinds(bench.run(END)) == {(SLED0, "leave"), (SLED0, "m2p_clear")}


def test_s14_a_join_for_a_vmm_that_is_not_there_waits_alone(bench: Bench) -> None:
    """The instance is not up yet: its join is owed, everybody else hears, and a later run lets it join."""
    bench.enter(with_instances(instance(READER, None)))
    report = bench.run(PLAN)
    assert owed_kinds(report) == {(SLED0, "join")}
    assert bench.heard(G4, S4) == EVERYBODY
    bench.enter(RACK)
    assert bench.run(PLAN).exit_code == 0
    at_rest(bench, PLAN)


COMMITTED = with_instances(evolve(instance(MOVER, 2), active_vmm=instance(MOVER, 1, 2).target_vmm))
"""The migration is over: what was its target is the VMM now."""


def test_s15_both_ends_of_a_migration_are_planned_and_the_cut_over_costs_nothing(bench: Bench) -> None:
    """The VMM that takes over hears at once; the end that is left is cleaned up by the next plan."""
    plan = planned(RACK)
    bench.run(plan)
    bench.enter(COMMITTED)
    assert bench.heard(G4, S4) == EVERYBODY
    later = planned(COMMITTED, plan)
    assert bench.run(later).exit_code == 0
    assert bench.heard(G4, S4) == EVERYBODY
    assert orphans(bench, later) == []


def test_s16_a_migration_that_commits_amid_a_run_confuses_no_calls(over_loopback: Bench) -> None:
    """Ports are named by their propolis: joins for both ends reach the ends that they were planned for."""
    bench = over_loopback
    endpoints = evolve(bench.rack.endpoints, subscriptions=SubscriptionForm.VMM)
    report = bench.run(PLAN, endpoints=endpoints, progress=when_read(lambda: bench.enter(COMMITTED)))
    assert owed_kinds(report) == {(SLED1, "join")}
    assert bench.heard(G4, S4) == EVERYBODY
    later = planned(COMMITTED, PLAN)
    assert bench.run(later, endpoints=endpoints).exit_code == 0
    assert bench.heard(G4, S4) == EVERYBODY


def test_s17_nobody_waits_for_an_instance_that_stops(bench: Bench) -> None:
    """Its port is not wanted any more, and that its sled does not know it is no debt."""
    bench.run(PLAN)
    stopped = with_instances(instance(PICKER, None))
    bench.enter(stopped)
    later = planned(stopped, PLAN)
    assert bench.run(later).exit_code == 0
    assert bench.heard(G4, S4) == {LISTENER: 1, MOVER: 1}


@pytest.mark.parametrize("kind", ["refuse", "timeout_before"])
def test_s18_what_is_owed_to_a_dead_sled_is_parked_and_the_others_converge(bench: Bench, kind: str) -> None:
    """A sled that never answers again is the only debt, run after run, and its members do not hold anybody up."""
    bench.fault(SLED0, kind, times=None)
    for _ in range(2):
        report = bench.run(PLAN, limits=evolve(IMPATIENT, request_seconds=0.2))
        assert [(owed.target, owed.kind) for owed in report.owed] == [(SLED0, None)]
        assert bench.heard(G4, S4) == {PICKER: 1, MOVER: 1}


def test_s19_a_sled_without_members_gets_what_its_senders_need(bench: Bench) -> None:
    """Mapping and forwarding of every group stand on a sled before anybody there sends, and after it was replaced."""
    bench.run(PLAN)
    restart(bench, SLED2, keep=False)
    assert from_speaker(bench) == {}
    assert bench.run(PLAN).exit_code == 0
    assert from_speaker(bench) == EVERYBODY


def test_s20_an_address_that_flows_are_pinned_to_stays_until_its_end_is_accepted(bench: Bench) -> None:
    """A sender that never pauses keeps to the old address: without consent for the move it goes on being heard."""
    bench.run(PLAN)
    assert from_speaker(bench, steady=True) == EVERYBODY
    report = bench.run(ANEW)
    assert report.outcome is Outcome.CONSENT
    assert any(owed.consent and owed.kind == "m2p_move" for owed in report.owed)
    assert from_speaker(bench, steady=True) == EVERYBODY
    assert bench.run(ANEW, safeguards=LOSSY).exit_code == 0
    assert from_speaker(bench) == EVERYBODY


# --- twins ----------------------------------------------------------------------------------------------------------


def active_alone(instance: Any) -> Any:
    """Take the VMM that is active now for the only one."""
    return () if instance is None or instance.active_vmm is None else (instance.active_vmm,)


TWINS = {
    "S1": Twin(check=test_s1_mappings_are_said_again_in_every_run, bug=dropping(sled_differences, Kind.M2P_ASSERT)),
    "S2": Twin(
        check=test_s2_a_mapping_that_is_listed_and_whose_nics_did_not_join_is_healed,
        bug=dropping(sled_differences, Kind.M2P_ASSERT),
    ),
    "S3": Twin(
        check=test_s3_a_nic_that_refuses_is_owed_until_it_joins,
        bug=entry(MEANINGS, (Endpoint.SLED, 500), Meaning.DONE),
    ),
    "S4": Twin(
        check=test_s4_an_address_moves_with_consent_alone_and_a_nic_that_refuses_is_told,
        bug=replaced(accepted, lambda *_, **__: True),
    ),
    "S5": Twin(
        check=test_s5_a_mapping_that_leads_elsewhere_is_overwritten_and_never_cleared,
        bug=altered(FORMS, Kind.M2P_MOVE, method="DELETE"),
    ),
    "S6": Twin(
        check=test_s6_a_stale_hop_is_switched_off_by_the_request_that_sets_the_right_one,
        bug=replaced(switched_off, lambda hop: hop),
    ),
    "S7": Twin(check=test_s7_a_fifth_hop_is_refused_and_told, bug=replaced(RETRIED, RETRIED | {500})),
    "S8": Twin(
        check=test_s8_a_hop_that_is_switched_off_differs_in_nothing,
        bug=replaced(same_hops, lambda wanted, seen: len(wanted.next_hops) == len(seen.next_hops)),
    ),
    "S10": Twin(
        check=test_s10_a_mapping_stays_until_everybody_has_left, bug=altered(FORMS, Kind.M2P_CLEAR, gates=())
    ),
    "S11": Twin(
        check=test_hand_over.test_an_address_waits_for_a_sled_that_does_not_answer,
        arguments={"address": test_hand_over.G9, "source": "10.20.0.77"},
        bug=replaced(intents.occupied, lambda *_: {}),
    ),
    "S12": Twin(
        check=test_s12_whoever_stays_leaves_and_joins_again_when_the_address_moves,
        bug=altered(FORMS, Kind.MOVE_LEAVE, tier=FORMS[Kind.JOIN].tier),
    ),
    "S13": Twin(
        check=test_s13_a_path_that_a_sled_does_not_know_is_no_port_that_is_gone,
        bug=replaced(NUANCES, NUANCES[:-1]),
    ),
    "S14": Twin(
        check=test_s14_a_join_for_a_vmm_that_is_not_there_waits_alone,
        bug=entry(MEANINGS, (Endpoint.JOIN, 404), Meaning.DONE),
    ),
    "S15": Twin(
        check=test_s15_both_ends_of_a_migration_are_planned_and_the_cut_over_costs_nothing,
        bug=replaced(processes, active_alone),
    ),
    "S18": Twin(
        check=test_s18_what_is_owed_to_a_dead_sled_is_parked_and_the_others_converge,
        arguments={"kind": "refuse"},
        bug=method(Ledger, "closed", lambda ledger, _: "somebody is silent" if ledger.unknown else None),
    ),
    "S19": Twin(
        check=test_s19_a_sled_without_members_gets_what_its_senders_need,
        bug=dropping(sled_differences, Kind.FORWARDING_SET),
    ),
    "S20": Twin(
        check=test_s20_an_address_that_flows_are_pinned_to_stays_until_its_end_is_accepted,
        bug=replaced(accepted, lambda *_, **__: True),
    ),
}


@pytest.mark.parametrize("row", TWINS)
def test_twin(row: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one decision made wrongly the row's own test fails."""
    must_fail(TWINS[row], request, monkeypatch)
