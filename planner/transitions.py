"""Pass 11: what the datastore should be told once the planned state is in effect.

Needs      group and member rows; ``draft.audiences``; the clock of the snapshot.
Adds       ``draft.transitions``.
Promises   a transition never runs ahead of the rack: each says what will be true when the plan is carried out.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from uuid import UUID

from attrs import evolve

from blueprints.blueprint import Subject, Transition
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Group, GroupState, Member, MemberState
from planner.admitted_groups import is_live
from planner.departures import leaves_of
from planner.draft import Draft, Membership
from planner.life_cycle import Verdict

DELETED = "deleted"
"""The end of a row: a tombstone for a member, removal for a group."""

_NEVER: frozenset[MemberState] = frozenset()

PARKS: Mapping[Verdict, frozenset[MemberState]] = MappingProxyType(
    {
        Verdict.RECEIVES: _NEVER,
        Verdict.KEEPS: _NEVER,
        Verdict.WAITS: _NEVER,
        Verdict.REFUSED: _NEVER,
        Verdict.LOST: frozenset({MemberState.JOINED}),
        Verdict.PARKED: frozenset({MemberState.JOINED, MemberState.JOINING}),
    }
)
"""In which stored states a member becomes ``left``, by verdict."""


def list_transitions(draft: Draft) -> Draft:
    """Return *draft* with the transitions of groups and members."""
    found = (*_of_groups(draft), *_of_members(draft), *_of_ending_members(draft), *_of_tombstones(draft))
    return evolve(draft, transitions=found)


def _move(subject: Subject, row: Group | Member, to: str, because: str, sled: UUID | None = None) -> Transition:
    return Transition(subject=subject, id=row.id, from_=row.state, to=to, sled_id=sled, because=because)


def _of_groups(draft: Draft) -> Iterable[Transition]:
    held = {group.id for group in draft.held}
    for row in draft.snapshot.groups:
        if row.id in held:
            continue
        if row.state is GroupState.DELETING:
            if row.underlay_group_id and _may_stay(draft, row):
                continue
            because = "its state is gone from the rack" if row.underlay_group_id else "it never had state on the rack"
            yield _move(Subject.GROUP, row, DELETED, because)
        elif is_live(row) and _past_grace(draft, row) and not _peopled(draft, row):
            yield _move(Subject.GROUP, row, GroupState.DELETING, "no live member, and the grace is over")
        elif row.state is GroupState.CREATING and row.id in draft.groups:
            yield _move(Subject.GROUP, row, GroupState.ACTIVE, "its state is on the rack")


def _may_stay(draft: Draft, row: Group) -> bool:
    """Return whether something of an ending group may outlast the plan; then its row, which is all that tells, stays.

    A switch that is not in the plan may have it, and on the address of a held group nothing is touched.
    """
    missing = len(draft.snapshot.switches) < len(SwitchSlot)
    return missing or any(group.multicast_ip == row.multicast_ip for group in draft.held)


def _peopled(draft: Draft, row: Group) -> bool:
    """Return whether the group has a live member, planned or not."""
    audience = draft.audiences.get(row.id)
    return bool(audience.members) if audience is not None else row.id.int in draft.peopled


def _past_grace(draft: Draft, row: Group) -> bool:
    grace = timedelta(seconds=draft.snapshot.policy.orphan_grace_seconds)
    return draft.snapshot.evaluated_at - row.time_created > grace


def _of_members(draft: Draft) -> Iterable[Transition]:
    for audience in draft.audiences.values():
        yield from [_moved(member) for member in audience.members if _moves(member)]


def _moves(member: Membership) -> bool:
    row, seat = member.row, member.seat
    if seat.verdict is not Verdict.RECEIVES:
        return row.state in PARKS[seat.verdict]
    return row.state is not MemberState.JOINED or row.sled_id is None or row.sled_id.int != seat.sleds[0]


def _moved(member: Membership) -> Transition:
    because = member.seat.verdict.value
    if member.seat.verdict is Verdict.RECEIVES:
        return _move(Subject.MEMBER, member.row, MemberState.JOINED, because, member.seat.hears[0].sled_id)
    return _move(Subject.MEMBER, member.row, MemberState.LEFT, because)


def _of_ending_members(draft: Draft) -> Iterable[Transition]:
    ending = {row.id.int for row in draft.snapshot.groups if row.state is GroupState.DELETING}
    for row in draft.live_rows if ending else ():
        if row.group_id.int in ending:
            yield _move(Subject.MEMBER, row, DELETED, "its group is being deleted", row.sled_id)


def _of_tombstones(draft: Draft) -> Iterable[Transition]:
    """Yield the release of each tombstone's sled: it is a note of what is owed there, and no longer needed."""
    held = {group.multicast_ip for group in draft.held}
    for row, leave in leaves_of(draft):
        owes = leave is not None
        if owes and row.multicast_ip in held:
            continue  # the leave waits with its group
        yield _move(
            Subject.MEMBER, row, MemberState.LEFT, "its leave was sent" if owes else "nothing is left to undo"
        )
