"""Why an entry is not there: every blocker by name, none that is not one, and something for all that is missed."""

from typing import NamedTuple
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given, settings

from blueprints import facts
from blueprints.absences import GROUPS, LOOKS, MEMBERS, QUARRELS, SILENCES, Wanted, blockers
from blueprints.blueprint import Blueprint
from blueprints.causes import Absence, Apart
from blueprints.findings import FINDINGS
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import InstanceState, Member, Snapshot
from planner.plan import plan
from rackcast.commands.explain import TABLES
from tests.planner.case_files import CASES, id_of, read_case, read_snapshot
from tests.strategies import snapshots


def planned(case: str) -> Blueprint:
    """Return the blueprint of *case*."""
    return read_case(CASES / case).blueprint


def away(blueprint: Blueprint, table: str, **wanted: object) -> dict[str, list[str]]:
    """Return what keeps an entry away, by fact."""
    found: dict[str, list[str]] = {}
    for blocker in blockers(blueprint, table, Wanted(**wanted)):  # type: ignore[arg-type]
        found.setdefault(blocker.fact, []).append(blocker.because)
    return found


OF_MEMBERS = {
    Apart.WAITS: "member_stopping_after_it_was_parked",
    Apart.LOST: "member_vmm_row_gone",
    Apart.PARKED: "group_active_without_a_receiver",
    Apart.REFUSED: "sources_all_refused",
    Apart.REPEATED: "member_twice_in_one_group",
    Apart.SLED_OUT_OF_SERVICE: "sled_expunged_with_a_receiver",
    Apart.SLED_UNKNOWN: "sled_unknown",
    Apart.GROUP_UNKNOWN: "member_of_unknown_group",
    Apart.GROUP_ENDING: "member_of_ending_group",
    Apart.GROUP_NOT_PLANNED: "group_foreign_vni",
}
"""What keeps a member from hearing, to a case of it."""


@pytest.mark.parametrize("verdict", Apart)
def test_each_thing_that_keeps_a_member_away_is_told(verdict: Apart) -> None:
    """The member's row is named, with what the table says of it; who misses any of its subscriptions is told too."""
    assert OF_MEMBERS.keys() == MEMBERS.keys() == set(Apart)
    blueprint = planned(OF_MEMBERS[verdict])
    row = next(row for row in blueprint.causes.members if row.verdict is verdict)
    for group in (str(row.group), None):
        told = away(blueprint, "subscriptions", group=group, instance=row.instance)[facts.member(row.member)]
        assert any(because.startswith(MEMBERS[verdict]) for because in told)


OF_GROUPS = {
    Absence.ENDING: "group_deleting_linked",
    Absence.WAITS_FOR_TEARDOWN: "old_group_ends_on_the_address_of_a_new_one",
    Absence.WITHOUT_MEMBERS: "group_creating_without_members_in_grace",
    Absence.HELD: "group_foreign_vni",
}
"""What keeps a group from being planned, to a case of it."""


@pytest.mark.parametrize("because", Absence)
def test_each_thing_that_keeps_a_group_away_is_told(because: Absence) -> None:
    """The group's row is named, with what the table says of it, by whatever it is called."""
    assert OF_GROUPS.keys() == GROUPS.keys() == set(Absence)
    blueprint = planned(OF_GROUPS[because])
    row = next(row for row in blueprint.causes.absent if row.because is because)
    for word in (row.name, row.multicast_ip.text, str(row.group)):
        (told,) = away(blueprint, "groups", group=word)[facts.group(row.group)]
        assert told.startswith(GROUPS[because])


def test_a_held_group_hides_nothing_else() -> None:
    """Of a member of a held group everything is told that would keep it from hearing if the group were planned."""
    base = read_snapshot(CASES / "_settled.yaml")
    stopped = [
        evolve(row, state=InstanceState.NO_VMM, active_vmm=None) if row.id == id_of("vm-1") else row
        for row in base.instances
    ]
    held = [evolve(row, vni=78) for row in base.groups]
    said = [f"{MEMBERS[verdict]} (instance {id_of('vm-1')})" for verdict in (Apart.GROUP_NOT_PLANNED, Apart.PARKED)]
    for instances, expected in ((base.instances, said[:1]), (stopped, said)):
        blueprint = plan(evolve(base, groups=held, instances=instances))
        found = away(blueprint, "subscriptions", group=str(id_of("group-1")), instance=id_of("vm-1"))
        assert found[facts.member(id_of("member-1"))] == expected


def test_what_is_off_says_nothing_of_rows() -> None:
    """With the feature off the policy alone is named: no pass looked at rows, so none is said to be missing."""
    base = read_snapshot(CASES / "_settled.yaml")
    off = evolve(base, policy=evolve(base.policy, multicast_enabled=False))
    for table in ("groups", "m2p", "subscriptions", "ports", "mrib_routes", "transitions"):
        found = away(plan(off), table, group="233.252.0.1", sled=id_of("sled-a"), instance=id_of("vm-1"))
        assert found == {"policy multicast_enabled": ["it is off: nothing is planned"]}
    asleep = away(plan(off, plan(base)), "groups", group="233.252.0.1")
    assert asleep[facts.group(id_of("group-1"))] == ["it is held (multicast_disabled)"]


def test_a_source_that_is_refused_was_named() -> None:
    """Where a member names a source that no switch takes, the member is told with the reason."""
    blueprint = planned("sources_refused")
    for table in ("groups", "external_groups", "mrib_routes"):
        found = away(blueprint, table, group="233.252.0.1", source="127.0.0.1")
        assert found == {facts.member(id_of("member-1")): ["127.0.0.1 is loopback"]}
        found = away(blueprint, table, group="233.252.0.1", source="10.99.0.1")
        assert found == {facts.members_of(id_of("group-1")): ["none of them names 10.99.0.1"]}


def test_a_filter_that_is_off_names_who_takes_any_source() -> None:
    """A source that is named stands in no entry while somebody takes any; its route is there."""
    blueprint = planned("sources_asm_mixed")
    group = blueprint.groups[0]
    found = away(blueprint, "external_groups", group=group.name, source=group.sources.specific[0].text)
    assert set(found) == {facts.member(row.id) for row in members_of_any("sources_asm_mixed")}


def members_of_any(case: str) -> list[Member]:
    """Return the member rows of *case* that name no source."""
    return [row for row in read_case(CASES / case).snapshot.members if not row.source_ips]


class Doubt(NamedTuple):
    """A case in which a port is not known, and on which switch."""

    case: str
    sled: str
    slot: SwitchSlot = SwitchSlot.SWITCH0


OF_PORTS = {
    "backplane_unknown": Doubt("ports_both_backplanes_unknown", "sled-a"),
    "port_ambiguous": Doubt("ports_seen_twice_undecided", "sled-a"),
    "port_claimed_twice": Doubt("ports_claimed_by_two_sleds", "sled-a"),
    "inventory_unknown": Doubt("ports_all_witnesses_silent_at_first", "sled-a"),
}
"""Finding about ports, to a case in which it leaves one unknown."""


@pytest.mark.parametrize("code", OF_PORTS)
def test_an_unknown_port_says_what_was_found(code: str) -> None:
    """Whoever misses a port, or a member behind it, is told what the plan found wrong with its witnesses."""
    doubt = OF_PORTS[code]
    blueprint = planned(doubt.case)
    assert blueprint.ports[id_of(doubt.sled)][doubt.slot] is None
    for table in ("ports", "underlay_groups"):
        found = away(blueprint, table, group="233.252.0.1", sled=id_of(doubt.sled), switch=doubt.slot)
        assert any(f"({code})" in because for told in found.values() for because in told), found


def test_findings_that_are_told_are_findings() -> None:
    """The codes that blockers quote are codes that there are."""
    assert set(FINDINGS) >= QUARRELS | SILENCES
    assert set(OF_PORTS) <= QUARRELS | SILENCES


def test_what_is_not_told_to_the_datastore_is_told_here() -> None:
    """A row is told nothing because it says so already, because its grace is not over, or because it has to stay."""
    settled = plan(read_snapshot(CASES / "_settled.yaml"))
    said = ["it says already what will be in effect"]
    found = away(settled, "transitions", group="233.252.0.1")
    assert found == {facts.member(id_of("member-1")): said, facts.group(id_of("group-1")): said}
    assert away(settled, "transitions", group="233.252.0.1", instance=id_of("vm-1")) == {
        facts.member(id_of("member-1")): said
    }
    empty = away(planned("group_active_without_members_in_grace"), "transitions", group=str(id_of("group-1")))
    assert empty == {facts.group(id_of("group-1")): ["it has no live member, and the grace is not over"]}
    member, group = id_of("member-1"), id_of("group-1")
    assert away(settled, "transitions", subject=member) == {facts.member(member): said}
    assert away(settled, "transitions", subject=group) == {facts.group(group): said}
    assert away(settled, "transitions", subject=member, instance=id_of("vm-2")) == {}
    nobody = away(settled, "transitions", subject=id_of("member-9"))
    assert nobody == {f"row {id_of('member-9')}": ["no group and no live member is called so"]}
    missing = away(planned("group_deleting_with_a_switch_missing"), "transitions", group=str(id_of("group-1")))
    assert facts.SWITCHES in missing
    assert away(planned("group_deleting_with_a_switch_missing"), "transitions", subject=id_of("group-1")) == missing
    case = read_case(CASES / "old_group_ends_on_the_address_of_a_held_one")
    (held,) = case.blueprint.held
    word = held.multicast_ip.text
    assert (
        "it is held, and nothing on its address is touched"
        in away(case.blueprint, "transitions", group=word)[facts.group(held.id)]
    )


SETTLED = plan(read_snapshot(CASES / "_settled.yaml"))
"""vm-1 on sled-a hears group-1, vm-2 runs on sled-b."""

ELECTED = planned("external_entry_elected")
IDLE = planned("group_active_without_a_receiver")
NO_SWITCH0 = planned("next_hop_switch_gone")
PARKED = {facts.member(id_of("member-1")): [f"{MEMBERS[Apart.PARKED]} (instance {id_of('vm-1')})"]}


@pytest.mark.parametrize("table", ["mrib_routes", "m2p", "forwarding", "nic_filters"])
def test_what_needs_a_receiver_says_who_does_not_hear(table: str) -> None:
    """Routes and the tables of sleds are for groups that somebody hears: each member that does not is named."""
    (source,) = IDLE.groups[0].sources.specific
    assert away(IDLE, table, group="233.252.0.1", sled=id_of("sled-a"), source=source.text) == PARKED


def test_each_table_says_what_keeps_entries_out_of_it() -> None:
    """What is peculiar to a table is told there, and is not told where the entry is away for nothing like it."""
    sled, other = id_of("sled-a"), id_of("sled-b")
    on_a = {facts.instance(id_of("vm-1")): [f"it hears on sled {sled}"]}
    for table in ("subscriptions", "underlay_groups"):
        assert away(SETTLED, table, group="233.252.0.1", sled=other) == on_a
    nic = away(SETTLED, "nic_filters", group="233.252.0.1", sled=sled, nic="net7")
    assert nic == {facts.sled(sled): ["nobody says that it has a NIC net7"]}
    leave = away(SETTLED, "departures", group="233.252.0.1", instance=id_of("vm-1"))
    assert leave[facts.member(id_of("member-1"))] == ["the instance hears the group"]
    assert "tombstones and the parent's subscriptions" in leave
    stranger = away(SETTLED, "subscriptions", group="233.252.0.1", instance=id_of("vm-2"))
    assert stranger == {facts.members_of(id_of("group-1")): [f"there is no live one of instance {id_of('vm-2')}"]}


def test_an_elected_entry_names_its_switch() -> None:
    """On the other switch the policy keeps the entry away."""
    group = ELECTED.groups[0]
    for slot in SwitchSlot:
        found = away(ELECTED, "external_groups", group=group.name, switch=slot)
        assert (facts.policy("external_entry") in found) is (slot is not group.next_hop_switch)


@pytest.mark.parametrize("table", sorted(LOOKS))
def test_a_place_that_is_not_there_keeps_everything_away(table: str) -> None:
    """A sled without a row, one out of service and a switch that is not in the snapshot are told for every table."""
    strange = away(SETTLED, table, group="233.252.0.1", sled=id_of("sled-c"))
    assert strange[facts.sled(id_of("sled-c"))] == ["there is no row of it"]
    (slot,) = set(SwitchSlot) - set(NO_SWITCH0.switches)
    assert away(NO_SWITCH0, table, switch=slot)[facts.SWITCHES] == [f"the snapshot has no {slot}"]


def test_every_table_has_its_blockers() -> None:
    """Whatever stands in an explanation can be asked for."""
    assert set(LOOKS) == set(TABLES.values())


def subscribed(blueprint: Blueprint) -> set[tuple[UUID, str]]:
    """Return instances with the addresses that they hear."""
    return {(row.instance_id, row.group_ip.text) for its in blueprint.sleds.values() for row in its.subscriptions}


@settings(max_examples=60)
@given(snapshots())
def test_every_live_member_hears_or_has_a_blocker(snapshot: Snapshot) -> None:
    """Of a live member that does not hear, its own row or its group's is among what keeps it away."""
    blueprint = plan(snapshot)
    hearing, addresses = subscribed(blueprint), {row.id: row.multicast_ip.text for row in snapshot.groups}
    for row in snapshot.members:
        address = addresses.get(row.group_id)
        if row.time_deleted is None and (row.instance_id, address) not in hearing:
            found = away(blueprint, "subscriptions", group=str(row.group_id), instance=row.instance_id)
            assert facts.member(row.id) in found
