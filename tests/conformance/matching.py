"""Comparing a found value with a due one, and putting values in place of names.

    any                    anything, but it has to be there
    any integer, any text, any uuid, any time, any list, any object
    absent                 a field that may not be there
    $name                  what was kept under that name

In `whole`, objects have just the due fields and lists just the due items in their order. In `part`, objects may have
more fields, and each due item of a list has to be among the found ones. This file does not know cases or HTTP.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

Json = Any

ABSENT = "absent"
_NAME = re.compile(r"\$([a-z_0-9]+)")


def _readable(parse: Callable[[str], object]) -> Callable[[Json], bool]:
    def check(value: Json) -> bool:
        try:
            parse(value)
        except (TypeError, ValueError, AttributeError):
            return False
        return True

    return check


WORDS: Mapping[str, Callable[[Json], bool]] = {
    "any": lambda _: True,
    "any integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "any text": lambda value: isinstance(value, str) and value != "",
    "any list": lambda value: isinstance(value, list),
    "any object": lambda value: isinstance(value, dict),
    "any uuid": _readable(UUID),
    "any time": _readable(datetime.fromisoformat),
}


def filled(value: Json, names: Mapping[str, Json]) -> Json:
    """Return *value* with kept values in place of their names.

    Raises:
        KeyError: a name stands for nothing.
    """
    if isinstance(value, dict):
        return {filled(key, names): filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if isinstance(value, str):
        whole = _NAME.fullmatch(value)
        return names[whole[1]] if whole else _NAME.sub(lambda found: str(names[found[1]]), value)
    return value


def filled_path(path: str, names: Mapping[str, Json]) -> str:
    """Return *path* with kept values, encoded where a path or query could not have them, in place of their names."""
    return _NAME.sub(lambda found: quote(str(names[found[1]]), safe=":/=&"), path)


def whole(due: Json, found: Json, place: str = "answer") -> Iterator[str]:
    """Yield where *found* is not *due*."""
    return _compare(due, found, place, exact=True)


def part(due: Json, found: Json, place: str = "answer") -> Iterator[str]:
    """Yield where *found* lacks something of *due*."""
    return _compare(due, found, place, exact=False)


def among(unwanted: Json, found: Json, place: str = "answer") -> Iterator[str]:
    """Yield the items of *found* that *unwanted* is a part of."""
    if not isinstance(found, list):
        yield f"{place}: expected a list, found {found!r}"
        return
    for number, item in enumerate(found):
        if not list(part(unwanted, item)):
            yield f"{place}[{number}]: {item!r} should not be there"


def at(value: Json, place: str) -> Json:
    """Return what is at *place*, such as ``items.0.tag``, of *value*.

    Raises:
        LookupError: nothing is there.
    """
    for step in place.split(".") if place else ():
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def _compare(due: Json, found: Json, place: str, *, exact: bool) -> Iterator[str]:
    if isinstance(due, str) and due in WORDS:
        if not WORDS[due](found):
            yield f"{place}: expected {due}, found {found!r}"
    elif isinstance(due, dict) and isinstance(found, dict):
        yield from _compare_objects(due, found, place, exact=exact)
    elif isinstance(due, list) and isinstance(found, list):
        yield from (_compare_lists if exact else _compare_items)(due, found, place)
    elif type(due) is not type(found) or due != found:
        yield f"{place}: expected {due!r}, found {found!r}"


def _compare_objects(due: Json, found: Json, place: str, *, exact: bool) -> Iterator[str]:
    for name, value in due.items():
        if value == ABSENT:
            if name in found:
                yield f"{place}.{name}: expected to be absent, found {found[name]!r}"
        elif name not in found:
            yield f"{place}.{name}: missing"
        else:
            yield from _compare(value, found[name], f"{place}.{name}", exact=exact)
    if exact:
        yield from (f"{place}.{name}: not expected, found {found[name]!r}" for name in found if name not in due)


def _compare_lists(due: Json, found: Json, place: str) -> Iterator[str]:
    if len(due) != len(found):
        yield f"{place}: expected {len(due)} items, found {len(found)}: {found!r}"
        return
    for number, (one, other) in enumerate(zip(due, found, strict=True)):
        yield from _compare(one, other, f"{place}[{number}]", exact=True)


def _compare_items(due: Json, found: Json, place: str) -> Iterator[str]:
    for item in due:
        if all(any(_compare(item, other, place, exact=False)) for other in found):
            yield f"{place}: nothing like {item!r} in {found!r}"
