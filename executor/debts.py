"""What is not in effect after a run, each with the best reason that is known.

This file does not know how a run goes.
"""

from collections.abc import Collection, Iterable, Mapping

from attrs import evolve, frozen

from blueprints.addresses import Address
from executor.actions import FORMS, Effect
from executor.changes import Change, Kind
from executor.changeset import Difference
from executor.drains import REFILTERS
from executor.gates import Wait, moves_address
from executor.interruptions import option_for
from executor.owed import Owed, owed_by, owed_change


def lossy(change: Change, moving: Collection[Address]) -> str:
    """Return what people are told of a change that waits for consent, *moving* being the groups that would move."""
    return f"no order of calls avoids a loss: {option_for(change, moving)} accepts it"


def moving(waiting: Iterable[Change]) -> frozenset[Address]:
    """Return the groups among *waiting* changes whose underlay address would move."""
    return frozenset(group for change in waiting if moves_address(change) for group in change.groups)


@frozen(kw_only=True)
class Failure:
    """Why something is not in effect."""

    change: Change
    because: str
    proven: bool = False
    """Reading the wanted state back does not disprove it."""

    held: bool = False
    """It was not sent."""

    wedged: bool = False
    """Trying again does not mend it."""


def told_anew(failure: Failure, before: Mapping[Address, Wait], now: Mapping[Address, Wait]) -> Failure:
    """Return *failure* with what its group waits for *now*, if it was held for what that waited for *before*."""
    for group in failure.change.groups if failure.held else ():
        if group in now and failure.because == str(before.get(group)):
            return evolve(failure, because=str(now[group]))
    return failure


def debts(difference: Difference, failures: Iterable[Failure], waiting: Collection[Change]) -> list[Owed]:
    """Return what is owed.

    Args:
        difference: what still differs.
        failures: what went wrong, in the order in which it did.
        waiting: what somebody has to accept first.
    """
    reasons = {_key(failure.change): failure for failure in failures}
    consent = {_key(change) for change in waiting}
    moved = moving(waiting)
    owed = owed_by(difference)
    for change in difference.changes:
        key = _key(change)
        failure = reasons.get(key)
        because = "it still differs after the run" if failure is None else failure.because
        if key in consent:
            because = lossy(change, moved)
        wedged = failure is not None and failure.wedged
        owed.append(owed_change(change, because, consent=key in consent, wedged=wedged))
    for failure in failures:
        if failure.proven or FORMS[failure.change.kind].effect is Effect.REASSERT:
            owed.append(owed_change(failure.change, failure.because, wedged=failure.wedged))
    waits = [change for change in waiting if FORMS[change.kind].effect is Effect.REASSERT]
    return owed + [owed_change(change, lossy(change, moved), consent=True) for change in waits]


def _key(change: Change) -> tuple[object, ...]:
    # How a filter is rewritten follows from who sends at the moment: it is the same debt.
    kind = Kind.EXTERNAL_UPDATE if change.kind in REFILTERS else change.kind
    return (kind, change.target, change.subject, change.row.sort_key)
