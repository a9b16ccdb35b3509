"""Tables that a plan runs through: whose packets are let in where, which sleds take part, where groups live."""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import pytest
from attrs import evolve

from blueprints.addresses import Address, ExternalGroup, salt_between, underlay_address
from blueprints.blueprint import Blueprint
from blueprints.checks import check
from blueprints.identifiers import MulticastMac
from blueprints.snapshot import InstanceState, Member, MemberState, SledPolicy, SledState, Snapshot, UnderlayRow
from planner.plan import plan
from planner.routing_sleds import IN_SERVICE, VPC_ROUTING
from tests.planner.case_files import CASES, id_of, read_snapshot

SETTLED = read_snapshot(CASES / "_settled.yaml")
"""vm-1 on sled-a hears group-1, 233.252.0.1; vm-2 runs on sled-b."""

# --- sources --------------------------------------------------------------------------------------------------------

A, B, C = "10.20.0.5", "10.20.0.6", "192.0.2.1"
ANY = "*"


class Filters(NamedTuple):
    """What each consumer is to be told."""

    switch: tuple[str, ...] | None
    """Of the external group: exactly these, or None for any."""

    routes: tuple[str, ...]
    heard: tuple[tuple[str, ...], ...]
    """What each instance asks for, empty for any."""


FILTERS: dict[str, tuple[str, list[tuple[str, ...]], Filters]] = {
    "specific group, one member": ("232.1.2.3", [(A,)], Filters((A,), (A,), ((A,),))),
    "specific group, a union": ("232.1.2.3", [(B, A), (C, B)], Filters((A, B, C), (A, B, C), ((A, B), (B, C)))),
    "specific group, a member that names none": ("232.1.2.3", [(A,), ()], Filters((A,), (A,), ((A,),))),
    "specific group, nobody names any": ("232.1.2.3", [()], Filters((), (), ())),
    "any group, any source": ("233.252.0.1", [()], Filters(None, (ANY,), ((),))),
    "any group, any source twice": ("233.252.0.1", [(), ()], Filters(None, (ANY,), ((), ()))),
    "any group, mixed": ("233.252.0.1", [(B, A), ()], Filters(None, (ANY, A, B), ((A, B), ()))),
    "any group, one named": ("233.252.0.1", [(A,)], Filters((A,), (A,), ((A,),))),
    "any group, a union": ("233.252.0.1", [(A,), (C,)], Filters((A, C), (A, C), ((A,), (C,)))),
    "any group, the same twice": ("233.252.0.1", [(A, A), (A,)], Filters((A,), (A,), ((A,), (A,)))),
    "IPv6 any group": ("ff0e::1", [("fd00::5",), ()], Filters(None, (ANY, "fd00::5"), (("fd00::5",), ()))),
    "IPv6 specific group": ("ff3e::8000:1", [("fd00::5",)], Filters(("fd00::5",), ("fd00::5",), (("fd00::5",),))),
    "IPv6 group that only looks specific": ("ff3e:20:1234::1", [()], Filters(None, (ANY,), ((),))),
}
"""Group address and what its members name, to what switch, routes and instances are told."""


def asking(address: str, *named: tuple[str, ...], state: MemberState = MemberState.JOINED) -> Snapshot:
    """Return the settled rack with the group at *address*, whose members vm-1 and vm-2 name these sources."""
    group = evolve(SETTLED.groups[0], multicast_ip=Address.parse(address), underlay_group_id=None)
    members = [
        Member(
            id=id_of(f"member-{number}"),
            group_id=group.id,
            instance_id=id_of(f"vm-{number}"),
            state=state,
            multicast_ip=group.multicast_ip,
            source_ips=map(Address.parse, sources),
        )
        for number, sources in enumerate(named, start=1)
    ]
    return evolve(SETTLED, groups=[group], underlay_groups=(), members=members)


def filters(blueprint: Blueprint) -> Filters:
    """Return what *blueprint* tells the consumers; all switches must be told the same."""
    (tables, _) = blueprint.switches.values()
    assert all(its.external_groups == tables.external_groups for its in blueprint.switches.values())
    assert all(its.mrib_routes == tables.mrib_routes for its in blueprint.switches.values())
    (entry,) = tables.external_groups
    heard = {
        row.instance_id: tuple(map(str, row.sources)) for its in blueprint.sleds.values() for row in its.subscriptions
    }
    return Filters(
        None if entry.sources is None else tuple(map(str, entry.sources)),
        tuple(ANY if route.source is None else str(route.source) for route in tables.mrib_routes),
        tuple(sources for _, sources in sorted(heard.items())),
    )


@pytest.mark.parametrize(("address", "named", "expected"), FILTERS.values(), ids=list(FILTERS))
def test_each_consumer_is_told_its_own_part(address: str, named: list[tuple[str, ...]], expected: Filters) -> None:
    """The switch gets the union or nothing, routes stand for any source and each one named, ports ask their own."""
    assert filters(plan(asking(address, *named))) == expected


@pytest.mark.parametrize("state", [state.value for state in MemberState])
@pytest.mark.parametrize("row", [row for row in FILTERS if row != "specific group, nobody names any"])
def test_the_switch_counts_members_in_every_state(row: str, state: str) -> None:
    """Whether members hear decides routes and subscriptions, never the filter: with instances stopped it stays."""
    address, named, expected = FILTERS[row]
    snapshot = asking(address, *named, state=MemberState(state))
    stopped = [evolve(vm, state=InstanceState.NO_VMM, active_vmm=None) for vm in snapshot.instances]
    assert filters(plan(evolve(snapshot, instances=stopped))) == Filters(expected.switch, (), ())


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ([32], []),
        ([33], ["member_sources_many"]),
        ([256], ["member_sources_many"]),
        ([257], ["group_sources_many", "member_sources_many"]),
        ([20, 20], []),
        ([32, 33], ["member_sources_many"]),
        ([33, 33], ["member_sources_many", "member_sources_many"]),
    ],
    ids=str,
)
def test_how_many_sources_joins_may_name(named: list[int], told: list[str]) -> None:
    """32 a member and 256 a group, each counted once however many name it; more is told, and planned as it is."""
    sources = [tuple(f"10.20.{number // 100}.{number % 100 + 1}" for number in range(count)) for count in named]
    blueprint = plan(asking("233.252.0.1", *sources))
    assert [found.code for found in blueprint.findings if found.code.endswith("_sources_many")] == told
    assert len(blueprint.groups[0].sources.specific) == max(named)


def test_sources_that_are_refused_count_too() -> None:
    """The rack counts what rows say, whether a switch would take it or not."""
    sources = [f"10.20.{number // 100}.{number % 100 + 1}" for number in range(256)]
    codes = {found.code for found in plan(asking("233.252.0.1", (*sources, "127.0.0.1"))).findings}
    assert "group_sources_many" in codes


def test_what_a_parent_says_opens_no_specific_group() -> None:
    """A parent that lets any source into a source-specific group is not followed in that: the named ones stay."""
    snapshot = asking("232.1.2.3", (A, B))
    first = plan(snapshot)
    wrong = [evolve(group, sources=evolve(group.sources, any=True)) for group in first.groups]
    blueprint = plan(evolve(snapshot, members=()), evolve(first, groups=wrong, snapshot_digest="sha256:other"))
    assert filters(blueprint) == Filters((A, B), (), ())


# --- sleds ----------------------------------------------------------------------------------------------------------

Pair = tuple[SledPolicy, SledState]
"""What a sled's row says of whether it takes part."""

SLEDS: dict[tuple[str, str], bool] = {
    ("in_service", "active"): True,
    ("no_provision", "active"): True,
    ("expunged", "active"): False,
    ("in_service", "decommissioned"): False,
    ("no_provision", "decommissioned"): False,
    ("expunged", "decommissioned"): False,
}
"""Policy and state of a sled, to whether it takes part: today the rack's two filters say the same."""


@pytest.mark.parametrize("table", [IN_SERVICE, VPC_ROUTING], ids=["in service", "VPC routing"])
def test_every_pair_of_policy_and_state_stands_in_both_tables(table: dict[Pair, bool]) -> None:
    """No pair is missing, here or in the planner's own tables, and neither says anything else than the rack's."""
    pairs = {(policy.value, state.value) for policy in SledPolicy for state in SledState}
    assert set(SLEDS) == pairs
    assert {(policy.value, state.value): serves for (policy, state), serves in table.items()} == SLEDS


NOT_NEW = (SledPolicy.NO_PROVISION, SledState.ACTIVE)


def not_new() -> Snapshot:
    """Return the settled rack with nothing new to be put on sled-a, where vm-1 hears."""
    sleds = [evolve(sled, policy=NOT_NEW[0]) if sled.id == id_of("sled-a") else sled for sled in SETTLED.sleds]
    return evolve(SETTLED, sleds=sleds)


def test_a_sled_that_routes_and_is_not_in_service_has_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which sleds have ports is for the one table to say: mappings stay, and lists of ports are lower bounds."""
    monkeypatch.setitem(IN_SERVICE, NOT_NEW, False)
    blueprint = plan(not_new())
    assert check(blueprint) == ()
    assert set(blueprint.ports) == {id_of("sled-b")}
    assert set(blueprint.sleds) == {id_of("sled-a"), id_of("sled-b")}
    assert [row.instance_id for row in blueprint.sleds[id_of("sled-a")].subscriptions] == [id_of("vm-1")]
    for tables in blueprint.switches.values():
        assert [(entry.members, entry.complete) for entry in tables.underlay_groups] == [((), False)]


def test_a_sled_in_service_that_does_not_route_has_no_mappings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which sleds have mappings, and hear, is for the other to say: the port is known and nobody is reached there."""
    monkeypatch.setitem(VPC_ROUTING, NOT_NEW, False)
    blueprint = plan(not_new())
    assert check(blueprint) == ()
    assert set(blueprint.ports) == {id_of("sled-a"), id_of("sled-b")}
    assert set(blueprint.sleds) == {id_of("sled-b")}
    for tables in blueprint.switches.values():
        assert [(entry.members, entry.complete) for entry in tables.underlay_groups] == [((), True)]


@pytest.mark.parametrize("table", [IN_SERVICE, VPC_ROUTING], ids=["in service", "VPC routing"])
def test_a_plan_under_tables_that_differ_is_its_own_successor(
    monkeypatch: pytest.MonkeyPatch, table: dict[Pair, bool]
) -> None:
    """Also where the sled's row is lost after: what carried mappings still does, and nothing else begins to."""
    monkeypatch.setitem(table, NOT_NEW, False)
    first = plan(not_new())
    assert plan(not_new(), first) is first
    lost = plan(evolve(SETTLED, sleds=SETTLED.sleds[1:]), first)
    assert lost.sleds.keys() == first.sleds.keys()
    assert plan(evolve(SETTLED, sleds=SETTLED.sleds[1:]), lost) is lost


@pytest.mark.parametrize(("pair", "takes_part"), SLEDS.items(), ids=["-".join(pair) for pair in SLEDS])
def test_which_sleds_take_part(pair: tuple[str, str], takes_part: bool) -> None:
    """A sled that serves has mappings, ports and subscriptions; one that does not is called by nobody."""
    policy, state = pair
    sleds = [
        evolve(sled, policy=SledPolicy(policy), state=SledState(state)) if sled.id == id_of("sled-a") else sled
        for sled in SETTLED.sleds
    ]
    blueprint = plan(evolve(SETTLED, sleds=sleds))
    assert (id_of("sled-a") in blueprint.sleds) is takes_part
    assert (id_of("sled-a") in blueprint.ports) is takes_part
    assert blueprint.groups[0].receiving is takes_part
    for tables in blueprint.switches.values():
        assert len(tables.underlay_groups[0].members) == takes_part
    assert id_of("sled-b") in blueprint.sleds


# --- how old an inventory may be ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "stale"),
    [
        (0, False),
        (86_399, False),
        (86_400, False),
        (86_401, True),
        (864_000, True),
        (-299, False),
        (-300, False),
        (-301, True),
    ],
)
def test_how_old_an_inventory_may_be(seconds: int, stale: bool) -> None:
    """A day, and five minutes ahead of the snapshot's clock; beyond, ports that rest on it remove nothing."""
    assert SETTLED.inventory is not None
    board = evolve(SETTLED.inventory, completed_at=SETTLED.evaluated_at - timedelta(seconds=seconds))
    silent = {slot: evolve(switch, peers=None) for slot, switch in SETTLED.switches.items()}
    blueprint = plan(evolve(SETTLED, inventory=board, switches=silent))
    told = [found.message for found in blueprint.findings if found.code == "inventory_stale"]
    ended = f"collection {board.collection_id} ended at {board.completed_at:%Y-%m-%d %H:%M} UTC"
    assert told == ([f"{ended}, too long {'before' if seconds > 0 else 'after'} this plan"] if stale else [])
    for tables in blueprint.switches.values():
        (entry,) = tables.underlay_groups
        assert ([str(member.port_id) for member in entry.members], entry.complete) == (["rear14"], not stale)


def collected(*, errors: int, days: int = 0) -> Snapshot:
    """Return the settled rack with another collection that says the same, so many days old, with so many errors."""
    assert SETTLED.inventory is not None
    later = SETTLED.evaluated_at + timedelta(minutes=10)
    board = evolve(
        SETTLED.inventory,
        collection_id=UUID(int=SETTLED.inventory.collection_id.int + 1),
        completed_at=later - timedelta(days=days),
        errors=errors,
    )
    return evolve(SETTLED, evaluated_at=later, inventory=board)


@pytest.mark.parametrize(("errors", "told"), [(0, []), (2, ["inventory_errors"])])
def test_a_new_collection_that_says_the_same_is_no_new_plan(errors: int, told: list[str]) -> None:
    """Collections come every ten minutes: neither name nor age of one that is believed stands in a blueprint."""
    snapshot = collected(errors=errors)
    assert SETTLED.inventory is not None
    parent = plan(evolve(SETTLED, inventory=evolve(SETTLED.inventory, errors=errors)))
    assert [found.code for found in parent.findings] == told
    assert plan(snapshot, parent) is parent


def test_a_collection_that_is_too_old_is_named_and_its_age_does_not_run() -> None:
    """No newer one was made, or it would be believed: it stays the same plan however often it is planned."""
    snapshot = collected(errors=0, days=2)
    first = plan(snapshot, plan(SETTLED))
    assert snapshot.inventory is not None
    (found,) = first.findings
    assert f"collection {snapshot.inventory.collection_id} ended at" in found.message
    assert plan(evolve(snapshot, evaluated_at=snapshot.evaluated_at + timedelta(hours=1)), first) is first


# --- underlay addresses ---------------------------------------------------------------------------------------------

HOMES: dict[tuple[str, int], str] = {
    ("224.1.2.3", 0): "ff04::e001:203",
    ("224.1.2.3", 1): "ff04::e001:202",
    ("239.255.255.255", 0): "ff04::efff:ffff",
    ("232.1.1.1", 0): "ff04::e801:101",
    ("ff0e::1", 0): "ff04::ff0e:0:0:1",
    ("ff05::1234", 0): "ff04::ff05:0:0:1234",
    ("ff05::1234", 255): "ff04::ff05:0:0:12cb",
    ("ff3e:1234:5678:9abc:def0:1234:5678:9abc", 0): "ff04::21ce:0:0:0",
    ("ff0e:1234:5678:9abc:7ef0:1122:3344:5566", 0): "ff04::81fe:316:653c:cfda",
    ("ff0e:1234:5678:9abc:ff0e:1234:5678:9abc", 0): "ff04::",
    ("ff0e::ff0e:0:e001:203", 0): "ff04::e001:203",
}
"""Group and salt to underlay address: the rack's own vectors."""


@pytest.mark.parametrize(("where", "home"), HOMES.items(), ids=[f"{group} salt {salt}" for group, salt in HOMES])
def test_where_a_group_lives(where: tuple[str, int], home: str) -> None:
    """A group that starts at a salt lives where the vector says, on every target."""
    address, salt = where
    group = ExternalGroup.parse(address)
    assert str(underlay_address(group, salt)) == home
    assert salt_between(group, Address.parse(home)) == salt
    specific = ("10.20.0.5",) if address.startswith("232.") else ()
    snapshot = asking(address, specific)
    blueprint = plan(evolve(snapshot, groups=[evolve(snapshot.groups[0], underlay_salt=salt)]))
    (planned,) = blueprint.groups
    assert (str(planned.underlay_ip), planned.salt) == (home, salt)
    for tables in blueprint.switches.values():
        assert {str(row.group_ip) for row in tables.underlay_groups} == {home}
        assert {row.inner_mac for row in tables.external_groups} == {MulticastMac.of_group(planned.underlay_ip)}
        assert {str(route.underlay_group) for route in tables.mrib_routes} == {home}
    for its in blueprint.sleds.values():
        homes = [row.underlay for row in its.m2p]
        homes += [row.underlay for row in its.forwarding]
        homes += [row.underlay for row in its.nic_filters]
        assert set(map(str, homes)) == {home}


@pytest.mark.parametrize(
    ("stored", "taken", "found"),
    [
        (None, 0, 0),
        (None, 1, 1),
        (0, 3, 3),
        (5, 0, 5),
        (5, 8, 8),
        (255, 0, 255),
        (254, 255, 255),
        (254, 256, None),
        (255, 256, None),
        (None, 256, None),
    ],
)
def test_the_search_for_a_salt(stored: int | None, taken: int, found: int | None) -> None:
    """It starts at the stored salt, takes the first free address, and does not start over at 255."""
    snapshot = asking("233.252.0.1", ())
    group = ExternalGroup.parse("233.252.0.1")
    rows = [
        UnderlayRow(id=id_of(f"underlay-{salt + 1}"), multicast_ip=underlay_address(group, salt))
        for salt in range(taken)
    ]
    blueprint = plan(
        evolve(snapshot, groups=[evolve(snapshot.groups[0], underlay_salt=stored)], underlay_groups=rows)
    )
    assert [planned.salt for planned in blueprint.groups] == ([] if found is None else [found])
    assert [held.because for held in blueprint.held] == (["underlay_exhausted"] if found is None else [])
