"""Canonical text: plain data to text, and JSON to plain data.

The text is JSON laid out one entry per line, which is YAML too: it reads and compares well and loads at JSON
speed. Equal data give equal text.

This file does not know what the data mean, nor files, nor what else people write (`blueprints.notation`).
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

from attrs import define, field

from blueprints.errors import InputRejectedError, Mistake

MAX_DEPTH = 64
"""How deep a document may nest; ours need 8."""

TOO_DEEP = f"nested deeper than {MAX_DEPTH}"

_ESCAPED = re.compile(
    "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff"  # JSON may hold these raw, YAML may not (YAML 1.2, 5.1)
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f]"  # these hide, or turn the line around under a reviewer's eyes
)

_AT_ONCE = 100
"""How many lines of a list are handed on at a time."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": "), allow_nan=False)


def one_line(value: Any) -> str:
    """Return the canonical text of plain data on one line."""
    return escaped(_ENCODER.encode(value))


def escaped(text: str) -> str:
    """Return JSON *text* with everything escaped that hides, or that YAML may not hold."""
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@define(eq=False)
class Lines:
    """A list whose entries are made to text when they are written: one line each."""

    entries: Sequence[Any]
    """One or more."""

    joined: Callable[[Sequence[Any], str], str]
    """Some of the entries, one or more, to their canonical text with what is given between them."""

    again: bool = False
    """The list stands in the document more than once, always at one depth: its text is made once."""

    _text: list[str] = field(factory=list, init=False)

    def spread(self, depth: int) -> Iterable[str]:
        """Return the list's text bit by bit."""
        if not self.again:
            return _spread_list(self.entries, self.joined, depth)
        self._text = self._text or list(_spread_list(self.entries, self.joined, depth))
        return self._text


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

    Keys keep their order: whoever builds *document* decides it. The document itself is always spread out, and so are
    lists without entries, so that a first one is one line more.

    >>> print(dumps({"format": "x/1", "rows": [{"a": 1}, {"a": 2}], "none": []}), end="")
    {
    "format": "x/1",
    "rows": [
     {"a": 1},
     {"a": 2}
    ],
    "none": [
    ]
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
    if value == []:
        yield f"[\n{' ' * (depth - 1)}]"
    elif not _is_table(value, depth):
        yield one_line(value)
    elif isinstance(value, dict):
        yield from _spread_object(value, depth)
    elif isinstance(value, Lines):
        yield from value.spread(depth)
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


def loads_json(text: str, source: str) -> Any:
    """Return the data written in *text* as JSON.

    Args:
        text: the whole document.
        source: what to call it in mistakes.

    Raises:
        InputRejectedError: no JSON, or JSON that we do not read; says where.
    """
    try:
        return data_of(text, source)
    except json.JSONDecodeError as error:
        reject(source, error.lineno, error.colno, error.msg)


def reject(source: str, line: int, column: int, message: str) -> NoReturn:
    """Refuse *source* for what is wrong at one place of it.

    Raises:
        InputRejectedError: always.
    """
    raise InputRejectedError(source, [Mistake(f"line {line}, column {column}", message)])


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape that is half a character; in pairs they are a whole one."""


def data_of(text: str, source: str) -> Any:
    """Return the data in *text*, with the limits that YAML has by itself.

    Raises:
        JSONDecodeError: no JSON.
        InputRejectedError: JSON that we do not read.
    """
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
        _refuse_halves(text, data)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        reject(source, 1, 1, TOO_DEEP)
    except ValueError as error:
        reject(source, 1, 1, str(error))
    if _is_too_deep(data):
        reject(source, 1, 1, TOO_DEEP)
    return data


def _refuse_halves(text: str, data: Any) -> None:
    """Refuse escapes that are half a character.

    Raises:
        ValueError: there is one.
    """
    if _SURROGATE.search(text):
        try:
            json.dumps(data, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = ord(error.object[error.start])
            raise ValueError(f"\\u{half:04x} is half a character") from None


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
