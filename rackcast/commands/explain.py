"""`rackcast explain`: why an entry of a blueprint is there, or why it is not."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.text import Text

from blueprints.absences import Blocker, Wanted, blockers
from blueprints.blueprint import Blueprint
from blueprints.cause_checks import causes_fit
from blueprints.errors import InputRejectedError, Mistake
from blueprints.explanations import explanations
from blueprints.grounds import RULES, Explanation
from blueprints.identifiers import SwitchSlot
from rackcast.bulk import bulk
from rackcast.commands.options import blueprint_argument, json_option
from rackcast.naming import the_one
from rackcast.output import print_json
from rackcast.reading import read_blueprint
from rackcast.saying import safe
from rackcast.terminal import console, table

TABLES = {
    "group": "groups",
    "underlay": "underlay_groups",
    "external": "external_groups",
    "route": "mrib_routes",
    "m2p": "m2p",
    "forwarding": "forwarding",
    "nic-filter": "nic_filters",
    "subscription": "subscriptions",
    "departure": "departures",
    "port": "ports",
    "transition": "transitions",
    "held": "held",
}
"""What people call an entry, to the table that it stands in."""

CALLED = {"subject": "id"}
"""What an entry calls what an option names, where that is another word: a transition has an id, and says of what."""

BEGUN = frozenset({"sled", "instance", "subject"})
"""Options that take the beginning of an id."""

UNKNOWN = "unknown"
"""What an entry says of a port that nobody knows: who asks why not misses the port."""

SHOWN = 40
"""How many entries, or alternatives of one cause, are printed before the rest is counted."""


@click.command()
@blueprint_argument
@click.argument("kind", metavar="SELECTOR", type=click.Choice(list(TABLES)))
@click.option("--group", metavar="GROUP", help="Of this group: name, address or id.")
@click.option("--sled", metavar="SLED", help="Of this sled, by id or its beginning.")
@click.option("--switch", metavar="SLOT", help="Of this switch: switch0 or switch1.")
@click.option("--instance", metavar="INSTANCE", help="Of this instance, by id or its beginning.")
@click.option("--source", metavar="ADDRESS", help="For this source; * is any.")
@click.option("--nic", metavar="NIC", help="Of this NIC.")
@click.option("--subject", metavar="UUID", help="Of a transition: of the member or group with this id, or beginning.")
@click.option("--why-not", is_flag=True, help="Say what keeps the entry away, with every blocker.")
@json_option
@bulk()
def explain(blueprint: str, kind: str, why_not: bool, as_json: bool, **words: str | None) -> None:
    """Say why entries of BLUEPRINT are there: the rows, witnesses and choices that they rest on.

    SELECTOR is a kind of entry, which the options narrow down: group, underlay, external, route, m2p, forwarding,
    nic-filter, subscription, departure, port, transition or held. Each cause is a rule with the facts of which any
    one would do.
    """
    if words["subject"] is not None and TABLES[kind] != "transitions":
        raise click.UsageError(f"--subject names the row that a transition is of; a {kind} has none")
    read = read_blueprint(blueprint)
    if not read.causes.sleds and read.sleds:
        raise click.UsageError("the blueprint was planned without causes: plan again")
    misfits = [Mistake("causes", f"{subject} {message}") for subject, message in sorted(causes_fit(read))]
    if misfits:
        raise InputRejectedError(blueprint, misfits)
    known = _known(read)
    names = {name: _whole(word, known.get(name, ()), name) for name, word in words.items() if word is not None}
    meant = {name: _aliases(read, name, word) for name, word in names.items()}
    told = [each for each in explanations(read) if each.entry.table == TABLES[kind] and _is_meant(each, names, meant)]
    if why_not:
        told = [each for each in told if each.entry.value != UNKNOWN]
    found = blockers(read, TABLES[kind], _wanted(read, names)) if why_not and not told else ()
    if not told and not why_not:
        raise click.UsageError(_nothing(read, kind))
    if as_json:
        print_json({"entries": [_plain(each) for each in told], "blockers": [_blocker(each) for each in found]})
    elif told:
        _print(console(), told, asked_why_not=why_not)
    else:
        _print_blockers(console(), kind, found)


def _aliases(blueprint: Blueprint, name: str, word: str) -> frozenset[str]:
    """Return what entries may call the thing that somebody calls *word*."""
    if name == "switch":
        return frozenset({word, f"switch{word}"})
    if name != "group":
        return frozenset({word.lower(), word})
    meant = [g for g in blueprint.groups if word in (g.name, g.multicast_ip.text, g.underlay_ip.text, str(g.id))]
    return frozenset({word, *(g.multicast_ip.text for g in meant), *(str(g.id) for g in meant)})


def _is_meant(told: Explanation, names: dict[str, str], meant: dict[str, frozenset[str]]) -> bool:
    for name, word in names.items():
        found = told.entry.names.get(CALLED.get(name, name))
        begins = name in BEGUN and found is not None and found.startswith(word.lower())
        is_any = name == "source" and word == "*" and told.entry.value == "any"
        if found not in meant[name] and not begins and not is_any:
            return False
    return True


def _wanted(blueprint: Blueprint, names: dict[str, str]) -> Wanted:
    slot = names.get("switch")
    if slot is not None and slot not in {*SwitchSlot, *(str(each.number) for each in SwitchSlot)}:
        raise click.BadParameter(f"no switch is called {slot!r}", param_hint="--switch")
    known = _known(blueprint)
    return Wanted(
        group=names.get("group"),
        sled=_id(names.get("sled"), known["sled"], "sled"),
        switch=SwitchSlot(slot if slot.startswith("switch") else f"switch{slot}") if slot is not None else None,
        instance=_id(names.get("instance"), known["instance"], "instance"),
        source=names.get("source"),
        nic=names.get("nic"),
        subject=_id(names.get("subject"), known["subject"], "subject"),
    )


def _known(blueprint: Blueprint) -> dict[str, list[UUID]]:
    """Return the ids that the beginning of one may mean, by the option that it is given to."""
    hearing = [row.instance_id for its in blueprint.sleds.values() for row in its.subscriptions]
    leaving = [row.instance_id for its in blueprint.sleds.values() for row in its.departures]
    return {
        "sled": [*blueprint.sleds, *(line.sled for line in blueprint.causes.sleds)],
        "instance": [*hearing, *leaving, *(row.instance for row in blueprint.causes.members)],
        "subject": [*_rows(blueprint)],
    }


def _rows(blueprint: Blueprint) -> Iterable[UUID]:
    """Yield the members and groups that are, or could be, told something."""
    causes = blueprint.causes
    yield from (row.id for row in blueprint.transitions)
    yield from (row.id for row in blueprint.groups)
    yield from (row.id for row in blueprint.held)
    yield from (row.group for row in causes.absent)
    yield from (row.member for row in causes.members)
    yield from (member for line in causes.groups for member in line.members)


def _whole(word: str, known: Iterable[UUID], kind: str) -> str:
    """Return the id that *word* begins; *word* itself where it begins none.

    Raises:
        click.BadParameter: it begins several.
    """
    begun = any(str(each).startswith(word.lower()) for each in known)
    return str(the_one(word, known, kind)) if begun else word


def _id(word: str | None, known: Iterable[UUID], kind: str) -> UUID | None:
    """Return the id that *word* is, whether anything is known of it or not, or that of the one that it begins."""
    if word is None:
        return None
    try:
        return UUID(word)
    except ValueError:
        return the_one(word, known, kind)


def _nothing(blueprint: Blueprint, kind: str) -> str:
    """Say that nothing was found, and what there is."""
    there = [each.entry for each in explanations(blueprint) if each.entry.table == TABLES[kind]]
    some = "; ".join(safe(_called(entry.names)) for entry in there[:10])
    return f"no such {kind}; there is {some or 'none'}. --why-not says what keeps one away"


def _called(names: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in names.items())


def _plain(told: Explanation) -> dict[str, Any]:
    return {
        "table": told.entry.table,
        "names": dict(told.entry.names),
        "value": told.entry.value,
        "because": [{"rule": cause.rule, "any_of": list(cause.any_of)} for cause in told.because],
        "given": sorted(told.given),
    }


def _blocker(found: Blocker) -> dict[str, str]:
    return {"fact": found.fact, "because": found.because}


def _print(out: Console, told: list[Explanation], *, asked_why_not: bool) -> None:
    if asked_why_not:
        out.print(Text("It is there."))
    for each in told[:SHOWN]:
        title = f"{each.entry.table}: {_called(each.entry.names)}: {each.entry.value}"
        rows = [(RULES[cause.rule][0], _facts(cause.any_of), RULES[cause.rule][1]) for cause in each.because]
        out.print(table(title, ("because", "any of", "pass"), rows))
    if len(told) > SHOWN:
        out.print(f"  … and {len(told) - SHOWN:,} more; --json has all")


def _facts(names: tuple[str, ...]) -> str:
    more = f"; {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "; ".join(names[:SHOWN]) + more


def _print_blockers(out: Console, kind: str, found: tuple[Blocker, ...]) -> None:
    if not found:
        out.print(Text(f"No such {kind}, and nothing recorded keeps one away: name more of it."))
        return
    out.print(table(f"No such {kind}", ("what keeps it away", "because"), ((b.fact, b.because) for b in found)))
