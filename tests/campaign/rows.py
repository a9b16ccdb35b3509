"""The rack in which a history begins: two switches, a few sleds, instances, groups and their members.

Groups are drawn from few addresses, so that their underlay addresses meet. Instances never migrate within one sled:
a sled-agent could not tell the two by instance.

This file does not know what becomes of the rack.
"""

from collections.abc import Mapping, Sequence
from random import Random
from uuid import UUID

from attrs import define, evolve, field

from blueprints.addresses import Address, UnderlayUnicast, is_source_specific
from blueprints.snapshot import (
    ExternalEntry,
    Group,
    GroupState,
    Instance,
    InstanceState,
    Member,
    MemberState,
    Policy,
    Sled,
    Snapshot,
    Vmm,
    VmmState,
)
from tests.simrack.rows import NOON, inventory, sled, small_rack, uid

ADDRESSES = (
    "224.1.2.3",
    "224.1.2.2",
    "233.252.0.1",
    "232.1.2.3",
    "ff0e::3",
    "ff3e::8000:1",
    "ff0e::ff0e:0:e001:203",
)
"""The first two are neighbours by a salt; the last folds onto the underlay address of the first."""

SOURCES: Mapping[int, tuple[str, str]] = {4: ("10.20.0.5", "10.20.0.6"), 6: ("fd00:99::5", "fd00:99::6")}
"""Who sends, by family."""

GROUP, MEMBER, INSTANCE, PROPOLIS, MIGRATION = 0x60, 0x70, 0x50, 0x80, 0x90
"""Kinds of made-up ids."""


@define
class Rows:
    """A snapshot that is being made, and the choices for it."""

    random: Random
    snapshot: Snapshot
    _used: int = field(default=0, init=False)

    def fresh(self, kind: int) -> UUID:
        """Return an id that no row has."""
        self._used += 1
        return uid(kind, self._used)

    def chance(self, percent: int) -> bool:
        """Decide."""
        return self.random.random() * 100 < percent

    def some_sled(self, *but: UUID) -> UUID | None:
        """Choose a sled other than those, None where there is no other."""
        sleds = [row.id for row in self.snapshot.sleds if row.id not in but]
        return self.random.choice(sleds) if sleds else None

    def vmm(self, on: UUID) -> Vmm:
        """Return a new process on a sled."""
        return Vmm(id=self.fresh(PROPOLIS), sled_id=on, state=VmmState.RUNNING)

    def add_instance(self, on: UUID | None) -> None:
        """Add an instance that runs on a sled, or nowhere."""
        row = Instance(
            id=self.fresh(INSTANCE),
            state=InstanceState.NO_VMM if on is None else InstanceState.VMM,
            active_vmm=None if on is None else self.vmm(on),
        )
        self.snapshot = evolve(self.snapshot, instances=(*self.snapshot.instances, row))

    def replace_instance(self, changed: Instance) -> None:
        """Put *changed* in the place of the row with its id."""
        rows = [changed if row.id == changed.id else row for row in self.snapshot.instances]
        self.snapshot = evolve(self.snapshot, instances=rows)

    def replace_member(self, changed: Member) -> None:
        """Put *changed* in the place of the row with its id."""
        rows = [changed if row.id == changed.id else row for row in self.snapshot.members]
        self.snapshot = evolve(self.snapshot, members=rows)

    def live_groups(self) -> Sequence[Group]:
        """Return the groups that are not being deleted."""
        return [row for row in self.snapshot.groups if row.state is not GroupState.DELETING]

    def live_members(self) -> Sequence[Member]:
        """Return the memberships that have not ended."""
        return [row for row in self.snapshot.members if row.time_deleted is None]

    def sources_for(self, address: Address) -> tuple[Address, ...]:
        """Choose whom a member of the group at *address* wants to hear."""
        pool = [Address.parse(text) for text in SOURCES[address.family]]
        named = is_source_specific(address) or self.chance(40)
        return tuple(self.random.sample(pool, self.random.choice((1, 1, 2)))) if named else ()

    def add_group(self, address: str) -> Group:
        """Add a group with some members, and return it."""
        row_id = self.fresh(GROUP)
        made = Group(
            id=row_id,
            name=f"group-{row_id.int & 0xFF}",
            multicast_ip=Address.parse(address),
            state=self.random.choice((GroupState.CREATING, GroupState.ACTIVE)),
            tag=f"{row_id}:{address}",
            time_created=NOON,
        )
        self.snapshot = evolve(self.snapshot, groups=(*self.snapshot.groups, made))
        for row in self.snapshot.instances:
            if self.chance(55):
                self.add_member(made, row)
        return made

    def add_member(self, group: Group, who: Instance) -> None:
        """Let *who* be a member of *group*."""
        made = Member(
            id=self.fresh(MEMBER),
            group_id=group.id,
            instance_id=who.id,
            sled_id=None if who.active_vmm is None else who.active_vmm.sled_id,
            state=self.random.choice((MemberState.JOINING, MemberState.JOINED, MemberState.JOINED)),
            multicast_ip=group.multicast_ip,
            source_ips=self.sources_for(group.multicast_ip),
        )
        self.snapshot = evolve(self.snapshot, members=(*self.snapshot.members, made))


def _sled(number: int) -> Sled:
    address = UnderlayUnicast.parse(f"fd00:1122:3344:10{number + 1}::1")
    return sled(0, id=uid(2, number), serial=f"BRM4222000{number}", underlay_address=address)


def first_rows(random: Random) -> Rows:
    """Draw the rack in which a history begins."""
    size = random.randint(2, 4)
    cubbies = random.sample(range(32), size)
    entry = random.choice([ExternalEntry.EVERY_SWITCH] * 3 + [ExternalEntry.ELECTED])
    empty = small_rack(
        sleds=tuple(_sled(number) for number in range(size)),
        inventory=inventory(*cubbies),
        policy=Policy(external_entry=entry),
        groups=(),
        underlay_groups=(),
        members=(),
        instances=(),
    )
    rows = Rows(random, empty)
    for _ in range(random.randint(2, 5)):
        where = rows.some_sled() if rows.chance(85) else None
        rows.add_instance(where)
    for address in random.sample(ADDRESSES, random.randint(1, 4)):
        rows.add_group(address)
    return rows
