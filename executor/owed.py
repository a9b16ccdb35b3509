"""Debts: what is not in effect, and why; one by one, and by the reasons that many of them share.

This file does not know how a debt came about.
"""

import re
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from blueprints.addresses import Address
from blueprints.run_report import TargetState
from executor.changes import Change
from executor.changeset import Difference
from executor.standings import WEIGHTS, Debt

Json = Any


@frozen(kw_only=True)
class Owed:
    """Something that is not in effect, and why."""

    target: str
    because: str
    kind: str | None = None
    """The change that is owed; None: everything, because the target could not be read."""

    groups: tuple[Address, ...] = ()
    consent: bool = False
    """It waits for somebody to accept a loss."""

    foreign: bool = False
    """Something that is not ours to touch stands in its place."""

    wedged: bool = False
    """Trying again does not mend it."""

    @property
    def state(self) -> TargetState:
        """What it makes of its target."""
        if self.wedged:
            return TargetState.WEDGED
        if self.consent:
            return TargetState.CONSENT
        return TargetState.FOREIGN if self.foreign else TargetState.OWED

    @property
    def debt(self) -> Debt:
        """What it is to the state of its target."""
        return Debt(target=self.target, state=self.state, because=self.because)

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """By target, group and kind, then by all else."""
        groups = tuple(group.key for group in self.groups)
        return (self.target, groups, self.kind or "", self.because, self.consent, self.foreign, self.wedged)


@frozen(kw_only=True)
class Reason:
    """Why several things are owed."""

    because: str
    """Where the debts name their own group, that stands there as ``{group}``."""

    state: TargetState
    """What it makes of their targets."""

    debts: tuple[Owed, ...]
    """One or more, in order."""

    @property
    def sort_key(self) -> tuple[int, int, str]:
        """The weightiest first, then what is owed most often."""
        return (-WEIGHTS[self.state], -len(self.debts), self.because)

    @property
    def kinds(self) -> list[str]:
        """The kinds of what is owed, each once."""
        return sorted({owed.kind or "everything" for owed in self.debts})

    @property
    def targets(self) -> list[str]:
        """Where it is owed, each once."""
        return sorted({owed.target for owed in self.debts})

    @property
    def groups(self) -> list[str]:
        """The groups that lack it, each once."""
        found = {group for owed in self.debts for group in owed.groups}
        return [group.text for group in sorted(found, key=lambda group: group.key)]

    def as_json(self) -> dict[str, Json]:
        """Return it as plain data, the debts as their number."""
        return {
            "because": self.because,
            "state": self.state.value,
            "debts": len(self.debts),
            "kinds": self.kinds,
            "targets": self.targets,
            "groups": self.groups,
        }


def reasons(owed: Iterable[Owed]) -> tuple[Reason, ...]:
    """Return the reasons of what is *owed*, each once, the weightiest first."""
    found: dict[tuple[str, TargetState], list[Owed]] = {}
    for each in owed:
        found.setdefault((_of_its_group(each), each.state), []).append(each)
    several = (Reason(because=why, state=state, debts=tuple(debts)) for (why, state), debts in found.items())
    return tuple(sorted(several, key=lambda reason: reason.sort_key))


def _of_its_group(owed: Owed) -> str:
    because = owed.because
    for group in owed.groups:
        because = re.sub(rf"(?<![\w.:]){re.escape(group.text)}(?![\w:]|\.\d)", "{group}", because)
    return because


def owed_json(owed: Owed) -> dict[str, Json]:
    """Return one debt as plain data."""
    return {
        "target": owed.target,
        "kind": owed.kind,
        "groups": [group.text for group in owed.groups],
        "because": owed.because,
        "consent": owed.consent,
        "state": owed.state.value,
    }


def owed_change(change: Change, because: str, *, consent: bool = False, wedged: bool = False) -> Owed:
    """Return *change* as a debt."""
    return Owed(
        target=str(change.target),
        kind=change.kind.value,
        groups=change.groups,
        because=because,
        consent=consent,
        wedged=wedged,
    )


def owed_by(difference: Difference) -> list[Owed]:
    """Return what *difference* owes besides its changes: silent targets and blocked groups."""
    silent = [Owed(target=silence.target, because=silence.reason) for silence in difference.unknown]
    blocked = [
        Owed(target=str(conflict.target), groups=(conflict.group,), because=conflict.because, foreign=True)
        for conflict in difference.conflicts
    ]
    return [*silent, *blocked]


def in_order(owed: Iterable[Owed]) -> tuple[Owed, ...]:
    """Return each debt once, in order."""
    return tuple(sorted(set(owed), key=lambda each: each.sort_key))
