"""What became of each transition that the datastore was told, and the document that says so.

This file does not know SQL or connections.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from attrs import field, frozen

from blueprints.blueprint import Blueprint, Transition
from blueprints.converter import unstructure
from blueprints.run_report import CarriedOut

Json = Any


class Telling(StrEnum):
    """What became of a transition."""

    PLANNED = "planned"
    """A rehearsal: it would be applied."""
    APPLIED = "applied"
    ALREADY = "already"
    """The row stood there before: told by somebody else, or by an earlier run."""
    OVERTAKEN = "overtaken"
    """The row, or what the transition rests on, has moved on; nothing was changed."""
    FAILED = "failed"


@frozen(kw_only=True)
class Found:
    """What a row says now."""

    state: str
    time_deleted: datetime | None
    pointer: str
    """The column of the link: ``sled_id`` of a member, ``underlay_group_id`` of a group."""

    linked_to: UUID | None

    def as_json(self) -> Json:
        """Return it as plain data."""
        deleted, link = unstructure(self.time_deleted), unstructure(self.linked_to)
        return {"state": self.state, "time_deleted": deleted, self.pointer: link}


ABSENT: Json = {"state": "absent"}
"""What is found of a row that is gone."""


@frozen(kw_only=True)
class Told:
    """A transition and what became of it."""

    transition: Transition
    outcome: Telling
    found: Found | None = None
    """What stands there instead; None where the row is gone, and where it was not looked at."""

    unmet: tuple[str, ...] = ()
    """What the transition rests on and does not hold."""

    note: str = ""
    """Why it failed."""

    @property
    def looked(self) -> bool:
        """Whether `found` says what stands there."""
        return self.outcome in (Telling.ALREADY, Telling.OVERTAKEN)

    def as_json(self) -> Json:
        """Return it as plain data; what was not looked at is null."""
        found = ABSENT if self.found is None else self.found.as_json()
        return {
            **unstructure(self.transition),
            "outcome": self.outcome.value,
            "found": found if self.looked else None,
            "unmet": list(self.unmet),
            "note": self.note,
        }


@frozen(kw_only=True)
class Account:
    """What became of the transitions of a blueprint."""

    blueprint: CarriedOut
    dry_run: bool
    told: tuple[Told, ...] = field(repr=False)
    """In the order in which they were told."""

    @property
    def counts(self) -> Mapping[Telling, int]:
        """How many ended in each way; all ways are there."""
        counted = Counter(each.outcome for each in self.told)
        return {outcome: counted[outcome] for outcome in Telling}

    def as_json(self) -> dict[str, Json]:
        """Return the document that `commit-transitions --json` prints."""
        return {
            "blueprint": unstructure(self.blueprint),
            "dry_run": self.dry_run,
            "counts": {outcome.value: count for outcome, count in self.counts.items()},
            "transitions": [each.as_json() for each in self.told],
        }


def account(blueprint: Blueprint, told: Iterable[Told], *, dry_run: bool) -> Account:
    """Return the account of *blueprint*."""
    return Account(blueprint=CarriedOut.naming(blueprint), dry_run=dry_run, told=tuple(told))
