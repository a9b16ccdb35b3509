"""Pass 2: behind which port each sled is, on each switch.

Needs      ``draft.sleds``; peers, backplanes, inventory; the parent's ports.
Adds       ``draft.graph`` (sleds, switches and ports) and ``draft.ports``, which is read from it;
           ``draft.port_causes``.
Promises   P1  DDM wins, inventory fills its gaps, the parent fills what is left.
           P2  one port of a switch belongs to one sled: the stronger witness, and nobody between equals.
           P3  a port that a live witness names is on the backplane; with both backplanes unknown none is believed.
           P4  an inventory that is too old moves nobody from where the parent has him, and proves nothing: lists of
               ports that rest on it are lower bounds, in every plan that repeats it.
           P5  while a switch's peers are unknown, no inventory moves a sled from where DDM had it.

networkx keeps insertion order, so nodes and edges are added sorted.
"""

from collections.abc import Iterable, Set
from datetime import timedelta
from uuid import UUID

import networkx
from attrs import evolve, frozen

from blueprints.blueprint import LearnedFrom, MemberPort, SledPort
from blueprints.findings import Finding, finding
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.ordering import InOrder
from planner.draft import Draft
from planner.port_causes import causes_of_ports
from planner.port_claims import (
    Claim,
    Claims,
    backplane_of,
    ddm_claims,
    inventory_age,
    inventory_claims,
    parent_claims,
    shared_serials,
)

Node = tuple[str, ...]

DOUBTFUL = frozenset({LearnedFrom.OLD_INVENTORY})
"""Witnesses whose word adds members and removes none."""

SEEN = frozenset({LearnedFrom.DDM, LearnedFrom.PARENT})
"""Witnesses of the parent that saw a sled, or may have: a memory does not say whose it is."""

MEMORIES = frozenset({LearnedFrom.PARENT, LearnedFrom.OLD_INVENTORY})
"""Witnesses that do not see the rack as it is now."""


def sled_node(sled: UUID) -> Node:
    """Return the graph's name of *sled*."""
    return ("sled", str(sled))


def resolve_ports(draft: Draft) -> Draft:
    """Return *draft* with the rack's graph and the port of every sled on every switch."""
    graph: networkx.Graph[Node] = networkx.Graph()
    graph.add_nodes_from(sled_node(sled) for sled in draft.sleds)
    inventory, found = inventory_claims(draft)
    notes = [*found, *shared_serials(draft), *_missing_witnesses(draft)]
    for slot in draft.snapshot.switches:
        graph.add_node(("switch", slot), slot=slot)
        chosen, said = _choose(draft, slot, inventory)
        notes += said
        for sled, claim in chosen.items():
            port = ("port", slot, str(claim.port_id))
            graph.add_node(port, slot=slot, port_id=claim.port_id)
            graph.add_edge(("switch", slot), port)
            graph.add_edge(port, sled_node(sled), link_id=claim.link_id, learned_from=claim.learned_from)
    ports = {sled: {slot: port_of(graph, sled, slot) for slot in draft.snapshot.switches} for sled in draft.sleds}
    settled = evolve(draft, graph=graph, ports=ports).noting(notes)
    return evolve(
        settled,
        port_causes=tuple(cause for slot in settled.snapshot.switches for cause in causes_of_ports(settled, slot)),
    )


def port_of(graph: "networkx.Graph[Node]", sled: UUID, slot: SwitchSlot) -> SledPort | None:
    """Return the port between *sled* and the switch in *slot*, or None where the graph has none."""
    node = sled_node(sled)
    for port in graph.neighbors(node):
        if graph.nodes[port]["slot"] is slot:
            edge = graph.edges[node, port]
            return SledPort(
                port_id=graph.nodes[port]["port_id"], link_id=edge["link_id"], learned_from=edge["learned_from"]
            )
    return None


@frozen
class MemberPorts:
    """The member ports through which a switch reaches sleds; equal for switches that are wired alike."""

    ports: tuple[tuple[str, MemberPort], ...]
    """Sleds with their ports (P2: no port twice), in the order of the ports."""

    sure: frozenset[str]
    """The sleds of whose port there is no doubt."""

    @classmethod
    def of(cls, draft: Draft, slot: SwitchSlot) -> "MemberPorts":
        """Return those of the switch in *slot*."""
        found = {str(sled): port_of(draft.graph, sled, slot) for sled in draft.sleds}
        known = {sled: port for sled, port in found.items() if port is not None}
        ports = [(sled, MemberPort(port_id=port.port_id, link_id=port.link_id)) for sled, port in known.items()]
        return cls(
            ports=tuple(sorted(ports, key=lambda pair: pair[1].sort_key)),
            sure=frozenset(sled for sled, port in known.items() if port.learned_from not in DOUBTFUL),
        )

    def to(self, sleds: Set[str]) -> tuple[tuple[MemberPort, ...], bool]:
        """Return the ports to *sleds*, sorted; and whether these are surely all."""
        return InOrder([port for sled, port in self.ports if sled in sleds]), sleds <= self.sure


def _missing_witnesses(draft: Draft) -> Iterable[Finding]:
    for slot, switch in draft.snapshot.switches.items():
        if switch.peers is None:
            yield finding("peers_unknown", slot, "its DDM peers were not read")
    if len(draft.snapshot.switches) < len(SwitchSlot):
        yield finding("switch_missing", "rack", "the snapshot knows one switch")
    if all(switch.backplane is None for switch in draft.snapshot.switches.values()):
        yield finding("backplane_unknown", "rack", "no switch told its backplane")
    if draft.snapshot.inventory is None:
        yield finding("inventory_unknown", "rack", "no inventory in the snapshot")
        return
    age = inventory_age(draft)
    if age is not None:
        # The time it ended, not its age, which would make another plan of each minute.
        which = "before" if age > timedelta() else "after"
        ended = f"{draft.snapshot.inventory.completed_at:%Y-%m-%d %H:%M} UTC"
        yield finding("inventory_stale", "rack", f"it ended at {ended}, too long {which} this plan")
    if draft.snapshot.inventory.errors:
        yield finding("inventory_errors", "rack", f"{draft.snapshot.inventory.errors} parts of the collection failed")


def _choose(draft: Draft, slot: SwitchSlot, inventory: Claims) -> tuple[dict[UUID, Claim], list[Finding]]:
    """Return the claim believed for each sled on *slot*, strongest witness first (P1)."""
    notes: list[Finding] = []
    backplane = backplane_of(draft, slot)
    fresh = {sled: said for sled, said in inventory.items() if said[0].learned_from not in DOUBTFUL}
    ddm = _settle(_on_backplane(ddm_claims(draft, slot), backplane, slot, notes), fresh, slot, notes)
    shelf = _uncontradicted(_on_backplane(inventory, backplane, slot, notes), draft, slot, notes)
    chosen: dict[UUID, Claim] = {}
    for claims in (ddm, shelf, parent_claims(draft, slot)):
        _take(chosen, claims, draft, slot, notes)
    notes += [finding("port_unknown", f"sled {sled}", f"on {slot}") for sled in draft.sleds if sled not in chosen]
    return chosen, notes


def _on_backplane(
    claims: Claims, backplane: frozenset[PortId] | None, slot: SwitchSlot, notes: list[Finding]
) -> Claims:
    """Return the claims for ports that the backplane has (P3)."""
    kept = {}
    for sled, said in claims.items():
        good = tuple(claim for claim in said if backplane is not None and claim.port_id in backplane)
        if backplane is not None:
            notes += [
                finding(
                    "port_not_on_backplane", f"sled {sled}", f"{claim.learned_from} says {claim.port_id} on {slot}"
                )
                for claim in said
                if claim not in good
            ]
        if good:
            kept[sled] = good
    return kept


def _uncontradicted(claims: Claims, draft: Draft, slot: SwitchSlot, notes: list[Finding]) -> Claims:
    """Return *claims* of the inventory but for those that would move a sled and must not (P4, P5)."""
    blind = draft.snapshot.switches[slot].peers is None
    kept = {}
    for sled, said in claims.items():
        claim = said[0]
        before = draft.parent.ports.get(sled, {}).get(slot) if draft.parent else None
        moves = before is not None and (before.port_id, before.link_id) != (claim.port_id, claim.link_id)
        if before is None or not moves:
            kept[sled] = said
        elif claim.learned_from in DOUBTFUL:
            continue
        elif blind and before.learned_from in SEEN:
            message = f"on {slot} the parent says {before.port_id}, inventory says {claim.port_id}"
            notes.append(finding("port_conflict", f"sled {sled}", message))
        else:
            kept[sled] = said
    return kept


def _settle(ddm: Claims, inventory: Claims, slot: SwitchSlot, notes: list[Finding]) -> Claims:
    """Return one claim a sled: several stand only if inventory names one of them; tell where the two disagree."""
    settled = {}
    for sled, said in sorted(ddm.items()):
        shelf = {claim.port_id for claim in inventory.get(sled, ())}
        agreed = tuple(claim for claim in said if claim.port_id in shelf)
        ports = ", ".join(str(claim.port_id) for claim in said)
        if len(said) > 1:
            notes.append(finding("port_ambiguous", f"sled {sled}", f"DDM sees it behind {ports} on {slot}"))
            settled[sled] = agreed[:1]
        else:
            settled[sled] = said
            if shelf and not agreed:
                where = min(shelf)
                message = f"on {slot} DDM says {ports}, inventory says {where}"
                notes.append(finding("port_conflict", f"sled {sled}", message))
    return {sled: said for sled, said in settled.items() if said}


def _take(chosen: dict[UUID, Claim], claims: Claims, draft: Draft, slot: SwitchSlot, notes: list[Finding]) -> None:
    """Add to *chosen* the claims of one witness for sleds that have none yet (P2)."""
    taken = {claim.port_id: sled for sled, claim in chosen.items()}
    wanting = {sled: said[0] for sled, said in sorted(claims.items()) if sled in draft.sleds and sled not in chosen}
    for sled, claim in wanting.items():
        rivals = [other for other, its in wanting.items() if its.port_id == claim.port_id and other != sled]
        holder = taken.get(claim.port_id)
        if holder is None and not rivals:
            chosen[sled] = claim
        elif claim.learned_from not in MEMORIES:  # a memory that is overtaken is no quarrel
            rival = holder or rivals[0]
            message = f"{claim.learned_from} says {claim.port_id} on {slot}, which sled {rival} has or claims too"
            notes.append(finding("port_claimed_twice", f"sled {sled}", message))
