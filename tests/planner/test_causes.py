"""Causes: what an entry rests on, and what it does not, tried out on random racks."""

from typing import Any

from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from blueprints import facts
from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.explanations import explanations
from blueprints.grounds import Entry, Explanation
from blueprints.snapshot import Snapshot, UnderlayRow
from planner.plan import plan
from tests.planner.case_files import CASES, id_of, read_snapshot
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


def shifting(before: Inputs, after: Inputs) -> list[Explanation]:
    """Return the entries of the plan of *before* that all cited facts would keep as they are, and *after* has not."""
    first, second = plan(*before), plan(*after)
    known, now = known_facts(*before), known_facts(*after)
    moved = {name for name in known.keys() | now.keys() if known.get(name) != now.get(name)}
    entries = told(second)
    untouched = (each for each in explanations(first) if not each.cited & moved)
    return [each for each in untouched if entries.get(each.entry.key) != each.entry]


@MANY
@given(before_and_after())
def test_what_is_not_cited_changes_nothing(pair: tuple[Inputs, Inputs]) -> None:
    """An entry whose cited facts all stay is the same entry, whatever else has changed."""
    before, after = pair
    assume(plan(*before) is not before[1])
    assert shifting(before, after) == []


def test_a_row_that_would_count_first_is_cited() -> None:
    """Another row of the same membership with a lower id decides instead, so it matters that there is none."""
    base = read_snapshot(CASES / "_settled.yaml")
    (member,) = base.members
    first = evolve(member, id=id_of("member-0"), source_ips=[Address.parse("10.20.0.5")])
    after = evolve(base, members=[first, member])
    assert shifting((base, None), (after, None)) == []
    said = [
        row.sources
        for blueprint in (plan(base), plan(after))
        for row in blueprint.sleds[id_of("sled-a")].subscriptions
    ]
    assert said[0] != said[1]


Citing = dict[frozenset[str], list[tuple[str, Entry]]]
"""Facts of which any one would do, to the rules and entries that cite them."""


def citing(blueprint: Blueprint) -> Citing:
    """Return every cause of *blueprint* by its facts."""
    sets: Citing = {}
    for explanation in explanations(blueprint):
        for cause in explanation.because:
            sets.setdefault(frozenset(cause.any_of), []).append((cause.rule, explanation.entry))
    return sets


def needless(before: Inputs, names: frozenset[str], cited: list[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
    """Return those of *cited* that stay as they are without all of the facts *names*."""
    less = without(before, names)
    if less is None:
        return []
    entries = told(plan(*less))
    return [(rule, entry) for rule, entry in cited if entries.get(entry.key) == entry]


@MANY
@given(st.data())
def test_what_is_cited_is_needed(data: st.DataObject) -> None:
    """Without the facts of a cause, all of which would have done, the entry is another one or none."""
    before = data.draw(inputs())
    first = plan(*before)
    assume(first is not before[1])
    sets, known = citing(first), known_facts(*before)
    some = shuffle(data.draw, sorted(sets, key=sorted))[:12]  # each takes a plan; all of them together take long
    for names in some:
        assert names <= known.keys(), (sorted(names - known.keys()), sets[names][0])
        assert needless(before, names, sets[names]) == [], sorted(names)


def insufficient(before: Inputs, left: str, names: frozenset[str]) -> list[Explanation]:
    """Return the entries for which *left* alone of the facts *names* should do, and does not."""
    gone = names - {left}
    less = without(before, gone)
    if less is None:
        return []
    known, now = known_facts(*before), known_facts(*less)
    moved = {name for name in known.keys() | now.keys() if known.get(name) != now.get(name)}
    entries = told(plan(*less))
    concerned = (
        each
        for each in explanations(plan(*before))
        if any(names == set(cause.any_of) for cause in each.because)
        and not any(gone >= set(cause.any_of) for cause in each.because)
        and not each.given & moved
    )
    return [each for each in concerned if entries.get(each.entry.key) != each.entry]


@MANY
@given(st.data())
def test_any_one_of_a_cause_would_do(data: st.DataObject) -> None:
    """With one fact of a cause left, and nothing that is given changed, the entry is the same."""
    before = data.draw(inputs())
    first = plan(*before)
    assume(first is not before[1])
    several = sorted((names for names in citing(first) if len(names) > 1), key=sorted)
    for names in shuffle(data.draw, several)[:4]:
        (left,) = pick(data.draw, sorted(names))
        assert insufficient(before, left, names) == [], (left, sorted(names))


def test_a_port_is_given_with_the_backplanes() -> None:
    """Without them no port is believed: whoever rests on one cites them."""
    base = read_snapshot(CASES / "_settled.yaml")
    silent = {slot: evolve(its, backplane=None) for slot, its in base.switches.items()}
    after = evolve(base, switches=silent)
    assert plan(base).ports != plan(after).ports
    assert shifting((base, None), (after, None)) == []


def test_a_source_of_before_stands_only_where_everybody_asks_for_it() -> None:
    """The parent's sources are kept when nobody is left; while others are, what goes with a member goes."""
    base = read_snapshot(CASES / "_settled.yaml")
    (member,) = base.members
    named = evolve(member, source_ips=[Address.parse("10.20.0.5")])
    for others in ((), (evolve(member, id=id_of("member-2"), instance_id=id_of("vm-2"), sled_id=id_of("sled-b")),)):
        snapshot = evolve(base, members=[named, *others])
        parent = plan(evolve(snapshot, instances=()))
        rows = frozenset({facts.member(named.id)})
        memory = frozenset({facts.parent_group(id_of("group-1"))})
        sets = assert_all_is_needed(snapshot, parent)
        assert (rows | memory in sets) is (others == ())


def assert_all_is_needed(snapshot: Snapshot, parent: Blueprint | None = None) -> Citing:
    """Return the causes of a plan, each of which is needed."""
    sets = citing(plan(snapshot, parent))
    for names, cited in sets.items():
        assert needless((snapshot, parent), names, cited) == [], sorted(names)
    return sets


def test_a_salt_is_cited_with_who_would_come_first() -> None:
    """Where the row that has an address goes, a group whose turn was earlier takes it: both are in the way."""
    base = read_snapshot(CASES / "_settled.yaml")
    group = evolve(base.groups[0], underlay_group_id=None)
    first = evolve(group, id=id_of("group-1"), multicast_ip=Address.parse("224.1.2.2"), underlay_salt=0)
    second = evolve(group, id=id_of("group-2"), multicast_ip=Address.parse("224.1.2.3"), underlay_salt=1)
    orphan = UnderlayRow(id=id_of("underlay-9"), multicast_ip=Address.parse("ff04::e001:202"))
    snapshot = evolve(base, groups=[first, second], underlay_groups=[orphan], members=())
    assert [row.underlay_ip.text for row in plan(snapshot).groups] == ["ff04::e001:203", "ff04::e001:201"]
    assert frozenset({facts.underlay(orphan.id), facts.group(first.id)}) in assert_all_is_needed(snapshot)


def test_a_port_is_cited_for_the_sled_behind_it() -> None:
    """Where two sleds are said to be behind one port, it is there for the one that is believed, not for the other."""
    base = read_snapshot(CASES / "_settled.yaml")
    assert base.inventory is not None
    boards = [evolve(board, slot=14) for board in base.inventory.service_processors]
    switches = {slot: evolve(its, peers=(its.peers or ())[:1]) for slot, its in base.switches.items()}
    (member,) = base.members
    other = evolve(member, id=id_of("member-2"), instance_id=id_of("vm-2"), sled_id=id_of("sled-b"))
    inventory = evolve(base.inventory, service_processors=boards)
    snapshot = evolve(base, switches=switches, inventory=inventory, members=[member, other])
    behind = {
        entry.names["sled"]
        for cited in assert_all_is_needed(snapshot).values()
        for _, entry in cited
        if entry.names.get("port") == "rear14"
    }
    assert behind == {str(id_of("sled-a"))}


@MANY
@given(snapshots())
def test_every_entry_rests_on_something(snapshot: Snapshot) -> None:
    """Nothing is planned without a cause, but for what nobody said and lists that end."""
    negative = {"unknown", "listed", "False", "True"}
    for explanation in explanations(plan(snapshot)):
        assert explanation.because or explanation.entry.value in negative, explanation
        assert explanation.cited
