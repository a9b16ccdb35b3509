"""`plan`: the passes in their order, and why they stand in it.

This file does not know what a pass does.
"""

from collections.abc import Callable
from uuid import UUID

from attrs import evolve

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint, Content, HeldGroup, PlannedGroup
from blueprints.capacity import excesses
from blueprints.documents import snapshot_digest
from blueprints.errors import InputRejectedError, Mistake
from blueprints.findings import finding
from blueprints.rows import written
from blueprints.snapshot import Snapshot
from planner.admitted_groups import admit_groups
from planner.departures import former_groups, list_departures, remember
from planner.draft import Draft
from planner.group_sources import gather_sources
from planner.lineage import descend, missing, numbered, recalled
from planner.next_hops import choose_next_hops
from planner.provenance import cite
from planner.receivers import judge_members
from planner.routing_sleds import list_sleds
from planner.sled_ports import resolve_ports
from planner.sled_tables import fill_sleds
from planner.switch_tables import fill_switches
from planner.transitions import list_transitions
from planner.underlay_addresses import allocate_underlay

Pass = Callable[[Draft], Draft]

PASSES: tuple[Pass, ...] = (
    list_sleds,  # everything else asks which sleds take part
    resolve_ports,  # once a plan: all that follows reads one view of the wiring
    admit_groups,  # decides which rows the rest may believe
    judge_members,  # needs groups and sleds; groups still being created go if nobody is in them
    allocate_underlay,  # after the members, so that no address is spent on a group that nobody is in
    gather_sources,
    choose_next_hops,
    fill_switches,
    fill_sleds,
    list_departures,  # needs to know what is wanted, so that nothing wanted departs
    list_transitions,  # says what will be true once all of the above is
    cite,  # last: writes down why all of it is as it is
)


def plan(snapshot: Snapshot, parent: Blueprint | None = None) -> Blueprint:
    """Return what every switch and sled of the rack shall hold.

    The same snapshot and parent give the same blueprint, to the byte; planned again after itself, a blueprint is
    itself. ``made`` is left to whoever knows the time.

    Args:
        snapshot: everything the plan may know.
        parent: the blueprint that this one follows. Its choices stay where they still can, and what it had and
            nobody contradicts is kept.

    Raises:
        InputRejectedError: *parent* is of another rack.
    """
    if parent is not None and parent.rack_id != snapshot.rack_id:
        mistake = Mistake("rack_id", f"is {parent.rack_id}, the snapshot's is {snapshot.rack_id}")
        raise InputRejectedError("parent", [mistake])
    before = recalled(parent) if parent is not None else None
    content = _content(snapshot, before) if snapshot.policy.multicast_enabled else _nothing(snapshot, before)
    return descend(content, parent, snapshot_digest(snapshot))


def _blank(snapshot: Snapshot, parent: Blueprint | None) -> Draft:
    rows = written(snapshot.members)
    live = [row for row in rows if row.time_deleted is None]
    gone = [row for row in rows if row.time_deleted is not None] if len(live) < len(rows) else []
    return Draft(snapshot=snapshot, parent=parent, live_rows=live, tombstones=gone)


def _content(snapshot: Snapshot, parent: Blueprint | None) -> Content:
    draft = _blank(snapshot, parent)
    for step in PASSES:
        draft = step(draft)
    newcomers = parent.generation + 1 if parent else 1
    content = Content(
        rack_id=snapshot.rack_id,
        policy=snapshot.policy,
        groups=[_group(draft, group) for group in draft.groups],
        held=draft.held,
        former_groups=draft.former,
        missing_switches=missing(draft.switches, parent),
        switches=numbered(draft.switches, parent.switches if parent else {}, newcomers),
        sleds=numbered(draft.sled_tables, parent.sleds if parent else {}, newcomers),
        ports=draft.ports,
        transitions=draft.transitions,
        findings=draft.findings,
        causes=draft.causes,
    )
    return _weighed(content)


def _weighed(content: Content) -> Content:
    """Return *content* with what its switches have no room for; which group has to give way is not ours to say."""
    found = [finding("capacity_exceeded", excess.subject, excess.message) for excess in excesses(content)]
    return evolve(content, findings=(*content.findings, *found)) if found else content


def _group(draft: Draft, group: UUID) -> PlannedGroup:
    live, home = draft.groups[group], draft.underlay[group]
    return PlannedGroup(
        id=group,
        name=live.row.name,
        multicast_ip=live.address,
        underlay_ip=home.address,
        salt=home.salt,
        tag=live.tag,
        next_hop_switch=draft.next_hops[group],
        sources=draft.sources[group],
        receiving=group in draft.receiving,
    )


def _nothing(snapshot: Snapshot, parent: Blueprint | None) -> Content:
    """Return the plan of a rack whose multicast is off: no target is named, so nothing is touched or removed.

    What the parent had is still on the rack, so all of it is held, with its memory, until the feature is on again.
    """
    draft = _blank(snapshot, parent)
    asleep: list[tuple[UUID, Address]] = [(group.id, group.multicast_ip) for group in draft.before.values()]
    asleep += [(group.id, group.multicast_ip) for group in (parent.held if parent else ()) if group.planned is None]
    held = remember(
        draft,
        [HeldGroup(id=group, multicast_ip=address, because="multicast_disabled") for group, address in asleep],
    )
    addresses = {group.multicast_ip.text for group in held if group.heard_by}
    return Content(
        rack_id=snapshot.rack_id,
        policy=snapshot.policy,
        groups=(),
        held=held,
        former_groups=former_groups(evolve(draft, held=held), {address: [None] for address in addresses}),
        missing_switches=missing({}, parent),
        switches={},
        sleds={},
        ports={},
        transitions=(),
        findings=[finding("multicast_disabled", "rack", "what the rack has is left alone and remembered")],
    )
