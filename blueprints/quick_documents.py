"""Snapshots and blueprints read quickly: None wherever `blueprints.documents` has to look, as for every mistake.

Proof that nothing was passed over: the canonical text of what was read is what was read, to the octet; for a snapshot
in another layout, its keys are counted. This file does not know files.
"""

from hashlib import sha256
from typing import Any, get_type_hints
from uuid import uuid5

from attrs import evolve, fields
from msgspec import Raw

from blueprints.blueprint import CONTENT_FIELDS, Blueprint, Content
from blueprints.converter import structure
from blueprints.documents import (
    HEAD,
    ROWS,
    Head,
    body_of,
    digest_of,
    digested_head,
    snapshot_from,
    snapshot_pieces,
    written_head,
)
from blueprints.errors import InputRejectedError
from blueprints.file_form import FileContent, from_file
from blueprints.quick import fits, parts_of, quick
from blueprints.snapshot import Snapshot
from blueprints.text import items, loads_json

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


_BY_CONVERTER = ("policy", "transitions")
"""Parts with names in files that Python does not allow, or with nothing to gain."""


def quick_blueprint(data: bytes) -> Blueprint | None:
    """Return the blueprint in the file form *data*, its digest verified, or None."""
    parts = parts_of(data)
    if parts is None or parts.keys() != _PARTS:
        return None
    try:
        head = structure({name: _plain(parts[name]) for name in HEAD}, Head, "")
        content = _quick_content(parts)
    except _REFUSALS:
        return None
    if content is None or not _is_sealed_text(data, head, content):
        return None
    named = {name: getattr(head, name) for name in HEAD}
    return Blueprint(**named, **{name: getattr(content, name) for name in CONTENT_FIELDS})


_HINTS = get_type_hints(FileContent)
_PARTS = {"format", *HEAD, *_HINTS}


def _quick_content(parts: Any) -> Content | None:
    values: dict[str, Any] = {}
    for attribute in fields(FileContent):
        name, hint = attribute.name, _HINTS[attribute.name]
        slowly = name in _BY_CONVERTER
        values[name] = structure(_plain(parts[name]), hint, "") if slowly else quick(parts[name], hint)
        if values[name] is None:
            return None
    return from_file(FileContent(**values))


def _is_sealed_text(data: bytes, head: Head, content: Content) -> bool:
    """Return whether *data* is the text of *content* under *head*, and head names its digest; made and read once."""
    place, digest = 0, sha256()
    for text in _opening(digested_head(head.parent, head.generation, head.snapshot_digest)):
        digest.update(text)
    for text in _opening(written_head(head)):
        if not data.startswith(text, place):
            return False
        place += len(text)
    for piece in (*body_of(content), "\n}\n"):
        text = piece.encode()
        if not data.startswith(text, place):
            return False
        place += len(text)
        digest.update(text)
    named = "sha256:" + digest.hexdigest()
    return place == len(data) and head.digest == named and head.id == uuid5(content.rack_id, named)


def _opening(head: dict[str, Any]) -> list[bytes]:
    """Return the text of a document up to its body."""
    return [text.encode() for text in ("{\n", *items(head), ",\n")]
