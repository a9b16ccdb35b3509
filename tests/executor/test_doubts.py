"""Which ports of a chip are in doubt after a refusal, and what settles that."""

from typing import Any

from attrs import evolve

from executor.changes import Change, Kind
from executor.doubts import proven, refused, standing
from executor.journal import Doubted
from executor.targets import Target
from tests.executor.builders import (
    SILENT_SWITCH,
    SWITCH0,
    SWITCH1,
    G,
    blueprint,
    group_ip,
    observation_of,
    port,
    seen_members,
    underlay_ip,
    with_switch,
)

PLAN = blueprint(G(number=1, sleds=(0, 1)))
SEEN = observation_of(PLAN)


def change(kind: Kind, before: tuple[int, ...], after: tuple[int, ...], slot: Any = SWITCH0) -> Change:
    """Return a change of the members of the first group."""
    (row,) = PLAN.switches[slot].underlay_groups
    (seen,) = SEEN.switches[slot].underlay_groups or ()
    return Change(
        kind=kind,
        target=Target.dpd(slot),
        groups=[group_ip(1)],
        subject=row.group_ip,
        row=evolve(row, members=[port(number) for number in after]),
        seen=evolve(seen, members=seen_members([port(number) for number in before])),
    )


def doubt(*ports: int) -> Doubted:
    """Return a doubt about the first group on the first switch."""
    return Doubted(
        switch=SWITCH0, underlay=underlay_ip(1), group=group_ip(1), ports=[port(number) for number in ports]
    )


REMOVED = change(Kind.MEMBERS_REMOVE, (0, 1, 2), (0,))


def test_a_refusal_puts_what_it_would_have_changed_into_doubt() -> None:
    """The ports that stay are not touched by dpd; what was in doubt before stays so."""
    once = refused((), REMOVED)
    assert once == (doubt(1, 2),)
    assert refused(once, change(Kind.MEMBERS_ADD, (0,), (0, 3))) == (doubt(1, 2, 3),)


def test_a_change_that_a_chip_takes_proves_its_ports() -> None:
    """Others are in doubt still; another switch proves nothing, nor does a change of another kind."""
    doubts = (doubt(1, 2),)
    assert proven(doubts, REMOVED) == ()
    assert proven(doubts, change(Kind.MEMBERS_REMOVE, (0, 1), (0,))) == (doubt(2),)
    assert proven(doubts, change(Kind.MEMBERS_REMOVE, (0, 1, 2), (0,), SWITCH1)) == doubts
    assert proven(doubts, evolve(REMOVED, kind=Kind.EXTERNAL_UPDATE)) == doubts


def test_a_group_that_is_made_anew_is_as_its_daemon_says() -> None:
    """Whether it was deleted, rebuilt or created; and one that is not there any more will be."""
    for kind in (Kind.UNDERLAY_CREATE, Kind.REBUILD_UNDERLAY, Kind.UNDERLAY_DELETE):
        assert proven((doubt(1),), evolve(REMOVED, kind=kind)) == ()
    assert standing((doubt(1),), SEEN) == (doubt(1),)
    assert standing((doubt(1),), with_switch(SEEN, SWITCH0, underlay_groups=[])) == ()
    assert standing((doubt(1),), evolve(SEEN, switches={SWITCH0: SILENT_SWITCH})) == (doubt(1),)
