"""The table of transitions: which the datastore can be told, and how.

This file does not know connections, nor what became of a transition.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid5

from blueprints.blueprint import Blueprint, PlannedGroup, Subject, Transition
from blueprints.errors import InputRejectedError, Mistake
from collector.group_swaps import ACTIVATE, CLOSE, REMOVE
from collector.member_swaps import END, JOIN, PARK, RELEASE
from collector.swaps import Rule, Swap, array

RULES: Mapping[tuple[Subject, str, str], Rule] = MappingProxyType(
    {
        (Subject.GROUP, "creating", "active"): ACTIVATE,
        (Subject.GROUP, "creating", "deleting"): CLOSE,
        (Subject.GROUP, "active", "deleting"): CLOSE,
        (Subject.GROUP, "deleting", "deleted"): REMOVE,
        (Subject.MEMBER, "joining", "joined"): JOIN,
        (Subject.MEMBER, "left", "joined"): JOIN,
        (Subject.MEMBER, "joined", "joined"): JOIN,
        (Subject.MEMBER, "joining", "left"): PARK,
        (Subject.MEMBER, "joined", "left"): PARK,
        (Subject.MEMBER, "joining", "deleted"): END,
        (Subject.MEMBER, "joined", "deleted"): END,
        (Subject.MEMBER, "left", "deleted"): END,
        (Subject.MEMBER, "left", "left"): RELEASE,
    }
)
"""Subject, from, to -> how it is told. What is not here is refused."""

TABLES: Mapping[Subject, tuple[str, str]] = MappingProxyType(
    {
        Subject.GROUP: ("multicast_group", "underlay_group_id"),
        Subject.MEMBER: ("multicast_group_member", "sled_id"),
    }
)
"""Subject -> the table of its rows, and the column that links a row."""


def swaps(blueprint: Blueprint, *, rehearsing: bool = False) -> tuple[Swap, ...]:
    """Return the transitions of *blueprint* with their rules, in the order in which they are told.

    Args:
        blueprint: what was carried out.
        rehearsing: nothing will change, so that what earlier transitions would have changed is taken as done.

    Raises:
        InputRejectedError: transitions that are not in the table, or that lack what they need; all are told.
    """
    groups = {group.id: group for group in blueprint.groups}
    mistakes = [
        Mistake(f"transitions[{index}]", message)
        for index, move in enumerate(blueprint.transitions)
        for message in _lacks(move, groups)
    ]
    if mistakes:
        raise InputRejectedError(f"blueprint {blueprint.id}", mistakes)
    values = _values_of_all(blueprint, rehearsing=rehearsing)
    found = [_swap(move, groups, values) for move in blueprint.transitions]
    return tuple(sorted(found, key=lambda swap: (swap.rule.phase, swap.transition.sort_key)))


def _lacks(move: Transition, groups: Mapping[UUID, PlannedGroup]) -> Iterator[str]:
    rule = RULES.get((move.subject, move.from_, move.to))
    if rule is None:
        yield f"no {move.subject} goes from {move.from_} to {move.to}"
    elif rule is JOIN and move.sled_id is None:
        yield "names no sled to be joined on"
    elif rule is ACTIVATE and move.id not in groups:
        yield f"group {move.id} is not planned, so that its underlay address is not known"


def _values_of_all(blueprint: Blueprint, *, rehearsing: bool) -> dict[str, Any]:
    leaving = [move.id for move in blueprint.transitions if RULES[move.subject, move.from_, move.to] is END]
    return {
        "grace": blueprint.policy.orphan_grace_seconds,
        "held": array(group.multicast_ip for group in blueprint.held),
        "leaving": array(leaving if rehearsing else ()),
    }


def _swap(move: Transition, groups: Mapping[UUID, PlannedGroup], values: Mapping[str, Any]) -> Swap:
    table, pointer = TABLES[move.subject]
    rule = RULES[move.subject, move.from_, move.to]
    planned = _values_of_group(groups[move.id]) if rule is ACTIVATE else {}
    return Swap(
        transition=move,
        table=table,
        pointer=pointer,
        rule=rule,
        values={**values, "sled": move.sled_id, **planned},
    )


def _values_of_group(group: PlannedGroup) -> dict[str, Any]:
    return {
        "underlay": group.underlay_ip.text,
        "salt": group.salt,
        "tag": group.tag.text,
        "row": uuid5(group.id, group.underlay_ip.text),
    }
