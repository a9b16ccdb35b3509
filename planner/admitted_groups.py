"""Pass 3: the groups that are planned, those that are held, and those that go.

Needs      group rows; the parent's groups.
Adds       ``draft.groups`` and ``draft.held``; ``draft.absences`` of groups that wait.
Promises   G1  no two planned groups have one address.
           G2  a row that cannot be right is held: its group is neither planned nor removed.
           G3  a new group waits while an older one on its address is being taken down, because routes and mappings
               are keyed by address and the teardown would take the new group's.
"""

from uuid import UUID

from attrs import evolve

from blueprints.addresses import Address, ExternalGroup
from blueprints.causes import Absence
from blueprints.findings import Finding, finding
from blueprints.identifiers import FLEET_VNI, Tag
from blueprints.snapshot import Group, GroupState
from planner.draft import Draft, LiveGroup

LIVE_STATES = frozenset({GroupState.CREATING, GroupState.ACTIVE})


def is_live(row: Group) -> bool:
    """Return whether the row stands for a group that is wanted."""
    return row.state in LIVE_STATES and row.time_deleted is None


def admit_groups(draft: Draft) -> Draft:
    """Return *draft* with every live group either planned, held, or waiting for an older one to go."""
    rows = draft.snapshot.groups
    live = [row for row in rows if is_live(row)]
    addresses: dict[int, ExternalGroup] = {}
    held = _contradictions(rows) | _refused(live, rows, addresses)
    found: list[Finding] = []
    groups: dict[UUID, LiveGroup] = {}
    waiting: dict[UUID, Absence] = {}
    succeeding: set[UUID] = set()
    leaving = {row.multicast_ip for row in rows if row.state is GroupState.DELETING and row.underlay_group_id}
    for row in live:
        if row.id in held:
            continue
        late = row.multicast_ip in leaving and row.state is GroupState.CREATING
        if late and row.id in draft.before:
            succeeding.add(row.id)
        elif late:
            found.append(finding("group_waits_for_teardown", f"group {row.id}", f"for {row.multicast_ip}"))
            waiting[row.id] = Absence.WAITS_FOR_TEARDOWN
            continue
        tag, said = _tag_of(row)
        found += said
        groups[row.id] = LiveGroup(row=row, address=addresses[row.id.int], tag=tag)
    return (
        evolve(draft, groups=groups, absences=waiting, succeeding=frozenset(succeeding)).noting(found).holding(held)
    )


def _contradictions(rows: tuple[Group, ...]) -> dict[UUID, tuple[Address, str, str]]:
    return {
        row.id: (row.multicast_ip, "group_row_contradicts_itself", f"state {row.state}, and a deletion time")
        for row in rows
        if row.state in LIVE_STATES and row.time_deleted is not None
    }


def _refused(
    live: list[Group], rows: tuple[Group, ...], addresses: dict[int, ExternalGroup]
) -> dict[UUID, tuple[Address, str, str]]:
    """Return the *live* ones of *rows* that cannot be planned: id to address, code and message.

    Those that can have their *addresses* noted, by the number of their id.
    """
    holders: dict[Address, list[Group]] = {}
    for row in rows:
        if row.state in LIVE_STATES:
            holders.setdefault(row.multicast_ip, []).append(row)
    refused = {}
    for row in live:
        if len(holders[row.multicast_ip]) > 1:
            others = sorted(str(other.id) for other in holders[row.multicast_ip] if other != row)
            message = f"{row.multicast_ip} is also the address of {', '.join(others)}"
            refused[row.id] = (row.multicast_ip, "group_address_shared", message)
        elif row.vni != FLEET_VNI:
            refused[row.id] = (row.multicast_ip, "group_vni_refused", f"{row.vni} is not {FLEET_VNI}")
        else:
            try:
                addresses[row.id.int] = ExternalGroup.of(row.multicast_ip)
            except ValueError as error:
                refused[row.id] = (row.multicast_ip, "group_address_refused", str(error))
    return refused


def _tag_of(row: Group) -> tuple[Tag, list[Finding]]:
    """Return the tag to use: the stored one if switches take it, for tags never change once set."""
    canonical = Tag.of_group(row.id, row.multicast_ip)
    if row.tag is None or row.tag == canonical.text:
        return canonical, []
    try:
        stored = Tag.parse(row.tag)
    except ValueError as error:
        return canonical, [finding("group_tag_refused", f"group {row.id}", str(error))]
    return stored, [finding("group_tag_differs", f"group {row.id}", f"stored {stored}, canonical {canonical}")]
