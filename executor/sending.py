"""Sending one call, and doing what its answer asks for next, when the answer alone does not say what became of it.

The step is looked up (`executor.statuses`), and each step that looks at the rack is one function here. A batch of
routes that is refused is sent again group by group.

This file does not know the order of calls, nor what waits for them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from types import MappingProxyType

from attrs import evolve, frozen

from blueprints.endpoints import SubscriptionForm
from blueprints.errors import BadAnswerError, DeviceError, SilentError
from executor import dpd, sled_agent
from executor.actions import Effect
from executor.answers import Answer, UnreachedError
from executor.calls import Call, apart, call_for
from executor.changes import Change, Kind
from executor.http import Client, tries
from executor.statuses import ENDPOINTS, LOST, OUTLASTED, STEPS, Endpoint, Meaning, NextStep, meaning


class CallOutcome(StrEnum):
    """What became of a call."""

    PLANNED = "planned"
    """A dry run: not sent."""
    DONE = "done"
    SPLIT = "split"
    """A batch was refused; its parts follow."""
    OWED = "owed"
    """No answer, or none to trust: to be done again."""
    REFUSED = "refused"
    CONFLICT = "conflict"
    """Somebody else's object stands there."""


@frozen(kw_only=True)
class Sent:
    """A call with its outcome."""

    call: Call
    outcome: CallOutcome
    status: int | None = None
    note: str = ""
    step: NextStep = NextStep.NOTHING
    """What is left to do about it."""

    wedged: bool = False
    """Sending it again, in another run too, will not bring it about."""

    @property
    def done(self) -> bool:
        """Whether what it wanted is in effect, as far as the daemon says."""
        return self.outcome is CallOutcome.DONE


async def send(client: Client, call: Call, subscriptions: SubscriptionForm) -> Sequence[Sent]:
    """Send *call* and return what became of it; several results where a batch had to be taken apart."""
    sent = await _send(client, call)
    if sent.outcome is not CallOutcome.REFUSED or not call.form.batch or not 400 <= (sent.status or 0) < 500:
        return [sent]
    parts = apart(call, subscriptions)
    if len(parts) < 2:
        return [sent]
    return [evolve(sent, outcome=CallOutcome.SPLIT), *[await _send(client, part) for part in parts]]


async def _send(client: Client, call: Call) -> Sent:
    endpoint = ENDPOINTS[call.kind]
    try:
        answer = await _request(client, call)
    except UnreachedError as error:
        return Sent(call=call, outcome=CallOutcome.OWED, note=str(error), step=NextStep.REPORT)
    except (SilentError, BadAnswerError) as error:
        step = STEPS[endpoint, meaning(endpoint, LOST)]
        lost = Sent(call=call, outcome=CallOutcome.OWED, note=str(error), step=step)
        return await _settled(client, call) if step is NextStep.COMPARE else lost
    sent = _judged(call, endpoint, answer)
    look = _left if call.kind is Kind.LEAVE and sent.status == 204 and answer.repeated else _LOOKS.get(sent.step)
    return sent if look is None else await look(client, sent)


async def _request(client: Client, call: Call) -> Answer:
    purpose = "writes" if call.form.effect is Effect.WRITE else "reasserts"
    return await client.call(call.method, call.path, call.body, purpose=purpose)


_OUTCOMES: Mapping[Meaning, tuple[CallOutcome, str]] = MappingProxyType(
    {
        Meaning.DONE: (CallOutcome.DONE, ""),
        Meaning.ABSENT: (CallOutcome.OWED, "gone since it was read: "),
        Meaning.REFUSED: (CallOutcome.REFUSED, ""),
        Meaning.AMBIGUOUS: (CallOutcome.REFUSED, ""),
        Meaning.RETRY: (CallOutcome.OWED, "not ready: "),
        Meaning.FULL: (CallOutcome.REFUSED, "no room left: "),
        Meaning.UNSUPPORTED: (CallOutcome.REFUSED, "no multicast here: "),
        Meaning.EXISTS: (CallOutcome.OWED, "exists, and cannot be read: "),
        Meaning.PROTOCOL: (CallOutcome.OWED, "an answer that this API does not give: "),
    }
)

_LASTING = frozenset({Meaning.FULL, Meaning.UNSUPPORTED})
"""What another run will find as it is."""


def _judged(call: Call, endpoint: Endpoint, answer: Answer) -> Sent:
    """Return what *answer* alone makes of *call*, and what is left to do about it."""
    found = meaning(endpoint, answer.status, answer.message)
    outcome, prefix = _OUTCOMES[found]
    step = STEPS[endpoint, found]
    if step is NextStep.AGAIN:  # the client has done that
        step = OUTLASTED.get(endpoint, NextStep.REPORT)
    note = "" if found is Meaning.DONE else f"{prefix}{answer.status} {answer.message}".strip()
    wedged = found in _LASTING
    return Sent(call=call, outcome=outcome, status=answer.status, note=note, step=step, wedged=wedged)


class _StillThereError(Exception):
    """It exists, and cannot be read: half of it may be swept by trying again."""


async def _settled(client: Client, call: Call) -> Sent:
    """Find out what became of a creation that exists already, or whose answer was lost; bounded.

    What is refused as existing while nothing can be read of it to the end is left over in the chip: nobody can
    reach it by this API, so no run will mend it.
    """
    last = Sent(call=call, outcome=CallOutcome.OWED, note="exists, and cannot be read", step=NextStep.REPORT)
    with suppress(_StillThereError):
        async for attempt in tries(client.limits, _StillThereError):
            with attempt:
                last = await _looked_up(client, call)
                if last.step is NextStep.COMPARE:
                    last = evolve(last, step=NextStep.REPORT, wedged=last.status == 409)
                    raise _StillThereError
    return last


async def _looked_up(client: Client, call: Call) -> Sent:
    """Return what became of a creation by what is read, or else of one more try of it; COMPARE: look again."""
    (change,) = call.changes
    try:
        seen = await dpd.read_group(client, change.subject)
        if seen is not None:
            return await _reconciled(client, call, change, seen)
        answer = await _request(client, call)
    except UnreachedError as error:
        return Sent(call=call, outcome=CallOutcome.OWED, note=str(error), step=NextStep.REPORT)
    except DeviceError as error:
        return Sent(call=call, outcome=CallOutcome.OWED, note=str(error), step=NextStep.COMPARE)
    return _judged(call, Endpoint.CREATE, answer)


async def _compared(client: Client, sent: Sent) -> Sent:
    return await _settled(client, sent.call)


async def _reconciled(client: Client, call: Call, change: Change, seen: dpd.Group) -> Sent:
    """Make of the group that stands there what *change* wanted, if it is ours to change."""
    if dpd.holds(change, seen):
        return Sent(call=call, outcome=CallOutcome.DONE, note="it was there already")
    if seen.tag != change.row.tag.text:
        return _somebody_elses(Sent(call=call, outcome=CallOutcome.OWED), seen)
    update = dpd.mended(change, seen)
    if update is None:
        note = "it leads to another underlay group"
        return Sent(call=call, outcome=CallOutcome.OWED, note=note, step=NextStep.REPORT)
    mending = call_for([update], SubscriptionForm.VMM)
    return await _send(client, mending)


def _somebody_elses(sent: Sent, seen: dpd.Group) -> Sent:
    note = f"it carries the tag {seen.tag}"
    return evolve(sent, outcome=CallOutcome.CONFLICT, note=note, step=NextStep.REPORT)


async def _explained(client: Client, sent: Sent) -> Sent:
    """Read what stands where dpd refused: its codes do not tell another owner from a bad request."""
    (change,) = sent.call.changes
    refused = evolve(sent, step=NextStep.REPORT)
    try:
        seen = await dpd.read_group(client, change.subject)
    except DeviceError:
        return refused  # it was refused in any case; why is not known
    if seen is None:
        done = sent.call.method == "DELETE"
        return evolve(refused, outcome=CallOutcome.DONE, step=NextStep.NOTHING) if done else refused
    return _somebody_elses(sent, seen) if seen.tag != str(change.row.tag) else refused


async def _suspected(client: Client, sent: Sent) -> Sent:
    """Leave a suspicion where members of our own group were refused: its chip is not as its daemon says.

    Source:
        dpd restores its own list when a change of members fails half way, and not the chip. From then on it refuses
        every change that its chip has already, or has not any more.
    """
    (change,) = sent.call.changes
    refused = evolve(sent, step=NextStep.REPORT)
    try:
        seen = await dpd.read_group(client, change.subject)
    except DeviceError:
        return refused  # the next run asks again
    if seen is None:
        return refused
    if seen.tag != str(change.row.tag):
        return _somebody_elses(sent, seen)
    return evolve(sent, note=f"{sent.note}; its chip is not as it says")


async def _disambiguated(client: Client, sent: Sent) -> Sent:
    """Find out which of its meanings a 404 has: the group is gone, or it is there and lacks one of the ports."""
    (change,) = sent.call.changes
    owed = evolve(sent, step=NextStep.REPORT)
    try:
        seen = await dpd.read_group(client, change.subject)
    except DeviceError:
        return owed  # which of them is not known
    if seen is None:
        # What refers to it is of no use any more: it is taken away and made anew with it.
        return evolve(owed, step=NextStep.SUSPECT)
    if seen.tag != str(change.row.tag):
        return _somebody_elses(sent, seen)
    note = f"it has no such port or link, or its chip lacks it: {sent.status} {sent.note.partition(': ')[2]}".strip()
    return evolve(owed, outcome=CallOutcome.REFUSED, note=note)


async def _left(client: Client, sent: Sent) -> Sent:
    """Take a leave for done only if its mapping is still there: a sled-agent that restarted meanwhile may lack it.

    Source:
        without a mapping a leave has no effect, and is acknowledged all the same.
    """
    owed = evolve(sent, outcome=CallOutcome.OWED, step=NextStep.LEFT_BEHIND)
    try:
        mapped = {pair.group for pair in await sled_agent.read_mappings(client)}
    except DeviceError as error:
        return evolve(owed, note=f"acknowledged at another try, and whether it had an effect is unknown: {error}")
    note = "acknowledged at another try, and its mapping is gone: it may have had no effect"
    return sent if all(change.subject in mapped for change in sent.call.changes) else evolve(owed, note=note)


_LOOKS: Mapping[NextStep, Callable[[Client, Sent], Awaitable[Sent]]] = MappingProxyType(
    {
        NextStep.COMPARE: _compared,
        NextStep.EXPLAIN: _explained,
        NextStep.SUSPECT: _suspected,
        NextStep.DISAMBIGUATE: _disambiguated,
    }
)
"""The steps that are done at once, by looking at what stands there."""
