"""Tables of JSON to records at the speed of C, for input without a mistake.

msgspec stands in for cattrs, which takes several times as long and tells all mistakes. It is looser in places: it
passes over keys that nobody knows and keys that stand twice, and it reads further spellings of times and UUIDs. Who
reads quickly has to see to that, either because the canonical text of what was read is what was read, or by `fits`.
What is refused, or only odd, is left to `blueprints.converter`; what is taken, it would have taken alike.

This file does not know documents.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from attrs import NOTHING, fields, frozen
from msgspec import UNSET, Meta, MsgspecError, Raw, Struct, UnsetType, defstruct
from msgspec.json import Decoder

from blueprints.addresses import Address
from blueprints.scalars import TEXT_TYPES, file_name, is_model

REFUSALS = (MsgspecError, UnicodeDecodeError, ValueError, RecursionError)
"""What decoding raises for input that is wrong, that is no JSON, or that is nested without end."""

_TIME = Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z\Z")]
_UUID = Annotated[str, Meta(min_length=36, max_length=36)]
"""With the hyphens, then: msgspec knows UUIDs with and without."""


def parts_of(data: bytes) -> Mapping[str, Raw] | None:
    """Return the JSON of each value of the object in *data*, not copied; None where there is no such object."""
    try:
        return _OBJECT.decode(data)
    except REFUSALS:
        return None


_OBJECT = Decoder(dict[str, Raw])


def quick(data: Raw | bytes, hint: Any) -> Any:
    """Return what is written in *data* as a value of the type *hint*; None if it is refused."""
    try:
        value = Decoder(hint, dec_hook=Parsed().of).decode(data)
        _complete(value, hint)
    except REFUSALS:
        return None
    return value


def _complete(value: Any, hint: Any) -> None:
    """Do what constructors would do to fields of the records in *value*, and msgspec does not."""
    if value is None:
        return
    kinds = [kind for kind in get_args(hint) if kind is not type(None) and kind is not Ellipsis] or [hint]
    if get_origin(hint) is tuple:
        _complete_all(value, kinds[0])
    elif get_origin(hint) is Mapping:
        for item in value.values():
            _complete(item, kinds[1])
    elif len(kinds) == 1 and is_model(kinds[0]):
        _complete_all((value,), kinds[0])


def _complete_all(several: Sequence[Any], kind: Any) -> None:
    """Complete records, all of one class, field by field."""
    if not is_model(kind):
        return
    for name, hint, convert in _incomplete(kind):
        for record, value in zip(several, map(attrgetter(name), several), strict=True):
            if value:
                if convert is not None:
                    object.__setattr__(record, name, convert(value))
                if hint is not None:
                    _complete(value, hint)


@lru_cache(maxsize=64)
def _incomplete(kind: type) -> tuple[tuple[str, Any, Callable[[Any], Any] | None], ...]:
    """Return the fields that need it: name; the type, where records stand in it; the converter."""
    hints = get_type_hints(kind)
    found = []
    for attribute in fields(kind):
        hint = hints[attribute.name]
        convert = attribute.converter if callable(attribute.converter) else None
        nested = hint if any(map(is_model, _leaves(hint))) else None
        if attribute.init and (convert is not None or nested is not None):
            found.append((attribute.name, nested, convert))
    return tuple(found)


def _leaves(hint: Any) -> Iterable[Any]:
    """Yield the types that *hint* is made of."""
    parts = get_args(hint)
    yield from chain.from_iterable(map(_leaves, parts)) if parts else (hint,)


def fits(data: bytes, parts: Mapping[str, Raw], tables: Mapping[str, type[Any]]) -> bool:
    """Return whether every key of the object in *data* stands once, and those of its *tables* are of their classes.

    The spelling of values is that of the converter then. False also where it would take a closer look to say.

    Args:
        data: an object that `parts_of` took.
        parts: what it gave.
        tables: the class of the rows of some parts.
    """
    if b'\\"' in data:
        return False  # keys could not be told from texts
    keys = {name: bytes(part).count(_KEY) for name, part in parts.items()}
    if data.count(_KEY) != len(parts) + sum(keys.values()):
        return False
    try:
        return all(_shape_keys(parts[name], kind) == keys[name] for name, kind in tables.items())
    except REFUSALS:
        return False


_KEY = b'":'
"""Ends a key; there are fewer of it than keys where space follows some."""


def _shape_keys(data: Raw, kind: type) -> int:
    form = _form_of(kind)
    return form.keys(form.shapes.decode(data))


@frozen
class _Form:
    """How the records of one class are read."""

    shapes: Decoder[list[Any]]
    keys: Callable[[Iterable[Any]], int]
    """Counts the keys of shapes."""


@lru_cache(maxsize=64)
def _form_of(kind: type) -> _Form:
    return _Form(
        shapes=Decoder(list[_shape_of(kind)]),  # type: ignore[misc]  # a type that is made here
        keys=_counter_of(kind),
    )


class Parsed:
    """Texts that were parsed, by the type that they are of: most stand in many rows."""

    def __init__(self) -> None:
        self._made: defaultdict[type[Any], dict[Any, Any]] = defaultdict(dict)

    def of(self, kind: type[Any], value: Any) -> Any:
        """Return what *kind* makes of *value*.

        Raises:
            ValueError: it is no text, or not one of that kind.
        """
        found = self._made[kind].get(value)
        if found is None:
            if type(value) is not str:
                raise ValueError("expected text")
            found = self._made[kind][value] = kind.parse(value)
        return found


@lru_cache(maxsize=64)
def _shape_of(kind: type) -> type[Struct]:
    hints = get_type_hints(kind)
    shape: list[Any] = []
    for attribute in fields(kind):
        hint = _shape(hints[attribute.name])
        name = file_name(attribute.name)
        shape.append((name, hint) if attribute.default is NOTHING else (name, hint | UnsetType, UNSET))
    return defstruct(kind.__name__, shape, forbid_unknown_fields=True, kw_only=True, gc=False)


def _shape(hint: Any) -> Any:
    """Return what JSON may hold for a field of the type *hint*; values are for the second pass to check."""
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(_shape(kind) for kind in get_args(hint))]  # noqa: UP007  # of types that are made here
    if get_origin(hint) is tuple:
        return list[_shape(get_args(hint)[0])]  # type: ignore[misc]
    if hint is UUID:
        return _UUID
    if hint is datetime:
        return _TIME
    if is_model(hint):
        return _shape_of(hint)
    return str if isinstance(hint, type) and issubclass(hint, (Address, Enum, *TEXT_TYPES)) else hint


def _counter_of(kind: type) -> Callable[[Iterable[Any]], int]:
    """Return what counts the keys of shapes of *kind*, those of what they hold included."""
    hints = get_type_hints(kind)
    inner = []
    optional = []
    for attribute in fields(kind):
        name = file_name(attribute.name)
        if attribute.default is not NOTHING:
            optional.append(attrgetter(name))
        models = [part for part in _parts(hints[attribute.name]) if is_model(part)]
        inner += [
            (attrgetter(name), get_origin(hints[attribute.name]) is tuple, _counter_of(part)) for part in models
        ]
    required = len(fields(kind)) - len(optional)

    def keys(shapes: Iterable[Any]) -> int:
        several = tuple(shapes)
        count = required * len(several)
        count += sum([value(shape) is not UNSET for value in optional for shape in several])
        for value, many, count_inner in inner:
            held = [value(shape) for shape in several]
            if many:
                held = [item for items in held if items for item in items]
            count += count_inner([item for item in held if item is not None and item is not UNSET])
        return count

    return keys


def _parts(hint: Any) -> tuple[Any, ...]:
    """Return *hint*, or what it is made of."""
    return get_args(hint) or (hint,)
