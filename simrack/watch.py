"""Packets that are sent after each step of a switch's chip: what would be heard between two halves of one request.

This file does not know what a step is, nor how a packet travels.
"""

from collections.abc import Callable
from typing import Any

from attrs import define, field

from simrack.packets import Ear

Send = Callable[[], dict[Ear, int]]
"""Sends a packet and returns who heard how many copies of it."""


@define
class Watch:
    """Packets to send, and what was heard of them."""

    packets: tuple[Send, ...] = ()
    seen: list[tuple[str, tuple[dict[Ear, int], ...]]] = field(factory=list)
    """After which step, and by whom each packet was heard."""

    def set(self, packets: tuple[Send, ...]) -> None:
        """Watch with *packets* from now on; what was seen before is forgotten."""
        self.packets = packets
        self.seen.clear()

    def note(self, place: str, step: str) -> None:
        """Send the packets after *step* was done in *place*."""
        if self.packets:
            self.seen.append((f"{place}: {step}", tuple(send() for send in self.packets)))

    def to_json(self) -> list[dict[str, Any]]:
        """Return what was seen, for the control interface."""
        return [
            {
                "after": after,
                "heard": [{str(ear.propolis_id): copies for ear, copies in sorted(ears.items())} for ears in heard],
            }
            for after, heard in self.seen
        ]
