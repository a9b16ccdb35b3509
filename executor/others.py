"""Signs that somebody else writes what is ours: objects that changed between two reads, and not as they should.

An object is suspicious if it is there, is neither as it was nor as the blueprint has it, and either nothing was sent
for it in between, or all that was sent was acknowledged. Objects that went missing are no sign, because daemons
restart; objects that became as they should be are none either, because a blueprint may be carried out twice.

This file does not know what is done about it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from attrs import evolve

from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation, SeenExternal, SeenUnderlay
from executor.actions import FORMS
from executor.changes import Change, Kind
from executor.sending import Sent
from executor.targets import Daemon, Target

Thing = tuple[Target, str, object]
"""An object: its target, its table, its key there."""

_TABLES: Mapping[Kind, str] = {
    Kind.REBUILD_EXTERNAL: "external_groups",
    Kind.REBUILD_UNDERLAY: "underlay_groups",
    Kind.UNDERLAY_CREATE: "underlay_groups",
    Kind.MEMBERS_ADD: "underlay_groups",
    Kind.EXTERNAL_CREATE: "external_groups",
    Kind.EXTERNAL_UPDATE: "external_groups",
    Kind.EXTERNAL_RETARGET: "external_groups",
    Kind.REFILTER_LIVE: "external_groups",
    Kind.DRAIN: "forwarding",
    Kind.REFILTER_DRAINED: "external_groups",
    Kind.FORWARDING_SET: "forwarding",
    Kind.HOP_CHANGE: "forwarding",
    Kind.M2P_SET: "m2p",
    Kind.M2P_MOVE: "m2p",
    Kind.M2P_ASSERT: "m2p",
    Kind.ROUTE_PUT: "mrib_routes",
    Kind.ROUTE_WITHDRAW: "mrib_routes",
    Kind.FORWARDING_CLEAR: "forwarding",
    Kind.M2P_CLEAR: "m2p",
    Kind.EXTERNAL_DELETE: "external_groups",
    Kind.MEMBERS_REMOVE: "underlay_groups",
    Kind.UNDERLAY_DELETE: "underlay_groups",
}
"""In which table the object of a change stands; joins and leaves have none that can be read."""


def _thing(change: Change) -> Thing | None:
    table = _TABLES.get(change.kind)
    if table is None:
        return None
    key: object = change.subject
    if table == "mrib_routes":
        key = (change.row.group, change.row.source, change.row.vni)
    return (change.target, table, key)


def suspicious(
    differing: Iterable[Change],
    sent: Iterable[Sent],
    before: Observation,
    after: Observation,
    *,
    narrowed: bool,
    derived: bool,
) -> Iterator[Thing]:
    """Yield the objects that somebody else changed.

    Args:
        differing: what still differs from the blueprint by *after*.
        sent: what was sent between the two reads.
        before: what was read first.
        after: what was read last.
        narrowed: whether narrowing was sent; before that, what waits for it differs rightly.
        derived: whether member lists are somebody else's anyway.
    """
    looked_at = [(change, thing) for change in differing if (thing := _thing(change)) is not None]
    done = _done(sent if looked_at else (), {thing for _, thing in looked_at})
    for change, thing in looked_at:
        if thing in done and not _is_settled(change, done[thing], narrowed=narrowed):
            continue
        was, now = (_content(seen, thing, derived=derived) for seen in (before, after))
        if now and was != now:
            yield thing


def _done(sent: Iterable[Sent], things: Collection[Thing]) -> Mapping[Thing, bool]:
    """Return for which of *things* something was sent, and whether all of it came to a good end."""
    done: dict[Thing, bool] = {}
    for each in sent:
        for change in each.call.changes:
            thing = _thing(change)
            if thing in things and thing is not None:
                # A detour leaves an entry half way on purpose: what follows it may have been held back.
                done[thing] = done.get(thing, True) and each.done and change.kind is not Kind.DRAIN
    return done


def _is_settled(change: Change, done: bool, *, narrowed: bool) -> bool:
    """Return whether what was sent for the object of *change* should have left nothing to do."""
    return done and (narrowed or not FORMS[change.kind].tier.narrows)


def _content(seen: Observation, thing: Thing, *, derived: bool) -> list[Any]:
    """Return the rows of one object."""
    target, table, key = thing
    place: Any
    if target.daemon is Daemon.SLED_AGENT:
        place = seen.sleds.get(UUID(target.place))
    else:
        place = seen.switches.get(SwitchSlot(target.place))
    rows = [row for row in getattr(place, table, None) or () if _key(row) == key]
    return [_own(row, derived=derived) for row in rows]


def _own(row: Any, *, derived: bool) -> Any:
    """Return *row* without what others may change: members that are theirs, and whether another group went away."""
    if isinstance(row, SeenExternal):
        return evolve(row, astray=False)
    return evolve(row, members=()) if derived and isinstance(row, SeenUnderlay) else row


def _key(row: Any) -> object:
    """Return what a row is looked up by."""
    if hasattr(row, "underlay_group"):
        return (row.group, row.source, row.vni)
    if hasattr(row, "group_ip"):
        return row.group_ip
    return row.group if hasattr(row, "group") else row.underlay


def told(thing: Thing) -> str:
    """Return what people are told of one object."""
    target, table, key = thing
    name = f"({key[1] or '*'}, {key[0]})" if isinstance(key, tuple) else str(key)
    return f"{name} in the {table.replace('_', ' ')} of {target} changed, and not by this run"
