"""Records to lines of canonical text, without plain data in between: most of a large file is rows.

`outlined` gives what cattrs would give, but for lists of records, which it leaves to be written line by line at a
fraction of the cost: what has to be done to a field follows from its type, once for each class; orjson encodes and
msgspec sets the spaces. This file does not know documents or files.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
        return Lines(value, _joined)
    return unstructure(value)


def _joined(records: Sequence[Any], between: str) -> str:
    """Return *records*, all of one class, as text with *between* between them."""
    form = _form_of(records[0].__class__)
    text = spaced(encode(_plain(records)), indent=0).decode()[1:-1]
    # Inside a text every quotation mark has a backslash before it, so this stands between records alone.
    text = text.replace(f'}}, {{"{form.names[0]}": ', f'}}{between}{{"{form.names[0]}": ')
    return text if text.isascii() and "\x7f" not in text else escaped(text)


@frozen
class _Form:
    """How the records of one class are written."""

    names: tuple[str, ...]
    values: tuple[Callable[[Any], Any], ...]
    conversions: tuple[Convert | None, ...]


def _plain(records: Iterable[Any]) -> list[dict[str, Any]]:
    """Return *records*, all of one class, as plain data, made column by column."""
    several = tuple(records)
    form = _form_of(several[0].__class__)
    columns = []
    for value, convert in zip(form.values, form.conversions, strict=True):
        column = map(value, several)
        # None and nothing at all are written as they are.
        columns.append([convert(one) if one else one for one in column] if convert else column)
    return [dict(zip(form.names, row, strict=False)) for row in zip(*columns, strict=False)]


@lru_cache(maxsize=64)
def _form_of(kind: type) -> _Form:
    """Return the form of a class, which holds no lists of records."""
    names = [attribute.name for attribute in fields(kind)]
    hints = get_type_hints(kind)
    return _Form(
        names=tuple(map(file_name, names)),
        values=tuple(attrgetter(f"{name}.text" if _has_text(hints[name]) else name) for name in names),
        conversions=tuple(None if _has_text(hints[name]) else _conversion(hints[name]) for name in names),
    )


def _has_text(hint: Any) -> bool:
    """Return whether values of the type *hint* are written as what stands in their ``text``."""
    return isinstance(hint, type) and issubclass(hint, (Address, *TEXT_TYPES)) and "text" in dir(hint)


def _conversion(hint: Any) -> Convert | None:
    """Return what has to be done to values of the type *hint*, None for nothing."""
    if type(None) in get_args(hint):
        return _conversion(next(kind for kind in get_args(hint) if kind is not type(None)))
    if get_origin(hint) is tuple:
        convert = _conversion(get_args(hint)[0])
        return partial(_each, convert) if convert else None
    if is_model(hint):
        return _plain_one
    if isinstance(hint, type) and issubclass(hint, _AS_THEY_ARE):
        return None
    return _text if _has_text(hint) else unstructure


def _plain_one(record: Any) -> dict[str, Any]:
    return _plain((record,))[0]


def _each(convert: Convert, values: Iterable[Any]) -> list[Any]:
    return [convert(value) for value in values]


def _text(value: Any) -> Any:
    return value.text
