"""Racks of another policy: carried out on a simulated rack, they converge, and packets arrive once."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest
from attrs import evolve, frozen

from blueprints.blueprint import Blueprint
from blueprints.checks import check
from blueprints.documents import snapshot_document
from blueprints.files import read_snapshot
from blueprints.identifiers import SwitchSlot
from blueprints.run_report import Outcome
from blueprints.snapshot import ExternalEntry, MemberPorts, Policy, Snapshot
from executor.execute import execute
from planner import plan
from rackcast.packets import Probe, probes, send
from simrack.background import running
from simrack.rack import SimulatedRack

RACK = read_snapshot(str(Path(__file__).parents[2] / "examples" / "01_one_group" / "snapshot.yaml"))
ELECTED, EVERY = ExternalEntry.ELECTED, ExternalEntry.EVERY_SWITCH


@frozen
class Bench:
    """A running rack, and a client of its control interface."""

    rack: SimulatedRack
    control: httpx.Client

    def converges(self, blueprint: Blueprint) -> None:
        """Carry *blueprint* out; it converges, and a second run writes nothing."""
        assert check(blueprint) == ()
        first, second = (asyncio.run(execute(blueprint, self.rack.endpoints)) for _ in range(2))
        assert (first.outcome, first.owed) == (Outcome.CONVERGED, ())
        assert (second.outcome, second.counts.get("writes", 0)) == (Outcome.CONVERGED, 0)

    def delivers(self, snapshot: Snapshot, packets: Iterable[Probe]) -> None:
        """Send *packets*; each reaches its receivers once, and some reach somebody."""
        delivery = send(self.control, snapshot, packets)
        assert delivery.wrong == ()
        assert delivery.delivered > 0

    def heard(self, packet: Probe) -> int:
        """Return how many copies of *packet* arrive."""
        body = {"group": packet.group.text, "source": packet.source.text, "from": dict(packet.origin)}
        return len(self.control.post("/packets", json=body).raise_for_status().json()["delivered"])


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Run the hand-sized rack."""
    with running(RACK) as rack, httpx.Client(base_url=rack.control_url, timeout=30) as control:
        yield Bench(rack, control)


def under(entry: ExternalEntry = EVERY, ports: MemberPorts = MemberPorts.CONTROLLER) -> Snapshot:
    """Return the rack under a policy."""
    return evolve(RACK, policy=Policy(external_entry=entry, member_ports=ports))


def entering(blueprint: Blueprint, *, at: bool) -> list[Probe]:
    """Return the packets that enter *at* the elected switch, or those that enter at the other."""
    (group,) = blueprint.groups
    outside = [probe for probe in probes(RACK) if probe.sender is None]
    return [probe for probe in outside if (probe.origin["switch"] == group.next_hop_switch) is at]


INSIDE = [probe for probe in probes(RACK) if probe.sender is not None]


def test_one_elected_switch_lets_packets_in(bench: Bench) -> None:
    """Instances hear each other and what enters at the elected switch; at the other the group is unknown."""
    blueprint = plan(under(ELECTED))
    bench.converges(blueprint)
    bench.delivers(RACK, INSIDE)
    bench.delivers(RACK, entering(blueprint, at=True))
    others = entering(blueprint, at=False)
    assert others
    assert [bench.heard(packet) for packet in others] == [0] * len(others)


def test_the_policy_of_entries_changes_both_ways(bench: Bench) -> None:
    """From every switch to an elected one and back: each change converges, and instances go on hearing each other."""
    blueprint = None
    for entry in (EVERY, ELECTED, EVERY, ELECTED):
        blueprint = plan(under(entry), blueprint)
        bench.converges(blueprint)
        bench.delivers(RACK, INSIDE)
        bench.delivers(RACK, entering(blueprint, at=True))
        reached = [bench.heard(packet) for packet in entering(blueprint, at=False)]
        assert any(reached) is (entry is EVERY)


def test_the_other_switch_is_elected_when_one_goes(bench: Bench) -> None:
    """Without the elected switch the group enters at the other, and stays there when the first comes back."""
    first = plan(under(ELECTED))
    bench.converges(first)
    elected = first.groups[0].next_hop_switch
    left = {slot: its for slot, its in RACK.switches.items() if slot is not elected}
    second = plan(evolve(under(ELECTED), switches=left), first)
    bench.converges(second)
    bench.delivers(RACK, INSIDE)
    third = plan(under(ELECTED), second)
    assert third.groups[0].next_hop_switch is not elected
    bench.converges(third)
    bench.delivers(RACK, INSIDE)
    bench.delivers(RACK, entering(third, at=True))
    assert not any(bench.heard(packet) for packet in entering(third, at=False))


@pytest.mark.parametrize("entry", [EVERY, ELECTED])
def test_derived_members_are_expected_and_not_written(bench: Bench, entry: ExternalEntry) -> None:
    """All but the members is written; once their own writer has put in the expected ports, packets arrive."""
    blueprint = plan(under(entry, MemberPorts.DERIVED))
    bench.converges(blueprint)
    state = bench.control.get("/state").json()
    assert [row["members"] for slot in SwitchSlot for row in state["switches"][slot]["underlay_groups"]] == [[], []]
    for slot, tables in blueprint.switches.items():
        for row in tables.underlay_groups:
            members = [
                {"port_id": str(port.port_id), "link_id": port.link_id, "direction": port.direction.value}
                for port in row.members
            ]
            url = f"{bench.rack.endpoints.switches[slot].dpd}/multicast/underlay-groups/{row.group_ip}?tag={row.tag}"
            answer = httpx.put(url, json={"members": members}, headers={"api-version": "12.0.0"})
            assert answer.status_code == 200
    bench.converges(blueprint)
    bench.delivers(RACK, INSIDE)
    bench.delivers(RACK, entering(blueprint, at=True))
    assert asyncio.run(execute(blueprint, bench.rack.endpoints)).members_elsewhere == 0


def test_a_member_that_leaves_is_not_taken_out_of_derived_members(bench: Bench) -> None:
    """Who leaves is unsubscribed; the ports of the group stay, for they are somebody else's to write."""
    first = plan(under(EVERY, MemberPorts.DERIVED))
    bench.converges(first)
    gone = evolve(under(EVERY, MemberPorts.DERIVED), members=RACK.members[:1])
    second = plan(gone, first)
    assert second.switches != first.switches
    bench.control.put("/snapshot", json=snapshot_document(gone)).raise_for_status()
    bench.converges(second)
    calls = bench.control.get("/calls").json()
    assert not [call for call in calls if call["method"] == "PUT" and "underlay-groups" in call["path"]]
