"""Plans that a switch has no room for: told with their numbers, not written unwaived, never carried out."""

from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from attrs import evolve

from blueprints.addresses import Address
from blueprints.checks import check
from blueprints.files import write_snapshot
from blueprints.identifiers import SwitchSlot, rendezvous
from blueprints.snapshot import ExternalEntry, Group, GroupState, Member, MemberState, Policy, Snapshot
from planner.plan import plan
from tests.blueprints.test_capacity import v4_group, v6_group
from tests.planner.big_rack import big_rack
from tests.planner.case_files import CASES, id_of, read_snapshot
from tests.rackcast.conftest import Run
from tests.rackcast.conftest import run as run  # noqa: PLC0414 (a fixture, lent)
from tests.strategies import NOW, name

BY_IPV4_GROUPS = (
    "IPv4 routes",
    "IPv6 routes",
    "IPv4 translation",
    "IPv4 source filter",
    "replication",
    "decapsulation bitmaps",
)
"""Tables in which every IPv4 group with a receiver takes a row."""


def crowded(groups: int, *, family: int = 4, policy: Policy | None = None) -> Snapshot:
    """Return a rack with so many groups, each heard by one instance."""
    base = read_snapshot(CASES / "_settled.yaml")
    address = v4_group if family == 4 else v6_group
    rows = [
        Group(
            id=name("group", number),
            name=f"group-{number}",
            multicast_ip=Address(address(number).ip),
            state=GroupState.ACTIVE,
            time_created=NOW - timedelta(hours=1),
        )
        for number in range(groups)
    ]
    members = [
        Member(
            id=name("member", number),
            group_id=row.id,
            instance_id=id_of("vm-1"),
            state=MemberState.JOINED,
            multicast_ip=row.multicast_ip,
            source_ips=(),
        )
        for number, row in enumerate(rows)
    ]
    return evolve(base, groups=rows, underlay_groups=(), members=members, policy=policy or Policy())


def limits_told(snapshot: Snapshot) -> set[tuple[str, str]]:
    """Return subject and limit of what a plan has no room for."""
    found = plan(snapshot).findings
    return {(f.subject, f.message.partition(":")[0]) for f in found if f.code == "capacity_exceeded"}


@pytest.mark.parametrize(("groups", "short"), [(1023, False), (1024, False), (1025, True)])
def test_1024_groups_fit(groups: int, short: bool) -> None:
    """As many IPv4 groups as a table has rows can be planned; one more is told of every full table."""
    assert limits_told(crowded(groups)) == (
        {(slot, table) for slot in SwitchSlot for table in BY_IPV4_GROUPS} if short else set()
    )


@pytest.mark.parametrize(("groups", "short"), [(511, False), (512, False), (513, True)])
def test_512_ipv6_groups_fit(groups: int, short: bool) -> None:
    """An IPv6 group takes two rows of IPv6 routes, its own and its underlay group's."""
    told = limits_told(crowded(groups, family=6))
    assert told == ({(slot, "IPv6 routes") for slot in SwitchSlot} if short else set())


def test_elected_entries_leave_room_on_the_other_switch() -> None:
    """With an external entry on one switch a group, more IPv6 groups fit: each switch has its own share."""
    assert limits_told(crowded(513, family=6, policy=Policy(external_entry=ExternalEntry.ELECTED))) == set()


@pytest.mark.parametrize("slot", SwitchSlot)
def test_each_switch_is_weighed_by_what_is_elected_for_it(slot: SwitchSlot) -> None:
    """Two switches that reach the same sleds have the same underlay groups, and entries of their own."""
    rack = crowded(64, policy=Policy(external_entry=ExternalEntry.ELECTED))
    rows = [row for row in rack.groups if rendezvous(row.id, SwitchSlot) is slot][:5]
    named = [Address(IPv4Address((10 << 24) + number)) for number in range(250)]
    members = [evolve(row, source_ips=named) for row in rack.members if row.group_id in {group.id for group in rows}]
    snapshot = evolve(rack, groups=rows, members=members)
    assert limits_told(snapshot) == {(slot, "IPv4 source filter")}


def test_what_does_not_fit_hides_no_other_finding() -> None:
    """What else the planner found stands beside it."""
    snapshot = evolve(crowded(1025), inventory=None)
    codes = {found.code for found in plan(snapshot).findings}
    assert codes == {"capacity_exceeded", "inventory_unknown"}


def test_a_plan_that_does_not_fit_is_its_own_successor() -> None:
    """What there is no room for is content like any other."""
    snapshot = crowded(1025)
    first = plan(snapshot)
    assert plan(snapshot, first) is first


def test_held_groups_still_take_their_rows() -> None:
    """A group that can no longer be planned stays on the switch and counts, until it is taken down."""
    full = plan(crowded(1024))
    more = crowded(1025)
    bad = [evolve(row, vni=78) if row.id == name("group", 0) else row for row in more.groups]
    child = plan(evolve(more, groups=bad), full)
    assert [held.id for held in child.held] == [name("group", 0)]
    told = {f.message for f in child.findings if f.code == "capacity_exceeded"}
    assert {message.partition(":")[0] for message in told} == set(BY_IPV4_GROUPS)
    assert all("1025 of 1024 rows, 1 too many; 1025 groups" in message for message in told)
    new = plan(evolve(more, groups=bad))
    assert [finding for finding in new.findings if finding.code == "capacity_exceeded"] == []


def test_ten_thousand_members_of_a_thousand_groups_are_planned() -> None:
    """A rack as large as they come is planned whole, keeps the structural rules, and is its own successor."""
    snapshot = big_rack(groups=1000, instances=3334)
    assert len(snapshot.members) == 10_002
    blueprint = plan(snapshot)
    assert sum(len(tables.subscriptions) for tables in blueprint.sleds.values()) == 10_002
    assert len({id(tables.m2p) for tables in blueprint.sleds.values()}) == 1
    assert check(blueprint) == ()
    assert plan(snapshot, blueprint) is blueprint


def test_plan_refuses_to_write_what_does_not_fit(run: Run, tmp_path: Path) -> None:
    """`plan` ends with 7, says which limits of which switch, and writes only with a waiver; the others refuse it."""
    snapshot, blueprint = tmp_path / "snapshot.json", tmp_path / "blueprint.json"
    write_snapshot(str(snapshot), crowded(513, family=6))
    refused = run("plan", snapshot, "-o", blueprint)
    assert (refused.code, refused.out, blueprint.exists()) == (7, "", False)
    assert "switch1: IPv6 routes: 1026 of 1024 rows, 2 too many; 513 groups, most for ff0e:: (2)" in refused.err
    assert "--waive-limits" in refused.err
    waived = run("plan", snapshot, "-o", blueprint, "--waive-limits")
    assert (waived.code, blueprint.exists()) == (0, True)
    assert run("check", blueprint).code == 7
    endpoints = tmp_path / "endpoints.yaml"
    endpoints.write_text("format: rackcast.endpoints/1\nswitches: {}\nsleds: {}\n")
    carried = run("execute", blueprint, "--endpoints", endpoints)
    assert carried.code == 7
    assert "IPv6 routes: 1026 of 1024 rows" in " ".join(carried.out.split())
