"""Snapshots read quickly: None wherever `blueprints.documents` has to look, as for every mistake.

Proof that nothing was passed over: the canonical text of what was read is what was read, to the octet; in another
layout, keys are counted. This file does not know files.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from attrs import evolve, fields
from msgspec import Raw, defstruct
from msgspec.json import Decoder

from blueprints.documents import ROWS, snapshot_from, snapshot_pieces
from blueprints.errors import InputRejectedError
from blueprints.quick import REFUSALS, fits, parts_of, quick
from blueprints.rows import Rows
from blueprints.sealing import digest_of
from blueprints.snapshot import Snapshot
from blueprints.text import loads_json
from blueprints.written import FORMS, refuse_odd

_REFUSALS = (InputRejectedError, UnicodeDecodeError, ValueError)
"""What slow reading of a part raises."""


def _plain(part: Raw) -> Any:
    return loads_json(bytes(part).decode(), "")


def quick_snapshot(data: bytes) -> Snapshot | None:
    """Return the snapshot in the JSON *data*, or None."""
    for parts, rows_of in ((_decoded, _written), (parts_of, _records)):
        found = parts(data)
        snapshot = None if found is None else _snapshot(found, rows_of)
        if snapshot is not None:  # else what is odd in one value may be read as records still
            return snapshot if _is_text_of(data, snapshot) or fits(data, parts_of(data) or {}, ROWS) else None
    return None


def _snapshot(parts: Mapping[str, Any], rows_of: Callable[[type[Any], Any], Sequence[Any] | None]) -> Snapshot | None:
    """Return the snapshot that consists of *parts*.

    Args:
        parts: JSON, or written rows.
        rows_of: returns a table's rows, their ids each another; None for what is not read this way.
    """
    tables: dict[str, Any] = {name: rows_of(kind, parts[name]) for name, kind in ROWS.items() if name in parts}
    if len(tables) < len(ROWS) or None in tables.values():
        return None
    try:
        rest = {name: _plain(part) for name, part in parts.items() if name not in ROWS}
        return evolve(snapshot_from({**rest, **{name: [] for name in ROWS}}, ""), **tables)
    except _REFUSALS:
        return None


@cache
def _decoder() -> Decoder[Any]:
    """Return what decodes a whole snapshot, the large tables as they are written."""
    names = ["format", *(attribute.name for attribute in fields(Snapshot) if attribute.init)]
    forms = {name: FORMS[kind] for name, kind in ROWS.items() if kind in FORMS}
    parts = [(name, list[forms[name]] if name in forms else Raw) for name in names]  # type: ignore[valid-type]
    return Decoder(defstruct("Parts", parts, forbid_unknown_fields=True))


def _decoded(data: bytes) -> Mapping[str, Any] | None:
    try:
        parts = _decoder().decode(data)
    except REFUSALS:
        return None
    return {name: getattr(parts, name) for name in parts.__struct_fields__}


def _records(kind: type[Any], part: Raw) -> Sequence[Any] | None:
    rows = quick(part, tuple[kind, ...])  # type: ignore[valid-type]
    return rows if rows is not None and len({row.id.int for row in rows}) == len(rows) else None


def _written(kind: type[Any], part: Any) -> Sequence[Any] | None:
    """Return the rows of a large table as they are written, if they are as we would write them."""
    if kind not in FORMS:
        return _records(kind, part)
    try:
        refuse_odd(kind, part)
    except REFUSALS:
        return None
    return Rows(kind, part)


def _is_text_of(data: bytes, snapshot: Snapshot) -> bool:
    """Return whether *data* is the canonical text of *snapshot*; its digest is known then."""
    place = 0
    for text in snapshot_pieces(snapshot):
        piece = text.encode()
        if not data.startswith(piece, place):
            return False
        place += len(piece)
    if place < len(data):
        return False
    snapshot.keep_digest(digest_of([data]))
    return True
