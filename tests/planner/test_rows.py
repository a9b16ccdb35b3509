"""Every row of the rack's state tables that a planner answers, with the case that shows the answer.

A row is named ``table: row``; it points to a case and to what the case says about it, so that a case cannot lose the
line that a row rests on. Rows that code can run through are run through: instances in ``test_instance_states``,
source filters, sleds and underlay addresses in ``test_tables``.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.planner.case_files import CASES, id_of, read_case, read_expectations


class Shown(NamedTuple):
    """Where a row is shown."""

    case: str
    says: str
    """A path of ``values`` or ``same_as_parent``, a code of ``findings``, a transition, or a group that is held."""


ROWS: dict[str, Shown] = {
    # --- groups, by state ---
    "group: creating, no live member": Shown("group_creating_without_members_in_grace", "switches.*.underlay_groups"),
    "group: creating, a live member": Shown("group_creating_with_a_member", "switches.*.underlay_groups"),
    "group: creating becomes active": Shown("group_creating_with_a_member", "group group-1 creating -> active"),
    "group: creating, only a parked member": Shown("group_creating_with_a_parked_member", "switches.*.mrib_routes"),
    "group: active": Shown("group_active_with_a_receiver", "switches.*.mrib_routes[].source"),
    "group: creating, empty beyond its grace": Shown(
        "group_creating_without_members_past_grace", "group group-1 creating -> deleting"
    ),
    "group: active, empty beyond its grace": Shown(
        "group_active_without_members_past_grace", "group group-1 active -> deleting"
    ),
    "group: deleting, never linked": Shown("group_deleting_never_linked", "group group-1 deleting -> deleted"),
    "group: deleting, linked": Shown("group_deleting_linked", "switches.*.underlay_groups"),
    "group: no row": Shown("group_row_gone", "switches.*.external_groups"),
    "group: live, and deleted": Shown("group_live_and_deleted", "group-1"),
    # --- live members, by stored state ---
    "member: joining, instance invalid": Shown("instance_states_joining", "member member-1 joining -> left"),
    "member: joining, group creating": Shown("group_creating_with_a_member", "sleds.sled-a.subscriptions"),
    "member: joining, no VMM on a sled": Shown("instance_states_joining", "sleds.sled-a.subscriptions[].instance_id"),
    "member: joining, VMM on a sled": Shown("instance_states_joining", "member member-7 joining -> joined on sled-a"),
    "member: joined, instance invalid": Shown("instance_states_joined", "member member-1 joined -> left"),
    "member: joined, on the recorded sled": Shown("group_active_with_a_receiver", "groups[group-1].underlay_ip"),
    "member: joined, on another sled": Shown("member_moved", "member member-1 joined -> joined on sled-b"),
    "member: joined, nothing recorded": Shown("member_moved", "member member-2 joined -> joined on sled-b"),
    "member: joined, VMM gone": Shown("member_vmm_row_gone", "member member-1 joined -> left"),
    "member: left, VMM on a sled": Shown("instance_states_left", "member member-7 left -> joined on sled-a"),
    "member: left, group creating": Shown(
        "member_left_in_a_group_being_created", "member member-1 left -> joined on sled-a"
    ),
    "member: left, instance invalid": Shown("group_active_without_a_receiver", "sleds.*.subscriptions"),
    "member: of a group that ends": Shown("member_of_ending_group", "member member-1 joined -> deleted on sled-a"),
    "member: of a group without a row": Shown("member_of_unknown_group", "member_of_unknown_group"),
    "member: its instance without a row": Shown("member_without_an_instance", "member member-1 joined -> left"),
    # --- tombstones ---
    "tombstone: a live membership owns the filter": Shown("tombstone_with_a_live_replacement", "sleds.*.departures"),
    "tombstone: that membership has another copy of the address": Shown(
        "tombstone_while_another_row_lets_it_hear", "sleds.sled-a.departures"
    ),
    "tombstone: that membership hears nothing": Shown(
        "tombstone_with_a_live_replacement_that_does_not_hear", "sleds.*.departures"
    ),
    "tombstone: the instance is on the recorded sled": Shown(
        "tombstone_on_the_sled_of_the_instance", "sleds.sled-a.departures"
    ),
    "tombstone: the instance is elsewhere or gone": Shown("tombstone_of_an_instance_elsewhere", "sleds.*.departures"),
    "tombstone: the process ended": Shown("tombstone_of_a_process_that_ended", "sleds.*.departures"),
    "tombstone: its sled is out of service": Shown(
        "tombstone_on_a_sled_out_of_service", "member member-2 left -> left"
    ),
    "tombstone: its sled has no row": Shown("tombstone_on_an_unknown_sled", "sleds.sled-a.departures"),
    # --- artifacts, and where they stand ---
    "artifact: underlay group on every switch": Shown(
        "external_entry_elected", "switches.*.underlay_groups[].group_ip"
    ),
    "artifact: external group on every switch": Shown("group_creating_with_a_member", "switches.*.external_groups"),
    "artifact: external group on one switch": Shown("external_entry_elected", "switches.switch1.external_groups"),
    "artifact: member ports": Shown("group_creating_with_a_member", "switches.*.underlay_groups"),
    "artifact: member ports of another writer": Shown("member_ports_derived", "policy.member_ports"),
    "artifact: routes on every switch": Shown("external_entry_elected", "switches.*.mrib_routes[].group"),
    "artifact: mappings on every sled": Shown("sled_filters", "sleds.*.m2p[].group"),
    "artifact: forwarding through one switch": Shown("group_creating_with_a_member", "sleds.*.forwarding"),
    "artifact: subscriptions on the sled of the VMM": Shown(
        "group_creating_with_a_member", "sleds.sled-a.subscriptions"
    ),
    "artifact: filters on every NIC": Shown("group_creating_with_a_member", "sleds.*.nic_filters"),
    # --- groups, by live members ---
    "table: creating, 0 members": Shown("group_creating_without_members_in_grace", "sleds.*.m2p"),
    "table: creating, members": Shown("group_creating_with_a_member", "sleds.*.m2p"),
    "table: active, 0 members, in grace: filter kept": Shown(
        "group_active_without_members_in_grace", "switches.*.external_groups"
    ),
    "table: active, 0 members, in grace: rest empty": Shown(
        "group_active_without_members_in_grace", "switches.*.mrib_routes"
    ),
    "table: active, no receiver: filter of all": Shown(
        "group_active_without_a_receiver", "switches.*.external_groups[233.252.0.1].sources"
    ),
    "table: active, no receiver: rest empty": Shown("group_active_without_a_receiver", "sleds.*.forwarding"),
    "table: active, receivers: union of ports": Shown(
        "ports_two_receivers_on_one_sled", "switches.*.underlay_groups[ff04::e9fc:1].members[].port_id"
    ),
    "table: deleting, never linked": Shown("group_deleting_never_linked", "groups"),
    "table: deleting, linked": Shown("group_deleting_linked", "sleds.*.m2p"),
    "table: feature disabled": Shown("feature_disabled", "switches"),
    # --- members, by what their instance does ---
    "receiver: running": Shown("instance_states_joining", "sleds.sled-a.subscriptions[].instance_id"),
    "receiver: creating": Shown("instance_states_joining", "sleds.sled-b.subscriptions"),
    "receiver: stopped, failed, destroyed": Shown("instance_states_joined", "member member-3 joined -> left"),
    "receiver: recorded elsewhere": Shown("member_moved", "sleds.sled-b.subscriptions[].propolis_id"),
    "receiver: stopping and joined keeps": Shown(
        "instance_states_joined", "switches.*.underlay_groups[ff04::e9fc:1].members[].port_id"
    ),
    "receiver: stopping and left is not revived": Shown(
        "member_stopping_after_it_was_parked", "sleds.sled-a.departures"
    ),
    "receiver: migrating, both hear": Shown("member_migrating", "sleds.sled-b.subscriptions"),
    "receiver: migrating, target not there yet": Shown(
        "member_migration_target_not_there_yet", "sleds.sled-b.subscriptions"
    ),
    "receiver: migration committed": Shown("member_migration_committed", "sleds.*.departures"),
    "receiver: left and running": Shown("instance_states_left", "sleds.sled-a.subscriptions[].instance_id"),
    "receiver: left and stopped": Shown("group_active_without_a_receiver", "groups[group-1].receiving"),
    "receiver: sled expunged": Shown("sled_expunged_with_a_receiver", "member_sled_out_of_service"),
    "receiver: port unknown": Shown(
        "ports_one_of_two_receivers_unknown", "switches.switch0.underlay_groups[ff04::e9fc:1].complete"
    ),
    # --- how many sources ---
    "sources: 32 a member, 256 a group": Shown("sources_at_the_caps", "groups[group-1].receiving"),
    "sources: more than a join may name": Shown("sources_beyond_the_caps", "member_sources_many"),
    "sources: more than a group may have": Shown("sources_beyond_the_caps", "group_sources_many"),
    # --- underlay addresses ---
    "underlay: the row decides": Shown("underlay_row_decides", "groups[group-1].underlay_ip"),
    "underlay: the parent decides": Shown("underlay_parent_decides", "switches"),
    "underlay: row and parent disagree": Shown("underlay_row_and_parent_disagree", "underlay_row_differs"),
    "underlay: search from the stored salt": Shown(
        "underlay_search_starts_at_the_stored_salt", "groups[group-1].salt"
    ),
    "underlay: up to 255, without starting over": Shown("underlay_exhausted", "group-1"),
    "underlay: collision takes the next salt": Shown("underlay_collision", "groups[group-2].salt"),
    "underlay: rows nobody names are taken": Shown("underlay_taken_by_an_orphan", "underlay_row_orphaned"),
    "underlay: a row with the group's own tag that it does not name is taken too": Shown(
        "underlay_own_row_not_linked", "groups[group-1].salt"
    ),
    "underlay: such a row is told": Shown("underlay_own_row_not_linked", "underlay_row_orphaned"),
    "underlay: rows of groups that end are taken": Shown("underlay_taken_by_an_orphan", "groups[group-1].salt"),
    "underlay: the link leads nowhere": Shown("underlay_row_missing", "underlay_row_missing"),
    "underlay: one row for two groups": Shown("underlay_row_shared", "group-1"),
    "underlay: the tag of the row": Shown("group_tags", "group_tag_differs"),
    "underlay: an address made again while the old group ends": Shown(
        "old_group_ends_on_the_address_of_a_new_one", "group_waits_for_teardown"
    ),
    "underlay: an address made again while one that never was linked ends": Shown(
        "new_group_beside_one_that_was_never_linked", "groups[group-1].underlay_ip"
    ),
    # --- behind which port a sled is ---
    "port: serial and part": Shown("ports_serial_and_part_before_serial", "ports.sled-a.switch0"),
    "port: serial alone, if unique": Shown("ports_serial_alone", "ports.sled-a.switch0"),
    "port: serial alone, not unique": Shown("ports_serial_not_unique", "port_unknown"),
    "port: only boards of sleds": Shown("ports_only_sleds_boards", "port_unknown"),
    "port: on the backplane": Shown("ports_inventory_not_on_the_backplane", "port_not_on_backplane"),
    "port: 32 cubbies": Shown("ports_cubby_out_of_range", "port_unknown"),
    "port: nobody says": Shown("ports_all_witnesses_silent_at_first", "port_unknown"),
    "port: DDM and inventory disagree": Shown("ports_ddm_and_inventory_disagree", "port_conflict"),
    "port: two boards in one cubby": Shown("ports_two_boards_in_one_cubby", "slot_claimed_twice"),
    "port: a collection with errors": Shown("ports_inventory_with_errors", "inventory_errors"),
    "port: missing sleds from before": Shown("ports_all_witnesses_silent", "ports.sled-b"),
    "port: a sled that moved": Shown(
        "ports_sled_moved", "switches.*.underlay_groups[ff04::e9fc:1].members[].port_id"
    ),
}
"""Row to the case that shows it."""

NOT_THE_PLANNERS: dict[str, str] = {
    "group: first join": "the datastore makes the row; a plan sees it as a group that is being created",
    "group: saga fails": "the blueprint is carried out again: what is in effect is not written twice (executor)",
    "group: saga retry revives a deleted row": "the row is one that is being created again",
    "member: join, leave, start, stop, migrate, delete": "writers of rows; a plan starts from what they wrote",
    "port: latest collection": "the collector chooses it and says how many errors it had",
    "port: what sleds say about themselves": "no part of the snapshot: DDM is the second witness",
}
"""Rows that a plan does not answer, and why."""


def said(expected: dict[str, Any]) -> set[str]:
    """Return what a case says: its paths, codes of findings, transitions and held groups."""
    paths = {*expected.get("values", {}), *expected.get("same_as_parent", [])}
    return paths | {*expected.get("findings", {}), *expected.get("transitions", []), *expected.get("held", {})}


@pytest.mark.parametrize(("case", "says"), ROWS.values(), ids=list(ROWS))
def test_the_row_is_shown(case: str, says: str) -> None:
    """The case of the row exists, and expects what the row rests on; that it comes true is a test of its own."""
    assert says in said(read_expectations(CASES / case / "expect.yaml"))


def test_rows_that_are_not_ours_say_why() -> None:
    """A row is shown by a case or has a reason, never both."""
    assert not set(ROWS) & set(NOT_THE_PLANNERS)
    assert all(NOT_THE_PLANNERS.values())


@pytest.mark.parametrize(
    ("case", "because"),
    [
        ("tombstone_on_the_sled_of_the_instance", ["its leave was sent"]),
        ("tombstone_of_an_instance_elsewhere", ["nothing is left to undo"]),
        ("tombstone_while_another_row_lets_it_hear", ["nothing is left to undo"]),
        ("tombstone_on_a_sled_out_of_service", ["its sled is out of service"]),
        ("tombstone_on_an_unknown_sled", []),
    ],
)
def test_why_a_tombstone_is_released(case: str, because: list[str]) -> None:
    """A leave was sent only where one is planned; on a sled that nobody knows the note stays."""
    blueprint = read_case(CASES / case).blueprint
    assert [row.because for row in blueprint.transitions if row.id == id_of("member-2")] == because


DECISIONS = sorted(Path(__file__).parents[2].joinpath("docs", "decisions").glob("*.md"))

NOT_AS_THE_RACK: dict[str, str] = {
    "an emptied source-specific group asks dpd for an empty list": "0001-sources-empty-list.md",
    "rows that contradict each other are worked through in their order": "0002-held-groups.md",
    "there is no version that tells whether anything changed": "0004-equal-plan-is-the-parent.md",
    "tables fill up while they are written": "0010-no-room-on-a-switch.md",
    "a migrating instance hears on one sled": "0012-both-ends-of-a-migration-hear.md",
    "the salt is recomputed, and stored after the address": "0013-underlay-address-of-the-row.md",
    "a sled that one collection lacks loses its port": "0014-unknown-ports-remove-nothing.md",
    "a stopping instance is revived": "0015-a-stopping-instance-keeps.md",
    "the old group's teardown takes the new one's state": "0017-one-address-one-group-at-a-time.md",
    "a group is created in three passes": "0018-a-new-group-is-planned-through.md",
    "the next hop is a hash modulo the switches that answered": "0019-next-hop-by-rendezvous.md",
    "the external entry stands on every switch, or is elected anew": "0020-elected-is-the-next-hop.md",
    "the stored state of a member decides": "0021-member-state-is-advisory.md",
    "an inventory of any age is believed": "0022-an-old-inventory-proves-nothing.md",
    "the switches that were found are all there are": "0023-a-row-outlives-a-missing-switch.md",
    "the inventory alone says where sleds are": "0053-an-inventory-moves-nobody-unseen.md",
    "the first board of a serial counts, of whatever type": "0054-which-board-is-a-sleds.md",
    "no source is any source": "0055-no-source-is-not-any-source.md",
    "only tombstones owe a leave": "0056-a-leave-is-owed-until-its-process-is-gone.md",
    "what has no row is never looked at": "0057-a-group-without-a-row-is-gone.md",
}
"""What the rack's own reconciler does and a plan does not, to the page that says why."""


def cases_of(page: Path) -> list[str]:
    """Return the names under which a decision says that it is shown."""
    shown = page.read_text("utf-8").partition("Shown by")[2].partition("**Cost")[0]
    return re.findall(r"`([a-z0-9_]+)`", shown)


@pytest.mark.parametrize("page", NOT_AS_THE_RACK.values())
def test_a_difference_has_its_page(page: str) -> None:
    """Each difference from the rack's reconciler has a page that asks, says what drove it and what came out."""
    (found,) = (path for path in DECISIONS if path.name == page)
    text = found.read_text("utf-8")
    assert [head for head in ("**Question.**", "**Drivers.**", "**Outcome.**") if head not in text] == []


def test_decisions_are_shown_by_cases_that_exist() -> None:
    """Every case that a decision names is there, and most decisions of the planner name some."""
    named = {page.name: cases_of(page) for page in DECISIONS}
    assert [case for cases in named.values() for case in cases if not (CASES / case).is_dir()] == []
    assert sum(bool(cases) for cases in named.values()) >= 14
