"""dpd's JSON: reading bodies, writing responses, pages.

This file does not know what is done with them.
"""

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any

from blueprints.addresses import Address
from blueprints.blueprint import Direction
from blueprints.identifiers import MulticastMac, PortId
from simrack.dpd.model import External, ExternalGroup, NatTarget, Port, UnderlayGroup
from simrack.dpd.rules import canonical_sources
from simrack.web.requests import Request, body_error, ip, ipv6, maybe, need, of_kind, parsed, query_error

_DEFAULT_PAGE, _LARGEST_PAGE, _LONGEST_TOKEN = 100, 10_000, 512


def read_members(body: Any) -> tuple[Port, ...]:
    """Return the members of *body*, in their order.

    Raises:
        HttpError: 400, unreadable.
    """
    rows = need(body, "members", list)
    return tuple(_read_port(row, f"members[{place}]") for place, row in enumerate(rows))


def _read_port(row: Any, path: str) -> Port:
    port_id = parsed(need(row, "port_id", str, path), PortId.parse, f"{path}.port_id")
    link_id = need(row, "link_id", int, path)
    if not 0 <= link_id <= 255:
        raise body_error(f"{path}.link_id", f"{link_id} is not 0 to 255")
    direction = parsed(need(row, "direction", str, path), Direction, f"{path}.direction")
    return Port(port_id, link_id, direction)


def read_external(body: Any) -> External:
    """Return the attributes of an external group in *body*.

    Raises:
        HttpError: 400, unreadable, or no NAT target.
    """
    forwarding = need(body, "external_forwarding", dict)
    vlan_id = maybe(forwarding, "vlan_id", int, "external_forwarding")
    internal = need(body, "internal_forwarding", dict)
    if internal.get("nat_target") is None:
        raise body_error("internal_forwarding", "a NAT target is required")
    nat = _read_nat(internal["nat_target"], "internal_forwarding.nat_target")
    sources = maybe(body, "sources", list) or []
    return External(nat, vlan_id, canonical_sources(_read_sources(sources)))


def _read_nat(body: Any, path: str) -> NatTarget:
    internal_ip = parsed(need(body, "internal_ip", str, path), ipv6, f"{path}.internal_ip")
    octets = need(need(body, "inner_mac", dict, path), "a", list, f"{path}.inner_mac")
    try:
        mac = MulticastMac.parse(bytes(octets).hex(":"))
    except (TypeError, ValueError):
        raise body_error(f"{path}.inner_mac.a", "not six octets with the multicast bit") from None
    return NatTarget(internal_ip, mac, need(body, "vni", int, path))


def _read_sources(rows: list[Any]) -> Iterable[Address | None]:
    for place, row in enumerate(rows):
        path = f"sources[{place}]"
        if row == "Any":
            yield None
        else:
            yield parsed(need(of_kind(row, dict, path), "Exact", str, path), ip, f"{path}.Exact")


def show_underlay(group: UnderlayGroup) -> dict[str, Any]:
    """Return the response about an underlay group."""
    return {
        "group_ip": group.group_ip.text,
        "external_group_id": group.external_group_id,
        "underlay_group_id": group.underlay_group_id,
        "tag": group.tag,
        "members": [show_port(port) for port in group.members],
    }


def show_port(port: Port) -> dict[str, Any]:
    """Return a member as responses have it."""
    return {"port_id": str(port.port_id), "link_id": port.link_id, "direction": port.direction.value}


def show_external(group: ExternalGroup) -> dict[str, Any]:
    """Return the response about an external group."""
    nat, sources = group.external.nat, group.external.sources
    target = {"internal_ip": nat.internal_ip.text, "inner_mac": {"a": nat.inner_mac.octets}, "vni": nat.vni}
    return {
        "group_ip": group.group_ip.text,
        "external_group_id": group.external_group_id,
        "tag": group.tag,
        "internal_forwarding": {"nat_target": target},
        "external_forwarding": {"vlan_id": group.external.vlan_id},
        "sources": None if sources is None else [{"Exact": source.text} for source in sources],
    }


def show_either(group: UnderlayGroup | ExternalGroup) -> dict[str, Any]:
    """Return the response of the calls that tell both kinds, with a ``kind`` to tell them apart."""
    if isinstance(group, UnderlayGroup):
        return {"kind": "underlay"} | show_underlay(group)
    return {"kind": "external"} | show_external(group)


def page(request: Request, groups: Iterable[UnderlayGroup | ExternalGroup]) -> dict[str, Any]:
    """Return one page of *groups*, IPv4 first, then by number, strictly after the last address seen.

    A page that is not empty names a next one, even if that will be empty.

    Raises:
        HttpError: 400, a limit of 0 or no number, a token that is not ours.
    """
    query = request.query("limit", "page_token")
    limit = _limit(query.get("limit"))
    after = _after(query.get("page_token"))
    rows = sorted((group for group in groups if after is None or after < group.group_ip), key=_by_ip)[:limit]
    return {"items": [show_either(row) for row in rows], "next_page": _token(rows[-1].group_ip) if rows else None}


def _by_ip(group: UnderlayGroup | ExternalGroup) -> tuple[int, int]:
    return group.group_ip.key


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_PAGE
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) < 1 << 32:
        raise query_error(f"limit: {text!r} is not 1 to 4294967295")
    return min(int(text), _LARGEST_PAGE)


def _token(last: Address) -> str:
    return base64.urlsafe_b64encode(json.dumps({"v": "v1", "page_start": last.text}).encode()).decode()


def _after(token: str | None) -> Address | None:
    if token is None:
        return None
    try:
        if len(token) > _LONGEST_TOKEN:
            raise ValueError("too long")
        return ip(json.loads(base64.urlsafe_b64decode(token))["page_start"])
    except (ValueError, binascii.Error, KeyError, TypeError):
        raise query_error("failed to parse pagination token") from None
