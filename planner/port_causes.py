"""Causes of ports: for each sled and switch, who names the port that is believed, and what else was said.

Claims decide over one another only where they share a sled, a port, a serial or an address. What is connected in
this way is written down together; the rest of the rack has no say. This file does not know which claim wins.
"""

from collections.abc import Iterable
from uuid import UUID

import networkx

from blueprints.blueprint import SledPort
from blueprints.causes import PortCauses
from blueprints.identifiers import PortId, SwitchSlot
from blueprints.snapshot import Peer, ServiceProcessor, SpType
from planner.draft import Draft
from planner.port_claims import REAR, usable

Node = tuple[str, object]


def causes_of_ports(draft: Draft, slot: SwitchSlot) -> Iterable[PortCauses]:
    """Yield, for every sled that takes part, who says what of its port on *slot*."""
    quarrels = _quarrels(draft, slot)
    peers = draft.snapshot.switches[slot].peers or ()
    inventory = draft.snapshot.inventory
    boards = inventory.service_processors if inventory is not None else ()
    for sled in draft.in_service:
        quarrel = quarrels[sled]
        believed = draft.ports[sled][slot]
        said = [peer for peer in peers if believed and _names(peer, draft, sled) and usable(peer) == _place(believed)]
        shelf = [board for board in boards if believed and _place_of(board, draft, sled) == _place(believed)]
        yield PortCauses(
            sled=sled,
            switch=slot,
            peers=said,
            boards=shelf,
            new=draft.parent is not None and (believed is None or _before(draft, sled, slot) != _place(believed)),
            other_peers=[peer for peer in peers if peer not in said and _concerns_peer(peer, quarrel)],
            other_boards=[board for board in boards if board not in shelf and _concerns_board(board, quarrel)],
            other_sleds=tuple(sorted(name for _, name in quarrel if isinstance(name, UUID) and name != sled)),
            ports=tuple(sorted(name for _, name in quarrel if isinstance(name, PortId))),
        )


def _place(port: SledPort) -> tuple[PortId, int]:
    return port.port_id, port.link_id


def _names(peer: Peer, draft: Draft, sled: UUID) -> bool:
    row = draft.in_service[sled]
    return peer.host == row.serial or peer.addr == row.underlay_address


def _port_of(board: ServiceProcessor) -> PortId | None:
    return PortId.parse(f"{REAR}{board.slot}") if board.type is SpType.SLED and 0 <= board.slot <= 31 else None


def _place_of(board: ServiceProcessor, draft: Draft, sled: UUID) -> tuple[PortId, int] | None:
    """Return where *board* says that *sled* is, or None if it says nothing of it."""
    port = _port_of(board)
    return (port, 0) if port is not None and board.serial == draft.in_service[sled].serial else None


def _before(draft: Draft, sled: UUID, slot: SwitchSlot) -> tuple[PortId, int] | None:
    port = draft.parent.ports.get(sled, {}).get(slot) if draft.parent else None
    return None if port is None else _place(port)


def _concerns_peer(peer: Peer, quarrel: frozenset[Node]) -> bool:
    port = usable(peer)
    named = ("serial", peer.host) in quarrel or ("address", peer.addr.text) in quarrel
    return named or (port is not None and ("port", port[0]) in quarrel)


def _concerns_board(board: ServiceProcessor, quarrel: frozenset[Node]) -> bool:
    return ("serial", board.serial) in quarrel or ("port", _port_of(board)) in quarrel


def _quarrels(draft: Draft, slot: SwitchSlot) -> dict[UUID, frozenset[Node]]:
    """Return for each sled all that is connected with it by what anybody says."""
    graph: networkx.Graph[Node] = networkx.Graph()
    for row in draft.in_service.values():
        sled: Node = ("sled", row.id)
        graph.add_node(sled)
        graph.add_edges_from((sled, name) for name in _names_of(row.serial, row.underlay_address))
        before = _before(draft, row.id, slot)
        if before is not None:
            graph.add_edge(sled, ("port", before[0]))
    for peer in draft.snapshot.switches[slot].peers or ():
        port = usable(peer)
        if port is not None:
            graph.add_edge(("serial", peer.host), ("port", port[0]))
            graph.add_edge(("address", peer.addr.text), ("port", port[0]))
    inventory = draft.snapshot.inventory
    for board in inventory.service_processors if inventory is not None else ():
        if _port_of(board) is not None:
            graph.add_edge(("serial", board.serial), ("port", _port_of(board)))
    parts = [frozenset(part) for part in networkx.connected_components(graph)]
    return {name: part for part in parts for _, name in part if isinstance(name, UUID)}


def _names_of(serial: str | None, address: object) -> Iterable[Node]:
    if serial is not None:
        yield ("serial", serial)
    if address is not None:
        yield ("address", str(address))
