"""Answers of daemons to typed rows, strictly: an answer is what its API document promises, or nothing is derived.

No field that we own has a default: a missing ``members`` is a bad answer, not an empty list. Keys that are not
known are left out, so that a newer daemon can be read.

Sources: the API documents of dpd 12 and 13, mgd 13 and sled-agent 49.
This file does not know how answers are fetched.
"""

from blueprints.addresses import Address
from blueprints.blueprint import Direction, FilterMode, Replication
from blueprints.identifiers import PortId
from blueprints.observation import (
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

# --- dpd ------------------------------------------------------------------------------------------------------------


def group(value: Json, where: str) -> SeenUnderlay | SeenExternal:
    """Return a group of the mixed list."""
    table = obj(value, where)
    kind = text(table, "kind", where)
    if kind == "underlay":
        return underlay(value, where)
    return external(value, where) if kind == "external" else bad(f"{where}.kind", "a kind of group", kind)


def underlay(value: Json, where: str) -> SeenUnderlay:
    """Return an underlay group."""
    table = obj(value, where)
    members = list_of(table, "members", where, _member)
    return SeenUnderlay(group_ip=address(table, "group_ip", where), tag=text(table, "tag", where), members=members)


def _member(value: Json, where: str) -> SeenMember:
    table = obj(value, where)
    return SeenMember(
        port_id=parsed(required(table, "port_id", where), f"{where}.port_id", PortId.parse, "a port"),
        link_id=integer(table, "link_id", where, limit=255),
        direction=parsed(required(table, "direction", where), f"{where}.direction", Direction, "a direction"),
    )


def external(value: Json, where: str) -> SeenExternal:
    """Return an external group. No NAT target at all is said with None, as is any source."""
    table = obj(value, where)
    nat = obj(required(table, "internal_forwarding", where), where).get("nat_target")
    vlan = obj(required(table, "external_forwarding", where), where)
    target = None if nat is None else obj(nat, f"{where}.nat_target")
    return SeenExternal(
        group_ip=address(table, "group_ip", where),
        tag=text(table, "tag", where),
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


def _mac(value: Json, where: str) -> str:
    octets = items(obj(value, where).get("a"), f"{where}.inner_mac")
    if len(octets) != 6 or any(type(octet) is not int or not 0 <= octet <= 255 for octet in octets):
        bad(f"{where}.inner_mac", "six octets", octets)
    return bytes(octets).hex(":")


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
    table = obj(value, where)
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
    if len(key) != 1 or next(iter(key)) not in ("V4", "V6"):
        bad(f"{where}.key", "V4 or V6", key)
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
        replication=parsed(
            required(table, "replication", where), f"{where}.replication", Replication, "a replication"
        ).value,
        mode=parsed(required(sources, "mode", where), f"{where}.mode", FilterMode, "a filter mode"),
        sources=list_of(sources, "sources", f"{where}.filter", bare_address),
    )
