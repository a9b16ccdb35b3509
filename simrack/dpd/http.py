"""dpd's HTTP interface: a table of calls over `Dpd`.

This file does not know the rules of multicast groups.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from attrs import frozen

from blueprints.addresses import Address
from blueprints.identifiers import PortId
from simrack.addresses import is_underlay
from simrack.dpd import links, tables
from simrack.dpd.encoding import page, read_external, read_members, show_either, show_external, show_underlay
from simrack.dpd.groups import Dpd
from simrack.dpd.hardware import BUILD, VERSION, SwitchHardware
from simrack.dpd.rules import check_tag
from simrack.web.answers import NO_CONTENT, Answer, HttpError, answer, refused
from simrack.web.requests import Request, ip, ipv6, maybe, need, parsed, query_error
from simrack.web.router import Handler, Route
from simrack.web.versions import FEATURES

BODY_LIMIT = 10_240
"""Octets of a request (dpd's launch_server)."""

CPU_PORT = PortId("int", 0)
"""A port that every switch has; no link of it takes members here."""


@frozen
class Switch:
    """A dpd and the facts around it that its calls tell."""

    dpd: Dpd
    hardware: Callable[[], SwitchHardware]
    backplane: Callable[[], tuple[PortId, ...]]
    now: Callable[[], datetime]
    lacks_multicast: Callable[[], bool]
    """Whether this dpd was built without the feature."""


_UNTAGGED_GONE = "there are no untagged groups: delete groups by their tags"


def routes(switch: Switch) -> tuple[Route, ...]:
    """Return dpd's table of calls."""
    since = FEATURES["dpd strict underlay"]

    def at(handler: Callable[[Dpd, Request], Answer]) -> Handler:
        return partial(_with_multicast, switch, handler)

    return (
        Route("POST", "/multicast/underlay-groups", at(_create_underlay), since),
        Route("GET", "/multicast/underlay-groups/{group_ip}", at(_get_underlay), since),
        Route("PUT", "/multicast/underlay-groups/{group_ip}", at(_put_underlay), since),
        Route("POST", "/multicast/external-groups", at(_create_external), since),
        Route("PUT", "/multicast/external-groups/{group_ip}", at(_put_external), since),
        Route("GET", "/multicast/groups", at(_list), since),
        Route("DELETE", "/multicast/groups", at(_reset), since),
        Route("GET", "/multicast/groups/{group_ip}", at(_get), since),
        Route("DELETE", "/multicast/groups/{group_ip}", at(_delete), since),
        Route("GET", "/multicast/tags/{tag}", at(_list_tagged), since),
        Route("DELETE", "/multicast/tags/{tag}", at(_delete_tagged), since),
        Route("DELETE", "/multicast/untagged", _untagged, since),
        Route("DELETE", "/all-settings", partial(_reset, switch.dpd)),
        Route("DELETE", "/all-settings/{tag}", lambda _: NO_CONTENT),
        Route("GET", "/switch/identifiers", lambda _: answer(switch.hardware().identifiers(switch.dpd.backend))),
        Route("GET", "/backplane-map", partial(_backplane_map, switch)),
        Route("GET", "/backplane-map/{port_id}", partial(_backplane_link, switch)),
        Route("GET", "/ports", partial(_ports, switch)),
        Route("GET", "/links", partial(_links, switch)),
        Route("GET", "/links/tfport_data", partial(_tfports, switch)),
        Route("GET", "/table", lambda _: answer(list(tables.TABLES))),
        Route("GET", "/table/{table}/dump", partial(_table, switch)),
        Route("GET", "/dpd-version", lambda _: answer(VERSION)),
        Route("GET", "/dpd-uptime", partial(_uptime, switch)),
        Route("GET", "/build-info", lambda _: answer(dict(BUILD))),
    )


def _with_multicast(switch: Switch, handler: Callable[[Dpd, Request], Answer], request: Request) -> Answer:
    if switch.lacks_multicast():
        raise refused(501)
    return handler(switch.dpd, request)


def _tag_of(request: Request) -> str:
    tag = request.query("tag").get("tag")
    if tag is None:
        raise query_error("missing field `tag`")
    check_tag(tag)
    return tag


def underlay_ip(text: str) -> Address:
    """Return the underlay group written as *text*.

    Raises:
        ValueError: not in ff04::/64, which dpd finds while it reads.
    """
    address = ipv6(text)
    if not is_underlay(address):
        raise ValueError(f"{text} is not in ff04::/64")
    return address


def _create_underlay(dpd: Dpd, request: Request) -> Answer:
    body = request.json()
    group = parsed(need(body, "group_ip", str), underlay_ip, "group_ip")
    members = read_members(body)
    return answer(show_underlay(dpd.create_underlay(group, members, maybe(body, "tag", str))), 201)


def _get_underlay(dpd: Dpd, request: Request) -> Answer:
    return answer(show_underlay(dpd.underlay_group(request.param("group_ip", underlay_ip))))


def _put_underlay(dpd: Dpd, request: Request) -> Answer:
    group, tag = request.param("group_ip", underlay_ip), _tag_of(request)
    members = read_members(request.json())
    return answer(show_underlay(dpd.replace_members(group, members, tag)))


def _create_external(dpd: Dpd, request: Request) -> Answer:
    body = request.json()
    group = parsed(need(body, "group_ip", str), ip, "group_ip")
    external = read_external(body)
    return answer(show_external(dpd.create_external(group, external, maybe(body, "tag", str))), 201)


def _put_external(dpd: Dpd, request: Request) -> Answer:
    group, tag = request.param("group_ip", ip), _tag_of(request)
    body = request.json()
    external = read_external(body)
    silent = body.get("sources") is None
    return answer(show_external(dpd.replace_external(group, external, tag, silent=silent)))


def _list(dpd: Dpd, request: Request) -> Answer:
    return answer(page(request, dpd.groups()))


def _get(dpd: Dpd, request: Request) -> Answer:
    return answer(show_either(dpd.find(request.param("group_ip", ip))))


def _delete(dpd: Dpd, request: Request) -> Answer:
    group, tag = request.param("group_ip", ip), _tag_of(request)
    dpd.delete(group, tag)
    return NO_CONTENT


def _list_tagged(dpd: Dpd, request: Request) -> Answer:
    tag = request.params["tag"]
    check_tag(tag)
    return answer(page(request, [group for group in dpd.groups() if group.tag == tag]))


def _delete_tagged(dpd: Dpd, request: Request) -> Answer:
    dpd.delete_tagged(request.params["tag"])
    return NO_CONTENT


def _reset(dpd: Dpd, _: Request) -> Answer:
    dpd.reset()
    return NO_CONTENT


def _untagged(_: Request) -> Answer:
    raise HttpError(410, _UNTAGGED_GONE)


def _ports(switch: Switch, _: Request) -> Answer:
    return answer([str(port) for port in sorted({CPU_PORT, *(port for port, _ in switch.dpd.chip.links)})])


def _links(switch: Switch, request: Request) -> Answer:
    wanted = request.query("filter").get("filter", "")
    return answer([links.show_link(link) for link in links.in_order(switch.dpd.chip.links, wanted)])


def _tfports(switch: Switch, _: Request) -> Answer:
    return answer([links.show_tfport(link) for link in links.in_order(switch.dpd.chip.links)])


def _table(switch: Switch, request: Request) -> Answer:
    name, snapshots = request.params["table"], request.version >= FEATURES["dpd table snapshots"]
    if snapshots and request.query("from_hardware").get("from_hardware") not in ("true", "false"):
        raise query_error("from_hardware: expected `true` or `false`")
    return answer(tables.dump(switch.dpd.chip, name))


def _uptime(switch: Switch, _: Request) -> Answer:
    now = switch.now()
    if switch.dpd.started is None:
        switch.dpd.started = now
    return answer(int((now - switch.dpd.started).total_seconds()))


def _link(port: PortId) -> dict[str, Any]:
    return {
        "tofino_connector": port.number,
        "sidecar_connector": port.number,
        "sidecar_leg": "AC"[port.number % 2],
        "cubby": port.number,
        "backplane_leg": "ABCD"[port.number % 4],
    }


def _backplane_map(switch: Switch, _: Request) -> Answer:
    return answer({str(port): _link(port) for port in switch.backplane()})


def _backplane_link(switch: Switch, request: Request) -> Answer:
    port = request.param("port_id", PortId.parse)
    if port not in switch.backplane():
        raise refused(404, f"no backplane port {port}")
    return answer(_link(port))
