"""Changes between two blueprints, for people and for programs.

First what instances feel, then what tables change; equal changes of many sleds are one line. This file does not
know where the blueprints came from.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from blueprints.blueprint import Blueprint
from blueprints.compare import Change, Hearing, compare, hearings
from blueprints.converter import unstructure
from rackcast.naming import apart
from rackcast.saying import plural
from rackcast.terminal import table

MARKS = {"starts": ("+", "green"), "stops": ("-", "red"), "moves": ("~", "yellow")}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Called = Callable[[object], str]
"""What ids are called: as much of them as tells the sleds apart."""

SHOWN = 25
"""How many lines of one kind are printed before the rest is counted."""


def changes_document(before: Blueprint, after: Blueprint) -> dict[str, Any]:
    """Return the comparison as plain data."""
    return {
        "from": {"id": str(before.id), "generation": before.generation},
        "to": {"id": str(after.id), "generation": after.generation},
        "hearings": [{"kind": row.kind, **unstructure(row)} for row in hearings(before, after)],
        "changes": [_plain(change) for change in compare(before, after)],
    }


def _plain(change: Change) -> dict[str, Any]:
    rows = {name: unstructure(getattr(change, name)) for name in ("before", "after")}
    return {"places": list(change.places), "table": change.table, **rows}


def print_changes(out: Console, before: Blueprint, after: Blueprint) -> None:
    """Print what *after* changes: who hears, then which tables, then the rows."""
    changes, felt = compare(before, after), hearings(before, after)
    called = apart([before.id, after.id])
    out.print(f"[bold]{called(before.id)}[/] (generation {before.generation}) → ", end="")
    out.print(f"[bold]{called(after.id)}[/] (generation {after.generation})")
    if not changes:
        out.print("Nothing differs.")
        return
    kinds = Counter(hearing.kind for hearing in felt)
    said = [f"{plural(kinds[kind], 'membership')} {verb}" for kind, verb in _VERBS.items() if kinds[kind]]
    out.print("  " + ("; ".join(said) or "nobody's hearing changes"))
    called = apart([*before.sleds, *after.sleds])
    if felt:
        out.print(table("Who hears", ("", "group", "instance", "from sled", "to sled"), _hearing_rows(felt, called)))
    out.print(table("Tables", ("table", "places", "added", "changed", "removed"), _counts(changes)))
    rows = [change for change in changes if change.table not in _COUNTED_ONLY]
    if rows:
        out.print(
            table("Rows", ("", "table", "where", "row"), (_change_row(change, called) for change in rows[:SHOWN]))
        )
    if len(changes) > SHOWN:
        out.print(f"  … and {len(changes) - min(SHOWN, len(rows)):,} more; --json has all")


_COUNTED_ONLY = ("transitions", "findings")
"""Tables that say nothing about devices; `rackcast show` has them."""


_VERBS = {"starts": "start to hear", "stops": "stop", "moves": "go on on other sleds"}


def _hearing_rows(felt: tuple[Hearing, ...], called: Called) -> Iterable[tuple[object, ...]]:
    for row in felt[:SHOWN]:
        mark, style = MARKS[row.kind]
        yield (
            Text(mark, style=style), row.group, row.instance,
            ", ".join(map(called, row.before)), ", ".join(map(called, row.after)),
        )  # fmt: skip
    if len(felt) > SHOWN:
        yield "…", f"and {len(felt) - SHOWN:,} more", "", "", ""


def _counts(changes: Iterable[Change]) -> Iterable[tuple[object, ...]]:
    tables: dict[str, Counter[str]] = {}
    places: dict[str, set[str]] = {}
    for change in changes:
        kind = "added" if change.before is None else "removed" if change.after is None else "changed"
        tables.setdefault(change.table, Counter())[kind] += 1
        places.setdefault(change.table, set()).update(change.places)
    for name, counts in tables.items():
        yield name, len(places[name]), *(counts[kind] or "" for kind in ("added", "changed", "removed"))


def _change_row(change: Change, called: Called) -> tuple[object, ...]:
    kind = "starts" if change.before is None else "stops" if change.after is None else "moves"
    mark, style = MARKS[kind]
    where = change.places[0] if len(change.places) == 1 else f"{len(change.places)} sleds: same"
    return Text(mark, style=style), change.table, where, _words(change, called)


def _words(change: Change, called: Called) -> str:
    """Return the row in words: all of it where it comes or goes, only what differs where it changes."""
    if change.before is None or change.after is None:
        row = unstructure(change.before if change.after is None else change.after)
        return ", ".join(
            f"{name} {_value(value, called)}" for name, value in row.items() if name not in _OBVIOUS and value
        )
    old, new = unstructure(change.before), unstructure(change.after)
    name, key = next(iter(new.items()))
    parts = [f"{field} {_became(old[field], new[field], called)}" for field in new if old[field] != new[field]]
    return f"{name} {_value(key, called)}: " + "; ".join(parts)


def _became(old: Any, new: Any, called: Called) -> str:
    """Return what changed: of lists only what comes and goes."""
    if isinstance(old, list) and isinstance(new, list):
        gone = [f"-{_value(item, called)}" for item in old if item not in new]
        return " ".join([f"+{_value(item, called)}" for item in new if item not in old] + gone)
    return f"{_value(old, called)} → {_value(new, called)}"


_OBVIOUS = ("tag", "vni", "inner_mac", "mac", "vlan_id")
"""Fields that follow from the others."""


def _value(value: Any, called: Called) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(item, called) for item in value) + "]"
    if isinstance(value, dict) and "specific" in value:
        return ", ".join([*(["any"] if value["any"] else []), *value["specific"]]) or "none"
    if isinstance(value, dict) and "learned_from" in value:
        return f"{value['port_id']} (by {value['learned_from']})"
    if isinstance(value, dict):
        return str(
            value.get("port_id")
            or value.get("next_hop")
            or ", ".join(_value(each, called) for each in value.values())
        )
    if isinstance(value, str) and _UUID.fullmatch(value):
        return called(value)
    return "nothing" if value is None else str(value)
