"""Draining: sleds send by another switch while the source filter of a group is rewritten on theirs.

A switch rewrites a filter by deleting all its rows and adding the new ones; in between it drops the group, also
what sleds send through it. So the switch that nobody sends through is rewritten first, then every sled changes
over by one request, then the other switch is rewritten, and the sleds change back.

Rules:
    W1  only sleds that were read are turned; one that is silent keeps its hop.
    W2  a group is turned to a switch only if that one answers, holds the group by then, and has every member port
        that stays; else the rewriting interrupts the group, and needs consent (`Kind.REFILTER_LIVE`).
    W3  while some sleds send by one switch and some by the other, neither is rewritten: the sleds are brought to
        one hop first, and the next run rewrites.
    W4  what enters from outside is interrupted in any order: that is announced (`executor.interruptions`).

Source: the order of dpd's calls to its chip; the packet engine applies all hops of one request at once.
This file does not know how differences are found, nor when they are sent.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from uuid import UUID

from attrs import evolve, field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import Content, FilterMode, ForwardingEntry, MemberPort, Replication
from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation, SeenForwarding, SeenHop, SeenUnderlay, SwitchObservation
from blueprints.snapshot import MemberPorts
from executor.changes import Change, ForwardingPut, Kind
from executor.sled_differences import hop_change, switched_off
from executor.switch_differences import member_ports
from executor.targets import Target

Zones = Mapping[SwitchSlot, Address]
"""Switch to the address that sleds send to."""

MIXED = "waits until all sleds send by one switch"

_HOPS = (Kind.FORWARDING_SET, Kind.HOP_CHANGE)
_UNSETTLED = (Kind.REBUILD_EXTERNAL, Kind.REBUILD_UNDERLAY, Kind.EXTERNAL_RETARGET)


def zones_in(content: Content, known: Zones) -> Zones:
    """Return the addresses of switches: as *content* sends groups there, else as they are *known* otherwise."""
    hops = {
        row.underlay: row.next_hops[0].next_hop
        for table in {id(sled.forwarding): sled.forwarding for sled in content.sleds.values()}.values()
        for row in table
        if len(row.next_hops) == 1
    }
    said = {group.next_hop_switch: hops[group.underlay_ip] for group in content.groups if group.underlay_ip in hops}
    return {**known, **said}


def rewrites_filter(change: Change) -> bool:
    """Return whether *change* makes a switch drop its group for a moment."""
    return change.kind in REFILTERS and change.seen is not None and change.seen.sources != change.row.sources


REFILTERS = frozenset({Kind.EXTERNAL_UPDATE, Kind.REFILTER_DRAINED, Kind.REFILTER_LIVE})


def drained(
    changes: Collection[Change],
    content: Content,
    observation: Observation,
    *,
    known: Zones,
    silent: Collection[Target],
    blocked: Collection[tuple[Address, str]],
) -> list[Change]:
    """Return *changes* with the detours around filters that are rewritten.

    Args:
        changes: what differs.
        content: the blueprint.
        observation: what the rack holds.
        known: addresses of switches that the blueprint may not name.
        silent: targets that could not be read.
        blocked: group and place where nothing is sent, because of what stands there.
    """
    lossy = [change for change in changes if rewrites_filter(change)]
    if not lossy:
        return list(changes)
    unsettled = {(group, c.target.place) for c in changes if c.kind in _UNSETTLED for group in c.groups}
    detours = _Detours(
        content=content,
        observation=observation,
        zones=zones_in(content, known),
        silent=frozenset(silent),
        blocked=frozenset(unsettled.union(blocked)),
    )
    detours.look({change.row.internal_ip for change in lossy})
    by_group: defaultdict[Address, dict[SwitchSlot, Change]] = defaultdict(dict)
    for change in lossy:
        by_group[change.subject][SwitchSlot(change.target.place)] = change
    turned: dict[tuple[Target, Address], list[Change]] = {}
    rewritten = {id(old): new for parts in by_group.values() for old, new in detours.settled(parts, turned)}
    return [
        *(
            rewritten.get(id(change), change)
            for change in changes
            if not (change.kind in _HOPS and (change.target, change.subject) in turned)
        ),
        *(change for parts in turned.values() for change in parts),
    ]


@frozen(kw_only=True)
class _Detours:
    """A blueprint, an observation, and which sleds send what by which switch."""

    content: Content
    observation: Observation
    zones: Zones
    silent: frozenset[Target]
    blocked: frozenset[tuple[Address, str]]
    sending: dict[tuple[Address, Address], list[tuple[UUID, SeenForwarding]]] = field(factory=dict)
    """Underlay group and next hop to the sleds that use it."""

    def look(self, underlays: Collection[Address]) -> None:
        """Note who sends to *underlays*, and by which hops."""
        for sled in self.content.sleds:
            seen = self.observation.sleds.get(sled)
            if seen is None or Target.sled(sled) in self.silent:
                continue
            for entry in seen.forwarding or ():
                if entry.underlay in underlays:
                    for hop in entry.next_hops:
                        if not hop.inert:
                            self.sending.setdefault((entry.underlay, hop.next_hop), []).append((sled, entry))

    def settled(
        self, rewritten: Mapping[SwitchSlot, Change], turned: dict[tuple[Target, Address], list[Change]]
    ) -> Iterator[tuple[Change, Change]]:
        """Yield how the filters of one group are rewritten instead, and add the sleds' part to *turned*."""
        busy = [slot for slot, change in rewritten.items() if self._senders(slot, change)]
        if len(busy) > 1:
            yield from ((change, evolve(change, held=MIXED)) for change in rewritten.values())
            return
        for slot in busy:
            change = rewritten[slot]
            other = next((other for other in self.content.switches if self._can_take(other, slot, change)), None)
            if other is None:
                yield change, evolve(change, kind=Kind.REFILTER_LIVE)
                continue
            yield change, evolve(change, kind=Kind.REFILTER_DRAINED)
            for sled, entry in self._senders(slot, change):
                target = Target.sled(sled)
                turned[target, entry.underlay] = list(self._turned(target, change, entry, slot, other))

    def _senders(self, slot: SwitchSlot, change: Change) -> list[tuple[UUID, SeenForwarding]]:
        zone = self.zones.get(slot)
        return [] if zone is None else self.sending.get((change.row.internal_ip, zone), [])

    def _can_take(self, other: SwitchSlot, slot: SwitchSlot, change: Change) -> bool:
        """Rule W2."""
        if other is slot or other not in self.zones or Target.dpd(other) in self.silent:
            return False
        if (change.subject, other.value) in self.blocked:
            return False
        there, here = self.observation.switches[other], self.observation.switches[slot]
        wanted = [row for row in self.content.switches[other].external_groups if row.group_ip == change.subject]
        stands = any(row.group_ip == change.subject for row in there.external_groups or ())
        if not wanted or (wanted[0].sources == () and not stands):
            return False
        underlay = change.row.internal_ip
        return self._staying(slot, underlay, here) <= self._by_then(other, underlay, there)

    @property
    def _derived(self) -> bool:
        return self.content.policy.member_ports is MemberPorts.DERIVED

    def _staying(self, slot: SwitchSlot, underlay: Address, seen: SwitchObservation) -> set[MemberPort]:
        """Return the ports that get the group now and shall get it."""
        now = _ports(seen.underlay_groups or (), underlay)
        for row in self.content.switches[slot].underlay_groups:
            if row.group_ip == underlay and row.complete and not self._derived:
                return now & set(row.members)
        return now

    def _by_then(self, slot: SwitchSlot, underlay: Address, seen: SwitchObservation) -> set[MemberPort]:
        """Return the ports that a switch gives the group to once it is widened."""
        ports = _ports(seen.underlay_groups or (), underlay)
        for row in self.content.switches[slot].underlay_groups:
            if row.group_ip == underlay and not self._derived:
                ports |= set(row.members)
        return ports

    def _turned(
        self, target: Target, change: Change, entry: SeenForwarding, slot: SwitchSlot, other: SwitchSlot
    ) -> Iterator[Change]:
        """Yield how one sled changes over, and back if that is where it shall send."""
        detour = SeenHop(
            next_hop=self.zones[other],
            replication=Replication.UNDERLAY.value,
            mode=FilterMode.EXCLUDE,
            sources=(),
        )
        left = [hop for hop in entry.next_hops if hop.next_hop == self.zones[slot]]
        put = ForwardingPut(underlay=entry.underlay, next_hops=[detour, *map(switched_off, left)])
        yield Change(
            kind=Kind.DRAIN,
            target=target,
            groups=change.groups,
            subject=entry.underlay,
            row=put,
            seen=entry,
            via=other.value,
        )
        wanted = self._wanted(target, entry.underlay)
        if wanted is not None:
            back = hop_change(target, change.groups, wanted, after(entry, put), via=self._switch_of(entry.underlay))
            yield from () if back is None else (back,)

    def _wanted(self, target: Target, underlay: Address) -> ForwardingEntry | None:
        table = self.content.sleds[UUID(target.place)].forwarding
        return next((row for row in table if row.underlay == underlay), None)

    def _switch_of(self, underlay: Address) -> str:
        return next((g.next_hop_switch.value for g in self.content.groups if g.underlay_ip == underlay), "")


def after(entry: SeenForwarding, put: ForwardingPut) -> SeenForwarding:
    """Return what a sled holds that had *entry* and was told *put*: hops of other addresses stay."""
    hops = {hop.next_hop: hop for hop in (*entry.next_hops, *put.next_hops)}
    return evolve(entry, next_hops=hops.values())


def _ports(rows: Iterable[SeenUnderlay], underlay: Address) -> set[MemberPort]:
    return next((member_ports(row) for row in rows if row.group_ip == underlay), set())
