"""Who may hear whom by one plan and its snapshot: read from the rows by the oracle, not from the plan's tables.

This file does not know what a rack holds.
"""

from collections.abc import Mapping
from uuid import UUID

from attrs import field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Snapshot
from simrack.world import World
from tests.campaign.delivery import Probe
from tests.oracle.receivers import Hearing, hearings, serving_sleds


@frozen(kw_only=True)
class Epoch:
    """One plan: what it promises to whom."""

    members: Mapping[Address, Mapping[UUID, Hearing]] = field(factory=dict)
    """Group to its receivers by propolis."""

    ids: Mapping[Address, UUID] = field(factory=dict)
    """Group to its row, whether or not anybody hears it: an address may go to another one."""

    entries: frozenset[tuple[SwitchSlot, Address]] = frozenset()
    """Where packets from outside come in."""

    sleds: frozenset[UUID] = frozenset()
    """Whose instances take part."""

    switches: frozenset[SwitchSlot] = frozenset()
    """Those that the plan names."""

    def admits(self, probe: Probe, propolis: UUID) -> bool:
        """Return whether a port shall hear a packet."""
        row = self.members.get(probe.group, {}).get(propolis)
        return row is not None and (not row.sources or probe.source.text in row.sources)

    def lets_in(self, world: World, probe: Probe) -> bool:
        """Return whether a packet has a way in by the plan."""
        if isinstance(probe.origin, SwitchSlot):
            return (probe.origin, probe.group) in self.entries
        row = world.instance(probe.origin)
        return row is not None and row.active_vmm is not None and row.active_vmm.sled_id in self.sleds


def epoch_of(seen: Snapshot, blueprint: Blueprint) -> Epoch:
    """Return what *blueprint*, made from *seen*, promises."""
    members: dict[Address, dict[UUID, Hearing]] = {}
    # A group that nobody hears any more is in no row of a hearing, and is still the one that its ports have to leave.
    ids = {Address.parse(group.multicast_ip.text): group.id for group in blueprint.groups}
    for row in hearings(seen, {held.id for held in blueprint.held}):
        group = Address.parse(row.group_ip)
        members.setdefault(group, {})[row.propolis_id] = row
        ids[group] = row.group_id
    return Epoch(
        members=members,
        ids=ids,
        entries=frozenset(
            (slot, Address.parse(row.group_ip.text))
            for slot, tables in blueprint.switches.items()
            for row in tables.external_groups
            if row.sources != ()
        ),
        sleds=frozenset(serving_sleds(seen)),
        switches=frozenset(blueprint.switches),
    )


def stays(before: Epoch, after: Epoch, world: World, probe: Probe, propolis: UUID) -> bool:
    """Return whether a port is promised the packets of *probe* by both plans, in the same group and place."""
    rows = [epoch.members.get(probe.group, {}).get(propolis) for epoch in (before, after)]
    if None in rows or len({(row.group_id, row.sled_id) for row in rows if row is not None}) > 1:
        return False
    return all(epoch.admits(probe, propolis) and epoch.lets_in(world, probe) for epoch in (before, after))
