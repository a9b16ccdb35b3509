"""Total orders, made where a value is made, so that no order of rows, sets or dicts ever reaches text.

This file does not know what the rows are; each row says its own `sort_key`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol, TypeVar
from uuid import UUID

from blueprints.addresses import Address

Key = tuple[Any, ...]


class Ordered(Protocol):
    """A row that knows its place: addresses first, then the remaining fields in the order they are shown."""

    @property
    def sort_key(self) -> Key:
        """A key that differs for rows that differ in meaning."""


R = TypeVar("R", bound=Ordered)
A = TypeVar("A", bound=Address)
S = TypeVar("S", bound=StrEnum)
V = TypeVar("V")

NOTHING: Key = (0, 0)
"""The key of an absent address: before every address."""


def in_order(rows: Iterable[R]) -> tuple[R, ...]:
    """Return *rows* sorted by their own keys."""
    return tuple(sorted(rows, key=lambda row: row.sort_key))


def maybe_in_order(rows: Iterable[R] | None) -> tuple[R, ...] | None:
    """Return `in_order`, keeping None."""
    return None if rows is None else in_order(rows)


def addresses(values: Iterable[A]) -> tuple[A, ...]:
    """Return each address once, IPv4 first, then by number."""
    return tuple(sorted(set(values), key=lambda value: value.key))


def maybe_addresses(values: Iterable[A] | None) -> tuple[A, ...] | None:
    """Return `addresses`, keeping None."""
    return None if values is None else addresses(values)


def address_key(value: Address | None) -> Key:
    """Return the key of *value*, None first."""
    return NOTHING if value is None else value.key


def by_slot(table: Mapping[S, V]) -> Mapping[S, V]:
    """Return *table* read-only and in the order of its keys."""
    return MappingProxyType(dict(sorted(table.items(), key=lambda item: item[0])))


def by_uuid(table: Mapping[UUID, V]) -> Mapping[UUID, V]:
    """Return *table* read-only and in the order of its keys."""
    return MappingProxyType(dict(sorted(table.items(), key=lambda item: item[0])))
