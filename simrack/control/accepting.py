"""What control calls share: input that is rejected is the client's mistake, and switches are named by their slot.

This file does not know what is read.
"""

from collections.abc import Callable, Container
from typing import TypeVar

from blueprints.errors import InputRejectedError
from blueprints.identifiers import SwitchSlot
from simrack.web.answers import bad_request, refused
from simrack.web.requests import parsed

T = TypeVar("T")


def accepted(read: Callable[[], T]) -> T:
    """Return what *read* returns; what it rejects is the client's mistake.

    Raises:
        HttpError: 400, with all mistakes.
    """
    try:
        return read()
    except InputRejectedError as error:
        raise bad_request(str(error)) from None


def slot_of(text: object, switches: Container[SwitchSlot], path: str) -> SwitchSlot:
    """Return the slot written as *text*, one of *switches*.

    Raises:
        HttpError: 400 no slot, 404 the rack has no such switch.
    """
    slot = parsed(text, SwitchSlot, path)
    if slot not in switches:
        raise refused(404, f"the rack has no {slot}")
    return slot
