"""What one switch differs in: groups on its chip (dpd) and multicast routes (mgd).

Group ids of switches are no part of this: they mean nothing beyond one switch and one life of dpd. But an external
group whose underlay group was made anew is written once more, as it is: its chip leads to the former one.
This file does not know the other switches, nor what is sent.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import evolve, field, frozen

from blueprints.addresses import Address
from blueprints.blueprint import ExternalEntryRow, MemberPort, MribRoute, SwitchTables, UnderlayEntry
from blueprints.identifiers import SwitchSlot
from blueprints.observation import SeenExternal, SeenMember, SeenRoute, SeenUnderlay, SwitchObservation
from executor.changes import Change, Conflict, Foreign, Kind, MembersElsewhere
from executor.ownership import Ownership
from executor.targets import Target

Item = Change | Conflict | Foreign | MembersElsewhere


@frozen(kw_only=True)
class SwitchView:
    """One switch: what it shall hold, what it holds, and whose that is."""

    slot: SwitchSlot
    tables: SwitchTables
    seen: SwitchObservation
    ours: Ownership
    derived: bool
    """Members of underlay groups are written by somebody else."""

    elsewhere: Mapping[Address, str]
    """External group to another switch that shall hold it: it must, before this one may lose it."""

    listens_elsewhere: Callable[[Address], bool]
    """Whether a sled may hear an external group under another underlay address than the blueprint's."""

    dpd: Target = field(init=False)
    """The daemon of the first two tables."""

    mgd: Target = field(init=False)
    """The daemon of the routes."""

    @dpd.default
    def _dpd(self) -> Target:
        return Target.dpd(self.slot)

    @mgd.default
    def _mgd(self) -> Target:
        return Target.mgd(self.slot)


def dpd_differences(view: SwitchView) -> Iterator[Item]:
    """Yield what sets the chip of a switch apart; both of its tables must have been read."""
    underlays = {row.group_ip: row for row in view.seen.underlay_groups or ()}
    externals = {row.group_ip: row for row in view.seen.external_groups or ()}
    rebuilt: set[Address] = set()
    for entry in view.tables.underlay_groups:
        for item in _underlay(view, entry, underlays.pop(entry.group_ip, None)):
            yield item
            if isinstance(item, Change) and item.kind is Kind.REBUILD_UNDERLAY:
                rebuilt.add(entry.group_ip)
    kept: set[Address | None] = set()
    for row in view.tables.external_groups:
        seen = externals.pop(row.group_ip, None)
        yield from _external(view, row, seen, rebuilt)
        if seen is not None and row.sources == ():
            kept.add(seen.internal_ip)
    for external in externals.values():
        yield _unwanted_external(view, external, rebuilt)
    for underlay in underlays.values():
        if underlay.group_ip not in kept:
            yield _unwanted_underlay(view, underlay)


def _underlay(view: SwitchView, wanted: UnderlayEntry, seen: SeenUnderlay | None) -> Iterator[Item]:
    group = view.ours.group_of(wanted.group_ip, wanted.tag.text)

    def change(kind: Kind, row: object) -> Change:
        return Change(kind=kind, target=view.dpd, groups=(group,), subject=wanted.group_ip, row=row, seen=seen)

    create = change(Kind.UNDERLAY_CREATE, evolve(wanted, members=()) if view.derived else wanted)
    if view.ours.holds(group, wanted.group_ip, tag=seen.tag if seen else ""):
        yield Conflict(target=view.dpd, group=group, because=f"{wanted.group_ip} belongs to a held group")
    elif seen is None:
        yield create
    elif not view.ours.owns_underlay(seen):
        yield Conflict(target=view.dpd, group=group, because=f"{wanted.group_ip} carries the tag {seen.tag}")
    elif seen.tag != wanted.tag.text:
        yield change(Kind.REBUILD_UNDERLAY, seen)
        yield create
    else:
        yield from _members(view, wanted, seen, change)


def _members(
    view: SwitchView, wanted: UnderlayEntry, seen: SeenUnderlay, change: Callable[[Kind, object], Change]
) -> Iterator[Item]:
    if same_members(wanted.members, seen.members):
        return
    there, members = member_ports(seen), set(wanted.members)
    if view.derived:
        if there != members:
            yield MembersElsewhere(target=view.dpd, group=view.ours.group_of(wanted.group_ip, wanted.tag.text))
        return
    if members - there:
        yield change(Kind.MEMBERS_ADD, evolve(wanted, members=there | members))
    if wanted.complete and there - members:
        yield change(Kind.MEMBERS_REMOVE, wanted)


def same_members(wanted: Sequence[MemberPort], seen: Sequence[SeenMember]) -> bool:
    """Return whether two lists name the same ports, both in their order: so it is nearly always."""
    return len(wanted) == len(seen) and all(
        one.port_id == other.port_id and one.link_id == other.link_id and one.direction is other.direction
        for one, other in zip(wanted, seen, strict=True)
    )


def member_ports(seen: SeenUnderlay) -> set[MemberPort]:
    """Return the member ports of an underlay group as the blueprint writes them."""
    return {MemberPort(port_id=m.port_id, link_id=m.link_id, direction=m.direction) for m in seen.members}


def _external(
    view: SwitchView, wanted: ExternalEntryRow, seen: SeenExternal | None, rebuilt: set[Address]
) -> Iterator[Item]:
    kept = wanted.sources == ()

    def change(kind: Kind, row: object) -> Change:
        return Change(
            kind=kind, target=view.dpd, groups=(wanted.group_ip,), subject=wanted.group_ip, row=row, seen=seen
        )

    if view.ours.holds(wanted.group_ip, wanted.internal_ip, tag=seen.tag if seen else ""):
        yield Conflict(target=view.dpd, group=wanted.group_ip, because="the group is held")
    elif seen is None:
        if not kept:
            yield change(Kind.EXTERNAL_CREATE, wanted)
    elif not view.ours.owns_external(seen):
        yield Conflict(target=view.dpd, group=wanted.group_ip, because=f"{seen.group_ip} carries the tag {seen.tag}")
    elif seen.internal_ip in rebuilt or (seen.tag != wanted.tag.text and not kept):
        yield change(Kind.REBUILD_EXTERNAL, seen)
        yield change(Kind.EXTERNAL_CREATE, evolve(wanted, sources=seen.sources) if kept else wanted)
    elif not kept and _moves(view, wanted, seen):
        yield change(Kind.EXTERNAL_RETARGET, wanted)
    elif not kept and not same_external(wanted, seen):
        yield change(Kind.EXTERNAL_UPDATE, wanted)


def _moves(view: SwitchView, wanted: ExternalEntryRow, seen: SeenExternal) -> bool:
    """Return whether leading *seen* where it shall lead takes it from sleds that hear it now; else it comes back."""
    drifted = seen.internal_ip not in (None, wanted.internal_ip)
    return drifted and view.listens_elsewhere(wanted.group_ip)


def same_external(wanted: ExternalEntryRow, seen: SeenExternal) -> bool:
    """Return whether *seen* is what the blueprint has, its tag apart, and leads there still."""
    return (
        seen.internal_ip == wanted.internal_ip
        and (seen.inner_mac or "").lower() == wanted.inner_mac.text
        and (seen.vni, seen.vlan_id) == (wanted.vni, wanted.vlan_id)
        and seen.sources == wanted.sources
        and not seen.astray
    )


def _unwanted_external(view: SwitchView, seen: SeenExternal, rebuilt: set[Address]) -> Item:
    what = f"external group {seen.group_ip}, tag {seen.tag}"
    if view.ours.holds(seen.group_ip, seen.internal_ip, tag=seen.tag):
        return Foreign(target=view.dpd, what=what, held=True)
    if not view.ours.owns_external(seen):
        return Foreign(target=view.dpd, what=what)
    kind = Kind.REBUILD_EXTERNAL if seen.internal_ip in rebuilt else Kind.EXTERNAL_DELETE
    via = view.elsewhere.get(seen.group_ip, "")
    return Change(
        kind=kind, target=view.dpd, groups=(seen.group_ip,), subject=seen.group_ip, row=seen, seen=seen, via=via
    )


def _unwanted_underlay(view: SwitchView, seen: SeenUnderlay) -> Item:
    what = f"underlay group {seen.group_ip}, tag {seen.tag}"
    if view.ours.holds(seen.group_ip, tag=seen.tag):
        return Foreign(target=view.dpd, what=what, held=True)
    if not view.ours.owns_underlay(seen):
        return Foreign(target=view.dpd, what=what)
    return Change(
        kind=Kind.UNDERLAY_DELETE,
        target=view.dpd,
        groups=view.ours.groups_of(seen.group_ip),
        subject=seen.group_ip,
        row=seen,
        seen=seen,
    )


RouteKey = tuple[Address, Address | None, int]


def mgd_differences(view: SwitchView) -> Iterator[Item]:
    """Yield what sets the static multicast routes of a switch apart; they must have been read."""
    routes: dict[RouteKey, SeenRoute] = {_key(row): row for row in view.seen.mrib_routes or ()}
    for wanted in view.tables.mrib_routes:
        yield from _route(view, wanted, routes.pop(_key(wanted), None))
    for seen in routes.values():
        yield _unwanted_route(view, seen)


def _key(route: MribRoute | SeenRoute) -> RouteKey:
    return (route.group, route.source, route.vni)


def _route(view: SwitchView, wanted: MribRoute, seen: SeenRoute | None) -> Iterator[Item]:
    if view.ours.holds(wanted.group, wanted.underlay_group):
        yield Conflict(target=view.mgd, group=wanted.group, because="the group is held")
    elif seen is not None and not view.ours.owns_route(seen):
        because = f"a route of somebody else leads to {seen.underlay_group}"
        yield Conflict(target=view.mgd, group=wanted.group, because=because)
    elif seen is None or seen.underlay_group != wanted.underlay_group:
        yield Change(
            kind=Kind.ROUTE_PUT,
            target=view.mgd,
            groups=(wanted.group,),
            subject=wanted.group,
            row=wanted,
            seen=seen,
        )


def _unwanted_route(view: SwitchView, seen: SeenRoute) -> Item:
    what = f"route ({seen.source or '*'}, {seen.group}), VNI {seen.vni}, to {seen.underlay_group}"
    if view.ours.holds(seen.group, seen.underlay_group):
        return Foreign(target=view.mgd, what=what, held=True)
    if not view.ours.owns_route(seen):
        return Foreign(target=view.mgd, what=what)
    return Change(
        kind=Kind.ROUTE_WITHDRAW,
        target=view.mgd,
        groups=(seen.group,),
        subject=seen.group,
        row=seen,
        seen=seen,
    )
