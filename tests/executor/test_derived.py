"""Members that ddmd writes: everything else is carried out, and packets arrive all the same."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.snapshot import MemberPorts, Policy, Snapshot
from tests.executor.bench import Bench, Json, planned
from tests.simrack.rows import G4, G6, GROUP6, LISTENER, MOVER, PICKER, READER, S4, S6, member, small_rack

DERIVED = Policy(member_ports=MemberPorts.DERIVED)


@pytest.fixture(autouse=True)
def swept(bench: Bench) -> Iterator[None]:
    """Ddmd writes members; time passes by the clock alone."""
    bench.control("PUT", "/time", {"held": True})
    bench.control("PUT", "/sweep", {"running": True})
    yield
    bench.control("PUT", "/sweep", {"running": False})
    bench.control("PUT", "/time", {"held": False})


def pass_time(bench: Bench, seconds: float) -> None:
    bench.control("POST", "/time", {"seconds": seconds})


def members(bench: Bench) -> Json:
    """Return the member ports of every group, by switch."""
    return {
        slot: {row["group_ip"]: [port["port_id"] for port in row["members"]] for row in tables["underlay_groups"]}
        for slot, tables in bench.state()["switches"].items()
    }


def expected(blueprint: Blueprint) -> Json:
    return {
        slot.value: {row.group_ip.text: [str(port.port_id) for port in row.members] for row in tables.underlay_groups}
        for slot, tables in blueprint.switches.items()
    }


def heard(bench: Bench) -> dict[UUID, int]:
    return {**bench.heard(G4, S4), **bench.heard(G6, S6)}


def test_what_is_carried_out_lets_ddmd_fill_in_the_members_that_were_expected(bench: Bench) -> None:
    """Groups, mappings and joins are enough for it: ten seconds later everybody hears, and nothing differs."""
    blueprint = planned(small_rack(policy=DERIVED))
    assert bench.run(blueprint).exit_code == 0
    assert heard(bench) == {}
    pass_time(bench, 10)
    assert members(bench) == expected(blueprint)
    assert heard(bench) == {LISTENER: 1, PICKER: 1, MOVER: 1, READER: 1}
    report = bench.run(blueprint)
    assert (report.exit_code, report.counts.get("writes", 0), report.members_elsewhere) == (0, 0, 0)


def test_a_member_that_leaves_is_taken_out_by_ddmd(bench: Bench) -> None:
    """The leave is carried out, and the sweep follows it."""
    first = planned(small_rack(policy=DERIVED))
    bench.run(first)
    pass_time(bench, 20)
    gone: Snapshot = evolve(small_rack(policy=DERIVED), members=(member(GROUP6, READER, S6),))
    bench.enter(gone)
    second = planned(gone, first)
    bench.run(second)
    pass_time(bench, 10)
    assert heard(bench) == {READER: 1}
    assert members(bench) == expected(second)


def test_a_controller_that_writes_members_too_is_overruled(bench: Bench) -> None:
    """Carried out under the wrong policy, members that nobody subscribed do not stay."""
    blueprint = planned(small_rack())
    bench.run(blueprint)
    path = f"/multicast/underlay-groups/{blueprint.groups[0].underlay_ip}?tag={blueprint.groups[0].tag}"
    url = bench.rack.endpoints.switches[next(iter(blueprint.switches))].dpd + path
    stray = {"members": [{"port_id": "rear3", "link_id": 0, "direction": "Underlay"}]}
    assert bench.http.put(url, json=stray, headers={"api-version": "12.0.0"}).status_code == 200
    pass_time(bench, 10)
    assert members(bench) == expected(blueprint)
