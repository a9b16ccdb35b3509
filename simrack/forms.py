"""Objects with named fields, read strictly out of plain data: every mistake is collected, each with its path.

For what people order of a simulated rack: faults, stories. This file does not know what the fields mean.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NoReturn
from uuid import UUID

from attrs import field, frozen

from blueprints.errors import InputRejectedError, Mistake

Read = Callable[[Any], Any]
"""Plain value to typed value; raises ValueError for what is refused."""

_KINDS = {str: "text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


def _refuse(expected: str, value: Any) -> NoReturn:
    found = "nothing (null)" if value is None else f"{_KINDS.get(type(value), type(value).__name__)} {value!r:.60}"
    raise ValueError(f"expected {expected}, found {found}")


def exactly(kind: type) -> Read:
    """Return what takes values of *kind* alone: true is no number, and a number no text."""

    def read(value: Any) -> Any:
        return value if type(value) is kind else _refuse(_KINDS[kind], value)

    return read


text, flag = exactly(str), exactly(bool)


def anything(value: Any) -> Any:
    """Return *value*, whatever it is."""
    return value


def whole(lowest: int, highest: int | None = None) -> Read:
    """Return what takes whole numbers from *lowest* to *highest*, None being no limit."""

    def read(value: Any) -> int:
        if type(value) is not int or value < lowest or (highest is not None and value > highest):
            _refuse(f"a whole number, {lowest} or more" if highest is None else f"{lowest} to {highest}", value)
        return int(value)

    return read


_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")


def number(lowest: float, highest: float | None = None) -> Read:
    """Return what takes numbers from *lowest* to *highest*, None being no limit.

    A fraction may be text: documents in YAML know none, since not all readers of YAML mean the same by them.
    """

    def read(value: Any) -> float:
        told = float(value) if type(value) is str and _DECIMAL.fullmatch(value) else value
        if type(told) not in (int, float) or told < lowest or (highest is not None and told > highest):
            _refuse(f"a number, {lowest:g} or more" if highest is None else f"{lowest:g} to {highest:g}", value)
        return float(told)

    return read


def or_null(read: Read) -> Read:
    """Return what also takes null, as None."""
    return lambda value: None if value is None else read(value)


def one_of(choices: Collection[str]) -> Read:
    """Return what takes one of *choices*."""

    def read(value: Any) -> str:
        if text(value) not in choices:
            raise ValueError(f"{value!r:.60} is not one of {', '.join(choices)}")
        return str(value)

    return read


def parsed(parse: Callable[[str], Any]) -> Read:
    """Return what takes text that *parse* makes a value of."""
    return lambda value: parse(text(value))


identifier = parsed(UUID)


def list_of(read: Read) -> Read:
    """Return what takes lists of values that *read* takes, as tuples; the first mistake is told with its index."""

    def read_all(values: Any) -> tuple[Any, ...]:
        taken = []
        for index, value in enumerate(exactly(list)(values)):
            try:
                taken.append(read(value))
            except ValueError as error:
                raise ValueError(f"[{index}]: {error}") from None
        return tuple(taken)

    return read_all


@frozen
class Form:
    """What an object may hold: fields that it must have and fields that it can have."""

    needed: Mapping[str, Read] = field(factory=dict)
    optional: Mapping[str, Read] = field(factory=dict)

    def read(self, value: Any, path: str, mistakes: list[Mistake]) -> dict[str, Any] | None:
        """Return the fields of *value* that are there, or None after adding to *mistakes* what is wrong."""
        if type(value) is not dict:
            mistakes.append(Mistake(path, f"expected an object, found {_KINDS.get(type(value), 'nothing (null)')}"))
            return None
        before = len(mistakes)
        fields = {**self.needed, **self.optional}
        mistakes += (Mistake(at(path, name), "required, and missing") for name in self.needed if name not in value)
        taken = {}
        for name, found in value.items():
            if name not in fields:
                mistakes.append(Mistake(at(path, name), f"unknown key; there are {', '.join(fields)}"))
                continue
            try:
                taken[name] = fields[name](found)
            except ValueError as error:
                mistakes.append(Mistake(at(path, name), str(error)))
        return taken if len(mistakes) == before else None


def at(path: str, name: object) -> str:
    """Return the path of the field *name* of what stands at *path*."""
    return f"{path}.{name}" if path else str(name)


def document_rows(
    value: Any, wanted: str, rows: str, source: str, head: Form
) -> tuple[dict[str, Any], list[Any], list[Mistake]]:
    """Return the head of a document of format *wanted*, the list under its key *rows*, and the mistakes so far.

    Raises:
        InputRejectedError: no such document at all.
    """
    if type(value) is not dict:
        raise InputRejectedError(source, [Mistake("", f"expected an object with format: {wanted}")])
    if value.get("format") != wanted:
        said = f"is {value['format']!r:.60}" if "format" in value else "is missing"
        raise InputRejectedError(source, [Mistake("format", f"{said}; this reader takes {wanted}")])
    mistakes: list[Mistake] = []
    whole_form = Form({"format": text, rows: exactly(list), **head.needed}, head.optional)
    taken = whole_form.read(value, "", mistakes) or {}
    found = value.get(rows)
    return taken, found if type(found) is list else [], mistakes


def refuse_any(source: str, mistakes: Iterable[Mistake]) -> None:
    """Refuse the input if there are *mistakes*.

    Raises:
        InputRejectedError: with all of them.
    """
    found = list(mistakes)
    if found:
        raise InputRejectedError(source, found)
