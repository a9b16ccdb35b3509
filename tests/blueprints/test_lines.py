"""Rows written without plain data in between: the same text as with it."""

from datetime import datetime, timedelta, timezone
from typing import Any, get_args, get_origin, get_type_hints

from attrs import evolve, fields
from hypothesis import given

from benchmarks.workload import rack
from blueprints.documents import (
    file_form,
    snapshot_digest,
    snapshot_document,
    snapshot_from,
    snapshot_pieces,
)
from blueprints.file_form import FileContent
from blueprints.notation import loads
from blueprints.scalars import is_model
from blueprints.sealing import blueprint_pieces
from blueprints.snapshot import Group, Snapshot
from blueprints.text import dumps
from planner import plan
from tests.strategies import snapshots


@given(snapshots())
def test_the_text_is_that_of_the_document(snapshot: Snapshot) -> None:
    """A snapshot's text is, byte for byte, the canonical text of its document."""
    assert _text(snapshot) == dumps(snapshot_document(snapshot))


def test_a_large_rack_reads_back() -> None:
    """The text of a generated rack reads back as that rack."""
    snapshot = rack(3)
    assert snapshot_from(loads(_text(snapshot), "s.json"), "s.json") == snapshot


def test_names_that_hide_are_escaped() -> None:
    """Characters that hide or turn a line around are escaped as everywhere else, others stand as they are."""
    snapshot = _named('caf\u00e9 \u202e \x7f "q" \\ \n \u2028 \U0001f600')
    text = _text(snapshot)
    assert text == dumps(snapshot_document(snapshot))
    assert "\u202e" not in text
    assert "\x7f" not in text
    assert "caf\u00e9" in text
    assert "\U0001f600" in text


def test_times_of_other_zones_are_written_in_utc() -> None:
    """A time with another offset, or with microseconds, is written as the document writes it."""
    snapshot = rack(1)
    odd = datetime(2026, 8, 1, 14, 0, 0, 120, tzinfo=timezone(timedelta(hours=2)))
    changed = evolve(snapshot, groups=[evolve(group, time_created=odd) for group in snapshot.groups])
    assert _text(changed) == dumps(snapshot_document(changed))
    assert '"time_created": "2026-08-01T12:00:00.000120Z"' in _text(changed)


@given(snapshots())
def test_a_blueprint_s_text_is_that_of_its_file_form(snapshot: Snapshot) -> None:
    """A blueprint's text is, byte for byte, the canonical text of its file form."""
    blueprint = plan(snapshot)
    assert "".join(blueprint_pieces(blueprint)) == dumps(file_form(blueprint))


def test_the_digest_is_that_of_the_text() -> None:
    """Two equal snapshots have one digest, a changed row another."""
    snapshot = rack(1)
    assert snapshot_digest(snapshot) == snapshot_digest(evolve(snapshot))
    assert snapshot_digest(snapshot) != snapshot_digest(_named("other"))


def _named(name: str) -> Snapshot:
    snapshot = rack(1)
    first: Group = snapshot.groups[0]
    return evolve(snapshot, groups=[evolve(first, name=name), *snapshot.groups[1:]])


def _text(snapshot: Snapshot) -> str:
    return "".join(snapshot_pieces(snapshot))


def test_lists_inside_records_begin_otherwise_than_the_records() -> None:
    """Records are told apart by their first key, so a list of records within one begins its own with another."""
    nested = [
        (outer, fields(inner)[0].name)
        for outer in _models(Snapshot) | _models(FileContent)
        for inner in map(_listed, get_type_hints(outer).values())
        if inner is not None
    ]
    assert len(nested) > 10
    assert [outer for outer, first in nested if fields(outer)[0].name == first] == []


def _models(kind: Any) -> set[Any]:
    """Return *kind*, if it is a record, and every record that it holds."""
    inner = get_type_hints(kind).values() if is_model(kind) else get_args(kind)
    return ({kind} if is_model(kind) else set()).union(*map(_models, inner))


def _listed(hint: Any) -> Any:
    """Return the class of the records of which *hint* is a list, or None."""
    return next((part for part in get_args(hint) if get_origin(hint) is tuple and is_model(part)), None)
