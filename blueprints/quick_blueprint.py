"""A blueprint's file read quickly and without holding its text: None wherever `blueprints.documents` has to look.

The file is gone through twice. First its rows are decoded, a block at a time. Then the canonical text of what was
read is made, a block at a time, and has to be what the file says, to the octet: the proof that nothing was passed
over, and what the digest is made of. This file does not know files, but for one that is open.
"""

from hashlib import sha256
from itertools import chain
from typing import IO, Any, get_args, get_origin, get_type_hints
from uuid import uuid5

from attrs import evolve, field, frozen
from msgspec.json import Decoder

from blueprints.blueprint import CONTENT_FIELDS, Blueprint, Content, Transition
from blueprints.causes import Causes
from blueprints.file_form import FileContent, from_file, to_file
from blueprints.laid_out import BLOCK, LaidOut
from blueprints.lines import outlined
from blueprints.policy import Policy
from blueprints.quick import REFUSALS, quick
from blueprints.scalars import is_model
from blueprints.sealing import HEAD, Head, digested_head, written_head
from blueprints.sharing import Shared
from blueprints.text import items

_HINTS = {"format": str, **get_type_hints(Head), **get_type_hints(FileContent)}

_VALIDATED = (Policy,)
"""Types that refuse values in their constructors, which msgspec does not ask."""

_CAUSES = frozenset(get_type_hints(Causes).values())
_CAUSES_PAD = b"  "


def quick_blueprint(file: IO[bytes], *, causes: bool = True) -> Blueprint | None:
    """Return the blueprint whose file form *file* holds from its start, the digest verified, or None.

    Args:
        file: from its start.
        causes: whether the causes are kept. If not, they are read row by row all the same, and covered by the digest.
    """
    try:
        fields = LaidOut(file, _Decoding(causes)).document(_HINTS)
        head = Head(**{name: fields.pop(name) for name in HEAD})
        del fields["format"]  # compared below
        content = from_file(FileContent(**fields))
    except (*REFUSALS, KeyError, TypeError):  # what is missing, and what nobody knows
        return None
    file.seek(0)
    if not _is_sealed_text(file, head, content, causes=causes):
        return None
    named = {name: getattr(head, name) for name in HEAD}
    return Blueprint(**named, **{name: getattr(content, name) for name in CONTENT_FIELDS})


@frozen
class _Decoding:
    """How the values of one file are decoded."""

    causes: bool
    """Whether they are kept."""

    _shared: Shared = field(factory=Shared, init=False)
    _decoders: dict[Any, Decoder[Any]] = field(factory=dict, init=False)

    def __call__(self, text: bytes, hint: Any) -> Any:
        """Return the value of the type *hint* in the JSON *text*.

        Raises:
            ValueError: it is refused, or only odd.
        """
        row: Any = get_args(hint)[0] if get_origin(hint) is tuple else None
        if is_model(row):
            rows = self._rows(text, hint, row)
            return rows if self.causes or hint not in _CAUSES else self._passed(rows, text)
        value = quick(text, hint)
        if value is None and (text != b"null" or type(None) not in get_args(hint)):
            raise ValueError("left to the converter")
        return evolve(value) if hint in _VALIDATED else value

    def _rows(self, text: bytes, hint: Any, row: type[Any]) -> Any:
        if hint not in self._decoders:
            self._decoders[hint] = Decoder(hint, dec_hook=self._shared.texts.of)
        if row is Transition:
            text = text.replace(b'"from": "', b'"from_": "')  # a key for sure: inside a text quotes are escaped
        rows = self._decoders[hint].decode(text)
        self._shared.complete(rows, row)
        return rows

    def _passed(self, rows: tuple[Any, ...], text: bytes) -> tuple[Any, ...]:
        """Return no rows, once their text is *text*."""
        if rows:
            between = b",\n" + _CAUSES_PAD
            made = outlined(rows).joined(rows, between.decode()).encode()
            if b"[" + _CAUSES_PAD + made + b"]" != text:
                raise ValueError("not the canonical text")
        return ()


def _is_sealed_text(file: IO[bytes], head: Head, content: Content, *, causes: bool) -> bool:
    """Return whether *file* holds the text of *content* under *head*, and head names its digest."""
    digest = sha256()
    for text in _opening(digested_head(head.parent, head.generation, head.snapshot_digest)):
        digest.update(text)
    if any(file.read(len(text)) != text for text in _opening(written_head(head))):
        return False
    body = outlined(to_file(content))
    if not causes:
        del body["causes"]  # the last of the fields, and looked at
    for piece in chain(items(body), ("\n}\n",) if causes else ()):
        text = piece.encode()
        if file.read(len(text)) != text:
            return False
        digest.update(text)
    while not causes and (text := file.read(BLOCK)):
        digest.update(text)
    named = "sha256:" + digest.hexdigest()
    return not file.read(1) and head.digest == named and head.id == uuid5(content.rack_id, named)


def _opening(head: dict[str, Any]) -> list[bytes]:
    """Return the text of a document up to its body."""
    return [text.encode() for text in ("{\n", *items(head), ",\n")]
