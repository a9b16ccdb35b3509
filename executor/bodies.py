"""The exact JSON that the daemons read, from typed rows.

Sources: the API documents of dpd 12 and 13, mgd 13 and sled-agent 49. Source filters are spelled out as
``["Any"]``, since null leaves an older dpd reporting the old list.
This file does not know when a body is sent, nor where to.
"""

from collections.abc import Iterable
from typing import Any

from msgspec.json import encode

from blueprints.errors import InvariantError

Json = Any


def encoded(body: Json) -> bytes:
    """Return the bytes of *body* as they are sent; no body is no bytes."""
    return b"" if body is None else encode(body)


def _members(row: Any) -> Json:
    return [{"port_id": str(m.port_id), "link_id": m.link_id, "direction": m.direction.value} for m in row.members]


def members_body(row: Any) -> Json:
    """Return the whole member list, which replaces the one that is there."""
    return {"members": _members(row)}


def underlay_body(row: Any) -> Json:
    """Return a new underlay group with its members: created empty, some chips never count it as filled."""
    return {"group_ip": row.group_ip.text, "members": _members(row), "tag": str(row.tag)}


def external_attributes(row: Any) -> dict[str, Json]:
    """Return the three attributes of an external group that an update replaces together."""
    target = {
        "internal_ip": row.internal_ip.text,
        "inner_mac": {"a": list(bytes.fromhex(str(row.inner_mac).replace(":", "")))},
        "vni": row.vni,
    }
    return {
        "internal_forwarding": {"nat_target": target},
        "external_forwarding": {"vlan_id": row.vlan_id},
        "sources": _sources(row),
    }


def _sources(row: Any) -> Json:
    """Spell a source filter out.

    Raises:
        InvariantError: nobody asks for anything, which switches would take for "any source".
    """
    if row.sources == ():
        raise InvariantError("sources", f"{row.group_ip} would be opened to any source")
    return ["Any"] if row.sources is None else [{"Exact": source.text} for source in row.sources]


def external_body(row: Any) -> Json:
    """Return a new external group."""
    return {"group_ip": row.group_ip.text, "tag": str(row.tag), **external_attributes(row)}


def _hop(hop: Any) -> Json:
    sources = [source.text for source in hop.sources]
    return {
        "next_hop": hop.next_hop.text,
        "replication": hop.replication,
        "filter": {"mode": hop.mode.value, "sources": sources},
    }


def forwarding_body(row: Any) -> Json:
    """Return next hops to set: those of other addresses stay."""
    return {"underlay": row.underlay.text, "next_hops": [_hop(hop) for hop in row.next_hops]}


def m2p_body(row: Any) -> Json:
    """Return a mapping, to set or to clear."""
    return {"group": row.group.text, "underlay": row.underlay.text}


def membership_body(row: Any) -> Json:
    """Return a membership, to join or to leave; leaving ignores the sources."""
    return {"group_ip": row.group_ip.text, "sources": [source.text for source in getattr(row, "sources", ())]}


def _key(row: Any) -> Json:
    source = None if row.source is None else row.source.text
    return {f"V{row.group.family}": {"source": source, "group": row.group.text, "vni": row.vni}}


def forwarding_clear_body(row: Any) -> Json:
    """Return the underlay group to forget."""
    return {"underlay": row.underlay.text}


def routes_body(rows: Iterable[Any]) -> Json:
    """Return routes to put, all or none."""
    return {"routes": [{"key": _key(row), "underlay_group": row.underlay_group.text} for row in rows]}


def keys_body(rows: Iterable[Any]) -> Json:
    """Return keys of routes to withdraw."""
    return {"keys": [_key(row) for row in rows]}
