"""Situations for each rule of the table of transitions: a rack in which it is told, and how it can be overtaken.

Everything is about group 4 of the small rack, and the member that is its listener.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from attrs import evolve, field, frozen

from blueprints.blueprint import Subject
from blueprints.snapshot import GroupState, MemberState, Snapshot, VmmState
from tests.collector.meddling import (
    ADDRESS_TAKEN,
    ADDRESS_TAKEN_NAMELESS,
    ANOTHER_JOINED,
    GROUP_ACTIVATED,
    GROUP_CREATED_NOW,
    GROUP_CREATING,
    GROUP_DELETED,
    GROUP_DELETED_WITHOUT_TIME,
    GROUP_GONE,
    GROUP_LINKED,
    GROUP_RESURRECTED,
    GROUP_TOMBSTONED,
    INSTANCE_DELETED,
    INSTANCE_STARTED,
    INSTANCE_STOPPED,
    LINKED_TO_ANOTHER_ADDRESS,
    MEMBER,
    MEMBER_GONE,
    MEMBER_JOINED,
    MEMBER_JOINING,
    MEMBER_LEFT,
    MEMBER_MOVED,
    MEMBER_PARKED,
    MEMBER_REVIVED,
    MEMBER_TOMBSTONED,
    MEMBER_WITHOUT_SLED,
    ORPHAN,
    STRANGER,
    VMM_DELETED,
    VMM_MOVED,
    VMM_STOPPING,
    Change,
)
from tests.simrack.rows import G4, GROUP4, LISTENER, SLEDS, group, instance, member, small_rack, vmm

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
"""Before any grace."""

NOT_DELETED = "it is not deleted"
STILL = "it still stands where it stood when it was planned"
FREE = "its underlay address is free, or its own"
UNLINKED = "it is linked to no other underlay group"
EMPTY = "it has no live member"
GRACE = "its grace is over"
DELETING = "it is being deleted"
NOT_HELD = "no held group has its address: what is held stays on the rack"
GROUP_LIVE = "its group is live"
RUNS_THERE = "its instance runs on that sled"
NO_VMM = "its instance has no VMM left"
GROUP_ENDING = "its group is being deleted, or gone"
SAME_SLED = "its sled is the one it had when it was planned"
TOMBSTONE = "it is a tombstone"

Key = tuple[Subject, str, str]


@frozen
class Overtaken:
    """What somebody else did, and what the transition then rests on in vain."""

    by: str
    changes: tuple[Change, ...] = field(repr=False)
    unmet: tuple[str, ...]
    found: str
    """State of the row then."""


@frozen(kw_only=True)
class Situation:
    """A rack in which one transition of group 4 or its listener is planned."""

    key: Key
    rack: Snapshot = field(repr=False)
    overtaken: tuple[Overtaken, ...] = field(repr=False)
    already: tuple[Change, ...] = field(default=(), repr=False)
    """What others may have done that comes to the same."""

    @property
    def subject(self) -> UUID:
        """The row that the transition is about."""
        return GROUP4 if self.key[0] is Subject.GROUP else MEMBER

    @property
    def label(self) -> str:
        """Return a name for test ids."""
        return " ".join(self.key)


OTHER_MEMBERS = (evolve(small_rack().members[-1], sled_id=SLEDS[0]),)


def rack(**changes: Any) -> Snapshot:
    """Return the small rack, group 4 old and with the listener alone, changed."""
    usual = small_rack()
    fields: dict[str, Any] = {
        "groups": (group(GROUP4, G4, time_created=LONG_AGO), usual.groups[1]),
        "members": (member(GROUP4, LISTENER, sled_id=SLEDS[0]), *OTHER_MEMBERS),
    }
    return evolve(usual, **{**fields, **changes})


def of_group(state: GroupState, **changes: Any) -> dict[str, Any]:
    """Return the groups with group 4 in *state*."""
    fields: dict[str, Any] = {"state": state, "time_created": LONG_AGO}
    return {"groups": (group(GROUP4, G4, **{**fields, **changes}), small_rack().groups[1])}


def listening(state: MemberState, sled: UUID | None, **changes: Any) -> dict[str, Any]:
    """Return the members with the listener in *state*."""
    return {"members": (member(GROUP4, LISTENER, state=state, sled_id=sled, **changes), *OTHER_MEMBERS)}


NEW = of_group(GroupState.CREATING, underlay_group_id=None, underlay_salt=None)
UNPLACED = {"underlay_groups": small_rack().underlay_groups[1:]}
GOING = of_group(GroupState.DELETING, time_deleted=LONG_AGO)
NOBODY = {"members": OTHER_MEMBERS}
_OTHERS = small_rack().instances[1:]
STOPPED = {"instances": (instance(LISTENER, None), *_OTHERS)}


def _moved_on(from_: MemberState) -> Overtaken:
    """Return another writer's move to another state."""
    if from_ is MemberState.JOINING:
        return Overtaken("another writer", (MEMBER_JOINED,), (STILL,), "joined")
    return Overtaken("another writer", (MEMBER_JOINING,), (STILL,), "joining")


def _gone(from_: MemberState) -> tuple[Overtaken, ...]:
    """Return the ways in which a live member ends."""
    left = (NOT_DELETED,) if from_ is MemberState.LEFT else (NOT_DELETED, STILL)
    return (
        Overtaken("a leave", (MEMBER_LEFT,), left, "left"),
        Overtaken("a tombstone", (MEMBER_TOMBSTONED,), (NOT_DELETED,), from_),
        Overtaken("its removal", (MEMBER_GONE,), (), "absent"),
    )


def _joining(from_: MemberState, sled: UUID | None) -> Situation:
    parked = Overtaken("a stop and a start", (MEMBER_PARKED,), (STILL,), "left")
    return Situation(
        key=(Subject.MEMBER, from_, "joined"),
        rack=rack(**listening(from_, sled)),
        overtaken=(
            *_gone(from_),
            parked if from_ is MemberState.JOINING else _moved_on(from_),
            Overtaken("its group's end", (GROUP_DELETED,), (GROUP_LIVE,), from_),
            Overtaken("its group's tombstone", (GROUP_TOMBSTONED,), (GROUP_LIVE,), from_),
            Overtaken("its group's removal", (GROUP_GONE,), (GROUP_LIVE,), from_),
            Overtaken("a migration", (VMM_MOVED,), (RUNS_THERE,), from_),
            Overtaken("a stop", (INSTANCE_STOPPED,), (RUNS_THERE,), from_),
            Overtaken("a stop that has begun", (VMM_STOPPING,), (RUNS_THERE,), from_),
            Overtaken("the end of its VMM", (VMM_DELETED,), (RUNS_THERE,), from_),
            Overtaken("the end of its instance", (INSTANCE_DELETED,), (RUNS_THERE,), from_),
        ),
    )


def _parking(from_: MemberState) -> Situation:
    started = Overtaken("a start", (INSTANCE_STARTED,), (NO_VMM,), from_)
    return Situation(
        key=(Subject.MEMBER, from_, "left"),
        rack=rack(**listening(from_, SLEDS[0]), **STOPPED),
        overtaken=(*_gone(from_), _moved_on(from_), started),
        already=(MEMBER_PARKED,),
    )


def _ending(from_: MemberState, sled: UUID | None) -> Situation:
    return Situation(
        key=(Subject.MEMBER, from_, "deleted"),
        rack=rack(**GOING, **listening(from_, sled)),
        overtaken=(
            _moved_on(from_),
            Overtaken("its group's return", (GROUP_RESURRECTED,), (GROUP_ENDING,), from_),
            Overtaken("a move", (MEMBER_MOVED,), (SAME_SLED,), from_),
            *(() if sled is None else (Overtaken("a loss", (MEMBER_WITHOUT_SLED,), (SAME_SLED,), from_),)),
        ),
        already=(MEMBER_LEFT, MEMBER_TOMBSTONED, MEMBER_GONE),
    )


SITUATIONS: tuple[Situation, ...] = (
    Situation(
        key=(Subject.GROUP, "creating", "active"),
        rack=rack(**NEW, **UNPLACED),
        overtaken=(
            Overtaken("its end", (GROUP_DELETED,), (NOT_DELETED, STILL), "deleting"),
            Overtaken("a tombstone", (GROUP_TOMBSTONED,), (NOT_DELETED,), "creating"),
            Overtaken("its removal", (GROUP_GONE,), (), "absent"),
            Overtaken("an activation without a link", (GROUP_ACTIVATED,), (STILL,), "active"),
            Overtaken("another owner", (ADDRESS_TAKEN,), (FREE,), "creating"),
            Overtaken("an owner without a tag", (ADDRESS_TAKEN_NAMELESS,), (FREE,), "creating"),
            Overtaken("a link elsewhere", (LINKED_TO_ANOTHER_ADDRESS, GROUP_LINKED), (UNLINKED,), "creating"),
            Overtaken("a link beside its own row", (ORPHAN, GROUP_LINKED), (FREE,), "creating"),
        ),
    ),
    Situation(
        key=(Subject.GROUP, "creating", "deleting"),
        rack=rack(**NEW, **NOBODY, **UNPLACED),
        overtaken=(
            Overtaken("an activation", (GROUP_ACTIVATED,), (STILL,), "active"),
            Overtaken("a tombstone", (GROUP_TOMBSTONED,), (NOT_DELETED,), "creating"),
            Overtaken("a join", (ANOTHER_JOINED,), (EMPTY,), "creating"),
            Overtaken("another beginning", (GROUP_CREATED_NOW,), (GRACE,), "creating"),
        ),
        already=(GROUP_DELETED, GROUP_GONE),
    ),
    Situation(
        key=(Subject.GROUP, "active", "deleting"),
        rack=rack(**NOBODY),
        overtaken=(
            Overtaken("a return", (GROUP_RESURRECTED,), (STILL, GRACE), "creating"),
            Overtaken("an old return", (GROUP_CREATING,), (STILL,), "creating"),
            Overtaken("a tombstone", (GROUP_TOMBSTONED,), (NOT_DELETED,), "active"),
            Overtaken("a join", (ANOTHER_JOINED,), (EMPTY,), "active"),
            Overtaken("another beginning", (GROUP_CREATED_NOW,), (GRACE,), "active"),
        ),
        already=(GROUP_DELETED, GROUP_GONE),
    ),
    Situation(
        key=(Subject.GROUP, "deleting", "deleted"),
        rack=rack(**GOING, **NOBODY),
        overtaken=(
            Overtaken("its return", (GROUP_RESURRECTED,), (DELETING,), "creating"),
            Overtaken("a deletion without its time", (GROUP_DELETED_WITHOUT_TIME,), (DELETING,), "deleting"),
            Overtaken("a join", (ANOTHER_JOINED,), (EMPTY,), "deleting"),
        ),
        already=(GROUP_GONE,),
    ),
    _joining(MemberState.JOINING, SLEDS[0]),
    _joining(MemberState.LEFT, None),
    _joining(MemberState.JOINED, None),
    _joining(MemberState.JOINED, SLEDS[2]),
    _parking(MemberState.JOINING),
    _parking(MemberState.JOINED),
    _ending(MemberState.JOINING, SLEDS[0]),
    _ending(MemberState.JOINED, SLEDS[0]),
    _ending(MemberState.LEFT, None),
    Situation(
        key=(Subject.MEMBER, "left", "left"),
        rack=rack(**listening(MemberState.LEFT, SLEDS[0], time_deleted=LONG_AGO)),
        overtaken=(
            Overtaken("another writer", (MEMBER_JOINING,), (STILL,), "joining"),
            Overtaken("a revival", (MEMBER_REVIVED,), (TOMBSTONE,), "left"),
        ),
        already=(MEMBER_WITHOUT_SLED, MEMBER_GONE),
    ),
)

BY_KEY = {situation.key: situation for situation in SITUATIONS}


def hosted(state: VmmState, **changes: Any) -> dict[str, Any]:
    """Return the instances with the listener's VMM, on sled 0, in *state*."""
    return {"instances": (instance(LISTENER, 0, active_vmm=vmm(LISTENER, 0, state), **changes), *_OTHERS)}


def waiting(state: VmmState, *, migrates: bool) -> Snapshot:
    """Return a rack in which the listener is not joined yet, its VMM in *state*, perhaps with a target on sled 2."""
    target = {"migration_id": STRANGER, "target_vmm": vmm(LISTENER, 2, VmmState.MIGRATING, generation=1)}
    return rack(**listening(MemberState.LEFT, None), **hosted(state, **(target if migrates else {})))


LIVE_GROUP_CREATING: Snapshot = rack(
    **NEW,
    **UNPLACED,
    members=(
        member(GROUP4, LISTENER, state=MemberState.JOINING, sled_id=SLEDS[0]),
        *(evolve(row, state=MemberState.JOINING) for row in OTHER_MEMBERS),
    ),
)
"""Group 4 just created, and two members that are joining: three transitions, the listener's the second."""
