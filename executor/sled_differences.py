"""What one sled differs in: mappings (M2P), forwarding, and what must be repeated because nobody can read it.

Three things about sleds that the rules below rest on:
    * a sled holds one underlay group per group; setting another overwrites it;
    * a subscription is bound to the underlay group in force when the port joined, so it leaves under that mapping;
      without one a leave has no effect, and is acknowledged all the same;
    * setting next hops adds to those that are there; a hop that includes nobody carries nothing, and one request
      that adds a hop and switches another off is the only change without a gap.

Source: the packet engine's multicast tables, which the sled-agent hands through unchanged.
This file does not know switches, nor what is sent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter

from attrs import evolve, field, frozen

from blueprints.addresses import Address, AddressKey
from blueprints.blueprint import (
    Departure,
    FilterMode,
    ForwardingEntry,
    M2pEntry,
    NextHop,
    SledTables,
    Subscription,
)
from blueprints.observation import SeenForwarding, SeenHop, SeenM2p, SledObservation
from executor.changes import Change, Conflict, Foreign, ForwardingPut, Kind
from executor.changeset import Part
from executor.joined import Made
from executor.ownership import Ownership
from executor.targets import Target

Item = Change | Conflict | Foreign
_BY_SORT_KEY = attrgetter("sort_key")

UNPLACED = "waits until a port behind {switch} is known: by that switch nobody would hear the group"


@frozen(kw_only=True)
class SledView:
    """One sled: what it shall hold, what it holds, and whose that is."""

    target: Target
    tables: SledTables
    seen: SledObservation
    ours: Ownership
    hop_switches: Mapping[Address, str]
    """Underlay group to the switch that the blueprint sends it through."""

    stranded: Callable[[Address, Address], bool]
    """Whether an external group that a sled maps to an underlay group reaches nobody by it, nor anybody him."""

    unplaced: Callable[[Address], bool]
    """Whether nobody knows a port that the switch of an underlay group could give it to."""


@frozen(kw_only=True)
class _Found:
    """What was found in one table."""

    changes: Mapping[Kind, tuple[Change, ...]]
    """Those of a kind in order."""

    others: tuple[Conflict | Foreign, ...]

    @classmethod
    def of(cls, items: Iterable[Item]) -> "_Found":
        """Return *items* by what they are."""
        changes: dict[Kind, list[Change]] = {}
        others: list[Conflict | Foreign] = []
        for item in items:
            if isinstance(item, Change):
                changes.setdefault(item.kind, []).append(item)
            else:
                others.append(item)
        in_order = {kind: tuple(sorted(several, key=_BY_SORT_KEY)) for kind, several in changes.items()}
        return cls(changes=in_order, others=tuple(others))

    def at(self, target: Target) -> Iterator[Part | Conflict | Foreign]:
        """Yield it made out to *target*; changes are not made again, only looked at anew."""
        yield from (Part(kind=kind, target=target, of=changes) for kind, changes in self.changes.items())
        yield from (item.at(target) for item in self.others)


@frozen
class Alike:
    """What was found for tables of earlier sleds: tables that are one object differ alike."""

    _found: dict[tuple[int, int, str], _Found] = field(factory=dict, init=False)

    def of(self, view: SledView, name: str, find: Callable[[SledView], Iterator[Item]]) -> _Found:
        """Return what *find* finds in the table *name*, made out to whichever sled came first."""
        key = (id(getattr(view.tables, name)), id(getattr(view.seen, name)), name)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = _Found.of(find(view))
        return found


def sled_differences(view: SledView, alike: Alike) -> Iterator[Item | Part]:
    """Yield what sets a sled apart, then what it must be told again; both tables must have been read.

    *alike* is that of all sleds of one comparison, which has to keep their tables alive.
    """
    mappings = alike.of(view, "m2p", _mappings)
    yield from mappings.at(view.target)
    yield from alike.of(view, "forwarding", _forwarding).at(view.target)
    moved = {change.subject: change.lossless for change in mappings.changes.get(Kind.M2P_MOVE, ())}
    yield from _for_leaves(view)
    yield from _subscriptions(view, moved)


def _mappings(view: SledView) -> Iterator[Item]:
    # By the keys of addresses, which are looked up and compared without a call of Python.
    mapped: dict[AddressKey, list[SeenM2p]] = {}
    for pair in view.seen.m2p or ():
        mapped.setdefault(pair.group.key, []).append(pair)
    for entry in view.tables.m2p:
        yield _mapping(view, entry, mapped.pop(entry.group.key, ()))
    for pairs in mapped.values():
        for pair in pairs:
            yield _unwanted_mapping(view, pair.group, pair.underlay)


def _mapping(view: SledView, wanted: M2pEntry, pairs: Sequence[SeenM2p]) -> Item:
    if view.ours.holds(wanted.group, wanted.underlay):
        return Conflict(target=view.target, group=wanted.group, because="the group is held")
    mapped = tuple([pair.underlay for pair in pairs])
    others = [underlay for underlay in mapped if underlay.key != wanted.underlay.key]
    for underlay in others:
        if not view.ours.owns_mapping(wanted.group, underlay):
            because = f"a mapping of somebody else leads to {underlay}"
            return Conflict(target=view.target, group=wanted.group, because=because)
    kind = Kind.M2P_MOVE if others else Kind.M2P_ASSERT if mapped else Kind.M2P_SET
    return Change(
        kind=kind,
        target=view.target,
        groups=(wanted.group,),
        subject=wanted.group,
        row=wanted,
        seen=mapped or None,
        lossless=bool(others) and all(view.stranded(wanted.group, underlay) for underlay in others),
    )


def _unwanted_mapping(view: SledView, group: Address, underlay: Address) -> Item:
    what = f"mapping of {group} to {underlay}"
    if view.ours.holds(group, underlay):
        return Foreign(target=view.target, what=what, held=True)
    if not view.ours.owns_mapping(group, underlay):
        return Foreign(target=view.target, what=what)
    row = M2pEntry(group=group, underlay=underlay)  # type: ignore[arg-type]  # read, so any address
    return Change(kind=Kind.M2P_CLEAR, target=view.target, groups=(group,), subject=group, row=row, seen=row)


def _forwarding(view: SledView) -> Iterator[Item]:
    entries = {row.underlay.key: row for row in view.seen.forwarding or ()}
    for wanted in view.tables.forwarding:
        seen = entries.pop(wanted.underlay.key, None)
        if view.ours.holds_any and view.ours.holds(*view.ours.groups_of(wanted.underlay), wanted.underlay):
            continue  # its mapping is reported
        yield from _hops(view, wanted, seen)
    for entry in entries.values():
        yield _unwanted_forwarding(view, entry)


def _hops(view: SledView, wanted: ForwardingEntry, seen: SeenForwarding | None) -> Iterator[Item]:
    if seen is not None and same_hops(wanted, seen):
        return  # before anything else is looked up: so it is nearly always
    groups, via = view.ours.served_by(wanted.underlay), view.hop_switches.get(wanted.underlay, "")
    change = hop_change(view.target, groups, wanted, seen, via=via)
    if change is not None and change.kind is Kind.HOP_CHANGE and view.unplaced(wanted.underlay):
        change = evolve(change, held=UNPLACED.format(switch=via))
    yield from () if change is None else (change,)


def hop_change(
    target: Target, groups: Iterable[Address], wanted: ForwardingEntry, seen: SeenForwarding | None, *, via: str
) -> Change | None:
    """Return what gives a sled the hops of *wanted*, sent by the switch *via*; None where *seen* has them."""
    if seen is not None and same_hops(wanted, seen):
        return None
    hops = [_as_seen(hop) for hop in wanted.next_hops]
    live = [hop for hop in (seen.next_hops if seen else ()) if not hop.inert]
    addresses = {hop.next_hop for hop in hops}
    ended = [switched_off(hop) for hop in live if hop.next_hop not in addresses]
    return Change(
        kind=Kind.HOP_CHANGE if ended else Kind.FORWARDING_SET,
        target=target,
        groups=groups,
        subject=wanted.underlay,
        row=ForwardingPut(underlay=wanted.underlay, next_hops=[*hops, *ended]),
        seen=seen,
        via=via if ended else "",
    )


def same_hops(wanted: ForwardingEntry, seen: SeenForwarding) -> bool:
    """Return whether the hops in use are those of the blueprint; those that are switched off do not count."""
    live = [hop for hop in seen.next_hops if not hop.inert]
    return len(live) == len(wanted.next_hops) and all(map(_same_hop, wanted.next_hops, live))


def _same_hop(wanted: NextHop, seen: SeenHop) -> bool:
    return (
        wanted.next_hop.key == seen.next_hop.key
        and wanted.replication.value == seen.replication
        and wanted.filter.mode is seen.mode
        and wanted.filter.sources == seen.sources
    )


def _as_seen(hop: NextHop) -> SeenHop:
    return SeenHop(
        next_hop=hop.next_hop,
        replication=hop.replication.value,
        mode=hop.filter.mode,
        sources=hop.filter.sources,
    )


def switched_off(hop: SeenHop) -> SeenHop:
    """Return *hop* as it carries nothing."""
    return evolve(hop, mode=FilterMode.INCLUDE, sources=())


def _unwanted_forwarding(view: SledView, seen: SeenForwarding) -> Item:
    groups = view.ours.groups_of(seen.underlay)
    what = f"forwarding of {seen.underlay}"
    if view.ours.holds(*groups, seen.underlay):
        return Foreign(target=view.target, what=what, held=True)
    if seen.underlay not in view.ours.named:
        return Foreign(target=view.target, what=what)
    return Change(
        kind=Kind.FORWARDING_CLEAR,
        target=view.target,
        groups=groups,
        subject=seen.underlay,
        row=seen,
        seen=seen,
    )


def _for_leaves(view: SledView) -> Iterator[Change]:
    """Yield the mappings that ports need to leave and have lost, and their end after that.

    A mapping that is refused its NICs is taken away by the sled-agent, and its forwarding stays. Our own order clears
    the forwarding first, so forwarding without a mapping means that ports may not have left.
    """
    if not view.tables.departures:
        return
    mapped = {pair.group for pair in view.seen.m2p or ()}.union(row.group for row in view.tables.m2p)
    for group in sorted({row.group_ip for row in view.tables.departures} - mapped, key=lambda group: group.key):
        underlay = next((row.underlay for row in view.seen.forwarding or () if _led(view, group, row.underlay)), None)
        if underlay is None:
            continue
        row = M2pEntry(group=group, underlay=underlay)  # type: ignore[arg-type]  # read, so any address
        for kind in (Kind.M2P_SET, Kind.M2P_CLEAR):
            yield Change(kind=kind, target=view.target, groups=(group,), subject=group, row=row)


def _led(view: SledView, group: Address, underlay: Address) -> bool:
    """Return whether *group* led to *underlay*, which no other group has now, as far as anything tells."""
    if view.ours.holds(group, underlay) or view.ours.planned.get(underlay, group) != group:
        return False
    named = view.ours.named.get(underlay)
    return view.ours.owns_mapping(group, underlay) if named is None else group in named


def _subscriptions(view: SledView, moved: Mapping[Address, bool]) -> Iterator[Change | Part]:
    for kind, rows in ((Kind.JOIN, view.tables.subscriptions), (Kind.LEAVE, view.tables.departures)):
        told = Part(kind=kind, target=view.target, of=Made(rows, partial(_membership, kind, view.target)))
        if not moved and not view.ours.holds_any:
            yield told
            continue
        for change in told:
            if view.ours.holds(change.subject):
                continue
            if change.subject in moved:
                leave = _membership(Kind.MOVE_LEAVE, view.target, change.row)
                yield evolve(leave, lossless=moved[change.subject])
            yield change


def _membership(kind: Kind, target: Target, row: Subscription | Departure) -> Change:
    return Change(kind=kind, target=target, groups=(row.group_ip,), subject=row.group_ip, row=row)
