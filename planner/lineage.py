"""Lineage: generations, and whether a plan is its parent.

This file does not know how the content came about.
"""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from attrs import evolve, fields

from blueprints.blueprint import CONTENT_FIELDS, Blueprint, Content, ParentRef, SledTables, Subscription, SwitchTables
from blueprints.identifiers import SwitchSlot
from blueprints.rows import Rows, unread, written
from blueprints.sealing import sealed

K = TypeVar("K")
T = TypeVar("T", SwitchTables, SledTables)


def recalled(parent: Blueprint) -> Blueprint:
    """Return *parent* with what its sleds hear as it is written, which is asked for all over."""
    if all(isinstance(tables.subscriptions, Rows) for tables in parent.sleds.values()):
        return parent
    heard = {sled: unread(Subscription, written(tables.subscriptions)) for sled, tables in parent.sleds.items()}
    return evolve(
        parent, sleds={sled: evolve(tables, subscriptions=heard[sled]) for sled, tables in parent.sleds.items()}
    )


def numbered(tables: Mapping[K, T], before: Mapping[K, T], newcomers: int) -> dict[K, T]:
    """Return *tables* with generations: as *before* where nothing changed, one more where something did.

    Args:
        tables: of every switch, or of every sled.
        before: the parent's.
        newcomers: the generation of tables that the parent does not have. One that was away for a while must not
            come back with a lower one; no generation is above that of its blueprint, so the new blueprint's will do.
    """
    compare = _Comparison()
    return {name: _numbered(its, before.get(name), newcomers, compare) for name, its in tables.items()}


class _Comparison:
    """Compares tables list by list, lists that many of them share once."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], bool] = {}

    def same(self, tables: T, before: T) -> bool:
        """Return whether both hold the same, whatever their generations."""
        names = [attribute.name for attribute in fields(tables.__class__) if attribute.name != "generation"]
        return all(self._same(getattr(tables, name), getattr(before, name)) for name in names)

    def _same(self, rows: Any, before: Any) -> bool:
        pair = (id(rows), id(before))  # both outlive the comparison
        if pair not in self._found:
            self._found[pair] = bool(rows == before)
        return self._found[pair]


def _numbered(tables: T, before: T | None, newcomers: int, compare: _Comparison) -> T:
    if before is None:
        return evolve(tables, generation=newcomers)
    return evolve(tables, generation=before.generation + (not compare.same(tables, before)))


def missing(switches: Collection[SwitchSlot], parent: Blueprint | None) -> frozenset[SwitchSlot]:
    """Return the switches that an earlier plan named and that are not among *switches*."""
    named = () if parent is None else (*parent.switches, *parent.missing_switches)
    return frozenset(named).difference(switches)


TABLES = ("switches", "sleds")
"""What is numbered: equal numbers, as `numbered` gives them, are equal tables."""


def _decides_the_same(content: Content, parent: Blueprint) -> bool:
    """Return whether both decide the same, for whatever causes; *content* is numbered after *parent*."""
    numbers = [
        {name: its.generation for name, its in getattr(one, table).items()}
        for one in (content, parent)
        for table in TABLES
    ]
    others = [name for name in CONTENT_FIELDS if name not in (*TABLES, "causes")]
    return numbers[:2] == numbers[2:] and all(getattr(content, name) == getattr(parent, name) for name in others)


def descend(content: Content, parent: Blueprint | None, snapshot_digest: str) -> Blueprint:
    """Return *content* as a blueprint, or *parent* itself where both decide the same for the same causes.

    From the parent's own snapshot the causes are the same, but for what only the parent's parent remembered.
    """
    if parent is None:
        return sealed(content, None, 1, snapshot_digest)
    if _decides_the_same(content, parent) and (
        snapshot_digest == parent.snapshot_digest or content.causes == parent.causes
    ):
        return parent
    reference = ParentRef(id=parent.id, digest=parent.digest)
    return sealed(content, reference, parent.generation + 1, snapshot_digest)
