"""Where each target stands after a run: applied, owed, foreign, needs consent or wedged."""

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from blueprints.identifiers import Tag
from blueprints.run_report import TargetState
from executor.owed import Owed
from executor.report import Report
from executor.safeguards import Safeguards
from executor.standings import Debt, standings
from executor.targets import Target
from tests.executor.bench import IMPATIENT, Bench, planned
from tests.simrack.rows import SLEDS, SWITCH0, SWITCH1, U4, small_rack

PLAN = planned(small_rack())
DPD, SLED2 = Target.dpd(SWITCH0), f"sled {SLEDS[2]}"
ALL = {"switch0 dpd", "switch0 mgd", "switch1 dpd", "switch1 mgd", *(f"sled {sled}" for sled in SLEDS)}
S = TargetState


def states(report: Report) -> Mapping[str, TargetState]:
    """Return target to state."""
    return {str(each.target): each.state for each in report.targets}


def test_a_rack_that_holds_everything_is_applied_everywhere(bench: Bench) -> None:
    """Every target of the blueprint is listed once, with nothing owed, and the document says so."""
    report = bench.run(PLAN)
    assert states(report) == dict.fromkeys(ALL, S.APPLIED)
    listed = report.as_json()["targets"]
    assert [each["state"] for each in listed] == ["applied"] * len(ALL)
    assert {(each["debts"], each["because"]) for each in listed} == {(0, "")}


def test_a_silent_target_is_owed_and_the_others_are_applied(bench: Bench) -> None:
    """The reason stands beside the state."""
    bench.fault(SLED2, "refuse", times=None)
    report = bench.run(PLAN, limits=IMPATIENT)
    assert states(report) == dict.fromkeys(ALL, S.APPLIED) | {SLED2: S.OWED}
    (owed,) = (each for each in report.targets if each.state is S.OWED)
    assert (owed.debts, bool(owed.because)) == (1, True)


def test_somebody_elses_object_in_the_way_is_foreign(bench: Bench) -> None:
    """Only the switch where it stands is held up by it."""
    url = f"{bench.rack.endpoints.switches[SWITCH0].dpd}/multicast/underlay-groups"
    body = {"group_ip": U4, "members": [], "tag": "backup"}
    assert bench.http.post(url, json=body, headers={"api-version": "12.0.0"}).status_code == 201
    assert {target for target, state in states(bench.run(PLAN)).items() if state is S.FOREIGN} == {"switch0 dpd"}


def test_what_waits_for_consent_says_so_where_it_waits(bench: Bench) -> None:
    """An object under another of our tags can only be replaced with a loss; asked first, that switch waits alone."""
    bench.run(PLAN)
    tables = PLAN.switches[SWITCH1]
    (row, *rest) = tables.external_groups
    other = evolve(row, tag=Tag(f"{PLAN.groups[1].id}:{row.group_ip}"))
    retagged = evolve(PLAN, switches={**PLAN.switches, SWITCH1: evolve(tables, external_groups=[other, *rest])})
    report = bench.run(retagged, safeguards=Safeguards(allow_mass_change=True))
    assert {t for t, state in states(report).items() if state is S.CONSENT} == {"switch1 dpd"}


def test_a_run_that_asks_how_much_may_go_waits_wherever_something_differs(bench: Bench) -> None:
    """Nothing was sent, so every target that differs needs consent, in the dry run too."""
    bench.run(PLAN)
    less = planned(evolve(small_rack(), members=()), PLAN)
    for dry_run in (False, True):
        report = bench.run(less, safeguards=Safeguards(), dry_run=dry_run)
        assert report.exit_code == 5
        assert set(states(report).values()) == {S.CONSENT}


def test_a_dry_run_owes_what_it_would_send(bench: Bench) -> None:
    """A target that differs is not applied only because nothing was tried."""
    assert set(states(bench.run(PLAN, dry_run=True)).values()) == {S.OWED}


@pytest.mark.parametrize(
    ("of", "state"),
    [
        ({}, S.OWED),
        ({"foreign": True}, S.FOREIGN),
        ({"consent": True, "foreign": True}, S.CONSENT),
        ({"wedged": True, "consent": True}, S.WEDGED),
    ],
    ids=str,
)
def test_the_weightiest_of_what_is_owed_is_the_state(of: dict[str, Any], state: TargetState) -> None:
    """Whatever else is owed, what no run mends or what somebody must accept is what is told."""
    debts = [Owed(target=str(DPD), because="first").debt, Owed(target=str(DPD), because="it", **of).debt]
    (standing,) = standings([DPD], debts, {DPD}, waits=False)
    assert (standing.state, standing.debts) == (state, 2)
    assert standing.because == ("first" if state is S.OWED else "it")


def test_debts_of_the_rack_are_no_targets() -> None:
    """What is owed to the rack as a whole changes no target's state."""
    debt = Debt(target="rack", state=S.OWED, because="it")
    assert [each.state for each in standings([DPD], [debt], (), waits=False)] == [S.APPLIED]
