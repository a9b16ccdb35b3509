"""Pass 7: the switch that replicates each group's packets from instances.

Needs      ``draft.groups``; the snapshot's switches; the parent's groups.
Adds       ``draft.next_hops``.
Promises   the choice stays while its switch is in the snapshot; when a switch goes, only its own groups move.
"""

from hashlib import sha256
from uuid import UUID

from attrs import evolve

from blueprints.identifiers import SwitchSlot
from planner.draft import Draft


def choose_next_hops(draft: Draft) -> Draft:
    """Return *draft* with a switch for each group: the parent's, else by rendezvous hashing."""
    switches = draft.snapshot.switches
    before = {group.id: group.next_hop_switch for group in draft.parent.groups} if draft.parent else {}
    chosen = {
        group: before[group] if before.get(group) in switches else rendezvous(group, tuple(switches))
        for group in draft.groups
    }
    return evolve(draft, next_hops=chosen)


def rendezvous(group: UUID, slots: tuple[SwitchSlot, ...]) -> SwitchSlot:
    """Return the slot whose SHA-256 of ``<group uuid>/<slot>`` is the highest."""
    return max(slots, key=lambda slot: sha256(f"{group}/{slot}".encode()).digest())
