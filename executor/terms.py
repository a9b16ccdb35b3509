"""What a planned call rests on, which answer is expected, and what takes it back: said of each call of a dry run.

All of it is read off the tables that a run goes by. This file does not know how a plan is shown to people.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from executor.actions import Gate
from executor.calls import Call
from executor.changes import Kind
from executor.inverses import inverse
from executor.statuses import ENDPOINTS, MEANINGS, Meaning
from executor.targets import Target

Json = Any

_ASSUMED: Mapping[Kind, str] = MappingProxyType(
    {Kind.JOIN: "unknown", Kind.LEAVE: "unknown", Kind.MOVE_LEAVE: "unknown", Kind.EXTERNAL_CREATE: "absent"}
    | {Kind.UNDERLAY_CREATE: "absent"}
)
"""What stands there for kinds of which what was read does not say it: a group is made where none is left by then."""


def expected(kind: Kind) -> tuple[int, ...]:
    """Return the statuses that say that a call of *kind* is in effect."""
    endpoint = ENDPOINTS[kind]
    return tuple(
        status
        for (of, status), meaning in MEANINGS.items()
        if of is endpoint and meaning is Meaning.DONE and status is not None
    )


def preconditions(call: Call) -> tuple[dict[str, Json], ...]:
    """Return what *call* rests on, as plain data, each thing once.

    ``object``: what stands there, ``absent``, ``as read`` or ``unknown``; ``in_effect``: kinds of changes of these
    groups that are done, or not needed, there; ``read``: a target that answered, or every sled did; ``holds``: a
    switch that holds the groups.
    """
    return tuple({repr(row): row for row in _preconditions(call)}.values())


def _preconditions(call: Call) -> Iterator[dict[str, Json]]:
    for change in call.changes:
        stands = _ASSUMED.get(change.kind) or ("absent" if change.seen is None else "as read")
        yield {"object": change.subject.text, "is": stands}
    for gate in call.form.gates:
        yield from _of_gate(call, gate)
    for change in call.changes:
        if change.via:
            yield {"switch": change.via, "holds": [group.text for group in change.groups]}
            if change.kind is Kind.EXTERNAL_DELETE:
                yield {"read": "every sled"}  # one that is silent may still send by this switch


def _of_gate(call: Call, gate: Gate) -> Iterator[dict[str, Json]]:
    yield {
        "in_effect": [kind.value for kind in gate.kinds],
        "groups": [group.text for group in call.groups],
        "where": gate.scope.value,
    }
    if gate.reads is not None:
        yield {"read": str(Target(daemon=gate.reads, place=call.target.place))}


def request_json(call: Call) -> dict[str, Json]:
    """Return one request as plain data, its body also as the very text that is sent."""
    return {
        "target": str(call.target),
        "method": call.method,
        "path": call.path,
        "body": call.body,
        "content": call.content.decode(),
    }


def terms_json(call: Call) -> dict[str, Json]:
    """Return what a dry run says of *call* besides the request."""
    back = inverse(call)
    return {
        "content": call.content.decode(),
        "preconditions": list(preconditions(call)),
        "expects": list(expected(call.kind)),
        "inverse": [request_json(each) for each in back.calls] or None,
        "inverse_because": back.because or None,
    }
