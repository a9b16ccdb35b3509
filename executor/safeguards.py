"""What keeps a run from doing harm beyond its order of calls, and what somebody accepted beforehand.

This file does not know how a run goes.
"""

from collections.abc import Iterable

from attrs import field, frozen

from blueprints.addresses import Address
from executor.fence import TargetStore
from executor.journal import JournalFile
from executor.limits import Allowances


def _groups(groups: Iterable[Address]) -> frozenset[Address]:
    return frozenset(groups)


@frozen(kw_only=True)
class Safeguards:
    """What a run keeps to, besides its order."""

    allow_loss: bool = False
    """Send changes too that no order brings about without losing packets, moves apart."""

    move_underlay: frozenset[Address] = field(default=frozenset(), converter=_groups)
    """Groups whose underlay address may move, whatever that costs: a move is never a side effect."""

    allowances: Allowances = field(factory=Allowances)
    """How much may go before somebody is asked."""

    allow_mass_change: bool = False
    """Take away more than that."""

    allow_other_writer: bool = False
    """Go on where objects change that the run did not write."""

    target_store: TargetStore | None = None
    """What says which blueprint is the target: no other is carried out, nor one any longer than it is."""

    journal: JournalFile | None = None
    """Where stands what nobody can read back; without it, a run that is cut short may leave ports subscribed."""
