"""Where each switch zone is reached inside the rack, which is the next hop of every sled that forwards through it.

Rules:
    A1  Witnesses in this order: the user; the endpoints (DNS gives the address of the zone's name); the daemons' own
        addresses, if they lie in the rack's range; the scrimlet that the zone is named after. The first that knows
        is believed, and another that says something else is a finding.
    A2  What was found in the place of a stranger is no witness.
    A3  An address is never guessed: a switch without one is an error, and all such switches are told at once.

Source: the zone of a switch is ``::2`` of the /64 of its scrimlet, after which DNS names it (omicron,
common/src/address.rs and internal-dns/types).
This file does not know how endpoints are found.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv6Address
from uuid import UUID

from attrs import frozen

from blueprints.addresses import UNIQUE_LOCAL, UnderlayUnicast
from blueprints.endpoints import SwitchEndpoints
from blueprints.errors import InputRejectedError, Mistake
from blueprints.findings import Finding, finding
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Sled
from collector.live import SLOT, Live

_ZONE_NAME = re.compile(r"dendrite-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.host(\..*)?", re.IGNORECASE)
_HOST = re.compile(r"http://\[([0-9A-Fa-f:.]+)\].*")
_SLED_BITS = 64
_SWITCH_ZONE = 2
"""The last part of its address."""


@frozen(kw_only=True)
class Located:
    """The address of every switch zone, and what witnesses disagree on."""

    addresses: Mapping[SwitchSlot, UnderlayUnicast]
    findings: tuple[Finding, ...]


def locate(
    live: Live,
    stated: Mapping[SwitchSlot, UnderlayUnicast],
    endpoints: Mapping[SwitchSlot, SwitchEndpoints],
    sleds: Collection[Sled],
) -> Located:
    """Return where the zones of all switches are that *live* names.

    Args:
        live: which switches there are, and which of them are strangers.
        stated: what the user says.
        endpoints: where their daemons listen.
        sleds: the rack's, one of which may be a scrimlet.

    Raises:
        InputRejectedError: there is no switch, or no witness knows where some of them are.
    """
    by_id = {sled.id: sled for sled in sleds}
    found: dict[SwitchSlot, UnderlayUnicast] = {}
    notes: list[Finding] = []
    mistakes: list[Mistake] = []
    for slot in live.switches:
        stranger = live.reason(slot, SLOT)
        switch = endpoints.get(slot) if stranger is None else None
        said = list(_witnesses(stated.get(slot), switch, by_id))
        if said:
            found[slot] = said[0][1]
            notes += _quarrels(slot, said)
        else:
            why = f" ({stranger})" if stranger else ""
            mistakes.append(
                Mistake(slot, f"where its zone is inside the rack is unknown{why}; pass --switch {slot}=ADDRESS")
            )
    if not live.switches:
        mistakes.append(Mistake("", "none is known; pass --switch SLOT=ADDRESS for each"))
    if mistakes:
        raise InputRejectedError("switches", mistakes)
    return Located(addresses=found, findings=tuple(notes))


def _witnesses(
    stated: UnderlayUnicast | None, switch: SwitchEndpoints | None, sleds: Mapping[UUID, Sled]
) -> Iterator[tuple[str, UnderlayUnicast]]:
    """Yield who says where the zone is, the most trusted first (rule A1)."""
    if stated is not None:
        yield "the user", stated
    if switch is None:
        return
    if switch.underlay_address is not None:
        yield "the endpoints", switch.underlay_address
    for daemon in ("dpd", "mgd", "ddmd"):
        address = _inside(getattr(switch, daemon))
        if address is not None:
            yield daemon, address
    named = _ZONE_NAME.fullmatch(switch.zone or "")
    scrimlet = None if named is None else sleds.get(UUID(named[1]))
    if scrimlet is not None:
        yield f"sled {scrimlet.id}, after which it is named,", zone_on(scrimlet)


def _inside(url: str) -> UnderlayUnicast | None:
    """Return the address in *url* if it is one of a rack."""
    host = _HOST.fullmatch(url)
    if host is None:
        return None
    try:
        address = IPv6Address(host[1])
    except ValueError:
        return None
    return UnderlayUnicast(address) if address in UNIQUE_LOCAL else None


def zone_on(scrimlet: Sled) -> UnderlayUnicast:
    """Return where the switch zone is that *scrimlet* hosts."""
    prefix = int(scrimlet.underlay_address.ip) >> _SLED_BITS << _SLED_BITS
    return UnderlayUnicast(IPv6Address(prefix + _SWITCH_ZONE))


def _quarrels(slot: SwitchSlot, said: list[tuple[str, UnderlayUnicast]]) -> Iterator[Finding]:
    """Yield a finding for each witness that disagrees with the first."""
    who, believed = said[0]
    for other, address in said[1:]:
        if address != believed:
            message = f"{who} says {believed}, {other} says {address}: the first is believed"
            yield finding("switch_address_contradicted", slot, message)
