"""Lineage: generations, and whether a plan is its parent.

This file does not know how the content came about.
"""

from collections.abc import Mapping
from typing import TypeVar

from attrs import evolve

from blueprints.blueprint import Blueprint, Content, ParentRef, SledTables, SwitchTables, same_decisions
from blueprints.sealing import sealed

K = TypeVar("K")
T = TypeVar("T", SwitchTables, SledTables)


def numbered(tables: Mapping[K, T], before: Mapping[K, T], newcomers: int) -> dict[K, T]:
    """Return *tables* with generations: as *before* where nothing changed, one more where something did.

    Args:
        tables: of every switch, or of every sled.
        before: the parent's.
        newcomers: the generation of tables that the parent does not have. One that was away for a while must not
            come back with a lower one; no generation is above that of its blueprint, so the new blueprint's will do.
    """
    return {name: _numbered(its, before.get(name), newcomers) for name, its in tables.items()}


def _numbered(tables: T, before: T | None, newcomers: int) -> T:
    if before is None:
        return evolve(tables, generation=newcomers)
    same = evolve(tables, generation=before.generation)
    return same if same == before else evolve(tables, generation=before.generation + 1)


def descend(content: Content, parent: Blueprint | None, snapshot_digest: str) -> Blueprint:
    """Return *content* as a blueprint, or *parent* itself where both decide the same for the same causes.

    From the parent's own snapshot the causes are the same, but for what only the parent's parent remembered.
    """
    if parent is None:
        return sealed(content, None, 1, snapshot_digest)
    same_causes = snapshot_digest == parent.snapshot_digest or content.causes == parent.causes
    if same_causes and same_decisions(content, parent):
        return parent
    reference = ParentRef(id=parent.id, digest=parent.digest)
    return sealed(content, reference, parent.generation + 1, snapshot_digest)
