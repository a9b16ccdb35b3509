"""The calls of a run in their order, as long as every one of them succeeds; what `--dry-run` prints.

A real run asks the same functions stage by stage, with what went wrong so far in the ledger.
This file does not know how calls are sent.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from attrs import frozen

from blueprints.addresses import Address
from blueprints.endpoints import SubscriptionForm
from blueprints.ordering import Key
from executor.actions import FORMS, Tier
from executor.calls import Call, calls_for
from executor.changes import Change, Kind
from executor.changeset import Changes, Difference, Part
from executor.drains import REFILTERS
from executor.gates import Ledger, Wait, split_by_consent
from executor.joined import Joined
from executor.order import Schedule, schedule
from executor.room import Room
from executor.targets import Target

NOTHING: Mapping[Address, Wait] = MappingProxyType({})
UNCOUNTED = Room()
"""No switch of it is known to hold anything, so nothing is too much."""

Node = tuple[Tier, Target]


@frozen(kw_only=True)
class Held:
    """A change that is not sent, and why."""

    change: Change
    because: str


@frozen(kw_only=True)
class Work:
    """Changes by tier and target, and the stages in which they are done."""

    changes: Mapping[Node, Changes]
    stages: Schedule

    def of(self, node: Node) -> Changes:
        """Return the changes of one tier of one target."""
        return self.changes.get(node, Changes())


def work_for(changes: Iterable[Change], targets: Iterable[Target]) -> Work:
    """Return *changes* sorted into stages."""
    by_node: defaultdict[Node, list[Part]] = defaultdict(list)
    for part in Changes.made(changes).parts:
        by_node[FORMS[part.kind].tier, part.target].append(part)
    return Work(
        changes={node: Changes(parts) for node, parts in by_node.items()},
        stages=schedule(targets, by_node.keys()),
    )


def open_calls(
    changes: Changes, ledger: Ledger, subscriptions: SubscriptionForm
) -> tuple[Sequence[Call], tuple[Held, ...]]:
    """Return the calls for what may be sent now, and what is held back; the ledger learns of the latter."""
    free: list[Part] = []
    held: list[Held] = []
    for part in changes.parts:
        closed = _closed(part, ledger)
        held += [Held(change=part[place], because=because) for place, because in closed.items()]
        opened = (change for place, change in enumerate(part) if place not in closed)
        free += Changes.made(opened).parts if closed else (part,)
    # A filter that waits for its own turn is in no trouble: the group is there, as it was.
    ledger.trouble(each.change for each in held if not each.change.held or each.change.kind not in REFILTERS)
    return calls_for(Changes(free), subscriptions), tuple(held)


_HELD = REFILTERS | {Kind.HOP_CHANGE}
"""What alone can be held back by itself, whatever becomes of the rest."""


def _closed(part: Part, ledger: Ledger) -> dict[int, str]:
    """Return what of *part* may not be sent now, by its place, and why."""
    if ledger.clear and part.kind not in _HELD:
        return {}
    said = ((place, ledger.closed(change)) for place, change in enumerate(part))
    return {place: because for place, because in said if because is not None}


@frozen(kw_only=True)
class Rehearsal:
    """What a run would send, would hold back, and may not send without consent."""

    calls: Sequence[Call]
    held: tuple[Held, ...]
    waiting: Changes


def rehearse(  # noqa: PLR0913  # two things, and five ways to do otherwise than usual
    difference: Difference,
    targets: Iterable[Target],
    *,
    subscriptions: SubscriptionForm = SubscriptionForm.VMM,
    allow_loss: bool = False,
    moves: Collection[Address] = (),
    occupied: Mapping[Address, Wait] = NOTHING,
    room: Room = UNCOUNTED,
) -> Rehearsal:
    """Return the calls that bring about *difference*, in the order in which they would be sent.

    Groups that are *occupied* come in a second round, unless a target that they wait for does not answer. So does
    what the switches have no *room* for in the first one.
    """
    sendable, waiting = split_by_consent(difference, allow_loss=allow_loss, moves=moves)
    short = room.shortage(sendable, waiting=occupied)
    occupied = {**short.whole, **occupied}
    targets = tuple(targets)

    def round_of(changes: Changes, ledger: Ledger) -> tuple[list[Sequence[Call]], list[Held]]:
        ledger.take(difference)
        ledger.trouble(waiting)
        calls: list[Sequence[Call]] = []
        held: list[Held] = []
        work = work_for(changes, targets)
        for stage in (*work.stages.widening, *work.stages.narrowing):
            for node in stage:
                free, closed = open_calls(work.of(node), ledger, subscriptions)
                calls.append(free)
                held += closed
        return calls, held

    calls, held = round_of(sendable, Ledger(occupied=occupied, short=short.places))
    unknown = {silence.target for silence in difference.unknown}
    freed = {group for group, wait in occupied.items() if unknown.isdisjoint(wait.places)}
    if freed or short.known:
        again = second_round(sendable, freed, held_back((each.change for each in held), short.known))
        room = room.after(change for call in Joined(calls) for change in call.changes)
        more, later = round_of(again, Ledger(short=room.shortage(again).places))
        calls += more
        held = [each for each in held if (freed | short.known).isdisjoint(each.change.groups)] + later
    return Rehearsal(calls=Joined(calls), held=tuple(held), waiting=waiting)


def held_back(held: Iterable[Change], groups: Collection[Address]) -> frozenset[Key]:
    """Return what of *groups* was held back, for a second round."""
    return frozenset(change.sort_key for change in held if any(group in groups for group in change.groups))


def second_round(changes: Iterable[Change], freed: Collection[Address], held: Collection[Key] = ()) -> Changes:
    """Return what is sent for *freed* groups, whose leaves were sent before, and what was *held* back of others."""
    return Changes.made(
        change
        for change in changes
        if (change.kind is not Kind.LEAVE and any(group in freed for group in change.groups))
        or (held and change.sort_key in held)
    )
