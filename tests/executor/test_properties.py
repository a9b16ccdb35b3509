"""What is true of every blueprint on every rack, whatever history left there."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation
from executor.actions import FORMS, Effect
from executor.calls import Call
from executor.changes import Change, Kind
from executor.differences import differences
from executor.drains import MIXED, REFILTERS, Zones, rewrites_filter
from executor.rehearsal import rehearse
from executor.targets import targets_of
from tests.executor.builders import SWITCH0, SWITCH1, group_ip, hop_address, observation_of, underlay_ip
from tests.executor.model import ModelRack
from tests.executor.strategies import FOREIGN, HELD, blueprints, racks, tag

ZONES: Zones = {SWITCH0: hop_address(SWITCH0), SWITCH1: hop_address(SWITCH1)}
MANY = settings(max_examples=40)


def writes(calls: Sequence[Call]) -> list[Call]:
    """Return the calls that change what was read."""
    return [call for call in calls if call.form.effect is Effect.WRITE]


def run(
    plan: Blueprint, model: ModelRack, *, allow_loss: bool = False, moving: bool = False
) -> tuple[Sequence[Call], list[Change]]:
    """Carry *plan* out on *model* and return the calls, and what was held back."""
    difference = differences(plan, model.observation(), zones=ZONES)
    moves = groups_of(plan) if moving else frozenset()
    rehearsal = rehearse(difference, targets_of(plan), allow_loss=allow_loss, moves=moves)
    for call in rehearsal.calls:
        model.obey(call)
    return rehearsal.calls, [held.change for held in rehearsal.held]


def groups_of(plan: Blueprint) -> frozenset[Address]:
    """Return all groups of *plan*."""
    return frozenset(group.multicast_ip for group in plan.groups)


def sent(plan: Blueprint, rack: Observation, allow_loss: bool) -> Sequence[Call]:
    """Return the calls of one run, with consent to everything or to nothing."""
    moves = groups_of(plan) if allow_loss else frozenset()
    difference = differences(plan, rack, zones=ZONES)
    return rehearse(difference, targets_of(plan), allow_loss=allow_loss, moves=moves).calls


def model_of(rack: Observation) -> ModelRack:
    """Return a model that holds what *rack* says."""
    model = ModelRack()
    model.load(rack)
    return model


@MANY
@given(blueprints(salts=True, held=True))
def test_a_rack_that_equals_its_blueprint_is_left_alone(plan: Blueprint) -> None:
    """No write is found for a rack that holds exactly the blueprint."""
    assert differences(plan, observation_of(plan)).changes == ()


@MANY
@given(blueprints(), racks())
def test_every_rack_reaches_the_blueprint(plan: Blueprint, rack: Observation) -> None:
    """One run from any state ends in the blueprint, but for filters that wait for one hop; every call is accepted."""
    model = model_of(rack)
    first, held = run(plan, model, allow_loss=True)
    assert {(change.kind, change.held) for change in held} <= {(Kind.EXTERNAL_UPDATE, MIXED)}, first
    assert model.refused == []
    left = differences(plan, model.observation()).changes
    assert {(change.subject, change.target) for change in left} == {(c.subject, c.target) for c in held}
    second, held = run(plan, model, allow_loss=True)
    assert (bool(writes(second)), held) == (bool(left), [])
    assert differences(plan, model.observation()).changes == ()
    assert writes(run(plan, model)[0]) == []


@MANY
@given(blueprints(), racks())
def test_no_filter_is_rewritten_under_a_sled_that_sends(plan: Blueprint, rack: Observation) -> None:
    """Without consent no call rewrites a source filter while a sled sends its group through that switch."""
    model = model_of(rack)
    for call in rehearse(differences(plan, rack, zones=ZONES), targets_of(plan)).calls:
        if call.kind in REFILTERS and rewrites_filter(call.changes[0]):
            underlay, zone = call.changes[0].row.internal_ip.text, ZONES[SwitchSlot(call.target.place)].text
            hops = [sled.forwarding.get(underlay, {}).get(zone) for sled in model.sleds.values()]
            assert [hop for hop in hops if hop and hop["filter"] != {"mode": "include", "sources": []}] == []
        model.obey(call)


@MANY
@given(blueprints(), racks())
def test_every_sled_that_sends_has_a_hop_to_a_switch_that_holds_the_group(plan: Blueprint, rack: Observation) -> None:
    """Detours lead to switches that have the group, with every port that stays, and end where the plan says."""
    model = model_of(rack)
    for call in rehearse(differences(plan, rack, zones=ZONES), targets_of(plan)).calls:
        if call.kind is Kind.DRAIN:
            (change,) = call.changes
            there = model.switches[change.via]
            assert change.groups[0].text in there.external
            assert change.subject.text in there.underlay
        model.obey(call)
    for sled, tables in plan.sleds.items():
        for row in tables.forwarding:
            hops = model.sleds[str(sled)].forwarding[row.underlay.text].values()
            live = [hop["next_hop"] for hop in hops if hop["filter"] != {"mode": "include", "sources": []}]
            assert live == [hop.next_hop.text for hop in row.next_hops]


@MANY
@given(blueprints(salts=True), racks())
def test_with_consent_every_move_reaches_the_blueprint(plan: Blueprint, rack: Observation) -> None:
    """Groups whose underlay address moves get there too, with consent, and no subscription stays behind."""
    model = model_of(rack)
    for _ in range(3):
        run(plan, model, allow_loss=True, moving=True)
    assert model.refused == []
    assert differences(plan, model.observation()).changes == ()
    wanted = {
        (str(row.propolis_id), underlay.underlay_ip.text)
        for tables in plan.sleds.values()
        for row in tables.subscriptions
        for underlay in plan.groups
        if underlay.multicast_ip == row.group_ip
    }
    departed = {
        (str(row.propolis_id), group.underlay_ip.text)
        for tables in plan.sleds.values()
        for row in tables.departures
        for group in plan.groups
        if group.multicast_ip == row.group_ip
    }
    heard = set().union(*(sled.subscriptions for sled in model.sleds.values()))
    assert heard == wanted - departed


@MANY
@given(blueprints(salts=True), racks(), st.booleans())
def test_no_move_is_sent_that_nobody_asked_for(plan: Blueprint, rack: Observation, allow_loss: bool) -> None:
    """A mapping that leads elsewhere stays as it is unless its group is named, whatever loss is allowed."""
    model = model_of(rack)
    before = {(place, g): u for place, sled in model.sleds.items() for g, u in sled.m2p.items()}
    run(plan, model, allow_loss=allow_loss)
    after = {(place, g): u for place, sled in model.sleds.items() for g, u in sled.m2p.items()}
    assert all(after.get(key, underlay) == underlay for key, underlay in before.items())
    assert model.refused == []


def mentions(value: Any, texts: frozenset[str]) -> bool:
    """Return whether one of *texts* is anywhere in a call."""
    return any(text in json.dumps(value) for text in texts)


@MANY
@given(blueprints(salts=True, held=True), racks(silent=True), st.booleans())
def test_nothing_foreign_or_held_is_ever_named(plan: Blueprint, rack: Observation, allow_loss: bool) -> None:
    """No call names an address or a tag of somebody else's or of a held group."""
    taboo = {number: (f'"{group_ip(number)}"', f"/{group_ip(number)}?") for number in (FOREIGN, HELD)}
    texts = frozenset(text for pair in taboo.values() for text in pair) | {
        f'"{underlay_ip(HELD)}"',
        f"/{underlay_ip(HELD)}?",
        f"/{underlay_ip(FOREIGN)}?",
        "ff04::bad",
        "backup",
        tag(HELD),
    }
    calls = sent(plan, rack, allow_loss)
    assert [call for call in calls if mentions([call.path, call.body], texts)] == []


@MANY
@given(blueprints(salts=True, held=True), racks(silent=True), st.booleans())
def test_nothing_is_sent_to_a_target_that_did_not_answer(
    plan: Blueprint, rack: Observation, allow_loss: bool
) -> None:
    """A target with an unknown table is owed, and gets no call at all."""
    difference = differences(plan, rack)
    owed = {silence.target for silence in difference.unknown}
    calls = sent(plan, rack, allow_loss)
    assert {str(call.target) for call in calls} & owed == set()


@MANY
@given(blueprints(salts=True), racks(), st.booleans())
def test_no_removal_precedes_a_widening_of_its_group(plan: Blueprint, rack: Observation, allow_loss: bool) -> None:
    """Of one group, everything that widens is sent before anything that narrows, moves apart."""
    calls = sent(plan, rack, allow_loss)
    tiers = [call.form.tier for call in calls]
    narrowing = [tier.narrows for tier in tiers]
    assert narrowing == sorted(narrowing)
    cleared = [place for place, call in enumerate(calls) if call.kind is Kind.M2P_CLEAR]
    leaving = [place for place, call in enumerate(calls) if call.kind is Kind.LEAVE]
    assert max(leaving, default=-1) < min(cleared, default=len(calls))


@MANY
@given(blueprints(salts=True), racks())
def test_members_that_stay_are_in_every_list_that_is_sent(plan: Blueprint, rack: Observation) -> None:
    """No member list leaves out a port that was there and stays."""
    model = model_of(rack)
    for call in rehearse(differences(plan, rack), targets_of(plan)).calls:
        if call.kind in (Kind.MEMBERS_ADD, Kind.MEMBERS_REMOVE):
            (change,) = call.changes
            staying = set(change.row.members) & {*_ports(change)}
            assert staying == {*_ports(change)} or call.kind is Kind.MEMBERS_REMOVE
            assert {m for m in _ports(change) if m in _wanted(plan, call)} <= set(change.row.members)
        model.obey(call)


def _ports(change: Change) -> list[Any]:
    kind = type(change.row.members[0]) if change.row.members else None
    return (
        []
        if kind is None
        else [kind(port_id=m.port_id, link_id=m.link_id, direction=m.direction) for m in change.seen.members]
    )


def _wanted(plan: Blueprint, call: Call) -> set[Any]:
    (change,) = call.changes
    return {
        member
        for slot, tables in plan.switches.items()
        if slot == call.target.place
        for row in tables.underlay_groups
        if row.group_ip == change.subject
        for member in row.members
    }


@MANY
@given(blueprints(salts=True, held=True), racks(silent=True))
def test_the_same_question_has_the_same_answer(plan: Blueprint, rack: Observation) -> None:
    """Calls are the same, in the same order, whenever they are asked for."""
    one, other = (rehearse(differences(plan, rack), targets_of(plan)) for _ in range(2))
    assert [(str(c.target), c.method, c.path, c.body) for c in one.calls] == [
        (str(c.target), c.method, c.path, c.body) for c in other.calls
    ]


@MANY
@given(blueprints(salts=True), racks(), st.booleans())
def test_every_group_call_to_a_switch_carries_the_tag_that_stands_there(
    plan: Blueprint, rack: Observation, allow_loss: bool
) -> None:
    """Updates and deletions name the tag of the object, url-encoded, so that a switch can refuse strangers."""
    for call in sent(plan, rack, allow_loss):
        if call.target.daemon == "dpd" and call.method != "POST":
            url = urlsplit(call.path)
            assert parse_qs(url.query)["tag"] == [str(call.changes[0].row.tag)]
            assert ":" not in url.query


def test_every_kind_has_its_row() -> None:
    """The table knows every kind of change."""
    assert set(FORMS) == set(Kind)
