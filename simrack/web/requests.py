"""One request as a handler sees it, and how to take its parts out.

Everything a client can get wrong in form ends here as a 400 in dropshot's wording. This file does not know what
the parts mean.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from attrs import define, field

from blueprints.addresses import Address
from simrack.web.answers import HttpError, bad_request
from simrack.web.versions import Version

T = TypeVar("T")

MISSING = object()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


@define
class Request:
    """What a client sent, after routing."""

    method: str
    path: str
    query_string: bytes
    body: bytes
    version: Version = (0, 0, 0)
    params: dict[str, str] = field(factory=dict)
    """Segments of the path that the route left open."""

    def json(self) -> Any:
        """Return the body.

        Raises:
            HttpError: 400, the body is not JSON.
        """
        try:
            return _DECODER.decode(self.body.decode())
        except (ValueError, RecursionError) as error:
            raise bad_request(f"unable to parse JSON body: {error}") from None

    def query(self) -> dict[str, str]:
        """Return the query's fields; of a repeated field the last one."""
        if not self.query_string:
            return {}
        return dict(parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True))

    def param(self, name: str, parse: Callable[[str], T]) -> T:
        """Return the path segment *name* through *parse*.

        Raises:
            HttpError: 400, *parse* raised ValueError.
        """
        try:
            return parse(self.params[name])
        except ValueError as error:
            raise bad_request(f"bad parameter in URL path: {error}") from None


def query_error(detail: str) -> HttpError:
    """Return the 400 for a query that cannot be read."""
    return bad_request(f"unable to parse query string: {detail}")


def body_error(path: str, detail: str) -> HttpError:
    """Return the 400 for a body whose *path* cannot be read."""
    where = f"{path}: " if path else ""
    return bad_request(f"unable to parse JSON body: {where}{detail}")


def need(body: Any, name: str, kind: type[T], path: str = "") -> T:
    """Return the field *name* of *body*, which must be of *kind*.

    Raises:
        HttpError: 400, no object, no such field, or another type.
    """
    if not isinstance(body, dict):
        raise body_error(path, f"invalid type: expected an object, found {_type_of(body)}")
    value = body.get(name, MISSING)
    if type(value) is kind:
        return value
    if value is MISSING:
        raise body_error(path, f"missing field `{name}`")
    return of_kind(value, kind, f"{path}.{name}" if path else name)


def maybe(body: Any, name: str, kind: type[T], path: str = "") -> T | None:
    """Return the field *name* of *body*, None where it is absent or null.

    Raises:
        HttpError: 400, no object, or another type.
    """
    if isinstance(body, dict) and body.get(name) is None:
        return None
    return need(body, name, kind, path)


def of_kind(value: Any, kind: type[T], path: str) -> T:
    """Return *value* if it is of *kind*; a boolean is no integer.

    Raises:
        HttpError: 400, another type.
    """
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise body_error(path, f"invalid type: expected {kind.__name__}, found {_type_of(value)}")
    return value


def parsed(value: Any, parse: Callable[[str], T], path: str) -> T:
    """Return the string *value* through *parse*.

    Raises:
        HttpError: 400, no string, or *parse* raised ValueError.
    """
    text = of_kind(value, str, path)
    try:
        return parse(text)
    except ValueError as error:
        raise body_error(path, str(error)) from None


def ip(text: str) -> Address:
    """Return the address written as *text*.

    Raises:
        ValueError: none.
    """
    return Address.parse(text)


def ipv6(text: str) -> Address:
    """Return the IPv6 address written as *text*.

    Raises:
        ValueError: none, or IPv4.
    """
    address = Address.parse(text)
    if address.family != 6:
        raise ValueError(f"{text!r} is not an IPv6 address")
    return address


def uuid(text: str) -> UUID:
    """Return the UUID written as *text*.

    Raises:
        ValueError: none.
    """
    return UUID(text)


def _type_of(value: Any) -> str:
    return "null" if value is None else type(value).__name__
