"""Reports of the executor for people: what was sent, what is owed, whose objects were left alone.

This file does not know how a run goes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.text import Text

from blueprints.run_report import Outcome, TargetState
from executor.actions import FORMS, Observability
from executor.calls import Call
from executor.changes import KIND_RANKS, Change, Kind
from executor.changeset import Difference
from executor.classes import CLASSES, Class, Classified
from executor.compare import Comparison
from executor.interruptions import Interruption
from executor.inverses import inverse
from executor.owed import reasons
from executor.report import Report, Tally
from executor.sending import CallOutcome
from executor.standings import WEIGHTS, Standing
from executor.terms import expected, preconditions
from rackcast.saying import plural, safe, say
from rackcast.terminal import table

SENTENCES: Mapping[Outcome, tuple[str, str]] = MappingProxyType(
    {
        Outcome.CONVERGED: ("The rack holds the blueprint.", "green"),
        Outcome.DIFFERENCES: ("The rack differs from the blueprint.", "yellow"),
        Outcome.PARTIAL: ("Not everything is in effect; what is owed stands below.", "yellow"),
        Outcome.CONSENT: ("Somebody has to accept this first; what, and by which option, stands below.", "yellow"),
        Outcome.FENCED: ("This blueprint is not the target; nothing more was sent.", "yellow"),
        Outcome.REFUSED: ("Refused; nothing was sent.", "red"),
    }
)

COMPARED: Mapping[Outcome, tuple[str, str]] = MappingProxyType(
    {
        **SENTENCES,
        Outcome.PARTIAL: ("What was read is as the blueprint has it; what could not be read stands below.", "yellow"),
    }
)
"""The same of a comparison, which brings nothing about."""

TARGET_STATES: Mapping[TargetState, str] = MappingProxyType(
    {state: state.value.replace("_", " ") for state in TargetState}
)

KNOWN: Mapping[Observability, str] = MappingProxyType(
    {
        Observability.READABLE: "by reading it",
        Observability.INFERRED: "by its answer: the chip cannot be read",
        Observability.WRITE_ONLY: "by its answer: nobody can list it",
    }
)
"""How people are told how it is known that a change is in effect."""

NAMED = 3
"""So many targets or groups of one debt are named; more are counted."""

SHOWN = 40
"""How many lines of one kind are printed before the rest is counted."""


def print_report(out: Console, report: Report) -> None:
    """Print what became of a run."""
    _sentence(out, report.outcome)
    counts = report.counts
    out.print(
        f"  {plural(counts.get('writes', 0), 'write')}, {plural(counts.get('reasserts', 0), 're-assert')}, "
        f"{plural(counts.get('reads', 0), 'read')}"
    )
    if report.classes is not None:
        found = [(report.classes.total(which), which) for which in Class]
        told = ", ".join(f"{count:,} {which}" for count, which in found if count)
        out.print(f"  {plural(report.classes.observed, 'object')} in the tables{': ' + told if told else ''}")
    if not report.dry_run:
        _print_standings(out, report.targets)
    for reason in report.refusals:
        out.print(Text(f"  {safe(reason)}"))
    if report.actions:
        columns = ("change", "calls", "done", "other outcomes")
        out.print(table("Calls", columns, _call_rows(report.tally)))
    _print_some(out, "Owed", ("debts", "target", "what", "groups", "because"), [
        (len(why.debts), _few(why.targets, "target"), ", ".join(why.kinds), _few(why.groups, "group"), why.because)
        for why in reasons(report.owed)
    ])  # fmt: skip
    _print_interruptions(out, report.interruptions)
    _print_others(out, report)
    if report.members_elsewhere:
        out.print(f"  {plural(report.members_elsewhere, 'member list')} differ and are ddmd's to write")


def _few(names: Sequence[str], noun: str) -> str:
    """Return *names*, or how many there are."""
    return ", ".join(names) if len(names) <= NAMED else plural(len(names), noun)


def _print_standings(out: Console, targets: Iterable[Standing]) -> None:
    """Print how many targets stand where, and those that do not hold what they should, the weightiest first."""
    listed = sorted(targets, key=lambda each: -WEIGHTS[each.state])
    if not listed:
        return
    counted = Counter(each.state for each in listed)
    told = ", ".join(f"{counted[state]:,} {TARGET_STATES[state]}" for state in TargetState if counted[state])
    out.print(f"  {plural(len(listed), 'target')}: {told}")
    _print_some(out, "Targets", ("target", "state", "debts", "because"), [
        (each.target, TARGET_STATES[each.state], each.debts or "", each.because)
        for each in listed if each.state is not TargetState.APPLIED
    ])  # fmt: skip


def _print_interruptions(out: Console, told: Iterable[Interruption]) -> None:
    """Print who loses what for a while, member by member."""
    _print_some(out, "Interrupted in any order of calls", ("group", "instance", "on sled", "loses", "accept by"), [
        (each.group, member.instance_id, member.sled_id, each.what, each.option or "(announced)")
        for each in told for member in each.members
    ])  # fmt: skip


def _print_some(out: Console, title: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    if not rows:
        return
    out.print(table(title, columns, rows[:SHOWN]))
    if len(rows) > SHOWN:
        out.print(f"  … and {len(rows) - SHOWN:,} more; --json has all")


def _call_rows(tally: Tally) -> Iterable[tuple[object, ...]]:
    kinds: dict[Kind, Counter[CallOutcome]] = {}
    for (kind, ended), count in sorted(tally.items(), key=lambda each: KIND_RANKS[each[0][0]]):
        kinds.setdefault(kind, Counter())[ended] += count
    for kind, outcomes in kinds.items():
        other = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()) if outcome != "done")
        yield kind.value, f"{outcomes.total():,}", f"{outcomes[CallOutcome.DONE]:,}", other


def print_comparison(out: Console, comparison: Comparison) -> None:
    """Print what sets a rack apart from a blueprint."""
    _sentence(out, comparison.outcome, sentences=COMPARED)
    difference = comparison.difference
    _print_some(out, "Would have to be written", ("change", "target", "groups", "to", "known to be in effect"), [
        (change.kind.value, change.target, ", ".join(g.text for g in change.groups), _to(change),
         KNOWN[FORMS[change.kind].observed])
        for change in difference.changes
    ])  # fmt: skip
    _print_some(out, "Would be repeated", ("change", "calls", "known to be in effect"), [
        (kind.value, f"{count:,}", KNOWN[FORMS[kind].observed])
        for kind, count in sorted(Counter(change.kind for change in difference.asserts).items())
    ])  # fmt: skip
    print_classes(out, comparison.classes)
    _print_some(out, "No answer to trust", ("target", "why"), [
        (silence.target, silence.reason) for silence in difference.unknown
    ])  # fmt: skip
    _print_others(out, difference)


def print_classes(out: Console, classes: Classified) -> None:
    """Print what the objects of a rack are to a blueprint; what is not visible last."""
    rows = [(which.value, f"{classes.total(which):,}", *CLASSES[which]) for which in Class if classes.total(which)]
    rows.append(("all", f"{classes.observed:,}", "observed", ""))
    rows += [
        (
            "not visible",
            f"{count:,}",
            f"{name.replace('_', ' ')} of the blueprint: nobody can list them",
            "repeats it",
        )
        for name, count in classes.not_visible.items()
        if count
    ]
    out.print(table("What stands there", ("class", "objects", "what", "execute"), rows))


def _to(change: Change) -> str:
    """Return what a change is about: a route's source, else the address of the object."""
    if change.kind in (Kind.ROUTE_PUT, Kind.ROUTE_WITHDRAW):
        return f"from {change.row.source or 'any source'}"
    return change.subject.text


def _sentence(out: Console, outcome: Outcome, *, sentences: Mapping[Outcome, tuple[str, str]] = SENTENCES) -> None:
    sentence, style = sentences[outcome]
    out.print(Text(sentence, style=f"bold {style}"))


def _print_others(out: Console, said: Report | Difference) -> None:
    """Print what is not touched, because it is somebody else's or held."""
    _print_some(out, "In the way, and not ours", ("target", "group", "what"), [
        (row.target, row.group, row.because) for row in said.conflicts
    ])  # fmt: skip
    left = [*said.foreign, *said.held]
    if left:
        out.print(f"  {plural(len(left), 'object')} of others or held, left as they are; --json lists them")


def print_calls(report: Report) -> None:
    """Print the exact calls of a dry run, in order: one a line, and below it what it rests on and takes it back."""
    for sent in report.actions:
        say(_request(sent.call))
        for said in _terms(sent.call):
            say(f"    # {said}")


def _request(call: Call) -> str:
    """Return a request on one line, its body to the letter as it is sent."""
    return f"{call.target}: {call.method} {call.path} {call.content.decode()}".rstrip()


def _terms(call: Call) -> Iterable[str]:
    said = "; ".join(_condition(row) for row in preconditions(call))
    yield f"rests on: {said}"
    yield f"expects: {', '.join(map(str, expected(call.kind)))}"
    back = inverse(call)
    if not back.calls:
        yield f"nothing takes it back: {back.because}"
    for each in back.calls:
        yield f"taken back by: {_request(each)}"


def _condition(row: Mapping[str, Any]) -> str:
    """Return one precondition in words."""
    if "object" in row:
        return f"{row['object']} {row['is']}"
    if "in_effect" in row:
        return f"no {' or '.join(row['in_effect'])} of {', '.join(row['groups'])} owed {row['where']}"
    if "switch" in row:
        return f"{row['switch']} holds {', '.join(row['holds'])}"
    return f"{row['read']} was read"
