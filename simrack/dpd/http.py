"""dpd's HTTP interface: a table of calls over `Dpd`.

This file does not know the rules of multicast groups.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from attrs import frozen

from blueprints.identifiers import PortId, SwitchSlot
from simrack.dpd.encoding import page, read_external, read_members, show_either, show_external, show_underlay
from simrack.dpd.groups import Dpd
from simrack.dpd.rules import check_tag
from simrack.web.answers import NO_CONTENT, Answer, answer, refused
from simrack.web.requests import Request, ip, ipv6, maybe, need, parsed, query_error
from simrack.web.router import Handler, Route
from simrack.web.versions import FEATURES

BODY_LIMIT = 10_240
"""Octets of a request (dpd's launch_server)."""


@frozen
class SwitchHardware:
    """What a switch says about itself."""

    slot: SwitchSlot
    serial: str
    model: str

    @property
    def identifiers(self) -> dict[str, Any]:
        """The body of ``GET /switch/identifiers``."""
        return {
            "sidecar_id": str(uuid5(NAMESPACE_OID, f"sidecar {self.serial}")),
            "asic_backend": "tofino_stub",
            "fab": None,
            "fuse": None,
            "lot": None,
            "lotnum": None,
            "model": self.model,
            "revision": 6,
            "serial": self.serial,
            "slot": self.slot.number,
            "wafer": None,
            "wafer_loc": None,
        }


@frozen
class Switch:
    """A dpd and the facts around it that its calls tell."""

    dpd: Dpd
    hardware: Callable[[], SwitchHardware]
    backplane: Callable[[], tuple[PortId, ...]]


def routes(switch: Switch) -> tuple[Route, ...]:
    """Return dpd's table of calls."""
    since = FEATURES["dpd strict underlay"]

    def at(handler: Callable[[Dpd, Request], Answer]) -> Handler:
        return partial(handler, switch.dpd)

    return (
        Route("POST", "/multicast/underlay-groups", at(_create_underlay), since),
        Route("GET", "/multicast/underlay-groups/{group_ip}", at(_get_underlay), since),
        Route("PUT", "/multicast/underlay-groups/{group_ip}", at(_put_underlay), since),
        Route("POST", "/multicast/external-groups", at(_create_external), since),
        Route("PUT", "/multicast/external-groups/{group_ip}", at(_put_external), since),
        Route("GET", "/multicast/groups", at(_list), since),
        Route("GET", "/multicast/groups/{group_ip}", at(_get), since),
        Route("DELETE", "/multicast/groups/{group_ip}", at(_delete), since),
        Route("GET", "/multicast/tags/{tag}", at(_list_tagged), since),
        Route("DELETE", "/multicast/tags/{tag}", at(_delete_tagged), since),
        Route("GET", "/switch/identifiers", lambda _: answer(switch.hardware().identifiers)),
        Route("GET", "/backplane-map", partial(_backplane_map, switch)),
        Route("GET", "/backplane-map/{port_id}", partial(_backplane_link, switch)),
    )


def _tag_of(request: Request) -> str:
    tag = request.query().get("tag")
    if tag is None:
        raise query_error("missing field `tag`")
    check_tag(tag)
    return tag


def _create_underlay(dpd: Dpd, request: Request) -> Answer:
    body = request.json()
    group = parsed(need(body, "group_ip", str), ipv6, "group_ip")
    members = read_members(body)
    return answer(show_underlay(dpd.create_underlay(group, members, maybe(body, "tag", str))), 201)


def _get_underlay(dpd: Dpd, request: Request) -> Answer:
    return answer(show_underlay(dpd.underlay_group(request.param("group_ip", ipv6))))


def _put_underlay(dpd: Dpd, request: Request) -> Answer:
    group, tag = request.param("group_ip", ipv6), _tag_of(request)
    members = read_members(request.json())
    return answer(show_underlay(dpd.replace_members(group, members, tag)))


def _create_external(dpd: Dpd, request: Request) -> Answer:
    body = request.json()
    group = parsed(need(body, "group_ip", str), ip, "group_ip")
    external = read_external(body)
    return answer(show_external(dpd.create_external(group, external, maybe(body, "tag", str))), 201)


def _put_external(dpd: Dpd, request: Request) -> Answer:
    group, tag = request.param("group_ip", ip), _tag_of(request)
    return answer(show_external(dpd.replace_external(group, read_external(request.json()), tag)))


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
