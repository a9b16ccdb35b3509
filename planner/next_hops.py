"""Pass 7: the switch that replicates each group's packets from instances.

Needs      ``draft.groups``; the snapshot's switches; the parent's groups.
Adds       ``draft.next_hops``, and ``draft.hashed`` where hashing says the same.
Promises   the choice stays while its switch is in the snapshot; when a switch goes, only its own groups move.
"""

from uuid import UUID

from attrs import evolve

from blueprints.identifiers import SwitchSlot, rendezvous
from planner.draft import Draft


def choose_next_hops(draft: Draft) -> Draft:
    """Return *draft* with a switch for each group: the parent's, else by rendezvous hashing."""
    slots = tuple(draft.snapshot.switches)
    drawn = {group: rendezvous(group, slots) for group in draft.groups}
    chosen = {group: _kept(draft, group, slots) or slot for group, slot in drawn.items()}
    return evolve(draft, next_hops=chosen, hashed=frozenset(g for g, slot in drawn.items() if chosen[g] is slot))


def _kept(draft: Draft, group: UUID, slots: tuple[SwitchSlot, ...]) -> SwitchSlot | None:
    before = draft.before.get(group)
    return before.next_hop_switch if before is not None and before.next_hop_switch in slots else None
