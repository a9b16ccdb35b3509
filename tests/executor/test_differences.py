"""What is found to differ, for one object at a time."""

from collections.abc import Iterable
from typing import Any

import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, Direction, FilterMode
from blueprints.observation import Observation, SeenForwarding, SeenHop, SeenM2p, SeenMember, SeenRoute, Silence
from blueprints.snapshot import MemberPorts, Policy
from executor.changes import Change, Kind
from executor.changeset import Difference
from executor.differences import differences
from executor.observe import merged
from executor.targets import Target
from tests.executor.builders import (
    SILENT_SLED,
    SILENT_SWITCH,
    SWITCH0,
    SWITCH1,
    G,
    blueprint,
    empty_rack,
    group_id,
    group_ip,
    hop_address,
    observation_of,
    port,
    seen_members,
    sled_id,
    source,
    underlay_ip,
    with_sled,
    with_switch,
)

PLAN = blueprint(G(number=1, sleds=(0, 1)), G(number=2, sleds=(1,), sources=(5, 6)))
EQUAL = observation_of(PLAN)


def kinds(difference: Difference) -> list[tuple[Kind, str]]:
    """Return kind and target of every change that was read."""
    return [(change.kind, str(change.target)) for change in difference.changes]


def on_switch0(table: str, change: dict[str, Any], index: int = 0) -> Observation:
    """Return the equal rack with one row of one table of switch0 changed."""
    rows = list(getattr(EQUAL.switches[SWITCH0], table))
    rows[index] = evolve(rows[index], **change)
    return with_switch(EQUAL, SWITCH0, **{table: rows})


def only_change(plan: Blueprint, observation: Observation) -> Change:
    """Return the one change that is found, and fail if there are others."""
    (change,) = differences(plan, observation).changes
    return change


def test_a_rack_that_equals_its_blueprint_differs_in_nothing() -> None:
    """Nothing differs, nothing is foreign, and what cannot be read is repeated."""
    difference = differences(PLAN, EQUAL)
    assert (tuple(difference.changes), difference.conflicts, difference.foreign, difference.unknown) == (
        (),
        (),
        (),
        (),
    )
    assert {change.kind for change in difference.asserts} == {Kind.M2P_ASSERT, Kind.JOIN}


def test_an_empty_rack_gains_every_table() -> None:
    """Each table of each target is filled, and nothing is removed."""
    found = {change.kind for change in differences(PLAN, empty_rack(PLAN)).changes}
    assert found == {
        Kind.UNDERLAY_CREATE,
        Kind.EXTERNAL_CREATE,
        Kind.FORWARDING_SET,
        Kind.M2P_SET,
        Kind.ROUTE_PUT,
    }


@pytest.mark.parametrize(
    ("table", "change", "kind"),
    [
        ("external_groups", {"inner_mac": "33:33:00:00:00:01"}, Kind.EXTERNAL_UPDATE),
        ("external_groups", {"vni": 78}, Kind.EXTERNAL_UPDATE),
        ("external_groups", {"vlan_id": 5}, Kind.EXTERNAL_UPDATE),
        ("external_groups", {"sources": [source(1)]}, Kind.REFILTER_LIVE),
        ("external_groups", {"internal_ip": None}, Kind.EXTERNAL_UPDATE),
        ("external_groups", {"internal_ip": underlay_ip(1, 9)}, Kind.EXTERNAL_UPDATE),
        ("underlay_groups", {"members": seen_members([port(0)])}, Kind.MEMBERS_ADD),
        ("underlay_groups", {"members": seen_members([port(0), port(1), port(2)])}, Kind.MEMBERS_REMOVE),
        ("mrib_routes", {"underlay_group": underlay_ip(1, 9)}, Kind.ROUTE_PUT),
    ],
    ids=str,
)
def test_every_field_that_is_ours_is_compared(table: str, change: dict[str, Any], kind: Kind) -> None:
    """A switch row that differs in one field is found, and nothing else is."""
    assert only_change(PLAN, on_switch0(table, change)).kind is kind


@pytest.mark.parametrize(
    ("sled", "tables", "kind"),
    [
        (1, {"m2p": [SeenM2p(group=group_ip(2), underlay=underlay_ip(2, 9))]}, Kind.EXTERNAL_RETARGET),
        (1, {"m2p": None}, Kind.EXTERNAL_RETARGET),
        (0, {"m2p": None}, Kind.EXTERNAL_UPDATE),
        (1, {"m2p": []}, Kind.EXTERNAL_UPDATE),
    ],
    ids=["listens elsewhere", "may listen elsewhere", "silent, and nobody hears it there", "hears nothing"],
)
def test_an_entry_that_leads_astray_is_led_back_unless_somebody_may_hear_it_there(
    sled: int, tables: dict[str, Any], kind: Kind
) -> None:
    """A move costs packets and is asked about; what nobody hears where it leads is lost to nobody."""
    astray = on_switch0("external_groups", {"internal_ip": underlay_ip(2, 9)}, index=1)
    observation = with_sled(astray, sled, **tables)
    entries = [change for change in differences(PLAN, observation).changes if change.subject == group_ip(2)]
    assert [change.kind for change in entries if str(change.target) == "switch0 dpd"] == [kind]


def test_any_source_is_not_an_empty_list_and_order_of_sources_is_nothing() -> None:
    """A filtered group that a switch lets everybody into differs; a list in another order does not."""
    opened = on_switch0("external_groups", {"sources": None}, index=1)
    turned = on_switch0("external_groups", {"sources": [source(6), source(5)]}, index=1)
    assert only_change(PLAN, opened).kind is Kind.REFILTER_LIVE
    assert differences(PLAN, turned).changes == ()


def test_another_of_our_tags_is_rebuilt_from_the_outside_in() -> None:
    """The external group goes first, then the underlay group, and both are made again."""
    other = f"{group_id(77)}:{group_ip(1)}"
    observation = on_switch0("underlay_groups", {"tag": other})
    assert kinds(differences(PLAN, observation)) == [
        (Kind.REBUILD_EXTERNAL, "switch0 dpd"),
        (Kind.REBUILD_UNDERLAY, "switch0 dpd"),
        (Kind.UNDERLAY_CREATE, "switch0 dpd"),
        (Kind.EXTERNAL_CREATE, "switch0 dpd"),
    ]


@pytest.mark.parametrize("table", ["underlay_groups", "external_groups"])
def test_a_foreign_object_in_our_way_blocks_its_group_on_that_switch_alone(table: str) -> None:
    """Nothing of the group is sent to either daemon of the switch; the other group and switch go on."""
    rows = list(getattr(EQUAL.switches[SWITCH0], table))
    foreign = with_switch(empty_rack(PLAN), SWITCH0, **{table: [evolve(rows[0], tag="backup")]})
    difference = differences(PLAN, foreign)
    (conflict,) = difference.conflicts
    assert (str(conflict.target), conflict.group) == ("switch0 dpd", group_ip(1))
    blocked = [c for c in difference.changes if c.target.place == SWITCH0 and group_ip(1) in c.groups]
    others = {(c.target.place, g) for c in difference.changes for g in c.groups}
    assert blocked == []
    assert {(SWITCH0, group_ip(2)), (SWITCH1, group_ip(1))} <= others


def test_leftovers_of_ours_are_removed_and_those_of_others_are_listed() -> None:
    """Canonical tags and mappings prove that an object is ours; anything else is counted and left."""
    before = observation_of(blueprint(G(number=1), G(number=3)))
    plan = blueprint(G(number=1))
    stranger = SeenRoute(group=group_ip(8), source=None, vni=77, underlay_group=Address.parse("ff04::bad"))
    routes = [*(before.switches[SWITCH0].mrib_routes or ()), stranger]
    difference = differences(plan, with_switch(before, SWITCH0, mrib_routes=routes))
    assert {kind for kind, _ in kinds(difference)} == {
        Kind.ROUTE_WITHDRAW,
        Kind.FORWARDING_CLEAR,
        Kind.M2P_CLEAR,
        Kind.EXTERNAL_DELETE,
        Kind.UNDERLAY_DELETE,
    }
    assert [thing.what for thing in difference.foreign] == ["route (*, 233.252.0.8), VNI 77, to ff04::bad"]


def test_a_mapping_without_tag_is_ours_only_if_a_salt_explains_it() -> None:
    """A pair that no salt explains is foreign; where ours should stand it blocks the group on that sled."""
    strange = [SeenM2p(group=group_ip(1), underlay=Address.parse("ff04::bad"))]
    difference = differences(PLAN, with_sled(EQUAL, 0, m2p=strange))
    assert [conflict.group for conflict in difference.conflicts] == [group_ip(1)]
    assert all(group_ip(1) not in c.groups for c in difference.changes)


def test_a_route_of_another_network_is_nobody_we_know() -> None:
    """The VNI is part of a route's identity: another one's route is neither ours nor in our way."""
    other = SeenRoute(group=group_ip(1), source=None, vni=5, underlay_group=underlay_ip(1))
    rows = [*(EQUAL.switches[SWITCH0].mrib_routes or ()), other]
    difference = differences(PLAN, with_switch(EQUAL, SWITCH0, mrib_routes=rows))
    assert (tuple(difference.changes), len(difference.foreign)) == ((), 1)


def test_forwarding_is_ours_if_anything_of_ours_names_its_underlay_group() -> None:
    """An entry is cleared on one sled on the strength of a tag that a switch shows."""
    plan = blueprint(G(number=1))
    before = observation_of(blueprint(G(number=1), G(number=3)))
    entry = [row for row in before.sleds[sled_id(0)].forwarding or () if row.underlay == underlay_ip(3)]
    rack = with_sled(
        observation_of(plan), 0, forwarding=[*(observation_of(plan).sleds[sled_id(0)].forwarding or ()), *entry]
    )
    assert [thing.what for thing in differences(plan, rack).foreign] == [f"forwarding of {underlay_ip(3)}"]
    underlays = before.switches[SWITCH1].underlay_groups
    named = differences(plan, with_switch(rack, SWITCH1, underlay_groups=underlays))
    assert Kind.FORWARDING_CLEAR in {change.kind for change in named.changes}


# --- what is unknown, held or somebody else's -----------------------------------------------------------------------


def test_a_silent_target_is_owed_and_nothing_is_derived_about_it() -> None:
    """A target without an answer appears with its reason, and in no change."""
    silence = Silence(target="switch1 dpd", reason="no answer within 15 s")
    rack = evolve(
        empty_rack(PLAN),
        switches={SWITCH0: empty_rack(PLAN).switches[SWITCH0], SWITCH1: SILENT_SWITCH},
        sleds={sled_id(0): SILENT_SLED},
        silent=[silence],
    )
    difference = differences(PLAN, rack)
    assert silence in difference.unknown
    assert {s.target for s in difference.unknown} == {
        "switch1 dpd",
        "switch1 mgd",
        str(Target.sled(sled_id(0))),
        str(Target.sled(sled_id(1))),
    }
    told = {str(change.target) for change in (*difference.changes, *difference.asserts)}
    assert told == {"switch0 dpd", "switch0 mgd"}


def test_an_incomplete_list_of_members_only_gains() -> None:
    """Ports that the blueprint does not know stay, and those it knows are added to them."""
    plan = blueprint(G(number=1, sleds=(0, 1), complete=False))
    rack = with_switch(
        observation_of(plan),
        SWITCH0,
        underlay_groups=[
            evolve(row, members=seen_members([port(1), port(9)]))
            for row in observation_of(plan).switches[SWITCH0].underlay_groups or ()
        ],
    )
    change = only_change(plan, rack)
    assert change.kind is Kind.MEMBERS_ADD
    assert list(change.row.members) == [port(0), port(1), port(9)]


def test_adding_and_removing_members_never_share_a_request() -> None:
    """A swap is a superset first and the wanted list second."""
    add, remove = differences(
        PLAN, on_switch0("underlay_groups", {"members": seen_members([port(0), port(7)])})
    ).changes
    assert (add.kind, list(add.row.members)) == (Kind.MEMBERS_ADD, [port(0), port(1), port(7)])
    assert (remove.kind, list(remove.row.members)) == (Kind.MEMBERS_REMOVE, [port(0), port(1)])


def test_derived_members_are_never_written() -> None:
    """Groups are created empty, and members that differ are counted as somebody else's."""
    plan = evolve(PLAN, policy=Policy(member_ports=MemberPorts.DERIVED))
    created = [c for c in differences(plan, empty_rack(plan)).changes if c.kind is Kind.UNDERLAY_CREATE]
    assert all(change.row.members == () for change in created)
    drained = differences(plan, on_switch0("underlay_groups", {"members": ()}))
    assert drained.changes == ()
    assert [each.group for each in drained.members_elsewhere] == [group_ip(1)]


def test_nothing_of_a_held_group_is_touched() -> None:
    """Its switch objects, routes, mappings and forwarding are listed as held and stay."""
    rack = observation_of(blueprint(G(number=1), G(number=9)))
    plan = blueprint(G(number=1), held=[9])
    difference = differences(plan, rack)
    assert difference.changes == ()
    assert len(difference.held) == 2 * 3 + 2 * 2


def test_an_entry_that_nobody_asks_anything_of_is_kept_and_never_made() -> None:
    """An empty source list keeps an external group as it is and creates none."""
    plan = blueprint(G(number=2, sleds=(), sources=()))
    with_entry = observation_of(blueprint(G(number=2, sleds=(), sources=(5,))))
    assert differences(plan, with_entry).changes == ()
    assert {kind for kind, _ in kinds(differences(plan, empty_rack(plan)))} == {Kind.UNDERLAY_CREATE}


def test_a_rack_with_multicast_disabled_has_no_targets() -> None:
    """Nothing differs, nothing is owed and nothing is removed."""
    plan = evolve(blueprint(), policy=Policy(multicast_enabled=False))
    difference = differences(plan, EQUAL)
    assert (tuple(difference.changes), tuple(difference.asserts), difference.unknown) == ((), (), ())


def test_only_targets_of_the_blueprint_are_compared() -> None:
    """A sled and a switch that the blueprint does not name are left alone, whatever they hold."""
    plan = blueprint(G(number=1), sleds=[0], slots=[SWITCH0])
    difference = differences(plan, observation_of(blueprint(G(number=1), G(number=3))))
    places = {change.target.place for change in (*difference.changes, *difference.asserts)}
    assert places == {SWITCH0, str(sled_id(0))}


# --- forwarding -----------------------------------------------------------------------------------------------------


def hops(*slots: tuple[int, FilterMode]) -> list[SeenForwarding]:
    """Return the forwarding of group 1 through these switches."""
    return [
        SeenForwarding(
            underlay=underlay_ip(1),
            next_hops=[
                SeenHop(next_hop=hop_address([SWITCH0, SWITCH1][n]), replication="underlay", mode=mode, sources=())
                for n, mode in slots
            ],
        )
    ]


LIVE, INERT = FilterMode.EXCLUDE, FilterMode.INCLUDE


@pytest.mark.parametrize(
    ("seen", "kind", "sent"),
    [
        ([(0, LIVE)], None, []),
        ([(0, LIVE), (1, INERT)], None, []),
        ([(1, LIVE)], Kind.HOP_CHANGE, [(0, LIVE), (1, INERT)]),
        ([(0, LIVE), (1, LIVE)], Kind.HOP_CHANGE, [(0, LIVE), (1, INERT)]),
        ([(0, INERT)], Kind.FORWARDING_SET, [(0, LIVE)]),
        ([(1, INERT)], Kind.FORWARDING_SET, [(0, LIVE)]),
        ([], Kind.FORWARDING_SET, [(0, LIVE)]),
    ],
    ids=["same", "inert", "other", "extra", "switched off", "another switched off", "empty"],
)
def test_a_hop_changes_in_one_request(
    seen: list[tuple[int, FilterMode]], kind: Kind | None, sent: list[tuple[int, FilterMode]]
) -> None:
    """The new hop is switched on by the request that switches the old one off, and inert hops count as absent."""
    plan = blueprint(G(number=1), sleds=[0])
    changes = differences(plan, with_sled(observation_of(plan), 0, forwarding=hops(*seen))).changes
    assert [change.kind for change in changes] == ([] if kind is None else [kind])
    assert [change.row.next_hops for change in changes] == [entry.next_hops for entry in hops(*sent) if kind]


def test_members_of_the_other_direction_are_members_too() -> None:
    """The list of our own group is compared whole."""
    outside = SeenMember(port_id=port(0).port_id, link_id=0, direction=Direction.EXTERNAL)
    members = [*seen_members([port(0), port(1)]), outside]
    assert only_change(PLAN, on_switch0("underlay_groups", {"members": members})).kind is Kind.MEMBERS_REMOVE


# --- moves ----------------------------------------------------------------------------------------------------------


def moved(sleds: Iterable[int]) -> Observation:
    """Return the equal rack, with group 1 mapped to its address under salt 9 on these sleds."""
    rack = EQUAL
    for number in sleds:
        pairs = [
            evolve(p, underlay=underlay_ip(1, 9)) if p.group == group_ip(1) else p
            for p in rack.sleds[sled_id(number)].m2p or ()
        ]
        rack = with_sled(rack, number, m2p=pairs)
    return rack


def test_a_mapping_that_leads_elsewhere_is_a_move_with_leaves_before_it() -> None:
    """Every subscription of the sled leaves under the old mapping and joins under the new one."""
    difference = differences(PLAN, moved([0]))
    found = [
        c.kind
        for c in (*difference.changes, *difference.asserts)
        if str(sled_id(0)) == c.target.place and group_ip(1) in c.groups
    ]
    assert found == [Kind.M2P_MOVE, Kind.MOVE_LEAVE, Kind.JOIN]
    assert difference.settled == {group_ip(1)}


def test_forwarding_of_an_address_that_is_handed_over_serves_its_new_group() -> None:
    """What waits for the new group must not hold up the removal of the former, which it waits for."""
    former, new = blueprint(G(number=1)), blueprint(G(number=2, salt=3, hop=SWITCH1))
    assert underlay_ip(2, 3) == underlay_ip(1)
    found = [c for c in differences(new, observation_of(former)).changes if c.kind is Kind.HOP_CHANGE]
    assert {change.subject for change in found} == {underlay_ip(1)}
    assert {change.groups for change in found} == {(group_ip(2),)}


@pytest.mark.parametrize("stands", [True, False])
def test_a_mapping_that_leads_where_no_switch_has_a_group_is_brought_back_without_a_loss(stands: bool) -> None:
    """While a switch has a group at that address, ports may hear it there: then the mapping moves with consent."""
    mapped = [
        SeenM2p(group=group_ip(1), underlay=underlay_ip(1, 9)),
        SeenM2p(group=group_ip(2), underlay=underlay_ip(2)),
    ]
    observation = with_sled(EQUAL, 0, m2p=mapped)
    if stands:
        rows = EQUAL.switches[SWITCH1].underlay_groups or ()
        former = evolve(rows[0], group_ip=underlay_ip(1, 9))
        observation = with_switch(observation, SWITCH1, underlay_groups=[*rows, former])
    moves = [c for c in differences(PLAN, observation).everything if c.kind in (Kind.M2P_MOVE, Kind.MOVE_LEAVE)]
    assert [c.lossless for c in moves] == [not stands] * 2


LEAVING = blueprint(G(number=1), departures=[(0, 3)])
"""A port of the first sled has to leave a group that is nowhere any more."""


@pytest.mark.parametrize(
    ("forwarding", "mapped", "found"),
    [
        ([underlay_ip(3)], [], [Kind.M2P_SET, Kind.FORWARDING_CLEAR, Kind.M2P_CLEAR]),
        ([underlay_ip(3)], [3], [Kind.FORWARDING_CLEAR, Kind.M2P_CLEAR]),
        ([], [], []),
    ],
    ids=["lost", "there", "both cleared"],
)
def test_a_leave_gets_the_mapping_that_it_needs(
    forwarding: list[Address], mapped: list[int], found: list[Kind]
) -> None:
    """Only where forwarding says that ports may not have left: our own order clears that first."""
    seen = observation_of(LEAVING)
    entries = [
        *(seen.sleds[sled_id(0)].forwarding or ()),
        *(SeenForwarding(underlay=underlay, next_hops=()) for underlay in forwarding),
    ]
    pairs = [
        *(seen.sleds[sled_id(0)].m2p or ()),
        *(SeenM2p(group=group_ip(number), underlay=underlay_ip(number)) for number in mapped),
    ]
    witness = [
        SeenM2p(group=group_ip(1), underlay=underlay_ip(1)),
        SeenM2p(group=group_ip(3), underlay=underlay_ip(3)),
    ]
    observation = with_sled(with_sled(seen, 0, forwarding=entries, m2p=pairs), 1, m2p=witness)
    difference = differences(LEAVING, observation)
    assert [c.kind for c in difference.changes if c.target == Target.sled(sled_id(0))] == found


def test_no_mapping_is_set_for_a_leave_under_what_another_group_has_now() -> None:
    """Who sends to the former group would reach the members of the latter."""
    plan = blueprint(G(number=1, salt=2), departures=[(0, 3)])  # which is the address that the third group had
    assert underlay_ip(1, 2) == underlay_ip(3)
    witness = [SeenM2p(group=group_ip(number), underlay=underlay_ip(3)) for number in (1, 3)]
    seen = with_sled(observation_of(plan), 1, m2p=witness)
    assert [(c.kind, c.target) for c in differences(plan, seen).changes] == [
        (Kind.M2P_CLEAR, Target.sled(sled_id(1)))
    ]


def test_what_a_daemon_says_later_replaces_its_silence_and_that_of_nobody_else() -> None:
    """A run that reads again some of its targets knows of the others what it knew before."""
    silent = Observation(
        switches={**EQUAL.switches, SWITCH0: SILENT_SWITCH, SWITCH1: SILENT_SWITCH},
        sleds=EQUAL.sleds,
        silent=[Silence(target=str(Target.dpd(slot)), reason="no") for slot in (SWITCH0, SWITCH1)],
    )
    known = merged(silent, EQUAL, [Target.dpd(SWITCH0)])
    assert [silence.target for silence in known.silent] == ["switch1 dpd"]
    assert known.switches[SWITCH0].underlay_groups == EQUAL.switches[SWITCH0].underlay_groups
    assert known.switches[SWITCH0].mrib_routes is None
    assert known.switches[SWITCH1] == SILENT_SWITCH
