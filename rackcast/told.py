"""What became of transitions, for people.

This file does not know the datastore.
"""

from collections.abc import Mapping
from types import MappingProxyType

from rich.console import Console
from rich.text import Text

from collector.told import Account, Telling, Told
from rackcast.saying import plural
from rackcast.terminal import table

SHOWN = 40
"""How many transitions are listed before the rest is counted."""

TOLD_ASIDE = MappingProxyType({False: frozenset({Telling.OVERTAKEN, Telling.FAILED}), True: frozenset(Telling)})
"""By whether it was a dry run, which transitions are listed one by one."""

WORDS: Mapping[Telling, str] = MappingProxyType(
    {
        Telling.PLANNED: "would apply",
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
        columns = ("row", "id", "transition", "outcome", "found", "why")
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
    return move.subject, move.id, f"{move.from_} → {move.to}", WORDS[told.outcome], _found(told), _why(told)


def _found(told: Told) -> str:
    """Return the state of the row as it was found; empty where nobody looked."""
    if not told.looked:
        return ""
    if told.found is None:
        return "gone"
    return told.found.state if told.found.time_deleted is None else f"{told.found.state}, deleted"


def _why(told: Told) -> str:
    """Return why it was not told; where it would be, why it was planned."""
    if told.outcome is Telling.PLANNED:
        return told.transition.because
    return told.note or "".join(f"no longer so: {each}. " for each in told.unmet).rstrip()
