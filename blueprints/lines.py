"""Records to lines of canonical text, without plain data in between: most of a large file is rows.

`outlined` gives what cattrs would give, but for lists of records, which it leaves to be written line by line at a
fraction of the cost: what has to be done to a field follows from its type, once for each class; msgspec encodes and
sets the spaces. This file does not know documents or files.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache, partial
from itertools import chain, islice, starmap
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from attrs import fields, frozen
from msgspec import Struct, defstruct
from msgspec.json import encode
from msgspec.json import format as spaced

from blueprints.addresses import Address
from blueprints.ordering import AsWritten
from blueprints.scalars import TEXT_TYPES, file_name, is_model, plain
from blueprints.text import Lines, escaped

Convert = Callable[[Iterable[Any]], list[Any]]
"""The values of a field, one of each record, to ones that msgspec writes as we do."""

_AS_THEY_ARE = (UUID, Enum, str, int, bool)
"""Types that msgspec writes as cattrs and json would."""


def outlined(value: Any) -> Any:
    """Return *value* as plain data for `blueprints.text`, in which lists of records are lines still to be made."""
    kind = value.__class__
    if is_model(kind):
        names = [attribute.name for attribute in fields(kind) if attribute.init]
        return {file_name(name): outlined(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): outlined(item) for key, item in value.items()}
    if isinstance(value, AsWritten):
        return Lines(value.written, _joined_as_they_are) if value.written else []
    if isinstance(value, tuple) and value and is_model(value[0].__class__):
        return Lines(value, _joined)
    return plain(value)


def _joined(records: Sequence[Any], between: str) -> str:
    """Return *records*, all of one class, as text with *between* between them."""
    return _text(_plain(records), _form_of(records[0].__class__).names[0], between)


def _joined_as_they_are(rows: Sequence[Any], between: str) -> str:
    """Return written *rows*, all of one class, as text with *between* between them."""
    return _text(rows, rows[0].__struct_fields__[0], between)


def _text(rows: Sequence[Struct], first: str, between: str) -> str:
    """Return *rows*, whose first field is *first*, as text."""
    text = spaced(encode(rows), indent=0).decode()[1:-1]
    # Inside a text every quotation mark has a backslash before it, so this stands between rows alone.
    text = text.replace(f'}}, {{"{first}": ', f'}}{between}{{"{first}": ')
    return text if text.isascii() and "\x7f" not in text else escaped(text)


@frozen
class _Form:
    """How the records of one class are written."""

    row: type[Struct]
    """What stands for a record while it is encoded: fields of any type under their names in files."""

    names: tuple[str, ...]
    values: tuple[Callable[[Any], Any], ...]
    conversions: tuple[Convert | None, ...]


def _plain(records: Iterable[Any]) -> list[Struct]:
    """Return rows for *records*, all of one class, made column by column."""
    several = tuple(records)
    if not several:
        return []
    form = _form_of(several[0].__class__)
    columns = [
        convert(map(value, several)) if convert else map(value, several)
        for value, convert in zip(form.values, form.conversions, strict=True)
    ]
    return list(starmap(form.row, zip(*columns, strict=True)))


@lru_cache(maxsize=64)
def _form_of(kind: type) -> _Form:
    """Return the form of a class, which holds no lists of records."""
    names = [attribute.name for attribute in fields(kind)]
    hints = get_type_hints(kind)
    in_files = tuple(map(file_name, names))
    renamed = dict(zip(names, in_files, strict=True))
    return _Form(
        row=defstruct(kind.__name__, [(name, Any) for name in names], rename=renamed, gc=False),
        names=in_files,
        values=tuple(attrgetter(f"{name}.text" if _has_text(hints[name]) else name) for name in names),
        conversions=tuple(None if _has_text(hints[name]) else _conversion(hints[name]) for name in names),
    )


def _has_text(hint: Any) -> bool:
    """Return whether values of the type *hint* are written as what stands in their ``text``."""
    return isinstance(hint, type) and issubclass(hint, (Address, *TEXT_TYPES)) and "text" in dir(hint)


def _conversion(hint: Any) -> Convert | None:
    """Return what has to be done to values of the type *hint*, None for nothing; None itself is written as it is."""
    if type(None) in get_args(hint):
        return _conversion(next(kind for kind in get_args(hint) if kind is not type(None)))
    if get_origin(hint) is tuple:
        convert = _conversion(get_args(hint)[0])
        return partial(_lists, convert) if convert else _as_written
    if is_model(hint):
        return _records
    if isinstance(hint, type) and issubclass(hint, _AS_THEY_ARE):
        return None
    return _texts if _has_text(hint) else _others


def _records(values: Iterable[Any]) -> list[Any]:
    """Convert records, one object that stands in many places once."""
    several = tuple(values)
    distinct = {id(value): value for value in several if value is not None}
    made: dict[int, Any] = dict(zip(distinct, _plain(distinct.values()), strict=True))
    made[id(None)] = None
    return list(map(made.__getitem__, map(id, several)))


def _lists(convert: Convert, values: Iterable[Any]) -> list[Any]:
    """Convert lists: what is in them as one column."""
    several = tuple(values)
    made = iter(convert(chain.from_iterable(filter(None, several))))
    return [list(islice(made, len(items))) if items else items for items in several]


def _as_written(values: Iterable[Any]) -> list[Any]:
    return [value.written if isinstance(value, AsWritten) else value for value in values]


def _texts(values: Iterable[Any]) -> list[Any]:
    return [None if value is None else value.text for value in values]


def _others(values: Iterable[Any]) -> list[Any]:
    return [None if value is None else plain(value) for value in values]
