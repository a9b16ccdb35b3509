"""Pass 2: behind which port each sled is, on each switch.

Needs      ``draft.in_service``; peers, backplanes, inventory; the parent's ports.
Adds       ``draft.graph`` (sleds, switches and ports) and ``draft.ports``, which is read from it;
           ``draft.port_causes``.
Promises   P1  DDM wins, inventory fills its gaps, the parent fills what is left.
           P2  one port of a switch belongs to one sled: the stronger witness, and nobody between equals.
           P3  a port that a live witness names is on the backplane; with both backplanes unknown none is believed.
           P4  an inventory that is too old moves nobody from where the parent has him, and proves nothing: lists of
               ports that rest on it are lower bounds, in every plan that repeats it.
           P5  while a switch's peers are unknown, no inventory moves a sled from where DDM had it, nor puts another
               one there.
           P6  while a switch's own backplane is unknown, nobody moves from where the parent has him, nor takes that
               place: the backplane of the other switch is good for those who have no place yet.
           P7  a sled whose row is missing keeps its place as if its switch's peers were unknown; and a DDM peer that
               names nobody may be such a sled, so that no other moves to its port.

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
    strangers,
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
    graph.add_nodes_from(sled_node(sled) for sled in draft.in_service)
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
    ports = {
        sled: {slot: port_of(graph, sled, slot) for slot in draft.snapshot.switches} for sled in draft.in_service
    }
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
        found = {str(sled): port_of(draft.graph, sled, slot) for sled in draft.in_service}
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
        when = "before" if age > timedelta() else "after"
        ended = f"{draft.snapshot.inventory.completed_at:%Y-%m-%d %H:%M} UTC"
        which_one = f"collection {draft.snapshot.inventory.collection_id}"
        yield finding("inventory_stale", "rack", f"{which_one} ended at {ended}, too long {when} this plan")
    if draft.snapshot.inventory.errors:
        yield finding("inventory_errors", "rack", f"{draft.snapshot.inventory.errors} parts of the collection failed")


def _choose(draft: Draft, slot: SwitchSlot, inventory: Claims) -> tuple[dict[UUID, Claim], list[Finding]]:
    """Return the claim believed for each sled on *slot*, strongest witness first (P1)."""
    notes: list[Finding] = []
    backplane = backplane_of(draft, slot)
    fresh = {sled: said for sled, said in inventory.items() if said[0].learned_from not in DOUBTFUL}
    ddm = _settle(_on_backplane(ddm_claims(draft, slot), backplane, slot, notes), fresh, slot, notes)
    shelf = _on_backplane(inventory, backplane, slot, notes)
    memory = _Memory(draft, slot, strangers(draft, slot), fresh)
    chosen: dict[UUID, Claim] = {}
    for claims in (ddm, shelf, parent_claims(draft, slot)):
        _take(chosen, claims, memory, notes)
    notes += [
        finding("port_unknown", f"sled {sled}", f"on {slot}") for sled in draft.in_service if sled not in chosen
    ]
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


@frozen
class _Memory:
    """What the parent says of one switch, and when that outweighs a witness (P4 to P7)."""

    draft: Draft
    slot: SwitchSlot
    strange: frozenset[PortId]
    """Ports behind which DDM sees somebody who is no sled that takes part."""

    fresh: Claims
    """What an inventory that is not too old says."""

    def standing(self, chosen: dict[UUID, Claim]) -> dict[UUID, SledPort]:
        """Return the places of sleds that are not *chosen* yet, but for those that *chosen* gives away."""
        taken = {claim.port_id for claim in chosen.values()}
        places = (
            {sled: row.get(self.slot) for sled, row in self.draft.parent.ports.items()} if self.draft.parent else {}
        )
        return {
            sled: place
            for sled, place in places.items()
            if place is not None
            and sled in self.draft.in_service
            and sled not in chosen
            and place.port_id not in taken
        }

    def forbids(self, sled: UUID, claim: Claim, standing: dict[UUID, SledPort]) -> bool:
        """Return whether the *claim* for *sled* would move it, or displace who is *standing*, and must not."""
        holder = next((other for other, place in standing.items() if place.port_id == claim.port_id), sled)
        if holder != sled and self._outweighs(holder, standing[holder], sled, claim):
            return True
        place = standing.get(sled)
        moves = place is not None and (place.port_id, place.link_id) != (claim.port_id, claim.link_id)
        return place is not None and moves and self._outweighs(sled, place, sled, claim)

    def _outweighs(self, sled: UUID, place: SledPort, claimant: UUID, claim: Claim) -> bool:
        """Return whether the *place* of *sled* outweighs *claim*: who could tell is silent, or tells of long ago."""
        switch = self.draft.snapshot.switches[self.slot]
        if switch.backplane is None or claim.learned_from in DOUBTFUL:
            return True
        if claim.learned_from is LearnedFrom.DDM:
            agreed = any(its.port_id == claim.port_id for its in self.fresh.get(claimant, ()))
            return claim.port_id in self.strange and not agreed
        unseen = switch.peers is None or self.draft.in_service[sled].serial is None
        return unseen and place.learned_from in SEEN


def _take(chosen: dict[UUID, Claim], claims: Claims, memory: _Memory, notes: list[Finding]) -> None:
    """Add to *chosen* the claims of one witness for sleds that have none yet (P2), but for what *memory* forbids."""
    taken = {claim.port_id: sled for sled, claim in chosen.items()}
    standing, takes_part = memory.standing(chosen), memory.draft.in_service
    wanting = {sled: said[0] for sled, said in sorted(claims.items()) if sled in takes_part and sled not in chosen}
    for sled, claim in wanting.items():
        rivals = [other for other, its in wanting.items() if its.port_id == claim.port_id and other != sled]
        rival = taken.get(claim.port_id) or next(iter(rivals), None)
        if rival is None and not memory.forbids(sled, claim, standing):
            chosen[sled] = claim
        elif claim.learned_from not in MEMORIES:  # a memory that is overtaken is no quarrel
            notes.append(_yields(sled, claim, rival, memory.slot))


def _yields(sled: UUID, claim: Claim, rival: UUID | None, slot: SwitchSlot) -> Finding:
    """Return what is to be said of a *claim* that is not believed, for a *rival* or for what the parent knows."""
    says = f"{claim.learned_from} says {claim.port_id} on {slot}"
    if rival is None:
        return finding("port_conflict", f"sled {sled}", f"{says}, against what the parent knows")
    return finding("port_claimed_twice", f"sled {sled}", f"{says}, which sled {rival} has or claims too")
