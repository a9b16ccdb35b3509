"""Who answers has to be who was meant; a wrong endpoints file must not cost another rack its state."""

from uuid import UUID

from attrs import evolve

from blueprints.endpoints import Endpoints
from blueprints.identifiers import SwitchSlot
from blueprints.run_report import Outcome, TargetState
from executor.limits import Allowance, Allowances
from executor.safeguards import Safeguards
from tests.executor.bench import Bench, planned
from tests.simrack.rows import G4, LISTENER, MOVER, PICKER, S4, small_rack

PLAN = planned(small_rack())
OTHER_RACK = UUID(int=7)
NONE = Allowances(members=Allowance(number=0), groups=Allowance(number=0), rows=Allowance(number=0))


def test_another_racks_blueprint_writes_nothing(bench: Bench) -> None:
    """A blueprint of a rack with other sleds sends nothing, removes nothing, and everything is owed."""
    assert bench.run(PLAN).outcome is Outcome.CONVERGED
    bench.forget_calls()
    stranger = evolve(PLAN, rack_id=OTHER_RACK)
    report = bench.run(stranger)
    assert report.outcome is Outcome.PARTIAL
    assert {owed.because.split(":")[0] for owed in report.owed} == {"somebody else answers"}
    assert bench.calls() == []
    assert bench.heard(G4, S4) == {LISTENER: 1, PICKER: 1, MOVER: 1}


def test_no_switch_is_written_while_no_sled_answers(bench: Bench) -> None:
    """Switches that hold what the blueprint does not want keep it while not one sled says that this is the rack."""
    assert bench.run(PLAN).outcome is Outcome.CONVERGED
    bench.forget_calls()
    empty = planned(evolve(small_rack(), members=()))
    report = bench.run(
        empty, endpoints=evolve(bench.rack.endpoints, sleds={}), safeguards=Safeguards(allowances=NONE)
    )
    assert report.outcome is Outcome.PARTIAL
    assert any(loss.beyond for loss in report.losses)
    assert "this may be another rack" in {owed.because for owed in report.owed if owed.kind}.pop()
    # It takes more away than is allowed; but nobody is asked to accept that of another rack.
    assert {standing.state for standing in report.targets} == {TargetState.OWED}
    assert bench.calls() == []


def test_switches_that_were_swapped_are_found_out(bench: Bench) -> None:
    """A switch that says another slot than the one it is written under is not believed."""
    switches = bench.rack.endpoints.switches
    swapped = {SwitchSlot.SWITCH0: switches[SwitchSlot.SWITCH1], SwitchSlot.SWITCH1: switches[SwitchSlot.SWITCH0]}
    endpoints: Endpoints = evolve(bench.rack.endpoints, switches=swapped)
    report = bench.run(PLAN, endpoints=endpoints)
    owed = {row.target: row.because for row in report.owed if row.kind is None}
    assert set(owed) == {"switch0 dpd", "switch0 mgd", "switch1 dpd", "switch1 mgd"}
    assert "its slot is 1, not 0" in owed["switch0 dpd"]


def test_a_daemon_that_cannot_say_who_it_is_is_believed(bench: Bench) -> None:
    """An older daemon without the call, or one that does not know yet, is no reason to stop."""
    bench.fault("switch0 dpd", "status", status=503, path="/switch/identifiers", times=None)
    assert bench.run(PLAN).outcome is Outcome.CONVERGED
