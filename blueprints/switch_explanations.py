"""Explanations of what a switch shall hold: underlay groups with their ports, external groups, routes.

This file does not know the rules; what many entries have in common is in `blueprints.shared_grounds`.
"""

from collections.abc import Iterator
from uuid import UUID

from blueprints import facts
from blueprints.addresses import UnicastSource
from blueprints.blueprint import PlannedGroup, UnderlayEntry
from blueprints.grounds import Explanation, Grounds
from blueprints.identifiers import SwitchSlot
from blueprints.shared_grounds import SharedGrounds
from blueprints.snapshot import ExternalEntry


def of_switch(shared: SharedGrounds, slot: SwitchSlot) -> Iterator[Explanation]:
    """Yield the entries of one switch."""
    its = shared.blueprint.switches[slot]
    here = Grounds().on("switch", [facts.switch(slot)])
    entries = {row.group_ip: row for row in its.underlay_groups}
    externals = {row.group_ip: row for row in its.external_groups}
    for group in shared.blueprint.groups:
        base = Grounds().also(here, shared.planned(group))
        names: dict[str, object] = {"switch": slot, "group": group.multicast_ip}
        yield from _underlay(shared, slot, group, base, entries[group.underlay_ip], names)
        external = externals.get(group.multicast_ip)
        if external is not None:
            yield from _external(shared, group, base, external.sources, names)
    for route in its.mrib_routes:
        group = shared.ledger.by_address[route.group]
        base = Grounds().also(here, shared.planned(group), shared.underlay(group), shared.anybody(group))
        grounds = base.also(shared.sources(group, route.source))
        yield grounds.of(
            "mrib_routes", route.underlay_group, switch=slot, group=route.group, source=route.source or "*"
        )


def _underlay(
    shared: SharedGrounds,
    slot: SwitchSlot,
    group: PlannedGroup,
    base: Grounds,
    row: UnderlayEntry,
    names: dict[str, object],
) -> Iterator[Explanation]:
    """Yield the list of a group's ports, each of them, and whether these are all."""
    home = Grounds().also(base, shared.underlay(group))
    yield home.of("underlay_groups", f"{row.group_ip} {row.tag}", **names)
    for member in row.members:
        sled = shared.ledger.sled_behind[slot, str(member.port_id), member.link_id]
        grounds = Grounds().also(home, _heard_on(shared, group, sled), shared.port(sled, slot))
        yield grounds.of(
            "underlay_groups", group.underlay_ip, **names, port=member.port_id, link=member.link_id, sled=sled
        )
    grounds = Grounds().also(base, _completeness(shared, group, slot))
    yield grounds.of("underlay_groups", row.complete, **names, field="complete")


def _heard_on(shared: SharedGrounds, group: PlannedGroup, sled: UUID) -> Grounds:
    """Return why somebody on the sled hears the group."""
    hearers = [hearer for hearer in shared.ledger.hearers[group.id] if sled in hearer.sleds]
    return shared.heard_by(group, hearers).also(shared.takes_part(sled))


def _completeness(shared: SharedGrounds, group: PlannedGroup, slot: SwitchSlot) -> Grounds:
    """Return why the list of a group's ports is all of them, or a lower bound."""
    ledger = shared.ledger
    hearers = ledger.hearers[group.id]
    unsure = [h for h in hearers if any(not ledger.is_sure(sled, slot) for sled in h.sleds)]
    rows = [row for h in unsure for row in ledger.rows_of(group.id, h)]
    rows += shared.astray(group)
    grounds = shared.everybody(group).on("incomplete", rows)
    return grounds.aside(*(shared.port(sled, slot) for sled in sorted({sled for h in hearers for sled in h.sleds})))


def _external(
    shared: SharedGrounds,
    group: PlannedGroup,
    base: Grounds,
    sources: tuple[UnicastSource, ...] | None,
    names: dict[str, object],
) -> Iterator[Explanation]:
    """Yield a group's external entry, and each source that it lets in."""
    asking = Grounds().also(base).but(facts.policy("external_entry"))
    if shared.blueprint.policy.external_entry is ExternalEntry.ELECTED:
        asking.also(shared.next_hop(group))
    home = Grounds().also(asking, shared.underlay(group))
    yield home.of("external_groups", f"{group.underlay_ip} {group.tag}", **names)
    if sources is None:
        yield asking.also(shared.sources(group, None)).of("external_groups", "any", **names, field="filter")
        return
    asking.aside(shared.everybody(group)).but(facts.parent_group(group.id))
    yield asking.of("external_groups", "listed", **names, field="filter")
    for source in sources:
        named = Grounds().also(asking, shared.sources(group, source))
        yield named.of("external_groups", "named", **names, source=source)
