"""Whole runs against a simulated rack whose daemons fail, lose answers and fall silent."""

import pytest
from attrs import evolve

from blueprints.run_report import Outcome
from blueprints.snapshot import GroupState
from tests.executor.bench import IMPATIENT, QUICK, Bench, planned, summary
from tests.simrack.rows import (
    G4,
    G6,
    GROUP6,
    LISTENER,
    MOVER,
    PICKER,
    READER,
    S4,
    S6,
    SLEDS,
    SWITCH0,
    SWITCH1,
    U4,
    U6,
    group,
    instance,
    small_rack,
)

PLAN = planned(small_rack())
SLED0, SLED2 = f"sled {SLEDS[0]}", f"sled {SLEDS[2]}"
EVERYBODY = {LISTENER: 1, PICKER: 1, MOVER: 1}


@pytest.fixture
def bench(bench_inside: Bench) -> Bench:
    """The small rack without sockets: deadlines pass at once, and a machine that is busy misses none."""
    return bench_inside


ENDED = evolve(
    small_rack(),
    groups=[small_rack().groups[0], group(GROUP6, G6, state=GroupState.DELETING)],
    members=small_rack().members[:3],
)
"""The small rack, with its second group being deleted."""

END = planned(ENDED, PLAN)


WRITES = [
    ("switch0 dpd", "POST", "/multicast/underlay-groups"),
    ("switch0 dpd", "POST", "/multicast/external-groups"),
    ("switch0 mgd", "PUT", "/static/mroute"),
    (SLED0, "PUT", "/networking/mcast-fwd"),
    (SLED0, "PUT", "/networking/mcast-m2p"),
    (SLED0, "PUT", "/instances"),
]


@pytest.mark.parametrize("kind", ["timeout_after", "refuse", "truncated_body"])
@pytest.mark.parametrize(("target", "method", "path"), WRITES, ids=lambda value: str(value).rsplit("/", 1)[-1])
def test_one_lost_answer_is_made_good_in_the_same_run(
    bench: Bench, target: str, method: str, path: str, kind: str
) -> None:
    """Whether or not the daemon acted, the run finds out and converges, and nobody hears a packet twice."""
    bench.fault(target, kind, method=method, path=path)
    report = bench.run(PLAN, limits=IMPATIENT)
    assert (report.outcome, report.owed) == (Outcome.CONVERGED, ())
    assert bench.heard(G4, S4) == EVERYBODY
    assert bench.run(PLAN).counts.get("writes", 0) == 0


REMOVALS = [
    ("switch0 dpd", "DELETE", "/multicast/groups"),
    ("switch0 mgd", "DELETE", "/static/mroute"),
    (SLED0, "DELETE", "/networking/mcast-fwd"),
    (SLED0, "DELETE", "/networking/mcast-m2p"),
    (SLED0, "DELETE", "/instances"),
]


@pytest.mark.parametrize("kind", ["timeout_after", "refuse"])
@pytest.mark.parametrize(("target", "method", "path"), REMOVALS, ids=lambda value: str(value).rsplit("/", 1)[-1])
def test_one_lost_answer_to_a_removal_is_made_good(
    bench: Bench, target: str, method: str, path: str, kind: str
) -> None:
    """A removal that is repeated finds nothing, which is what it wanted."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault(target, kind, method=method, path=path)
    assert bench.run(END, limits=IMPATIENT).exit_code == 0
    assert U6 not in str(bench.observe())


@pytest.mark.parametrize("target", ["switch0 dpd", "switch0 mgd", SLED2])
@pytest.mark.parametrize("kind", ["refuse", "timeout_before"])
def test_a_silent_target_is_owed_and_the_others_converge(bench: Bench, target: str, kind: str) -> None:
    """One dead daemon makes the run partial, names what is owed, and holds nothing else up.

    A switch of which nobody knows what it holds is not announced either: its routes would attract traffic.
    """
    bench.fault(target, kind, times=None)
    report = bench.run(PLAN, limits=IMPATIENT)
    waiting = {("switch0 mgd", "route_put", group) for group in (G4, G6)} if target == "switch0 dpd" else set()
    assert report.exit_code == 4
    assert set(summary(report)) == {(target, "everything", "")} | waiting
    assert {action.call.target for action in report.actions if not action.done} == set()
    bench.calm()
    assert bench.run(PLAN).exit_code == 0
    assert bench.heard(G4, S4) == EVERYBODY


def test_a_daemon_that_never_answers_is_asked_a_few_times_only(bench: Bench) -> None:
    """After some tries without an answer a target is left alone for the rest of the run."""
    bench.fault(SLED2, "refuse", times=None, method="PUT")
    report = bench.run(PLAN)
    tries = [call for call in bench.calls() if call["target"] == SLED2]
    assert len(tries) <= QUICK.silences + QUICK.lanes["sled_agent"]  # type: ignore[index]  # a StrEnum
    assert {owed.target for owed in report.owed} == {SLED2}


@pytest.mark.parametrize("status", [500, 418, 302, 599])
def test_an_answer_that_is_no_success_is_owed(bench: Bench, status: int) -> None:
    """An error, a redirect or a status that nobody knows is not followed, not repeated for ever, and reported."""
    bench.fault(SLED2, "status", status=status, method="PUT", path="/networking/mcast-fwd", times=None)
    report = bench.run(PLAN)
    assert report.exit_code == 4
    assert {(target, kind) for target, kind, _ in summary(report)} == {(SLED2, "forwarding_set")}


def test_a_busy_daemon_is_asked_again(bench: Bench) -> None:
    """503 twice is waited out."""
    bench.fault(SLED2, "status", status=503, method="PUT", times=2)
    assert bench.run(PLAN).exit_code == 0


@pytest.mark.parametrize("kind", ["truncated_body", "slow_body"])
def test_half_a_list_is_no_list(bench: Bench, kind: str) -> None:
    """A listing that does not arrive whole makes its target owed; nothing is removed on its strength."""
    bench.run(PLAN)
    bench.fault("switch0 dpd", kind, method="GET", times=None)
    bench.forget_calls()
    report = bench.run(END, limits=IMPATIENT)
    assert ("switch0 dpd", "everything", "") in summary(report)
    assert [call for call in bench.calls() if call["target"] == "switch0 dpd"] == []


@pytest.mark.parametrize("keep", ["restart_empty", "restart_with_state"])
@pytest.mark.parametrize("target", ["switch0 dpd", SLED0])
def test_a_daemon_that_restarts_amid_a_run_is_whole_after_the_next(bench: Bench, target: str, keep: str) -> None:
    """Whatever a restart lost is found and made again."""
    bench.fault(target, keep, method="PUT" if target == SLED0 else "POST")
    bench.run(PLAN)
    bench.run(PLAN)
    assert bench.run(PLAN).exit_code == 0
    assert bench.heard(G4, S4) == EVERYBODY


def test_a_nic_that_refuses_leaves_its_joins_owed(bench: Bench) -> None:
    """Without the mapping there is no join; both are owed, other groups go on, and the next run heals it."""
    bench.fault(SLED0, "nic_join", times=1)
    report = bench.run(PLAN)
    owed = {(kind, groups) for _, kind, groups in summary(report)}
    assert report.exit_code == 4
    assert owed in ({("m2p_set", G4), ("join", G4)}, {("m2p_set", G6), ("join", G6)})
    assert bench.run(PLAN).exit_code == 0
    assert bench.heard(G4, S4) == EVERYBODY
    assert bench.heard(G6, S6) == {READER: 1}


def test_one_bad_route_does_not_hold_the_others(bench: Bench) -> None:
    """A refused batch is sent again group by group."""
    bench.fault("switch0 mgd", "status", status=400, method="PUT", path="/static/mroute", times=2)
    report = bench.run(PLAN)
    assert report.exit_code == 4
    (owed,) = {(owed.target, owed.kind) for owed in report.owed}
    assert owed == ("switch0 mgd", "route_put")
    routes = bench.observe().switches[SWITCH0].mrib_routes or ()
    assert {str(route.group) for route in routes} == {G6}


@pytest.mark.parametrize("status", [500, 200], ids=["refused", "accepted without effect"])
def test_a_widening_without_effect_holds_back_the_narrowing_of_its_group_there(bench: Bench, status: int) -> None:
    """The old port stays where the new one could not be added, whatever the switch says, and goes where it could."""
    bench.run(PLAN)
    rows = [instance(READER, 1) if row.id == READER else row for row in small_rack().instances]
    moved = evolve(small_rack(), instances=rows)
    bench.enter(moved)
    bench.fault("switch0 dpd", "status", status=status, method="PUT", path="/multicast/underlay-groups", times=1)
    report = bench.run(planned(moved, PLAN))
    assert {(target, kind) for target, kind, _ in summary(report)} == {
        ("switch0 dpd", "members_add"),
        ("switch0 dpd", "members_remove"),
    }
    members = {
        slot: {str(m.port_id) for row in tables.underlay_groups or () if str(row.group_ip) == U6 for m in row.members}
        for slot, tables in bench.observe().switches.items()
    }
    assert members == {SWITCH0: {"rear14"}, SWITCH1: {"rear15"}}
    assert bench.run(planned(moved, PLAN)).exit_code == 0


def test_a_mapping_waits_for_the_leave_that_needs_it(bench: Bench) -> None:
    """A leave that fails keeps the mapping, because a leave without it would silently do nothing."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault(SLED0, "status", status=500, method="DELETE", path="/instances", times=None)
    report = bench.run(END)
    assert report.exit_code == 4
    assert {(target, kind) for target, kind, _ in summary(report)} == {(SLED0, "leave"), (SLED0, "m2p_clear")}
    mapped = {number: {str(pair.group) for pair in sled.m2p or ()} for number, sled in bench.observe().sleds.items()}
    assert mapped == {SLEDS[0]: {G4, G6}, SLEDS[1]: {G4}, SLEDS[2]: {G4}}
    bench.calm()
    assert bench.run(END).exit_code == 0


def test_an_external_group_waits_for_the_withdrawal_of_its_routes(bench: Bench) -> None:
    """While a switch may still announce a group it keeps the group; the other switch is done."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault("switch0 mgd", "status", status=500, method="DELETE", times=None)
    report = bench.run(END)
    assert {(target, kind) for target, kind, _ in summary(report)} == {
        ("switch0 mgd", "route_withdraw"),
        ("switch0 dpd", "external_delete"),
        ("switch0 dpd", "underlay_delete"),
    }
    assert U6 not in str(bench.observe().switches[SWITCH1])


def test_a_member_list_that_was_refused_stays_owed_though_it_reads_right(bench: Bench) -> None:
    """After a refusal dpd's own list is no proof of what its chip does."""
    bench.run(PLAN)
    url = f"{bench.rack.endpoints.switches[SWITCH0].dpd}/multicast/underlay-groups/{U4}"
    tag = next(row.tag.text for row in PLAN.switches[SWITCH0].underlay_groups if str(row.group_ip) == U4)
    body = {"members": [{"port_id": "rear14", "link_id": 0, "direction": "Underlay"}]}
    bench.http.put(url, params={"tag": tag}, json=body, headers={"api-version": "12.0.0"})
    bench.fault("switch0 dpd", "port_add", times=1)
    report = bench.run(PLAN)
    assert ("switch0 dpd", "members_add", G4) in summary(report)


def test_forwarding_that_could_not_be_cleared_stays_ours(bench: Bench) -> None:
    """The mapping waits beside it, so that the next run still knows whose both are."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault(SLED0, "status", status=500, method="DELETE", path="/networking/mcast-fwd", times=None)
    report = bench.run(END)
    assert {(target, kind) for target, kind, _ in summary(report)} == {
        (SLED0, "forwarding_clear"),
        (SLED0, "m2p_clear"),
    }
    bench.calm()
    assert bench.run(END).exit_code == 0
    assert U6 not in str(bench.observe())


def test_a_sled_that_was_silent_while_a_group_went_is_cleaned_when_it_is_back(bench: Bench) -> None:
    """Nothing on the switches is left to say whose its entries are, and they are recognised all the same."""
    bench.run(PLAN)
    bench.enter(ENDED)
    bench.fault(SLED2, "refuse", times=None)
    assert summary(bench.run(END)) == [(SLED2, "everything", "")]
    bench.calm()
    assert bench.run(END).exit_code == 0
    assert U6 not in str(bench.observe())
