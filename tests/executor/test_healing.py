"""Which steps of healing are sent: none that would come to no end.

This file does not know how anything is sent.
"""

import pytest

from blueprints.addresses import Address
from blueprints.identifiers import SwitchSlot
from executor.changes import Change, Kind
from executor.healing import to_some_end
from executor.targets import Target
from tests.simrack.rows import G4, G6, SWITCH0, SWITCH1

TAKEN, OTHER = Address.parse(G4), Address.parse(G6)


def step(kind: Kind, group: Address = TAKEN, slot: SwitchSlot = SWITCH0) -> Change:
    """Return one step of taking *group* from a switch."""
    target = Target.mgd(slot) if kind is Kind.ROUTE_WITHDRAW else Target.dpd(slot)
    return Change(kind=kind, target=target, groups=(group,), subject=group, row=None)


WITHDRAWAL = step(Kind.ROUTE_WITHDRAW)
EXTERNAL, UNDERLAY = step(Kind.EXTERNAL_DELETE), step(Kind.UNDERLAY_DELETE)


@pytest.mark.parametrize("deletions", [[EXTERNAL], [UNDERLAY], [EXTERNAL, UNDERLAY]])
def test_routes_go_where_the_group_goes_after_them(deletions: list[Change]) -> None:
    """Whatever of the group is there is deleted."""
    steps = [WITHDRAWAL, *deletions]
    assert to_some_end(steps, lambda _: False) == steps


@pytest.mark.parametrize("waiting", [EXTERNAL, UNDERLAY])
def test_routes_stay_where_part_of_the_group_stays(waiting: Change) -> None:
    """One closed gate is enough."""
    assert to_some_end([WITHDRAWAL, EXTERNAL, UNDERLAY], lambda change: change is waiting) == [EXTERNAL, UNDERLAY]


@pytest.mark.parametrize(
    "others", [[], [step(Kind.EXTERNAL_DELETE, OTHER)], [step(Kind.EXTERNAL_DELETE, slot=SWITCH1)]]
)
def test_routes_stay_where_nothing_of_the_group_is_known_to_be_deleted(others: list[Change]) -> None:
    """A switch that cannot be read any more differs in nothing; what goes elsewhere makes nothing anew here."""
    assert to_some_end([WITHDRAWAL, *others], lambda _: False) == others
