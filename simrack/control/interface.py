"""The control interface: look behind the daemons, send packets, order faults, let the world move on.

    GET /state                  true state of chips, routes and packet engines, hidden parts included
    POST /packets               {group, source, from: {switch} | {instance}, steady}: walks one packet
    GET, POST, DELETE /faults   {target, kind, times, method, path, …}: see `simrack.web.fault_kinds`
    PUT /faults                 {format, seed, faults: […]}: these faults instead of all others
    GET, DELETE /calls          what daemons were called with, in order
    POST /restarts              {target, keep_state}: restarts a daemon at once
    PUT /snapshot               a snapshot document: world and datastore move on, what is programmed stays
    POST /events                {event, at, …}: lets something happen, now or at a time: see `simrack.life.events`
    PUT /events                 {format, seed, events: […]}: a story, from now on
    GET, DELETE /events         what happened and is to come; withdraws and forgets it
    GET, PUT /peers             {populated}: whether DDM peers are made up of sleds in service and inventory
    PUT /wiring                 {sled: cubby | null}: plugs sleds elsewhere, until the next snapshot
    PUT /unreachable-sources    {switch, sources}: sources that this switch's mgd has no unicast route to
    GET, PUT /time              {held}: whether time passes by the clock alone; else what takes time has taken place
    POST /time                  {seconds}: moves the clock on
    PUT /sweep                  {running}: whether ddmd is the writer of member ports
    PUT /packet-engines         {selects}: whether packet engines give each flow to one next hop alone
    PUT /dpds                   {backend, revision}: tofino_stub or tofino_asic, e2e or main
    GET, PUT /names             {services}: which services switch zones have in the internal DNS, and its generation
    GET, PUT /watch             [packet, …]: sends these after each step of a chip, between two halves of a request

This file does not know what a fault does or how a packet travels.
"""

from collections.abc import Awaitable, Callable, Collection

from attrs import define

from blueprints.documents import snapshot_from
from blueprints.errors import InputRejectedError, SilentError
from blueprints.snapshot import Snapshot
from simrack.control.faults import FaultControl
from simrack.control.life import LifeControl
from simrack.control.machines import MachineControl
from simrack.control.names import NameControl
from simrack.control.packets import PacketControl
from simrack.fault_orders import FaultReader
from simrack.life.events import EventReader
from simrack.life.player import Player
from simrack.naming import RackNames, Zone
from simrack.state import state_of
from simrack.web.answers import NO_CONTENT, Answer, HttpError, answer, bad_request
from simrack.web.calls import CallLog
from simrack.web.faults import Faults
from simrack.web.requests import Request
from simrack.web.router import Route
from simrack.world import World


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

    player: Player
    zone: Zone
    names: Callable[[], RackNames]

    def routes(self) -> tuple[Route, ...]:
        """Return the table of calls."""
        return (
            Route("GET", "/state", self._state),
            Route("PUT", "/snapshot", self._enter),
            *PacketControl(self.world).routes(),
            *FaultControl(self.faults, self.calls, self.targets).routes(),
            *MachineControl(self.world, self.targets, self.restart).routes(),
            *LifeControl(self.player, EventReader(FaultReader(self.targets))).routes(),
            *NameControl(self.zone, self.names).routes(),
        )

    def _state(self, _: Request) -> Answer:
        more = {"down": dict(self.world.down), "dns_generation": self.zone.generation}
        return answer(state_of(self.world, self.filters()) | more)

    async def _enter(self, request: Request) -> Answer:
        try:
            await self.enter(snapshot_from(request.json(), "snapshot"))
        except InputRejectedError as error:
            raise bad_request(str(error)) from None
        except SilentError as error:
            raise HttpError(503, str(error)) from None
        return NO_CONTENT
