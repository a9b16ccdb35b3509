"""Reports of the executor for people: what was sent, what is owed, whose objects were left alone.

This file does not know how a run goes.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import click
from attrs import evolve
from rich.console import Console
from rich.text import Text

from executor.actions import Effect
from executor.report import Outcome, Report
from executor.sending import CallOutcome, Sent
from rackcast.terminal import plural, safe, short, table

SENTENCES: Mapping[Outcome, tuple[str, str]] = MappingProxyType(
    {
        Outcome.CONVERGED: ("The rack holds the blueprint.", "green"),
        Outcome.DIFFERENCES: ("The rack differs from the blueprint.", "yellow"),
        Outcome.PARTIAL: ("Not everything is in effect; what is owed stands below.", "yellow"),
        Outcome.CONSENT: ("Some changes cost packets in any order: --allow-loss sends them.", "yellow"),
        Outcome.REFUSED: ("The blueprint was refused; nothing was sent.", "red"),
    }
)

SHOWN = 40
"""How many lines of one kind are printed before the rest is counted."""


def print_report(out: Console, report: Report) -> None:
    """Print what became of a run."""
    sentence, style = SENTENCES[report.outcome]
    out.print(Text(sentence, style=f"bold {style}"))
    counts = report.counts
    out.print(
        f"  {plural(counts.get('writes', 0), 'write')}, {plural(counts.get('reasserts', 0), 're-assert')}, "
        f"{plural(counts.get('reads', 0), 'read')}"
    )
    for reason in report.refusals:
        out.print(Text(f"  {safe(reason)}"))
    if report.actions:
        columns = ("change", "calls", "done", "other outcomes")
        out.print(table("Calls", columns, _call_rows(report.actions)))
    _print_some(out, "Owed", ("target", "what", "groups", "because"), [
        (_place(owed.target), owed.kind or "everything", ", ".join(group.text for group in owed.groups), owed.because)
        for owed in report.owed
    ])  # fmt: skip
    _print_some(out, "In the way, and not ours", ("target", "group", "what"), [
        (_place(str(row.target)), row.group, row.because) for row in report.conflicts
    ])  # fmt: skip
    left = [*report.foreign, *report.held]
    if left:
        out.print(f"  {plural(len(left), 'object')} of others or held, left as they are; --json lists them")
    if report.members_elsewhere:
        out.print(f"  {plural(report.members_elsewhere, 'member list')} differ and are ddmd's to write")


def _place(target: str) -> str:
    kind, _, name = target.partition(" ")
    return f"sled {short(name)}" if kind == "sled" else target


def _print_some(out: Console, title: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    if not rows:
        return
    out.print(table(title, columns, rows[:SHOWN]))
    if len(rows) > SHOWN:
        out.print(f"  … and {len(rows) - SHOWN:,} more; --json has all")


def _call_rows(actions: Iterable[Sent]) -> Iterable[tuple[object, ...]]:
    kinds: dict[str, Counter[CallOutcome]] = {}
    for sent in actions:
        kinds.setdefault(sent.call.kind.value, Counter())[sent.outcome] += 1
    for kind, outcomes in kinds.items():
        other = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()) if outcome != "done")
        yield kind, f"{outcomes.total():,}", f"{outcomes[CallOutcome.DONE]:,}", other


def writes_only(report: Report) -> Report:
    """Return *report* without the calls that only repeat what cannot be read back: they are no difference."""
    return evolve(report, actions=tuple(s for s in report.actions if s.call.form.effect is Effect.WRITE))


def print_calls(report: Report) -> None:
    """Print the exact calls of a dry run, in order, one a line."""
    for sent in report.actions:
        call = sent.call
        body = "" if call.body is None else " " + json.dumps(call.body)
        click.echo(safe(f"{call.target}: {call.method} {call.path}{body}"))
