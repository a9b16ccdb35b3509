"""Rows as they are written: ids and addresses still text, for the tables of which a rack has very many rows.

A text costs a fraction of a UUID or an address, compares as they do, and is written as it is. Ids as text are lower
case with hyphens, addresses are canonical: who makes written rows from a file has to see to it (`refuse_odd`).

This file does not know files, nor what follows from the rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain, starmap
from operator import lt
from types import MappingProxyType
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints
from uuid import UUID

from attrs import fields
from msgspec import Struct, convert
from msgspec.json import Decoder, encode

from blueprints.addresses import Address
from blueprints.blueprint import Subject, Subscription, Transition
from blueprints.causes import Apart, ApartMember
from blueprints.columns import column, made
from blueprints.ordering import InOrder
from blueprints.scalars import format_time, parse_time
from blueprints.snapshot import Instance, InstanceState, Member, MemberState, Vmm, VmmState


class WrittenMember(Struct, forbid_unknown_fields=True, gc=False):
    """`Member`."""

    id: str
    group_id: str
    instance_id: str
    sled_id: str | None
    state: MemberState
    multicast_ip: str
    source_ips: list[str]
    time_deleted: str | None


class WrittenVmm(Struct, forbid_unknown_fields=True, gc=False):
    """`Vmm`."""

    id: str
    sled_id: str
    state: VmmState


class WrittenInstance(Struct, forbid_unknown_fields=True, gc=False):
    """`Instance`."""

    id: str
    state: InstanceState
    migration_id: str | None
    active_vmm: WrittenVmm | None
    target_vmm: WrittenVmm | None


class WrittenSubscription(Struct, forbid_unknown_fields=True, gc=False):
    """`Subscription`."""

    instance_id: str
    propolis_id: str
    group_ip: str
    sources: list[str]


class WrittenApart(Struct, forbid_unknown_fields=True, gc=False):
    """`ApartMember`."""

    group: str
    instance: str
    member: str
    verdict: Apart
    sled: str | None
    any: bool
    sources: list[str]


class WrittenTransition(Struct, forbid_unknown_fields=True, gc=False, rename={"from_": "from"}):
    """`Transition`."""

    subject: Subject
    id: str
    from_: str
    to: str
    sled_id: str | None
    because: str


Written: TypeAlias = (
    WrittenMember | WrittenInstance | WrittenVmm | WrittenSubscription | WrittenApart | WrittenTransition
)

FORMS: Mapping[type[Any], type[Any]] = MappingProxyType(
    {
        Member: WrittenMember,
        Instance: WrittenInstance,
        Vmm: WrittenVmm,
        Subscription: WrittenSubscription,
        ApartMember: WrittenApart,
        Transition: WrittenTransition,
    }
)
"""How the rows of a class are written."""


# --- from what is written to records --------------------------------------------------------------------------------


def records_of(kind: type[Any], rows: Sequence[Any]) -> list[Any]:
    """Return written *rows*, all canonical, as records of *kind*, or as UUIDs; equal texts become one object."""
    return _read(kind, list(rows), {})


_Known = dict[Any, dict[Any, Any]]
"""What texts stand for, by type."""


def _read(kind: Any, values: list[Any], known: _Known) -> list[Any]:
    """Return *values* as values of *kind*, None as it is."""
    if kind in FORMS:
        return _read_rows(kind, values, known)
    parse = _PARSERS.get(kind) or (_parse_addresses(kind) if issubclass(kind, Address) else None)
    if parse is None:
        return values
    texts = known.setdefault(kind, {None: None})
    new = [text for text in dict.fromkeys(values) if text not in texts]
    texts.update(zip(new, parse(new), strict=True))
    return list(map(texts.__getitem__, values))


def _read_rows(kind: Any, values: list[Any], known: _Known) -> list[Any]:
    rows = [value for value in values if value is not None]
    if not rows:
        return values
    columns = [_read_column(hint, column(rows, name), known) for name, hint in _hints(kind).items()]
    records = made(kind, columns)
    if len(rows) == len(values):
        return records
    each = iter(records)
    return [None if value is None else next(each) for value in values]


def _read_column(hint: Any, values: list[Any], known: _Known) -> list[Any]:
    if get_origin(hint) is not tuple:
        return _read(_kind(hint), values, known)
    read = iter(_read(_kind(hint), list(chain.from_iterable(values)), known))
    return [InOrder([next(read) for _ in items]) for items in values]


@lru_cache(maxsize=16)
def _hints(kind: type[Any]) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {attribute.name: hints[attribute.name] for attribute in fields(kind)}


def _kind(hint: Any) -> Any:
    """Return the type that *hint*, which may be of one or none, or of several, is about."""
    return next((part for part in get_args(hint) if part not in (type(None), ...)), hint)


def _parse_ids(texts: list[str]) -> list[UUID]:
    return convert(texts, list[UUID])


def _parse_times(texts: list[str]) -> list[datetime]:
    return [parse_time(text) for text in texts]


def _parse_addresses(kind: type[Address]) -> Callable[[list[str]], list[Any]]:
    return lambda texts: list(map(kind.parse, texts))


_PARSERS: Mapping[Any, Callable[[list[str]], list[Any]]] = MappingProxyType(
    {UUID: _parse_ids, datetime: _parse_times}
)


# --- from records to what is written --------------------------------------------------------------------------------


def written_of(record: Any) -> Any:
    """Return one *record* as it is written."""
    return written_rows(record.__class__, [record])[0]


def written_rows(kind: type[Any], records: Sequence[Any]) -> list[Any]:
    """Return *records* of *kind*, or UUIDs, as they are written."""
    return _write(kind, list(records))


def _write(kind: Any, values: list[Any]) -> list[Any]:
    """Return *values* of *kind* as they are written, None as it is."""
    if kind is UUID:
        return _IDS.decode(encode(values))
    if kind in FORMS:
        return _write_rows(kind, values)
    if kind is datetime:
        return [None if value is None else format_time(value) for value in values]
    if isinstance(kind, type) and issubclass(kind, Address):
        return [None if value is None else value.text for value in values]
    return values


def _write_rows(kind: Any, values: list[Any]) -> list[Any]:
    records = [value for value in values if value is not None]
    if not records:
        return values
    columns = [_write_column(hint, column(records, name)) for name, hint in _hints(kind).items()]
    rows = starmap(FORMS[kind], zip(*columns, strict=True))
    return list(rows) if len(records) == len(values) else [None if value is None else next(rows) for value in values]


def _write_column(hint: Any, values: list[Any]) -> list[Any]:
    if get_origin(hint) is not tuple:
        return _write(_kind(hint), values)
    read = iter(_write(_kind(hint), list(chain.from_iterable(values))))
    return [[next(read) for _ in items] for items in values]


_IDS = Decoder(list[str | None])


# --- what is not canonical ------------------------------------------------------------------------------------------


class OddError(ValueError):
    """Something is not written as we would write it, or is a mistake."""


def refuse_odd(kind: type[Any], rows: Sequence[Any]) -> None:
    """Refuse *rows* of a file, written as those of *kind*, unless each is canonical, and their ids ascend.

    Raises:
        ValueError: something is wrong, or only odd; not said what, for slower readers do.
    """
    ids = column(rows, "id")
    if not _ascend(ids):
        raise OddError
    _refuse_odd_rows(kind, rows)


def _refuse_odd_rows(kind: Any, rows: Sequence[Any]) -> None:
    for name, hint in _hints(kind).items() if rows else ():
        values = column(rows, name)
        if type(None) in get_args(hint):
            values = [value for value in values if value is not None]
        if get_origin(hint) is tuple:
            _refuse_odd_lists(_kind(hint), values)
        else:
            _refuse_odd_values(_kind(hint), values)


def _refuse_odd_values(kind: Any, values: list[Any]) -> None:
    if kind in FORMS:
        _refuse_odd_rows(kind, values)
    elif kind is UUID:
        if not _are_ids(values):
            raise OddError
    elif kind is datetime:
        if [format_time(time) for time in _parse_times(values)] != values:
            raise OddError
    elif issubclass(kind, Address):
        _addresses_of(kind, values)


def _addresses_of(kind: type[Address], texts: Iterable[str]) -> dict[str, Address]:
    """Return what each of *texts* stands for.

    Raises:
        ValueError: nothing, or it is not canonical.
    """
    found = {text: kind.parse(text) for text in set(texts)}
    if any(address.text != text for text, address in found.items()):
        raise OddError
    return found


def _refuse_odd_lists(kind: type[Address], lists: list[list[str]]) -> None:
    """Refuse *lists* of addresses unless each is sorted, and has each once."""
    found = _addresses_of(kind, chain.from_iterable(lists))
    places = {text: place for place, text in enumerate(sorted(found, key=lambda text: found[text].key))}
    several = [items for items in lists if len(items) > 1]
    if not all(_ascend([places[text] for text in items]) for items in several):
        raise OddError


def _ascend(values: Sequence[Any]) -> bool:
    """Return whether each of *values* is above the one before it."""
    return all(map(lt, values, values[1:]))


_SHAPE = b"hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh\n"
_HEX = bytes.maketrans(b"0123456789abcdef", b"h" * 16)


def _are_ids(texts: list[str]) -> bool:
    """Return whether each of *texts* is a UUID in lower case with hyphens."""
    joined = "\n".join([*texts, ""]).encode()
    # A text with a line's end in it would make more lines than there are texts.
    return b"h" not in joined and joined.translate(_HEX) == _SHAPE * len(texts)
