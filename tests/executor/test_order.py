"""The schedule, and what a gate keeps from being sent."""

from typing import Any

import networkx
import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.observation import Observation, SeenM2p
from executor.actions import FORMS, Scope, Tier
from executor.changes import Change, Kind
from executor.changeset import Difference
from executor.differences import differences
from executor.gates import Ledger, split_by_consent
from executor.order import BARRIERS, DAEMONS, schedule
from executor.rehearsal import rehearse
from executor.targets import Daemon, Target, targets_of
from tests.executor.builders import (
    SILENT_SWITCH,
    SWITCH0,
    SWITCH1,
    G,
    blueprint,
    empty_rack,
    group_ip,
    observation_of,
    sled_id,
    underlay_ip,
    with_sled,
    with_switch,
)

TARGETS = targets_of(blueprint(G(number=1)))
EVERYTHING = {(tier, target) for tier, daemon in DAEMONS.items() for target in TARGETS if target.daemon is daemon}


def stages(rebuilding: bool = False) -> list[list[str]]:
    """Return the tiers of each stage when everything has work."""
    work = {
        node for node in EVERYTHING if rebuilding or node[0] not in (Tier.REBUILD_EXTERNAL, Tier.REBUILD_UNDERLAY)
    }
    plan = schedule(TARGETS, work)
    return [sorted({tier.name for tier, _ in stage}) for stage in (*plan.widening, *plan.narrowing)]


def test_the_tiers_come_in_the_order_that_was_searched() -> None:
    """Switches widen one after the other, then filters that sleds send through, sleds, routes; then it narrows."""
    assert stages() == [
        ["UNDERLAY"],
        ["EXTERNAL"],
        ["EXTERNAL"],
        ["DRAIN"],
        ["REFILTER"],
        ["FORWARDING"],
        ["MOVE_LEAVE"],
        ["M2P"],
        ["JOIN"],
        ["ROUTES"],
        ["WITHDRAW"],
        ["LEAVE"],
        ["FORWARDING_CLEAR"],
        ["M2P_CLEAR"],
        ["EXTERNAL_DELETE"],
        ["NARROW"],
    ]


def test_a_rebuild_is_finished_on_one_switch_before_the_next_begins() -> None:
    """The other switch keeps forwarding meanwhile."""
    plan = schedule(TARGETS, EVERYTHING)
    made = [node for stage in plan.widening for node in stage if node[0] <= Tier.EXTERNAL]
    order = [target.place for _, target in made if target.daemon is Daemon.DPD]
    assert order == sorted(order)


def test_nothing_widens_after_the_read_back() -> None:
    """The schedule is cut where widening ends."""
    plan = schedule(TARGETS, EVERYTHING)
    assert all(not tier.narrows for stage in plan.widening for tier, _ in stage)
    assert all(tier.narrows for stage in plan.narrowing for tier, _ in stage)


def test_barriers_never_contradict_each_other() -> None:
    """Tiers and barriers have an order, and every tier has its place in it."""
    graph: networkx.DiGraph[Tier] = networkx.DiGraph([(earlier, later) for earlier, later, _ in BARRIERS])
    assert list(networkx.lexicographical_topological_sort(graph)) == list(Tier)


@pytest.mark.parametrize("first", [Tier.EXTERNAL, Tier.REBUILD_EXTERNAL])
def test_stages_are_the_generations_of_the_graph(first: Tier) -> None:
    """networkx, asked about the graph that the barriers describe, finds the same stages."""
    graph: networkx.DiGraph[Any] = networkx.DiGraph()
    for tier, target in EVERYTHING:
        graph.add_edge((tier, target), (tier, None))
    for earlier, later, everywhere in BARRIERS:
        graph.add_edge((earlier, None), (later, None))
        for target in TARGETS:
            if target.daemon is DAEMONS[later]:
                graph.add_edge((earlier, None if everywhere else target), (later, target))
    graph.add_edge((Tier.EXTERNAL, DPD0), (first, DPD1))
    work = {node for node in EVERYTHING if node[0] >= Tier.UNDERLAY or first is Tier.REBUILD_EXTERNAL}
    generations = [{*generation} & work for generation in networkx.topological_generations(graph)]
    plan = schedule(TARGETS, work)
    assert [{*stage} for stage in (*plan.widening, *plan.narrowing)] == [found for found in generations if found]


def test_gates_look_back_only() -> None:
    """A kind waits for kinds that are sent before it, never for itself or for later ones."""
    for kind, form in FORMS.items():
        for gate in form.gates:
            earlier = {FORMS[other].tier for other in gate.kinds}
            assert all(tier < form.tier for tier in earlier), kind
            if gate.scope is Scope.TARGET:
                assert {DAEMONS[tier] for tier in earlier} == {DAEMONS[form.tier]}, kind


# --- gates ----------------------------------------------------------------------------------------------------------


def change(kind: Kind, target: Target, number: int = 1, via: str = "") -> Change:
    """Return a change of a group, without a row."""

    class Row:
        sort_key = ()

    return Change(kind=kind, target=target, groups=[group_ip(number)], subject=group_ip(number), row=Row(), via=via)


DPD0, DPD1 = Target.dpd(SWITCH0), Target.dpd(SWITCH1)
MGD0, MGD1 = Target.mgd(SWITCH0), Target.mgd(SWITCH1)
SLED0, SLED1 = Target.sled(sled_id(0)), Target.sled(sled_id(1))

CLOSING = [
    (Kind.REBUILD_UNDERLAY, DPD0, Kind.REBUILD_EXTERNAL, DPD0, True),
    (Kind.UNDERLAY_CREATE, DPD0, Kind.REBUILD_UNDERLAY, DPD0, True),
    (Kind.EXTERNAL_UPDATE, DPD0, Kind.UNDERLAY_CREATE, DPD0, True),
    (Kind.EXTERNAL_RETARGET, DPD0, Kind.MEMBERS_ADD, DPD0, True),
    (Kind.EXTERNAL_RETARGET, DPD0, Kind.MEMBERS_ADD, DPD1, False),
    (Kind.REFILTER_LIVE, DPD0, Kind.UNDERLAY_CREATE, DPD0, True),
    (Kind.REFILTER_DRAINED, DPD0, Kind.UNDERLAY_CREATE, DPD0, True),
    (Kind.REFILTER_DRAINED, DPD0, Kind.DRAIN, SLED1, True),
    (Kind.MOVE_LEAVE, SLED0, Kind.MEMBERS_ADD, DPD1, True),
    (Kind.M2P_MOVE, SLED0, Kind.MOVE_LEAVE, SLED0, True),
    (Kind.M2P_MOVE, SLED0, Kind.FORWARDING_SET, SLED0, True),
    (Kind.M2P_MOVE, SLED0, Kind.MOVE_LEAVE, SLED1, False),
    (Kind.M2P_MOVE, SLED0, Kind.UNDERLAY_CREATE, DPD1, True),
    (Kind.FORWARDING_CLEAR, SLED0, Kind.M2P_MOVE, SLED0, True),
    (Kind.FORWARDING_CLEAR, SLED0, Kind.M2P_SET, SLED0, True),
    (Kind.EXTERNAL_DELETE, DPD0, Kind.HOP_CHANGE, SLED1, True),
    (Kind.EXTERNAL_DELETE, DPD0, Kind.ROUTE_PUT, MGD1, True),
    (Kind.EXTERNAL_DELETE, DPD0, Kind.ROUTE_WITHDRAW, MGD1, False),
    (Kind.UNDERLAY_DELETE, DPD0, Kind.EXTERNAL_RETARGET, DPD0, True),
    (Kind.UNDERLAY_DELETE, DPD0, Kind.M2P_MOVE, SLED1, True),
    (Kind.EXTERNAL_CREATE, DPD0, Kind.UNDERLAY_CREATE, DPD0, True),
    (Kind.EXTERNAL_CREATE, DPD0, Kind.UNDERLAY_CREATE, DPD1, False),
    (Kind.JOIN, SLED0, Kind.M2P_SET, SLED0, True),
    (Kind.JOIN, SLED0, Kind.M2P_ASSERT, SLED0, True),
    (Kind.JOIN, SLED0, Kind.M2P_SET, SLED1, False),
    (Kind.ROUTE_PUT, MGD0, Kind.EXTERNAL_CREATE, DPD0, True),
    (Kind.ROUTE_PUT, MGD0, Kind.EXTERNAL_CREATE, DPD1, False),
    (Kind.ROUTE_WITHDRAW, MGD0, Kind.ROUTE_PUT, MGD0, True),
    (Kind.LEAVE, SLED0, Kind.M2P_SET, SLED0, True),
    (Kind.M2P_CLEAR, SLED0, Kind.LEAVE, SLED0, True),
    (Kind.M2P_CLEAR, SLED0, Kind.FORWARDING_CLEAR, SLED0, True),
    (Kind.M2P_CLEAR, SLED0, Kind.LEAVE, SLED1, False),
    (Kind.EXTERNAL_DELETE, DPD0, Kind.ROUTE_WITHDRAW, MGD0, True),
    (Kind.MEMBERS_REMOVE, DPD0, Kind.MEMBERS_ADD, DPD0, True),
    (Kind.MEMBERS_REMOVE, DPD0, Kind.MEMBERS_ADD, DPD1, False),
    (Kind.UNDERLAY_DELETE, DPD0, Kind.EXTERNAL_DELETE, DPD0, True),
    (Kind.UNDERLAY_DELETE, DPD0, Kind.EXTERNAL_DELETE, DPD1, False),
]


@pytest.mark.parametrize(("kind", "target", "failed", "there", "closed"), CLOSING, ids=str)
def test_a_failure_closes_the_gates_that_name_it(
    kind: Kind, target: Target, failed: Kind, there: Target, closed: bool
) -> None:
    """Only where it matters, and only for the same group."""
    ledger = Ledger()
    ledger.trouble([change(failed, there)])
    assert (ledger.closed(change(kind, target)) is not None) is closed
    assert ledger.closed(change(kind, target, number=2)) is None


def test_every_kind_that_waits_is_tried() -> None:
    """A gate that is taken out of the table closes nothing above."""
    assert {kind for kind, *_, closed in CLOSING if closed} == {kind for kind, form in FORMS.items() if form.gates}


def test_a_hop_waits_for_its_switch() -> None:
    """A sled is not sent to a switch that failed to take the group, is silent, or has somebody else's there."""
    hop = change(Kind.HOP_CHANGE, SLED0, via="switch1")
    troubled, unknown, blocked = Ledger(), Ledger(), Ledger()
    troubled.trouble([change(Kind.EXTERNAL_CREATE, DPD1)])
    unknown.unknown.add(str(DPD1))
    blocked.blocked.add((group_ip(1), "switch1"))
    assert Ledger().closed(hop) is None
    assert all(ledger.closed(hop) for ledger in (troubled, unknown, blocked))


def test_routes_that_nobody_could_read_keep_their_group_on_the_switch() -> None:
    """While mgd is silent it may still announce the group: the external group stays, and the underlay group too."""
    plan = blueprint(G(number=1))
    before = with_switch(observation_of(blueprint(G(number=1), G(number=2))), SWITCH0, mrib_routes=None)
    calls = rehearse(differences(plan, before), targets_of(plan)).calls
    deletions = {str(call.target) for call in calls if call.kind in (Kind.EXTERNAL_DELETE, Kind.UNDERLAY_DELETE)}
    assert deletions == {"switch1 dpd"}


def test_a_hop_stays_while_the_new_switch_is_silent_and_is_set_where_there_is_none() -> None:
    """Traffic that flows keeps flowing; a sled without any hop gets one."""
    plan = blueprint(G(number=1, hop=SWITCH1))
    seen = observation_of(blueprint(G(number=1, hop=SWITCH0)))
    silent = with_switch(seen, SWITCH1, underlay_groups=None, external_groups=None)
    kinds = {call.kind for call in rehearse(differences(plan, silent), targets_of(plan)).calls}
    assert Kind.HOP_CHANGE not in kinds
    bare = empty_rack(plan)
    bare = with_switch(bare, SWITCH1, underlay_groups=None, external_groups=None)
    assert Kind.FORWARDING_SET in {c.kind for c in rehearse(differences(plan, bare), targets_of(plan)).calls}
    assert SILENT_SWITCH.mrib_routes is None


def test_consent_for_one_place_does_not_stop_the_others() -> None:
    """A stale mapping on one sled holds its group there and its removals everywhere, and nothing else."""
    plan = blueprint(G(number=1, sleds=(0, 1)))
    move = change(Kind.M2P_MOVE, SLED0)
    elsewhere = change(Kind.M2P_SET, SLED1)
    removal = change(Kind.MEMBERS_REMOVE, DPD0)
    there = change(Kind.JOIN, SLED0)
    other = change(Kind.MEMBERS_REMOVE, DPD0, number=2)
    difference = _difference([move, elsewhere, removal, other], [there], settled=True)
    sendable, waiting = split_by_consent(difference, allow_loss=False)
    assert (set(map(id, sendable)), set(map(id, waiting))) == (
        {id(elsewhere), id(other)},
        {id(move), id(removal), id(there)},
    )
    unsettled = _difference([move, elsewhere, removal, other], [there], settled=False)
    assert split_by_consent(unsettled, allow_loss=False)[0] == (other,)
    assert split_by_consent(unsettled, allow_loss=True)[1] == (move, elsewhere, removal, there)
    assert split_by_consent(unsettled, allow_loss=False, moves=[group_ip(1)])[1] == ()
    assert plan.groups


def _difference(changes: list[Any], asserts: list[Any], *, settled: bool) -> Difference:
    return Difference(
        changes=tuple(changes),
        asserts=tuple(asserts),
        unknown=(),
        conflicts=(),
        foreign=(),
        held=(),
        members_elsewhere=(),
        settled=frozenset([group_ip(1)] if settled else []),
    )


def entry_changes_switches() -> tuple[Blueprint, Observation]:
    """Return a plan whose one entry from outside stands on switch1, and a rack that has it on switch0."""
    plan = blueprint(G(number=1))
    tables = plan.switches[SWITCH0]
    elected = evolve(plan, switches={SWITCH0: evolve(tables, external_groups=()), SWITCH1: tables})
    return elected, with_switch(observation_of(plan), SWITCH1, external_groups=())


def test_an_entry_that_changes_switches_is_made_before_it_is_deleted() -> None:
    """Where one switch alone carries a group from outside, the old entry waits for the new one to stand."""
    elected, seen = entry_changes_switches()
    calls = rehearse(differences(elected, seen), targets_of(elected)).calls
    assert [(c.kind, c.target.place) for c in calls if c.target.daemon is Daemon.DPD] == [
        (Kind.EXTERNAL_CREATE, "switch1"),
        (Kind.EXTERNAL_DELETE, "switch0"),
    ]
    silent = with_switch(seen, SWITCH1, underlay_groups=None, external_groups=None)
    held = rehearse(differences(elected, silent), targets_of(elected))
    assert [each.change.kind for each in held.held] == [Kind.EXTERNAL_DELETE]


def test_an_entry_that_changes_switches_stays_while_a_sled_is_silent() -> None:
    """A sled that nobody could turn may still send by the old switch, which drops what it has no entry for."""
    elected, seen = entry_changes_switches()
    held = rehearse(differences(elected, with_sled(seen, 1, forwarding=None)), targets_of(elected)).held
    assert [(each.change.kind, each.change.target) for each in held] == [(Kind.EXTERNAL_DELETE, DPD0)]
    assert str(SLED1) in held[0].because


def test_an_entry_that_ends_does_not_wait_for_a_silent_sled() -> None:
    """Of a group that goes nothing is lost: its entries go, whoever is silent."""
    plan = blueprint(G(number=1))
    seen = with_sled(observation_of(blueprint(G(number=1), G(number=2))), 1, forwarding=None)
    calls = rehearse(differences(plan, seen), targets_of(plan)).calls
    assert {c.target for c in calls if c.kind is Kind.EXTERNAL_DELETE} == {DPD0, DPD1}


def turns(plan: Blueprint, seen: Observation) -> dict[Kind, str]:
    """Return by kind what would be sent to sleds about their hops, and what is held back, with the reason."""
    plans = rehearse(differences(plan, seen), targets_of(plan))
    sent = {call.kind: "" for call in plans.calls}
    told = sent | {each.change.kind: each.because for each in plans.held}
    return {kind: told[kind] for kind in (Kind.HOP_CHANGE, Kind.FORWARDING_SET) if kind in told}


def without_ports(plan: Blueprint) -> Blueprint:
    """Return *plan* as it is where nobody knows a port."""
    rows = [evolve(row, members=(), complete=False) for row in plan.switches[SWITCH1].underlay_groups]
    return evolve(plan, switches={SWITCH1: evolve(plan.switches[SWITCH1], underlay_groups=rows)})


def test_no_sled_is_turned_to_a_switch_where_no_port_is_known() -> None:
    """One switch is missing from a collection, and what says where sleds are: by the other nobody would hear."""
    known = blueprint(G(number=1, hop=SWITCH1), slots=(SWITCH1,))
    plan = without_ports(known)
    before = observation_of(blueprint(G(number=1, hop=SWITCH0)))
    seen = with_switch(before, SWITCH1, underlay_groups=observation_of(plan).switches[SWITCH1].underlay_groups)
    assert "switch1" in turns(plan, seen)[Kind.HOP_CHANGE]
    # A port that the plan knows, or that the switch has, makes it worth while; so does a sled without any hop.
    assert turns(known, seen) == {Kind.HOP_CHANGE: ""}
    assert turns(plan, before) == {Kind.HOP_CHANGE: ""}
    assert turns(plan, empty_rack(plan)) == {Kind.FORWARDING_SET: ""}


def test_an_entry_stays_where_sleds_go_on_sending_for_want_of_a_known_port() -> None:
    """What is not turned away from a switch still needs its entry there."""
    known = blueprint(G(number=1, hop=SWITCH1))
    bare = without_ports(known).switches[SWITCH1]
    plan = evolve(known, switches={SWITCH0: evolve(known.switches[SWITCH0], external_groups=()), SWITCH1: bare})
    before = observation_of(blueprint(G(number=1, hop=SWITCH0)))
    seen = with_switch(before, SWITCH1, underlay_groups=observation_of(plan).switches[SWITCH1].underlay_groups)
    held = rehearse(differences(plan, seen), targets_of(plan)).held
    assert [each.change.kind for each in held] == [Kind.HOP_CHANGE, Kind.HOP_CHANGE, Kind.EXTERNAL_DELETE]


@pytest.mark.parametrize("hops", [1, 2])
def test_a_sled_that_cannot_be_turned_follows_a_move(hops: int) -> None:
    """Under the former address nobody would hear it; but not with two hops in use: what it sends would be doubled."""
    plan = without_ports(blueprint(G(number=1, hop=SWITCH1)))
    ports = with_switch(
        empty_rack(plan), SWITCH1, underlay_groups=observation_of(plan).switches[SWITCH1].underlay_groups
    )
    (entry,) = observation_of(blueprint(G(number=1, hop=SWITCH0))).sleds[sled_id(0)].forwarding or ()
    (other,) = observation_of(plan).sleds[sled_id(0)].forwarding or ()
    entry = evolve(entry, next_hops=[*entry.next_hops, *other.next_hops][:hops])
    former = SeenM2p(group=group_ip(1), underlay=underlay_ip(1, 9))
    seen = with_sled(ports, 0, m2p=[former], forwarding=[entry])
    moves = {group_ip(1)}
    rehearsed = rehearse(differences(plan, seen), targets_of(plan), moves=moves)
    moved = [call.target for call in rehearsed.calls if call.kind is Kind.M2P_MOVE]
    assert Kind.HOP_CHANGE in {each.change.kind for each in rehearsed.held}
    assert moved == ([SLED0] if hops == 1 else [])


def test_what_was_ours_when_the_run_began_is_ours_to_the_end() -> None:
    """Forwarding whose only witness was removed a moment ago is still cleared."""
    plan = blueprint(G(number=1))
    begin = observation_of(blueprint(G(number=1), G(number=2)))
    later = evolve(
        observation_of(plan),
        sleds={**observation_of(plan).sleds, sled_id(0): evolve(begin.sleds[sled_id(0)], m2p=())},
    )
    forgotten = differences(plan, later)
    remembered = differences(plan, later, earlier=begin)
    assert Kind.FORWARDING_CLEAR not in {change.kind for change in forgotten.changes}
    assert Kind.FORWARDING_CLEAR in {change.kind for change in remembered.changes}
