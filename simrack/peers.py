"""The DDM peers of a switch: those of the snapshot; where it has none for a switch, they follow from the cables.

This file does not know HTTP.
"""

from ipaddress import IPv6Address

from blueprints.addresses import Address
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Peer, Sled
from simrack.wiring import LINK, LIVE
from simrack.world import World


def peers_of(world: World, slot: SwitchSlot) -> tuple[Peer, ...]:
    """Return the peers that *slot* reports."""
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


def link_local(number: int) -> IPv6Address:
    """Return a made-up address of the machine that is told by *number*."""
    return IPv6Address(f"fe80::aa40:25ff:fe00:{number + 1:x}")


def _wired_peers(world: World) -> list[Peer]:
    peers = []
    for sled in world.snapshot.sleds:
        port = world.wiring.port_of(sled.id)
        if port is not None:
            name, addr = f"tfport{port}_{LINK}", Address(link_local(port.number))
            peers.append(Peer(if_name=name, addr=addr, host=sled.serial, kind=0, status="Exchange"))
    return sorted(peers, key=lambda peer: peer.sort_key)
