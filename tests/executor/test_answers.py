"""What an answer means and what is done next: the table, and each of its steps against a switch that gives it."""

from typing import Any

import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.identifiers import SwitchSlot
from blueprints.policy import ExternalEntry, Policy
from blueprints.run_report import Outcome, TargetState
from executor.actions import FORMS
from executor.changes import Kind
from executor.progress import CallFinished, Event
from executor.report import Report
from executor.sending import CallOutcome
from executor.statuses import ENDPOINTS, LOST, MEANINGS, STEPS, Endpoint, Meaning, NextStep, meaning
from tests.executor.bench import LOSSY, QUICK, Bench, planned
from tests.simrack.rows import (
    G4,
    G6,
    LISTENER,
    MOVER,
    PICKER,
    S4,
    SLEDS,
    SPEAKER,
    SWITCH0,
    SWITCH1,
    TAG4,
    U4,
    small_rack,
)

PLAN = planned(small_rack())
EVERYBODY = {LISTENER: 1, PICKER: 1, MOVER: 1}
DPD0 = "switch0 dpd"
DOCUMENTED = (400, 404, 409, 410, 418, 429, 500, 501, 502, 503, 504, 507)
E, M, S = Endpoint, Meaning, NextStep


def state_of(report: Report, target: str) -> TargetState:
    """Return where *target* stands."""
    return next(each.state for each in report.targets if str(each.target) == target)


def bad_requests(bench: Bench, target: str = DPD0) -> list[dict[str, Any]]:
    """Return the calls of *target* that were refused as bad."""
    return [call for call in bench.calls() if call["target"] == target and call["status"] == 400]


# --- the table ------------------------------------------------------------------------------------------------------


def test_every_endpoint_has_a_meaning_and_a_step_for_every_status() -> None:
    """Each pair that a daemon documents is in the table, the lost answer too; what is not is a protocol error."""
    assert set(ENDPOINTS) == set(Kind) == set(FORMS)
    assert all((endpoint, status) in MEANINGS for endpoint in E for status in (LOST, *DOCUMENTED))
    assert set(STEPS) == {(endpoint, found) for endpoint in E for found in M}
    strange = (100, 202, 301, 302, 307, 308, 402, 599)
    assert {meaning(endpoint, status) for endpoint in E for status in strange} == {M.PROTOCOL}
    assert {STEPS[endpoint, M.PROTOCOL] for endpoint in E} == {S.REPORT}


@pytest.mark.parametrize(
    ("endpoint", "status", "message", "found", "step"),
    [
        (E.CREATE, LOST, "", M.UNKNOWN, S.COMPARE),
        (E.UPDATE, LOST, "", M.UNKNOWN, S.READ_BACK),
        (E.JOIN, LOST, "", M.UNKNOWN, S.READ_BACK),
        (E.CREATE, 409, "Conflict", M.EXISTS, S.COMPARE),
        (E.MEMBERS, 404, "Not Found", M.ABSENT, S.DISAMBIGUATE),
        (E.MEMBERS, 400, "already in the replication group", M.AMBIGUOUS, S.SUSPECT),
        (E.MEMBERS, 400, "unable to parse JSON body: members[0]", M.REFUSED, S.REPORT),
        (E.UPDATE, 400, "tag mismatch", M.AMBIGUOUS, S.EXPLAIN),
        (E.DELETE, 404, "Not Found", M.DONE, S.NOTHING),
        (E.CREATE, 503, "Service Unavailable", M.RETRY, S.AGAIN),
        (E.CREATE, 503, "multicast group IDs exhausted", M.FULL, S.HOLD_LIKE),
        (E.CREATE, 507, "table is full", M.FULL, S.HOLD_LIKE),
        (E.UPDATE, 501, "", M.UNSUPPORTED, S.HOLD_TARGET),
        (E.SLED, 500, "", M.REFUSED, S.REPORT),
        (E.LEAVE, 404, "Not Found: NO_SUCH_INSTANCE", M.DONE, S.NOTHING),
        (E.LEAVE, 410, "Gone: NO_SUCH_INSTANCE", M.DONE, S.NOTHING),
        (E.LEAVE, 404, "Not Found", M.REFUSED, S.REPORT),
    ],
)
def test_one_code_means_different_things_in_different_places(
    endpoint: Endpoint, status: int | None, message: str, found: Meaning, step: NextStep
) -> None:
    """By endpoint, status and the words beside it."""
    assert (meaning(endpoint, status, message), STEPS[endpoint, found]) == (found, step)


# --- permanent for this run -----------------------------------------------------------------------------------------


def writes(bench: Bench, target: str, method: str, path: str) -> list[dict[str, Any]]:
    """Return the calls of one kind that *target* received."""
    return [
        call
        for call in bench.calls()
        if (call["target"], call["method"]) == (target, method) and call["path"].startswith(path)
    ]


def owed_by(report: Report, target: str) -> set[str]:
    """Return the reasons for what is owed to *target*."""
    return {owed.because for owed in report.owed if owed.target == target}


@pytest.mark.parametrize(
    ("status", "says", "tries"),
    [(507, "table is full", 1), (503, "multicast group ids exhausted", 1), (503, None, QUICK.tries)],
    ids=["full", "out of ids", "busy to the end"],
)
def test_a_switch_without_room_is_asked_for_room_once(
    bench: Bench, status: int, says: str | None, tries: int
) -> None:
    """Both groups need a row of one kind; the second is not even sent, and the other switch has everything."""
    bench.fault(
        DPD0, "status", status=status, error_code=says, method="POST", path="/multicast/underlay-groups", times=None
    )
    report = bench.run(PLAN)
    assert len(writes(bench, DPD0, "POST", "/multicast/underlay-groups")) == tries
    assert any(because.startswith("not sent in this run:") for because in owed_by(report, DPD0))
    assert state_of(report, DPD0) is (TargetState.WEDGED if says else TargetState.OWED)
    assert state_of(report, "switch1 dpd") is TargetState.APPLIED
    assert report.exit_code == 4
    bench.calm()
    assert bench.run(PLAN).exit_code == 0


def test_a_full_table_of_one_family_holds_back_that_family_alone(bench: Bench) -> None:
    """No room for an IPv4 group says nothing of IPv6."""
    bench.fault(DPD0, "status", status=507, method="POST", path="/multicast/external-groups", times=1)
    report = bench.run(PLAN)
    assert {group.text for owed in report.owed if owed.target == DPD0 for group in owed.groups} == {G4}
    assert {str(row.group_ip) for row in bench.observe().switches[SWITCH0].external_groups or ()} == {G6}


def test_a_switch_that_turns_out_to_have_no_multicast_is_left_alone(bench: Bench) -> None:
    """One refusal of that kind, and nothing more is sent to it; the report says that no run mends it."""
    bench.fault(DPD0, "status", status=501, method="POST", times=None)
    report = bench.run(PLAN)
    assert len([call for call in bench.calls() if call["target"] == DPD0]) == 1
    assert state_of(report, DPD0) is TargetState.WEDGED


def test_a_switch_without_multicast_is_wedged_before_anything_is_sent(bench: Bench) -> None:
    """Its refusal to be read is reason enough."""
    bench.fault(DPD0, "no_multicast", times=None)
    report = bench.run(PLAN)
    assert [call for call in bench.calls() if call["target"] == DPD0] == []
    assert state_of(report, DPD0) is TargetState.WEDGED


def test_rows_that_nobody_can_reach_are_wedged_after_some_tries(bench: Bench) -> None:
    """A creation that is refused as existing while nothing can be read is tried as often as the limits say."""
    bench.fault(DPD0, "status", status=409, method="POST", path="/multicast/underlay-groups", times=None)
    report = bench.run(PLAN)
    assert len(writes(bench, DPD0, "POST", "/multicast/underlay-groups")) <= 2 * (QUICK.tries + 1)
    assert state_of(report, DPD0) is TargetState.WEDGED


# --- lost, gone, refused for a port ---------------------------------------------------------------------------------


def put_members(bench: Bench, slot: SwitchSlot, *ports: str) -> int:
    """Replace the members of the first group on a switch behind the executor's back; return the status."""
    url = f"{bench.rack.endpoints.switches[slot].dpd}/multicast/underlay-groups/{U4}"
    parts = (port.partition("/") for port in ports)
    body = {"members": [{"port_id": p, "link_id": int(link or 0), "direction": "Underlay"} for p, _, link in parts]}
    return bench.http.put(url, params={"tag": TAG4}, json=body, headers={"api-version": "12.0.0"}).status_code


def test_members_that_a_switch_has_no_port_for_are_refused_and_the_group_stays(bench: Bench) -> None:
    """A 404 where the group can be read is about a port: nothing is deleted for it."""
    bench.run(PLAN)
    assert put_members(bench, SWITCH0, "rear14") == 200
    bench.forget_calls()
    bench.fault(DPD0, "status", status=404, method="PUT", path="/multicast/underlay-groups", times=None)
    report = bench.run(PLAN)
    (put,) = (sent for sent in report.actions if sent.call.kind is Kind.MEMBERS_ADD)
    assert (put.outcome, put.step) == (CallOutcome.REFUSED, S.REPORT)
    assert "no such port" in put.note
    assert [call for call in bench.calls() if call["method"] == "DELETE"] == []


def test_a_group_that_its_chip_lost_is_made_anew_in_the_same_run(bench: Bench) -> None:
    """A 404 where nothing can be read: the external group that refers to it is made again too, and packets flow."""
    bench.run(PLAN)
    assert put_members(bench, SWITCH0, "rear14") == 200
    bench.fault(DPD0, "entry_missing", times=1)
    report = bench.run(PLAN)
    assert report.outcome is Outcome.CONVERGED, report.owed
    assert bench.heard(G4, S4) == EVERYBODY
    assert bench.run(PLAN).counts.get("writes", 0) == 0


# --- a chip that is not as its daemon says --------------------------------------------------------------------------


def doubted(bench: Bench, *slots: SwitchSlot, plan: Blueprint = PLAN) -> None:
    """Leave switches with chips that copy the first group to a port more than their daemons say."""
    bench.run(plan)
    for slot in slots:
        assert put_members(bench, slot, "rear14") == 200
        # The first port is added and the second is none: the daemon goes back to its old list, the chip does not.
        assert put_members(bench, slot, "rear14", "rear15", "rear31/9") == 404
    bench.forget_calls()


def kinds(report: Report, place: str) -> list[str]:
    """Return what was sent to a place and done, in order."""
    return [sent.call.kind.value for sent in report.actions if sent.call.target.place == place and sent.done]


def test_a_chip_that_disagrees_is_healed_by_drain_delete_and_recreate(bench: Bench) -> None:
    """Bad request for our own group: sleds turn away, routes go, the group is deleted and created whole, all back."""
    doubted(bench, SWITCH0)
    report = bench.run(PLAN)
    assert report.outcome is Outcome.CONVERGED, report.owed
    assert len(bad_requests(bench)) == 1
    assert [kind for kind in kinds(report, "switch0") if "assert" not in kind] == [
        "route_withdraw",
        "external_delete",
        "underlay_delete",
        "underlay_create",
        "external_create",
        "route_put",
    ]
    assert [kind for kind in kinds(report, str(SLEDS[2])) if kind == "hop_change"] in ([], ["hop_change"] * 2)
    for slot in (SWITCH0, SWITCH1):
        assert bench.heard(G4, S4, slot) == EVERYBODY
    assert state_of(report, DPD0) is TargetState.APPLIED
    assert bench.run(PLAN).counts.get("writes", 0) == 0


@pytest.mark.parametrize("entry", ExternalEntry)
def test_nobody_inside_misses_a_packet_while_a_switch_is_healed(bench: Bench, entry: ExternalEntry) -> None:
    """Whoever hears what a VM sends hears it once through every call of the healing, whichever switch is in doubt.

    Where the elected switch alone has the group's entry, the other one has it meanwhile, and no longer.
    """
    speaker = {"instance": str(SPEAKER)}
    snapshot = evolve(small_rack(), policy=Policy(external_entry=entry))
    plan = planned(snapshot)
    for slot in (SWITCH0, SWITCH1):
        bench.reset(snapshot)
        doubted(bench, slot, plan=plan)
        wrong: list[dict[Any, int]] = []

        def listen(event: Event, wrong: list[dict[Any, int]] = wrong) -> None:
            if isinstance(event, CallFinished):
                body = {"group": G4, "source": S4, "from": speaker}
                rows = bench.control("POST", "/packets", body)["delivered"]
                copies = {row["instance_id"]: row["copies"] for row in rows}
                wrong += [copies] if copies.get(str(LISTENER)) != 1 else []

        assert bench.run(plan, progress=listen).outcome is Outcome.CONVERGED
        assert wrong == []
        for place, tables in plan.switches.items():
            there = [row.group_ip for row in bench.observe().switches[place].external_groups or ()]
            assert there == [row.group_ip for row in tables.external_groups]


def test_a_switch_that_nobody_can_stand_in_for_waits_for_consent(bench: Bench) -> None:
    """With both in doubt there is no way around: nothing is deleted until somebody accepts the loss."""
    doubted(bench, SWITCH0, SWITCH1)
    report = bench.run(PLAN)
    hop = next(group.next_hop_switch for group in PLAN.groups if group.multicast_ip.text == G4)
    assert report.outcome is Outcome.CONSENT
    assert state_of(report, f"{hop} dpd") is TargetState.CONSENT
    deleted = [c["target"] for c in bench.calls() if c["method"] == "DELETE" and c["path"].startswith("/multicast")]
    assert f"{hop} dpd" not in deleted
    assert bench.run(PLAN, safeguards=LOSSY).outcome is Outcome.CONVERGED
    for slot in (SWITCH0, SWITCH1):
        assert bench.heard(G4, S4, slot) == EVERYBODY


def test_a_group_that_cannot_be_created_anew_is_wedged(bench: Bench) -> None:
    """Healing is tried once; then somebody has to look, and the sleds send by the other switch meanwhile."""
    doubted(bench, SWITCH0)
    bench.fault(DPD0, "status", status=500, method="POST", path="/multicast/underlay-groups", times=None)
    report = bench.run(PLAN)
    assert len(writes(bench, DPD0, "POST", "/multicast/underlay-groups")) == 1
    assert state_of(report, DPD0) is TargetState.WEDGED
    assert {hop.next_hop.text for row in bench.observe().sleds[SLEDS[2]].forwarding or () if str(row.underlay) == U4
            for hop in row.next_hops if not hop.inert} == {"fd00:1122:3344:102::2"}  # fmt: skip
    bench.calm()
    assert bench.run(PLAN).outcome is Outcome.CONVERGED


def test_more_in_doubt_at_once_than_is_likely_is_not_all_deleted(bench: Bench) -> None:
    """What refuses every group is something else than a chip; none is healed where the limit is none."""
    doubted(bench, SWITCH0)
    report = bench.run(PLAN, limits=evolve(QUICK, heals=0))
    assert [c for c in bench.calls() if c["method"] == "DELETE"] == []
    assert state_of(report, DPD0) is TargetState.OWED


def test_a_bad_request_of_our_own_making_deletes_nothing(bench: Bench) -> None:
    """A daemon that cannot read a request says so; its chip is not in doubt."""
    bench.run(PLAN)
    assert put_members(bench, SWITCH0, "rear14") == 200
    bench.forget_calls()
    bench.fault(
        DPD0, "status", status=400, error_code="unable to parse JSON body", method="PUT", times=None,
        path="/multicast/underlay-groups",
    )  # fmt: skip
    assert bench.run(PLAN).exit_code == 4
    assert [c for c in bench.calls() if c["method"] == "DELETE"] == []
