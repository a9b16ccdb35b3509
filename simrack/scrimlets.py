"""Which sleds host the switch zones.

This file does not know what runs in a switch zone.
"""

from uuid import UUID

from blueprints.addresses import UnderlayUnicast
from blueprints.snapshot import Sled, Snapshot, Switch

_LOW_BITS = 64


def scrimlet_of(snapshot: Snapshot, switch: Switch) -> Sled | None:
    """Return the sled that hosts the zone of *switch*, the first by id of several; None where no sled does.

    Source:
        omicron, common/src/address.rs: a sled and its zones share a /64, and the switch zone is ``::2`` of it.
    """
    prefix = _prefix(switch.underlay_address)
    return next((sled for sled in snapshot.sleds if _prefix(sled.underlay_address) == prefix), None)


def scrimlets(snapshot: Snapshot) -> frozenset[UUID]:
    """Return the sleds of *snapshot* that host a switch zone."""
    found = (scrimlet_of(snapshot, switch) for switch in snapshot.switches.values())
    return frozenset(sled.id for sled in found if sled is not None)


def _prefix(address: UnderlayUnicast) -> int:
    return int(address.ip) >> _LOW_BITS
