"""What a run has to remember, and what it must wait for because of it.

Rules:
    I1  a leave stays owed until a sled-agent has acknowledged it, whatever later blueprints say of it, unless one
        wants that instance to hear that group there again. It is sent before its mapping is cleared or moved.
    I2  an underlay address that one group had is another's only once no daemon leads the former there any more: a
        port that did not leave, or a sender that is still mapped, would reach the other group's members. A daemon
        that did not answer may still lead there, and so may a switch that the blueprint says is missing.
    I3  an external address that goes from one group to another waits for the leaves that are owed under it, since
        subscriptions go by address. The tags on the switches tell: another one of ours stands there, or none does
        and nothing else shows that the group was there before. Ports that shall hear the new group need not leave.
        A mapping that the former group left shows nothing, though it is as the new one's shall be: that is
        remembered until the ports have left, in later runs too. Nor does any where the blueprint says that ports
        have to leave a group that was there before.
    I4  what a blueprint says of a sled that it does not name any more is nothing: its leaves are kept, unasked.

Sources: a packet engine keeps subscriptions by underlay group and translates a leave through the mapping of the
moment; nobody can list them.
This file does not know files, nor how calls are sent.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from uuid import UUID

from attrs import evolve

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, Content, Departure, SledTables, Subscription
from blueprints.observation import Observation
from executor.changes import Change, Kind
from executor.changeset import Difference
from executor.gates import Wait
from executor.journal import Intents, OwedLeave, Retired
from executor.ownership import mappings_seen, ownership
from executor.targets import Daemon, Target

_REBUILDS = (Kind.REBUILD_EXTERNAL, Kind.REBUILD_UNDERLAY)


def with_leaves(blueprint: Blueprint, leaves: Iterable[OwedLeave]) -> Blueprint:
    """Return *blueprint* with the departures that *leaves* add to it (rule I1)."""
    added: defaultdict[UUID, list[Departure]] = defaultdict(list)
    for leave in leaves:
        tables = blueprint.sleds.get(leave.sled_id)
        if tables is not None and leave.departure not in tables.departures and not _is_wanted(tables, leave):
            added[leave.sled_id].append(leave.departure)
    if not added:
        return blueprint
    sleds = {
        sled: evolve(tables, departures=(*tables.departures, *added[sled])) if sled in added else tables
        for sled, tables in blueprint.sleds.items()
    }
    return evolve(blueprint, sleds=sleds)


def _is_wanted(tables: SledTables, leave: OwedLeave) -> bool:
    """Return whether the instance shall hear the group there: sled-agents may know ports by instance alone."""
    return any((row.instance_id, row.group_ip) == (leave.instance_id, leave.group_ip) for row in tables.subscriptions)


def owed_leave(change: Change) -> OwedLeave:
    """Return the leave that *change* sends."""
    return _leave(UUID(change.target.place), change.row)


def _leave(sled: UUID, row: Departure | Subscription) -> OwedLeave:
    return OwedLeave(sled_id=sled, instance_id=row.instance_id, propolis_id=row.propolis_id, group_ip=row.group_ip)


def owed_leaves(content: Content, difference: Difference, earlier: Iterable[OwedLeave]) -> Iterator[OwedLeave]:
    """Yield every leave that is owed before a run begins, on sleds that do not answer too.

    Args:
        content: the blueprint, with what the journal adds to it.
        difference: what is to be done.
        earlier: what the journal held; of it, sleds without a place in the blueprint are kept (rule I4).
    """
    for sled, tables in content.sleds.items():
        yield from (_leave(sled, row) for row in tables.departures)
    yield from (owed_leave(change) for change in difference.asserts if change.kind is Kind.MOVE_LEAVE)
    yield from (leave for leave in earlier if leave.sled_id not in content.sleds)


def retired(
    content: Content, observation: Observation, earlier: Iterable[Retired], waiting: Collection[Address] = ()
) -> tuple[Retired, ...]:
    """Return the underlay addresses that a group had and has no more, and where they may still lead (rule I2).

    Args:
        content: the blueprint.
        observation: what was read last.
        earlier: what was known before; of it, places that were found clean are left out.
        waiting: groups that are new while ports of the one before have not left: that it was there is kept (rule I3).
    """
    ours = ownership(content, [observation])
    wanted = ours.mappings
    standing: defaultdict[tuple[Address, Address], set[str]] = defaultdict(set)
    for target, group, underlay in mappings_seen(observation):
        stale = (group, underlay) not in wanted and ours.owns_mapping(group, underlay)
        if stale and not ours.holds(group, underlay):
            standing[group, underlay].add(str(target))
    silent = set(_silent(content, observation))
    for pair in standing:
        standing[pair] |= silent
    for entry in earlier:
        left = silent.intersection(entry.places)
        if (entry.group, entry.underlay) in wanted:
            left = set(entry.places) if entry.group in waiting else set()
        if left:
            standing[entry.group, entry.underlay] |= left
    return tuple(
        Retired(underlay=underlay, group=group, places=places) for (group, underlay), places in standing.items()
    )


def _silent(content: Content, observation: Observation) -> Iterator[str]:
    """Yield the daemons of the blueprint that did not say where groups lead, and those of missing switches."""
    for slot in (*content.switches, *content.missing_switches):
        switch = observation.switches.get(slot)
        if switch is None or switch.external_groups is None:
            yield str(Target.dpd(slot))
        if switch is None or switch.mrib_routes is None:
            yield str(Target.mgd(slot))
    for sled in content.sleds:
        tables = observation.sleds.get(sled)
        if tables is None or tables.m2p is None:
            yield str(Target.sled(sled))


def unproven(content: Content, observation: Observation, earlier: Iterable[Retired]) -> frozenset[Address]:
    """Return the groups that nothing shows to have been in the rack before this run (rule I3).

    A switch shows it by the tag, a sled by the mapping, unless that is what an earlier group may have left.
    """
    former = {row.multicast_ip for row in content.former_groups}
    left = {(entry.group, entry.underlay) for entry in earlier}
    tags: dict[Address, str] = {group.multicast_ip: group.tag.text for group in content.groups}
    mappings = {(row.multicast_ip, row.underlay_ip) for row in content.groups if row.multicast_ip not in former}
    shown = {
        row.group_ip
        for switch in observation.switches.values()
        for row in switch.external_groups or ()
        if row.tag == tags.get(row.group_ip)
    }
    for target, group, underlay in mappings_seen(observation):
        if target.daemon is Daemon.SLED_AGENT and (group, underlay) in mappings - left:
            shown.add(group)
    return frozenset(tags.keys() - shown)


def occupied(
    content: Content, difference: Difference, intents: Intents, new: Collection[Address]
) -> Mapping[Address, Wait]:
    """Return the groups of the blueprint that must wait for their addresses (rules I2, I3).

    Args:
        content: the blueprint.
        difference: what is to be done.
        intents: what is owed now.
        new: groups that were not there before; see `unproven`.
    """
    planned = {group.multicast_ip for group in content.groups}
    waits = dict(_leads_elsewhere(content, intents.retired))
    # Where a group that stays is still led a mapping for a leave would lead to ports that go on listening.
    crowded = dict(_leads_elsewhere(content, (entry for entry in intents.retired if entry.group in planned)))
    owing: defaultdict[Address, set[str]] = defaultdict(set)
    for leave in intents.leaves:
        tables = content.sleds.get(leave.sled_id)
        if tables is not None and not _is_wanted(tables, leave):
            owing[leave.group_ip].add(str(Target.sled(leave.sled_id)))
    rebuilt = {group for change in difference.changes if change.kind in _REBUILDS for group in change.groups}
    for address in rebuilt.union(new).intersection(owing, planned):
        because, places, other = f"ports of the group before must leave {address}", owing[address], waits.get(address)
        if other is not None:
            because, places = f"{other.what}, and {because}", places | other.places
        waits[address] = Wait(because=because, places=places, leaves=address not in crowded)
    return waits


def _leads_elsewhere(content: Content, entries: Iterable[Retired]) -> Iterator[tuple[Address, Wait]]:
    had: defaultdict[Address, list[Retired]] = defaultdict(list)
    for entry in entries:
        had[entry.underlay].append(entry)
    for group in content.groups:
        for entry in had[group.underlay_ip]:
            if entry.group != group.multicast_ip:
                because = f"{entry.group} still leads to {entry.underlay}"
                yield group.multicast_ip, Wait(because=because, places=entry.places)
