"""Pass 12: the causes, put together.

Needs      everything that the passes before it noted of why they chose as they did.
Adds       ``draft.causes``.
Promises   V1  nothing is worked out anew: each pass says itself what led it.
           V2  every planned group has a line, every live member that does not hear has one, and so has every row of a
               group that is not planned.
"""

from uuid import UUID

from attrs import evolve

from blueprints.causes import Absence, AbsentGroup, ApartMember, Causes, GroupCauses
from blueprints.rows import unread
from blueprints.snapshot import Group, GroupState
from blueprints.written import WrittenApart
from planner.draft import Draft


def cite(draft: Draft) -> Draft:
    """Return *draft* with the causes of its entries."""
    held = {group.id for group in draft.held}
    return evolve(
        draft,
        causes=Causes(
            groups=[_of_group(draft, group) for group in draft.groups],
            members=unread(ApartMember, sorted(draft.apart, key=_place)),
            absent=[_absent(draft, row, held) for row in draft.snapshot.groups if row.id not in draft.groups],
            sleds=draft.sled_causes,
            ports=draft.port_causes,
            departures=draft.departure_causes,
        ),
    )


def _place(row: WrittenApart) -> tuple[str, ...]:
    """As `ApartMember.sort_key`; no sled comes before every sled."""
    return (row.group, row.instance, row.member, row.sled or "", row.verdict)


def _of_group(draft: Draft, group: UUID) -> GroupCauses:
    row, home, before = draft.groups[group].row, draft.underlay[group], draft.before.get(group)
    creating = row.state is GroupState.CREATING
    audience, fresh = draft.audiences[group], draft.fresh_sources.get(group)
    return GroupCauses(
        group=group,
        link=row.underlay_group_id,
        linked=home.row is not None,
        search=home.search,
        hashed=group in draft.hashed,
        rests_on_members=creating,
        members=unread(UUID, audience.rows),
        kept=tuple(map(UUID, audience.kept)),
        new=draft.parent is not None and before is None,
        hop_new=draft.parent is not None and (before is None or before.next_hop_switch is not draft.next_hops[group]),
        stays=group in draft.succeeding,
        taken_rows=home.taken_rows,
        taken_groups=home.taken_groups,
        taken_before=home.taken_before,
        any_new=fresh is not None and fresh.any,
        sources_new=fresh.specific if fresh is not None else (),
    )


def _absent(draft: Draft, row: Group, held: set[UUID]) -> AbsentGroup:
    if row.id in held:
        because = Absence.HELD
    else:
        because = Absence.ENDING if row.state is GroupState.DELETING else draft.absences[row.id]
    return AbsentGroup(group=row.id, name=row.name, multicast_ip=row.multicast_ip, state=row.state, because=because)
