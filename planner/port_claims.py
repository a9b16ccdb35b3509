"""Claims: who says behind which port a sled is, before anyone decides.

Reads DDM peers, inventory and the parent; checks each port against the switch's backplane. This file does not
know which claim wins.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from attrs import frozen

from blueprints.blueprint import LearnedFrom
from blueprints.findings import Finding, finding
from blueprints.identifiers import PortId, SwitchSlot, port_of_interface
from blueprints.snapshot import CLOCK_SKEW, INVENTORY_AGE, Peer, ServiceProcessor, SpType
from planner.draft import Draft, RoutingSled

LIVE_STATUSES = frozenset({"Exchange", "Active"})
"""What ddmd calls a peer that talks to it; the second is the older spelling."""

REAR = "rear"
"""The kind of ports that lead to cubbies."""

SLED_KIND = 0
"""ddmd's number for a peer that is a sled and not a switch."""


@frozen(kw_only=True)
class Claim:
    """A port, a link, and who says so."""

    port_id: PortId
    link_id: int
    learned_from: LearnedFrom


Claims = Mapping[UUID, tuple[Claim, ...]]
"""By sled; several where the witness contradicts itself."""


def backplane_of(draft: Draft, slot: SwitchSlot) -> frozenset[PortId] | None:
    """Return the ports of the switch in *slot*: as it says, else as the other says, else None."""
    switches = draft.snapshot.switches
    told = [switches[slot].backplane, *(switch.backplane for other, switch in switches.items() if other != slot)]
    return next((frozenset(ports) for ports in told if ports is not None), None)


def usable(peer: Peer) -> tuple[PortId, int] | None:
    """Return port and link of a live sled's peer, or None: sleds sit behind rear ports."""
    if peer.status not in LIVE_STATUSES or peer.kind != SLED_KIND or peer.if_name is None:
        return None
    port = port_of_interface(peer.if_name)
    return port if port is not None and port[0].kind == REAR else None


def _by_serial(sleds: Iterable[RoutingSled]) -> dict[str, UUID]:
    """Return sleds by serial, without serials that two sleds carry."""
    carried = Counter(sled.serial for sled in sleds)
    return {sled.serial: sled.id for sled in sleds if sled.serial is not None and carried[sled.serial] == 1}


def shared_serials(draft: Draft) -> Iterable[Finding]:
    """Yield a finding for each sled whose serial names another sled as well."""
    carried = Counter(sled.serial for sled in draft.in_service.values() if sled.serial is not None)
    for sled in draft.in_service.values():
        if sled.serial is not None and carried[sled.serial] > 1:
            yield finding("sled_serial_shared", f"sled {sled.id}", f"serial {sled.serial}")


def _named(draft: Draft, slot: SwitchSlot) -> Iterable[tuple[PortId, int, UUID | None]]:
    """Yield port and link of every live peer on *slot*, and the sled that it names: by serial, else by address."""
    sleds = draft.in_service.values()
    by_serial = _by_serial(sleds)
    by_address = {sled.underlay_address: sled.id for sled in sleds if sled.underlay_address is not None}
    for peer in draft.snapshot.switches[slot].peers or ():
        port = usable(peer)
        if port is not None:
            yield *port, by_serial.get(peer.host) or by_address.get(peer.addr)  # type: ignore[call-overload]


def ddm_claims(draft: Draft, slot: SwitchSlot) -> Claims:
    """Return what the DDM peers of *slot* say of sleds that take part."""
    claims: dict[UUID, set[Claim]] = {}
    for port, link, sled in _named(draft, slot):
        if sled is not None:
            claims.setdefault(sled, set()).add(Claim(port_id=port, link_id=link, learned_from=LearnedFrom.DDM))
    return {sled: tuple(sorted(said, key=lambda c: (c.port_id, c.link_id))) for sled, said in claims.items()}


def strangers(draft: Draft, slot: SwitchSlot) -> frozenset[PortId]:
    """Return the ports of *slot* behind which DDM sees somebody who is no sled that takes part."""
    return frozenset(port for port, _, sled in _named(draft, slot) if sled is None)


def _processor_of(sled: RoutingSled, rows: Iterable[ServiceProcessor]) -> ServiceProcessor | None:
    """Return the board of *sled*: serial and part, else the serial alone if only one board carries it."""
    same_serial = [row for row in rows if row.serial == sled.serial]
    exact = [row for row in same_serial if row.part == sled.part]
    matches = exact or same_serial
    return matches[0] if len(matches) == 1 else None


def inventory_age(draft: Draft) -> timedelta | None:
    """Return how old the inventory is where that is too old, or too far in the future (negative); else None."""
    if draft.snapshot.inventory is None:
        return None
    age = draft.snapshot.evaluated_at - draft.snapshot.inventory.completed_at
    return None if -CLOCK_SKEW <= age <= INVENTORY_AGE else age


def inventory_claims(draft: Draft) -> tuple[Claims, tuple[Finding, ...]]:
    """Return what inventory says, and the slots that two boards claim, which are not believed."""
    inventory = draft.snapshot.inventory
    rows = [row for row in inventory.service_processors if row.type is SpType.SLED] if inventory else []
    claimed = Counter(row.slot for row in rows)
    witness = LearnedFrom.INVENTORY if inventory_age(draft) is None else LearnedFrom.OLD_INVENTORY
    found = [
        finding("slot_claimed_twice", f"cubby {slot}", f"{count} service processors say they are there")
        for slot, count in sorted(claimed.items())
        if count > 1
    ]
    claims = {}
    for sled in draft.in_service.values():
        row = _processor_of(sled, rows)
        if row is not None and claimed[row.slot] == 1 and 0 <= row.slot <= 31:
            port = PortId(REAR, row.slot)
            claims[sled.id] = (Claim(port_id=port, link_id=0, learned_from=witness),)
    return claims, tuple(found)


def parent_claims(draft: Draft, slot: SwitchSlot) -> Claims:
    """Return what the parent settled on; what it had from an old inventory does not get truer by being repeated."""
    claims = {}
    for sled, row in draft.parent.ports.items() if draft.parent else ():
        port = row.get(slot)
        if port is not None:
            doubtful = port.learned_from is LearnedFrom.OLD_INVENTORY
            witness = LearnedFrom.OLD_INVENTORY if doubtful else LearnedFrom.PARENT
            claims[sled] = (Claim(port_id=port.port_id, link_id=port.link_id, learned_from=witness),)
    return claims
