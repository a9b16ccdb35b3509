"""Changes to requests: exact method, path and body.

This file does not know the order of requests, nor how they are sent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from urllib.parse import quote

from attrs import field, frozen

from blueprints.addresses import Address
from blueprints.endpoints import SubscriptionForm
from executor.actions import FORMS, MEMBERSHIP, Form
from executor.bodies import Json, encoded
from executor.changes import Change, Kind
from executor.changeset import Changes, sorted_changes
from executor.joined import Joined, Made
from executor.targets import Target

_MEMBERSHIP_PATHS: Mapping[SubscriptionForm, str] = MappingProxyType(
    {
        SubscriptionForm.INSTANCE: "/instances/{row.instance_id}/multicast-group",
        SubscriptionForm.VMM: "/vmms/{row.propolis_id}/multicast-group",
    }
)

BATCH_ROWS = 200
"""How many rows go in one request that takes a list."""


@frozen(kw_only=True)
class Call:
    """One request as it is sent."""

    target: Target
    method: str
    path: str
    """With its query."""

    changes: tuple[Change, ...]
    """What it brings about: one change, or those of a batch."""

    form: Form = field(init=False, eq=False, repr=False)
    """Its row of the table."""

    @form.default
    def _row(self) -> Form:
        return FORMS[self.kind]

    @property
    def body(self) -> Json:
        """The JSON that is sent, made when it is asked for: a run has hundreds of thousands of calls."""
        form = self.form
        if form.body is None:
            return None
        return form.body([change.row for change in self.changes] if form.batch else self.changes[0].row)

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        return encoded(self.body)

    @property
    def kind(self) -> Kind:
        """The kind of all its changes."""
        return self.changes[0].kind

    @property
    def groups(self) -> tuple[Address, ...]:
        """The external groups that it serves."""
        return tuple(sorted({g for change in self.changes for g in change.groups}, key=lambda g: g.key))


def call_for(changes: Iterable[Change], subscriptions: SubscriptionForm) -> Call:
    """Return the request that brings *changes* about: one change, or several of one kind that goes in batches."""
    parts = tuple(changes)
    form, row = FORMS[parts[0].kind], parts[0].row
    template = _MEMBERSHIP_PATHS[subscriptions] if form.path == MEMBERSHIP else form.path
    # Most paths name nothing, and one text does for the hundred thousand calls that share it.
    named = "{" in template
    path = template.format(row=row, tag=quote(str(getattr(row, "tag", "")), safe="")) if named else template
    return Call(target=parts[0].target, method=form.method, path=path, changes=parts)


def calls_for(changes: Iterable[Change], subscriptions: SubscriptionForm) -> Joined[Call]:
    """Return the requests for *changes* of one target and one tier, in order; batches are put together.

    A request is made when it is asked for: of most there are as many as a rack has rows, and few in flight.
    """
    parts = sorted_changes((), changes) if not isinstance(changes, Changes) else sorted_changes(changes.parts, ())
    alone = [Made(part, partial(_alone, subscriptions)) for part in parts.parts if not FORMS[part.kind].batch]
    batches = [batch for part in parts.parts if FORMS[part.kind].batch for batch in _batches(part)]
    return Joined([*alone, tuple(call_for(batch, subscriptions) for batch in batches)])


def _batches(part: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Yield *part* in batches that are answered in time, and of which one refused row undoes few others."""
    for start in range(0, len(part), BATCH_ROWS):
        yield part[start : start + BATCH_ROWS]


def _alone(subscriptions: SubscriptionForm, change: Change) -> Call:
    return call_for((change,), subscriptions)


def apart(call: Call, subscriptions: SubscriptionForm) -> tuple[Call, ...]:
    """Return one request for each group of a refused batch, so that one bad route does not hold the others."""
    by_group: dict[Address, list[Change]] = {}
    for change in call.changes:
        by_group.setdefault(change.subject, []).append(change)
    return tuple(call_for(parts, subscriptions) for _, parts in sorted(by_group.items(), key=lambda g: g[0].key))
