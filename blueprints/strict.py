"""JSON and its fields, strictly: what is missing or of another type is a bad answer, never a default.

This file does not know daemons.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeVar

from attrs import field, frozen
from msgspec import MsgspecError, Raw
from msgspec.json import Decoder

from blueprints.addresses import Address
from blueprints.errors import BadAnswerError

T = TypeVar("T")
Json = Any
Object = dict[str, Json]


LONG = 1 << 18
"""Octets from which on a list is taken apart first: parsed as a whole it takes four times its text in memory."""

_ROWS = Decoder(list[Raw])


@frozen(eq=False)
class LongList:
    """A JSON list of many rows, each of which is parsed when somebody comes to it."""

    _rows: list[Raw] = field(repr=False)
    depth: int
    """How deep each row may be nested."""

    def __iter__(self) -> Iterator[Json]:
        """Yield the rows.

        Raises:
            BadAnswerError: see `parse_json`.
        """
        return (parse_json(bytes(row), depth=self.depth) for row in self._rows)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._rows)


def parse_json(content: bytes, *, depth: int) -> Json:
    """Return the JSON value in *content*; a long list as a `LongList`, whose rows are still to be parsed.

    Raises:
        BadAnswerError: not JSON, a key twice in one object, NaN or infinity, or nested deeper than *depth*.
    """
    if len(content) >= LONG and content[:1] == b"[" and depth:
        try:
            return LongList(_ROWS.decode(content), depth - 1)
        except (MsgspecError, UnicodeDecodeError):
            pass  # what is wrong is told below
    try:
        text = content.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError(f"the answer is not JSON: {error}") from None
    _check_depth(value, depth)
    return value


def _object(pairs: list[tuple[str, Json]]) -> Object:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return table


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_depth(value: Json, depth: int) -> None:
    level = [value] if type(value) in _NESTING else []
    while level:
        depth -= 1
        if depth < 0 and any(level):
            raise BadAnswerError("the answer is nested too deeply")
        level = [child for each in level for child in _children(each) if type(child) in _NESTING]


_NESTING = (dict, list)


def _children(value: Json) -> Iterable[Json]:
    return value.values() if type(value) is dict else value


# --- single fields --------------------------------------------------------------------------------------------------


def bad(where: str, expected: str, value: Json) -> NoReturn:
    """Refuse *value*."""
    raise BadAnswerError(f"{where}: expected {expected}, found {value!r:.60}")


def _typed(value: Json, where: str, kind: type[T], expected: str) -> T:
    if type(value) is not kind:
        bad(where, expected, value)
    return value


def obj(value: Json, where: str) -> Object:
    """Return *value* if it is an object."""
    return _typed(value, where, dict, "an object")


def items(value: Json, where: str) -> "list[Json] | LongList":
    """Return *value* if it is a list."""
    return value if type(value) is LongList else _typed(value, where, list, "a list")


def required(table: Object, key: str, where: str) -> Json:
    """Return what stands under *key*, which may be null but not missing."""
    if key not in table:
        raise BadAnswerError(f"{where}: {key} is missing")
    return table[key]


def text(table: Object, key: str, where: str) -> str:
    """Return the text under *key*."""
    return _typed(required(table, key, where), f"{where}.{key}", str, "text")


def integer(table: Object, key: str, where: str, *, limit: int) -> int:
    """Return the number under *key*, 0 to *limit*."""
    value = _typed(required(table, key, where), f"{where}.{key}", int, "a whole number")
    if not 0 <= value <= limit:
        bad(f"{where}.{key}", f"0 to {limit}", value)
    return value


def parsed(value: Json, where: str, parse: Callable[[str], T], expected: str) -> T:
    """Return what *parse* makes of the text *value*."""
    try:
        return parse(_typed(value, where, str, expected))
    except ValueError:
        bad(where, expected, value)


def address(table: Object, key: str, where: str) -> Address:
    """Return the address under *key*."""
    return parsed(required(table, key, where), f"{where}.{key}", Address.parse, "an address")


def list_of(table: Object, key: str, where: str, decode: Callable[[Json, str], T]) -> list[T]:
    """Return the decoded entries of the list under *key*."""
    entries = items(required(table, key, where), f"{where}.{key}")
    return [decode(row, f"{where}.{key}[{index}]") for index, row in enumerate(entries)]


def bare_address(value: Json, where: str) -> Address:
    """Return the address that *value* is."""
    return parsed(value, where, Address.parse, "an address")


def rows(value: Json, what: str, decode: Callable[[Json, str], T], key: Callable[[T], object]) -> list[T]:
    """Return the decoded rows of a list in which no *key* stands twice.

    Raises:
        BadAnswerError: not such a list.
    """
    decoded = [decode(row, f"{what}[{index}]") for index, row in enumerate(items(value, what))]
    if len({key(row) for row in decoded}) != len(decoded):
        raise BadAnswerError(f"{what}: one entry stands twice")
    return decoded
