"""Reading the switches of a simulated rack over HTTP: what each says, and what is left when some fail."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from attrs import evolve

from blueprints.blueprint import LearnedFrom
from blueprints.endpoints import ApiVersions, Endpoints
from blueprints.errors import SilentError
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.snapshot import Snapshot, Switch
from collector.live import Live, SwitchFacts
from planner import plan
from rackcast.switches import read_found, read_known, read_nobody
from simrack.background import running
from simrack.peers import peers_of
from simrack.rack import SimulatedRack
from simrack.web.versions import DaemonKind
from tests.executor.bench import IMPATIENT, QUICK, Bench
from tests.simrack.rows import SWITCH0, SWITCH1, small_rack

BACKPLANE = tuple(PortId("rear", number) for number in range(32))


@pytest.fixture(scope="module")
def rack() -> Iterator[SimulatedRack]:
    """Run the small rack."""
    with running(small_rack()) as rack:
        yield rack


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(verify=False, trust_env=False, timeout=5) as client:  # noqa: S501  # plain HTTP on loopback
        yield client


@pytest.fixture
def bench(rack: SimulatedRack, http: httpx.Client) -> Bench:
    """The small rack without faults."""
    bench = Bench(rack, http)
    bench.calm()
    bench.forget_calls()
    return bench


def read(bench: Bench, endpoints: Endpoints | None = None, **changes: Any) -> Live:
    """Return what the switches say, found by an endpoints file."""
    options: dict[str, Any] = {"slots": (), "limits": QUICK} | changes
    return asyncio.run(read_known(endpoints or bench.rack.endpoints, **options)).live


def whole(bench: Bench) -> dict[SwitchSlot, SwitchFacts]:
    """Return what the switches say when all is well."""
    return {
        slot: SwitchFacts(backplane=BACKPLANE, peers=peers_of(bench.rack.world, slot))
        for slot in bench.rack.world.snapshot.switches
    }


def as_in(snapshot: Snapshot, live: Live) -> Snapshot:
    """Return *snapshot* with what was read in the place of what its switches said."""
    switches: dict[SwitchSlot, Switch] = {
        slot: evolve(switch, backplane=live.switches[slot].backplane, peers=live.switches[slot].peers)
        for slot, switch in snapshot.switches.items()
    }
    return evolve(snapshot, switches=switches)


def silences(live: Live) -> dict[str, str]:
    return {silence.target: silence.reason for silence in live.silent}


def test_both_switches_tell_their_backplane_and_their_peers(bench: Bench) -> None:
    """Found by file or by DNS, every part of every switch is known, and nothing is written anywhere."""
    found = asyncio.run(read_found(bench.rack.dns, (), QUICK))
    for live in (read(bench), found.live):
        assert live.silent == ()
        assert live.switches == whole(bench)
    assert all(len(facts.peers or ()) == 3 for facts in found.live.switches.values())
    assert bench.calls() == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "refuse", "times": None}, "closed before the answer was whole"),
        ({"kind": "truncated_body"}, "closed before the answer was whole"),
        ({"kind": "status", "status": 500, "times": None}, "500"),
        ({"kind": "timeout_before", "times": None}, "no whole answer within 0.5 s"),
        ({"kind": "slow_body", "interval": 0.2}, "no whole answer within 0.5 s"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_ddmd_that_fails_costs_its_own_part_alone(bench: Bench, fault: dict[str, Any], said: str) -> None:
    """The peers of that switch are unknown, and why is said; the other three parts are as they are."""
    bench.fault("switch1 ddmd", **fault)
    live = read(bench, limits=IMPATIENT)
    assert {target: said in reason for target, reason in silences(live).items()} == {"switch1 peers": True}
    assert live.switches[SWITCH1] == SwitchFacts(backplane=BACKPLANE, peers=None)
    assert live.switches[SWITCH0] == whole(bench)[SWITCH0]


@pytest.mark.parametrize("kind", ["refuse", "timeout_before"])
def test_ports_do_not_change_while_one_dpd_is_dead(bench: Bench, kind: str) -> None:
    """The backplane is one cabling: with one switch silent, the plan takes the other's and every port is the same."""
    bench.fault("switch0 dpd", kind, times=None)
    live = read(bench, limits=IMPATIENT)
    assert list(silences(live)) == ["switch0 backplane"]
    assert live.switches[SWITCH0].backplane is None
    assert live.switches[SWITCH0].peers == whole(bench)[SWITCH0].peers
    bench.calm()
    alone, both = (plan(as_in(small_rack(), said)) for said in (live, read(bench)))
    assert alone.ports == both.ports
    assert {port.learned_from for ports in alone.ports.values() for port in ports.values() if port} == {
        LearnedFrom.DDM
    }
    assert all(ports[slot] is not None for ports in alone.ports.values() for slot in SwitchSlot)


def test_no_port_is_believed_while_both_dpds_are_dead(bench: Bench) -> None:
    """Nobody told a backplane: both lists are unknown, not empty, and the plan resolves no port."""
    for slot in SwitchSlot:
        bench.fault(f"{slot} dpd", "refuse", times=None)
    live = read(bench, limits=IMPATIENT)
    assert [facts.backplane for facts in live.switches.values()] == [None, None]
    blueprint = plan(as_in(small_rack(), live))
    assert all(port is None for ports in blueprint.ports.values() for port in ports.values())
    assert not any(row.complete for switch in blueprint.switches.values() for row in switch.underlay_groups)


def swapped(endpoints: Endpoints) -> Endpoints:
    """Return *endpoints* with each switch under the other's slot."""
    return evolve(endpoints, switches={SWITCH0: endpoints.switches[SWITCH1], SWITCH1: endpoints.switches[SWITCH0]})


def test_nothing_of_a_stranger_is_believed(bench: Bench) -> None:
    """A switch that says another slot than it was found under costs all its parts, and nobody reads them."""
    live = read(bench, swapped(bench.rack.endpoints))
    assert live.switches == {slot: SwitchFacts() for slot in SwitchSlot}
    assert list(silences(live)) == [
        f"{slot} {part}" for slot in SwitchSlot for part in ("backplane", "peers", "slot")
    ]
    assert "its slot is 1, not 0" in silences(live)["switch0 peers"]
    asked = {call["path"] for call in bench.control("GET", "/calls")}
    assert asked == {"/switch/identifiers"}


def test_mgd_says_who_a_switch_is_while_its_dpd_is_dead(bench: Bench) -> None:
    """A stranger is found out even if only its mgd can say that it is one."""
    for slot in SwitchSlot:
        bench.fault(f"{slot} dpd", "refuse", times=None)
    live = read(bench, swapped(bench.rack.endpoints), limits=IMPATIENT)
    assert "mgd: somebody else answers" in silences(live)["switch1 slot"]
    assert live.switches[SWITCH1] == SwitchFacts()


def test_a_switch_that_cannot_say_who_it_is_is_believed(bench: Bench) -> None:
    """Neither dpd nor mgd can say it yet: an endpoints file is right until somebody contradicts it."""
    for daemon in ("dpd", "mgd"):
        bench.fault(f"switch0 {daemon}", "status", status=503, path="/switch/identifiers", times=None)
    live = read(bench)
    assert (live.silent, live.switches) == ((), whole(bench))


@pytest.mark.parametrize("version", [(2, 0, 0), (1, 0, 0)])
def test_an_older_ddmd_cannot_say_its_peers(version: tuple[int, int, int]) -> None:
    """Versions before 3 do not name the interface; such a ddmd is known by what it refuses, and its peers unknown."""
    with running(small_rack(), newest={DaemonKind.DDMD: version}) as rack:
        live = asyncio.run(read_known(rack.endpoints, (), QUICK)).live
        asked_for_1 = evolve(rack.endpoints, api_versions=ApiVersions(ddmd="1.0.0"))
        stated = asyncio.run(read_known(asked_for_1, (), QUICK)).live
    assert "takes none of the versions 3.0.0" in silences(live)["switch0 peers"]
    assert all(facts == SwitchFacts(backplane=BACKPLANE) for facts in live.switches.values())
    assert "status: expected an object" in silences(stated)["switch0 peers"]


def test_a_version_that_the_endpoints_state_is_spoken(bench: Bench) -> None:
    """A version that no ddmd takes leaves its peers unknown, whatever else it would take."""
    endpoints = evolve(bench.rack.endpoints, api_versions=ApiVersions(ddmd="4.0.0"))
    live = read(bench, endpoints)
    assert list(silences(live)) == ["switch0 peers", "switch1 peers"]
    assert "takes none of the versions 4.0.0" in silences(live)["switch0 peers"]


def test_a_switch_that_nobody_named_is_silent(bench: Bench) -> None:
    """A slot that is known to be there but has no address keeps its place, with both parts unknown."""
    alone = evolve(bench.rack.endpoints, switches={SWITCH0: bench.rack.endpoints.switches[SWITCH0]})
    live = read(bench, alone, slots=list(SwitchSlot))
    assert live.switches == {SWITCH0: whole(bench)[SWITCH0], SWITCH1: SwitchFacts()}
    assert list(silences(live)) == ["switch1 backplane", "switch1 peers"]


def test_without_a_way_to_the_rack_nothing_live_is_known() -> None:
    """Nobody is asked: every part of the given switches is unknown, and that is why."""
    live = asyncio.run(read_nobody(list(SwitchSlot))).live
    assert live.switches == {slot: SwitchFacts() for slot in SwitchSlot}
    assert set(silences(live).values()) == {"nobody was asked: --dns or --endpoints says where its daemons are"}


def test_switch_zones_that_dns_cannot_place_are_silent(bench: Bench) -> None:
    """The zone whose slot nobody says stands among the silences by its name, and no slot is guessed."""
    for daemon in ("dpd", "mgs"):
        bench.fault(f"switch1 {daemon}", "refuse", times=None)
    read = asyncio.run(read_found(bench.rack.dns, (), IMPATIENT))
    assert list(read.live.switches) == [SWITCH0]
    (silence,) = read.live.silent
    assert silence.target.startswith("dendrite-")


def test_a_silent_name_server_matters_only_if_nobody_named_the_switches(bench: Bench) -> None:
    """Slots that are known keep their place with the reason; without any, there is no rack to speak of."""
    bench.fault("dns", "status", status=2, times=None)
    live = asyncio.run(read_found(bench.rack.dns, [SWITCH0], IMPATIENT)).live
    assert live.switches == {SWITCH0: SwitchFacts()}
    assert silences(live)["switch0 peers"].startswith("internal DNS: ")
    with pytest.raises(SilentError):
        asyncio.run(read_found(bench.rack.dns, (), IMPATIENT))
