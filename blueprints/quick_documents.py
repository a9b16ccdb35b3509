"""Snapshots read quickly: None wherever `blueprints.documents` has to look, as for every mistake.

Proof that nothing was passed over: the canonical text of what was read is what was read, to the octet; in another
layout, keys are counted. This file does not know files.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve
from msgspec import Raw
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
    parts = parts_of(data)
    if parts is None:
        return None
    for rows_of in (_written, _records):  # what is odd in one value may be read as records still
        snapshot = _snapshot(parts, rows_of)
        if snapshot is not None:
            return snapshot if _is_text_of(data, snapshot) or fits(data, parts, ROWS) else None
    return None


RowsOf = Callable[[type[Any], Raw], Sequence[Any] | None]
"""A table's rows, their ids each another; None for what is not read this way."""


def _snapshot(parts: Mapping[str, Raw], rows_of: RowsOf) -> Snapshot | None:
    tables: dict[str, Any] = {name: rows_of(kind, parts[name]) for name, kind in ROWS.items() if name in parts}
    if len(tables) < len(ROWS) or None in tables.values():
        return None
    try:
        rest = {name: _plain(part) for name, part in parts.items() if name not in ROWS}
        return evolve(snapshot_from({**rest, **{name: [] for name in ROWS}}, ""), **tables)
    except _REFUSALS:
        return None


def _records(kind: type[Any], part: Raw) -> Sequence[Any] | None:
    rows = quick(part, tuple[kind, ...])  # type: ignore[valid-type]
    return rows if rows is not None and len({row.id.int for row in rows}) == len(rows) else None


def _written(kind: type[Any], part: Raw) -> Sequence[Any] | None:
    """Return the rows of a large table as they are written, if they are as we would write them."""
    form = FORMS.get(kind)
    if form is None:
        return _records(kind, part)
    try:
        rows = Decoder(list[form]).decode(part)  # type: ignore[valid-type]  # of a class chosen here
        refuse_odd(kind, rows)
    except REFUSALS:
        return None
    return Rows(kind, rows)


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
