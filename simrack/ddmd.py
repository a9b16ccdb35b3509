"""ddmd: a switch's peers, and the multicast groups it advertises and hears of.

Originated groups are what mg-lower mirrors from the local mgd's selected routes. Imported ones are the other
switch's, and those of the sleds while ddmd is the writer of members. What is advertised or withdrawn by hand mg-lower
undoes within a second. A peer that is made to expire comes back at once. This file does not know how routes are
selected, nor what imports are good for.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from blueprints.identifiers import FLEET_VNI, SwitchSlot
from blueprints.snapshot import Peer
from simrack.addresses import is_multicast, is_underlay
from simrack.mglower import Origin
from simrack.peers import peers_of
from simrack.populated import link_local
from simrack.sweep import imports_of
from simrack.web.answers import NO_CONTENT, Answer, answer
from simrack.web.requests import Request, body_error, default, ip, ipv6, maybe, need, of_kind, parsed
from simrack.web.router import Route
from simrack.web.versions import FEATURES
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
        Route("PUT", "/multicast_group", partial(_by_hand, world.lowers[slot].advertise), since),
        Route("DELETE", "/multicast_group", partial(_by_hand, world.lowers[slot].withdraw), since),
        Route("DELETE", "/peers/{addr}", _expire),
        Route("PUT", "/sync", lambda _: NO_CONTENT),
    )


def _by_hand(change: Callable[[list[Origin]], None], request: Request) -> Answer:
    """A set of origins is read whole before anything is done."""
    change([_read_origin(row, f"[{place}]") for place, row in enumerate(of_kind(request.json(), list, ""))])
    return NO_CONTENT


def _read_origin(row: Any, path: str) -> Origin:
    overlay = parsed(need(row, "overlay_group", str, path), ip, f"{path}.overlay_group")
    underlay = parsed(need(row, "underlay_group", str, path), ipv6, f"{path}.underlay_group")
    if not is_multicast(overlay):
        raise body_error(f"{path}.overlay_group", f"{overlay} is not a multicast address")
    if not is_underlay(underlay):
        raise body_error(f"{path}.underlay_group", f"{underlay} is not in ff04::/64")
    text = maybe(row, "source", str, path)
    source = None if text is None else parsed(text, ip, f"{path}.source")
    _number(row, "metric", path, 1 << 64)
    return Origin(overlay, underlay, _number(row, "vni", path, 1 << 24, FLEET_VNI), source)


def _number(row: Any, name: str, path: str, beyond: int, absent: int = 0) -> int:
    number = default(row, name, int, path, absent)
    if not 0 <= number < beyond:
        raise body_error(f"{path}.{name}", f"{number} is out of range")
    return number


def _expire(request: Request) -> Answer:
    request.param("addr", ipv6)
    return NO_CONTENT


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


def _origin(origin: Origin) -> dict[str, Any]:
    return {
        "overlay_group": origin.overlay_group.text,
        "underlay_group": origin.underlay_group.text,
        "vni": origin.vni,
        "metric": 0,
        "source": None if origin.source is None else origin.source.text,
    }


def _originated(world: World, slot: SwitchSlot, _: Request) -> Answer:
    return answer([_origin(origin) for origin in world.lowers[slot].origins()])


def _imported(world: World, slot: SwitchSlot, _: Request) -> Answer:
    return answer([*_from_switches(world, slot), *_from_sleds(world, slot)])


def _from_switches(world: World, slot: SwitchSlot) -> Iterator[dict[str, Any]]:
    for other, switch in world.snapshot.switches.items():
        if other != slot:
            nexthop = str(link_local(0x100 + other.number))
            hop = _hop(world.hardware(other).serial, str(switch.underlay_address))
            for origin in world.lowers[other].origins():
                yield {"origin": _origin(origin), "nexthop": nexthop, "path": [hop]}


def _from_sleds(world: World, slot: SwitchSlot) -> Iterator[dict[str, Any]]:
    if world.sweeping:
        for row in imports_of(world, slot):
            sled = world.sled(row.sled_id)
            hop = _hop(sled.serial, str(sled.underlay_address))
            yield {"origin": _origin(row.origin), "nexthop": row.peer.addr.text, "path": [hop]}


def _hop(router_id: str, address: str) -> dict[str, Any]:
    return {"router_id": router_id, "underlay_addr": address, "downstream_subscriber_count": 0}
