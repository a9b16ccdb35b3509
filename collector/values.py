"""What the values of columns become in the planner's vocabulary; what it refuses is a `ValueError` with the reason.

None is refused by all of them: columns that may be NULL say so themselves (`collector.statements`). This file does
not know tables or rows.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_interface
from typing import Any

from attrs import fields_dict

from blueprints.addresses import Address
from blueprints.ordering import addresses

Read = Callable[[Any], Any]
"""A value as the driver gives it to one of the vocabulary."""


def one_of(choices: type[StrEnum]) -> Read:
    """Return what reads one of *choices*, and nothing that a later schema may have added to them."""

    def read(value: Any) -> StrEnum:
        try:
            return choices(value)
        except ValueError:
            allowed = ", ".join(choice.value for choice in choices)
            raise ValueError(f"{value!r:.60} is not one of {allowed}") from None

    return read


def given(value: Any) -> Any:
    """Return *value*, whatever it is."""
    if value is None:
        raise ValueError("NULL, which the column should not allow")
    return value


def kept_by(kind: type, field: str) -> Read:
    """Return what lets those values pass that the *field* of the record *kind* accepts."""
    attribute = fields_dict(kind)[field]

    def read(value: Any) -> Any:
        if value is None:
            raise ValueError("NULL, which the column should not allow")
        if attribute.validator is not None:
            attribute.validator(None, attribute, value)
        return value

    return read


def utc(value: datetime | None) -> datetime:
    """Return the time *value* in UTC."""
    if value is None:
        raise ValueError("NULL, which the column should not allow")
    return value.astimezone(UTC)


def address_of(kind: type[Address]) -> Read:
    """Return what reads addresses of the *kind* from their text."""

    def read(value: Any) -> Address:
        if value is None:
            raise ValueError("NULL, which the column should not allow")
        return kind.parse(value)

    return read


def sources(value: str | None) -> tuple[Address, ...]:
    """Return the addresses in the text of an array, in order and each once; such a list is empty for any source.

    A source with a mask names a network, which no switch filters by; a full mask is the address itself.

    >>> sources("{10.0.0.6,10.0.0.5/32}")
    (Address(10.0.0.5), Address(10.0.0.6))
    """
    if value is None or not (value.startswith("{") and value.endswith("}")):
        raise ValueError(f"{value!r:.60} is not a list of addresses")
    listed = [_source(part) for part in value[1:-1].split(",") if part]
    return addresses(listed) if len(listed) > 1 else tuple(listed)


@lru_cache(maxsize=1 << 14)
def _source(text: str) -> Address:
    text = text.strip('"')
    bare, slash, _ = text.partition("/")
    address = Address.parse(bare)
    if slash and ip_interface(text).network.num_addresses != 1:
        raise ValueError(f"{text} is a network, not the address of a sender")
    return address
