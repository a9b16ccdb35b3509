"""The table of transitions without a database: what it takes, what it refuses, and in which order it is told."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from benchmarks.workload import Size, a_while_later, settled
from benchmarks.workload import rack as rack_of
from blueprints.blueprint import Blueprint, Subject, Transition
from blueprints.errors import InputRejectedError
from blueprints.snapshot import GroupState, MemberState
from collector.schema import Schema
from collector.transitions import RULES, swaps
from planner import plan
from planner.transitions import DELETED
from tests.collector.situations import SITUATIONS
from tests.simrack.rows import GROUP4, RACK, SLEDS, small_rack

PAGE = Path(__file__).parents[2] / "docs" / "transitions.md"
PLAN = plan(small_rack())


def move(subject: Subject, from_: str, to: str, **changes: Any) -> Transition:
    """Return a transition of group 4, or of somebody."""
    usual = {"id": GROUP4, "sled_id": None, "because": "a test"}
    return Transition(subject=subject, from_=from_, to=to, **{**usual, **changes})


def telling(*moves: Transition) -> Blueprint:
    """Return the plan of the small rack with other transitions."""
    return evolve(PLAN, transitions=moves)


def test_every_transition_that_a_planner_may_list_is_in_the_table_or_refused() -> None:
    """All pairs of states are either told by a rule or refused by name; nothing is passed over."""
    states = {Subject.GROUP: [*GroupState, DELETED], Subject.MEMBER: [*MemberState, DELETED]}
    for subject, known in states.items():
        for from_ in known:
            for to in known:
                blueprint = telling(move(subject, from_, to, sled_id=SLEDS[0]))
                if (subject, from_, to) in RULES:
                    assert len(swaps(blueprint)) == 1
                else:
                    with pytest.raises(InputRejectedError, match=f"no {subject} goes from {from_} to {to}"):
                        swaps(blueprint)


def test_what_cannot_be_told_is_refused_all_at_once() -> None:
    """Each transition that lacks something is named by its place, and none is told."""
    stranger = UUID(int=9)
    moves = [
        move(Subject.GROUP, "active", "creating"),
        move(Subject.GROUP, "creating", "active", id=stranger),
        move(Subject.MEMBER, "joining", "joined"),
        move(Subject.MEMBER, "parked", "joined"),
    ]
    with pytest.raises(InputRejectedError) as refused:
        swaps(telling(*moves))
    assert [str(mistake) for mistake in refused.value.mistakes] == [
        f"transitions[0]: group {stranger} is not planned, so that its underlay address is not known",
        "transitions[1]: no group goes from active to creating",
        "transitions[2]: names no sled to be joined on",
        "transitions[3]: no member goes from parked to joined",
    ]


def test_groups_come_before_members_and_go_after_them() -> None:
    """First what comes into being, then members, what is closed, what goes; each in the order of the blueprint."""
    moves = [
        move(Subject.GROUP, "deleting", "deleted", id=UUID(int=1)),
        move(Subject.GROUP, "active", "deleting", id=UUID(int=2)),
        move(Subject.MEMBER, "left", "left", id=UUID(int=4)),
        move(Subject.MEMBER, "joined", "left", id=UUID(int=3)),
        move(Subject.GROUP, "creating", "active"),
    ]
    assert [swap.transition.id for swap in swaps(telling(*moves))] == [
        *(GROUP4, UUID(int=3), UUID(int=4), UUID(int=2), UUID(int=1))
    ]


def test_planned_transitions_of_any_rack_can_be_told() -> None:
    """Whatever the planner lists for racks in the middle of their lives has its rule."""
    for seed in range(5):
        before = rack_of(seed, Size(sleds=6, groups=40, members=160, instances=60))
        first = plan(before)
        later = plan(a_while_later(settled(before, first), seed), first)
        for blueprint in (first, later):
            assert len(swaps(blueprint)) == len(blueprint.transitions) > 0


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.label)
def test_no_statement_is_unguarded(situation: Any) -> None:
    """Every condition stands in the statement that changes the row, and in every statement that goes before it."""
    (swap,) = (each for each in swaps(plan(situation.rack)) if each.transition.id == situation.subject)
    for version in (209, 220, 296):
        statements = [*swap.before(), swap.change(Schema(version))]
        for condition in swap.rule.conditions:
            sql = re.sub(r"%\(\w+\)s", "%s", condition.sql)
            assert all(sql in statement for statement, _ in statements)
        for statement, values in [*statements, swap.look()]:
            assert statement.count("%s") == len(values)
            assert not re.search(r"[{}]|%\(", statement)


def test_the_salt_is_told_where_there_is_a_column_for_it() -> None:
    """Before schema 220 a group has no salt, and the statement does not name it."""
    (swap,) = swaps(telling(move(Subject.GROUP, "creating", "active")))
    told = {version: "underlay_salt" in swap.change(Schema(version))[0] for version in (209, 219, 220, 297)}
    assert told == {209: False, 219: False, 220: True, 297: True}


def test_the_id_of_an_underlay_row_follows_from_group_and_address() -> None:
    """Two runs that plan the same make the same row."""
    (swap,) = swaps(telling(move(Subject.GROUP, "creating", "active")))
    (again,) = swaps(telling(move(Subject.GROUP, "creating", "active")))
    assert swap.values["row"] == again.values["row"] != RACK


def test_the_page_names_every_rule_and_all_that_it_rests_on() -> None:
    """The documentation has a line for each transition of the table, with each of its conditions."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    for (subject, from_, to), rule in RULES.items():
        mine = [line for line in lines if line.startswith(f"| {subject} ")]
        told = [line for line in mine if f"`{from_}`" in line.partition("→")[0] and f"→ `{to}`" in line]
        assert len(told) == 1, (subject, from_, to)
        for condition in rule.conditions:
            assert condition.says in told[0], (subject, from_, to, condition.says)
