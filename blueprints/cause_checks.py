"""The structural rule about causes: a line for everything that has some, and none for anything else.

`blueprints.explanations` relies on it. This file does not know what the lines say, nor who is told of a breach.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Set
from uuid import UUID

from blueprints.addresses import Address
from blueprints.blueprint import Blueprint
from blueprints.causes import NO_CAUSES

Found = Iterable[tuple[str, str]]
"""Pairs of subject and message."""


def causes_fit(blueprint: Blueprint) -> Found:
    """Yield what has no causes, and causes that are of nothing; nothing at all for a blueprint without causes.

    Whoever only carries a blueprint out reads it without them.
    """
    causes = blueprint.causes
    if causes == NO_CAUSES:
        return
    ports = {(sled, slot) for sled, places in blueprint.ports.items() for slot in places}
    leaves = {(s, row.propolis_id, row.group_ip) for s, its in blueprint.sleds.items() for row in its.departures}
    yield from _lines("group", {group.id for group in blueprint.groups}, (line.group for line in causes.groups))
    yield from _lines("sled", set(blueprint.sleds), (line.sled for line in causes.sleds if line.takes_part))
    yield from _lines("port", ports, ((line.sled, line.switch) for line in causes.ports))
    yield from _lines("leave", leaves, ((line.sled, line.propolis, line.group_ip) for line in causes.departures))
    planned = {group.id: group.multicast_ip for group in blueprint.groups}
    yield from (
        (f"group {line.group}", "is planned, and said to be absent")
        for line in causes.absent
        if line.group in planned
    )
    hearing = _instances_by_group(blueprint)
    for line in causes.groups:
        count = len(hearing.get(planned.get(line.group), ()))
        if line.group in planned and len(line.members) != count:
            yield f"group {line.group}", f"{len(line.members)} member rows are noted for {count} who hear it"
        if not set(line.kept) <= set(line.members):
            yield f"group {line.group}", "rows are noted to keep sources that nobody hears by"


def _lines(kind: str, wanted: Set[Hashable], noted: Iterable[Hashable]) -> Found:
    """Yield what has no line of causes, or several, and lines of what is not there."""
    counts = Counter(noted)
    for name in wanted | counts.keys():
        if counts[name] != (name in wanted):
            said = ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)
            yield f"{kind} {said}", f"has {counts[name]} lines of causes, and should have {int(name in wanted)}"


def _instances_by_group(blueprint: Blueprint) -> dict[Address | None, set[UUID]]:
    hearing: dict[Address | None, set[UUID]] = {}
    for its in blueprint.sleds.values():
        for row in its.subscriptions:
            hearing.setdefault(row.group_ip, set()).add(row.instance_id)
    return hearing
