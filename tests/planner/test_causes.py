"""Causes: what an entry rests on, and what it does not, tried out on random racks."""

from typing import Any

from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from blueprints.blueprint import Blueprint
from blueprints.explanations import Entry, explanations
from blueprints.snapshot import Snapshot
from planner.plan import plan
from tests.planner.known_facts import Inputs, known_facts, without
from tests.strategies import losing_witnesses, losses, pick, shuffle, snapshots, successors

MANY = settings(max_examples=60)


@st.composite
def inputs(draw: Any) -> Inputs:
    """Draw what a plan is made from: a snapshot, and perhaps the plan of what it was before."""
    before = draw(snapshots())
    if not draw(st.booleans()):
        return before, None
    return draw(successors(before)), plan(before)


@st.composite
def changes(draw: Any, before: Inputs) -> Inputs:
    """Draw what *before* may become by a change of one or a few facts, of whatever kind."""
    snapshot, parent = before
    (kind,) = pick(draw, ["row", "row", "row", "fact", "fact", "successor", "losses"])
    if kind == "successor" and snapshot.sleds:
        return draw(successors(snapshot)), parent
    if kind == "losses":
        return losing_witnesses(snapshot, draw(losses(snapshot))), parent
    if kind == "fact":
        names = sorted(known_facts(*before))
        changed = without(before, frozenset(pick(draw, names)))
        return changed or before
    other = draw(snapshots())
    (table,) = pick(draw, ["groups", "underlay_groups", "members", "instances", "sleds"])
    mine, theirs = list(getattr(snapshot, table)), list(getattr(other, table))
    if not theirs:
        return before
    rows = {row.id: row for row in mine} | {row.id: row for row in shuffle(draw, theirs)[:1]}
    edited: Any = {table: rows.values()}
    return evolve(snapshot, **edited), parent


@st.composite
def before_and_after(draw: Any) -> tuple[Inputs, Inputs]:
    """Draw what two plans are made from, the second by a change; in one, for what is drawn from has a long repr."""
    before = draw(inputs())
    return before, draw(changes(before))


def told(blueprint: Blueprint) -> dict[tuple[str, ...], Entry]:
    """Return the entries of *blueprint* by what makes them the same."""
    found = [explanation.entry for explanation in explanations(blueprint)]
    by_key = {entry.key: entry for entry in found}
    assert len(by_key) == len(found)
    return by_key


@MANY
@given(before_and_after())
def test_what_is_not_cited_changes_nothing(pair: tuple[Inputs, Inputs]) -> None:
    """An entry whose cited facts all stay is the same entry, whatever else has changed."""
    before, after = pair
    first, second = plan(*before), plan(*after)
    assume(first is not before[1])
    known, now = known_facts(*before), known_facts(*after)
    moved = {name for name in known.keys() | now.keys() if known.get(name) != now.get(name)}
    entries = told(second)
    for explanation in explanations(first):
        if not explanation.cited & moved:
            assert entries.get(explanation.entry.key) == explanation.entry, (sorted(moved), explanation)


@MANY
@given(st.data())
def test_what_is_cited_is_needed(data: st.DataObject) -> None:
    """Without the facts of a cause, all of which would have done, the entry is another one or none."""
    before = data.draw(inputs())
    first = plan(*before)
    assume(first is not before[1])
    sets: dict[frozenset[str], list[tuple[str, Entry]]] = {}
    for explanation in explanations(first):
        for cause in explanation.because:
            sets.setdefault(frozenset(cause.any_of), []).append((cause.rule, explanation.entry))
    known = known_facts(*before)
    some = shuffle(data.draw, sorted(sets, key=sorted))[:12]  # each takes a plan; all of them together take long
    for names in some:
        citing = sets[names]
        assert names <= known.keys(), (sorted(names - known.keys()), citing[0])
        less = without(before, names)
        if less is None:
            continue
        entries = told(plan(*less))
        for rule, entry in citing:
            assert entries.get(entry.key) != entry, (rule, sorted(names), entry)


@MANY
@given(snapshots())
def test_every_entry_rests_on_something(snapshot: Snapshot) -> None:
    """Nothing is planned without a cause, but for what nobody said and lists that end."""
    negative = {"unknown", "listed", "False", "True"}
    for explanation in explanations(plan(snapshot)):
        assert explanation.because or explanation.entry.value in negative, explanation
        assert explanation.cited
