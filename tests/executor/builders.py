"""Small blueprints and observations, written with as few words as the tests need.

Groups are numbers: group *n* is 233.252.0.n, mapped with salt 0 unless said. Sleds and switches are numbers too.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from attrs import evolve, frozen

from blueprints.addresses import (
    Address,
    ExternalGroup,
    UnderlayGroup,
    UnderlayUnicast,
    UnicastSource,
    underlay_address,
)
from blueprints.blueprint import (
    Blueprint,
    Departure,
    ExternalEntryRow,
    ForwardingEntry,
    GroupSources,
    HeldGroup,
    M2pEntry,
    MemberPort,
    MribRoute,
    NextHop,
    PlannedGroup,
    SledTables,
    Subscription,
    SwitchTables,
    UnderlayEntry,
)
from blueprints.identifiers import MulticastMac, PortId, SwitchSlot, Tag
from blueprints.observation import (
    Observation,
    SeenExternal,
    SeenForwarding,
    SeenHop,
    SeenM2p,
    SeenMember,
    SeenRoute,
    SeenUnderlay,
    SledObservation,
    SwitchObservation,
)
from blueprints.snapshot import Policy

SWITCH0, SWITCH1 = SwitchSlot.SWITCH0, SwitchSlot.SWITCH1
RACK = UUID(int=0xACC)


def sled_id(number: int) -> UUID:
    """Return the id of a sled."""
    return UUID(int=0x51ED_0000 + number)


def group_id(number: int) -> UUID:
    """Return the id of a group."""
    return UUID(int=0x6_0000 + number)


def group_ip(number: int) -> ExternalGroup:
    """Return the external address of a group."""
    return ExternalGroup.parse(f"233.252.0.{number}")


def underlay_ip(number: int, salt: int = 0) -> UnderlayGroup:
    """Return the underlay address of a group."""
    return underlay_address(group_ip(number), salt)


def hop_address(slot: SwitchSlot) -> UnderlayUnicast:
    """Return the address of a switch zone."""
    return UnderlayUnicast.parse(f"fd00:1122:3344:10{slot.number + 1}::2")


def source(number: int) -> UnicastSource:
    """Return the address of a sender."""
    return UnicastSource.parse(f"10.20.0.{number}")


def port(number: int) -> MemberPort:
    """Return the member port of a sled's cubby."""
    return MemberPort(port_id=PortId("rear", number))


@frozen(kw_only=True)
class G:
    """A group as a test wants it: who hears it, whom they hear, and through which switch it is sent."""

    number: int
    sleds: tuple[int, ...] = (0,)
    sources: tuple[int, ...] | None = None
    """None: any source. Empty: nobody asks for anything."""

    salt: int = 0
    hop: SwitchSlot = SWITCH0
    complete: bool = True
    tag: str | None = None

    @property
    def tag_(self) -> Tag:
        """The tag of its objects."""
        return Tag(self.tag) if self.tag else Tag.of_group(group_id(self.number), group_ip(self.number))


def blueprint(
    *groups: G,
    sleds: Iterable[int] = (0, 1),
    held: Iterable[int] = (),
    departures: Iterable[tuple[int, int]] = (),
    policy: Policy | None = None,
    slots: Iterable[SwitchSlot] = (SWITCH0, SWITCH1),
) -> Blueprint:
    """Return the blueprint of these groups. *departures* are pairs of sled and group."""
    on_sleds = list(sleds)
    left = list(departures)
    switch = switch_tables(groups)
    return Blueprint(
        rack_id=RACK,
        policy=policy or Policy(),
        groups=[planned(group) for group in groups],
        held=[
            HeldGroup(id=group_id(n), multicast_ip=Address.parse(str(group_ip(n))), because="group_address_shared")
            for n in held
        ],
        switches=dict.fromkeys(slots, switch),
        sleds={sled_id(n): sled_tables(groups, n, [g for sled, g in left if sled == n]) for n in on_sleds},
        ports={},
        transitions=(),
        findings=(),
        id=UUID(int=1),
        digest="sha256:0",
        parent=None,
        generation=1,
        snapshot_digest="sha256:1",
    )


def planned(group: G) -> PlannedGroup:
    """Return the group's own row."""
    specific = [source(n) for n in group.sources or ()]
    return PlannedGroup(
        id=group_id(group.number),
        name=f"group {group.number}",
        multicast_ip=group_ip(group.number),
        underlay_ip=underlay_ip(group.number, group.salt),
        salt=group.salt,
        tag=group.tag_,
        next_hop_switch=group.hop,
        sources=GroupSources(any=group.sources is None, specific=specific),
        receiving=bool(group.sleds),
    )


def switch_tables(groups: Iterable[G]) -> SwitchTables:
    """Return what every switch holds of these groups."""
    listed = list(groups)
    return SwitchTables(
        generation=1,
        underlay_groups=[
            UnderlayEntry(
                group_ip=underlay_ip(g.number, g.salt),
                tag=g.tag_,
                members=[port(n) for n in g.sleds],
                complete=g.complete,
            )
            for g in listed
        ],
        external_groups=[external(g) for g in listed],
        mrib_routes=[
            MribRoute(group=group_ip(g.number), source=s, underlay_group=underlay_ip(g.number, g.salt))
            for g in listed
            if g.sleds
            for s in ([None] if g.sources is None else [source(n) for n in g.sources])
        ],
    )


def external(group: G) -> ExternalEntryRow:
    """Return the group's external entry."""
    underlay = underlay_ip(group.number, group.salt)
    return ExternalEntryRow(
        group_ip=group_ip(group.number),
        tag=group.tag_,
        internal_ip=underlay,
        inner_mac=MulticastMac.of_group(underlay),
        sources=None if group.sources is None else [source(n) for n in group.sources],
    )


def sled_tables(groups: Iterable[G], sled: int, departures: Iterable[int] = ()) -> SledTables:
    """Return what one sled holds of these groups: everything for sending, and its own subscriptions."""
    active = sorted((g for g in groups if g.sleds), key=lambda g: g.number)
    return SledTables(
        generation=1,
        m2p=tuple(M2pEntry(group=group_ip(g.number), underlay=underlay_ip(g.number, g.salt)) for g in active),
        forwarding=tuple(
            ForwardingEntry(underlay=underlay_ip(g.number, g.salt), next_hops=[NextHop(next_hop=hop_address(g.hop))])
            for g in active
        ),
        nic_filters=(),
        subscriptions=[
            Subscription(
                instance_id=UUID(int=0x1000 + sled),
                propolis_id=UUID(int=0x2000 + sled),
                group_ip=group_ip(g.number),
                sources=[source(n) for n in g.sources or ()],
            )
            for g in active
            if sled in g.sleds
        ],
        departures=[
            Departure(instance_id=UUID(int=0x1000 + sled), propolis_id=UUID(int=0x2000 + sled), group_ip=group_ip(n))
            for n in departures
        ],
    )


# --- observations ---------------------------------------------------------------------------------------------------


def seen_members(members: Iterable[MemberPort]) -> list[SeenMember]:
    """Return members as a switch reports them."""
    return [SeenMember(port_id=m.port_id, link_id=m.link_id, direction=m.direction) for m in members]


def seen_switch(tables: SwitchTables) -> SwitchObservation:
    """Return what a switch reports that holds exactly *tables*."""
    return SwitchObservation(
        underlay_groups=[
            SeenUnderlay(group_ip=row.group_ip, tag=row.tag.text, members=seen_members(row.members))
            for row in tables.underlay_groups
        ],
        external_groups=[
            SeenExternal(
                group_ip=row.group_ip,
                tag=row.tag.text,
                internal_ip=row.internal_ip,
                inner_mac=row.inner_mac.text,
                vni=row.vni,
                vlan_id=row.vlan_id,
                sources=row.sources,
            )
            for row in tables.external_groups
            if row.sources != ()
        ],
        mrib_routes=[
            SeenRoute(group=row.group, source=row.source, vni=row.vni, underlay_group=row.underlay_group)
            for row in tables.mrib_routes
        ],
    )


def seen_sled(tables: SledTables) -> SledObservation:
    """Return what a sled reports that holds exactly *tables*."""
    return SledObservation(
        m2p=[SeenM2p(group=row.group, underlay=row.underlay) for row in tables.m2p],
        forwarding=[
            SeenForwarding(
                underlay=row.underlay,
                next_hops=[
                    SeenHop(
                        next_hop=hop.next_hop,
                        replication=hop.replication.value,
                        mode=hop.filter.mode,
                        sources=hop.filter.sources,
                    )
                    for hop in row.next_hops
                ],
            )
            for row in tables.forwarding
        ],
    )


def observation_of(plan: Blueprint) -> Observation:
    """Return what a rack reports that holds exactly *plan*."""
    return Observation(
        switches={slot: seen_switch(tables) for slot, tables in plan.switches.items()},
        sleds={sled: seen_sled(tables) for sled, tables in plan.sleds.items()},
        silent=(),
    )


EMPTY_SWITCH = SwitchObservation(underlay_groups=(), external_groups=(), mrib_routes=())
SILENT_SWITCH = SwitchObservation(underlay_groups=None, external_groups=None, mrib_routes=None)
EMPTY_SLED = SledObservation(m2p=(), forwarding=())
SILENT_SLED = SledObservation(m2p=None, forwarding=None)


def empty_rack(plan: Blueprint) -> Observation:
    """Return what a rack of the same targets reports that holds nothing."""
    return Observation(
        switches=dict.fromkeys(plan.switches, EMPTY_SWITCH), sleds=dict.fromkeys(plan.sleds, EMPTY_SLED), silent=()
    )


def with_switch(observation: Observation, slot: SwitchSlot, **tables: Any) -> Observation:
    """Return *observation* with some tables of one switch replaced."""
    switches: Mapping[SwitchSlot, SwitchObservation] = {
        **observation.switches,
        slot: evolve(observation.switches[slot], **tables),
    }
    return evolve(observation, switches=switches)


def with_sled(observation: Observation, number: int, **tables: Any) -> Observation:
    """Return *observation* with some tables of one sled replaced."""
    sled = sled_id(number)
    return evolve(observation, sleds={**observation.sleds, sled: evolve(observation.sleds[sled], **tables)})
