"""Canonical text: plain data to text and back.

The text is JSON laid out one entry per line, which is YAML too: it reads and compares well and loads at JSON
speed. Equal data give equal text. Reading takes JSON or YAML of the kind people write by hand: of YAML only
what means the same everywhere (no tags, no dates, no numbers in base 60, no yes and no).

This file does not know what the data mean, nor files.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

import yaml
from attrs import define, field, frozen

from blueprints.errors import InputRejectedError, Mistake

MAX_DEPTH = 64
"""How deep a document may nest; ours need 8."""

_ESCAPED = re.compile(
    "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff"  # JSON may hold these raw, YAML may not (YAML 1.2, 5.1)
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f]"  # these hide, or turn the line around under a reviewer's eyes
)

_AT_ONCE = 1000
"""How many lines of a list are handed on at a time."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": "), allow_nan=False)


def one_line(value: Any) -> str:
    """Return the canonical text of plain data on one line."""
    return escaped(_ENCODER.encode(value))


def escaped(text: str) -> str:
    """Return JSON *text* with everything escaped that hides, or that YAML may not hold."""
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@frozen
class Lines:
    """A list whose entries are made to text when they are written: one line each."""

    entries: Sequence[Any]
    """One or more."""

    joined: Callable[[Sequence[Any], str], str]
    """Some of the entries, one or more, to their canonical text with what is given between them."""


def _is_table(value: Any, depth: int) -> bool:
    """Whether *value* holds entries that deserve lines of their own: rows, or objects right below the top."""
    if isinstance(value, Lines):
        return True
    if isinstance(value, list):
        return any(isinstance(item, dict | list) for item in value)
    if not isinstance(value, dict):
        return False
    return any(_is_table(item, depth + 1) or (depth == 1 and isinstance(item, dict)) for item in value.values())


def dumps(document: dict[str, Any]) -> str:
    """Return the canonical text of *document*: one entry per line, a newline at the end.

    Keys keep their order: whoever builds *document* decides it. The document itself is always spread out.

    >>> print(dumps({"format": "x/1", "rows": [{"a": 1}, {"a": 2}], "none": []}), end="")
    {
    "format": "x/1",
    "rows": [
     {"a": 1},
     {"a": 2}
    ],
    "none": []
    }
    """
    return "".join(pieces(document))


def pieces(document: dict[str, Any]) -> Iterator[str]:
    """Yield the canonical text of *document*, plain data and `Lines`, bit by bit; joined they are `dumps`."""
    yield from _spread_object(document, 0)
    yield "\n"


def items(document: dict[str, Any]) -> Iterator[str]:
    """Yield what stands between the braces of `pieces`, without the newlines beside them."""
    before = ""
    for key, item in document.items():
        yield f"{before}{one_line(key)}: "
        yield from _laid_out(item, 1)
        before = ",\n"


def _laid_out(value: Any, depth: int) -> Iterator[str]:
    if not _is_table(value, depth):
        yield one_line(value)
    elif isinstance(value, dict):
        yield from _spread_object(value, depth)
    elif isinstance(value, Lines):
        yield from _spread_list(value.entries, value.joined, depth)
    else:
        yield from _spread_list(value, _joined, depth)


def _joined(entries: Sequence[Any], between: str) -> str:
    return between.join([one_line(entry) for entry in entries])


def _spread_list(entries: Sequence[Any], joined: Callable[[Sequence[Any], str], str], depth: int) -> Iterator[str]:
    """Yield a list of one entry or more, a line each."""
    pad = " " * depth
    between = f",\n{pad}"
    before = f"[\n{pad}"
    for start in range(0, len(entries), _AT_ONCE):
        yield before + joined(entries[start : start + _AT_ONCE], between)
        before = between
    yield f"\n{pad[1:]}]"


def _spread_object(value: dict[str, Any], depth: int) -> Iterator[str]:
    """Yield the object at *depth* with a line for each entry; deeper is one space further in."""
    pad = " " * depth
    before = "{\n"
    for key, item in value.items():
        yield f"{before}{pad}{one_line(key)}: "
        yield from _laid_out(item, depth + 1)
        before = ",\n"
    yield f"\n{pad[1:]}}}" if value else f"{{\n\n{pad[1:]}}}"


def loads(text: str, source: str) -> Any:
    """Return the data written in *text*, as JSON or YAML.

    Args:
        text: the whole document.
        source: what to call it in mistakes; a name that ends in ``.json`` is never tried as YAML.

    Raises:
        InputRejectedError: neither JSON nor the YAML we read; says where.
    """
    json_only = source.removesuffix(".gz").endswith(".json")
    if json_only or text.lstrip()[:1] in ("{", "["):
        try:
            return _loads_json(text)
        except json.JSONDecodeError as error:
            if json_only:
                _reject(source, error.lineno, error.colno, error.msg)
        except RecursionError:
            _reject(source, 1, 1, f"nested deeper than {MAX_DEPTH}")
        except ValueError as error:
            _reject(source, 1, 1, str(error))
    return _YamlReader(source).read(text)


def _reject(source: str, line: int, column: int, message: str) -> NoReturn:
    raise InputRejectedError(source, [Mistake(f"line {line}, column {column}", message)])


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape that is half a character; in pairs they are a whole one."""


def _loads_json(text: str) -> Any:
    """Return the data in *text*, with the limits that YAML has by itself.

    Raises:
        ValueError: not JSON, or JSON that we do not read.
    """
    data = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    if _is_too_deep(data):
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if _SURROGATE.search(text):
        try:
            json.dumps(data, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = ord(error.object[error.start])
            raise ValueError(f"\\u{half:04x} is half a character") from None
    return data


def _is_too_deep(data: Any) -> bool:
    level = _containers([data])
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in _containers(value)]
    return bool(level)


def _containers(value: dict[str, Any] | list[Any]) -> list[Any]:
    """Return the objects and lists right inside *value*."""
    items: Iterable[Any] = value.values() if isinstance(value, dict) else value
    return [item for item in items if isinstance(item, dict | list)]


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"key {', '.join(map(repr, repeated))} is given twice in one object")
    return table


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that can be kept")


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_PLAIN_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
"""The words of YAML's core schema (YAML 1.2 section 10.3.2)."""

MAX_VALUES = 20_000_000
"""How many values a document may come to once its aliases are spelled out; a large snapshot has a million."""


@define
class _Open:
    """A collection that is being read."""

    collection: Any
    anchor: str | None
    key: list[str] = field(factory=list)
    """The key that waits for its value; empty: none."""
    size: int = 1
    height: int = 1


class _YamlReader:
    """Builds data from YAML events, without recursion, so that no text can exhaust the stack."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int, int]] = {}
        """What a name stands for, with its size and height, once it is whole."""
        self.document: Any = None

    def read(self, text: str) -> Any:
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            _reject(self.source, line, column, error.problem or "not YAML")
        except yaml.YAMLError as error:
            _reject(self.source, 1, 1, str(error).splitlines()[0])
        return self.document

    def _refuse(self, event: Any, message: str) -> NoReturn:
        _reject(self.source, event.start_mark.line + 1, event.start_mark.column + 1, message)

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent) and self.document is not None:
            self._refuse(event, "one file holds one document")
        if isinstance(event, yaml.AliasEvent):
            self._place_alias(event)
        elif isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            self._place(value, event)
            self._count(event, 1, 0)
            if event.anchor:
                self.anchors[event.anchor] = (value, 1, 0)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._close(event)

    def _open(self, event: Any) -> None:
        if event.tag is not None and not event.implicit:
            self._refuse(event, f"tags such as {event.tag} are not read")
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH}")
        collection: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._place(collection, event)
        self.stack.append(_Open(collection, event.anchor))

    def _close(self, event: Any) -> None:
        closed = self.stack.pop()
        if closed.anchor:
            self.anchors[closed.anchor] = (closed.collection, closed.size, closed.height)
        self._count(event, closed.size, closed.height)

    def _place_alias(self, event: Any) -> None:
        """Put what the name stands for in its place; limits hold as if it were written out."""
        if event.anchor not in self.anchors:
            self._refuse(event, f"*{event.anchor} stands for nothing that is whole yet")
        value, size, height = self.anchors[event.anchor]
        if len(self.stack) + height > MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH}")
        self._place(value, event)
        self._count(event, size, height)

    def _count(self, event: Any, size: int, height: int) -> None:
        if self.stack:
            self.stack[-1].size += size
            self.stack[-1].height = max(self.stack[-1].height, height + 1)
            if self.stack[-1].size > MAX_VALUES:
                self._refuse(event, f"comes to more than {MAX_VALUES} values")

    def _scalar(self, event: Any) -> Any:
        plain, quoted = event.implicit
        if not plain and not quoted:
            self._refuse(event, f"tags such as {event.tag} are not read")
        if event.style:
            return event.value
        if event.value in _PLAIN_WORDS:
            return _PLAIN_WORDS[event.value]
        return int(event.value) if _PLAIN_NUMBER.fullmatch(event.value) else event.value

    def _place(self, value: Any, event: Any) -> None:
        if not self.stack:
            self.document = value
            return
        collection, key = self.stack[-1].collection, self.stack[-1].key
        if isinstance(collection, list):
            collection.append(value)
        elif key:
            collection[key.pop()] = value
        elif not isinstance(value, str):
            self._refuse(event, f"{value!r} cannot be a key: put it in quotes")
        elif value in collection:
            self._refuse(event, f"key {value!r} is given twice in one object")
        else:
            key.append(value)
