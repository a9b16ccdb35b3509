"""Capacity: what one switch has room for, and where a blueprint asks for more.

`LIMITS` is the one table; planner, executor and documentation read it. A held group still has on the switch what
it had, so it counts. What other owners have there is not known here: a blueprint that fits may still meet a full
table. There is no row for group ids, of which every underlay group takes two: 65,435 outlast every other limit.

This file does not know who asks, nor what follows.
"""

from collections.abc import Callable, Iterable, Iterator

from attrs import evolve, field, frozen

from blueprints.addresses import Address, is_source_specific
from blueprints.blueprint import Content, ExternalEntryRow, MemberPort, PlannedGroup, SwitchTables, UnderlayEntry
from blueprints.identifiers import MulticastMac, PortId, SwitchSlot
from blueprints.snapshot import ExternalEntry, Policy

TABLE_ROWS = 1024
"""Of each multicast table of a switch (dendrite, dpd/p4/constants.p4)."""

BITMAP_PORTS = 256
"""Ports that the decapsulation bitmap of one underlay group can name (dendrite, dpd/p4/sidecar.p4)."""

BODY_BYTES = 10_240
"""Of one request that dpd reads; a longer one is refused with 400 (dendrite, dpd/src/api_server.rs)."""


@frozen(kw_only=True)
class Occupant:
    """A group with what it has on one switch."""

    group: Address
    """Its external address; the underlay one where no group of the blueprint lives there."""

    underlay: UnderlayEntry | None = None
    external: ExternalEntryRow | None = None
    held: bool = False
    """Nothing is sent for it."""


@frozen(kw_only=True)
class Limit:
    """One limit of one switch."""

    name: str
    most: int
    unit: str
    takes: Callable[[Occupant], int] = field(repr=False)
    """How much of it a group takes."""

    counted: str
    """The same in words."""

    each: bool = False
    """True: of every group by itself. False: of all groups together."""

    bound: Callable[[Occupant], int] | None = field(default=None, repr=False)
    """No less than a group takes, and quicker to know: asked first for limits of every group by itself."""

    source: str


@frozen(kw_only=True)
class Excess:
    """A limit that a blueprint exceeds on one switch."""

    limit: Limit
    slot: SwitchSlot
    used: int
    group: Address | None = None
    """Whose it is, for a limit of every group by itself."""

    largest: tuple[tuple[Address, int], ...] = ()
    """The groups that take the most, with how much; for a limit of all groups together."""

    takers: int = 1
    """How many groups take something."""

    @property
    def subject(self) -> str:
        """The switch, and the group if it is one group's."""
        return self.slot.value if self.group is None else f"{self.slot} group {self.group}"

    @property
    def message(self) -> str:
        """Say which limit, by how much, and who takes the most."""
        limit = self.limit
        said = f"{limit.name}: {self.used} of {limit.most} {limit.unit}, {self.used - limit.most} too many"
        if self.group is not None:
            return said
        most = ", ".join(f"{group} ({share})" for group, share in self.largest)
        return f"{said}; {self.takers} groups, most for {most}"


def _external(family: int, rows: Callable[[ExternalEntryRow], int]) -> Callable[[Occupant], int]:
    def takes(occupant: Occupant) -> int:
        row = occupant.external
        return rows(row) if row is not None and row.group_ip.family == family else 0

    return takes


def _one(_: ExternalEntryRow) -> int:
    return 1


def _filter_rows(row: ExternalEntryRow) -> int:
    return max(1, len(row.sources or ()))


def _v6_routes(occupant: Occupant) -> int:
    return _underlay(occupant) + _external(6, _one)(occupant)


def _underlay(occupant: Occupant) -> int:
    return int(occupant.underlay is not None)


def _ports(occupant: Occupant) -> int:
    return len(occupant.underlay.members) if occupant.underlay is not None else 0


def _replicated(occupant: Occupant) -> int:
    return int(_ports(occupant) > 0)


_CREATE = (
    '{"group_ip":"%s","tag":"%s","internal_forwarding":{"nat_target":{"internal_ip":"%s",'
    '"inner_mac":{"a":[%s]},"vni":%s}},"external_forwarding":{"vlan_id":%s},"sources":[%s]}'
)


def external_request(row: ExternalEntryRow) -> str:
    """Return the request that creates *row*, which is the longest one about it, as dpd reads it."""
    exact = (f'{{"Exact":"{source}"}}' for source in row.sources or ())
    sources = ",".join(exact) or '"Any"'
    octets = ",".join(map(str, row.inner_mac.octets))
    vlan = "null" if row.vlan_id is None else row.vlan_id
    return _CREATE % (row.group_ip, row.tag, row.internal_ip, octets, row.vni, vlan, sources)


_CREATE_UNDERLAY = '{"group_ip":"%s","members":[%s],"tag":"%s"}'
_MEMBER = '{"port_id":"%s","link_id":%s,"direction":"%s"}'


def underlay_request(row: UnderlayEntry) -> str:
    """Return the request that creates *row* with its members, which is the longest one about it, as dpd reads it."""
    members = ",".join(_MEMBER % (member.port_id, member.link_id, member.direction) for member in row.members)
    return _CREATE_UNDERLAY % (row.group_ip, members, row.tag)


def _external_bytes(occupant: Occupant) -> int:
    row = occupant.external
    silent = row is None or occupant.held or row.sources == ()  # nothing is ever sent for these
    return 0 if row is None or silent else len(external_request(row))


def _underlay_bytes(occupant: Occupant) -> int:
    return 0 if occupant.underlay is None else len(underlay_request(occupant.underlay))


_FRAME = 512
"""More bytes than a request has around its lists, but for the tag."""

_LONGEST_SOURCE = len('{"Exact":"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"},')
_LONGEST_MEMBER = len(_MEMBER % ("qsfp31", 2**64, "Underlay")) + 1


def _external_bound(occupant: Occupant) -> int:
    row = occupant.external
    return 0 if row is None else _FRAME + len(row.tag.text) + _LONGEST_SOURCE * len(row.sources or ())


def _underlay_bound(occupant: Occupant) -> int:
    row = occupant.underlay
    return 0 if row is None else _FRAME + len(row.tag.text) + _LONGEST_MEMBER * len(row.members)


_P4 = "dendrite, dpd/p4/constants.p4 and sidecar.p4"
_API = "dendrite, dpd/src/api_server.rs"


def _rows(name: str, counted: str, takes: Callable[[Occupant], int]) -> Limit:
    return Limit(name=name, most=TABLE_ROWS, unit="rows", takes=takes, counted=counted, source=_P4)


LIMITS: tuple[Limit, ...] = (
    _rows("IPv4 routes", "one per external IPv4 group", _external(4, _one)),
    _rows("IPv6 routes", "one per underlay group, one per external IPv6 group", _v6_routes),
    _rows("IPv4 translation", "one per external IPv4 group", _external(4, _one)),
    _rows("IPv6 translation", "one per external IPv6 group", _external(6, _one)),
    _rows("IPv4 source filter", "one per source, at least one per external IPv4 group", _external(4, _filter_rows)),
    _rows("IPv6 source filter", "one per source, at least one per external IPv6 group", _external(6, _filter_rows)),
    _rows("replication", "one per underlay group with members", _replicated),
    _rows("decapsulation bitmaps", "one per underlay group", _underlay),
    Limit(
        name="member ports",
        most=BITMAP_PORTS,
        unit="ports",
        takes=_ports,
        counted="members of an underlay group",
        each=True,
        source=_P4,
    ),
    Limit(
        name="request for the external group",
        most=BODY_BYTES,
        unit="bytes",
        takes=_external_bytes,
        counted="the body that creates it, sources included",
        each=True,
        bound=_external_bound,
        source=_API,
    ),
    Limit(
        name="request for the underlay group",
        most=BODY_BYTES,
        unit="bytes",
        takes=_underlay_bytes,
        counted="the body that creates it, members included",
        each=True,
        bound=_underlay_bound,
        source=_API,
    ),
)


def excesses(content: Content, limits: Iterable[Limit] = LIMITS) -> tuple[Excess, ...]:
    """Return every one of *limits* that *content* exceeds, by switch, then in their order, then by group."""
    found: list[Excess] = []
    weighed: list[tuple[SwitchTables, tuple[Occupant, ...], list[Excess]]] = []
    for slot, tables in content.switches.items():
        kept = tuple(_kept(content, slot))
        alike = (its for other, held, its in weighed if _shares_rows(tables, other) and held == kept)
        before = next(alike, None)
        if before is None:
            occupants = (*_planned(content, tables), *kept)
            before = [excess for limit in limits for excess in _excesses(limit, slot, occupants)]
            weighed.append((tables, kept, before))
        found += [evolve(excess, slot=slot) for excess in before]
    return tuple(found)


def _shares_rows(tables: SwitchTables, other: SwitchTables) -> bool:
    """Return whether both have the very same rows, as switches that are wired alike do."""
    return tables.underlay_groups is other.underlay_groups and tables.external_groups is other.external_groups


def _excesses(limit: Limit, slot: SwitchSlot, occupants: tuple[Occupant, ...]) -> Iterator[Excess]:
    if limit.each and limit.bound is not None:
        occupants = tuple([occupant for occupant in occupants if limit.bound(occupant) > limit.most])
    taken = list(map(limit.takes, occupants))
    used = max(taken, default=0) if limit.each else sum(taken)
    if used <= limit.most:
        return
    shares = [(occupant.group, share) for occupant, share in zip(occupants, taken, strict=True) if share]
    if limit.each:
        over = sorted((group.key, group, share) for group, share in shares if share > limit.most)
        yield from (Excess(limit=limit, slot=slot, used=share, group=group) for _, group, share in over)
        return
    largest = sorted(shares, key=lambda pair: (-pair[1], pair[0].key))[:5]
    yield Excess(limit=limit, slot=slot, used=used, largest=tuple(largest), takers=len(shares))


def _planned(content: Content, tables: SwitchTables) -> Iterable[Occupant]:
    """Yield what the tables hold; rows that name the same underlay group are one group's."""
    homes = {group.underlay_ip: group.multicast_ip for group in content.groups}
    externals = {row.internal_ip: row for row in tables.external_groups}
    for row in tables.underlay_groups:
        external = externals.get(row.group_ip)
        address = external.group_ip if external is not None else homes.get(row.group_ip, row.group_ip)
        yield Occupant(group=address, underlay=row, external=external)
    housed = {row.group_ip for row in tables.underlay_groups}
    yield from (
        Occupant(group=row.group_ip, external=row)
        for row in tables.external_groups
        if row.internal_ip not in housed or externals[row.internal_ip] is not row
    )


def _kept(content: Content, slot: SwitchSlot) -> Iterable[Occupant]:
    """Yield what held groups had when they were last planned."""
    for held in content.held:
        if held.planned is not None:
            yield _as_it_was(held.planned, content.policy, slot)


_SOMEWHERE = MemberPort(port_id=PortId("rear", 0))
"""Stands for the members of a held group, of which only their being there is known."""


def _as_it_was(group: PlannedGroup, policy: Policy, slot: SwitchSlot) -> Occupant:
    stands = policy.external_entry is ExternalEntry.EVERY_SWITCH or group.next_hop_switch is slot
    asked = group.sources
    any_source = asked.any and not is_source_specific(group.multicast_ip)
    underlay = UnderlayEntry(
        group_ip=group.underlay_ip,
        tag=group.tag,
        members=[_SOMEWHERE] if group.receiving else (),
        complete=False,
    )
    external = ExternalEntryRow(
        group_ip=group.multicast_ip,
        tag=group.tag,
        internal_ip=group.underlay_ip,
        inner_mac=MulticastMac.of_group(group.underlay_ip),
        sources=None if any_source else asked.specific,
    )
    return Occupant(group=group.multicast_ip, underlay=underlay, external=external if stands else None, held=True)
