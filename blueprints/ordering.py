"""Total orders, made where a value is made, so that no order of rows, sets or dicts ever reaches text.

This file does not know what the rows are; each row says its own `sort_key`.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from blueprints.addresses import Address

Key = tuple[Any, ...]


# These serve as converters of attrs fields, whose types mypy does not solve: hence Any; each field says its own type.

NOTHING: Key = (0, 0)
"""The key of an absent address: before every address."""


def in_order(rows: Iterable[Any]) -> tuple[Any, ...]:
    """Return *rows* sorted by their own keys."""
    return tuple(sorted(rows, key=lambda row: row.sort_key))


def maybe_in_order(rows: Iterable[Any] | None) -> tuple[Any, ...] | None:
    """Return `in_order`, keeping None."""
    return None if rows is None else in_order(rows)


def addresses(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return each address once, IPv4 first, then by number."""
    return tuple(sorted(set(values), key=lambda value: value.key))


def maybe_addresses(values: Iterable[Any] | None) -> tuple[Any, ...] | None:
    """Return `addresses`, keeping None."""
    return None if values is None else addresses(values)


def address_key(value: Address | None) -> Key:
    """Return the key of *value*, None first."""
    return NOTHING if value is None else value.key


def by_slot(table: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return *table* read-only and in the order of its keys."""
    return MappingProxyType(dict(sorted(table.items(), key=lambda item: item[0])))


def by_uuid(table: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return *table* read-only and in the order of its keys."""
    return MappingProxyType(dict(sorted(table.items(), key=lambda item: item[0])))
