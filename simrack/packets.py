"""Walks one packet through what is programmed, and through nothing else.

Rules:
    P1  A switch drops packets of a group without an entry, packets from sources that the entry does not admit,
        and packets whose replication group is gone. This holds for encapsulated packets between sleds too.
    P2  A switch sends one copy to each member port but the one that the packet came in by.
    P3  A sled hears a copy only if the NIC towards that switch lets the underlay group in; then every port
        subscribed to the underlay group whose filter admits the source gets one.
    P4  A sender's packet engine translates by M2P, or as its flow was translated before, gives a copy to each such
        port of its own sled, and one to every next hop whose filter admits the source, or to one of them. Nobody
        hears itself.

Source: dendrite, sidecar.p4; opte, xde. This file does not know what should be programmed.
"""

from uuid import UUID

from attrs import define, field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Direction, Replication
from blueprints.identifiers import PortId, SwitchSlot
from simrack.dpd.model import Port
from simrack.sledagent.opte import Hop
from simrack.wiring import nic_towards
from simrack.world import World, is_on_its_sled


@frozen(order=True)
class Ear:
    """A port that heard a packet."""

    instance_id: UUID
    propolis_id: UUID
    sled_id: UUID


@define
class Walk:
    """What became of one packet."""

    heard: dict[Ear, int] = field(factory=dict)
    """Copies that each port got."""

    path: list[str] = field(factory=list)
    """What happened, step by step, drops with their reason."""


@frozen
class Packet:
    """What is sent: a group, a source, and the instance that sends it (None from outside)."""

    group: Address
    source: Address
    sender: UUID | None = None
    steady: bool = False
    """Whether it is one of a flow that the sender's packet engine remembers; else the first of a new one."""


def enter_switch(world: World, slot: SwitchSlot, packet: Packet) -> Walk:
    """Walk *packet* from an uplink of *slot*."""
    walk = Walk(path=[f"{slot}: {packet.group} from {packet.source} enters by an uplink"])
    _replicate(world, slot, packet, walk, ingress=None)
    return walk


def leave_instance(world: World, instance_id: UUID, packet: Packet) -> Walk:
    """Walk *packet* from the active VMM of *instance_id*."""
    walk = Walk()
    instance = world.instance(instance_id)
    vmm = None if instance is None else instance.active_vmm
    if vmm is None or not is_on_its_sled(vmm) or vmm.sled_id not in world.agents:
        walk.path.append(f"instance {instance_id}: nothing runs that could send")
        return walk
    sled_id, opte = vmm.sled_id, world.agents[vmm.sled_id].opte
    place = f"sled {sled_id}"
    if world.is_dead(sled_id):
        walk.path.append(f"{place}: nothing is sent, the sled is down")
        return walk
    walk.path.append(f"{place}: {packet.group} from {packet.source} sent by instance {instance_id}")
    if packet.steady:
        underlay = opte.translate(vmm.id, packet.source, packet.group, world.clock.now)
    else:
        underlay = opte.underlay_of(packet.group)
    if underlay is None:
        walk.path.append(f"{place}: dropped, no M2P mapping of {packet.group}")
        return walk
    _hear(world, sled_id, underlay, packet, walk)
    hops = opte.hops_for(underlay, packet.source, packet.group)
    if not hops:
        walk.path.append(f"{place}: not sent on, no next hop of {underlay}")
    for hop in hops:
        _forward(world, sled_id, hop, underlay, packet, walk)
    return walk


def _forward(world: World, sled_id: UUID, hop: Hop, underlay: Address, packet: Packet, walk: Walk) -> None:
    place = f"sled {sled_id}"
    if not hop.filter.admits(packet.source):
        walk.path.append(f"{place}: nothing to {hop.next_hop}, its filter does not admit {packet.source}")
        return
    if hop.replication is Replication.EXTERNAL:
        walk.path.append(f"{place}: nothing to {hop.next_hop} inside the rack, its replication is external")
        return
    switches = world.snapshot.switches
    slot = next((slot for slot, row in switches.items() if row.underlay_address == hop.next_hop), None)
    if slot is None:
        walk.path.append(f"{place}: lost, no switch has the address {hop.next_hop}")
        return
    port = world.wiring.port_of(sled_id)
    nics = world.agents[sled_id].filters.nics
    if port is None or not nics:
        walk.path.append(f"{place}: lost, it is not wired to {slot}")
        return
    walk.path.append(f"{place}: to {slot} as {underlay}, arriving at {port}")
    _replicate(world, slot, packet, walk, ingress=port, underlay=underlay)


def _replicate(
    world: World,
    slot: SwitchSlot,
    packet: Packet,
    walk: Walk,
    *,
    ingress: PortId | None,
    underlay: Address | None = None,
) -> None:
    """Rules P1 and P2; *underlay* is None for a packet that the switch has yet to translate."""
    if world.is_dead(slot):
        walk.path.append(f"{slot}: lost, the switch is down")
        return
    chip = world.dpds[slot].chip
    entry = chip.entries.get(packet.group)
    if entry is None:
        walk.path.append(f"{slot}: dropped, no entry of {packet.group}")
        return
    if not entry.admits(packet.source):
        walk.path.append(f"{slot}: dropped, the entry of {packet.group} does not admit {packet.source}")
        return
    if underlay is None and not entry.translated:
        walk.path.append(f"{slot}: dropped, {packet.group} is not translated")
        return
    if underlay is None:
        underlay, ports = entry.external.nat.internal_ip, chip.ports_of(entry)
    else:
        replication = chip.replication.get(underlay)
        ports = None if replication is None else replication.ports
    if ports is None:
        walk.path.append(f"{slot}: dropped, no replication group of {underlay}")
        return
    walk.path.append(f"{slot}: {packet.group} is {underlay}, {len(ports)} member ports")
    for port in sorted(ports):
        if port.port_id != ingress:
            _deliver(world, slot, port, underlay, packet, walk)


def _deliver(world: World, slot: SwitchSlot, port: Port, underlay: Address, packet: Packet, walk: Walk) -> None:
    where = f"{slot} {port.port_id}"
    if port.direction is Direction.EXTERNAL:
        walk.path.append(f"{where}: leaves the rack")
        return
    sled_id = world.wiring.sled_behind(port.port_id)
    if sled_id is None:
        walk.path.append(f"{where}: lost, nothing is plugged in")
        return
    if world.is_dead(sled_id):
        walk.path.append(f"{where}: lost, sled {sled_id} is down")
        return
    filters = world.agents[sled_id].filters
    nic = nic_towards(filters.nics, slot)
    if nic is None or not filters.admits(nic, underlay):
        walk.path.append(f"{where}: sled {sled_id} {nic}: dropped, the NIC does not let {underlay} in")
        return
    walk.path.append(f"{where}: sled {sled_id} {nic}: lets {underlay} in")
    _hear(world, sled_id, underlay, packet, walk)


def _hear(world: World, sled_id: UUID, underlay: Address, packet: Packet, walk: Walk) -> None:
    """Rules P3 and P4: a copy for each subscribed port of the sled."""
    agent = world.agents[sled_id]
    for propolis_id in sorted(agent.opte.subscriptions):
        subscription = agent.opte.subscriptions[propolis_id].get(underlay)
        if subscription is None:
            continue
        instance_id = agent.vmms[propolis_id].instance_id
        name = f"sled {sled_id}: instance {instance_id}"
        if instance_id == packet.sender:
            continue
        if not subscription.filter.admits(packet.source):
            walk.path.append(f"{name} does not hear {packet.source}")
            continue
        ear = Ear(instance_id, propolis_id, sled_id)
        walk.heard[ear] = walk.heard.get(ear, 0) + 1
        walk.path.append(f"{name} hears it")
