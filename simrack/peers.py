"""The DDM peers of a switch: those of the snapshot; where it has none for a switch, they follow from the cables.

On order they are made up for every switch, see `simrack.populated`. A sled that is down has expired for all who had
it as a peer. This file does not know HTTP.
"""

from attrs import evolve

from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Peer, Sled
from simrack.populated import peer_of
from simrack.wiring import LIVE
from simrack.world import World

SOLICIT_SECONDS = 2.0
"""After a start, until ddmd has heard its peers."""


def peers_of(world: World, slot: SwitchSlot) -> tuple[Peer, ...]:
    """Return the peers that *slot* reports; none just after its ddmd started, while somebody holds the clock."""
    if world.held and world.clock.now - world.ddmd_started.get(slot, -SOLICIT_SECONDS) < SOLICIT_SECONDS:
        return ()
    peers = _peers_at_best(world, slot)
    if not world.down:
        return peers
    dead = {sled.serial for sled in world.snapshot.sleds if world.is_dead(sled.id)}
    return tuple(evolve(peer, status="Expired") if peer.host in dead else peer for peer in peers)


def _peers_at_best(world: World, slot: SwitchSlot) -> tuple[Peer, ...]:
    if world.populated is not None:
        return world.populated.of(world.snapshot, world.sleds_in_service())
    told = world.snapshot.switches[slot].peers
    return tuple(_wired_peers(world)) if told is None else told


def live_peer_of(world: World, slot: SwitchSlot, sled: Sled) -> Peer | None:
    """Return the live peer of *slot* that is *sled*, None where it has none."""
    for peer in peers_of(world, slot):
        if (
            peer.kind == 0
            and peer.status in LIVE
            and (peer.host == sled.serial or peer.addr == sled.underlay_address)
        ):
            return peer
    return None


def _wired_peers(world: World) -> list[Peer]:
    ports = ((sled, world.wiring.port_of(sled.id)) for sled in world.snapshot.sleds)
    return sorted((peer_of(sled, port) for sled, port in ports if port is not None), key=lambda peer: peer.sort_key)
