"""Telling a real datastore, with others writing to it: every rule applied, overtaken, and told twice."""

from itertools import product
from typing import Any

import pytest
from attrs import evolve

from blueprints.blueprint import Blueprint, Subject
from blueprints.snapshot import GroupState, MemberState, VmmState
from collector.commit import commit
from collector.told import Account, Telling, Told
from collector.transitions import RULES
from planner import plan
from simrack.datastore.load import load
from tests.collector.meddling import (
    GROUP_GONE,
    GROUP_LINKED,
    LINK,
    MEMBER,
    MEMBER_JOINED,
    ORPHAN,
    STRANGER,
    VMM_DELETED,
    tombstone,
    vmm_in,
)
from tests.collector.rows import changes, meddle, rows
from tests.collector.situations import BY_KEY, NO_VMM, NOT_HELD, SITUATIONS, Situation, listening, rack, waiting
from tests.simrack.rows import GROUP4, LISTENER, SLEDS, TAG4, U4, member

CREATING = BY_KEY[Subject.GROUP, "creating", "active"]
REMOVING = BY_KEY[Subject.GROUP, "deleting", "deleted"]
GROUP, UNDERLAY, MEMBERS = "multicast_group", "underlay_multicast_group", "multicast_group_member"


def planned(situation: Situation) -> Blueprint:
    """Return the plan for the rack of *situation*, with its one transition and no other."""
    blueprint = plan(situation.rack)
    (wanted,) = (
        move
        for move in blueprint.transitions
        if (move.subject, move.from_, move.to) == situation.key and move.id == situation.subject
    )
    return evolve(blueprint, transitions=[wanted])


def only(account: Account) -> Told:
    """Return what became of the one transition."""
    (told,) = account.told
    return told


APPLIED: dict[tuple[Subject, str, str], dict[tuple[str, Any], dict[str, Any] | None]] = {
    (Subject.GROUP, "creating", "active"): {
        (GROUP, GROUP4): {"state": "active", "underlay_group_id": ..., "underlay_salt": 0, "time_modified": ...},
    },
    (Subject.GROUP, "creating", "deleting"): {
        (GROUP, GROUP4): {"state": "deleting", "time_deleted": ..., "time_modified": ...}
    },
    (Subject.GROUP, "active", "deleting"): {
        (GROUP, GROUP4): {"state": "deleting", "time_deleted": ..., "time_modified": ...}
    },
    (Subject.GROUP, "deleting", "deleted"): {(GROUP, GROUP4): None, (UNDERLAY, LINK): None},
    (Subject.MEMBER, "joining", "joined"): {(MEMBERS, MEMBER): {"state": "joined", "time_modified": ...}},
    (Subject.MEMBER, "left", "joined"): {
        (MEMBERS, MEMBER): {"state": "joined", "sled_id": SLEDS[0], "time_modified": ...}
    },
    (Subject.MEMBER, "joined", "joined"): {(MEMBERS, MEMBER): {"sled_id": SLEDS[0], "time_modified": ...}},
    (Subject.MEMBER, "joining", "left"): {
        (MEMBERS, MEMBER): {"state": "left", "sled_id": None, "time_modified": ...}
    },
    (Subject.MEMBER, "joined", "left"): {(MEMBERS, MEMBER): {"state": "left", "sled_id": None, "time_modified": ...}},
    (Subject.MEMBER, "joining", "deleted"): {
        (MEMBERS, MEMBER): {"state": "left", "time_deleted": ..., "time_modified": ...}
    },
    (Subject.MEMBER, "joined", "deleted"): {
        (MEMBERS, MEMBER): {"state": "left", "time_deleted": ..., "time_modified": ...}
    },
    (Subject.MEMBER, "left", "deleted"): {(MEMBERS, MEMBER): {"time_deleted": ..., "time_modified": ...}},
    (Subject.MEMBER, "left", "left"): {(MEMBERS, MEMBER): {"sled_id": None, "time_modified": ...}},
}
"""What each rule changes, to the column; an ellipsis stands for a value that only the database knows."""


def test_every_rule_of_the_table_has_its_situation() -> None:
    """Each rule is tried, and each condition of each rule has somebody who breaks it and nothing else."""
    assert set(BY_KEY) == set(RULES) == set(APPLIED)
    for key, rule in RULES.items():
        broken = {gone.unmet for situation in SITUATIONS if situation.key == key for gone in situation.overtaken}
        unbroken = {each.says for each in rule.conditions if (each.says,) not in broken}
        assert unbroken <= BROKEN_ELSEWHERE.get(key, set()), key


BROKEN_ELSEWHERE = {
    (Subject.GROUP, "deleting", "deleted"): {NOT_HELD},
}
"""Conditions that a test of their own breaks."""


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.label)
def test_a_transition_is_applied_to_the_column(database: str, situation: Situation) -> None:
    """A rule changes the rows that it names and nothing else; told again, it is there already and nothing changes."""
    blueprint = planned(situation)
    load(database, situation.rack)
    before = rows(database)
    rehearsed = only(commit(blueprint, database, dry_run=True))
    assert (rehearsed.outcome, changes(before, rows(database))) == (Telling.PLANNED, {})
    assert only(commit(blueprint, database)).outcome is Telling.APPLIED
    after = rows(database)
    found = changes(before, after)
    if situation is CREATING:
        row = found[GROUP, GROUP4]["underlay_group_id"]  # type: ignore[index]
        made = found.pop((UNDERLAY, row))
        assert {name: str(made[name]) for name in ("multicast_ip", "tag", "time_deleted")} == {  # type: ignore[index]
            "multicast_ip": U4,
            "tag": TAG4,
            "time_deleted": "None",
        }
    assert found.keys() == APPLIED[situation.key].keys()
    for key, columns in APPLIED[situation.key].items():
        assert_columns(found[key], columns)
    again = only(commit(blueprint, database))
    assert (again.outcome, again.unmet, changes(after, rows(database))) == (Telling.ALREADY, (), {})


def assert_columns(found: dict[str, Any] | None, wanted: dict[str, Any] | None) -> None:
    """Compare the changed columns of one row."""
    if found is None or wanted is None:
        assert found == wanted
        return
    known = {name: value for name, value in wanted.items() if value is not ...}
    assert found.keys() == wanted.keys()
    assert {name: found[name] for name in known} == known


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.label)
def test_what_was_overtaken_changes_nothing(database: str, situation: Situation) -> None:
    """Somebody else was first: nothing is changed; the account says what stands there, and what no longer holds."""
    blueprint = planned(situation)
    for gone in situation.overtaken:
        load(database, situation.rack)
        for change in gone.changes:
            meddle(database, *change)
        before = rows(database)
        for dry_run in (True, False):
            told = only(commit(blueprint, database, dry_run=dry_run))
            found = "absent" if told.found is None else told.found.state
            assert (gone.by, told.outcome, told.unmet, found) == (gone.by, Telling.OVERTAKEN, gone.unmet, gone.found)
        assert changes(before, rows(database)) == {}, gone.by


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.label)
def test_what_somebody_else_did_already_is_told_apart(database: str, situation: Situation) -> None:
    """Where somebody else brought about the same, the account says so and nothing is changed."""
    blueprint = planned(situation)
    for change in situation.already:
        load(database, situation.rack)
        meddle(database, *change)
        before = rows(database)
        told = only(commit(blueprint, database))
        assert (told.outcome, told.unmet, changes(before, rows(database))) == (Telling.ALREADY, (), {}), change


def test_an_underlay_row_of_an_earlier_crash_is_taken_over(database: str) -> None:
    """A row under the group's own tag, which nobody was linked to, becomes the group's; no second one is made."""
    load(database, CREATING.rack)
    meddle(database, *ORPHAN)
    before = rows(database)
    assert only(commit(planned(CREATING), database)).outcome is Telling.APPLIED
    found = changes(before, rows(database))
    assert found.keys() == {(GROUP, GROUP4)}
    assert found[GROUP, GROUP4]["underlay_group_id"] == STRANGER  # type: ignore[index]


def test_a_link_that_leads_nowhere_gets_its_row_back(database: str) -> None:
    """A link is never changed: the row that it names is made."""
    load(database, CREATING.rack)
    meddle(database, *GROUP_LINKED)
    before = rows(database)
    assert only(commit(planned(CREATING), database)).outcome is Telling.APPLIED
    found = changes(before, rows(database))
    assert found.keys() == {(GROUP, GROUP4), (UNDERLAY, LINK)}
    assert "underlay_group_id" not in (found[GROUP, GROUP4] or {})


@pytest.mark.parametrize("tag", [None, "an older tag"])
def test_a_row_that_the_group_is_linked_to_is_its_own_whatever_its_tag(database: str, tag: str | None) -> None:
    """After a crash between link and state the group is made active; the row stays as it is."""
    load(database, evolve(CREATING.rack, underlay_groups=rack().underlay_groups))
    meddle(database, *GROUP_LINKED)
    meddle(database, "UPDATE underlay_multicast_group SET tag = %s WHERE id = %s", tag, LINK)
    before = rows(database)
    assert only(commit(planned(CREATING), database)).outcome is Telling.APPLIED
    assert changes(before, rows(database)).keys() == {(GROUP, GROUP4)}


def test_members_that_owe_a_leave_outlive_their_group(database: str) -> None:
    """With the group go the tombstones that let go of their sled; one that still names a sled stays."""
    done, owing = (member(GROUP4, name, state=MemberState.LEFT) for name in (LISTENER, STRANGER))
    load(database, REMOVING.rack)
    for row, sled in ((done, None), (owing, SLEDS[1])):
        meddle(database, *tombstone(row, sled))
    before = rows(database)
    assert only(commit(planned(REMOVING), database)).outcome is Telling.APPLIED
    assert changes(before, rows(database)) == {
        (GROUP, GROUP4): None,
        (UNDERLAY, LINK): None,
        (MEMBERS, done.id): None,
    }


def test_an_underlay_row_that_another_group_is_linked_to_stays(database: str) -> None:
    """Nobody's underlay row is removed because a second group was linked to it by mistake."""
    load(database, REMOVING.rack)
    meddle(database, "UPDATE multicast_group SET underlay_group_id = %s WHERE id <> %s", LINK, GROUP4)
    before = rows(database)
    assert only(commit(planned(REMOVING), database)).outcome is Telling.APPLIED
    assert changes(before, rows(database)) == {(GROUP, GROUP4): None}


def test_a_group_whose_address_is_held_is_not_removed(database: str) -> None:
    """While a held group has its address its state stays on the rack, and so its rows stay, whatever a plan lists."""
    held = evolve(
        REMOVING.rack.groups[0], id=STRANGER, name="held", vni=78, state=GroupState.ACTIVE, time_deleted=None
    )
    snapshot = evolve(REMOVING.rack, groups=[*REMOVING.rack.groups, evolve(held, underlay_group_id=None)])
    blueprint = plan(snapshot)
    assert [group.id for group in blueprint.held] == [STRANGER]
    assert GROUP4 not in {transition.id for transition in blueprint.transitions}
    blueprint = evolve(blueprint, transitions=planned(REMOVING).transitions)
    load(database, snapshot)
    before = rows(database)
    told = {each.transition.id: each for each in commit(blueprint, database).told}
    assert (told[GROUP4].outcome, told[GROUP4].unmet) == (
        Telling.OVERTAKEN,
        (NOT_HELD,),
    )
    assert changes(before, rows(database)) == {}


GONE = {VmmState.DESTROYED, VmmState.SAGA_UNWOUND}
"""States of a VMM that is nowhere any more."""


def test_nobody_is_detached_while_the_vmm_lives(database: str) -> None:
    """A detachment that was planned while the instance was stopped does not reach it once it has a VMM again."""
    blueprint = planned(BY_KEY[Subject.MEMBER, "joined", "left"])
    applied = set()
    load(database, rack(**listening(MemberState.JOINED, SLEDS[0])))
    for state in sorted(VmmState, key=lambda state: state in GONE):
        meddle(database, *vmm_in(state))
        before = rows(database)
        told = only(commit(blueprint, database))
        if told.outcome is Telling.APPLIED:
            applied.add(state)
            meddle(database, *MEMBER_JOINED)
        else:
            assert (told.outcome, told.unmet) == (Telling.OVERTAKEN, (NO_VMM,))
            assert changes(before, rows(database)) == {}
    assert applied == GONE
    meddle(database, *vmm_in(VmmState.RUNNING))
    meddle(database, *VMM_DELETED)
    assert only(commit(blueprint, database)).outcome is Telling.APPLIED


def test_a_member_is_joined_where_the_planner_has_it_hear(database: str) -> None:
    """For every state of a VMM, migrating or not, a member may be joined where the planner would join it.

    Elsewhere it may not, but for the target of a migration: there it hears too.
    """
    blueprint = planned(BY_KEY[Subject.MEMBER, "left", "joined"])
    (move,) = blueprint.transitions
    for migrates, state in product((False, True), VmmState):
        snapshot = waiting(state, migrates=migrates)
        if state is VmmState.CREATING:
            load(database, snapshot)
        meddle(database, *vmm_in(state))
        wanted = {each.sled_id for each in plan(snapshot).transitions if (each.id, each.to) == (MEMBER, "joined")}
        allowed = {
            sled
            for sled in SLEDS
            if only(
                commit(evolve(blueprint, transitions=[evolve(move, sled_id=sled)]), database, dry_run=True)
            ).outcome
            is Telling.PLANNED
        }
        assert (state, allowed - {SLEDS[2]}) == (state, wanted - {SLEDS[2]})
        assert (state, SLEDS[2] in allowed) == (state, migrates)


def test_what_has_no_transition_needs_no_datastore() -> None:
    """A blueprint without transitions is told without a connection."""
    blueprint = evolve(planned(CREATING), transitions=())
    assert commit(blueprint, "postgresql://nobody@localhost:1/nothing").told == ()


def test_tombstones_released_in_the_same_run_go_with_their_group(database: str) -> None:
    """Members are told before groups that go: nothing of a removed group is left behind."""
    gone = member(GROUP4, LISTENER, state=MemberState.LEFT, sled_id=SLEDS[0], time_deleted=REMOVING.rack.evaluated_at)
    snapshot = evolve(REMOVING.rack, members=[*REMOVING.rack.members, gone])
    load(database, snapshot)
    account = commit(plan(snapshot), database)
    assert [each.outcome for each in account.told] == [Telling.APPLIED] * 2
    assert (MEMBERS, gone.id) not in rows(database)
    assert (GROUP, GROUP4) not in rows(database)


def test_a_rehearsal_knows_that_members_leave_before_their_group(database: str) -> None:
    """What the run itself would have changed by then is taken as done, and for nothing else."""
    live = member(GROUP4, LISTENER, state=MemberState.JOINED, sled_id=SLEDS[0])
    snapshot = evolve(REMOVING.rack, members=[*REMOVING.rack.members, live])
    blueprint = plan(snapshot)
    load(database, snapshot)
    rehearsed = commit(blueprint, database, dry_run=True)
    assert [each.outcome for each in rehearsed.told] == [Telling.PLANNED] * 2
    without = evolve(blueprint, transitions=[move for move in blueprint.transitions if move.id == GROUP4])
    assert only(commit(without, database, dry_run=True)).outcome is Telling.OVERTAKEN
    assert [each.outcome for each in commit(blueprint, database).told] == [Telling.APPLIED] * 2


def test_a_group_that_is_gone_does_not_take_others_along(database: str) -> None:
    """A transition whose row vanished is told apart, and the rest is told."""
    joining = [evolve(row, state=MemberState.JOINING) for row in CREATING.rack.members]
    snapshot = evolve(CREATING.rack, members=joining)
    blueprint = plan(snapshot)
    load(database, snapshot)
    meddle(database, *GROUP_GONE)
    outcomes = {each.transition.id: each.outcome for each in commit(blueprint, database).told}
    assert outcomes.pop(GROUP4) is Telling.OVERTAKEN
    assert outcomes.pop(MEMBER) is Telling.OVERTAKEN
    assert set(outcomes.values()) == {Telling.APPLIED}
