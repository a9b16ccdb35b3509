"""Records to lines of canonical text, without plain data in between: most of a large file is rows.

`outlined` gives what cattrs would give, but for lists of records, which it leaves to be written line by line at a
fraction of the cost: what has to be done to a field follows from its type, once for each class; orjson encodes and
msgspec sets the spaces. This file does not know documents or files.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from attrs import fields, frozen
from msgspec.json import format as spaced
from orjson import dumps as encode

from blueprints.addresses import Address
from blueprints.converter import TEXT_TYPES, file_name, is_model, unstructure
from blueprints.text import Lines, escaped

Convert = Callable[[Any], Any]
"""A field's value to one that orjson writes as we do."""

_AS_THEY_ARE = (UUID, Enum, str, int, bool)
"""Types that orjson writes as cattrs and json would."""


def outlined(value: Any) -> Any:
    """Return *value* as plain data for `blueprints.text`, in which lists of records are lines still to be made."""
    kind = value.__class__
    if is_model(kind):
        return {file_name(attribute.name): outlined(getattr(value, attribute.name)) for attribute in fields(kind)}
    if isinstance(value, Mapping):
        return {str(key): outlined(item) for key, item in value.items()}
    if isinstance(value, tuple) and value and is_model(value[0].__class__):
        return Lines(value, _line)
    return unstructure(value)


def _line(record: Any) -> str:
    data = spaced(encode(_plain(record)), indent=0)
    text = data.decode()
    return text if data.isascii() and b"\x7f" not in data else escaped(text)


@frozen
class _Form:
    """How the records of one class are written."""

    names: tuple[str, ...]
    values: Callable[[Any], Any]
    conversions: tuple[tuple[str, Convert], ...]


def _plain(record: Any) -> dict[str, Any]:
    form = _form_of(record.__class__)
    plain = dict(zip(form.names, form.values(record), strict=True))
    for name, convert in form.conversions:
        plain[name] = convert(plain[name])
    return plain


@lru_cache(maxsize=64)
def _form_of(kind: type) -> _Form:
    """Return the form of a class, which has two fields or more."""
    names = [attribute.name for attribute in fields(kind)]
    hints = get_type_hints(kind)
    getters = [f"{name}.text" if _has_text(hints[name]) else name for name in names]
    conversions = [(file_name(name), _conversion(hints[name])) for name in names if not _has_text(hints[name])]
    return _Form(
        names=tuple(map(file_name, names)),
        values=attrgetter(*getters),
        conversions=tuple((name, convert) for name, convert in conversions if convert),
    )


def _has_text(hint: Any) -> bool:
    """Return whether values of the type *hint* are written as what stands in their ``text``."""
    return isinstance(hint, type) and issubclass(hint, (Address, *TEXT_TYPES)) and "text" in dir(hint)


def _conversion(hint: Any) -> Convert | None:
    """Return what has to be done to values of the type *hint*, None for nothing."""
    if type(None) in get_args(hint):
        convert = _conversion(next(kind for kind in get_args(hint) if kind is not type(None)))
        return convert and partial(_maybe, convert)
    if get_origin(hint) is tuple:
        convert = _conversion(get_args(hint)[0])
        return partial(_each, convert) if convert else None
    if is_model(hint):
        return _plain
    if isinstance(hint, type) and issubclass(hint, _AS_THEY_ARE):
        return None
    return _text if _has_text(hint) else unstructure


def _maybe(convert: Convert, value: Any) -> Any:
    return None if value is None else convert(value)


def _each(convert: Convert, values: Iterable[Any]) -> list[Any]:
    return [convert(value) for value in values]


def _text(value: Any) -> Any:
    return value.text
