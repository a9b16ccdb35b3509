"""Compare-and-swap: how the datastore is told what may have stopped being true in the meantime.

Others write the same rows: the control plane, its sagas, a second run of this command. Nothing is locked between
planning and telling, so each statement asks again.

Rules:
    S1  The statement that changes a row checks in itself everything that its transition rests on. It is applied as a
        whole or has no effect; "no effect" means that somebody else moved the row, and is no error.
    S2  Where other tables change with the row, all of it is one transaction. The row's own statement comes last, and
        if it has no effect nothing has: no underlay row is left without its group, no group without its underlay row.
    S3  Equal is ``IS NOT DISTINCT FROM`` wherever a value may be missing: ``= NULL`` never holds.

In every statement ``it`` is the row, and ``%(name)s`` stands for a value of its transition. This file does not know
which transitions there are, nor connections.
"""

import re
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from attrs import frozen

from blueprints.blueprint import Transition
from collector.schema import Feature, Schema

Statement = tuple[str, tuple[Any, ...]]
"""SQL with ``%s`` in it, and what stands for each."""


class Phase(IntEnum):
    """When a transition is told, so that no row is told of ahead of one that it needs.

    Source:
        the order of the reconciler's own pass: what comes into being, members, what is empty, what goes.
    """

    GROUPS_COME = 1
    MEMBERS = 2
    GROUPS_CLOSE = 3
    GROUPS_GO = 4
    """After the members, so that tombstones whose sled was just released go with their group."""


@frozen(kw_only=True)
class Condition:
    """Something that a transition rests on."""

    says: str
    """What holds; reports and the documentation name it."""

    sql: str


@frozen(kw_only=True)
class Rule:
    """How one transition is told."""

    phase: Phase
    conditions: tuple[Condition, ...]
    """All that it rests on, besides that the row exists."""

    there: str
    """SQL: the row already stands where the transition leads. True or false, never NULL."""

    ends_the_row: bool = False
    """A row that is gone stands where the transition leads, or beyond."""

    change: str
    """The row's own statement; ``{guard}`` stands for rule S1, ``{also}`` for assignments of `also`."""

    also: Mapping[Feature, str] = MappingProxyType({})
    """Assignments that only some schemas have a column for."""

    before: tuple[str, ...] = ()
    """What changes in other tables, in order (rule S2)."""

    source: str
    """Where the rule comes from."""


@frozen(kw_only=True)
class Swap:
    """A transition of a blueprint with its rule, ready to be told."""

    transition: Transition
    table: str
    pointer: str
    """The column that says with what the row is linked; told of rows that were overtaken."""

    rule: Rule
    values: Mapping[str, Any]

    def before(self) -> tuple[Statement, ...]:
        """Return what changes in other tables first."""
        return tuple(self._bound(step.format(guard=self._guard)) for step in self.rule.before)

    def change(self, schema: Schema) -> Statement:
        """Return the row's own statement, which changes one row or none."""
        also = "".join(f"{sets}, " for feature, sets in self.rule.also.items() if schema.has(feature))
        return self._bound(self.rule.change.format(guard=self._guard, also=also))

    def look(self) -> Statement:
        """Return what reads the row: state, deletion time, pointer, whether it is there already, each condition."""
        asked = ", ".join(f"({sql})" for sql in (self.rule.there, *(each.sql for each in self.rule.conditions)))
        columns = f"it.state::text, it.time_deleted, it.{self.pointer}"
        return self._bound(f"SELECT {columns}, {asked} FROM {self.table} AS it WHERE it.id = %(id)s")  # noqa: S608

    @property
    def _guard(self) -> str:
        conditions = (*(each.sql for each in self.rule.conditions), f"NOT ({self.rule.there})")
        return "it.id = %(id)s AND " + " AND ".join(f"({sql})" for sql in conditions)

    def _bound(self, sql: str) -> Statement:
        values = {**self.values, "id": self.transition.id, "from": self.transition.from_}
        return _NAME.sub("%s", sql), tuple(values[name] for name in _NAME.findall(sql))


_NAME = re.compile(r"%\((\w+)\)s")


def array(values: Any) -> str:
    """Return *values* as the text of an SQL array, which a cast gives its type."""
    return "{" + ",".join(str(value) for value in values) + "}"
