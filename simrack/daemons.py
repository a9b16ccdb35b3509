"""The daemons of a world: each with its routes, its version, and what a restart does to it.

This file does not know sockets.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from uuid import UUID

from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Snapshot
from simrack import ddmd, mgs
from simrack.dpd import http as dpd_http
from simrack.dpd.groups import Dpd
from simrack.mgd import http as mgd_http
from simrack.mgd.routes import Mrib
from simrack.sledagent import http as sled_http
from simrack.sledagent.agent import SledAgent
from simrack.web.daemon import Daemon, Restart
from simrack.web.fault_kinds import DNS
from simrack.web.router import Route, Router
from simrack.web.versions import NEWEST, DaemonKind, Version
from simrack.world import World, sled_target, switch_target

Routes = tuple[Route, ...]

BODY_LIMITS: Mapping[DaemonKind, int] = MappingProxyType(
    {
        DaemonKind.DPD: dpd_http.BODY_LIMIT,
        DaemonKind.MGD: mgd_http.BODY_LIMIT,
        DaemonKind.DDMD: ddmd.BODY_LIMIT,
        DaemonKind.MGS: mgs.BODY_LIMIT,
        DaemonKind.SLED_AGENT: sled_http.BODY_LIMIT,
    }
)
"""Octets of a request that each daemon takes."""


def _dpd(world: World, slot: SwitchSlot) -> Routes:
    switch = dpd_http.Switch(
        world.dpds[slot],
        partial(world.hardware, slot),
        partial(world.backplane, slot),
        world.now,
        partial(world.faults.strikes, switch_target(slot, DaemonKind.DPD), "no_multicast"),
    )
    return dpd_http.routes(switch)


def _mgd(world: World, slot: SwitchSlot) -> Routes:
    return mgd_http.routes(world.mribs[slot], slot, world.now)


SWITCH_DAEMONS: Mapping[DaemonKind, Callable[[World, SwitchSlot], Routes]] = MappingProxyType(
    {DaemonKind.DPD: _dpd, DaemonKind.MGD: _mgd, DaemonKind.DDMD: ddmd.routes, DaemonKind.MGS: mgs.routes}
)
"""What runs in a switch zone."""


def _restart_dpd(dpd: Dpd, keep: bool) -> None:
    """Keeping means that only a connection was lost: dpd itself keeps nothing."""
    if not keep:
        dpd.restart()


def _restart_mgd(mrib: Mrib, keep: bool) -> None:
    if keep:
        mrib.restart()
    else:
        mrib.forget()


def _restart_sled_agent(agent: SledAgent, keep: bool) -> None:
    if keep:
        agent.restart()
    else:
        agent.reboot()


def _restart_ddmd(world: World, slot: SwitchSlot, _: bool) -> None:
    """Ddmd derives all that it tells, and takes some time to hear its peers."""
    world.restart_ddmd(slot)


def _restart_stateless(_: bool) -> None:
    """MGS derives all that it tells."""


def _restart_of(world: World, kind: DaemonKind, slot: SwitchSlot) -> Restart:
    if kind is DaemonKind.DPD:
        return partial(_restart_dpd, world.dpds[slot])
    if kind is DaemonKind.MGD:
        return partial(_restart_mgd, world.mribs[slot])
    if kind is DaemonKind.DDMD:
        return partial(_restart_ddmd, world, slot)
    return _restart_stateless


def daemons_of(world: World, newest: Mapping[DaemonKind, Version] = NEWEST) -> dict[str, Daemon]:
    """Return every daemon by target; *newest* overrides how new a kind of daemon is."""
    versions = {**NEWEST, **newest}
    daemons = {}
    for slot in world.dpds:
        for kind, routes in SWITCH_DAEMONS.items():
            target, router = switch_target(slot, kind), Router(routes(world, slot))
            restart = _restart_of(world, kind, slot)
            daemons[target] = Daemon(kind, target, router, versions[kind], BODY_LIMITS[kind], restart)
    for sled_id, agent in world.agents.items():
        daemons[sled_target(sled_id)] = _sled_agent(world, sled_id, agent, versions[DaemonKind.SLED_AGENT])
    return daemons


def targets_of(snapshot: Snapshot) -> tuple[str, ...]:
    """Return how faults and calls name what a rack of *snapshot* has: its daemons, and the name server."""
    switches = (switch_target(slot, kind) for slot in snapshot.switches for kind in SWITCH_DAEMONS)
    return (*switches, *(sled_target(sled.id) for sled in snapshot.sleds), DNS)


def _sled_agent(world: World, sled_id: UUID, agent: SledAgent, newest: Version) -> Daemon:
    kind, target = DaemonKind.SLED_AGENT, sled_target(sled_id)
    router = Router(sled_http.routes(agent, partial(world.sled, sled_id), lambda: world.snapshot))
    return Daemon(kind, target, router, newest, BODY_LIMITS[kind], partial(_restart_sled_agent, agent))
