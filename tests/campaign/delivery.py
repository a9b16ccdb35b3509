"""Who hears a group: packets of every source, from outside through each switch and from every instance that runs.

From outside a packet comes only where the switch's mgd has a route that asks for it. This file does not know who
should hear.
"""

from collections.abc import Collection, Iterator, Mapping
from uuid import UUID

from attrs import frozen

from blueprints.addresses import Address
from blueprints.identifiers import FLEET_VNI, SwitchSlot
from simrack.mgd.routes import RouteKey
from simrack.packets import Packet, enter_switch, leave_instance
from simrack.sledagent.filters import mac_of
from simrack.world import World, is_on_its_sled
from tests.campaign.rows import SOURCES


@frozen
class Probe:
    """A packet that is sent again and again."""

    group: Address
    source: Address
    origin: SwitchSlot | UUID
    """A switch that it comes in by, or the instance that sends it."""

    def __str__(self) -> str:
        """Return what a trace shows."""
        origin = self.origin.value if isinstance(self.origin, SwitchSlot) else f"instance {self.origin.int & 0xFF:x}"
        return f"{self.source} -> {self.group} from {origin}"


Ears = Mapping[UUID, int]
"""Propolis to the copies it got."""

Hearing = Mapping[Probe, Ears]
"""Only probes that somebody hears."""


def probes(world: World, group: Address) -> Iterator[Probe]:
    """Yield the packets that could be sent to *group* now."""
    first, second = (Address.parse(text) for text in SOURCES[group.family])
    for slot in world.dpds:
        yield Probe(group, first, slot)
        yield Probe(group, second, slot)
    for row in world.snapshot.instances:
        if row.active_vmm is not None and is_on_its_sled(row.active_vmm):
            yield Probe(group, first if row.id.int & 1 else second, row.id)


def heard(world: World, groups: Collection[Address]) -> dict[Probe, Ears]:
    """Return who hears the packets of *groups*."""
    found = {}
    for group in groups:
        for probe in probes(world, group):
            ears = _sent(world, probe)
            if ears:
                found[probe] = ears
    return found


def _sent(world: World, probe: Probe) -> Ears:
    if isinstance(probe.origin, SwitchSlot):
        mrib = world.mribs[probe.origin]
        if not any(RouteKey(probe.group, source, FLEET_VNI) in mrib.routes for source in (None, probe.source)):
            return {}
        walk = enter_switch(world, probe.origin, Packet(probe.group, probe.source))
    else:
        walk = leave_instance(world, probe.origin, Packet(probe.group, probe.source, probe.origin))
    return {ear.propolis_id: copies for ear, copies in walk.heard.items()}


def groups_at(world: World, addresses: Collection[Address]) -> set[Address]:
    """Return every group whose packets could meet *addresses*, groups or underlay groups, as things stand."""
    macs = {mac_of(address) for address in addresses}
    found = set(addresses)
    for agent in world.agents.values():
        found |= {group for group, underlay in agent.opte.m2p.items() if mac_of(underlay) in macs}
    for dpd in world.dpds.values():
        entries = dpd.chip.entries.items()
        found |= {group for group, entry in entries if mac_of(entry.external.nat.internal_ip) in macs}
    return found


def switches_used(world: World, probe: Probe) -> set[SwitchSlot]:
    """Return the switches that the packet of *probe* may pass first."""
    if isinstance(probe.origin, SwitchSlot):
        return {probe.origin}
    row = world.instance(probe.origin)
    vmm = None if row is None else row.active_vmm
    if vmm is None:
        return set()
    opte = world.agents[vmm.sled_id].opte
    hops = opte.forwarding.get(opte.underlay_of(probe.group) or probe.group, {})
    return {slot for slot, switch in world.snapshot.switches.items() if switch.underlay_address in hops}
