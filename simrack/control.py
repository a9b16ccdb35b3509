"""The control interface: look behind the daemons, send packets, order faults, let the world move on.

    GET /state                  true state of chips, routes and packet engines, hidden parts included
    POST /packets               {group, source, from: {switch} | {instance}, steady}: walks one packet
    GET, POST, DELETE /faults   {target, kind, times, method, path, …}: see `simrack.web.fault_kinds`
    PUT /faults                 {format, seed, faults: […]}: these faults instead of all others
    GET, DELETE /calls          what daemons were called with, in order
    POST /restarts              {target, keep_state}: restarts a daemon at once
    PUT /snapshot               a snapshot document: world and datastore move on, what is programmed stays
    PUT /wiring                 {sled: cubby | null}: plugs sleds elsewhere, until the next snapshot
    PUT /unreachable-sources    {switch, sources}: sources that this switch's mgd has no unicast route to
    PUT /time                   {held}: whether time passes by the clock alone; else what takes time has taken place
    POST /time                  {seconds}: moves the clock on
    PUT /sweep                  {running}: whether ddmd is the writer of member ports
    PUT /packet-engines         {selects}: whether packet engines give each flow to one next hop alone
    PUT /dpds                   {backend, revision}: tofino_stub or tofino_asic, e2e or main
    GET, PUT /watch             [packet, …]: sends these after each step of a chip, between two halves of a request

This file does not know what a fault does or how a packet travels.
"""

from collections.abc import Awaitable, Callable, Collection
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from attrs import define, field

from blueprints.addresses import Address
from blueprints.documents import snapshot_from
from blueprints.errors import InputRejectedError, SilentError
from blueprints.identifiers import SwitchSlot
from blueprints.snapshot import Snapshot
from simrack import sweep
from simrack.addresses import is_multicast
from simrack.dpd.groups import STUB, TOFINO
from simrack.fault_orders import FaultReader
from simrack.packets import Ear, Packet, Walk, enter_switch, leave_instance
from simrack.state import state_of
from simrack.watch import Watch
from simrack.web.answers import NO_CONTENT, Answer, HttpError, answer, bad_request, refused
from simrack.web.calls import CallLog
from simrack.web.fault_kinds import DNS
from simrack.web.faults import Faults
from simrack.web.requests import Request, ip, maybe, need, of_kind, parsed, uuid
from simrack.web.router import Route
from simrack.world import World

T = TypeVar("T")


@define
class Control:
    """What the control interface reaches."""

    world: World
    faults: Faults
    calls: CallLog
    targets: Collection[str]
    filters: Callable[[], str]
    """Says how NIC filters are held."""

    restart: Callable[[str, bool], None]
    """Restarts a target at once; True keeps what outlives it."""

    enter: Callable[[Snapshot], Awaitable[None]]
    """Lets the world move on."""

    watch: Watch = field(factory=Watch)

    def routes(self) -> tuple[Route, ...]:
        """Return the table of calls."""
        return (
            Route("GET", "/state", lambda _: answer(state_of(self.world, self.filters()))),
            Route("POST", "/packets", self._send_packet),
            Route("GET", "/faults", lambda _: answer([fault.to_json() for fault in self.faults.orders])),
            Route("POST", "/faults", self._order_fault),
            Route("PUT", "/faults", self._set_faults),
            Route("DELETE", "/faults", self._clear_faults),
            Route("GET", "/calls", lambda _: answer([call.to_json() for call in self.calls.calls])),
            Route("DELETE", "/calls", self._clear_calls),
            Route("PUT", "/snapshot", self._enter),
            Route("POST", "/restarts", self._restart),
            Route("PUT", "/wiring", self._rewire),
            Route("PUT", "/unreachable-sources", self._set_unreachable),
            Route("PUT", "/time", self._hold),
            Route("POST", "/time", self._advance),
            Route("PUT", "/sweep", self._sweep),
            Route("PUT", "/packet-engines", self._set_engines),
            Route("PUT", "/dpds", self._set_dpds),
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
            slot = self._slot(parsed(origin["switch"], SwitchSlot, "from.switch"))
            return partial(enter_switch, self.world, slot, Packet(group, source))
        if origin.keys() == {"instance"}:
            sender = parsed(origin["instance"], uuid, "from.instance")
            if self.world.instance(sender) is None:
                raise refused(404, f"no instance {sender}")
            steady = maybe(body, "steady", bool) or False
            return partial(leave_instance, self.world, sender, Packet(group, source, sender, steady))
        raise bad_request("from: either a switch or an instance")

    def _slot(self, slot: SwitchSlot) -> SwitchSlot:
        if slot not in self.world.dpds:
            raise refused(404, f"the rack has no {slot}")
        return slot

    def _order_fault(self, request: Request) -> Answer:
        body = request.json()
        target = need(body, "target", str)
        if not any(target == name or fnmatchcase(name, target) for name in self.targets):
            raise refused(404, f"no target {target}; there are {', '.join(self.targets)}")
        fault = accepted(lambda: FaultReader(self.targets).one(body, "fault"))
        self.faults.add(fault)
        return answer(fault.to_json(), 201)

    def _set_faults(self, request: Request) -> Answer:
        body = request.json()
        faults = accepted(lambda: FaultReader(self.targets).document(body, "faults"))
        self.faults.clear()
        for fault in faults:
            self.faults.add(fault)
        return NO_CONTENT

    def _clear_faults(self, _: Request) -> Answer:
        self.faults.clear()
        return NO_CONTENT

    def _clear_calls(self, _: Request) -> Answer:
        self.calls.clear()
        return NO_CONTENT

    async def _enter(self, request: Request) -> Answer:
        try:
            await self.enter(snapshot_from(request.json(), "snapshot"))
        except InputRejectedError as error:
            raise bad_request(str(error)) from None
        except SilentError as error:
            raise HttpError(503, str(error)) from None
        return NO_CONTENT

    def _restart(self, request: Request) -> Answer:
        body = request.json()
        target = need(body, "target", str)
        if target not in self.targets or target == DNS:
            raise refused(404, f"no daemon {target}")
        self.restart(target, need(body, "keep_state", bool))
        return NO_CONTENT

    def _rewire(self, request: Request) -> Answer:
        cubbies: dict[UUID, int | None] = {}
        for text, cubby in of_kind(request.json(), dict, "").items():
            sled_id = parsed(text, uuid, text)
            if sled_id not in self.world.agents:
                raise refused(404, f"no sled {sled_id}")
            cubbies[sled_id] = None if cubby is None else of_kind(cubby, int, text)
        self.world.move(cubbies)
        return NO_CONTENT

    def _set_unreachable(self, request: Request) -> Answer:
        body = request.json()
        slot = self._slot(parsed(need(body, "switch", str), SwitchSlot, "switch"))
        rows = need(body, "sources", list)
        sources: frozenset[Address] = frozenset(parsed(row, ip, "sources") for row in rows)
        self.world.mribs[slot].reroute(sources)
        return NO_CONTENT

    def _hold(self, request: Request) -> Answer:
        self.world.hold(need(request.json(), "held", bool))
        return NO_CONTENT

    def _advance(self, request: Request) -> Answer:
        seconds = request.json().get("seconds") if isinstance(request.json(), dict) else None
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
            raise bad_request("seconds is a number, 0 or more")
        self.world.clock.advance(seconds)
        return answer({"now": self.world.clock.now})

    def _sweep(self, request: Request) -> Answer:
        sweep.start(self.world, need(request.json(), "running", bool))
        return NO_CONTENT

    def _set_engines(self, request: Request) -> Answer:
        selects = need(request.json(), "selects", bool)
        for agent in self.world.agents.values():
            agent.opte.selects = selects
        return NO_CONTENT

    def _set_dpds(self, request: Request) -> Answer:
        body = request.json()
        backend, revision = need(body, "backend", str), need(body, "revision", str)
        if backend not in (STUB, TOFINO) or revision not in ("e2e", "main"):
            raise bad_request(f"backend is {STUB} or {TOFINO}, revision e2e or main")
        for dpd in self.world.dpds.values():
            dpd.backend, dpd.main = backend, revision == "main"
        return NO_CONTENT

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


def accepted(read: Callable[[], T]) -> T:
    """Return what *read* returns; what it rejects is the client's mistake.

    Raises:
        HttpError: 400, with all mistakes.
    """
    try:
        return read()
    except InputRejectedError as error:
        raise bad_request(str(error)) from None
