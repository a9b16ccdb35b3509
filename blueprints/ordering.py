"""Total orders, made where a value is made, so that no order of rows, sets or dicts ever reaches text.

This file does not know what the rows are; each row says its own `sort_key`.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any, cast

from blueprints.addresses import Address

Key = tuple[Any, ...]


# These serve as converters of attrs fields, whose types mypy does not solve: hence Any; each field says its own type.

NOTHING: Key = (0, 0)
"""The key of an absent address: before every address."""


BY_NUMBER = attrgetter("int")
"""UUIDs compare by number; asked for their number, they do so at a fraction of the cost."""


class Arranged:
    """What is sorted already, so that nobody has to sort it again: a tuple, or what stands for one."""

    __slots__ = ()


class AsWritten(Arranged):
    """Rows that stay as they are written until somebody looks at them (`blueprints.rows`)."""

    __slots__ = ()

    written: Sequence[Any]


class InOrder(tuple[Any, ...], Arranged):
    """Rows that are sorted."""

    __slots__ = ()


def in_order(rows: Iterable[Any]) -> tuple[Any, ...]:
    """Return *rows* sorted by their own keys."""
    return cast(InOrder, rows) if isinstance(rows, Arranged) else InOrder(sorted(rows, key=_BY_SORT_KEY))


_BY_SORT_KEY = attrgetter("sort_key")


def maybe_in_order(rows: Iterable[Any] | None) -> tuple[Any, ...] | None:
    """Return `in_order`, keeping None."""
    return None if rows is None else in_order(rows)


def addresses(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return each address once, IPv4 first, then by number."""
    if isinstance(values, InOrder):
        return values
    several = InOrder(values)
    if len(several) < 2:
        return several
    by_key = {value.key: value for value in several}
    return InOrder([by_key[key] for key in sorted(by_key)])


def maybe_addresses(values: Iterable[Any] | None) -> tuple[Any, ...] | None:
    """Return `addresses`, keeping None."""
    return None if values is None else addresses(values)


def address_key(value: Address | None) -> Key:
    """Return the key of *value*, None first."""
    return NOTHING if value is None else value.key


def slots(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return each switch once, in order."""
    return tuple(sorted(set(values)))


def by_slot(table: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return *table* read-only and in the order of its keys."""
    return MappingProxyType(dict(sorted(table.items(), key=lambda item: item[0])))


def by_uuid(table: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return *table* read-only and in the order of its keys."""
    return MappingProxyType(dict(sorted(table.items(), key=lambda item: item[0])))
