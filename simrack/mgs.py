"""MGS: which switch it is next to, and which boards sit in which slots of the rack.

This file does not know multicast.
"""

from functools import partial
from typing import Any

from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import ServiceProcessor, SpType
from simrack.web.answers import Answer, answer, refused
from simrack.web.requests import Request
from simrack.web.router import Route
from simrack.wiring import Wiring
from simrack.world import World

BODY_LIMIT = 1 << 20


def routes(world: World, slot: SwitchSlot) -> tuple[Route, ...]:
    """Return the table of calls."""
    return (
        Route("GET", "/local/switch-id", lambda _: answer({"type": "switch", "slot": slot.number})),
        Route("GET", "/local/all-sp-ids", partial(_all, world)),
        Route("GET", "/sp/{type}/{slot}", partial(_state, world)),
    )


def boards_of(world: World) -> tuple[ServiceProcessor, ...]:
    """Return the boards of inventory; without inventory, the sleds in their cubbies."""
    inventory = world.snapshot.inventory
    return tuple(_plugged_in(world, world.wiring)) if inventory is None else inventory.service_processors


def _plugged_in(world: World, wiring: Wiring) -> list[ServiceProcessor]:
    boards = []
    for sled_id, cubby in sorted(wiring.cubbies.items(), key=lambda row: row[1]):
        sled = world.sled(sled_id)
        boards.append(ServiceProcessor(type=SpType.SLED, slot=cubby, serial=sled.serial, part=sled.part))
    return boards


def _all(world: World, _: Request) -> Answer:
    return answer([{"type": board.type.value, "slot": board.slot} for board in boards_of(world)])


def _state(world: World, request: Request) -> Answer:
    kind, slot = request.param("type", SpType), request.param("slot", _slot)
    for board in boards_of(world):
        if (board.type, board.slot) == (kind, slot):
            return answer(_show(board))
    raise refused(404)


def _slot(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 16:
        raise ValueError(f"{text!r} is not 0 to 65535")
    return int(text)


def _show(board: ServiceProcessor) -> dict[str, Any]:
    """Source: MGS's API document, type SpState; what is no fact of the snapshot is made up."""
    return {
        "serial_number": board.serial,
        "model": board.part,
        "revision": 6,
        "hubris_archive_id": "0000000000000000",
        "base_mac_address": [0xA8, 0x40, 0x25, 0, board.slot, 0],
        "power_state": "A0",
        "rot": {"state": "communication_failed", "message": "simulated"},
    }
