"""Causes: what the passes of a plan write down of why its entries are there, and why others are not.

Written once for what many entries share: a group's address stands in the tables of every switch and sled, and what
led to it stands here in one line. What an entry rests on is put together from these lines when somebody asks
(`blueprints.explanations`); no rule is applied again then.

Fields that tell of the parent, or of rows that the plan itself asked for (`MEMORY`), do not make another plan: one
that repeats its parent would differ from it by saying so. For the same reason what is new is noted, and not what
stayed. This file does not know the rules, nor how causes are shown.
"""

from typing import Any
from uuid import UUID

from attrs import field, frozen

from blueprints.addresses import Address, ExternalGroup, UnicastSource
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.ordering import Key, addresses, in_order
from blueprints.reports import GroupState, Peer, ServiceProcessor, SledPolicy, SledState
from blueprints.words import Word

MEMORY: Any = {"eq": False}
"""How such fields are compared: not at all."""


class Apart(Word):
    """What keeps a live member, or one of its processes, from hearing its group."""

    WAITS = "waits"
    LOST = "lost"
    PARKED = "parked"
    REFUSED = "refused"
    REPEATED = "repeated"
    SLED_OUT_OF_SERVICE = "sled_out_of_service"
    SLED_UNKNOWN = "sled_unknown"
    GROUP_UNKNOWN = "group_unknown"
    GROUP_ENDING = "group_ending"
    GROUP_NOT_PLANNED = "group_not_planned"


class Absence(Word):
    """What keeps a group's row from being planned."""

    ENDING = "ending"
    WAITS_FOR_TEARDOWN = "waits_for_teardown"
    WITHOUT_MEMBERS = "without_members"
    HELD = "held"


@frozen(kw_only=True)
class GroupCauses:
    """Where the choices made for a planned group come from, and whose memberships let it be heard."""

    group: UUID
    link: UUID | None = field(**MEMORY)
    """The underlay row that the group's row names."""

    linked: bool = field(**MEMORY)
    """That row has the group's underlay address."""

    search: bool = field(**MEMORY)
    """The first free salt leads to the underlay address, whatever row and parent say."""

    hashed: bool = field(**MEMORY)
    """Rendezvous hashing leads to the next hop, whatever the parent says."""

    rests_on_members: bool
    """The group is still being created: without a live member it would not be planned."""

    members: tuple[UUID, ...]
    """Of the instances that hear it, in the order of their ids: the row that makes each a member."""

    kept: tuple[UUID, ...]
    """Those of them that hear the sources of before, because none of their own can be granted."""

    new: bool = field(**MEMORY)
    """There is a parent, and it does not have the group; else it has it on this very underlay address."""

    hop_new: bool = field(**MEMORY)
    """There is a parent, and it does not have it on this next hop."""

    stays: bool = field(**MEMORY)
    """An older group on the address is being taken down: had the parent not planned this one, it would wait."""

    taken_rows: tuple[UUID, ...] = field(**MEMORY)
    """The underlay rows that have the addresses of the salts before a new group's."""

    taken_groups: tuple[UUID, ...] = field(**MEMORY)
    """The groups that have them, or would have one of them before it if it were free."""

    taken_before: tuple[UUID, ...] = field(**MEMORY)
    """The groups that had them in the parent."""

    any_new: bool = field(**MEMORY)
    """Some live member takes any source, and none did in the parent, which has the group."""

    sources_new: tuple[UnicastSource, ...] = field(converter=addresses, **MEMORY)
    """The sources that the parent, which has the group, did not have."""

    @property
    def sort_key(self) -> Key:
        """By id."""
        return (self.group.int,)


@frozen(kw_only=True)
class ApartMember:
    """A live member that does not hear, or a process of one that does not."""

    group: UUID
    instance: UUID
    member: UUID
    verdict: Apart
    sled: UUID | None
    """Where the process is that is out of reach."""

    any: bool
    """It takes any source."""

    sources: tuple[UnicastSource, ...] = field(converter=addresses)
    """What was granted to it all the same, so that filters stay as they are while it does not hear."""

    @property
    def sort_key(self) -> Key:
        """By group, instance and row."""
        sled = (0, 0) if self.sled is None else (1, self.sled.int)
        return (self.group.int, self.instance.int, self.member.int, sled, self.verdict)


@frozen(kw_only=True)
class AbsentGroup:
    """A row of a group that is not planned."""

    group: UUID
    name: str
    multicast_ip: Address
    state: GroupState
    because: Absence

    @property
    def sort_key(self) -> Key:
        """By address, then id."""
        return (self.multicast_ip.key, self.group.int)


@frozen(kw_only=True)
class SledCauses:
    """Who says that a sled takes part, or that it does not."""

    sled: UUID
    takes_part: bool
    policy: SledPolicy | None
    """None: there is no row, and the parent's word counts."""

    state: SledState | None
    nics_told: bool
    """The row says which NICs it has."""

    new: bool = field(**MEMORY)
    """There is a parent, and it does not have the sled."""

    nics_before: tuple[str, ...] | None = field(**MEMORY)
    """The NICs that the parent's filters name; None where these are the ones that the sled has now."""

    @property
    def sort_key(self) -> Key:
        """By id."""
        return (self.sled.int,)


@frozen(kw_only=True)
class PortCauses:
    """Who says what about a sled's port on one switch."""

    sled: UUID
    switch: SwitchSlot
    peers: tuple[Peer, ...] = field(converter=in_order)
    """The DDM peers that name the port which is believed."""

    boards: tuple[ServiceProcessor, ...] = field(converter=in_order)
    """The boards that do."""

    new: bool = field(**MEMORY)
    """There is a parent, and it does not."""

    other_peers: tuple[Peer, ...] = field(converter=in_order, **MEMORY)
    """What else was said of the sled, or of who may be behind its port: none of it is believed."""

    other_boards: tuple[ServiceProcessor, ...] = field(converter=in_order, **MEMORY)
    other_sleds: tuple[UUID, ...] = field(**MEMORY)
    """Sleds that are said to be behind one of `ports` too."""

    ports: tuple[PortId, ...] = field(**MEMORY)
    """All ports that anybody names for these sleds."""

    @property
    def sort_key(self) -> Key:
        """By sled, then switch."""
        return (self.sled.int, self.switch)


@frozen(kw_only=True)
class DepartureCauses:
    """Who remembers that a leave is owed."""

    sled: UUID
    propolis: UUID
    group_ip: ExternalGroup
    tombstones: tuple[UUID, ...]
    new: bool = field(**MEMORY)
    """There is a parent, and it had the process neither hear the group there nor leave it."""

    @property
    def sort_key(self) -> Key:
        """By address, then process and sled."""
        return (self.group_ip.key, self.propolis.int, self.sled.int)


@frozen(kw_only=True)
class Causes:
    """All that a plan writes down of why it is as it is."""

    groups: tuple[GroupCauses, ...] = field(converter=in_order)
    members: tuple[ApartMember, ...] = field(converter=in_order)
    absent: tuple[AbsentGroup, ...] = field(converter=in_order)
    sleds: tuple[SledCauses, ...] = field(converter=in_order)
    ports: tuple[PortCauses, ...] = field(converter=in_order)
    departures: tuple[DepartureCauses, ...] = field(converter=in_order)


NO_CAUSES = Causes(groups=(), members=(), absent=(), sleds=(), ports=(), departures=())
"""Of content that no plan made."""
