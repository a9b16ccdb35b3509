"""Pass 11: what the datastore should be told once the planned state is in effect.

Needs      group and member rows; ``draft.audiences``; the clock of the snapshot.
Adds       ``draft.transitions``.
Promises   a transition never runs ahead of the rack: each says what will be true when the plan is carried out.
"""

from collections.abc import Iterable
from datetime import timedelta

from attrs import evolve

from blueprints.blueprint import Subject, Transition
from blueprints.identifiers import SwitchSlot
from blueprints.rows import unread
from blueprints.snapshot import Group, GroupState, MemberState
from blueprints.written import WrittenMember, WrittenTransition
from planner.admitted_groups import is_live
from planner.departures import leaves_of
from planner.draft import Draft
from planner.life_cycle import Verdict

DELETED = "deleted"
"""The end of a row: a tombstone for a member, removal for a group."""


def list_transitions(draft: Draft) -> Draft:
    """Return *draft* with the transitions of groups and members."""
    found = [*_of_groups(draft), *_of_members(draft), *_of_ending_members(draft), *_of_tombstones(draft)]
    return evolve(draft, transitions=unread(Transition, sorted(found, key=_place)))


def _place(row: WrittenTransition) -> tuple[str, ...]:
    """As `Transition.sort_key`."""
    return (row.subject, row.id, row.from_, row.to)


def _of_group(row: Group, to: str, because: str) -> WrittenTransition:
    return WrittenTransition(Subject.GROUP, str(row.id), row.state.value, to, None, because)


def _of_member(row: WrittenMember, to: str, because: str, sled: str | None = None) -> WrittenTransition:
    return WrittenTransition(Subject.MEMBER, row.id, row.state.value, to, sled, because)


def _of_groups(draft: Draft) -> Iterable[WrittenTransition]:
    held = {group.id for group in draft.held}
    for row in draft.snapshot.groups:
        if row.id in held:
            continue
        if row.state is GroupState.DELETING:
            if row.underlay_group_id and _may_stay(draft, row):
                continue
            because = "its state is gone from the rack" if row.underlay_group_id else "it never had state on the rack"
            yield _of_group(row, DELETED, because)
        elif is_live(row) and _past_grace(draft, row) and not _peopled(draft, row):
            yield _of_group(row, GroupState.DELETING.value, "no live member, and the grace is over")
        elif row.state is GroupState.CREATING and row.id in draft.groups:
            yield _of_group(row, GroupState.ACTIVE.value, "its state is on the rack")


def _may_stay(draft: Draft, row: Group) -> bool:
    """Return whether something of an ending group may outlast the plan; then its row, which is all that tells, stays.

    A switch that is not in the plan may have it, and on the address of a held group nothing is touched.
    """
    missing = len(draft.snapshot.switches) < len(SwitchSlot)
    return missing or any(group.multicast_ip == row.multicast_ip for group in draft.held)


def _peopled(draft: Draft, row: Group) -> bool:
    """Return whether the group has a live member, planned or not."""
    audience = draft.audiences.get(row.id)
    return audience.peopled if audience is not None else str(row.id) in draft.peopled


def _past_grace(draft: Draft, row: Group) -> bool:
    grace = timedelta(seconds=draft.snapshot.policy.orphan_grace_seconds)
    return draft.snapshot.evaluated_at - row.time_created > grace


def _of_members(draft: Draft) -> Iterable[WrittenTransition]:
    for audience in draft.audiences.values():
        for row, seat in audience.outdated:
            to = MemberState.JOINED if seat.verdict is Verdict.RECEIVES else MemberState.LEFT
            yield _of_member(row, to.value, seat.verdict.value, seat.home)


def _of_ending_members(draft: Draft) -> Iterable[WrittenTransition]:
    ending = {str(row.id) for row in draft.snapshot.groups if row.state is GroupState.DELETING}
    for row in draft.live_rows if ending else ():
        if row.group_id in ending:
            yield _of_member(row, DELETED, "its group is being deleted", row.sled_id)


def _of_tombstones(draft: Draft) -> Iterable[WrittenTransition]:
    """Yield the release of each tombstone's sled: it is a note of what is owed there, and no longer needed.

    Where an owed leave is not sent the note stays: with its group, if that is held, and on a sled that nobody knows.
    """
    sent = {str(row) for line in draft.departure_causes for row in line.tombstones}
    held = {group.multicast_ip.text for group in draft.held}
    planned, known = (frozenset(map(str, sleds)) for sleds in (draft.sleds, draft.known_sleds))
    for row, leave in leaves_of(draft):
        because = "its leave was sent" if row.id in sent else "nothing is left to undo"
        if leave is not None and row.id not in sent:
            if row.multicast_ip in held or row.sled_id not in known:
                continue
            if row.sled_id not in planned:
                because = "its sled is out of service"
        yield _of_member(row, MemberState.LEFT.value, because)
