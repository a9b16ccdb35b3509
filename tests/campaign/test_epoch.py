"""What a plan promises, as the witness reads it."""

from attrs import evolve

from blueprints.addresses import Address
from tests.campaign.epoch import epoch_of
from tests.executor.bench import planned
from tests.simrack.rows import G4, G6, small_rack


def test_a_group_that_nobody_hears_keeps_its_row() -> None:
    """Its ports have still to leave that very group, and not one that has its address by now."""
    rack = small_rack()
    first = planned(rack)
    silent = evolve(rack, members=())
    epoch = epoch_of(silent, planned(silent, first))
    assert epoch.members == {}
    assert epoch.ids == {Address.parse(text): row.id for text, row in zip((G4, G6), rack.groups, strict=True)}
