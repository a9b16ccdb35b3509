"""Pass 7: the switch that replicates each group's packets from instances.

Needs      ``draft.groups``; the snapshot's switches; the parent's groups.
Adds       ``draft.next_hops``.
Promises   the choice stays while its switch is in the snapshot; when a switch goes, only its own groups move.
"""

from uuid import UUID

from attrs import evolve

from blueprints.identifiers import SwitchSlot, rendezvous
from planner.draft import Draft


def choose_next_hops(draft: Draft) -> Draft:
    """Return *draft* with a switch for each group: the parent's, else by rendezvous hashing."""
    switches = draft.snapshot.switches
    return evolve(draft, next_hops={group: _choose(draft, group, tuple(switches)) for group in draft.groups})


def _choose(draft: Draft, group: UUID, slots: tuple[SwitchSlot, ...]) -> SwitchSlot:
    before = draft.before.get(group)
    if before is not None and before.next_hop_switch in slots:
        return before.next_hop_switch
    return rendezvous(group, slots)
