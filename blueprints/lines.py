"""Records to lines of canonical text, without cattrs in between: most of a large file is rows.

`rows` gives what `blueprints.text.dumps` would give for the unstructured records, at a fraction of the cost: what has
to be done to a field follows from its type, once for each class; orjson encodes and msgspec sets the spaces.
This file does not know documents or files.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from attrs import fields, frozen
from msgspec.json import format as spaced
from orjson import dumps as encode

from blueprints.addresses import Address
from blueprints.converter import is_model, unstructure
from blueprints.text import escaped

Convert = Callable[[Any], Any]
"""A field's value to one that orjson writes as we do."""

_AT_ONCE = 1000
"""Lines in one bit of text."""

_AS_THEY_ARE = (UUID, StrEnum, str, int, bool)
"""Types that orjson writes as cattrs and json would."""


@frozen
class _Form:
    """How the records of one class are written."""

    names: tuple[str, ...]
    values: Callable[[Any], Any]
    conversions: tuple[tuple[str, Convert], ...]


def rows(records: Sequence[Any]) -> Iterator[str]:
    """Yield the JSON of *records*, as an entry of a document: a line each, many lines at a time."""
    before = "[\n "
    for start in range(0, len(records), _AT_ONCE):
        yield before + ",\n ".join([_line(record) for record in records[start : start + _AT_ONCE]])
        before = ",\n "
    yield "\n]" if records else "[]"


def _line(record: Any) -> str:
    data = spaced(encode(_plain(record)), indent=0)
    text = data.decode()
    return text if data.isascii() and b"\x7f" not in data else escaped(text)


def _plain(record: Any) -> dict[str, Any]:
    form = _form_of(record.__class__)
    plain = dict(zip(form.names, form.values(record), strict=True))
    for name, convert in form.conversions:
        plain[name] = convert(plain[name])
    return plain


@lru_cache(maxsize=64)
def _form_of(kind: type) -> _Form:
    """Return the form of a class, which has two fields or more."""
    names = tuple(attribute.name for attribute in fields(kind))
    hints = get_type_hints(kind)
    getters = [f"{name}.text" if _is_address(hints[name]) else name for name in names]
    conversions = [(name, _conversion(hints[name])) for name in names if not _is_address(hints[name])]
    return _Form(names, attrgetter(*getters), tuple((name, convert) for name, convert in conversions if convert))


def _is_address(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Address)


def _conversion(hint: Any) -> Convert | None:
    """Return what has to be done to values of the type *hint*, None for nothing."""
    if type(None) in get_args(hint):
        convert = _conversion(next(kind for kind in get_args(hint) if kind is not type(None)))
        return convert and partial(_maybe, convert)
    if get_origin(hint) is tuple and _is_address(get_args(hint)[0]):
        return _texts
    if _is_address(hint):
        return _text
    if is_model(hint):
        return _plain
    if isinstance(hint, type) and issubclass(hint, _AS_THEY_ARE):
        return None
    return unstructure


def _maybe(convert: Convert, value: Any) -> Any:
    return None if value is None else convert(value)


def _text(address: Address) -> str:
    return address.text


def _texts(addresses: Iterable[Address]) -> list[str]:
    return [address.text for address in addresses]
