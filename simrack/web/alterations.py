"""Answers that say something else than the daemon said: each kind is one function from answer to answer.

What they do stays as near to the true answer as it can, so that a client meets it at every call. This file does not
know connections, nor what the answers mean.
"""

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from attrs import evolve, frozen

from simrack.web.answers import Answer
from simrack.web.faults import Fault

BLANKS = b" " * (1 << 16)


@frozen(kw_only=True)
class Reply:
    """What goes over the wire for an answer with a body."""

    request_id: str
    status: int
    body: bytes
    content_type: str = "application/json"
    encoding: str | None = None


Alteration = Callable[[Reply, Fault], Reply]


def altered(answer: Answer, fault: Fault, request_id: str) -> Reply | None:
    """Return what is sent instead of *answer*, None where there is no body to alter."""
    if not answer.body:
        return None
    return ALTERATIONS[fault.kind](Reply(request_id=request_id, status=answer.status, body=answer.body), fault)


# --- the body as text -----------------------------------------------------------------------------------------------


def _content_type(reply: Reply, fault: Fault) -> Reply:
    return evolve(reply, content_type=fault.content_type)


def _byte_order_mark(reply: Reply, _: Fault) -> Reply:
    return evolve(reply, body=b"\xef\xbb\xbf" + reply.body)


def _body(reply: Reply, fault: Fault) -> Reply:
    return evolve(reply, body=(fault.body or "").encode(), content_type=fault.content_type)


def _empty_body(reply: Reply, _: Fault) -> Reply:
    return evolve(reply, body=b"")


def _gzip_bomb(reply: Reply, fault: Fault) -> Reply:
    return evolve(reply, body=_packed(reply.body, fault.size), encoding="gzip")


@lru_cache(maxsize=4)
def _packed(body: bytes, size: int) -> bytes:
    packing = zlib.compressobj(level=9, wbits=31)
    parts = [packing.compress(body)]
    parts += [packing.compress(blanks) for blanks in blanks_of(size)]
    return b"".join((*parts, packing.flush()))


def blanks_of(size: int) -> Iterator[bytes]:
    """Yield *size* octets of blanks, piece by piece."""
    yield from (BLANKS for _ in range(size // len(BLANKS)))
    yield BLANKS[: size % len(BLANKS)]


# --- the body as JSON -----------------------------------------------------------------------------------------------

_MARK = "put something here"
"""Stands in a body for what no value of Python's stands for, until the body is text."""


def _edited(reply: Reply, change: Callable[[Any], Any], mark: bytes = b"", by: bytes = b"") -> Reply:
    """Return *reply* with its body changed, and *by* in the place of *mark*."""
    text = json.dumps(change(json.loads(reply.body)), separators=(",", ":")).encode()
    return evolve(reply, body=text.replace(mark, by, 1) if mark else text)


def _not_a_number(reply: Reply, _: Fault) -> Reply:
    return _edited(reply, lambda body: _first(body, _is_number, lambda _: float("nan"), float("nan")))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _duplicate_key(reply: Reply, _: Fault) -> Reply:
    """The key stands for null first, so that whoever takes the last one meets the true value."""
    body = _first(
        json.loads(reply.body), _is_filled_object, lambda value: {_MARK: None, **value}, {_MARK: 0, "twice": 0}
    )
    key = next(_keys_after_mark(body))
    return _edited(reply, lambda _: body, json.dumps(_MARK).encode(), json.dumps(key).encode())


def _keys_after_mark(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if _MARK in value:
            yield list(value)[1]
        for row in value.values():
            yield from _keys_after_mark(row)
    elif isinstance(value, list):
        for row in value:
            yield from _keys_after_mark(row)


def _is_filled_object(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _deep_nesting(reply: Reply, fault: Fault) -> Reply:
    """Where there is an object it is a field that nobody knows, so that those who skip such fields meet it too."""
    deep = b"[" * fault.depth + b"]" * fault.depth

    def nested(body: Any) -> Any:
        return _first(body, lambda value: isinstance(value, dict), lambda value: {**value, "nested": _MARK}, _MARK)

    return _edited(reply, nested, json.dumps(_MARK).encode(), deep)


def _first(value: Any, meant: Callable[[Any], bool], change: Callable[[Any], Any], otherwise: Any) -> Any:
    """Return *value* with the first part that is *meant* changed, the whole before its parts; else *otherwise*."""
    changed, found = _changed(value, meant, change)
    return changed if found else otherwise


def _changed(value: Any, meant: Callable[[Any], bool], change: Callable[[Any], Any]) -> tuple[Any, bool]:
    if meant(value):
        return change(value), True
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        changed, found = _changed(part, meant, change)
        if found:
            value[key] = changed
            return value, True
    return value, False


# --- fields and lists -----------------------------------------------------------------------------------------------


def _set_field(reply: Reply, fault: Fault) -> Reply:
    return _edited(reply, lambda body: _at_field(body, _steps(fault), lambda _: (fault.value,)))


def _drop_field(reply: Reply, fault: Fault) -> Reply:
    return _edited(reply, lambda body: _at_field(body, _steps(fault), lambda _: ()))


def _steps(fault: Fault) -> list[str]:
    return [step for step in (fault.field or "").split(".") if step]


def _at_field(value: Any, steps: list[str], change: Callable[[Any], tuple[Any, ...]]) -> Any:
    """Return *value* with what is at *steps* replaced by what *change* gives: one value, or none.

    A field that is not there is put where it should be; a list entry that is not there is left alone.
    """
    if not steps:
        return next(iter(change(value)), None)
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        names = list(value) if step == "*" else [step]
        for name in names:
            if rest and name not in value:
                continue
            _put(value, name, change(value.get(name)) if not rest else (_at_field(value[name], rest, change),))
    elif isinstance(value, list):
        places = range(len(value)) if step == "*" else [int(step)] if step.isdecimal() else []
        for place in reversed([place for place in places if place < len(value)]):
            value[place : place + 1] = change(value[place]) if not rest else [_at_field(value[place], rest, change)]
    return value


def _put(table: dict[str, Any], name: str, values: tuple[Any, ...]) -> None:
    if values:
        table[name] = values[0]
    else:
        table.pop(name, None)


def _partial_list(reply: Reply, fault: Fault) -> Reply:
    """The list is the whole body, the lists among its fields, or the objects that its fields are."""
    return _edited(reply, lambda body: _shortened(body, fault.keep))


def _shortened(body: Any, keep: int) -> Any:
    if isinstance(body, list):
        return body[:keep]
    if not isinstance(body, dict):
        return body
    if body and all(isinstance(row, dict) for row in body.values()):
        return dict(list(body.items())[:keep])
    shortened = {name: row[:keep] if isinstance(row, list) else row for name, row in body.items()}
    return shortened | ({"next_page": None} if "next_page" in body else {})


_BEFORE_ALL_GROUPS = "0.0.0.0"  # noqa: S104  # an address of groups


def _first_page(name: str) -> str:
    """Return a token of dpd's for the first page; dpd does not mind *name*."""
    return base64.urlsafe_b64encode(
        json.dumps({"v": "v1", "page_start": _BEFORE_ALL_GROUPS, "name": name}).encode()
    ).decode()


def _repeated_page(reply: Reply, _: Fault) -> Reply:
    return _edited(reply, lambda body: _with_next_page(body, _first_page("")))


def _endless_pages(reply: Reply, _: Fault) -> Reply:
    return _edited(reply, lambda body: _with_next_page(body, _first_page(reply.request_id)))


def _with_next_page(body: Any, token: str) -> Any:
    return {**body, "next_page": token} if isinstance(body, dict) and "next_page" in body else body


ALTERATIONS: Mapping[str, Alteration] = MappingProxyType(
    {
        "content_type": _content_type,
        "byte_order_mark": _byte_order_mark,
        "body": _body,
        "empty_body": _empty_body,
        "gzip_bomb": _gzip_bomb,
        "not_a_number": _not_a_number,
        "duplicate_key": _duplicate_key,
        "deep_nesting": _deep_nesting,
        "set_field": _set_field,
        "drop_field": _drop_field,
        "partial_list": _partial_list,
        "repeated_page": _repeated_page,
        "endless_pages": _endless_pages,
    }
)
"""Who alters an answer for which kind of fault."""
