"""Healing a group whose chip is not as its daemon says: lead around that switch, delete it there, create it anew.

Rules:
    H1  the group is taken from the switch like any group that leaves one: sleds turn to the other switch first, the
        routes are withdrawn, then the external and the underlay group go, each only if what must come before did. No
        route is withdrawn for a group that could not be deleted after that: nothing would be made anew. So a group
        of a switch that does not say what it holds stays as it is, until a later run.
        What comes from outside by that switch is lost until it is there again; inside nothing is. Where the external
        group stands on the elected switch alone, the other one has it for that time.
    H2  where sleds send by that switch and the other one cannot take over, no order avoids a loss: somebody has to
        accept it.
    H3  a group of which a change of members was refused in an earlier run is healed too, once its list is as wanted:
        nothing else would show that its chip is not (`executor.journal`).
    H4  once in a run, and so many groups at most. A group that was deleted and is refused again is wedged.

Source: dpd restores its list after a change of members that failed half way, and not the chip; from then on it
refuses what the chip has already, and its list proves nothing. Only deleting the group makes both equal again.
This file does not know how anything is sent.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from attrs import evolve, frozen

from blueprints.addresses import Address, UnderlayUnicast
from blueprints.blueprint import Blueprint, ExternalEntryRow, ForwardingEntry, SwitchTables
from blueprints.identifiers import SwitchSlot
from executor.changes import Change, Kind
from executor.debts import Failure
from executor.targets import Daemon

Suspect = tuple[SwitchSlot, Address]
"""A switch, and the external group whose underlay group is in doubt there."""

AWAY = frozenset(
    {Kind.FORWARDING_SET, Kind.HOP_CHANGE, Kind.ROUTE_WITHDRAW, Kind.EXTERNAL_DELETE, Kind.UNDERLAY_DELETE}
)
"""What takes a group away from a switch."""

_DELETIONS = frozenset({Kind.EXTERNAL_DELETE, Kind.UNDERLAY_DELETE})
"""What makes a chip and its daemon equal."""

BACK = frozenset(
    {
        Kind.UNDERLAY_CREATE,
        Kind.EXTERNAL_CREATE,
        Kind.EXTERNAL_UPDATE,
        Kind.FORWARDING_SET,
        Kind.HOP_CHANGE,
        Kind.ROUTE_PUT,
    }
)
"""What brings it back; an external group that could not be deleted is written once more instead."""

_STAND_IN = frozenset({Kind.EXTERNAL_CREATE, Kind.EXTERNAL_DELETE})
"""What gives the other switch an entry for the time, and takes it again."""


def suspects_of(change: Change) -> set[Suspect]:
    """Return the groups that *change* is about, on which switch; none for a change of a sled."""
    if change.target.daemon is Daemon.SLED_AGENT:
        return set()
    return {(SwitchSlot(change.target.place), group) for group in change.groups}


@frozen(kw_only=True)
class Detour:
    """A rack that gets along without some groups on some switches."""

    blueprint: Blueprint
    """The blueprint as it would be then."""

    lossy: frozenset[Suspect]
    """Those that nobody can lead around (rule H2); with consent they go all the same."""

    stand_ins: frozenset[Suspect]
    """Where a group has an entry that the blueprint does not have there."""


def detour(
    blueprint: Blueprint, suspects: Collection[Suspect], zones: Mapping[SwitchSlot, Address], *, allow_loss: bool
) -> Detour:
    """Return how *blueprint* gets along without *suspects*.

    Args:
        blueprint: what the rack shall hold.
        suspects: what is in doubt.
        zones: where sleds reach the switches.
        allow_loss: take those away too that nobody can lead around.
    """
    others = {suspect: _other(blueprint, suspect, suspects, zones) for suspect in suspects}
    sends_by = {(group.next_hop_switch, group.multicast_ip) for group in blueprint.groups}
    lossy = frozenset(each for each, other in others.items() if other is None and each in sends_by)
    gone = [each for each in sorted(suspects, key=_key) if allow_loss or each not in lossy]
    stand_ins = set()
    for slot, group in gone:
        entry = _entry(blueprint, slot, group)
        blueprint = _without(blueprint, slot, group)
        other = others[slot, group]
        if other is None or (slot, group) not in sends_by:
            continue
        if entry is not None and _entry(blueprint, other, group) is None:
            blueprint = _entered(blueprint, other, entry)
            stand_ins.add((other, group))
        blueprint = _turned(blueprint, group, zones[slot], other, _unicast(zones[other]))
    return Detour(blueprint=blueprint, lossy=lossy, stand_ins=frozenset(stand_ins))


def chosen(suspects: Iterable[Suspect], most: int) -> frozenset[Suspect]:
    """Return those of *suspects* that are healed in one run, *most* at once."""
    return frozenset(sorted(suspects, key=_key)[:most])


def tried_in_vain(failure: Failure, suspects: Collection[Suspect]) -> Failure:
    """Return *failure*, which no run mends if it is about making one of *suspects* anew (rule H4)."""
    making = failure.change.kind in (Kind.UNDERLAY_CREATE, Kind.EXTERNAL_CREATE) and not failure.held
    if not making or not suspects_of(failure.change) & set(suspects):
        return failure
    return evolve(failure, wedged=True, because=f"deleted, and could not be created anew: {failure.because}")


def _key(suspect: Suspect) -> tuple[str, object]:
    return (suspect[0].value, suspect[1].key)


def _other(
    blueprint: Blueprint, suspect: Suspect, suspects: Collection[Suspect], zones: Mapping[SwitchSlot, Address]
) -> SwitchSlot | None:
    """Return another switch that can take over."""
    slot, group = suspect
    if slot not in zones:
        return None
    return next((o for o in blueprint.switches if o is not slot and o in zones and (o, group) not in suspects), None)


def _unicast(zone: Address) -> UnderlayUnicast:
    return UnderlayUnicast.parse(zone.text)


def _without(blueprint: Blueprint, slot: SwitchSlot, group: Address) -> Blueprint:
    tables = blueprint.switches[slot]
    underlays = _underlays(blueprint, group)
    less = SwitchTables(
        generation=tables.generation,
        underlay_groups=[row for row in tables.underlay_groups if row.group_ip not in underlays],
        external_groups=[row for row in tables.external_groups if row.group_ip != group],
        mrib_routes=[row for row in tables.mrib_routes if row.group != group],
    )
    return evolve(blueprint, switches={**blueprint.switches, slot: less})


def _entry(blueprint: Blueprint, slot: SwitchSlot, group: Address) -> ExternalEntryRow | None:
    return next((row for row in blueprint.switches[slot].external_groups if row.group_ip == group), None)


def _entered(blueprint: Blueprint, slot: SwitchSlot, entry: ExternalEntryRow) -> Blueprint:
    tables = blueprint.switches[slot]
    more = sorted((*tables.external_groups, entry), key=lambda row: row.group_ip.key)
    return evolve(blueprint, switches={**blueprint.switches, slot: evolve(tables, external_groups=more)})


def _underlays(blueprint: Blueprint, group: Address) -> set[Address]:
    return {row.underlay_ip for row in blueprint.groups if row.multicast_ip == group}


def _turned(
    blueprint: Blueprint, group: Address, left: Address, other: SwitchSlot, taken: UnderlayUnicast
) -> Blueprint:
    """Return *blueprint* with what sleds send to *group* by the hop *left* sent by the *other* switch."""
    underlays = _underlays(blueprint, group)

    def turned(entries: Iterable[ForwardingEntry]) -> tuple[ForwardingEntry, ...]:
        return tuple(
            evolve(row, next_hops=[evolve(h, next_hop=taken) if h.next_hop == left else h for h in row.next_hops])
            if row.underlay in underlays
            else row
            for row in entries
        )

    shared = {id(sled.forwarding): turned(sled.forwarding) for sled in blueprint.sleds.values()}
    sleds = {sled: evolve(its, forwarding=shared[id(its.forwarding)]) for sled, its in blueprint.sleds.items()}
    groups = [evolve(g, next_hop_switch=other) if g.multicast_ip == group else g for g in blueprint.groups]
    return evolve(blueprint, sleds=sleds, groups=groups)


def concerned(
    changes: Iterable[Change],
    suspects: Collection[Suspect],
    kinds: Collection[Kind],
    stand_ins: Collection[Suspect],
) -> list[Change]:
    """Return what of *changes* is a step of healing *suspects*.

    That is what is of these *kinds*, on their switches or on sleds, and the entries of *stand_ins*.
    """
    groups = {group for _, group in suspects}

    def is_step(change: Change) -> bool:
        there = suspects_of(change)
        if change.kind in _STAND_IN and not there.isdisjoint(stand_ins):
            return True
        here = change.target.daemon is Daemon.SLED_AGENT or not there.isdisjoint(suspects)
        return change.kind in kinds and here and not groups.isdisjoint(change.groups)

    return [change for change in changes if is_step(change)]


def to_some_end(changes: Iterable[Change], stays: Callable[[Change], bool]) -> list[Change]:
    """Return *changes* without the withdrawal of routes to groups that are not deleted there (rule H1).

    A deletion *stays* undone, or is not among *changes* at all: what a switch holds that cannot be read is unknown.
    """
    several = list(changes)
    deletions = [(suspects_of(change), stays(change)) for change in several if change.kind in _DELETIONS]
    kept = {each for suspects, undone in deletions if undone for each in suspects}
    going = {each for suspects, _ in deletions for each in suspects} - kept
    return [c for c in several if c.kind is not Kind.ROUTE_WITHDRAW or suspects_of(c) <= going]
