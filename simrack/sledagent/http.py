"""sled-agent's HTTP interface: a table of calls over `SledAgent`.

This file does not know what the packet engine makes of them.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

from blueprints.addresses import Address
from blueprints.blueprint import FilterMode, Replication
from blueprints.snapshot import Sled, Snapshot
from simrack.sledagent.agent import NO_SUCH_VMM, SledAgent
from simrack.sledagent.inventory import inventory
from simrack.sledagent.opte import Filter, Hop
from simrack.web.answers import NO_CONTENT, Answer, answer, refused
from simrack.web.requests import Request, body_error, ip, ipv6, need, of_kind, parsed, uuid
from simrack.web.router import Handler, Route
from simrack.web.versions import FEATURES

BODY_LIMIT = 1 << 20

INSTANCE = "/instances/{instance_id}/multicast-group"
VMM = "/vmms/{propolis_id}/multicast-group"


def routes(agent: SledAgent, sled: Callable[[], Sled], snapshot: Callable[[], Snapshot]) -> tuple[Route, ...]:
    """Return sled-agent's table of calls."""
    since, tagged = FEATURES["sled-agent m2p and forwarding"], FEATURES["sled-agent multicast membership"]

    def at(handler: Callable[[SledAgent, Request], Answer | Awaitable[Answer]]) -> Handler:
        return partial(handler, agent)

    return (
        Route("GET", "/networking/mcast-m2p", at(_list_m2p), since),
        Route("PUT", "/networking/mcast-m2p", at(_put_m2p), since),
        Route("DELETE", "/networking/mcast-m2p", at(_delete_m2p), since),
        Route("GET", "/networking/mcast-fwd", at(_list_forwarding), since),
        Route("PUT", "/networking/mcast-fwd", at(_put_forwarding), since),
        Route("DELETE", "/networking/mcast-fwd", at(_delete_forwarding), since),
        Route("PUT", VMM, at(partial(_join, _by_vmm, _membership)), since),
        Route("DELETE", VMM, at(partial(_leave, _by_vmm, _membership)), since),
        Route("PUT", VMM, at(partial(_join, _by_vmm, partial(_tagged_membership, "join"))), tagged, since),
        Route("DELETE", VMM, at(partial(_leave, _by_vmm, partial(_tagged_membership, "leave"))), tagged, since),
        Route("GET", "/vmms/{propolis_id}/state", partial(_vmm_state, agent, snapshot)),
        Route("PUT", INSTANCE, at(partial(_join, _by_instance, _membership)), since),
        Route("DELETE", INSTANCE, at(partial(_leave, _by_instance, _membership)), since),
        Route("GET", "/sled-identifiers", lambda _: answer(_identifiers(sled(), snapshot().rack_id))),
        Route("GET", "/inventory", lambda _: answer(inventory(sled()))),
    )


def _mapping(request: Request) -> tuple[Address, Address]:
    body = request.json()
    group = parsed(need(body, "group", str), ip, "group")
    return group, parsed(need(body, "underlay", str), ipv6, "underlay")


def _list_m2p(agent: SledAgent, _: Request) -> Answer:
    rows = sorted(agent.opte.m2p.items())
    return answer([{"group": group.text, "underlay": underlay.text} for group, underlay in rows])


def _put_m2p(agent: SledAgent, request: Request) -> Answer:
    agent.set_m2p(*_mapping(request))
    return NO_CONTENT


def _delete_m2p(agent: SledAgent, request: Request) -> Answer:
    agent.clear_m2p(*_mapping(request))
    return NO_CONTENT


def _list_forwarding(agent: SledAgent, _: Request) -> Answer:
    rows = sorted(agent.opte.forwarding.items(), key=lambda row: row[0])
    return answer(
        [
            {"underlay": underlay.text, "next_hops": [show_hop(hops[address]) for address in sorted(hops)]}
            for underlay, hops in rows
        ]
    )


def show_hop(hop: Hop) -> dict[str, Any]:
    """Return a next hop as responses have it."""
    sources = [source.text for source in sorted(hop.filter.sources)]
    return {
        "next_hop": hop.next_hop.text,
        "replication": hop.replication.value,
        "filter": {"mode": hop.filter.mode.value, "sources": sources},
    }


def _put_forwarding(agent: SledAgent, request: Request) -> Answer:
    body = request.json()
    underlay = parsed(need(body, "underlay", str), ipv6, "underlay")
    rows = need(body, "next_hops", list)
    agent.opte.set_forwarding(underlay, tuple(_read_hop(row, f"next_hops[{n}]") for n, row in enumerate(rows)))
    return NO_CONTENT


def _read_hop(row: Any, path: str) -> Hop:
    address = parsed(need(row, "next_hop", str, path), ipv6, f"{path}.next_hop")
    replication = parsed(need(row, "replication", str, path), Replication, f"{path}.replication")
    inner = f"{path}.filter"
    filter_ = need(row, "filter", dict, path)
    mode = parsed(need(filter_, "mode", str, inner), FilterMode, f"{inner}.mode")
    return Hop(address, replication, Filter(mode, _addresses(need(filter_, "sources", list, inner), inner)))


def _addresses(rows: list[Any], path: str) -> frozenset[Address]:
    return frozenset(parsed(row, ip, f"{path}.sources[{place}]") for place, row in enumerate(rows))


def _delete_forwarding(agent: SledAgent, request: Request) -> Answer:
    agent.opte.clear_forwarding(parsed(need(request.json(), "underlay", str), ipv6, "underlay"))
    return NO_CONTENT


Membership = Callable[[Request], tuple[Address, frozenset[Address]]]
"""Reads a group and its sources out of a body."""


def _membership(request: Request) -> tuple[Address, frozenset[Address]]:
    return _read_membership(request.json(), "")


def _tagged_membership(variant: str, request: Request) -> tuple[Address, frozenset[Address]]:
    """The body of older versions says what it is for, and the wrong word is refused."""
    body = of_kind(request.json(), dict, "")
    if body.keys() != {variant}:
        raise body_error("", f"expected `{variant}` alone")
    return _read_membership(body[variant], variant)


def _read_membership(body: Any, path: str) -> tuple[Address, frozenset[Address]]:
    group = parsed(need(body, "group_ip", str, path), ip, "group_ip")
    return group, _addresses(need(body, "sources", list, path), path)


Named = Callable[[SledAgent, Request], UUID | None]
"""Reads out of a path which instance is meant, None where nobody knows."""


def _by_instance(_: SledAgent, request: Request) -> UUID:
    return request.param("instance_id", uuid)


def _by_vmm(agent: SledAgent, request: Request) -> UUID | None:
    """The older form names a VMM, and is for the instance of that VMM."""
    return agent.instances.instance_of(request.param("propolis_id", uuid))


async def _join(named: Named, read: Membership, agent: SledAgent, request: Request) -> Answer:
    await agent.join(named(agent, request), *read(request))
    return NO_CONTENT


async def _leave(named: Named, read: Membership, agent: SledAgent, request: Request) -> Answer:
    await agent.leave(named(agent, request), read(request)[0])
    return NO_CONTENT


def _vmm_state(agent: SledAgent, snapshot: Callable[[], Snapshot], request: Request) -> Answer:
    """Source: sled-agent's API document, type SledVmmState; what is no fact of the snapshot is made up."""
    vmm = agent.vmms.get(request.param("propolis_id", uuid))
    if vmm is None:
        raise refused(404, NO_SUCH_VMM)
    seen = {"gen": 1, "time_updated": snapshot().evaluated_at.isoformat()}
    return answer({"vmm_state": {"state": vmm.state.value, **seen}, "migration_in": None, "migration_out": None})


def _identifiers(sled: Sled, rack_id: UUID) -> dict[str, Any]:
    return {
        "model": sled.part,
        "rack_id": str(rack_id),
        "revision": 6,
        "serial": sled.serial,
        "sled_id": str(sled.id),
    }
