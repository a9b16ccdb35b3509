"""One request as a handler sees it, and how to take its parts out.

Everything a client can get wrong in form ends here as a 400 in dropshot's wording. This file does not know what
the parts mean.
"""

import json
from collections.abc import Callable
from math import isfinite
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes
from uuid import UUID

from attrs import define, field

from blueprints.addresses import Address
from simrack.web.answers import HttpError, bad_request
from simrack.web.versions import Version

T = TypeVar("T")

MISSING = object()

_JSON = b"application/json"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _in_range(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"number out of range: {text:.60}")
    return number


def _each_once(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(fields)
    if len(named) != len(fields):
        names = [name for name, _ in fields]
        raise ValueError(f"duplicate field `{next(name for name in names if names.count(name) > 1)}`")
    return named


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_in_range, object_pairs_hook=_each_once)
"""As strict as serde_json: no number that is none, no number too large for 64 bits, no field twice."""


@define
class Request:
    """What a client sent, after routing."""

    method: str
    path: str
    """Decoded, for people; routes go by `segments`."""

    query_string: bytes
    body: bytes
    raw_path: bytes = b""
    """As received; empty: what `path` would be, encoded."""

    content_type: bytes | None = None
    body_limit: int | None = None
    """Octets that the daemon takes, None for any number."""

    version: Version = (0, 0, 0)
    params: dict[str, str] = field(factory=dict)
    """Segments of the path that the route left open."""

    @property
    def segments(self) -> list[str]:
        """The path's segments, decoded; empty ones do not count.

        Raises:
            HttpError: 400, a segment is a dot or two, or no UTF-8.

        Source:
            dropshot's router: slashes in a row are one, an encoded slash is part of its segment.
        """
        if not self.raw_path:
            return [segment for segment in self.path.split("/") if segment]
        raw = [segment for segment in self.raw_path.split(b"/") if segment]
        if b"." in raw or b".." in raw:
            raise bad_request("invalid path encoding")
        try:
            if b"%" in self.raw_path:
                return [unquote_to_bytes(segment).decode() for segment in raw]
            return [segment.decode() for segment in raw]
        except UnicodeDecodeError:
            raise bad_request("invalid path encoding") from None

    def json(self) -> Any:
        """Return the body, which is looked at only now: calls that take none ignore it.

        Raises:
            HttpError: 400, the body is too long, says to be something else than JSON, or is not JSON.

        Source:
            dropshot: too long a body is 400, not 413; an absent content type is taken as JSON.
        """
        if self.body_limit is not None and len(self.body) > self.body_limit:
            raise bad_request(f"request body exceeded maximum size of {self.body_limit} bytes")
        if self.content_type is not None and self.content_type.split(b";")[0].strip().lower() != _JSON:
            said = self.content_type.decode("latin-1")
            raise bad_request(f'expected content type "application/json", got "{said}"')
        try:
            return _DECODER.decode(self.body.decode())
        except (ValueError, RecursionError) as error:
            raise bad_request(f"unable to parse JSON body: {error}") from None

    def query(self, *names: str) -> dict[str, str]:
        """Return the query's fields of *names* that are there; others are ignored.

        Raises:
            HttpError: 400, one of *names* is there twice.
        """
        if not self.query_string:
            return {}
        found: dict[str, str] = {}
        for name, value in parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True):
            if name in found:
                raise query_error(f"duplicate field `{name}`")
            if name in names:
                found[name] = value
        return found

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


def default(body: Any, name: str, kind: type[T], path: str, absent: T) -> T:
    """Return the field *name* of *body*, *absent* where it is not there; null is no default.

    Raises:
        HttpError: 400, no object, null, or another type.
    """
    if isinstance(body, dict) and name not in body:
        return absent
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
