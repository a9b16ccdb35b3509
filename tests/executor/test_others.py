"""Another writer beside a run: seen, told, and not fought with."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from blueprints.addresses import ExternalGroup, underlay_address
from blueprints.endpoints import SubscriptionForm
from blueprints.run_report import Outcome
from executor.calls import call_for
from executor.changes import Kind
from executor.differences import differences
from executor.others import _TABLES, suspicious
from executor.progress import CallFinished, Event
from executor.safeguards import Safeguards
from executor.sending import CallOutcome, Sent
from tests.executor.bench import LOSSY, QUICK, Bench, planned
from tests.executor.builders import G, blueprint, observation_of
from tests.simrack.rows import G4, MOVER, S4, SLEDS, SWITCH0, TAG4, TAG6, U4, U6, instance, small_rack

FIRST = planned(small_rack())
MOVED = evolve(
    small_rack(), instances=[instance(MOVER, 0) if row.id == MOVER else row for row in small_rack().instances]
)
SECOND = planned(MOVED, FIRST)
ONE_BY_ONE = evolve(QUICK, in_flight=1)


@pytest.fixture
def bench(bench_inside: Bench) -> Bench:
    """The small rack without sockets: deadlines pass at once, and a machine that is busy misses none."""
    return bench_inside


def once(call: int, act: Callable[[], object]) -> Callable[[Event], None]:
    """Return a listener that acts after so many calls."""
    ended = 0

    def listen(event: Event) -> None:
        nonlocal ended
        if isinstance(event, CallFinished):
            ended += 1
            if ended == call:
                act()

    return listen


def set_members(bench: Bench, address: str, tag: str, *ports: str) -> None:
    """Write a member list as another controller would that uses our tags."""
    url = f"{bench.rack.endpoints.switches[SWITCH0].dpd}/multicast/underlay-groups/{address}"
    members = [{"port_id": port, "link_id": 0, "direction": "Underlay"} for port in ports]
    answer = bench.http.put(url, params={"tag": tag}, json={"members": members}, headers={"api-version": "12.0.0"})
    assert answer.is_success, answer.text


def add_mapping(bench: Bench, underlay: str) -> None:
    """Move a mapping of a sled."""
    url = f"{bench.rack.endpoints.sleds[SLEDS[0]]}/networking/mcast-m2p"
    answer = bench.http.put(url, json={"group": G4, "underlay": underlay}, headers={"api-version": "49.0.0"})
    assert answer.is_success, answer.text


def test_an_object_that_changes_beside_a_run_stops_it_before_it_narrows(bench: Bench) -> None:
    """A list that nobody here wrote came back changed: what takes away is not sent, and what to do is told."""
    bench.run(FIRST)
    bench.control("POST", "/restarts", {"target": "switch0 mgd", "keep_state": False})
    spoilt = without_underlay(bench)
    listen = once(1, lambda: set_members(bench, U6, TAG6, "rear14", "rear20"))
    bench.forget_calls()
    report = bench.run(FIRST, limits=ONE_BY_ONE, progress=listen)
    assert spoilt
    assert (report.outcome, report.exit_code) == (Outcome.CONSENT, 5)
    (told,) = [owed for owed in report.owed if owed.consent]
    assert (told.target, U6 in told.because, "--allow-other-writer" in told.because) == ("switch0 dpd", True, True)
    assert {action.call.kind for action in report.actions if action.call.form.tier.narrows} == set()
    assert bench.run(FIRST).exit_code == 0


def without_underlay(bench: Bench) -> bool:
    """Take a port from a group of the first switch, so that a run has something to widen there."""
    set_members(bench, U4, TAG4, "rear14")
    return True


def test_what_was_written_comes_back_changed(bench: Bench) -> None:
    """A list that was acknowledged and then written over is neither as it was nor as it should be."""
    bench.run(FIRST)
    without_underlay(bench)
    listen = once(1, lambda: set_members(bench, U4, TAG4, "rear20"))
    report = bench.run(FIRST, limits=ONE_BY_ONE, progress=listen)
    assert report.exit_code == 5
    assert any(U4 in owed.because for owed in report.owed if owed.consent)
    assert bench.run(FIRST).exit_code == 0


def test_a_mapping_that_somebody_moves_is_seen(bench: Bench) -> None:
    """The tables of sleds are watched as well."""
    bench.run(FIRST)
    sled = bench.rack.endpoints.sleds[SLEDS[0]]
    cleared = bench.http.request(
        "DELETE", f"{sled}/networking/mcast-fwd", json={"underlay": U6}, headers={"api-version": "49.0.0"}
    )
    assert cleared.is_success
    other = underlay_address(ExternalGroup.parse(G4), 3).text
    listen = once(11, lambda: add_mapping(bench, other))  # after ours was repeated
    report = bench.run(FIRST, limits=ONE_BY_ONE, progress=listen)
    assert (report.exit_code, any(G4 in owed.because for owed in report.owed if owed.consent)) == (5, True)
    assert bench.run(FIRST, safeguards=LOSSY).exit_code == 0


def test_accepted_a_run_goes_on_and_tells_what_differs(bench: Bench) -> None:
    """With consent it is an ordinary run: what somebody wrote over is owed, and the next run mends it."""
    bench.run(FIRST)
    without_underlay(bench)
    listen = once(1, lambda: set_members(bench, U6, TAG6, "rear14", "rear20"))
    guards = Safeguards(allow_mass_change=True, allow_other_writer=True)
    report = bench.run(FIRST, limits=ONE_BY_ONE, progress=listen, safeguards=guards)
    assert report.exit_code == 0
    assert [action.call.kind for action in report.actions if action.call.form.tier.narrows] == [Kind.MEMBERS_REMOVE]


def test_two_runs_of_one_blueprint_are_no_strangers(bench: Bench) -> None:
    """Objects that become as they should be are no sign, whoever wrote them, and however far the other one is."""
    bench.run(FIRST)
    set_members(bench, U4, TAG4, "rear14", "rear20")
    bench.enter(MOVED)
    (row,) = [row for row in SECOND.switches[SWITCH0].underlay_groups if row.group_ip.text == U4]
    ports = [str(member.port_id) for member in row.members]
    listen = once(1, lambda: set_members(bench, U4, TAG4, *ports))
    assert bench.run(SECOND, limits=ONE_BY_ONE, progress=listen).exit_code == 0
    assert bench.heard(G4, S4)[MOVER] == 1


@pytest.mark.parametrize("target", ["switch0 dpd", f"sled {SLEDS[0]}"])
def test_a_restart_is_no_writer(bench: Bench, target: str) -> None:
    """What a daemon lost is found missing, and that is nobody's work."""
    bench.run(FIRST)
    without_underlay(bench)
    restart: Any = {"target": target, "keep_state": False}
    listen = once(1, lambda: bench.control("POST", "/restarts", restart))
    assert bench.run(FIRST, limits=ONE_BY_ONE, progress=listen).exit_code in (0, 4)
    assert bench.run(FIRST).exit_code == 0


def test_every_change_of_a_table_has_its_table() -> None:
    """Only joins and leaves are about nothing that can be read."""
    assert set(Kind) - set(_TABLES) == {Kind.JOIN, Kind.LEAVE, Kind.MOVE_LEAVE}


@pytest.mark.parametrize(
    ("outcome", "signs"), [(CallOutcome.DONE, 1), (CallOutcome.OWED, 0), (CallOutcome.REFUSED, 0)]
)
def test_only_what_was_acknowledged_is_held_against_others(outcome: CallOutcome, signs: int) -> None:
    """An object that a call may have changed in part says nothing about who changed it."""
    plan = blueprint(G(number=1, sleds=(0, 1)))
    before, after = (observation_of(blueprint(G(number=1, sleds=(sled,)))) for sled in (0, 1))
    changes = [c for c in differences(plan, before).changes if c.kind is Kind.MEMBERS_ADD]
    sent = [Sent(call=call_for([change], SubscriptionForm.VMM), outcome=outcome) for change in changes]
    left = [c for c in differences(plan, after).changes if c.target == changes[0].target]
    assert [c.kind for c in left] == [Kind.MEMBERS_ADD]
    assert len(list(suspicious(left, sent, before, after, narrowed=False, derived=False))) == signs
    assert list(suspicious(left, sent, before, after, narrowed=False, derived=True)) == []
