"""ddmd: a switch's peers, and the multicast groups it advertises and hears of.

Peers are those of the snapshot; where the snapshot has none for a switch, they follow from the cables. Originated
groups are the local mgd's selected routes (what mg-lower mirrors), imported ones the other switch's. What is
advertised or withdrawn by hand mg-lower undoes within a second, and a peer that is made to expire comes back: such
calls are read and answered, and nothing is left of them. This file does not know how routes are selected.
"""

from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv6Address
from types import MappingProxyType
from typing import Any

from blueprints.addresses import Address
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Peer
from simrack.addresses import is_multicast, is_underlay
from simrack.mgd.routes import StaticRoute
from simrack.web.answers import NO_CONTENT, Answer, answer
from simrack.web.requests import Request, body_error, default, ip, ipv6, maybe, need, of_kind, parsed
from simrack.web.router import Route
from simrack.web.versions import FEATURES
from simrack.wiring import LINK
from simrack.world import World

BODY_LIMIT = 1 << 30

_DURATION = {"secs": 3600, "nanos": 0}

_OLD_STATUS: Mapping[str, str] = MappingProxyType({"Exchange": "Active", "Expired": "Expired"})
"""Version 1 knows ``NoContact``, ``Active`` and ``Expired``."""

_NEW_STATUS: Mapping[str, str] = MappingProxyType({"Active": "Exchange", "NoContact": "Init"})
"""Snapshots may spell a status as version 1 did."""


def routes(world: World, slot: SwitchSlot) -> tuple[Route, ...]:
    """Return ddmd's table of calls."""
    since = FEATURES["ddmd multicast"]
    return (
        Route("GET", "/peers", partial(_peers, world, slot)),
        Route("GET", "/originated_multicast_groups", partial(_originated, world, slot), since),
        Route("GET", "/multicast_groups", partial(_imported, world, slot), since),
        Route("PUT", "/multicast_group", _undone, since),
        Route("DELETE", "/multicast_group", _undone, since),
        Route("DELETE", "/peers/{addr}", _expire),
        Route("PUT", "/sync", lambda _: NO_CONTENT),
    )


def _undone(request: Request) -> Answer:
    for place, row in enumerate(of_kind(request.json(), list, "")):
        _check_origin(row, f"[{place}]")
    return NO_CONTENT


def _check_origin(row: Any, path: str) -> None:
    """Refuse what is no origin: a set of origins is read whole before anything is done."""
    overlay = parsed(need(row, "overlay_group", str, path), ip, f"{path}.overlay_group")
    underlay = parsed(need(row, "underlay_group", str, path), ipv6, f"{path}.underlay_group")
    if not is_multicast(overlay):
        raise body_error(f"{path}.overlay_group", f"{overlay} is not a multicast address")
    if not is_underlay(underlay):
        raise body_error(f"{path}.underlay_group", f"{underlay} is not in ff04::/64")
    source = maybe(row, "source", str, path)
    if source is not None:
        parsed(source, ip, f"{path}.source")
    for name, most in (("vni", 1 << 24), ("metric", 1 << 64)):
        number = default(row, name, int, path, 0)
        if not 0 <= number < most:
            raise body_error(f"{path}.{name}", f"{number} is out of range")


def _expire(request: Request) -> Answer:
    request.param("addr", ipv6)
    return NO_CONTENT


def peers_of(world: World, slot: SwitchSlot) -> tuple[Peer, ...]:
    """Return the peers that *slot* reports."""
    told = world.snapshot.switches[slot].peers
    return tuple(_wired_peers(world)) if told is None else told


def _wired_peers(world: World) -> list[Peer]:
    peers = []
    for sled in world.snapshot.sleds:
        port = world.wiring.port_of(sled.id)
        if port is not None:
            name, addr = f"tfport{port}_{LINK}", Address(_link_local(port.number))
            peers.append(Peer(if_name=name, addr=addr, host=sled.serial, kind=0, status="Exchange"))
    return sorted(peers, key=lambda peer: peer.sort_key)


def _link_local(number: int) -> IPv6Address:
    return IPv6Address(f"fe80::aa40:25ff:fe00:{number + 1:x}")


def _peer_v1(peer: Peer) -> dict[str, Any]:
    status = _NEW_STATUS.get(peer.status, peer.status)
    told = _OLD_STATUS.get(status, "NoContact")
    return {"status": told, "addr": peer.addr.text, "host": peer.host, "kind": peer.kind}


def _peer_v2(peer: Peer) -> dict[str, Any]:
    status = _NEW_STATUS.get(peer.status, peer.status)
    return _peer_v1(peer) | {"status": {"type": status, "duration": _DURATION}}


def _peer_v3(peer: Peer) -> dict[str, Any]:
    return _peer_v2(peer) | {"if_name": peer.if_name}


_SHAPES: Mapping[int, Callable[[Peer], dict[str, Any]]] = MappingProxyType({1: _peer_v1, 2: _peer_v2, 3: _peer_v3})
"""Major version to how it shows a peer."""


def _peers(world: World, slot: SwitchSlot, request: Request) -> Answer:
    """The keys are interface indices; which ones is ddmd's own affair."""
    shape = _SHAPES.get(request.version[0], _peer_v1)
    return answer({str(index): shape(peer) for index, peer in enumerate(peers_of(world, slot), start=2)})


def _origin(route: StaticRoute) -> dict[str, Any]:
    return {
        "overlay_group": route.key.group.text,
        "underlay_group": route.underlay_group.text,
        "vni": route.key.vni,
        "metric": 0,
        "source": None if route.key.source is None else route.key.source.text,
    }


def _originated(world: World, slot: SwitchSlot, _: Request) -> Answer:
    return answer([_origin(route) for route in world.mribs[slot].selected()])


def _imported(world: World, slot: SwitchSlot, _: Request) -> Answer:
    found = []
    for other, switch in world.snapshot.switches.items():
        if other == slot:
            continue
        router = world.hardware(other).serial
        hop = {"router_id": router, "underlay_addr": str(switch.underlay_address), "downstream_subscriber_count": 0}
        nexthop = str(_link_local(0x100 + other.number))
        routes = world.mribs[other].selected()
        found += [{"origin": _origin(route), "nexthop": nexthop, "path": [hop]} for route in routes]
    return answer(found)
