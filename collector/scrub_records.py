"""Records rewritten leaf by leaf: which field holds an id, an address, a serial, and which holds nothing to hide.

Most follows from a field's type. Text can be anything, so that every field of text stands in `TEXTS`, and a new one
is refused until somebody has said what it is. What is `KEPT` names models, positions and states, and is the same in
every rack: parts, NICs, interfaces, states, versions. This file does not know what becomes of a leaf.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from attrs import evolve, fields, frozen

from blueprints.addresses import Address, UnderlayGroup
from blueprints.blueprint import ExternalEntryRow, HeldGroup, NicFilter, PlannedGroup, Transition
from blueprints.causes import AbsentGroup, SledCauses
from blueprints.errors import InvariantError
from blueprints.findings import Finding
from blueprints.identifiers import MulticastMac, PortId, Tag
from blueprints.ordering import in_order
from blueprints.scalars import is_model
from blueprints.snapshot import Group, Peer, ServiceProcessor, Sled, Source, UnderlayRow

T = TypeVar("T")
Rewrite = Callable[[Any], Any]


class Text(Enum):
    """What a field of text holds."""

    KEPT = "what is the same in every rack"
    DROPPED = "free words"
    SERIAL = "which board"
    NAME = "what a customer calls a group"
    TAG = "who owns a group on a switch"


TEXTS: Mapping[tuple[type, str], Text] = MappingProxyType(
    {
        (Source, "datastore_schema"): Text.KEPT,
        (Source, "transaction"): Text.DROPPED,
        (Source, "collected_by"): Text.DROPPED,
        (Peer, "if_name"): Text.KEPT,
        (Peer, "host"): Text.SERIAL,
        (Peer, "status"): Text.KEPT,
        (Sled, "serial"): Text.SERIAL,
        (Sled, "part"): Text.KEPT,
        (Sled, "underlay_nics"): Text.KEPT,
        (ServiceProcessor, "serial"): Text.SERIAL,
        (ServiceProcessor, "part"): Text.KEPT,
        (Group, "name"): Text.NAME,
        (Group, "tag"): Text.TAG,
        (UnderlayRow, "tag"): Text.TAG,
        (PlannedGroup, "name"): Text.NAME,
        (HeldGroup, "because"): Text.KEPT,
        (NicFilter, "nic"): Text.KEPT,
        (Transition, "from_"): Text.KEPT,
        (Transition, "to"): Text.KEPT,
        (Transition, "because"): Text.KEPT,
        (AbsentGroup, "name"): Text.NAME,
        (SledCauses, "nics_before"): Text.KEPT,
    }
)
"""Every field of text of a snapshot and of what a blueprint decides; findings have a module of their own."""

_GROUP_IDS = frozenset({(Group, "id"), (PlannedGroup, "id"), (HeldGroup, "id")})
"""Ids from which a next hop may be chosen."""

_MACS: Mapping[type, tuple[str, str]] = MappingProxyType(
    {ExternalEntryRow: ("inner_mac", "internal_ip"), NicFilter: ("mac", "underlay")}
)
"""Where an Ethernet address stands, and the underlay group from which it follows."""

_PLAIN = (Enum, bool, int, datetime, PortId)


def _same(value: T) -> T:
    return value


@frozen(kw_only=True)
class Leaves:
    """What becomes of the values that identify something."""

    id: Callable[[UUID], UUID]
    group_id: Callable[[UUID], UUID]
    address: Callable[[Any], Any]
    serial: Callable[[str], str]
    name: Callable[[str], str]
    tag: Callable[[str], str]
    stray_mac: Callable[[MulticastMac], MulticastMac]
    """Of an Ethernet address that does not follow from its underlay group."""

    finding: Callable[[Finding], Finding]


class Rewriter:
    """Rewrites records; equal tables that are one object stay one object."""

    def __init__(self, leaves: Leaves) -> None:
        """Take what becomes of leaves."""
        self._leaves = leaves
        self._forms: dict[type, tuple[tuple[str, Rewrite], ...]] = {}
        self._tables: dict[int, tuple[Any, tuple[Any, ...]]] = {}
        """By identity, a table with what it became; the table is kept, so that its identity is nobody else's."""

    def record(self, value: T) -> T:
        """Return *value*, a record of the vocabulary, rewritten.

        Raises:
            InvariantError: a field of which nobody said what it holds.
        """
        return value.__class__(**self.values(value, value.__class__))

    def values(self, value: Any, kind: type) -> dict[str, Any]:
        """Return the fields of *kind* that *value* has, rewritten."""
        return {name: rewrite(getattr(value, name)) for name, rewrite in self._form(kind)}

    def _form(self, kind: type) -> tuple[tuple[str, Rewrite], ...]:
        form = self._forms.get(kind)
        if form is None:
            hints = get_type_hints(kind)
            names = [attribute.name for attribute in fields(kind) if attribute.init]
            form = tuple((name, self._rewrite(hints[name], kind, name)) for name in names)
            self._forms[kind] = form
        return form

    def _rewrite(self, hint: Any, kind: type, name: str) -> Rewrite:
        """Return what is done to the field *name* of *kind*, whose type is *hint*."""
        inner = get_args(hint)
        if type(None) in inner:
            some = next(each for each in inner if each is not type(None))
            return _maybe(self._rewrite(some, kind, name))
        if get_origin(hint) is tuple:
            return self._table(self._rewrite(inner[0], kind, name), inner[0])
        if get_origin(hint) is Mapping or hint is Mapping:
            return _mapping(*(self._rewrite(each, kind, name) for each in inner))
        if hint is str:
            return self._text(kind, name)
        return self._value(hint, kind, name)

    def _value(self, hint: Any, kind: type, name: str) -> Rewrite:
        leaves = self._leaves
        if hint is UUID:
            return leaves.group_id if (kind, name) in _GROUP_IDS else leaves.id
        if issubclass(hint, Address):
            return leaves.address
        if hint is Tag:
            return lambda tag: Tag(leaves.tag(tag.text))
        if hint is Finding:
            return leaves.finding
        if hint in _MACS:
            return self._with_mac
        if hint is MulticastMac or issubclass(hint, _PLAIN):
            return _same
        if is_model(hint):
            return self.record
        raise InvariantError("records", f"nobody said what {kind.__name__}.{name} holds")

    def _text(self, kind: type, name: str) -> Rewrite:
        rewrites: dict[Text, Rewrite] = {
            Text.KEPT: _same,
            Text.DROPPED: lambda _: None,
            Text.SERIAL: self._leaves.serial,
            Text.NAME: self._leaves.name,
            Text.TAG: self._leaves.tag,
        }
        if (kind, name) not in TEXTS:
            raise InvariantError("records", f"nobody said what {kind.__name__}.{name} holds")
        return rewrites[TEXTS[kind, name]]

    def _table(self, rewrite: Rewrite, row: Any) -> Rewrite:
        ordered = in_order if hasattr(row, "sort_key") else tuple

        def table(rows: tuple[Any, ...]) -> tuple[Any, ...]:
            if id(rows) not in self._tables:
                self._tables[id(rows)] = (rows, ordered([rewrite(each) for each in rows]))
            return self._tables[id(rows)][1]

        return table

    def _with_mac(self, row: Any) -> Any:
        mac, underlay = _MACS[row.__class__]
        made = self.record(row)
        follows = getattr(row, mac) == _mac(getattr(row, underlay))
        other = _mac(getattr(made, underlay)) if follows else self._leaves.stray_mac(getattr(row, mac))
        return evolve(made, **{mac: other})


def _mac(underlay: UnderlayGroup) -> MulticastMac:
    return MulticastMac.of_group(underlay)


def _maybe(rewrite: Rewrite) -> Rewrite:
    return lambda value: None if value is None else rewrite(value)


def _mapping(key: Rewrite, item: Rewrite) -> Rewrite:
    return lambda table: {key(name): item(value) for name, value in table.items()}
