"""Pass 1: the sleds that take part.

Needs      sled rows; the parent's sleds.
Adds       ``draft.sleds``, those that carry mappings, and ``draft.in_service``, those whose ports are looked for;
           ``draft.sled_causes``: who says that they take part.
Promises   a sled leaves the plan only when its row says so; a row that is missing says nothing.

The two tables are the rack's two filters of sleds (its source file of the planning input). They say the same today
and each has its own use, so that neither follows when the rack changes the other.
"""

from collections.abc import Iterable
from uuid import UUID

from attrs import evolve

from blueprints.blueprint import Blueprint
from blueprints.causes import SledCauses
from blueprints.findings import finding
from blueprints.snapshot import Sled, SledPolicy, SledState
from planner.draft import Draft, RoutingSled

IN_SERVICE: dict[tuple[SledPolicy, SledState], bool] = {
    (SledPolicy.IN_SERVICE, SledState.ACTIVE): True,
    (SledPolicy.NO_PROVISION, SledState.ACTIVE): True,
    (SledPolicy.EXPUNGED, SledState.ACTIVE): False,
    (SledPolicy.IN_SERVICE, SledState.DECOMMISSIONED): False,
    (SledPolicy.NO_PROVISION, SledState.DECOMMISSIONED): False,
    (SledPolicy.EXPUNGED, SledState.DECOMMISSIONED): False,
}
"""Which sleds have a port on each switch: those that are there, whether or not new instances may be put there."""

VPC_ROUTING: dict[tuple[SledPolicy, SledState], bool] = {
    (SledPolicy.IN_SERVICE, SledState.ACTIVE): True,
    (SledPolicy.NO_PROVISION, SledState.ACTIVE): True,
    (SledPolicy.EXPUNGED, SledState.ACTIVE): False,
    (SledPolicy.IN_SERVICE, SledState.DECOMMISSIONED): False,
    (SledPolicy.NO_PROVISION, SledState.DECOMMISSIONED): False,
    (SledPolicy.EXPUNGED, SledState.DECOMMISSIONED): False,
}
"""Which sleds carry M2P, forwarding and filters, and whose instances hear; decided apart from `IN_SERVICE`."""


def list_sleds(draft: Draft) -> Draft:
    """Return *draft* with the sleds that take part, those that only the parent knows included."""
    routing = [row for row in draft.snapshot.sleds if VPC_ROUTING[row.policy, row.state]]
    serving = [row for row in draft.snapshot.sleds if IN_SERVICE[row.policy, row.state]]
    known = {row.id for row in draft.snapshot.sleds}
    orphans = [sled for sled in draft.parent.sleds if sled not in known] if draft.parent else []
    sleds = _of_all(draft, routing, orphans)
    found = [
        finding("sled_nics_unknown", f"sled {row.id}", "its NICs were not told")
        for row in routing
        if row.underlay_nics is None
    ] + [
        finding("sled_row_missing", f"sled {sled}", "the parent has it, the snapshot has no row of it")
        for sled in orphans
    ]
    return evolve(
        draft,
        sleds=sleds,
        in_service=_of_all(draft, serving, orphans),
        sled_causes=(
            *(_cause(row, draft.parent) for row in draft.snapshot.sleds),
            *(_memory(sleds[sled]) for sled in orphans),
        ),
    ).noting(found)


def _of_all(draft: Draft, rows: Iterable[Sled], orphans: Iterable[UUID]) -> dict[UUID, RoutingSled]:
    """Return the sleds of *rows*, and *orphans*, which only the parent knows, in the order of their ids."""
    found = [_of_row(row, draft.parent) for row in rows] + [_of_parent(sled, draft.parent) for sled in orphans]
    return {sled.id: sled for sled in sorted(found, key=lambda sled: sled.id)}


def _cause(row: Sled, parent: Blueprint | None) -> SledCauses:
    before = _parent_nics(row.id, parent)
    return SledCauses(
        sled=row.id,
        takes_part=VPC_ROUTING[row.policy, row.state],
        policy=row.policy,
        state=row.state,
        nics_told=row.underlay_nics is not None,
        new=parent is not None and row.id not in parent.sleds,
        nics_before=None if parent is None or _of_row(row, parent).nics == before else before,
    )


def _memory(sled: RoutingSled) -> SledCauses:
    return SledCauses(
        sled=sled.id,
        takes_part=True,
        policy=None,
        state=None,
        nics_told=False,
        new=False,
        nics_before=None,
    )


def _of_row(row: Sled, parent: Blueprint | None) -> RoutingSled:
    nics = row.underlay_nics if row.underlay_nics is not None else _parent_nics(row.id, parent)
    return RoutingSled(id=row.id, serial=row.serial, part=row.part, underlay_address=row.underlay_address, nics=nics)


def _of_parent(sled: UUID, parent: Blueprint | None) -> RoutingSled:
    return RoutingSled(id=sled, serial=None, part=None, underlay_address=None, nics=_parent_nics(sled, parent))


def _parent_nics(sled: UUID, parent: Blueprint | None) -> tuple[str, ...]:
    if parent is None or sled not in parent.sleds:
        return ()
    return tuple(sorted({row.nic for row in parent.sleds[sled].nic_filters}))
