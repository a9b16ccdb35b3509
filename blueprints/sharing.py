"""Rows as msgspec decodes them made whole, with what is equal in them being one object.

Rows repeat each other: who hears ten groups stands in ten rows by the same UUIDs, and most groups of a rack have one
of few lists of ports. As objects of their own these are most of what a large blueprint takes in memory.

Values are told to be equal by what they are made of, and that by identity: looking up costs less than comparing. So
whoever shares has to keep every value that was met, which `Shared` does. This file does not know documents.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from operator import attrgetter
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from attrs import field, fields, frozen

from blueprints.quick import Parsed
from blueprints.scalars import is_model

Convert = Callable[[Any], Any]
_NUMBER = attrgetter("int")


@frozen(kw_only=True)
class _Part:
    """What has to be done to one field of the records of a class."""

    name: str
    kind: Any
    """What stands in it: UUID, str, or a class of records; None: nothing that needs a look."""

    several: bool
    """It is a list of them."""

    optional: bool
    """None may stand there."""

    convert: Convert | None
    """What the constructor would do to it."""

    @property
    def nothing(self) -> bool:
        """Whether it is left as it is."""
        return self.kind is None and self.convert is None


@frozen
class Shared:
    """What was met in one document."""

    texts: Parsed = field(factory=Parsed, init=False)
    """Values that are written as texts."""

    _plain: dict[Any, Any] = field(factory=dict, init=False)
    """Texts by themselves, UUIDs by their numbers."""

    _records: dict[tuple[int, ...], Any] = field(factory=dict, init=False)
    _lists: defaultdict[Convert | None, dict[tuple[int, ...], Any]] = field(
        factory=lambda: defaultdict(dict), init=False
    )

    def complete(self, records: Sequence[Any], kind: type) -> None:
        """Do to *records*, all of class *kind* and just decoded, what its constructor would do; share what is equal.

        Raises:
            ValueError: a constructor would have refused.
        """
        for part in _parts(kind):
            column = self._column(list(map(attrgetter(part.name), records)), part)
            write = getattr(kind, part.name).__set__  # the slot's own: the class refuses to be changed
            deque(map(write, records, column), maxlen=0)

    def _column(self, values: list[Any], part: _Part) -> Iterable[Any]:
        """Return *values* of one field, shared."""
        if part.several:
            if part.kind is not None:
                flat = self._each(list(chain.from_iterable(filter(None, values))), part.kind)
                values = [tuple(islice(flat, len(value))) if value else value for value in values]
            return self._converted(values, part.convert)
        there = [value for value in values if value is not None] if part.optional else values
        shared = there if part.kind is None else self._each(there, part.kind)
        found = map(part.convert, shared) if part.convert else iter(shared)
        return [None if value is None else next(found) for value in values] if part.optional else found

    def _each(self, values: list[Any], kind: Any) -> Iterator[Any]:
        """Yield *values*, each a *kind*, shared."""
        if kind is str:
            return map(self._plain.setdefault, values, values)
        if kind is UUID:
            return map(self._plain.setdefault, map(_NUMBER, values), values)
        self.complete(values, kind)
        return self._known_records(values, kind)

    def _known_records(self, records: list[Any], kind: type) -> Iterator[Any]:
        columns = [map(id, map(attrgetter(attribute.name), records)) for attribute in fields(kind)]
        marks = [id(kind)] * len(records)
        return map(self._records.setdefault, zip(marks, *columns, strict=True), records)

    def _converted(self, values: list[Any], convert: Convert | None) -> Iterator[Any]:
        """Yield lists converted, equal ones as one object."""
        known = self._lists[convert]
        for value in values:
            if not value:
                yield value
                continue
            key = tuple(map(id, value))
            found = known.get(key)
            if found is None:
                found = known[key] = value if convert is None else convert(value)
            yield found


@lru_cache(maxsize=64)
def _parts(kind: type) -> tuple[_Part, ...]:
    """Return what has to be done to the records of *kind*, field by field."""
    hints = get_type_hints(kind)
    found = [_part(attribute.name, hints[attribute.name], attribute.converter) for attribute in fields(kind)]
    return tuple(part for part in found if not part.nothing)


def _part(name: str, hint: Any, converter: Any) -> _Part:
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] if _is_optional(hint) else [hint]
    several = get_origin(kinds[0]) is tuple
    inner = get_args(kinds[0])[0] if several else kinds[0]
    looked_at = is_model(inner) or (inner in (UUID, str) and not several)
    return _Part(
        name=name,
        kind=inner if looked_at else None,
        several=several,
        optional=_is_optional(hint),
        convert=converter if callable(converter) else None,
    )


def _is_optional(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)
