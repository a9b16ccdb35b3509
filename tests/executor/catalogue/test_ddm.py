"""Row by row: mgd's routes, and what ddmd says of peers, some of which concerns plans alone (``MD``)."""

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import MemberPorts, Policy, Snapshot
from executor import mgd
from executor.actions import FORMS
from executor.changes import Kind
from executor.switch_differences import mgd_differences
from planner.port_claims import ddm_claims, parent_claims
from planner.receivers import _granted
from tests.collector import test_live
from tests.executor.bench import IMPATIENT, LOSSY, Bench, Json, planned
from tests.executor.catalogue.scenes import (
    ANEW,
    EVERYBODY,
    PLAN,
    RACK,
    U9,
    at_rest,
    owed_kinds,
    ports_of,
    restart,
    sent_to,
    speak,
)
from tests.executor.catalogue.twins import Twin, altered, dropping, must_fail, replaced
from tests.simrack.rows import (
    G4,
    GROUP4,
    LISTENER,
    MOVER,
    PICKER,
    S4,
    S6,
    SLEDS,
    SWITCH0,
    U4,
    member,
    small_rack,
)


@pytest.fixture
def bench(over_loopback: Bench) -> Bench:
    """The small rack over loopback: its switches are read as the collector reads them."""
    return over_loopback


def test_md1_an_mgd_that_restarted_is_written_nothing(bench: Bench) -> None:
    """Static routes outlive the process, so there is nothing to say."""
    bench.run(PLAN)
    restart(bench, "switch0 mgd", keep=True)
    bench.forget_calls()
    at_rest(bench, PLAN)
    assert sent_to(bench, "switch0 mgd") == []


def test_md2_an_mgd_that_lost_its_store_gets_its_routes_and_nobody_loses_any(bench: Bench) -> None:
    """One switch has no routes left: they are put there in one request, and nothing is withdrawn anywhere."""
    bench.run(PLAN)
    restart(bench, "switch0 mgd", keep=False)
    bench.forget_calls()
    assert bench.run(PLAN).exit_code == 0
    assert [(call["method"], len(call["body"]["routes"])) for call in sent_to(bench, "switch0 mgd")] == [("PUT", 3)]
    assert sent_to(bench, "switch1 mgd") == []
    at_rest(bench, PLAN)


def test_md3_a_route_that_is_not_selected_is_no_debt(bench: Bench) -> None:
    """Without a unicast way to the source mgd keeps a route and does not use it: nothing waits for that."""
    bench.control("PUT", "/unreachable-sources", {"switch": "switch0", "sources": [S4, S6]})
    report = bench.run(PLAN)
    routes = bench.state()["switches"]["switch0"]["mrib_routes"]
    again = bench.run(PLAN)
    bench.control("PUT", "/unreachable-sources", {"switch": "switch0", "sources": []})
    assert sorted((row["source"], row["selected"]) for row in routes if row["source"]) == [(S4, False), (S6, False)]
    assert (report.exit_code, report.owed) == (0, ())
    assert (again.exit_code, again.counts.get("writes", 0)) == (0, 0)


def test_md4_nobody_asks_what_is_selected(bench: Bench) -> None:
    """Asked for one key that is not selected mgd says 404: whole lists of static routes say what is there."""
    bench.run(PLAN)
    asked = {
        call["path"].partition("?")[0]
        for call in bench.control("GET", "/calls")
        if call["target"].endswith("mgd") and call["method"] == "GET"
    }
    assert asked == {"/switch/identifiers", "/static/mroute"}


def heard_from(*members: Any) -> Snapshot:
    """Return the rack with other members of its first group."""
    return evolve(RACK, members=[*members, RACK.members[3]])


def test_md5_new_routes_are_there_before_old_ones_go(bench: Bench) -> None:
    """From any source to one: while the new route is refused the old one stays, and who is heard stays heard."""
    anybody, somebody = heard_from(member(GROUP4, LISTENER)), heard_from(member(GROUP4, LISTENER, S4))
    first = planned(anybody)
    bench.run(first)
    second = planned(somebody, first)
    bench.fault("switch0 mgd", "status", status=500, method="PUT", times=None)
    bench.forget_calls()
    report = bench.run(second)
    assert {kind for target, kind in owed_kinds(report) if target == "switch0 mgd"} == {"route_put", "route_withdraw"}
    assert [call["method"] for call in sent_to(bench, "switch1 mgd")] == ["PUT", "DELETE"]
    assert {row["source"] for row in routes_of(bench, SWITCH0)} == {None}
    bench.calm()
    assert bench.run(second).exit_code == 0
    assert {row["source"] for row in routes_of(bench, SWITCH0)} == {S4}


def routes_of(bench: Bench, slot: SwitchSlot) -> list[Json]:
    """Return the routes of the first group on a switch."""
    return [row for row in bench.state()["switches"][slot.value]["mrib_routes"] if row["group"] == G4]


@pytest.fixture
def held(bench: Bench) -> Iterator[Bench]:
    """A rack whose time passes by the clock alone."""
    bench.control("PUT", "/time", {"held": True})
    yield bench
    bench.control("PUT", "/sweep", {"running": False})
    bench.control("PUT", "/time", {"held": False})


def origins(bench: Bench) -> set[str]:
    """Return the underlay groups under which the first switch tells its peers of the first group."""
    url = bench.rack.endpoints.switches[SWITCH0].ddmd
    rows = speak(bench, url, "GET", "/originated_multicast_groups", version=DDMD)
    return {row["underlay_group"] for row in rows if row["overlay_group"] == G4}


DDMD = "3.0.0"
"""A version of ddmd that tells of groups."""


def test_md6_an_old_origin_goes_while_runs_go_on(held: Bench) -> None:
    """After a move ddmd tells of both addresses until mgd was left alone for a second: runs without work do that."""
    held.run(PLAN)
    assert held.run(ANEW, safeguards=LOSSY).exit_code == 0
    assert origins(held) == {U4, U9}
    for _ in range(3):
        held.control("POST", "/time", {"seconds": 0.5})
        held.run(ANEW)
    assert origins(held) == {U9}


def test_md7_a_source_of_the_other_family_never_becomes_any_source(bench: Bench) -> None:
    """A member that names only such a source hears nobody, and is told; a route for anybody does not appear."""
    plan = planned(heard_from(member(GROUP4, PICKER, "fd00:99::9")))
    assert bench.run(plan).exit_code == 0
    assert bench.heard(G4, S4) == {}
    assert routes_of(bench, SWITCH0) == []
    assert any(each.code.startswith("member_source") for each in plan.findings)


def replanned(bench: Bench, parent: Blueprint, *, limits: Any = IMPATIENT) -> Blueprint:
    """Return the plan after *parent* by what the switches say now; of the inventory nothing is known."""
    live = test_live.read(bench, limits=limits)
    return planned(evolve(test_live.as_in(RACK, live), inventory=None), parent)


def test_md8_what_one_switch_alone_sees_takes_no_member_away(bench: Bench) -> None:
    """The ddmd of a switch is silent: its ports are those of the plan before, and nothing is written."""
    first = replanned(bench, PLAN)
    bench.run(first)
    bench.fault("switch0 ddmd", "refuse", times=None)
    later = replanned(bench, first)
    assert later.switches[SWITCH0].underlay_groups == first.switches[SWITCH0].underlay_groups
    bench.calm()
    at_rest(bench, later)


def test_md9_a_peer_that_comes_and_goes_changes_nothing(bench: Bench) -> None:
    """A cable that flaps: the port stays that of the plan before, whatever was heard last, and no list is written."""
    plan = first = replanned(bench, PLAN)
    bench.run(first)
    bench.forget_calls()
    for cubby in (None, 15, None, 15):
        bench.control("PUT", "/wiring", {str(SLEDS[1]): cubby})
        plan = replanned(bench, plan)
        bench.run(plan)
        assert plan.switches[SWITCH0].underlay_groups == first.switches[SWITCH0].underlay_groups
    assert [call for call in bench.calls() if call["path"].startswith("/multicast")] == []
    at_rest(bench, plan)


def test_md10_a_sled_that_was_plugged_elsewhere_is_followed(bench: Bench) -> None:
    """Before its switch says where it is now, the old port stays; then the new one is added before that one goes."""
    bench.run(PLAN)
    bench.control("PUT", "/wiring", {str(SLEDS[1]): 20})
    assert bench.heard(G4, S4).keys() == {LISTENER, MOVER}
    later = planned(test_live.as_in(RACK, test_live.read(bench)), PLAN)
    assert "port_conflict" in {each.code for each in later.findings}
    bench.forget_calls()
    assert bench.run(later).exit_code == 0
    lists = [[port["port_id"] for port in call["body"]["members"]] for call in sent_to(bench, "switch0 dpd")]
    assert lists == [["rear14", "rear15", "rear16", "rear20"], ["rear14", "rear16", "rear20"]]
    at_rest(bench, later)


def test_md11_one_port_for_two_sleds_is_nobodys(bench: Bench) -> None:
    """Two peers behind one interface: neither is believed, and the plan before keeps what it had."""
    peers = test_live.read(bench).switches[SWITCH0].peers or ()
    same = tuple(evolve(peer, if_name=peers[0].if_name) for peer in peers)
    said = evolve(RACK.switches[SWITCH0], peers=same)
    later = planned(evolve(RACK, switches={**RACK.switches, SWITCH0: said}, inventory=None), PLAN)
    assert later.switches[SWITCH0].underlay_groups == PLAN.switches[SWITCH0].underlay_groups
    assert bench.run(later).exit_code == 0
    assert bench.heard(G4, S4) == EVERYBODY


def test_md12_a_ddmd_that_has_just_started_empties_no_group(held: Bench) -> None:
    """No peer at all is no proof that nobody is there: plans keep their members, and runs leave lists to ddmd."""
    derived = planned(small_rack(policy=Policy(member_ports=MemberPorts.DERIVED)))
    held.control("PUT", "/sweep", {"running": True})
    held.run(derived)
    held.control("POST", "/time", {"seconds": 20})
    held.control("PUT", "/sweep", {"running": False})
    held.control("PUT", "/wiring", {str(sled): None for sled in SLEDS})
    held.control("PUT", "/sweep", {"running": True})
    held.control("POST", "/time", {"seconds": 15})
    live = test_live.read(held)
    assert {facts.peers for facts in live.switches.values()} == {()}
    later = planned(evolve(test_live.as_in(small_rack(policy=derived.policy), live), inventory=None), derived)
    assert later.switches[SWITCH0].underlay_groups == derived.switches[SWITCH0].underlay_groups
    held.forget_calls()
    report = held.run(later)
    assert (report.exit_code, report.counts.get("writes", 0)) == (0, 0)
    assert ports_of(held, U4) == {"rear14", "rear15", "rear16"}


# --- twins ----------------------------------------------------------------------------------------------------------


async def no_routes(client: Any) -> Any:
    """Take what is selected, which is nothing, for what is there."""
    await client.read("/static/mroute")
    return (), ()


def any_source(_row: Any, _room: Any, _found: Any) -> Any:
    """Drop what is refused without a word; of nothing that is left, any source is made."""
    return ()


def no_claims(*_: Any) -> Any:
    """Know nothing."""
    return {}


TWINS = {
    "MD1": Twin(check=test_md1_an_mgd_that_restarted_is_written_nothing, bug=replaced(mgd.read_routes, no_routes)),
    "MD2": Twin(
        check=test_md2_an_mgd_that_lost_its_store_gets_its_routes_and_nobody_loses_any,
        bug=dropping(mgd_differences, Kind.ROUTE_PUT),
    ),
    "MD3": Twin(check=test_md3_a_route_that_is_not_selected_is_no_debt, bug=replaced(mgd.read_routes, no_routes)),
    "MD5": Twin(
        check=test_md5_new_routes_are_there_before_old_ones_go, bug=altered(FORMS, Kind.ROUTE_WITHDRAW, gates=())
    ),
    "MD6": Twin(check=test_md6_an_old_origin_goes_while_runs_go_on, bug=replaced(mgd.read_routes, no_routes)),
    "MD7": Twin(
        check=test_md7_a_source_of_the_other_family_never_becomes_any_source, bug=replaced(_granted, any_source)
    ),
    "MD8": Twin(
        check=test_md8_what_one_switch_alone_sees_takes_no_member_away, bug=replaced(parent_claims, no_claims)
    ),
    "MD9": Twin(check=test_md9_a_peer_that_comes_and_goes_changes_nothing, bug=replaced(parent_claims, no_claims)),
    "MD10": Twin(check=test_md10_a_sled_that_was_plugged_elsewhere_is_followed, bug=replaced(ddm_claims, no_claims)),
    "MD11": Twin(check=test_md11_one_port_for_two_sleds_is_nobodys, bug=replaced(parent_claims, no_claims)),
    "MD12": Twin(
        check=test_md12_a_ddmd_that_has_just_started_empties_no_group, bug=replaced(parent_claims, no_claims)
    ),
}


@pytest.mark.parametrize("row", TWINS)
def test_twin(row: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one decision made wrongly the row's own test fails."""
    must_fail(TWINS[row], request, monkeypatch)
