"""What is not in effect after a run, each with the best reason that is known.

This file does not know how a run goes.
"""

from collections.abc import Collection, Iterable

from attrs import frozen

from executor.actions import FORMS, Effect
from executor.changes import Change, Difference
from executor.report import Owed, owed_by, owed_change

LOSSY = "no order of calls avoids a loss: --allow-loss accepts it"


@frozen(kw_only=True)
class Failure:
    """Why something is not in effect."""

    change: Change
    because: str
    proven: bool = False
    """Reading the wanted state back does not disprove it."""

    held: bool = False
    """It was not sent."""


def debts(difference: Difference, failures: Iterable[Failure], waiting: Collection[Change]) -> list[Owed]:
    """Return what is owed.

    Args:
        difference: what still differs.
        failures: what went wrong, in the order in which it did.
        waiting: what somebody has to accept first.
    """
    reasons = {_key(failure.change): failure.because for failure in failures}
    consent = {_key(change) for change in waiting}
    owed = owed_by(difference)
    for change in difference.changes:
        key = _key(change)
        because = LOSSY if key in consent else reasons.get(key, "it still differs after the run")
        owed.append(owed_change(change, because, consent=key in consent))
    for failure in failures:
        if failure.proven or FORMS[failure.change.kind].effect is Effect.REASSERT:
            owed.append(owed_change(failure.change, failure.because))
    waits = [change for change in waiting if FORMS[change.kind].effect is Effect.REASSERT]
    return owed + [owed_change(change, LOSSY, consent=True) for change in waits]


def _key(change: Change) -> tuple[object, ...]:
    return (change.kind, change.target, change.subject, change.row.sort_key)
