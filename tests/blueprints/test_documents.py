"""Blueprints as files: two forms of one meaning, a digest that sees every change, size that follows what differs."""

import json
import re
from collections.abc import Iterable
from difflib import unified_diff
from typing import Any
from uuid import UUID, uuid5

import pytest
from attrs import evolve
from hypothesis import given, settings

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, Made
from blueprints.documents import blueprint_from, expanded, file_form
from blueprints.errors import InputRejectedError
from blueprints.file_form import SHARED
from blueprints.notation import loads
from blueprints.snapshot import Group, GroupState, Member, MemberState, Snapshot
from blueprints.text import dumps
from planner.plan import plan
from tests.planner.big_rack import big_rack
from tests.planner.case_files import CASES, read_case
from tests.strategies import NOW, name, snapshots


def text_of(blueprint: Blueprint) -> str:
    """Return the canonical text of *blueprint*."""
    return dumps(file_form(blueprint))


@pytest.fixture(scope="module")
def mixed() -> Blueprint:
    """A small blueprint with something in every table."""
    return read_case(CASES / "departure_is_repeated").blueprint


@pytest.fixture(scope="module")
def full() -> Blueprint:
    """The blueprint of 32 sleds and sixty groups."""
    return plan(big_rack())


# --- there and back -------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(snapshots())
def test_both_forms_lead_back_to_the_model(snapshot: Snapshot) -> None:
    """The file form and the expanded form, as JSON and as YAML, are the blueprint they were made from."""
    blueprint = plan(snapshot)
    for form in (file_form(blueprint), expanded(blueprint)):
        text = dumps(form)
        for source, written in (("x.json", text), ("x.yaml", "#\n" + text)):
            again = blueprint_from(loads(written, source), source)
            assert again == blueprint
            assert text_of(again) == text_of(blueprint)
            assert expanded(again) == expanded(blueprint)


def test_lists_are_put_in_order_when_read(full: Blueprint) -> None:
    """A file whose rows stand in another order is the same blueprint and is written in the canonical one."""
    document: dict[str, Any] = json.loads(text_of(full))
    turned: dict[str, Any] = {key: v[::-1] if isinstance(v, list) else v for key, v in document.items()}
    for tables in turned["switches"].values():
        tables["mrib_routes"].reverse()
    for pool in turned["shared_tables"].values():
        for rows in pool.values():
            rows.reverse()
    assert text_of(blueprint_from(turned, "turned")) == text_of(full)


def test_sleds_share_tables_as_objects_after_reading(full: Blueprint) -> None:
    """Tables that sleds share are one object, whichever form they were read from."""
    for form in (file_form(full), expanded(full)):
        read = blueprint_from(json.loads(json.dumps(form)), "case")
        for kind in SHARED:
            assert len({id(getattr(its, kind)) for its in read.sleds.values()}) == 1


def test_who_made_it_is_outside_the_digest(mixed: Blueprint) -> None:
    """Author, time and comment are kept in the file and change neither digest nor id."""
    made = evolve(mixed, made=Made(at=NOW, by="somebody", comment="text\u2028with a break", planner="rackcast 1"))
    read = blueprint_from(loads(text_of(made), "x.json"), "x.json")
    assert read == made
    assert (read.digest, read.id) == (mixed.digest, mixed.id)


def test_the_id_follows_from_rack_and_digest(mixed: Blueprint) -> None:
    """Anybody can work out the id."""
    assert mixed.id == uuid5(mixed.rack_id, mixed.digest)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", mixed.digest)


# --- the digest -----------------------------------------------------------------------------------------------------


def values_of(document: Any, path: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """Yield the path of every value that is no container."""
    if not isinstance(document, dict | list):
        yield path
        return
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield from values_of(value, (*path, key))


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return *document* with another value at *path*."""
    if not path:
        return value
    inner = with_value(document[path[0]], path[1:], value)
    if isinstance(document, dict):
        return {**document, path[0]: inner}
    return [*document[: path[0]], inner, *document[path[0] + 1 :]]


def other_values(value: Any) -> Iterable[Any]:
    """Yield what *value* becomes by a change of one character, at each of its characters; by one for numbers."""
    if isinstance(value, str):
        for place, character in enumerate(value):
            yield value[:place] + ("1" if character == "0" else "0") + value[place + 1 :]
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    else:
        yield from (0, "0", [])


@pytest.mark.parametrize("form", [file_form, expanded], ids=["file", "expanded"])
def test_every_change_of_one_character_is_noticed(form: Any, mixed: Blueprint) -> None:
    """Whichever character of whichever value changes, the file is refused or means what it meant."""
    document = json.loads(json.dumps(form(mixed)))
    refused = 0
    for path in values_of(document):
        value = document
        for key in path:
            value = value[key]
        for other in other_values(value):
            changed = with_value(document, path, other)
            try:
                read = blueprint_from(changed, "case")
            except InputRejectedError:
                refused += 1
                continue
            assert path[0] == "made" or read == mixed, (path, other)
    assert refused > 1000


def test_a_file_cut_anywhere_is_refused(mixed: Blueprint) -> None:
    """No beginning of a file passes for the whole."""
    text = text_of(mixed)
    for end in range(len(text) - 2):
        with pytest.raises(InputRejectedError):
            blueprint_from(loads(text[:end], "x.json"), "x.json")


def test_a_lost_line_is_noticed(mixed: Blueprint) -> None:
    """Whichever line goes missing, but for the one that names the maker, the file is refused."""
    lines = text_of(mixed).splitlines(keepends=True)
    maker = lines.index('"made": null,\n')
    for place in (*range(maker), *range(maker + 1, len(lines))):
        with pytest.raises(InputRejectedError):
            blueprint_from(loads("".join(lines[:place] + lines[place + 1 :]), "x.yaml"), "x.yaml")


def test_a_changed_file_says_so(mixed: Blueprint) -> None:
    """The message gives both digests and says that the content was changed."""
    document = json.loads(text_of(mixed))
    document["groups"][0]["name"] = "other"
    with pytest.raises(InputRejectedError, match=r"digest: says sha256:.*changed since planned") as caught:
        blueprint_from(document, "case")
    assert [mistake.path for mistake in caught.value.mistakes] == ["digest", "id"]


# --- strictness -----------------------------------------------------------------------------------------------------


def mistakes(document: Any) -> list[str]:
    """Return what is wrong with the blueprint *document*, a line each."""
    with pytest.raises(InputRejectedError) as caught:
        blueprint_from(document, "case")
    return list(map(str, caught.value.mistakes))


def test_mistakes_of_head_and_content_are_told_together(mixed: Blueprint) -> None:
    """Both halves of a blueprint are read before anything is said, and the file's order is kept."""
    document = json.loads(text_of(mixed))
    document["generation"] = "1"
    document["switches"]["switch0"]["mrib_routes"][0]["source"] = "127.0.0.1"
    document["shared_tables"]["m2p"]["1"][0]["underlay"] = "ff05::1"
    document["extra"] = 1
    del document["findings"]
    assert mistakes(document) == [
        "findings: required, and missing",
        "generation: expected a whole number, found text '1'",
        "switches.switch0.mrib_routes[0].source: 127.0.0.1 is loopback",
        "shared_tables.m2p.1[0].underlay: ff05::1 is not an underlay group: those lie in ff04::/64",
        "extra: unknown key",
    ]


def test_tables_and_sleds_have_to_fit(mixed: Blueprint) -> None:
    """A sled stands in one line, lines name tables that are there, and rows belong to sleds that have a line."""
    document = json.loads(text_of(mixed))
    line = document["sleds"][0]
    twice = document | {"sleds": [line, line]}
    assert mistakes(twice) == ["sleds: a sled stands in two lines"]
    lacking = document | {"sleds": [line | {"m2p": "7"}]}
    assert mistakes(lacking) == ["shared_tables.m2p: lacks 7, which sleds name"]
    stranger = document | {"sleds": [line | {"sleds": line["sleds"][1:]}]}
    assert mistakes(stranger) == [f"subscriptions: {line['sleds'][0]} has no line in sleds"]


@pytest.mark.parametrize("format_", [None, "rackcast.blueprint/2", "rackcast.snapshot/1"])
def test_other_formats_are_refused(mixed: Blueprint, format_: str | None) -> None:
    """A newer blueprint is not read as far as it goes: fields would be lost without a word."""
    assert mistakes(json.loads(text_of(mixed)) | {"format": format_})[0].startswith("format: ")


# --- size -----------------------------------------------------------------------------------------------------------


def changed_lines(one: str, other: str) -> int:
    """Return how many lines two texts do not share."""
    lines = unified_diff(one.splitlines(), other.splitlines(), n=0, lineterm="")
    return sum(1 for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))


def with_one_more_group(snapshot: Snapshot, members: int) -> Snapshot:
    """Return *snapshot* with a group in which so many instances are."""
    address = Address.parse("233.252.7.7")
    group = Group(id=name("group", 9999), name="new", multicast_ip=address, state=GroupState.ACTIVE, time_created=NOW)
    rows = [
        Member(
            id=name("member", 90000 + number),
            group_id=group.id,
            instance_id=name("instance", number),
            state=MemberState.JOINED,
            multicast_ip=address,
            source_ips=(),
        )
        for number in range(members)
    ]
    return evolve(snapshot, groups=(*snapshot.groups, group), members=(*snapshot.members, *rows))


HEAD_LINES = 2 * 5
"""Id, digest, parent, generation and snapshot digest are others in every plan."""


def test_one_new_group_changes_a_few_lines(full: Blueprint) -> None:
    """On 32 sleds one more group with one member is about a line in each table that has to know it.

    Counted: the group; on each of two switches its generation (the old line and the new), the underlay group, the
    external group and the route; one mapping, one forwarding entry, two NIC filters; the lines of sleds, which hold
    generations; one subscription; and the head.
    """
    child = plan(with_one_more_group(big_rack(), 1), full)
    assert changed_lines(text_of(full), text_of(child)) <= 25 + HEAD_LINES


def test_one_more_member_changes_fewer(full: Blueprint) -> None:
    """One more member of a group that others hear is a subscription, two lists of ports, its cause, generations."""
    before = plan(with_one_more_group(big_rack(), 3), full)
    child = plan(with_one_more_group(big_rack(), 4), before)
    assert changed_lines(text_of(before), text_of(child)) <= 16 + HEAD_LINES


def test_size_follows_groups_and_not_sleds() -> None:
    """Tables that sleds share stand once: groups cost as much on 2 sleds as on 32, and a sled costs four lines.

    They are its generation, and where it and its ports on two switches are known from.
    """
    lines = {
        (sleds, groups): text_of(plan(big_rack(sleds=sleds, groups=groups, instances=0))).count("\n")
        for sleds in (2, 32)
        for groups in (20, 60)
    }
    assert lines[32, 60] - lines[32, 20] == lines[2, 60] - lines[2, 20]
    assert lines[32, 60] - lines[2, 60] <= 4 * 32
    heard = {sleds: text_of(plan(big_rack(sleds=sleds, instances=60))).count("\n") for sleds in (2, 32)}
    assert heard[32] - heard[2] <= 7 * 32


def test_one_odd_sled_costs_one_table(full: Blueprint) -> None:
    """A sled with other NICs has its own filters and goes on sharing the rest."""
    snapshot = big_rack()
    odd = evolve(snapshot.sleds[5], underlay_nics=("cxgbe0",))
    form = file_form(plan(evolve(snapshot, sleds=(*snapshot.sleds[:5], odd, *snapshot.sleds[6:]))))
    assert {kind: len(form["shared_tables"][kind]) for kind in SHARED} == {
        "m2p": 1,
        "forwarding": 1,
        "nic_filters": 2,
    }
    assert len(form["sleds"]) == 2
    assert len(file_form(full)["sleds"]) == 1


def test_ids_of_racks_keep_plans_apart() -> None:
    """The same rows on another rack are another blueprint."""
    snapshot = big_rack(sleds=2, groups=2, instances=2)
    one, other = plan(snapshot), plan(evolve(snapshot, rack_id=UUID(int=8)))
    assert one.id != other.id
    assert one.digest != other.digest
