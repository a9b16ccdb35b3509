"""What the tables of switches have room for amid a run: what is held, what is added, and what does not fit yet.

Rules:
    W1  a switch holds what was read there, whoever's it is; what cannot be understood takes as little as it can.
    W2  additions come before removals, so a table needs room for what is held and for all that is added; rows that
        are made anew on the same switch are deleted first.
    W3  only creations wait, of groups that are not made anew there: rows of groups with receivers are rewritten
        whatever happens. Those of groups that the rack knows come first, then those that take least, so that as
        few as can be wait.
    W4  a group that is new to the rack waits as a whole; of another one wait its creations on that switch, and by
        the gates what rests on them.

Sources: the tables, and what a group takes of them, are `blueprints.capacity.LIMITS`; dpd answers 507 to a row too
many.
This file does not know the order of calls beyond rule W2, nor when there is another round.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

from attrs import field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Direction, ExternalEntryRow, UnderlayEntry
from blueprints.capacity import LIMITS, Limit, Occupant
from blueprints.identifiers import PortId
from blueprints.observation import (
    Observation,
    Opaque,
    SeenExternal,
    SeenMember,
    SeenUnderlay,
    SwitchObservation,
)
from executor.actions import WIDENING
from executor.changes import Change, Kind
from executor.changeset import Changes
from executor.gates import CREATIONS, Wait
from executor.targets import Target

Rows = tuple[int, ...]
"""How many rows of each of TABLES."""

TABLES: tuple[Limit, ...] = tuple(limit for limit in LIMITS if not limit.each)
"""What all groups of a switch share."""

_NONE: Rows = (0,) * len(TABLES)
_K = Kind
_REBUILDS = (_K.REBUILD_EXTERNAL, _K.REBUILD_UNDERLAY)

_STANDS: Mapping[Kind, tuple[bool, bool]] = MappingProxyType(
    {
        # whether what was read stood there before, and whether the row stands there after
        _K.REBUILD_EXTERNAL: (True, False),
        _K.REBUILD_UNDERLAY: (True, False),
        _K.UNDERLAY_CREATE: (False, True),
        _K.MEMBERS_ADD: (True, True),
        _K.EXTERNAL_CREATE: (False, True),
        _K.EXTERNAL_UPDATE: (True, True),
        _K.EXTERNAL_RETARGET: (True, True),
        _K.REFILTER_LIVE: (True, True),
        _K.REFILTER_DRAINED: (True, True),
        _K.EXTERNAL_DELETE: (True, False),
        _K.MEMBERS_REMOVE: (True, True),
        _K.UNDERLAY_DELETE: (True, False),
    }
)
"""Every kind that is sent to dpd; what it takes is the difference."""


@frozen(kw_only=True)
class Shortage:
    """What does not fit while everything else is added."""

    places: Mapping[tuple[Address, Target], Wait] = field(factory=dict)
    """Group and switch to why the group is not created there."""

    new: Collection[Address] = ()
    """Groups that are new to the rack."""

    @property
    def whole(self) -> Mapping[Address, Wait]:
        """Groups that wait everywhere, and why; with the numbers of the first switch (rule W4)."""
        found: dict[Address, Wait] = {}
        for (group, _), wait in self.places.items():
            if group in self.new:
                first = found.get(group, wait)
                found[group] = Wait(because=first.because, places={*first.places, *wait.places})
        return found

    @property
    def known(self) -> frozenset[Address]:
        """Groups that wait on some switch and go on elsewhere."""
        return frozenset(group for group, _ in self.places if group not in self.new)


@frozen(kw_only=True)
class Room:
    """What the switches of a rack hold."""

    taken: Mapping[Target, Rows] = field(factory=dict)
    """By the daemon of each switch that was read."""

    new: Collection[Address] = ()
    """Groups that are new to the rack."""

    @classmethod
    def of(cls, seen: Observation, new: Collection[Address]) -> "Room":
        """Return what was *seen* (rule W1)."""
        read = {
            Target.dpd(slot): switch
            for slot, switch in seen.switches.items()
            if switch.underlay_groups is not None and switch.external_groups is not None
        }
        taken = {target: _sum(map(_rows_of, _standing(switch))) for target, switch in read.items()}
        return cls(taken=taken, new=new)

    def after(self, changes: Iterable[Change]) -> "Room":
        """Return what is held once *changes* are in effect."""
        found = dict(self.taken)
        for change in changes:
            if change.kind in _STANDS and change.target in found:
                found[change.target] = _sum((found[change.target], _gain(change)))
        return Room(taken=found, new=self.new)

    def shortage(self, changes: Changes, waiting: Collection[Address] = ()) -> Shortage:
        """Return what of *changes* does not fit before anything is removed (rules W2, W3).

        Groups that are *waiting* for something else are not sent anything.
        """
        widening = changes.of(_STANDS.keys() & WIDENING)
        places: dict[tuple[Address, Target], Wait] = {}
        for target, rows in self.taken.items():
            parts = Changes(part for part in widening.parts if part.target == target)
            sent = [c for c in parts if not c.held and not any(group in waiting for group in c.groups)]
            places |= {(group, target): wait for group, wait in _short(target, rows, sent, self.new)}
        return Shortage(places=places, new=self.new)


def _short(
    target: Target, held: Rows, changes: list[Change], new: Collection[Address]
) -> Iterator[tuple[Address, Wait]]:
    """Yield what does not fit on one switch; *changes* are in the order in which they are sent."""
    anew = {group for change in changes if change.kind in _REBUILDS for group in change.groups}
    wanted: defaultdict[Address, Rows] = defaultdict(lambda: _NONE)
    rewritten = most = _NONE
    for change in changes:
        gain = _gain(change)
        if change.kind in CREATIONS and anew.isdisjoint(change.groups):
            wanted[change.groups[0]] = _sum((wanted[change.groups[0]], gain))
        elif change.kind in CREATIONS or change.kind in _REBUILDS:
            held = _sum((held, gain))
        else:  # comes after all creations, and may give back what others of its kind take
            rewritten = _sum((rewritten, gain))
            most = tuple(map(max, most, rewritten))
    used = _sum((held, most))
    for group in sorted(wanted, key=lambda group: (group in new, sum(wanted[group]), group.key)):
        because = next(_full(used, wanted[group]), None)
        if because is None:
            used = _sum((used, wanted[group]))
        else:
            yield group, Wait(because=because, places=(str(target),))


def _full(used: Rows, wanted: Rows) -> Iterator[str]:
    for table, rows, more in zip(TABLES, used, wanted, strict=True):
        if more and rows + more > table.most:
            free = max(table.most - rows, 0)
            yield f"{table.name}: {more} needed, {free} of {table.most} {table.unit} free"


def _gain(change: Change) -> Rows:
    """Return how many rows *change* takes; fewer than none: it gives them back."""
    stood, stands = _STANDS[change.kind]
    before = _rows_of(change.seen) if stood else _NONE
    now = _rows_of(change.row) if stands else _NONE
    return tuple(one - other for one, other in zip(now, before, strict=True))


def _sum(several: Iterable[Rows]) -> Rows:
    return tuple(map(sum, zip(_NONE, *several, strict=True)))


def _standing(switch: SwitchObservation) -> Iterator[SeenUnderlay | SeenExternal]:
    yield from switch.underlay_groups or ()
    yield from switch.external_groups or ()
    for row in switch.opaque:
        if row.table in _AT_LEAST:
            yield _AT_LEAST[row.table](row)


def _some_underlay(row: Opaque) -> SeenUnderlay:
    member = SeenMember(port_id=PortId("rear", 0), link_id=0, direction=Direction.UNDERLAY)
    return SeenUnderlay(group_ip=row.address, tag=row.tag or "", members=[member])


def _some_external(row: Opaque) -> SeenExternal:
    return SeenExternal(
        group_ip=row.address,
        tag=row.tag or "",
        internal_ip=None,
        inner_mac=None,
        vni=None,
        vlan_id=None,
        sources=None,
    )


_AT_LEAST: Mapping[str, Callable[[Opaque], SeenUnderlay | SeenExternal]] = {
    "underlay_groups": _some_underlay,
    "external_groups": _some_external,
}
"""What stands for an object that cannot be understood, by its table."""


def _rows_of(row: object) -> Rows:
    """Return how many rows an object of a switch takes, wanted or seen: of both the tables ask the same fields."""
    occupant = (
        Occupant(group=row.group_ip, underlay=cast(UnderlayEntry, row))
        if isinstance(row, UnderlayEntry | SeenUnderlay)
        else Occupant(group=cast(ExternalEntryRow, row).group_ip, external=cast(ExternalEntryRow, row))
    )
    return tuple(table.takes(occupant) for table in TABLES)
