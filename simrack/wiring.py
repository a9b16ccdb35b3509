"""The truth of a rack's cables: which sled is behind which rear port, and which of its NICs goes to which switch.

Rules:
    W1  A sled in cubby n is behind rear<n> of both switches.
    W2  The cubby is where a live peer of a switch sees the sled, for frames pass there; failing that, where inventory
        sees the sled's serial; failing that, where a peer saw it last.
    W3  NICs in sorted order: the first goes to switch0, the second to switch1; a single NIC serves both.
    W4  A sled that nobody asked for its NICs has the usual two.

This file does not know what is programmed.
"""

from collections.abc import Iterator, Mapping
from uuid import UUID

from attrs import frozen

from blueprints.identifiers import PortId, SwitchSlot, port_of_interface
from blueprints.snapshot import Peer, Sled, Snapshot, SpType

USUAL_NICS = ("cxgbe0", "cxgbe1")

LIVE = ("Exchange", "Active")
"""What ddmd calls a peer that talks to it."""

LINK = 0
"""Rear ports have one link."""


@frozen
class Wiring:
    """Where sleds are plugged in."""

    cubbies: Mapping[UUID, int]
    """Sled to cubby; a sled that is not here is plugged in nowhere."""

    def sled_behind(self, port: PortId) -> UUID | None:
        """Return the sled behind *port* of either switch (rule W1)."""
        if port.kind != "rear":
            return None
        return next((sled for sled, cubby in self.cubbies.items() if cubby == port.number), None)

    def port_of(self, sled: UUID) -> PortId | None:
        """Return the port behind which *sled* is, on either switch."""
        cubby = self.cubbies.get(sled)
        return None if cubby is None else PortId("rear", cubby)


def nics_of(sled: Sled) -> tuple[str, ...]:
    """Return the NICs of *sled*, sorted (rule W4)."""
    return USUAL_NICS if sled.underlay_nics is None else sled.underlay_nics


def nic_towards(nics: tuple[str, ...], slot: SwitchSlot) -> str | None:
    """Return which of *nics* is wired to *slot* (rule W3), None where none is."""
    return nics[min(slot.number, len(nics) - 1)] if nics else None


def wiring_of(snapshot: Snapshot) -> Wiring:
    """Return the cables of *snapshot* (rule W2); of two sleds in one cubby the first by id is there."""
    cubbies: dict[UUID, int] = {}
    for sled in snapshot.sleds:
        cubby = next(_cubbies(snapshot, sled), None)
        if cubby is not None and cubby not in cubbies.values():
            cubbies[sled.id] = cubby
    return Wiring(cubbies)


def _cubbies(snapshot: Snapshot, sled: Sled) -> Iterator[int]:
    """Yield the cubbies that somebody sees *sled* in, the surest first (rule W2)."""
    seen = list(_by_peers(snapshot, sled))
    yield from (cubby for cubby, live in seen if live)
    if snapshot.inventory is not None:
        for board in snapshot.inventory.service_processors:
            if board.type is SpType.SLED and board.serial == sled.serial:
                yield board.slot
    yield from (cubby for cubby, _ in seen)


def _by_peers(snapshot: Snapshot, sled: Sled) -> Iterator[tuple[int, bool]]:
    for switch in snapshot.switches.values():
        for peer in switch.peers or ():
            port = port_of_interface(peer.if_name or "")
            if port is not None and port[0].kind == "rear" and _names(peer, sled):
                yield port[0].number, peer.status in LIVE


def _names(peer: Peer, sled: Sled) -> bool:
    return peer.kind == 0 and (peer.host == sled.serial or peer.addr == sled.underlay_address)
