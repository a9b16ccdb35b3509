"""Doubts: ports of which a chip may not be as its daemon lists them, because a change of members was refused.

Rules:
    Q1  a refusal puts into doubt every port that the change would have added or removed: dpd stops half way, takes
        its own list back, and leaves the chip.
    Q2  a port that is added or removed since is proven: a chip refuses to add what it has, and to remove what it has
        not. A group that was deleted or created is proven as a whole.

This file does not know when a chip is healed, nor where doubts are kept.
"""

from collections.abc import Iterable

from attrs import evolve

from blueprints.blueprint import MemberPort
from blueprints.identifiers import SwitchSlot
from blueprints.observation import Observation
from executor.changes import Change, Kind
from executor.journal import Doubted
from executor.switch_differences import member_ports
from executor.targets import Target

MEMBERS = frozenset({Kind.MEMBERS_ADD, Kind.MEMBERS_REMOVE})
"""What may be half in effect on a chip if it is refused."""

_MADE_ANEW = frozenset({Kind.UNDERLAY_CREATE, Kind.REBUILD_UNDERLAY, Kind.UNDERLAY_DELETE})


def refused(doubts: Iterable[Doubted], change: Change) -> tuple[Doubted, ...]:
    """Return *doubts* with those that the refusal of *change* raises (rule Q1)."""
    before = tuple(doubts)
    others = [each for each in before if not _is_about(each, change)]
    ports = _changed(change).union(*(each.ports for each in before if _is_about(each, change)))
    slot = SwitchSlot(change.target.place)
    return (*others, Doubted(switch=slot, underlay=change.subject, group=change.groups[0], ports=ports))


def proven(doubts: Iterable[Doubted], change: Change) -> tuple[Doubted, ...]:
    """Return *doubts* without those that *change*, which is in effect, settles (rule Q2)."""
    if change.kind not in MEMBERS | _MADE_ANEW:
        return tuple(doubts)
    left = []
    for each in doubts:
        ports = set(each.ports)
        if _is_about(each, change):
            ports -= ports if change.kind in _MADE_ANEW else _changed(change)
        if ports:
            left.append(evolve(each, ports=ports))
    return tuple(left)


def standing(doubts: Iterable[Doubted], seen: Observation) -> tuple[Doubted, ...]:
    """Return those of *doubts* whose groups may be the ones of then: one that went is made anew with its chip."""
    return tuple(each for each in doubts if _may_stand(each, seen))


def _may_stand(doubted: Doubted, seen: Observation) -> bool:
    switch = seen.switches.get(doubted.switch)
    if switch is None or switch.underlay_groups is None:
        return True
    return any(row.group_ip == doubted.underlay for row in switch.underlay_groups)


def _is_about(doubted: Doubted, change: Change) -> bool:
    return (Target.dpd(doubted.switch), doubted.underlay) == (change.target, change.subject)


def _changed(change: Change) -> set[MemberPort]:
    """Return the ports that a change of members adds and removes."""
    return member_ports(change.seen) ^ set(change.row.members)
