"""What must be true at rest: everybody hears what rows promise and nothing else, and nothing is left behind.

This file does not know how the rack came there.
"""

from collections.abc import Collection, Iterator
from uuid import UUID

from attrs import evolve

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.identifiers import SwitchSlot
from executor.journal import Intents, Retired
from simrack.world import World
from tests.campaign.delivery import Ears, Probe, probes
from tests.campaign.epoch import Epoch
from tests.campaign.witness import Picture


def delivery_wrong(
    world: World, plan: Epoch, blueprint: Blueprint, picture: Picture, groups: Collection[Address]
) -> Iterator[str]:
    """Yield every packet of *groups* that does not reach exactly its receivers.

    Where a port is not known somebody may hear nothing, but still nobody hears what is not his.
    """
    whole = all(entry.complete for tables in blueprint.switches.values() for entry in tables.underlay_groups)
    for group in groups:
        for probe in probes(world, group):
            if isinstance(probe.origin, SwitchSlot) and probe.origin not in blueprint.switches:
                continue
            got = picture.get(probe, {})
            wanted = _receivers(world, plan, probe)
            if got == wanted or (not whole and got.items() <= wanted.items()):
                continue
            yield f"{probe} is heard by {_ports(got)} and should be by {_ports(wanted)}"


def _receivers(world: World, plan: Epoch, probe: Probe) -> Ears:
    if not plan.lets_in(world, probe):
        return {}
    rows = plan.members.get(probe.group, {})
    return {
        propolis: 1
        for propolis, row in rows.items()
        if row.instance_id != probe.origin and plan.admits(probe, propolis)
    }


def _ports(ears: Ears) -> str:
    return ", ".join(f"{propolis.int & 0xFF:x} x{copies}" for propolis, copies in sorted(ears.items())) or "nobody"


def left_behind(world: World, blueprint: Blueprint, blocked: Collection[Address], kept: Intents) -> Iterator[str]:
    """Yield subscriptions that the plan does not have, or not so, and what the journal still holds.

    A group without members keeps the entry that stands, be it an earlier group's: the journal goes on naming it. So
    it does with what a missing switch may hold, and with the ports of a group that waits for one.
    """
    underlays = {row.multicast_ip: row.underlay_ip for row in blueprint.groups}
    for sled, tables in blueprint.sleds.items():
        wanted = {
            (row.propolis_id, underlays[row.group_ip]): frozenset(row.sources)
            for row in tables.subscriptions
            if row.group_ip not in blocked
        }
        found = {
            (propolis, underlay): each.filter.sources
            for propolis, its in world.agents[sled].opte.subscriptions.items()
            for underlay, each in its.items()
            if each.group not in blocked
        }
        if found != wanted:
            yield f"sled {_short(sled)}: subscribed {found}, wanted {wanted}"
    kept_rows = {
        row.group_ip for its in blueprint.switches.values() for row in its.external_groups if row.sources == ()
    }
    exempt = kept_rows | set(blocked)
    kept = evolve(
        kept,
        leaves=[row for row in kept.leaves if row.group_ip not in awaiting_in(blueprint, kept, blocked)],
        retired=[row for row in kept.retired if row.group not in exempt and not _at_missing(blueprint, row)],
        doubted=[row for row in kept.doubted if row.group not in exempt and row.switch in blueprint.switches],
    )
    if kept != Intents():
        yield f"the journal holds {kept}"


def _at_missing(blueprint: Blueprint, row: Retired) -> bool:
    """Return whether only switches that the plan misses may still lead a group to its address of before."""
    return {place.partition(" ")[0] for place in row.places} <= {slot.value for slot in blueprint.missing_switches}


def awaiting_in(blueprint: Blueprint, kept: Intents, blocked: Collection[Address]) -> frozenset[Address]:
    """Return the groups to whose underlay address a missing switch may still lead another one: they have to wait.

    So has a group whose underlay address is still that of a group which waits, or which is *blocked* by a stranger's.
    """
    waiting: frozenset[Address] = frozenset()
    while True:
        stuck = waiting.union(blocked)
        had = {(row.underlay, row.group) for row in kept.retired if row.group in stuck or _at_missing(blueprint, row)}
        found = frozenset(
            group.multicast_ip
            for group in blueprint.groups
            for underlay, former in had
            if underlay == group.underlay_ip and former != group.multicast_ip
        )
        if found == waiting:
            return found
        waiting = found


def unplaced_in(blueprint: Blueprint) -> frozenset[Address]:
    """Return the groups of which no port is known on the switch that replicates them, though somebody may hear."""
    bare = {
        (slot, entry.group_ip)
        for slot, tables in blueprint.switches.items()
        for entry in tables.underlay_groups
        if not entry.complete and not entry.members
    }
    return frozenset(row.multicast_ip for row in blueprint.groups if (row.next_hop_switch, row.underlay_ip) in bare)


def _short(sled: UUID) -> str:
    return f"{sled.int & 0xFF}"
