"""Plain data to typed objects and back, by cattrs, strictly: nothing is coerced, every mistake is collected.

This file does not know formats, files or what the objects mean.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, NoReturn, TypeVar, get_args, get_origin
from uuid import UUID

from attrs import fields, resolve_types
from cattrs import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from blueprints.blueprint import Transition
from blueprints.endpoints import URL, check_url
from blueprints.errors import FieldError, InputRejectedError, Mistake
from blueprints.scalars import TEXT_TYPES, file_name, format_time, is_address, is_model, parse_time

T = TypeVar("T")

Hook = Callable[[Any, Any], Any]
"""Plain value and wanted type to typed value."""

_RENAMES: dict[type, dict[str, Any]] = {Transition: {"from_": override(rename="from")}}
_REFUSALS = (ValueError, KeyError, BaseValidationError)
"""What structuring raises for input that is wrong."""

_KINDS = {str: "text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


def _said(value: Any) -> str:
    kind = _KINDS.get(type(value), type(value).__name__)
    return "nothing (null)" if value is None else f"{kind} {value!r:.60}"


def _expected(kind: str, value: Any) -> NoReturn:
    hint = "; put it in quotes" if kind == "text" and isinstance(value, int | float) else ""
    raise ValueError(f"expected {kind}, found {_said(value)}{hint}")


def _exactly(kind: type, value: Any, _: Any) -> Any:
    if type(value) is not kind:
        _expected(_KINDS[kind], value)
    return value


def _parsed(parse: Callable[[str], Any], value: Any, _: Any) -> Any:
    if type(value) is not str:
        _expected("text", value)
    return parse(value)


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _parse_uuid(text: str) -> UUID:
    if not _UUID.fullmatch(text):
        raise ValueError(f"{text!r} is not a UUID")
    return UUID(text)


def _parse_enum(value: Any, choices: type[StrEnum]) -> Any:
    try:
        return choices(value) if type(value) is str else _expected("text", value)
    except ValueError:
        allowed = ", ".join(str(choice.value) for choice in choices)
        raise ValueError(f"{value!r:.60} is not one of {allowed}") from None


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is Mapping


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple


# Text iterates and lists index: without these three, ``"abc"`` would do for a list of names.


def _structure_model(kind: Any, converter: Converter) -> Hook:
    """Run a field's validator with the field, not with the whole object: one bad field must not hide another's."""
    overrides = {
        attribute.name: override(
            struct_hook=partial(_validated, converter.get_structure_hook(attribute.type), attribute)
        )
        for attribute in fields(resolve_types(kind))
        if attribute.validator
    }
    overrides |= _RENAMES.get(kind, {})
    inner = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True, **overrides)  # type: ignore[arg-type]  # names of fields are not options
    return partial(_of_kind, dict, inner)


def _validated(hook: Hook, attribute: Any, value: Any, kind: Any) -> Any:
    typed = hook(value, kind)
    attribute.validator(None, attribute, typed)
    return typed


def _structure_mapping(kind: Any, converter: Converter) -> Hook:
    key, value = get_args(kind)
    hooks = converter.get_structure_hook(key), converter.get_structure_hook(value)
    return partial(_of_kind, dict, partial(_each_pair, hooks, (key, value)))


def _each_pair(hooks: tuple[Hook, Hook], kinds: tuple[Any, Any], table: dict[str, Any], kind: Any) -> dict[Any, Any]:
    """Structure all keys and values of *table*, and only then raise for those that failed."""
    done: dict[Any, Any] = {}
    failed: list[Exception] = []
    for key, value in table.items():
        pair = []
        for hook, part, wanted in zip(hooks, (key, value), kinds, strict=True):
            try:
                pair.append(hook(part, wanted))
            except _REFUSALS as error:
                error.add_note(IterableValidationNote(f"key {key}", key, wanted))
                failed.append(error)
        if len(pair) == 2 and done.setdefault(pair[0], pair[1]) is not pair[1]:
            repeated = ValueError(f"{key!r} is given twice in other letters")
            repeated.add_note(IterableValidationNote(f"key {key}", key, kinds[0]))
            failed.append(repeated)
    if failed:
        raise IterableValidationError("pairs", failed, kind)
    return done


def _structure_list(kind: Any, converter: Converter) -> Hook:
    item = get_args(kind)[0]
    return partial(_of_kind, list, partial(_each, converter.get_structure_hook(item), item))


def _of_kind(plain: type, inner: Hook, value: Any, kind: Any) -> Any:
    if type(value) is not plain:
        _expected(_KINDS[plain], value)
    return inner(value, kind)


def _each(hook: Hook, item: Any, values: list[Any], kind: Any) -> tuple[Any, ...]:
    """Structure all *values*, and only then raise for those that failed."""
    done: list[Any] = []
    failed: list[Exception] = []
    for index, value in enumerate(values):
        try:
            done.append(hook(value, item))
        except _REFUSALS as error:
            error.add_note(IterableValidationNote(f"item {index}", index, item))
            failed.append(error)
    if failed:
        raise IterableValidationError("items", failed, kind)
    return tuple(done)


def _make_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    for scalar in (str, int, bool):
        converter.register_structure_hook(scalar, partial(_exactly, scalar))
    for text_type in TEXT_TYPES:
        converter.register_structure_hook(text_type, partial(_parsed, text_type.parse))
        converter.register_unstructure_hook(text_type, str)
    converter.register_structure_hook(UUID, partial(_parsed, _parse_uuid))
    converter.register_unstructure_hook(UUID, str)
    converter.register_structure_hook(datetime, partial(_parsed, parse_time))
    converter.register_unstructure_hook(datetime, format_time)
    converter.register_structure_hook_func(lambda kind: kind == URL, partial(_parsed, check_url))
    converter.register_structure_hook_factory(is_model, _structure_model)
    converter.register_structure_hook_factory(_is_mapping, _structure_mapping)
    converter.register_structure_hook_factory(_is_list, _structure_list)
    converter.register_structure_hook(StrEnum, _parse_enum)
    converter.register_unstructure_hook(StrEnum, lambda choice: choice.value)
    converter.register_structure_hook_factory(is_address, lambda kind: partial(_parsed, kind.parse))
    converter.register_unstructure_hook_func(is_address, lambda address: address.text)
    for kind, renames in _RENAMES.items():
        converter.register_unstructure_hook(kind, make_dict_unstructure_fn(kind, converter, **renames))
    return converter


_CONVERTER = _make_converter()


def unstructure(value: Any) -> Any:
    """Return *value* as plain data: dicts, lists, text, whole numbers, true, false and None."""
    return _CONVERTER.unstructure(value)


def structure(data: Any, kind: type[T], source: str, path: str = "") -> T:
    """Return *data* as a *kind*.

    Args:
        data: plain data, as `blueprints.notation.loads` gives them.
        kind: a class of the vocabulary.
        source: what the input is called in the error.
        path: where *data* stands in that input.

    Raises:
        InputRejectedError: with all mistakes in the order of the input, each with its path.
    """
    try:
        return _CONVERTER.structure(data, kind)
    except (BaseValidationError, ValueError) as error:
        raise InputRejectedError(source, _mistakes(error, path)) from None


def _mistakes(error: Exception, path: str) -> Iterator[Mistake]:
    if not isinstance(error, IterableValidationError | ClassValidationError):
        yield from _mistakes_of_one(error, path)
        return
    placed, unplaced = error.group_exceptions()
    for inner in unplaced:
        yield from _mistakes(inner, path)
    for inner, note in placed:
        yield from _mistakes(inner, path + _step(note))


def _step(note: IterableValidationNote | AttributeValidationNote) -> str:
    if isinstance(note, AttributeValidationNote):
        return f".{file_name(note.name)}"
    return f"[{note.index}]" if isinstance(note.index, int) else f".{note.index}"


def _mistakes_of_one(error: Exception, path: str) -> Iterator[Mistake]:
    if isinstance(error, ForbiddenExtraKeysError):
        for key in sorted(error.extra_fields):
            yield Mistake(f"{path}.{key}".removeprefix("."), "unknown key")
    elif isinstance(error, KeyError):
        yield Mistake(path.removeprefix("."), "required, and missing")
    elif isinstance(error, FieldError):
        yield Mistake(f"{path}.{error.field}".removeprefix("."), str(error))
    elif isinstance(error, ValueError):
        yield Mistake(path.removeprefix("."), str(error))
    else:
        raise error
