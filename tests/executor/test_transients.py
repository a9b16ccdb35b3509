"""What receivers hear while a run is under way: a packet is sent after every single call."""

from collections.abc import Callable
from uuid import UUID

import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, NextHop
from blueprints.snapshot import GroupState, Snapshot
from executor.progress import CallFinished, Event
from tests.executor.bench import Bench, planned
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
    SPEAKER,
    SWITCH0,
    SWITCH1,
    U4,
    group,
    instance,
    small_rack,
)

RACK = small_rack()
PLAN = planned(RACK)


@pytest.fixture
def bench(bench_inside: Bench) -> Bench:
    """The small rack without sockets: deadlines pass at once, and a machine that is busy misses none."""
    return bench_inside


def instances(**moves: int) -> Snapshot:
    """Return the rack with some instances on other sleds."""
    names = {"picker": PICKER, "mover": MOVER, "reader": READER}
    moved = {names[name]: instance(names[name], sled) for name, sled in moves.items()}
    return evolve(RACK, instances=[moved.get(row.id, row) for row in RACK.instances])


def other_hops(plan: Blueprint) -> Blueprint:
    """Return *plan* with every group sent through the other switch."""
    other = {SWITCH0: SWITCH1, SWITCH1: SWITCH0}
    groups = [evolve(group, next_hop_switch=other[group.next_hop_switch]) for group in plan.groups]
    hops = {
        group.underlay_ip: NextHop(next_hop=RACK.switches[group.next_hop_switch].underlay_address) for group in groups
    }
    sleds = {
        sled: evolve(
            tables,
            forwarding=tuple(evolve(entry, next_hops=[hops[entry.underlay]]) for entry in tables.forwarding),
        )
        for sled, tables in plan.sleds.items()
    }
    return evolve(plan, groups=groups, sleds=sleds)


def heard(bench: Bench, origin: dict[str, str], address: str, source: str) -> dict[UUID, int]:
    """Return who hears one packet."""
    delivered = bench.control("POST", "/packets", {"group": address, "source": source, "from": origin})["delivered"]
    return {UUID(row["instance_id"]): row["copies"] for row in delivered}


ORIGINS = [{"switch": "switch0"}, {"switch": "switch1"}, {"instance": str(SPEAKER)}]


def watched(bench: Bench, stayers: dict[str, set[UUID]]) -> tuple[Callable[[Event], None], list[str]]:
    """Return a listener that sends packets after every call, and the losses and doubles that it finds."""
    wrong: list[str] = []
    sources = {G4: S4, G6: S6}

    def listen(event: Event) -> None:
        if not isinstance(event, CallFinished):
            return
        for address, staying in stayers.items():
            for origin in ORIGINS:
                copies = heard(bench, origin, address, sources[address])
                wrong.extend(
                    f"{address} {origin} {who}: {copies.get(who, 0)}" for who in staying if copies.get(who) != 1
                )

    return listen, wrong


ENDED = evolve(RACK, groups=[RACK.groups[0], group(GROUP6, G6, state=GroupState.DELETING)], members=RACK.members[:3])
CHANGES: list[tuple[str, Snapshot, dict[str, set[UUID]]]] = [
    ("an instance moves", instances(mover=2), {G4: {LISTENER, PICKER}, G6: {READER}}),
    ("all others move", instances(mover=0, picker=2), {G4: {LISTENER}, G6: {READER}}),
    ("a group ends", ENDED, {G4: {LISTENER, PICKER, MOVER}}),
    ("a member leaves", evolve(RACK, members=RACK.members[1:]), {G4: {PICKER, MOVER}, G6: {READER}}),
]


@pytest.mark.parametrize(("name", "after", "stayers"), CHANGES, ids=[name for name, *_ in CHANGES])
def test_whoever_stays_hears_every_packet_once(
    bench: Bench, name: str, after: Snapshot, stayers: dict[str, set[UUID]]
) -> None:
    """From outside through either switch and from another VM, before, between and after the calls of a change."""
    bench.run(PLAN)
    bench.enter(after)
    listen, wrong = watched(bench, stayers)
    assert bench.run(planned(after, PLAN), progress=listen).exit_code == 0, name
    assert wrong == []


def test_a_hop_changes_without_a_gap_and_without_doubles(bench: Bench) -> None:
    """While every sled is turned from one switch to the other, each packet arrives once."""
    bench.run(PLAN)
    bench.forget_calls()
    listen, wrong = watched(bench, {G4: {LISTENER, PICKER, MOVER}, G6: {READER}})
    turned = other_hops(PLAN)
    assert bench.run(turned, progress=listen).exit_code == 0
    assert wrong == []
    assert {call["method"] for call in bench.calls() if call["path"].endswith("mcast-fwd")} == {"PUT"}
    assert bench.run(turned).counts.get("writes", 0) == 0
    assert bench.run(PLAN, progress=listen).exit_code == 0
    assert wrong == []


def both_hops(bench: Bench, sled: UUID) -> None:
    """Let *sled* send G4 by both switches, and have no mapping for it."""
    opte = bench.rack.world.agents[sled].opte
    hops = [hop for hops in opte.forwarding.values() for hop in hops.values()]
    addresses = [switch.underlay_address for switch in RACK.switches.values()]
    opte.forwarding[Address.parse(U4)] = {each: evolve(hops[0], next_hop=each) for each in addresses}
    del opte.m2p[Address.parse(G4)]


def test_a_sled_with_two_hops_that_cannot_be_left_with_one_gets_no_mapping(bench: Bench) -> None:
    """Otherwise everybody would hear twice what its instances send (rule G6); the next run puts it right."""
    sled = SLEDS[2]
    bench.run(PLAN)
    both_hops(bench, sled)
    bench.fault(f"sled {sled}", "status", times=None, method="PUT", path="/networking/mcast-fwd", status=500)
    report = bench.run(PLAN)
    assert heard(bench, {"instance": str(SPEAKER)}, G4, S4) == {}
    assert {str(each.kind) for each in report.owed if str(sled) in each.target} == {"hop_change", "m2p_set", "join"}
    bench.calm()
    assert bench.run(PLAN).exit_code == 0
    assert set(heard(bench, {"instance": str(SPEAKER)}, G4, S4).values()) == {1}


def test_a_sled_whose_only_hop_cannot_be_turned_gets_its_mapping(bench: Bench) -> None:
    """By whichever switch, its instances are heard once, and its own ports hear."""
    sled = SLEDS[2]
    bench.run(other_hops(PLAN))
    del bench.rack.world.agents[sled].opte.m2p[Address.parse(G4)]
    bench.fault(f"sled {sled}", "status", times=None, method="PUT", path="/networking/mcast-fwd", status=500)
    bench.run(PLAN)
    assert set(heard(bench, {"instance": str(SPEAKER)}, G4, S4).values()) == {1}
