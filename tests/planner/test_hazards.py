"""Traps of the rack's own control plane and of a planner's input, each with the case that shows our answer.

``I`` are the traps in the code of the rack's reconciler, ``PI`` what may be wrong with a snapshot. Where the answer
is not a plan's, another test gives it, and there is a reason.
"""

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.planner.case_files import CASES

TESTS = Path(__file__).parents[1]


class Answer(NamedTuple):
    """How a trap is answered."""

    trap: str
    """What goes wrong; of a scenario, what is done."""

    cases: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    """File and function, as ``planner/test_laws.py::test_x``."""

    reason: str = ""
    """Why no plan answers it."""


HAZARDS: dict[str, Answer] = {
    "I-1": Answer(
        "a repaired external entry carries the group's name as tag, which no later update may change",
        ("group_tag_is_never_its_name", "group_tags"),
        (
            "executor/test_differences.py::test_another_of_our_tags_is_rebuilt_from_the_outside_in",
            "executor/test_differences.py::test_a_foreign_object_in_our_way_blocks_its_group_on_that_switch_alone",
        ),
    ),
    "I-2": Answer(
        "an old group that ends and a new one share an address, and the teardown takes both",
        (
            "old_group_ends_on_the_address_of_a_new_one",
            "new_group_after_the_old_one_ended",
            "group_planned_before_an_old_row_shows_up",
        ),
    ),
    "I-3": Answer(
        "the instance's row says valid while its VMM is stopping or dead",
        (
            "instance_states_left",
            "instance_states_joined",
            "member_stopping_after_it_was_parked",
            "member_vmm_row_gone",
        ),
        ("planner/test_instance_states.py::test_what_follows_for_a_membership",),
    ),
    "I-4": Answer(
        "a join uses the sled of a moment ago, or none", ("member_joining_with_a_stale_sled", "member_moved")
    ),
    "I-5": Answer("a joined member without a recorded sled is never healed", ("member_moved",)),
    "I-6": Answer(
        "a teardown that got as far as the underlay row cannot be taken up again",
        ("group_deleting_without_its_underlay_row",),
    ),
    "I-7": Answer("an underlay row that no group names occupies its address", ("underlay_taken_by_an_orphan",)),
    "I-8": Answer(
        "instances that are deleted while the feature is off leave their members behind",
        ("feature_disabled", "feature_enabled_again"),
        ("planner/test_memory.py::test_a_rack_remembers_while_its_multicast_is_off",),
    ),
    "I-9": Answer(
        "while a switch's dpd is out, sleds are not mended either",
        ("switch_silent_and_sleds_planned",),
        ("executor/test_faults.py::test_a_silent_target_is_owed_and_the_others_converge",),
    ),
    "I-10": Answer(
        "a sled that one collection lacks is parked and loses its port",
        (
            "ports_board_missing_from_one_collection",
            "ports_one_of_two_receivers_unknown",
            "ports_all_witnesses_silent",
        ),
    ),
    "I-11": Answer("removing one member's port cuts off another on the same sled", ("ports_second_receiver_leaves",)),
    "I-12": Answer(
        "a join that the sled-agent remembers does not reach the packet engine again",
        ("join_stays_in_the_plan",),
        ("simrack/test_sled_agent.py::test_an_identical_repeat_does_not_reach_the_packet_engine",),
    ),
    "I-13": Answer(
        "a source-specific group without members is to be given an empty list",
        ("group_active_without_members_in_grace", "sources_ssm_all_without"),
        ("executor/test_differences.py::test_an_entry_that_nobody_asks_anything_of_is_kept_and_never_made",),
    ),
    "I-14": Answer(
        "the switches that were found are taken for all there are",
        ("group_deleting_with_a_switch_missing", "next_hop_switch_gone", "external_entry_elected_switch_gone"),
    ),
    "I-15": Answer(
        "salts of an IPv4 group lead to the slots of its neighbours alone, and can run out",
        ("underlay_salted_group_in_the_slot_of_a_neighbour", "underlay_exhausted"),
        ("planner/test_tables.py::test_the_search_for_a_salt",),
    ),
    "I-16": Answer(
        "the next hop follows from who answered in this pass",
        ("next_hop_by_rendezvous", "next_hop_stays", "next_hop_switch_gone"),
        ("planner/test_choices.py::test_choices_of_a_first_plan_can_be_recomputed",),
    ),
    "I-17": Answer(
        "two writers undo each other",
        ("member_ports_derived", "member_ports_derived_after_controller"),
        ("end_to_end/test_policies.py::test_derived_members_are_expected_and_not_written",),
    ),
    "PI1": Answer(
        "a member of an unknown group, on an unknown sled, on a sled whose NICs nobody told",
        (
            "member_of_unknown_group",
            "sled_unknown",
            "member_moved_to_an_unknown_sled",
            "sled_row_missing",
            "sled_nics_unknown_with_a_parent",
            "ports_seen_by_two_and_a_row_lost",
        ),
    ),
    "PI2": Answer(
        "two groups on one address or on one underlay group", ("two_groups_on_one_address", "underlay_row_shared")
    ),
    "PI3": Answer("a group inside ff04::/64", ("group_outside_permitted_ranges", "underlay_row_refused")),
    "PI4": Answer(
        "reserved ranges, scopes, sources that nobody sends from, specific groups without sources",
        ("group_outside_permitted_ranges", "sources_refused", "sources_refused_v6", "sources_ssm_one_without"),
        ("blueprints/test_validity.py::test_groups_are_what_dpd_mgd_and_the_datastore_all_take",),
    ),
    "PI5": Answer(
        "groups that fold alike, and one too many of them",
        ("underlay_collision", "underlay_new_group_makes_way", "underlay_exhausted"),
        ("planner/test_choices.py::test_the_257th_group_on_one_fold_is_held",),
    ),
    "PI6": Answer(
        "stored salt and stored address disagree",
        ("underlay_row_decides", "underlay_row_that_no_salt_leads_to", "underlay_row_and_parent_disagree"),
    ),
    "PI7": Answer(
        "tables that were read at different times: told row by row; that none are is the collector's promise",
        ("member_of_unknown_group", "sled_row_missing", "underlay_row_missing", "instance_row_gone"),
        (
            "collector/test_datastore.py::test_a_commit_in_between_does_not_show",
            "collector/test_datastore.py::test_without_one_cut_a_commit_in_between_would_show",
            "collector/test_assemble.py::test_the_snapshot_has_the_time_of_the_cut",
        ),
    ),
    "PI8": Answer(
        "an inventory that is too old, or of the future",
        (
            "ports_from_an_old_inventory",
            "ports_from_an_old_inventory_against_the_parent",
            "ports_from_an_old_inventory_that_is_gone",
            "ports_from_a_new_inventory_after_an_old_one",
            "ports_from_an_inventory_of_the_future",
            "ports_from_an_inventory_within_its_age",
            "ports_seen_twice_with_an_old_inventory",
            "ports_old_inventory_takes_no_place",
        ),
        ("planner/test_tables.py::test_how_old_an_inventory_may_be",),
    ),
    "PI9": Answer(
        "a sled that moved, two in one cubby, a cubby that no rack has",
        (
            "ports_sled_moved",
            "ports_two_boards_in_one_cubby",
            "ports_cubby_out_of_range",
            "ports_seen_twice_with_a_parent",
        ),
    ),
    "PI10": Answer(
        "a backplane that is missing, short, or another one on each switch",
        (
            "ports_both_backplanes_unknown_with_a_parent",
            "ports_one_backplane_unknown",
            "ports_in_conflict_and_backplane_lost",
            "ports_not_on_the_backplane",
            "ports_backplane_lost_a_port",
        ),
    ),
    "PI11": Answer(
        "the same rows in another order, under another hash seed",
        ("lineage_nothing_changed",),
        (
            "planner/test_laws.py::test_the_order_of_rows_decides_nothing",
            "planner/test_blueprints.py::test_digest_of_a_full_rack",
        ),
    ),
    "PI12": Answer(
        "an empty snapshot of the right shape",
        ("every_row_gone",),
        ("executor/test_extent.py::test_emptying_the_rack_stops_before_the_first_write",),
        reason="a group without a row is gone; how much may go at once is for whoever carries it out to ask",
    ),
    "PI13": Answer(
        "ten thousand members in a thousand groups",
        tests=("planner/test_full_switches.py::test_ten_thousand_members_of_a_thousand_groups_are_planned",),
        reason="a folder of so many rows would show nobody anything; time and memory are ratios in benchmarks/",
    ),
}
"""Trap to what answers it."""


SCENARIOS: dict[str, Answer] = {
    "two group rows on one address": Answer(
        "a barrier in time: the new group is planned once the old one's teardown is over",
        ("old_group_ends_on_the_address_of_a_new_one", "new_group_after_the_old_one_ended"),
    ),
    "a second member on the same sled leaves": Answer(
        "the port stays for the first", ("ports_second_receiver_leaves",)
    ),
    "a service processor is missing, twice there, or of another type": Answer(
        "the sled stays where it was, or is nowhere",
        (
            "ports_board_missing_from_one_collection",
            "ports_serial_not_unique",
            "ports_two_boards_in_one_cubby",
            "ports_only_sleds_boards",
        ),
    ),
    "DDM against inventory": Answer(
        "DDM wins, also where only the parent remembers it",
        (
            "ports_ddm_and_inventory_disagree",
            "ports_in_conflict_and_peers_lost",
            "ports_claimed_by_two_sleds_and_peers_lost",
        ),
    ),
    "partial DDM": Answer(
        "gaps are filled sled by sled, and stay open where nobody fills them",
        ("ports_gap_filled_by_inventory", "ports_one_of_two_receivers_unknown", "ports_peers_unknown"),
    ),
    "a stopping VMM": Answer("it keeps what it has", ("instance_states_joined", "instance_states_left")),
    "a migration under way": Answer(
        "both processes hear", ("member_migrating", "member_migration_target_not_there_yet")
    ),
    "a tombstone with a live replacement on its address": Answer(
        "the live membership owns the filter",
        ("tombstone_with_a_live_replacement", "tombstone_with_a_live_replacement_that_does_not_hear"),
    ),
    "a source list is emptied within the grace": Answer(
        "the filter stays as it was", ("group_active_without_members_in_grace", "sources_ssm_lost_with_a_parent")
    ),
    "an orphan underlay row": Answer("its address stays taken", ("underlay_taken_by_an_orphan",)),
    "a crash between link and salt": Answer("the linked row decides", ("underlay_row_decides",)),
    "a crash between underlay row and link": Answer(
        "no row's address is given, the group's own one included: the next salt is, and the row is told",
        ("underlay_own_row_not_linked",),
    ),
    "one of two switches is missing": Answer(
        "rows stay until both are cleared", ("group_deleting_with_a_switch_missing", "next_hop_switch_gone")
    ),
    "more than a switch has room for": Answer(
        "told with the numbers, and refused",
        ("capacity_of_one_request",),
        (
            "planner/test_full_switches.py::test_1024_groups_fit",
            "planner/test_full_switches.py::test_plan_refuses_to_write_what_does_not_fit",
        ),
    ),
    "a schema in the middle of a migration": Answer(
        "no snapshot is made of it; columns that one left unfilled are unknown, and the rows decide",
        ("schema_columns_not_filled_yet",),
        ("collector/test_schema.py::test_a_migration_under_way_is_refused",),
    ),
    "a snapshot torn between tables": Answer(
        "rows that lead nowhere are told; for sleds and underlay rows that are missing nothing is removed",
        ("sled_row_missing", "underlay_row_missing"),
        (
            "planner/test_losses.py::test_whatever_falls_silent_nothing_is_removed",
            "collector/test_datastore.py::test_a_commit_in_between_does_not_show",
        ),
    ),
    "an instance without a row": Answer(
        "it is gone, as all deleted ones are: a warning names its member, and what only that one wanted goes",
        ("instance_row_gone", "member_without_an_instance"),
    ),
    "the feature is switched off with live state": Answer(
        "nothing is planned, nothing removed",
        ("feature_disabled", "feature_enabled_again"),
        ("planner/test_memory.py::test_a_rack_remembers_while_its_multicast_is_off",),
    ),
}
"""Situations that the rack's own tests do not have, with our answer."""

ANSWERS = HAZARDS | SCENARIOS


def test_every_trap_has_its_answer() -> None:
    """The traps are counted through, and each has a case, a test or a reason."""
    assert list(HAZARDS) == [f"I-{number}" for number in range(1, 18)] + [f"PI{number}" for number in range(1, 14)]
    for answer in ANSWERS.values():
        assert answer.trap
        assert answer.cases or (answer.tests and answer.reason)


@pytest.mark.parametrize("cases", [answer.cases for answer in ANSWERS.values()], ids=list(ANSWERS))
def test_its_cases_exist(cases: tuple[str, ...]) -> None:
    """Every case that answers a trap is there; that it comes true is a test of its own."""
    assert [case for case in cases if not (CASES / case / "expect.yaml").is_file()] == []


@pytest.mark.parametrize("tests", [answer.tests for answer in ANSWERS.values()], ids=list(ANSWERS))
def test_its_tests_exist(tests: tuple[str, ...]) -> None:
    """Every test that answers a trap is there under its name."""
    for place in tests:
        path, _, name = place.partition("::")
        tree = ast.parse((TESTS / path).read_text("utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, place
