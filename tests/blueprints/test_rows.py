"""Rows as they are written, and the records that they stand for."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve, fields
from hypothesis import given
from msgspec import structs

from benchmarks.workload import rack
from blueprints.blueprint import Blueprint, Subscription
from blueprints.columns import column, made
from blueprints.documents import blueprint_from, snapshot_digest, snapshot_from, snapshot_pieces
from blueprints.notation import loads
from blueprints.quick_documents import quick_snapshot
from blueprints.rows import Rows, unread, written
from blueprints.scalars import file_name
from blueprints.sealing import blueprint_pieces
from blueprints.snapshot import Instance, Member, Snapshot
from blueprints.written import FORMS, WrittenInstance, WrittenMember, records_of, refuse_odd, written_of
from planner import plan
from tests.strategies import snapshots

SMALL = rack(1)
TEXT = "".join(snapshot_pieces(SMALL))


def told(rows: Rows) -> bool:
    """Return whether the records of *rows* were made."""
    return rows._records is not None


def read() -> Snapshot:
    """Return the small rack as it is read from its text."""
    snapshot = quick_snapshot(TEXT.encode())
    assert snapshot is not None
    return snapshot


# --- rows -----------------------------------------------------------------------------------------------------------


def test_rows_are_a_tuple_of_their_records() -> None:
    """Length, order, slices, sums, hash and equality are those of the tuple, in both directions."""
    rows, records = read().members, SMALL.members
    assert isinstance(rows, Rows)
    assert (len(rows), list(rows), rows[0], rows[-2:]) == (len(records), list(records), records[0], records[-2:])
    assert rows == records
    assert records == rows
    assert rows != records[1:]
    assert hash(rows) == hash(records)
    assert (*rows[:1], *rows) == records[:1] + records == rows[:1] + tuple(rows)
    assert (rows + rows[:1], rows * 2) == (records + records[:1], records * 2)
    assert repr(rows) == repr(records)


def test_nothing_is_made_before_somebody_looks() -> None:
    """Reading, planning, writing and comparing leave the rows of a rack as they are written."""
    snapshot, again = read(), read()
    first = plan(snapshot)
    assert "".join(snapshot_pieces(snapshot)) == TEXT
    assert snapshot == again
    tables = [its.subscriptions for its in first.sleds.values()]
    lazy = [snapshot.members, snapshot.instances, again.members, first.transitions, first.causes.members, *tables]
    assert not any(told(rows) for rows in lazy if isinstance(rows, Rows))
    assert all(isinstance(rows, Rows) for rows in lazy)
    assert first == plan(SMALL)


def test_equal_rows_of_another_kind_are_others() -> None:
    """Two lists of rows are equal if their records are, whatever stands in them."""
    assert Rows(UUID, []) == Rows(Member, [])
    assert Rows(Member, [written_of(SMALL.members[0])]) != Rows(Instance, [written_of(SMALL.instances[0])])


def test_ids_stand_as_rows_too() -> None:
    """A list of UUIDs that is written as texts is a tuple of UUIDs."""
    ids = tuple(row.id for row in SMALL.members)
    assert unread(UUID, [str(name) for name in ids]) == ids


# --- what is written ------------------------------------------------------------------------------------------------


@given(snapshots())
def test_records_are_written_and_read_back(snapshot: Snapshot) -> None:
    """Every record of a snapshot and of its plan is what is written of it."""
    blueprint = plan(snapshot)
    tables = [its.subscriptions for its in blueprint.sleds.values()]
    for records in (snapshot.members, snapshot.instances, blueprint.transitions, blueprint.causes.members, *tables):
        rows = [written_of(record) for record in records]
        again = records_of(records[0].__class__, rows) if rows else []
        assert again == list(records)
        assert [written_of(record) for record in again] == rows
        assert [_types(record) for record in again] == [_types(record) for record in records]


def _types(record: Any) -> list[type[Any]]:
    return [value.__class__ for value in (getattr(record, name.name) for name in fields(record.__class__))]


@given(snapshots())
def test_a_plan_of_written_rows_is_the_plan_of_records(snapshot: Snapshot) -> None:
    """What is read from text and what was built by hand lead to the same blueprint, to the byte."""
    again = quick_snapshot("".join(snapshot_pieces(snapshot)).encode())
    assert again is not None
    one, other = plan(again), plan(snapshot)
    assert (one, one.digest, one.body) == (other, other.digest, other.body)
    assert plan(again, other) is other


def test_a_plan_that_says_the_same_later_is_the_parent() -> None:
    """A second later nothing has changed, whether the parent's rows are written or records."""
    first = plan(SMALL)
    later = evolve(read(), evaluated_at=SMALL.evaluated_at + timedelta(seconds=1))
    records = read_back(first)
    assert any(row.sources for row in first.causes.members), "somebody who is apart named sources"
    assert not all(row.sources for row in first.causes.members), "and somebody did not"
    assert plan(later, first) is first
    assert plan(later, records) is records


def read_back(blueprint: Blueprint) -> Blueprint:
    """Return the blueprint as records, however its rows stand."""
    return blueprint_from(loads("".join(blueprint_pieces(blueprint)), "b.json"), "b.json")


@pytest.mark.parametrize("kind", FORMS, ids=lambda kind: str(kind.__name__))
def test_a_form_has_the_fields_of_its_record(kind: type[Any]) -> None:
    """What is written of a record has all of its fields in their order, under their names in files."""
    names = [attribute.name for attribute in fields(kind) if attribute.init]
    assert [field.name for field in structs.fields(FORMS[kind])] == names
    assert [field.encode_name for field in structs.fields(FORMS[kind])] == [file_name(name) for name in names]


def test_columns_make_what_the_constructor_makes() -> None:
    """Records that are made column by column equal those of the constructor, and cannot be changed either."""
    rows = [row for its in plan(SMALL).sleds.values() for row in its.subscriptions]
    columns = [column(rows, attribute.name) for attribute in fields(Subscription)]
    again = made(Subscription, columns)
    assert again == rows
    with pytest.raises(AttributeError):
        again[0].group_ip = rows[0].group_ip  # type: ignore[misc]  # which is what is shown


# --- what is odd ----------------------------------------------------------------------------------------------------

ODD_MEMBERS: dict[str, Callable[[WrittenMember], dict[str, Any]]] = {
    "an id in capitals": lambda row: {"id": "F" + row.id[1:].upper()},
    "an id without hyphens": lambda row: {"id": "f" + row.id.replace("-", "")[1:]},
    "an id that is none": lambda row: {"id": "g" + row.id[1:]},
    "an id that only looks like one": lambda row: {"id": "h" + row.id[1:]},
    "two ids in one": lambda row: {"id": f"{row.id}\n{row.id}"},
    "a group's id in braces": lambda row: {"group_id": f"{{{row.group_id}}}"},
    "an instance's id with a space": lambda row: {"instance_id": f"{row.instance_id} "},
    "no sled's id": lambda _: {"sled_id": ""},
    "an address that is spelled out": lambda _: {"multicast_ip": "ff0e:0:0:0:0:0:0:1"},
    "an address with a zone": lambda _: {"multicast_ip": "ff02::1%1"},
    "no address": lambda _: {"multicast_ip": "one"},
    "sources that are not sorted": lambda _: {"source_ips": ["10.0.0.2", "10.0.0.1"]},
    "sources of two families that are not sorted": lambda _: {"source_ips": ["fd00::1", "10.0.0.1"]},
    "a source that stands twice": lambda _: {"source_ips": ["10.0.0.1", "10.0.0.1"]},
    "a source with zeros": lambda _: {"source_ips": ["10.0.0.01"]},
    "a time with an offset": lambda _: {"time_deleted": "2026-08-01T12:00:00+02:00"},
    "no time": lambda _: {"time_deleted": "yesterday"},
}
"""What is changed in a member's row so that it is not as we would write it."""


@pytest.mark.parametrize("name", ODD_MEMBERS)
def test_what_is_odd_is_refused(name: str) -> None:
    """A row that is not written as we would write it is no written row; the same rows without it are taken."""
    rows = [written_of(row) for row in SMALL.members]
    refuse_odd(Member, rows)
    with pytest.raises(ValueError):  # noqa: PT011  # what is wrong is not said here
        refuse_odd(Member, [*rows[:-1], structs.replace(rows[-1], **ODD_MEMBERS[name](rows[-1]))])


def test_the_order_of_ids_is_looked_at() -> None:
    """Rows whose ids do not ascend, or stand twice, are refused."""
    rows = [written_of(row) for row in SMALL.members]
    for odd in ([*rows[1:], rows[0]], [rows[0], *rows]):
        with pytest.raises(ValueError):  # noqa: PT011  # what is wrong is not said here
            refuse_odd(Member, odd)


def test_a_vmm_is_looked_at() -> None:
    """What is odd in a row's process is odd in the row."""
    rows: list[WrittenInstance] = [written_of(row) for row in SMALL.instances]
    refuse_odd(Instance, rows)
    place = next(place for place, row in enumerate(rows) if row.active_vmm is not None)
    vmm = rows[place].active_vmm
    assert vmm is not None
    rows[place] = structs.replace(rows[place], active_vmm=structs.replace(vmm, sled_id=vmm.sled_id.upper() + "A"))
    with pytest.raises(ValueError):  # noqa: PT011  # what is wrong is not said here
        refuse_odd(Instance, rows)


@pytest.mark.parametrize("name", ODD_MEMBERS)
def test_odd_files_are_read_as_slowly_as_ever(name: str) -> None:
    """A file with an odd row is read to what slow reading makes of it, with its digest, or not quickly at all."""
    document = json.loads(TEXT)
    last = written_of(SMALL.members[-1])
    document["members"][-1] |= ODD_MEMBERS[name](last)
    text = json.dumps(document)
    quickly = quick_snapshot(text.encode())
    if quickly is not None:
        slowly = snapshot_from(loads(text, "s.json"), "s.json")
        assert quickly == slowly
        assert snapshot_digest(quickly) == snapshot_digest(slowly)
        assert evolve(quickly, members=[]) == evolve(slowly, members=[])


def test_written_rows_of_records_are_made_for_the_asking() -> None:
    """Records that were made by hand are written when somebody asks for them as written."""
    assert written(SMALL.members) == written(read().members)
