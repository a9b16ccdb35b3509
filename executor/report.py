"""What a run did, what is owed, and the exit code that says so.

This file does not know how calls are sent, nor how a report is shown to people.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from attrs import field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.run_report import REPORT_FORMAT, CarriedOut, Outcome
from blueprints.text import Lines, one_line, pieces
from executor.actions import FORMS, Observability
from executor.calls import Call
from executor.changes import Conflict, Foreign, Kind
from executor.classes import Classified
from executor.extent import Loss
from executor.interruptions import Interruption
from executor.journal import Intents
from executor.owed import Owed, owed_json, reasons
from executor.sending import CallOutcome, Sent
from executor.standings import Standing
from executor.terms import terms_json

Json = Any


EXIT_CODES: Mapping[Outcome, int] = MappingProxyType(
    {
        Outcome.CONVERGED: 0,
        Outcome.DIFFERENCES: 3,
        Outcome.PARTIAL: 4,
        Outcome.CONSENT: 5,
        Outcome.FENCED: 6,
        Outcome.REFUSED: 7,
    }
)


Tally = Mapping[tuple[Kind, CallOutcome], int]


@frozen(kw_only=True)
class Report:
    """Everything there is to say about one run."""

    blueprint: CarriedOut
    outcome: Outcome
    dry_run: bool = False
    actions: Sequence[Sent] = field(default=(), repr=False)
    """Every call in the order of the schedule; in a dry run, every call that would be sent. Not in the repr, which
    `asyncio.run` asks for when it restores the signal handler."""

    tally: Tally = field(repr=False)
    """How many of them are of which kind and came to which outcome."""

    owed: tuple[Owed, ...] = ()

    targets: tuple[Standing, ...] = ()
    """Where each target stands; empty if none was asked."""

    counts: Mapping[str, int]
    """Requests sent: reads, writes, reasserts."""

    foreign: tuple[Foreign, ...] = ()
    held: tuple[Foreign, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    members_elsewhere: int = 0
    refusals: tuple[str, ...] = ()
    """Why the blueprint was not carried out at all."""

    journal: Intents | None = None
    """What the journal holds in the end; None if there is none."""

    classes: Classified | None = None
    """What the objects are that were read last; None if nothing was read."""

    losses: tuple[Loss, ...] = ()
    """What the blueprint takes away from what the rack held in the beginning; empty if nothing was read."""

    interruptions: tuple[Interruption, ...] = ()
    """Whom carrying it out interrupts, in any order of calls."""

    @tally.default
    def _counted(self) -> Tally:
        return tallied(self.actions)

    @property
    def exit_code(self) -> int:
        """What the command returns."""
        return EXIT_CODES[self.outcome]

    def as_json(self) -> dict[str, Json]:
        """Return the document that `execute --json` prints and `execute --report` writes."""
        return self._document([action_json(sent) for sent in self.actions])

    def pieces(self) -> Iterator[str]:
        """Yield the canonical text of that document bit by bit: calls are many, and made to text some at a time."""
        return pieces(self._document(Lines(self.actions, _action_lines) if self.actions else []))

    def _document(self, actions: Json) -> dict[str, Json]:
        return {
            "format": REPORT_FORMAT,
            "blueprint": self.blueprint.as_json(),
            "outcome": self.outcome.value,
            "exit_code": self.exit_code,
            "dry_run": self.dry_run,
            "actions": actions,
            "owed": [owed_json(owed) for owed in self.owed],
            "reasons": [reason.as_json() for reason in reasons(self.owed)],
            "targets": [standing_json(standing) for standing in self.targets],
            "counts": {name: self.counts.get(name, 0) for name in ("reads", "writes", "reasserts")},
            "observability": by_observability((kind, count) for (kind, _), count in self.tally.items()),
            "foreign": [{"target": str(each.target), "what": each.what} for each in self.foreign],
            "held": [{"target": str(each.target), "what": each.what} for each in self.held],
            "conflicts": [conflict_json(conflict) for conflict in self.conflicts],
            "members_elsewhere": self.members_elsewhere,
            "refusals": list(self.refusals),
            "journal": journal_json(self.journal),
            "objects": None if self.classes is None else self.classes.as_json(),
            "losses": [loss_json(loss) for loss in self.losses],
            "interruptions": [each.as_json() for each in self.interruptions],
        }


def _action_lines(actions: Iterable[Sent], between: str) -> str:
    return between.join([one_line(action_json(sent)) for sent in actions])


def unfinished(blueprint: Blueprint, *, dry_run: bool) -> Report:
    """Return the report of a run that has not ended: nothing is known to be in effect."""
    owed = Owed(target="rack", because="the run has not ended")
    return Report(
        blueprint=CarriedOut.naming(blueprint), outcome=Outcome.PARTIAL, dry_run=dry_run, owed=(owed,), counts={}
    )


def by_observability(kinds: Iterable[tuple[Kind, int]]) -> dict[str, int]:
    """Return how many, of so many of each of *kinds*, are of which observability class, every class named."""
    counts: Counter[Observability] = Counter()
    for kind, count in kinds:
        counts[FORMS[kind].observed] += count
    return {each.value: counts[each] for each in Observability}


def tallied(actions: Iterable[Sent]) -> Tally:
    """Return how many of *actions* are of which kind and came to which outcome."""
    return Counter((sent.call.kind, sent.outcome) for sent in actions)


def _texts(groups: Iterable[Address]) -> list[str]:
    return [group.text for group in groups]


def call_json(call: Call) -> dict[str, Json]:
    """Return one request as plain data."""
    return {
        "target": str(call.target),
        "method": call.method,
        "path": call.path,
        "body": call.body,
        "kind": call.kind.value,
        "effect": call.form.effect.value,
        "observability": call.form.observed.value,
        "groups": _texts(call.groups),
    }


def action_json(sent: Sent) -> dict[str, Json]:
    """Return one call and its outcome as plain data; one that is only planned with the terms that it rests on."""
    terms = terms_json(sent.call) if sent.outcome is CallOutcome.PLANNED else {}
    return {
        **call_json(sent.call),
        **terms,
        "outcome": sent.outcome.value,
        "status": sent.status,
        "note": sent.note,
    }


def standing_json(standing: Standing) -> dict[str, Json]:
    """Return where one target stands as plain data."""
    return {
        "target": str(standing.target),
        "state": standing.state.value,
        "debts": standing.debts,
        "because": standing.because,
    }


def journal_json(journal: Intents | None) -> dict[str, Json] | None:
    """Return how much a journal still holds, as plain data."""
    return (
        None if journal is None else {name: len(getattr(journal, name)) for name in ("leaves", "retired", "doubted")}
    )


def loss_json(loss: Loss) -> dict[str, Json]:
    """Return how many of one sort of thing go, as plain data."""
    numbers = {"losing": loss.losing, "of": loss.of, "allowed": str(loss.allowed), "beyond": loss.beyond}
    return {"what": loss.what, "place": loss.place, **numbers}


def conflict_json(conflict: Conflict) -> dict[str, Json]:
    """Return one conflict as plain data."""
    return {"target": str(conflict.target), "group": conflict.group.text, "because": conflict.because}
