"""Random racks, planned, carried out and tried with packets; then changed, and all of it again.

What should arrive is read from the rows by an oracle that knows no plan.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
from attrs import evolve
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from blueprints.blueprint import Blueprint
from blueprints.checks import check
from blueprints.documents import snapshot_document
from blueprints.files import read_snapshot
from blueprints.run_report import Outcome
from blueprints.snapshot import ExternalEntry, Instance, InstanceState, MemberPorts, Snapshot
from executor.execute import execute
from executor.report import Report
from executor.safeguards import Safeguards
from planner import plan
from rackcast.packets import Outcome as Delivery
from rackcast.packets import Probe, probes, send
from simrack.background import running
from simrack.rack import SimulatedRack
from tests.strategies import snapshots, successors

ONE_GROUP = Path(__file__).parents[2] / "examples" / "01_one_group" / "snapshot.yaml"


CONSENT = Safeguards(allow_mass_change=True, allow_loss=True)
"""What is known to be lost is a moment: a filter rewritten where no other switch can take over meanwhile."""


def _carried_out(blueprint: Blueprint, rack: SimulatedRack) -> Report:
    assert check(blueprint) == ()
    return asyncio.run(execute(blueprint, rack.endpoints, safeguards=CONSENT))


def _holds(blueprint: Blueprint, rack: SimulatedRack, control: httpx.Client, world: Snapshot) -> None:
    """Assert that one run converges, that a second one writes nothing, and that packets go where they should."""
    first, second = _carried_out(blueprint, rack), _carried_out(blueprint, rack)
    assert (first.outcome, first.owed) == (Outcome.CONVERGED, ())
    assert (second.outcome, second.counts.get("writes", 0)) == (Outcome.CONVERGED, 0)
    delivery = send(control, world, _that_can_enter(blueprint, world))
    if all(entry.complete for tables in blueprint.switches.values() for entry in tables.underlay_groups):
        assert delivery.wrong == ()
    else:
        _nobody_hears_too_much(delivery)


def _that_can_enter(blueprint: Blueprint, world: Snapshot) -> Iterator[Probe]:
    """Yield packets that have a way in.

    Where one switch is elected for a group, the outside reaches it through that one alone; and nothing comes from a
    sled that no witness sees plugged in anywhere.
    """
    adrift = {sled for sled, row in blueprint.ports.items() if None in row.values()}
    silent = {row.id for row in world.instances if row.active_vmm is not None and row.active_vmm.sled_id in adrift}
    entries = {(slot.value, row.group_ip) for slot, its in blueprint.switches.items() for row in its.external_groups}
    elected = blueprint.policy.external_entry is ExternalEntry.ELECTED
    for probe in probes(world):
        inside = probe.sender is not None
        if probe.sender not in silent and (inside or not elected or (probe.origin["switch"], probe.group) in entries):
            yield probe


def _within_one_sled(instance: Instance) -> bool:
    """Whether it migrates to where it is, which no rack does: a sled-agent could not tell the two by instance."""
    both = (instance.active_vmm, instance.target_vmm)
    return all(both) and len({vmm.sled_id for vmm in both if vmm}) == 1


def _nobody_hears_too_much(delivery: Delivery) -> None:
    """Where a port is unknown somebody may hear nothing, but still nobody hears what is not his, or twice."""
    for line in delivery.wrong:
        assert "should not" not in line
        assert "times" not in line


@settings(max_examples=40, suppress_health_check=list(HealthCheck), phases=[Phase.generate])  # no shrinking: slow
@given(data=st.data())
def test_packets_reach_exactly_the_receivers_before_and_after_a_change(data: st.DataObject) -> None:
    """Whatever the rack and whatever becomes of it, every packet reaches exactly its receivers, once."""
    drawn = data.draw(snapshots(clean=True, truthful=True))
    before = evolve(drawn, policy=evolve(drawn.policy, member_ports=MemberPorts.CONTROLLER))
    after = data.draw(successors(before, clean=True))
    assume(not any(map(_within_one_sled, (*before.instances, *after.instances))))
    # What the witnesses no longer say is still true of the rack.
    world = evolve(after, switches=before.switches, sleds=before.sleds, inventory=before.inventory)
    first = plan(before)
    second = plan(after, first)
    with running(before) as rack, httpx.Client(base_url=rack.control_url, timeout=30) as control:
        _holds(first, rack, control, before)
        control.put("/snapshot", json=snapshot_document(world)).raise_for_status()
        _holds(second, rack, control, world)


def test_a_rack_on_which_nothing_runs_is_tried_from_outside() -> None:
    """Without a running instance packets come from the switches alone."""
    rack = read_snapshot(str(ONE_GROUP))
    idle = evolve(
        rack, instances=[evolve(row, state=InstanceState.NO_VMM, active_vmm=None) for row in rack.instances]
    )
    assert {next(iter(probe.origin)) for probe in probes(idle)} == {"switch"}
