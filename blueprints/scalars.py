"""Scalars: what stands in a file as one text, number or word, and what things are called there.

This file does not know formats, files, or what the values mean.
"""

import re
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from attrs import has

from blueprints.addresses import Address
from blueprints.identifiers import MulticastMac, PortId, Tag

_FILE_NAMES = {"from_": "from"}
"""Names that Python does not allow for a field."""


def file_name(field: str) -> str:
    """Return what a *field* is called in files."""
    return _FILE_NAMES.get(field, field)


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")


def parse_time(text: str) -> datetime:
    """Return the time written as RFC 3339 *text*, in UTC.

    Raises:
        ValueError: another form, no such time, or finer than a microsecond.
    """
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not a time such as 2026-08-01T12:00:00Z")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is before or after all years that can be kept") from None


def format_time(time: datetime) -> str:
    """Return *time* as RFC 3339 text in UTC, with a fraction only where there is one."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


TEXT_TYPES = (PortId, Tag, MulticastMac)
"""Values with parts that are written as one text."""


def is_address(kind: Any) -> bool:
    """Return whether *kind* is a class of addresses."""
    return isinstance(kind, type) and issubclass(kind, Address)


def is_model(kind: Any) -> bool:
    """Return whether *kind* is a record of named fields, not a value that is written as text."""
    return isinstance(kind, type) and has(kind)


def plain(value: Any) -> Any:
    """Return a scalar, or a list of such, as plain data: what `blueprints.converter` would make of it.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Address):
        return value.text
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, UUID | PortId | Tag | MulticastMac):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no scalar")
