"""Sending one call, and finding out what became of it when the answer alone does not say.

A group whose creation went unanswered, or that exists already, is read: the same as wanted is done, ours but
different is updated, another owner's is a conflict. A batch of routes that is refused is sent again group by group.

This file does not know the order of calls, nor what waits for them.
"""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

from attrs import evolve, frozen

from blueprints.endpoints import SubscriptionForm
from blueprints.errors import BadAnswerError, DeviceError, SilentError
from executor import dpd
from executor.actions import Effect
from executor.calls import Call, apart, call_for
from executor.changes import Change
from executor.http import Answer, Client, UnreachedError
from executor.statuses import ENDPOINTS, Endpoint, Meaning, meaning


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
        return Sent(call=call, outcome=CallOutcome.OWED, note=str(error))
    except (SilentError, BadAnswerError) as error:
        if endpoint is Endpoint.CREATE:
            return await _settled(client, call)
        return Sent(call=call, outcome=CallOutcome.OWED, note=str(error))
    found = meaning(endpoint, answer.status, answer.message)
    if found is Meaning.EXISTS:
        return await _settled(client, call)
    if found is Meaning.REFUSED and endpoint in (Endpoint.CREATE, Endpoint.UPDATE, Endpoint.DELETE):
        return await _explained(client, call, answer)
    return _judged(call, found, answer)


async def _request(client: Client, call: Call) -> Answer:
    purpose = "writes" if call.form.effect is Effect.WRITE else "reasserts"
    return await client.call(call.method, call.path, call.body, purpose=purpose)


_OUTCOMES = {
    Meaning.DONE: (CallOutcome.DONE, ""),
    Meaning.ABSENT: (CallOutcome.OWED, "gone since it was read: "),
    Meaning.REFUSED: (CallOutcome.REFUSED, ""),
    Meaning.RETRY: (CallOutcome.OWED, "not ready: "),
    Meaning.EXISTS: (CallOutcome.OWED, "exists, and cannot be read: "),
    Meaning.PROTOCOL: (CallOutcome.OWED, "an answer that this API does not give: "),
}


def _judged(call: Call, found: Meaning, answer: Answer) -> Sent:
    outcome, prefix = _OUTCOMES[found]
    note = "" if found is Meaning.DONE else f"{prefix}{answer.status} {answer.message}".strip()
    return Sent(call=call, outcome=outcome, status=answer.status, note=note)


async def _settled(client: Client, call: Call) -> Sent:
    """Find out what became of a creation that exists already, or whose answer was lost; bounded."""
    (change,) = call.changes
    last = Sent(call=call, outcome=CallOutcome.OWED, note="exists, and cannot be read")
    for pause in (0.0, *client.limits.pauses_seconds):
        await asyncio.sleep(pause)
        try:
            seen = await dpd.read_group(client, change.subject)
            if seen is not None:
                return await _reconciled(client, call, change, seen)
            answer = await _request(client, call)
        except DeviceError as error:
            last = Sent(call=call, outcome=CallOutcome.OWED, note=str(error))
            continue
        last = _judged(call, meaning(Endpoint.CREATE, answer.status), answer)
        if answer.status != 409:
            return last
    return last


async def _reconciled(client: Client, call: Call, change: Change, seen: dpd.Group) -> Sent:
    """Make of the group that stands there what *change* wanted, if it is ours to change."""
    if dpd.holds(change, seen):
        return Sent(call=call, outcome=CallOutcome.DONE, note="it was there already")
    if seen.tag != change.row.tag.text:
        return Sent(call=call, outcome=CallOutcome.CONFLICT, note=f"it carries the tag {seen.tag}")
    update = dpd.mended(change, seen)
    if update is None:
        return Sent(call=call, outcome=CallOutcome.OWED, note="it leads to another underlay group")
    mending = call_for([update], SubscriptionForm.VMM)
    answer = await _request(client, mending)
    return evolve(_judged(mending, meaning(Endpoint.UPDATE, answer.status), answer), call=mending)


async def _explained(client: Client, call: Call, answer: Answer) -> Sent:
    """Read what stands where dpd refused: its codes do not tell another owner from a bad request."""
    (change,) = call.changes
    refused = _judged(call, Meaning.REFUSED, answer)
    if answer.status != 400:
        return refused
    try:
        seen = await dpd.read_group(client, change.subject)
    except DeviceError:
        return refused  # it was refused in any case; why is not known
    if seen is None:
        return evolve(refused, outcome=CallOutcome.DONE) if call.method == "DELETE" else refused
    if seen.tag != str(change.row.tag):
        return evolve(refused, outcome=CallOutcome.CONFLICT, note=f"it carries the tag {seen.tag}")
    return refused
