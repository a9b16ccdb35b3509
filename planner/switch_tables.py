"""Pass 8: what each switch shall hold.

Needs      groups, audiences, sources, underlay addresses, next hops and the graph.
Adds       ``draft.switches``, all of generation 1; `planner.lineage` counts.
Promises   every external entry's underlay group is in the same switch's table; routes exist only while somebody
           receives.
"""

from collections.abc import Iterable
from uuid import UUID

from attrs import evolve

from blueprints.addresses import ExternalGroup, UnderlayGroup, UnicastSource, is_source_specific
from blueprints.blueprint import ExternalEntryRow, GroupSources, MribRoute, SwitchTables, UnderlayEntry
from blueprints.columns import made
from blueprints.identifiers import FLEET_VNI, MulticastMac, SwitchSlot
from blueprints.ordering import InOrder
from blueprints.snapshot import ExternalEntry
from planner.draft import Draft, LiveGroup
from planner.sled_ports import MemberPorts


def fill_switches(draft: Draft) -> Draft:
    """Return *draft* with the tables of every switch of the snapshot; rows that are the same on both are shared."""
    externals = [_external(draft, draft.groups[group]) for group in draft.by_address]
    everywhere = InOrder(externals) if draft.snapshot.policy.external_entry is ExternalEntry.EVERY_SWITCH else None
    routes = InOrder(_routes(draft))
    tables = {}
    wired: list[tuple[MemberPorts, tuple[UnderlayEntry, ...]]] = []
    for slot in draft.snapshot.switches:
        ports = MemberPorts.of(draft, slot)
        alike = next((rows for other, rows in wired if other == ports), None)
        rows = alike if alike is not None else InOrder(_underlay(draft, ports, group) for group in draft.by_underlay)
        wired.append((ports, rows))
        tables[slot] = SwitchTables(
            generation=1,
            underlay_groups=rows,
            external_groups=everywhere if everywhere is not None else _elected(draft, externals, slot),
            mrib_routes=routes,
        )
    return evolve(draft, switches=tables)


def _underlay(draft: Draft, ports: MemberPorts, group: UUID) -> UnderlayEntry:
    audience = draft.audiences[group]
    members, reached = ports.to(audience.sleds)
    return UnderlayEntry(
        group_ip=draft.underlay[group].address,
        tag=draft.groups[group].tag,
        members=members,
        complete=reached and audience.located,
    )


def _elected(draft: Draft, externals: Iterable[ExternalEntryRow], slot: SwitchSlot) -> tuple[ExternalEntryRow, ...]:
    """Return those of *externals*, one for each group of *draft* by address, that stand on *slot*.

    Elected is the next hop's switch: there the source filter also judges packets between instances, and without
    the entry they would be dropped.
    """
    return InOrder(
        row for group, row in zip(draft.by_address, externals, strict=True) if draft.next_hops[group] is slot
    )


def _external(draft: Draft, live: LiveGroup) -> ExternalEntryRow:
    underlay = draft.underlay[live.row.id].address
    return ExternalEntryRow(
        group_ip=live.address,
        tag=live.tag,
        internal_ip=underlay,
        inner_mac=MulticastMac.of_group(underlay),
        sources=_filter(draft.sources[live.row.id], specific_only=is_source_specific(live.address)),
    )


def _filter(sources: GroupSources, *, specific_only: bool) -> tuple[UnicastSource, ...] | None:
    return None if sources.any and not specific_only else sources.specific


def _routes(draft: Draft) -> list[MribRoute]:
    """Return (*,G) if somebody takes any source, and (S,G) for each source named; nothing without a receiver."""
    rows: list[tuple[ExternalGroup, UnicastSource | None, int, UnderlayGroup]] = []
    for group in draft.by_address:
        if group in draft.receiving:
            asked, address, underlay = (
                draft.sources[group],
                draft.groups[group].address,
                draft.underlay[group].address,
            )
            if asked.any:
                rows.append((address, None, FLEET_VNI, underlay))
            rows += [(address, source, FLEET_VNI, underlay) for source in asked.specific]
    return made(MribRoute, list(zip(*rows, strict=True))) if rows else []
