"""What is not sent any more in this run, because a target said that it cannot take it: permanent refusals.

A full table refuses the next row as it refused the last one, so trying would only be a storm. A creation is like
another if both are of one kind, for one target and of one address family: tables and ids are counted by these.

This file does not know how a call is sent, nor how an answer is read.
"""

from attrs import define, field, frozen

from executor.calls import Call
from executor.changes import Kind
from executor.sending import CallOutcome, Sent
from executor.statuses import NextStep
from executor.targets import Target


@frozen(kw_only=True)
class Hold:
    """Why something is held back."""

    because: str
    lasting: bool
    """Another run will find it so too."""


@define
class Holds:
    """What one run does not send any more. Grows as the run goes on."""

    _like: dict[tuple[Target, Kind, frozenset[int]], Hold] = field(factory=dict)
    _targets: dict[Target, Hold] = field(factory=dict)

    def note(self, sent: Sent) -> None:
        """Hold back what the outcome of a call asks for."""
        if sent.step is NextStep.HOLD_TARGET:
            self._targets.setdefault(sent.call.target, _hold(sent))
        elif sent.step is NextStep.HOLD_LIKE:
            self._like.setdefault(_likeness(sent.call), _hold(sent))

    def held(self, call: Call) -> Sent | None:
        """Return what becomes of *call* without sending it, or None where nothing holds it."""
        if not self._targets and not self._like:
            return None  # so it is nearly always
        hold = self._targets.get(call.target) or self._like.get(_likeness(call))
        if hold is None:
            return None
        note = f"not sent in this run: {hold.because}"
        return Sent(call=call, outcome=CallOutcome.OWED, note=note, step=NextStep.REPORT, wedged=hold.lasting)


def _hold(sent: Sent) -> Hold:
    return Hold(because=sent.note, lasting=sent.wedged)


def _likeness(call: Call) -> tuple[Target, Kind, frozenset[int]]:
    return (call.target, call.kind, frozenset(change.subject.family for change in call.changes))
