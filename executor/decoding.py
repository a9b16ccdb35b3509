"""Answers of daemons to typed rows, strictly: an answer is what its API document promises, or nothing is derived.

No field that we own has a default: a missing ``members`` is a bad answer, not an empty list. Keys that are not
known are left out, so that a newer daemon can be read. A name that is not known makes its object opaque: it is
listed and only ever read, and the others are what they are.

Sources: the API documents of dpd 12 and 13, mgd 13 and sled-agent 49.
This file does not know how answers are fetched.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from sys import intern
from typing import TypeVar

from blueprints.addresses import Address
from blueprints.blueprint import Direction, FilterMode, Replication
from blueprints.errors import BadAnswerError
from blueprints.identifiers import PortId
from blueprints.observation import (
    Opaque,
    SeenExternal,
    SeenForwarding,
    SeenHop,
    SeenM2p,
    SeenMember,
    SeenRoute,
    SeenUnderlay,
)
from blueprints.strict import (
    Json,
    Object,
    address,
    bad,
    bare_address,
    integer,
    items,
    list_of,
    obj,
    parsed,
    required,
    text,
)

T = TypeVar("T")
Name = TypeVar("Name", bound=StrEnum)


class UnknownNameError(BadAnswerError):
    """A name of a kind that is counted out, and this one is not among them: a newer daemon says more."""


def _named(value: Json, where: str, names: type[Name], expected: str) -> Name:
    """Return the one of *names* that *value* is.

    Raises:
        UnknownNameError: a text that is none of them.
        BadAnswerError: no text.
    """
    if type(value) is not str:
        bad(where, expected, value)
    name: Name | None = _by_text(names).get(value)
    if name is None:
        raise UnknownNameError(f"{where}: {value!r:.60} is not known as {expected}")
    return name


@lru_cache(maxsize=16)
def _by_text(names: type[Name]) -> Mapping[str, Name]:
    return {name.value: name for name in names}


def or_opaque(
    decode: Callable[[Json, str], T], name: Callable[[Object, str, str], Opaque]
) -> Callable[[Json, str], T | Opaque]:
    """Return a decoder that makes an opaque object of one that says a name which is not known.

    What tells which object it is has to be there all the same.
    """

    def decoded(value: Json, where: str) -> T | Opaque:
        try:
            return decode(value, where)
        except UnknownNameError as error:
            return name(obj(value, where), where, str(error).removeprefix(f"{where}."))

    return decoded


def apart(rows: Iterable[T | Opaque]) -> tuple[list[T], tuple[Opaque, ...]]:
    """Return the objects that could be read, and those that could not."""
    listed = list(rows)
    return (
        [row for row in listed if not isinstance(row, Opaque)],
        tuple(row for row in listed if isinstance(row, Opaque)),
    )


def opaque_group(table: Object, where: str, because: str) -> Opaque:
    """Return a group of a switch that is only read; of a kind that is not known, it stands where its address does."""
    group_ip, kind = address(table, "group_ip", where), text(table, "kind", where)
    inside = kind == "underlay" or (kind != "external" and group_ip.text.startswith("ff04:"))
    name = "underlay_groups" if inside else "external_groups"
    return Opaque(table=name, address=group_ip, tag=text(table, "tag", where), because=because)


def opaque_route(table: Object, where: str, because: str) -> Opaque:
    """Return a route that is only read."""
    key = obj(required(table, "key", where), f"{where}.key")
    inner = next((obj(part, f"{where}.key") for part in key.values()), {})
    return Opaque(table="mrib_routes", address=address(inner, "group", f"{where}.key"), tag=None, because=because)


def opaque_forwarding(table: Object, where: str, because: str) -> Opaque:
    """Return a forwarding entry that is only read."""
    return Opaque(table="forwarding", address=address(table, "underlay", where), tag=None, because=because)


# --- dpd ------------------------------------------------------------------------------------------------------------


def group(value: Json, where: str) -> SeenUnderlay | SeenExternal:
    """Return a group of the mixed list."""
    table = obj(value, where)
    kind = text(table, "kind", where)
    if kind == "underlay":
        return underlay(value, where)
    if kind != "external":
        raise UnknownNameError(f"{where}.kind: {kind!r:.60} is not known as a kind of group")
    return external(value, where)


def underlay(value: Json, where: str) -> SeenUnderlay:
    """Return an underlay group."""
    table = obj(value, where)
    members = list_of(table, "members", where, _member)
    return SeenUnderlay(group_ip=address(table, "group_ip", where), tag=_tag(table, where), members=members)


def _member(value: Json, where: str) -> SeenMember:
    try:
        return _known_member(value["port_id"], value["link_id"], value["direction"])
    except (LookupError, TypeError, BadAnswerError):
        return _told_member(value, where)


@lru_cache(maxsize=4096, typed=True)
def _known_member(port_id: Json, link_id: Json, direction: Json) -> SeenMember:
    """Return the member that these values are: a switch has few ports, and they stand in every group.

    Raises:
        TypeError: one is of no type that can be looked up.
        BadAnswerError: one is wrong; its place is not told.
    """
    return _told_member({"port_id": port_id, "link_id": link_id, "direction": direction}, "member")


def _told_member(value: Json, where: str) -> SeenMember:
    table = obj(value, where)
    return SeenMember(
        port_id=parsed(required(table, "port_id", where), f"{where}.port_id", PortId.parse, "a port"),
        link_id=integer(table, "link_id", where, limit=255),
        direction=_named(required(table, "direction", where), f"{where}.direction", Direction, "a direction"),
    )


def external(value: Json, where: str) -> SeenExternal:
    """Return an external group. No NAT target at all is said with None, as is any source."""
    table = obj(value, where)
    nat = obj(required(table, "internal_forwarding", where), where).get("nat_target")
    vlan = obj(required(table, "external_forwarding", where), where)
    target = None if nat is None else obj(nat, f"{where}.nat_target")
    return SeenExternal(
        group_ip=address(table, "group_ip", where),
        tag=_tag(table, where),
        internal_ip=None if target is None else address(target, "internal_ip", where),
        inner_mac=None if target is None else _mac(required(target, "inner_mac", where), where),
        vni=None if target is None else integer(target, "vni", where, limit=0xFFFFFF),
        vlan_id=None if vlan.get("vlan_id") is None else integer(vlan, "vlan_id", where, limit=4095),
        sources=_sources(table, where),
    )


def group_id(value: Json, where: str) -> int | None:
    """Return the id that a switch gave to an underlay group and to the external ones that lead to it."""
    table = obj(value, where)
    return (
        None if table.get("external_group_id") is None else integer(table, "external_group_id", where, limit=0xFFFF)
    )


def _tag(table: Object, where: str) -> str:
    """Return the tag: both groups of an address have it, on every switch, and it is held once."""
    return intern(text(table, "tag", where))


def _mac(value: Json, where: str) -> str:
    octets = items(obj(value, where).get("a"), f"{where}.inner_mac")
    if len(octets) != 6 or any(type(octet) is not int or not 0 <= octet <= 255 for octet in octets):
        bad(f"{where}.inner_mac", "six octets", octets)
    return intern(bytes(octets).hex(":"))


def _sources(table: Object, where: str) -> list[Address] | None:
    """Return the sources; dpd says null for any, and a list that holds ``Any`` means the same."""
    if table.get("sources") is None:
        return None
    sources = list_of(table, "sources", where, _source)
    exact = [source for source in sources if source is not None]
    return None if len(exact) < len(sources) or not exact else exact


def _source(value: Json, where: str) -> Address | None:
    if value == "Any":
        return None
    if type(value) is str:
        raise UnknownNameError(f"{where}: {value!r:.60} is not known as a source")
    table = obj(value, where)
    if len(table) == 1 and "Exact" not in table:
        raise UnknownNameError(f"{where}: {next(iter(table))!r:.60} is not known as a source")
    return address(table, "Exact", where)


def next_page(table: Object, where: str) -> str | None:
    """Return the token of the next page, or None after the last."""
    token = table.get("next_page")
    return None if token is None else text(table, "next_page", where)


# --- mgd ------------------------------------------------------------------------------------------------------------


def route(value: Json, where: str) -> SeenRoute:
    """Return a static multicast route."""
    table = obj(value, where)
    key = obj(required(table, "key", where), f"{where}.key")
    if len(key) != 1:
        bad(f"{where}.key", "V4 or V6", key)
    if next(iter(key)) not in ("V4", "V6"):
        raise UnknownNameError(f"{where}.key: {next(iter(key))!r:.60} is not known as a family")
    family, inner = next((name, obj(part, f"{where}.key")) for name, part in key.items())
    seen = SeenRoute(
        group=address(inner, "group", f"{where}.key"),
        source=None if inner.get("source") is None else address(inner, "source", f"{where}.key"),
        vni=integer(inner, "vni", f"{where}.key", limit=0xFFFFFF),
        underlay_group=address(table, "underlay_group", where),
    )
    if {f"V{part.family}" for part in (seen.group, seen.source) if part is not None} != {family}:
        bad(f"{where}.key", f"addresses of {family}", inner)
    return seen


# --- sled-agent -----------------------------------------------------------------------------------------------------


def mapping(value: Json, where: str) -> SeenM2p:
    """Return a mapping of a group to its underlay group."""
    table = obj(value, where)
    return SeenM2p(group=address(table, "group", where), underlay=address(table, "underlay", where))


def forwarding(value: Json, where: str) -> SeenForwarding:
    """Return a forwarding entry."""
    table = obj(value, where)
    hops = list_of(table, "next_hops", where, _hop)
    return SeenForwarding(underlay=address(table, "underlay", where), next_hops=hops)


def _hop(value: Json, where: str) -> SeenHop:
    table = obj(value, where)
    sources = obj(required(table, "filter", where), f"{where}.filter")
    return SeenHop(
        next_hop=address(table, "next_hop", where),
        replication=_named(
            required(table, "replication", where), f"{where}.replication", Replication, "a replication"
        ).value,
        mode=_named(required(sources, "mode", where), f"{where}.mode", FilterMode, "a filter mode"),
        sources=list_of(sources, "sources", f"{where}.filter", bare_address),
    )
