"""Snapshots read quickly: None wherever `blueprints.documents` has to look, as for every mistake.

Proof that nothing was passed over: the canonical text of what was read is what was read, to the octet; in another
layout, keys are counted. This file does not know files.
"""

from typing import Any

from attrs import evolve
from msgspec import Raw

from blueprints.documents import ROWS, snapshot_from, snapshot_pieces
from blueprints.errors import InputRejectedError
from blueprints.quick import fits, parts_of, quick
from blueprints.sealing import digest_of
from blueprints.snapshot import Snapshot
from blueprints.text import loads_json

_REFUSALS = (InputRejectedError, UnicodeDecodeError, ValueError)
"""What slow reading of a part raises."""


def _plain(part: Raw) -> Any:
    return loads_json(bytes(part).decode(), "")


def quick_snapshot(data: bytes) -> Snapshot | None:
    """Return the snapshot in the JSON *data*, or None."""
    parts = parts_of(data)
    if parts is None:
        return None
    tables: dict[str, Any] = {}
    for name, kind in ROWS.items():
        rows = quick(parts[name], tuple[kind, ...]) if name in parts else None  # type: ignore[valid-type]
        if rows is None or len({row.id.int for row in rows}) < len(rows):
            return None
        tables[name] = rows
    try:
        rest = {name: _plain(part) for name, part in parts.items() if name not in ROWS}
        snapshot = evolve(snapshot_from({**rest, **{name: [] for name in ROWS}}, ""), **tables)
    except _REFUSALS:
        return None
    return snapshot if _is_text_of(data, snapshot) or fits(data, parts, ROWS) else None


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
