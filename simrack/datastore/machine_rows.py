"""Rows of the machines: sleds, and what an inventory collection found of them.

This file does not know groups or instances.
"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

from blueprints.snapshot import Snapshot
from simrack.datastore.named import Named
from simrack.scrimlets import scrimlets

SLED_AGENT_PORT = 12345
MGS_PORT = 12225

COLLECTION_TAKES = timedelta(seconds=30)


def sleds(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `sled`."""
    hosts = scrimlets(snapshot)
    for sled in snapshot.sleds:
        yield {
            "id": sled.id,
            "time_deleted": None,
            "rack_id": snapshot.rack_id,
            "is_scrimlet": sled.id in hosts,
            "serial_number": sled.serial,
            "part_number": sled.part,
            "revision": 0,
            "ip": sled.underlay_address.text,
            "port": SLED_AGENT_PORT,
            "sled_policy": sled.policy.value,
            "sled_state": sled.state.value,
            "sled_agent_gen": 1,
            "rcgen": 1,
        }


def _board_id(part: str, serial: str) -> UUID:
    return uuid5(NAMESPACE_OID, f"rackcast board {part!r} {serial!r}")


def boards(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `hw_baseboard_id`: the boards of sleds, and all that inventory found."""
    found = {(sled.part, sled.serial) for sled in snapshot.sleds}
    if snapshot.inventory is not None:
        found |= {(board.part, board.serial) for board in snapshot.inventory.service_processors}
    for part, serial in sorted(found):
        yield {"id": _board_id(part, serial), "part_number": part, "serial_number": serial}


def collections(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the row of `inv_collection`."""
    if snapshot.inventory is not None:
        yield {
            "id": snapshot.inventory.collection_id,
            "time_started": snapshot.inventory.completed_at - COLLECTION_TAKES,
            "time_done": snapshot.inventory.completed_at,
            "collector": "rackcast",
        }


def collection_errors(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `inv_collection_error`."""
    if snapshot.inventory is not None:
        for number in range(snapshot.inventory.errors):
            message = f"error {number} of {snapshot.inventory.errors}"
            yield {"inv_collection_id": snapshot.inventory.collection_id, "idx": number, "message": message}


def service_processors(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `inv_service_processor`, all told by the first switch's MGS."""
    if snapshot.inventory is None:
        return
    first = next(iter(snapshot.switches.values()))
    for board in snapshot.inventory.service_processors:
        yield {
            "inv_collection_id": snapshot.inventory.collection_id,
            "hw_baseboard_id": _board_id(board.part, board.serial),
            "time_collected": snapshot.inventory.completed_at,
            "source": f"http://[{first.underlay_address}]:{MGS_PORT}",
            "sp_type": board.type.value,
            "sp_slot": board.slot,
            "baseboard_revision": 0,
            "power_state": "A0",
        }


def sled_agents(snapshot: Snapshot) -> Iterator[Named]:
    """Yield the rows of `inv_sled_agent`."""
    if snapshot.inventory is None:
        return
    hosts = scrimlets(snapshot)
    for sled in snapshot.sleds:
        yield {
            "inv_collection_id": snapshot.inventory.collection_id,
            "sled_id": sled.id,
            "hw_baseboard_id": _board_id(sled.part, sled.serial),
            "sled_agent_ip": sled.underlay_address.text,
            "sled_agent_port": SLED_AGENT_PORT,
            "sled_role": "scrimlet" if sled.id in hosts else "gimlet",
        }
