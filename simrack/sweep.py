"""ddmd as the writer of member ports: from what sleds are subscribed to, by way of DDM, to the switch's dpd.

Rules:
    W1  A sled originates the groups that its ports are subscribed to under the underlay group of its mapping.
    W2  A switch hears the sleds that are its live peers. A peer's port is the one in its interface's name; the port
        of a peer without one is not known.
    W3  Every ten seconds the members of each underlay group that exists are set to the ports of the sleds heard
        under it, with the tag that was read. Groups are never made or deleted.
    W4  While one of the ports is not known, members are only added.
    W5  A group that no sled is heard under loses all its members, but not within the first twenty seconds.
    W6  A refusal leaves the group to the next sweep.

Source: maghemite, ddm/src/mcast.rs; omicron's sled-agent of version 50 for W1. This file does not know HTTP.
"""

from collections.abc import Iterator
from uuid import UUID

from attrs import frozen

from blueprints.blueprint import Direction
from blueprints.identifiers import FLEET_VNI, SwitchSlot, port_of_interface
from blueprints.snapshot import Peer
from simrack.dpd.model import Port, UnderlayGroup
from simrack.mglower import Origin
from simrack.peers import live_peer_of
from simrack.web.answers import HttpError
from simrack.web.versions import DaemonKind
from simrack.world import World, switch_target

PERIOD_SECONDS, GRACE_SECONDS = 10.0, 20.0


@frozen
class Import:
    """A group that a switch heard of from a sled."""

    origin: Origin
    sled_id: UUID
    peer: Peer


def imports_of(world: World, slot: SwitchSlot) -> Iterator[Import]:
    """Yield what *slot* hears from sleds, in order (rules W1 and W2)."""
    for sled in world.snapshot.sleds:
        peer = live_peer_of(world, slot, sled)
        if peer is not None:
            yield from (Import(origin, sled.id, peer) for origin in _originated_by(world, sled.id))


def _originated_by(world: World, sled_id: UUID) -> list[Origin]:
    opte = world.agents[sled_id].opte
    heard = {underlay for port in opte.subscriptions.values() for underlay in port}
    return [
        Origin(group, underlay, FLEET_VNI, None)
        for group, underlay in sorted(opte.m2p.items(), key=lambda row: row[0])
        if underlay in heard
    ]


def start(world: World, running: bool) -> None:
    """Let ddmd be the writer of members from now on, or no longer."""
    world.sweeping, world.sweeping_since = running, world.clock.now
    if running:
        world.clock.at(world.clock.now + PERIOD_SECONDS, lambda: _tick(world, world.sweeping_since))


def _tick(world: World, since: float) -> None:
    if world.sweeping and world.sweeping_since == since:
        _sweep_all(world, since)
        world.clock.at(world.clock.now + PERIOD_SECONDS, lambda: _tick(world, since))


def settle(world: World) -> None:
    """Do what would have been done by now if nobody held the clock."""
    if world.sweeping and not world.held:
        _sweep_all(world)


def _sweep_all(world: World, since: float | None = None) -> None:
    """Sweep on all switches whose ddmd is up; *since* it runs, None being long enough for everything."""
    for slot, dpd in world.dpds.items():
        if switch_target(slot, DaemonKind.DDMD) in world.down or world.is_dead(slot):
            continue
        drain = since is None or world.clock.now - max(since, world.ddmd_started.get(slot, 0.0)) >= GRACE_SECONDS
        heard = list(imports_of(world, slot))
        for group in sorted(dpd.underlay):
            _sweep(world, slot, dpd.underlay[group], heard, drain=drain)


def _sweep(world: World, slot: SwitchSlot, group: UnderlayGroup, heard: list[Import], *, drain: bool) -> None:
    """Rules W3 to W6."""
    peers = [row.peer for row in heard if row.origin.underlay_group == group.group_ip]
    if not peers and not drain:
        return
    ports = {_port(peer) for peer in peers}
    wanted = {port for port in ports if port is not None}
    if None in ports:
        wanted |= set(group.members)
    if wanted == set(group.members):
        return
    try:
        world.dpds[slot].replace_members(group.group_ip, tuple(sorted(wanted)), group.tag)
    except HttpError:
        return


def _port(peer: Peer) -> Port | None:
    port = port_of_interface(peer.if_name or "")
    return None if port is None else Port(port[0], port[1], Direction.UNDERLAY)
