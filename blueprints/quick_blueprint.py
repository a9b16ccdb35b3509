"""A blueprint's file read quickly and without holding its text: None wherever `blueprints.documents` has to look.

The file is gone through twice. First its rows are decoded, a block at a time. Then the canonical text of what was
read is made, a block at a time, and has to be what the file says, to the octet: the proof that nothing was passed
over, and what the digest is made of. This file does not know files, but for one that is open.
"""

from functools import partial
from hashlib import sha256
from itertools import chain
from typing import IO, Any, get_args, get_origin, get_type_hints
from uuid import uuid5

from msgspec.json import Decoder

from blueprints.blueprint import CONTENT_FIELDS, Blueprint, Content, Transition
from blueprints.converter import is_model, structure
from blueprints.documents import HEAD, Head, body_of, digested_head, written_head
from blueprints.errors import InputRejectedError
from blueprints.file_form import FileContent, from_file
from blueprints.laid_out import LaidOut
from blueprints.quick import REFUSALS, quick
from blueprints.sharing import Shared
from blueprints.snapshot import Policy
from blueprints.text import items, loads_json

_HINTS = get_type_hints(FileContent)
_PLAIN = ("format", *HEAD)
"""Fields that are taken as plain data."""

_BY_CONVERTER = (Policy,)
"""Types with names in files that Python does not allow."""


def quick_blueprint(file: IO[bytes]) -> Blueprint | None:
    """Return the blueprint whose file form *file* holds from its start, the digest verified, or None."""
    try:
        fields = LaidOut(file, partial(_decoded, Shared(), {})).document({**dict.fromkeys(_PLAIN, Any), **_HINTS})
        head = structure({name: fields.pop(name) for name in HEAD}, Head, "")
        del fields["format"]  # compared below
        content = from_file(FileContent(**fields))
    except (*REFUSALS, InputRejectedError, KeyError, TypeError):  # what is missing, and what nobody knows
        return None
    file.seek(0)
    if not _is_sealed_text(file, head, content):
        return None
    named = {name: getattr(head, name) for name in HEAD}
    return Blueprint(**named, **{name: getattr(content, name) for name in CONTENT_FIELDS})


def _decoded(shared: Shared, decoders: dict[Any, Decoder[Any]], text: bytes, hint: Any) -> Any:
    """Return the value of the type *hint* in the JSON *text*.

    Raises:
        ValueError: it is refused, or only odd.
        InputRejectedError: the same of what the converter reads.
    """
    if hint is Any:
        return loads_json(text.decode(), "")
    if hint in _BY_CONVERTER:
        return structure(loads_json(text.decode(), ""), hint, "")
    row: Any = get_args(hint)[0] if get_origin(hint) is tuple else None
    if not is_model(row):
        value = quick(text, hint)
        if value is None:
            raise ValueError("left to the converter")
        return value
    if hint not in decoders:
        decoders[hint] = Decoder(hint, dec_hook=shared.texts.of)
    if row is Transition:
        text = text.replace(
            b'"from": "', b'"from_": "'
        )  # which stands between keys alone: in texts quotes are escaped
    rows = decoders[hint].decode(text)
    shared.complete(rows, row)
    return rows


def _is_sealed_text(file: IO[bytes], head: Head, content: Content) -> bool:
    """Return whether *file* holds the text of *content* under *head*, and head names its digest."""
    digest = sha256()
    for text in _opening(digested_head(head.parent, head.generation, head.snapshot_digest)):
        digest.update(text)
    if any(file.read(len(text)) != text for text in _opening(written_head(head))):
        return False
    for piece in chain(body_of(content), ("\n}\n",)):
        text = piece.encode()
        if file.read(len(text)) != text:
            return False
        digest.update(text)
    named = "sha256:" + digest.hexdigest()
    return not file.read(1) and head.digest == named and head.id == uuid5(content.rack_id, named)


def _opening(head: dict[str, Any]) -> list[bytes]:
    """Return the text of a document up to its body."""
    return [text.encode() for text in ("{\n", *items(head), ",\n")]
