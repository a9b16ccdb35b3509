"""Packets on order: one walk at once, or some after each step of a chip.

This file does not know how a packet travels.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import define, field

from simrack.addresses import is_multicast
from simrack.control.accepting import slot_of
from simrack.packets import Ear, Packet, Walk, enter_switch, leave_instance
from simrack.watch import Watch
from simrack.web.answers import NO_CONTENT, Answer, answer, bad_request, refused
from simrack.web.requests import Request, ip, maybe, need, of_kind, parsed, uuid
from simrack.web.router import Route
from simrack.world import World


@define
class PacketControl:
    """Calls that send packets."""

    world: World
    watch: Watch = field(factory=Watch)

    def routes(self) -> tuple[Route, ...]:
        """Return the table of calls."""
        return (
            Route("POST", "/packets", self._send_packet),
            Route("GET", "/watch", lambda _: answer(self.watch.to_json())),
            Route("PUT", "/watch", self._set_watch),
        )

    def _send_packet(self, request: Request) -> Answer:
        walk = self._sending(request.json())()
        delivered = [_show_ear(ear, copies) for ear, copies in sorted(walk.heard.items())]
        return answer({"delivered": delivered, "path": walk.path})

    def _sending(self, body: Any) -> Callable[[], Walk]:
        """Return what sends the packet of *body*."""
        group, source = (parsed(need(body, name, str), ip, name) for name in ("group", "source"))
        if not is_multicast(group) or is_multicast(source):
            raise bad_request("a packet goes from a unicast source to a multicast group")
        if group.family != source.family:
            raise bad_request(f"group {group} and source {source} are of different families")
        origin = need(body, "from", dict)
        if origin.keys() == {"switch"}:
            slot = slot_of(origin["switch"], self.world.dpds, "from.switch")
            return partial(enter_switch, self.world, slot, Packet(group, source))
        if origin.keys() == {"instance"}:
            sender = parsed(origin["instance"], uuid, "from.instance")
            if self.world.instance(sender) is None:
                raise refused(404, f"no instance {sender}")
            steady = maybe(body, "steady", bool) or False
            return partial(leave_instance, self.world, sender, Packet(group, source, sender, steady))
        raise bad_request("from: either a switch or an instance")

    def _set_watch(self, request: Request) -> Answer:
        sendings = [self._sending(body) for body in of_kind(request.json(), list, "")]
        self.watch.set(tuple(partial(_heard, sending) for sending in sendings))
        self.world.stepped = self.watch.note
        return NO_CONTENT


def _heard(sending: Callable[[], Walk]) -> dict[Ear, int]:
    return sending().heard


def _show_ear(ear: Ear, copies: int) -> dict[str, Any]:
    return {
        "instance_id": str(ear.instance_id),
        "propolis_id": str(ear.propolis_id),
        "sled_id": str(ear.sled_id),
        "copies": copies,
    }
