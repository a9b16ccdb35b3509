"""Structural rules: each is kept by every plan (see the laws of the planner) and broken by what it is there for."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from blueprints.addresses import ExternalGroup, UnderlayGroup, UnicastSource
from blueprints.blueprint import Blueprint, Departure, FormerGroup, HeldGroup
from blueprints.causes import Absence, AbsentGroup, DepartureCauses
from blueprints.checks import RULES, check
from blueprints.identifiers import MulticastMac, PortId, SwitchSlot, Tag
from blueprints.snapshot import ExternalEntry, GroupState
from planner.plan import plan
from tests.planner.case_files import CASES, id_of, read_snapshot

Damage = Callable[[Blueprint], Blueprint]


@pytest.fixture(scope="module")
def sound() -> Blueprint:
    """A blueprint that keeps every rule: one group, one receiver."""
    return plan(read_snapshot(CASES / "_settled.yaml"))


def on_switch(table: str, **changes: Any) -> Damage:
    """Return what changes the first row of a *table* of switch0."""

    def damage(blueprint: Blueprint) -> Blueprint:
        tables = blueprint.switches[SwitchSlot.SWITCH0]
        changed: dict[str, Any] = {table: [evolve(row, **changes) for row in getattr(tables, table)]}
        return evolve(blueprint, switches={**blueprint.switches, SwitchSlot.SWITCH0: evolve(tables, **changed)})

    return damage


def on_sled(**tables: Any) -> Damage:
    """Return what gives sled-a other *tables*."""

    def damage(blueprint: Blueprint) -> Blueprint:
        mine = evolve(blueprint.sleds[id_of("sled-a")], **tables)
        return evolve(blueprint, sleds={**blueprint.sleds, id_of("sled-a"): mine})

    return damage


def twice(blueprint: Blueprint) -> Blueprint:
    """Return *blueprint* with its group listed twice."""
    return evolve(blueprint, groups=(*blueprint.groups, evolve(blueprint.groups[0], id=id_of("group-2"))))


def _member_twice(blueprint: Blueprint) -> Blueprint:
    row = blueprint.switches[SwitchSlot.SWITCH0].underlay_groups[0]
    return on_switch("underlay_groups", members=(*row.members, *row.members))(blueprint)


def _member_elsewhere(blueprint: Blueprint) -> Blueprint:
    row = blueprint.switches[SwitchSlot.SWITCH0].underlay_groups[0]
    return on_switch("underlay_groups", members=[evolve(row.members[0], port_id=PortId("qsfp", 1))])(blueprint)


def _member_on_link(link: int) -> Damage:
    def damage(blueprint: Blueprint) -> Blueprint:
        row = blueprint.switches[SwitchSlot.SWITCH0].underlay_groups[0]
        return on_switch("underlay_groups", members=[evolve(row.members[0], link_id=link)])(blueprint)

    return damage


def _no_entry(slot: SwitchSlot) -> Damage:
    def damage(blueprint: Blueprint) -> Blueprint:
        bare = evolve(blueprint.switches[slot], external_groups=())
        return evolve(blueprint, switches={**blueprint.switches, slot: bare})

    return damage


def _elected(blueprint: Blueprint) -> Blueprint:
    return evolve(blueprint, policy=evolve(blueprint.policy, external_entry=ExternalEntry.ELECTED))


def _of_vni(vni: int) -> Damage:
    return lambda blueprint: evolve(blueprint, groups=[evolve(group, vni=vni) for group in blueprint.groups])


def _wrong_filter(blueprint: Blueprint) -> Blueprint:
    rows = blueprint.sleds[id_of("sled-a")].nic_filters
    wrong = MulticastMac.parse("33:33:00:00:00:01")
    return on_sled(nic_filters=tuple(evolve(row, mac=wrong) for row in rows))(blueprint)


def _two_hops(blueprint: Blueprint) -> Blueprint:
    (row,) = blueprint.sleds[id_of("sled-a")].forwarding
    return on_sled(forwarding=(evolve(row, next_hops=row.next_hops * 2),))(blueprint)


def _subscribed_twice(blueprint: Blueprint) -> Blueprint:
    return on_sled(subscriptions=blueprint.sleds[id_of("sled-a")].subscriptions * 2)(blueprint)


def _leaving_what_it_hears(blueprint: Blueprint) -> Blueprint:
    (row,) = blueprint.sleds[id_of("sled-a")].subscriptions
    leave = Departure(instance_id=row.instance_id, propolis_id=row.propolis_id, group_ip=row.group_ip)
    return on_sled(departures=[leave])(blueprint)


def _held(blueprint: Blueprint) -> Blueprint:
    group = blueprint.groups[0]
    return evolve(
        blueprint, held=[HeldGroup(id=group.id, multicast_ip=group.multicast_ip, because="group_vni_refused")]
    )


def _causes(**changes: Any) -> Damage:
    """Return what changes tables of the causes."""
    return lambda blueprint: evolve(blueprint, causes=evolve(blueprint.causes, **changes))


def _line(table: str, **changes: Any) -> Damage:
    """Return what changes every line of a *table* of the causes."""

    def damage(blueprint: Blueprint) -> Blueprint:
        return _causes(**{table: [evolve(line, **changes) for line in getattr(blueprint.causes, table)]})(blueprint)

    return damage


def _causes_of_twice(table: str) -> Damage:
    return lambda blueprint: _causes(**{table: getattr(blueprint.causes, table) * 2})(blueprint)


def _said_to_be_absent(blueprint: Blueprint) -> Blueprint:
    (group,) = blueprint.groups
    because, state = Absence.HELD, GroupState.ACTIVE
    line = AbsentGroup(group=group.id, name=group.name, multicast_ip=group.multicast_ip, state=state, because=because)
    return _causes(absent=[line])(blueprint)


def _leave_of(propolis: str) -> Damage:
    leave = DepartureCauses(sled=id_of("sled-a"), propolis=id_of(propolis), group_ip=GROUP, tombstones=(), new=False)
    return _causes(departures=[leave])


def _former(group: str, address: str) -> Damage:
    """Return what remembers a group on an address where nobody has to leave it."""
    row = FormerGroup(id=id_of(group), multicast_ip=ExternalGroup.parse(address))
    return lambda blueprint: evolve(blueprint, former_groups=[row])


def _former_and_planned(blueprint: Blueprint) -> Blueprint:
    row = FormerGroup(id=blueprint.groups[0].id, multicast_ip=blueprint.groups[0].multicast_ip)
    return evolve(_left(blueprint), former_groups=[row])


def _left(blueprint: Blueprint) -> Blueprint:
    """Return *blueprint* with somebody who has to leave its group."""
    leave = Departure(instance_id=id_of("vm-9"), propolis_id=id_of("vmm-9"), group_ip=GROUP)
    line = DepartureCauses(sled=id_of("sled-a"), propolis=id_of("vmm-9"), group_ip=GROUP, tombstones=(), new=False)
    return _causes(departures=[line])(on_sled(departures=[leave])(blueprint))


def _former_and_left(blueprint: Blueprint) -> Blueprint:
    return _former("group-9", GROUP.text)(_left(blueprint))


def _missing(blueprint: Blueprint) -> Blueprint:
    return evolve(blueprint, missing_switches=[SwitchSlot.SWITCH0])


OTHER = UnderlayGroup.parse("ff04::1")
GROUP = ExternalGroup.parse("233.252.0.1")
SSM = ExternalGroup.parse("232.1.2.3")

DAMAGES: list[tuple[str, Damage]] = [
    ("C1", twice),
    ("C2", on_switch("external_groups", internal_ip=OTHER, inner_mac=MulticastMac.of_group(OTHER))),
    ("C2", on_switch("external_groups", tag=Tag("other"))),
    ("C2", on_switch("underlay_groups", group_ip=OTHER)),
    ("C3", on_switch("external_groups", inner_mac=MulticastMac.parse("33:33:00:00:00:01"))),
    ("C3", _wrong_filter),
    ("C4", _member_twice),
    ("C4", _member_elsewhere),
    ("C4", _member_on_link(-1)),
    ("C4", _member_on_link(256)),
    ("C5", on_switch("mrib_routes", underlay_group=OTHER)),
    ("C5", on_switch("mrib_routes", group=ExternalGroup.parse("233.252.0.2"))),
    ("C6", on_switch("external_groups", group_ip=SSM)),
    ("C6", on_switch("mrib_routes", group=SSM)),
    ("C7", on_switch("external_groups", sources=[UnicastSource.parse("fd00::1")])),
    ("C7", on_switch("mrib_routes", source=UnicastSource.parse("fd00::1"))),
    ("C8", on_sled(m2p=())),
    ("C8", on_sled(forwarding=())),
    ("C8", _two_hops),
    ("C9", on_sled(m2p=())),
    ("C9", _subscribed_twice),
    ("C10", _leaving_what_it_hears),
    ("C11", _held),
    ("C12", _of_vni(76)),
    ("C12", on_switch("external_groups", vni=78)),
    ("C12", on_switch("mrib_routes", vni=76)),
    ("C12", on_switch("external_groups", vlan_id=1)),
    ("C12", on_switch("external_groups", vlan_id=4096)),
    ("C13", _no_entry(SwitchSlot.SWITCH0)),
    ("C13", _no_entry(SwitchSlot.SWITCH1)),
    ("C13", _elected),
    ("C14", _causes(groups=())),
    ("C14", _causes(sleds=())),
    ("C14", _causes(ports=())),
    ("C14", _causes_of_twice("groups")),
    ("C14", _causes_of_twice("ports")),
    ("C14", _line("groups", group=id_of("group-2"))),
    ("C14", _line("groups", members=())),
    ("C14", _line("groups", members=(id_of("member-1"), id_of("member-2")))),
    ("C14", _line("groups", kept=(id_of("member-2"),))),
    ("C14", _line("sleds", takes_part=False)),
    ("C14", _line("sleds", sled=id_of("sled-c"))),
    ("C14", _line("ports", switch=SwitchSlot.SWITCH0)),
    ("C14", _leave_of("vmm-1")),
    ("C14", _said_to_be_absent),
    ("C15", _former("group-9", "233.252.0.1")),
    ("C15", _former_and_planned),
    ("C15", _missing),
]


@pytest.mark.parametrize(("rule", "damage"), DAMAGES)
def test_each_rule_can_be_broken(sound: Blueprint, rule: str, damage: Damage) -> None:
    """The damage that a rule is there for is told under its number."""
    assert check(sound) == ()
    assert rule in {breach.rule for breach in check(damage(sound))}


@pytest.mark.parametrize(
    "change",
    [
        _member_on_link(0),
        _member_on_link(255),
        on_switch("external_groups", vlan_id=2),
        on_switch("external_groups", vlan_id=4095),
        _line("groups", kept=(id_of("member-1"),)),
        _causes(groups=(), members=(), absent=(), sleds=(), ports=(), departures=()),
        _left,
        _former_and_left,
    ],
)
def test_what_is_just_inside_a_rule_keeps_it(sound: Blueprint, change: Damage) -> None:
    """The last link, the first and last VLAN that switches take, and no causes at all break nothing."""
    assert check(change(sound)) == ()


def test_one_entry_is_enough_where_one_switch_is_elected(sound: Blueprint) -> None:
    """Elected is the switch that replicates: there the entry stands, and there alone."""
    (group,) = sound.groups
    for slot in SwitchSlot:
        breaches = check(_no_entry(slot)(_elected(sound)))
        assert {breach.rule for breach in breaches} == ({"C13"} if slot is group.next_hop_switch else set())


def test_every_rule_is_broken_here() -> None:
    """No rule stands in the table that no damage breaks."""
    assert {rule for rule, _ in DAMAGES} == {rule for rule, _, _ in RULES}
