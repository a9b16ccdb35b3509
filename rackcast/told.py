"""What became of transitions, for people.

This file does not know the datastore.
"""

from collections.abc import Mapping
from types import MappingProxyType

from rich.console import Console
from rich.text import Text

from collector.told import Account, Telling, Told
from rackcast.terminal import plural, safe, table

SHOWN = 40
"""How many transitions are listed before the rest is counted."""

TOLD_ASIDE = MappingProxyType({False: frozenset({Telling.OVERTAKEN, Telling.FAILED}), True: frozenset(Telling)})
"""By whether it was a dry run, which transitions are listed one by one."""

WORDS: Mapping[Telling, str] = MappingProxyType(
    {
        Telling.PLANNED: "would be applied",
        Telling.APPLIED: "applied",
        Telling.ALREADY: "already so",
        Telling.OVERTAKEN: "overtaken",
        Telling.FAILED: "failed",
    }
)


def print_account(out: Console, account: Account) -> None:
    """Print how many transitions ended in which way, and those that did not as planned."""
    out.print(_sentence(account))
    counted = [f"{count:,} {WORDS[outcome]}" for outcome, count in account.counts.items() if count]
    about = f"blueprint {account.blueprint.id}, generation {account.blueprint.generation}"
    out.print(f"  {about}: {', '.join(counted) or 'no transitions'}")
    listed = [each for each in account.told if each.outcome in TOLD_ASIDE[account.dry_run]]
    if listed:
        columns = ("row", "id", "from", "to", "outcome", "found", "why")
        out.print(table("Transitions", columns, [_row(each) for each in listed[:SHOWN]]))
    if len(listed) > SHOWN:
        out.print(f"  … and {len(listed) - SHOWN:,} more; --json has all")


def _sentence(account: Account) -> Text:
    counts = account.counts
    if counts[Telling.FAILED]:
        return Text(f"{plural(counts[Telling.FAILED], 'transition')} could not be told.", "bold yellow")
    if account.dry_run:
        return Text(f"{plural(counts[Telling.PLANNED], 'transition')} would be told; nothing was changed.", "bold")
    if counts[Telling.OVERTAKEN]:
        overtaken = plural(counts[Telling.OVERTAKEN], "transition")
        return Text(f"The datastore has moved on for {overtaken}: collect and plan again.", "bold yellow")
    return Text("The datastore says what is in effect.", "bold green")


def _row(told: Told) -> tuple[object, ...]:
    move = told.transition
    to = move.to if move.sled_id is None else f"{move.to} on {move.sled_id}"
    return move.subject, move.id, move.from_, to, WORDS[told.outcome], _found(told), _why(told)


def _found(told: Told) -> str:
    if not told.looked:
        return ""
    if told.found is None:
        return "gone"
    deleted = ", deleted" if told.found.time_deleted is not None else ""
    return f"{told.found.state}{deleted}, {told.found.pointer} {told.found.linked_to or 'none'}"


def _why(told: Told) -> str:
    """Return what no longer holds, or why it failed; why it was planned where neither is so."""
    if told.unmet:
        return "no longer so: " + "; ".join(told.unmet)
    return safe(told.note) or told.transition.because
