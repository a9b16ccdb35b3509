"""Canonical text read as it comes: a block of rows at a time, so that a file is never held whole.

Goes by the layout of `blueprints.text` and by the types that stand in it. Text in another layout is refused, or what
is made of it has another canonical text: who reads has to compare. This file does not know documents, nor how a value
is decoded.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import IO, Any, get_args, get_origin, get_type_hints

from attrs import define, field, frozen

from blueprints.scalars import file_name, is_model

BLOCK = 1 << 16
"""How many octets of rows are decoded at a time."""

Decode = Callable[[bytes, Any], Any]
"""JSON and the type that it is of to a value; raises ValueError for what is not of that type."""


@define
class _Lines:
    """The lines of a file, from where it is read."""

    file: IO[bytes]
    _text: bytes = b""
    """Whole lines, each with its newline; before the first stands a newline too."""

    _place: int = 0
    """Where the next line begins."""

    def next(self) -> bytes:
        """Return the next line.

        Raises:
            ValueError: there is none.
        """
        self._read_ahead()
        begin, self._place = self._place, self._text.index(b"\n", self._place) + 1
        return self._text[begin : self._place]

    def rows(self, end: bytes) -> Iterator[bytes]:
        """Yield the lines before the one that begins with *end*, which is taken too, as JSON lists of some rows.

        Raises:
            ValueError: none begins with it.
        """
        ended = False
        while not ended:
            self._read_ahead()
            found = self._text.find(b"\n" + end, self._place - 1)
            ended = found >= 0
            rows = self._text[self._place : found if ended else -1]
            self._place = self._text.index(b"\n", found + 1) + 1 if ended else len(self._text)
            yield b"[" + rows.removesuffix(b",") + b"]"

    def _read_ahead(self) -> None:
        if self._place < len(self._text):
            return
        self._text = b"\n" + self.file.read(BLOCK) + self.file.readline()
        self._place = 1
        if not self._text.endswith(b"\n") or len(self._text) == 1:
            raise ValueError("the text is cut off")


@frozen
class LaidOut:
    """Canonical text, from where *file* is read."""

    file: IO[bytes]
    decode: Decode
    _lines: _Lines = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin at the next line."""
        object.__setattr__(self, "_lines", _Lines(self.file))

    def document(self, hints: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of the document, which must be of the types *hints*.

        Raises:
            ValueError: a field is not of its type, or nothing that is known.
        """
        if self._lines.next() != b"{\n":
            raise ValueError("not laid out as canonical text is")
        return self._entries(lambda name: (self.decode(name, str), hints[self.decode(name, str)]), 0)

    def _entries(self, known: Callable[[bytes], tuple[Any, Any]], depth: int) -> dict[Any, Any]:
        """Return what stands up to the end of the object at *depth*; *known* says key and type for a name."""
        pad, found = b" " * depth, {}
        while not (line := self._lines.next()).startswith(pad[1:] + b"}"):
            name, colon, text = line.removeprefix(pad).partition(b'": ')
            key, hint = known(name + b'"')
            if not colon or key in found:
                raise ValueError("not laid out as canonical text is")
            found[key] = self._value(text, hint, depth + 1)
        return found

    def _value(self, text: bytes, hint: Any, depth: int) -> Any:
        """Return the value of the type *hint* that begins with *text*."""
        if text == b"[\n":
            blocks = self._lines.rows(b" " * (depth - 1) + b"]")
            return tuple(chain.from_iterable([self.decode(block, hint) for block in blocks]))
        if text == b"{\n":
            return self._object(hint, depth)
        return self.decode(text.rstrip(b",\n"), hint)

    def _object(self, hint: Any, depth: int) -> Any:
        if get_origin(hint) is Mapping:
            key, value = get_args(hint)
            return self._entries(lambda name: (self.decode(name, key), value), depth)
        if not is_model(hint):
            raise ValueError(f"{hint} is not spread over lines")
        hints = {file_name(name): (name, kind) for name, kind in get_type_hints(hint).items()}
        return hint(**self._entries(lambda name: hints[self.decode(name, str)], depth))
