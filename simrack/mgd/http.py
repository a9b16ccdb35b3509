"""mgd's HTTP interface: a table of calls over `Mrib`.

This file does not know what makes a route right or selected.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from blueprints.addresses import Address
from blueprints.identifiers import FLEET_VNI, SwitchSlot
from simrack.mgd.routes import Mrib, RouteKey, StaticRoute, check_key
from simrack.web.answers import NO_CONTENT, Answer, answer, refused
from simrack.web.requests import Request, body_error, default, ip, ipv6, maybe, need, of_kind, parsed, query_error
from simrack.web.router import Handler, Route
from simrack.web.versions import FEATURES

BODY_LIMIT = 1 << 30

_FAMILIES = {"Ipv4": 4, "Ipv6": 6}
_ORIGINS = ("static", "dynamic")


def routes(mrib: Mrib, slot: SwitchSlot, now: Callable[[], datetime]) -> tuple[Route, ...]:
    """Return mgd's table of calls; *now* dates the routes."""
    since = FEATURES["mgd multicast"]

    def at(handler: Callable[[Mrib, Request], Answer]) -> Handler:
        return partial(handler, mrib)

    return (
        Route("PUT", "/static/mroute", partial(_put, mrib, now), since),
        Route("DELETE", "/static/mroute", at(_delete), since),
        Route("GET", "/static/mroute", at(_static), since),
        Route("GET", "/mrib/status/imported", at(_imported), since),
        Route("GET", "/mrib/status/selected", at(_selected), since),
        Route("GET", "/switch/identifiers", lambda _: answer({"slot": slot.number})),
    )


def _put(mrib: Mrib, now: Callable[[], datetime], request: Request) -> Answer:
    batch = []
    for place, row in enumerate(need(request.json(), "routes", list)):
        path = f"routes[{place}]"
        key = _read_key(need(row, "key", dict, path), f"{path}.key")
        underlay = parsed(need(row, "underlay_group", str, path), ipv6, f"{path}.underlay_group")
        batch.append((key, underlay))
    mrib.put(batch, now())
    return NO_CONTENT


def _delete(mrib: Mrib, request: Request) -> Answer:
    rows = need(request.json(), "keys", list)
    mrib.delete([_read_key(of_kind(row, dict, f"keys[{n}]"), f"keys[{n}]") for n, row in enumerate(rows)])
    return NO_CONTENT


def _read_key(body: dict[str, Any], path: str) -> RouteKey:
    if len(body) != 1 or next(iter(body)) not in ("V4", "V6"):
        raise body_error(path, "expected one of `V4`, `V6`")
    ((variant, fields),) = body.items()
    family = int(variant[1])
    source = maybe(fields, "source", str, path)
    key = RouteKey(
        group=parsed(need(fields, "group", str, path), ip, f"{path}.group"),
        source=None if source is None else parsed(source, ip, f"{path}.source"),
        vni=default(fields, "vni", int, path, FLEET_VNI),
    )
    if any(address.family != family for address in (key.group, key.source) if address is not None):
        raise body_error(path, f"an address is not of the family of `{variant}`")
    return key


def _show(route: StaticRoute, selected: bool) -> dict[str, Any]:
    key = route.key
    fields = {"source": key.source and key.source.text, "group": key.group.text, "vni": key.vni}
    rpf = "fe80::1" if selected and key.source is not None else None
    return {
        "key": {f"V{key.group.family}": fields},
        "rpf_neighbor": rpf,
        "underlay_group": route.underlay_group.text,
        "source": "Static",
        "created": _time(route.created),
        "updated": _time(route.updated),
    }


def _time(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")


def _static(mrib: Mrib, _: Request) -> Answer:
    return answer([_show(route, selected=False) for route in mrib.imported()])


def _imported(mrib: Mrib, request: Request) -> Answer:
    return _status(mrib, request, mrib.imported, lambda _: True)


def _selected(mrib: Mrib, request: Request) -> Answer:
    return _status(mrib, request, mrib.selected, mrib.is_selected)


def _status(
    mrib: Mrib, request: Request, table: Callable[[], list[StaticRoute]], holds: Callable[[RouteKey], bool]
) -> Answer:
    """With a group: that one route or 404. Without: a listing, where source and VNI need only be readable."""
    query = request.query("address_family", "group", "route_origin", "source", "vni")
    family, origin = _filters(query)
    group, source, vni = _address(query, "group"), _address(query, "source"), _vni(query)
    if group is not None:
        key = RouteKey(group, source, vni)
        check_key(key)
        if key not in mrib.routes or not holds(key):
            raise refused(404)
        rows = [mrib.routes[key]]
    else:
        rows = [route for route in table() if family in (None, route.key.group.family) and origin != "dynamic"]
    return answer([_show(route, mrib.is_selected(route.key)) for route in rows])


def _filters(query: dict[str, str]) -> tuple[int | None, str | None]:
    family, origin = query.get("address_family"), query.get("route_origin")
    if family is not None and family not in _FAMILIES:
        raise query_error(f"unknown variant `{family}`, expected `Ipv4` or `Ipv6`")
    if origin is not None and origin not in _ORIGINS:
        raise query_error(f"unknown variant `{origin}`, expected `static` or `dynamic`")
    return None if family is None else _FAMILIES[family], origin


def _address(query: dict[str, str], name: str) -> Address | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return ip(text)
    except ValueError as error:
        raise query_error(f"{name}: {error}") from None


def _vni(query: dict[str, str]) -> int:
    text = query.get("vni")
    if text is None:
        return FLEET_VNI
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 32:
        raise query_error(f"vni: {text!r} is not a number")
    return int(text)
