"""The rack's machines by hand: restarts, cables, time, and which revision or mode of a daemon is played.

This file does not know what these do to a daemon.
"""

from collections.abc import Callable, Collection
from uuid import UUID

from attrs import define

from blueprints.addresses import Address
from simrack import sweep
from simrack.control.accepting import slot_of
from simrack.dpd.groups import STUB, TOFINO
from simrack.web.answers import NO_CONTENT, Answer, answer, bad_request, refused
from simrack.web.fault_kinds import DNS
from simrack.web.requests import Request, ip, need, of_kind, parsed, uuid
from simrack.web.router import Route
from simrack.world import REAR_PORTS, World

_AT_ONCE = 1_000_000
"""Seconds that may pass in one call: everything due on the way is done, which takes as long as it takes."""


@define
class MachineControl:
    """Calls that change machines."""

    world: World
    targets: Collection[str]
    restart: Callable[[str, bool], None]
    """Restarts a target at once; True keeps what outlives it."""

    def routes(self) -> tuple[Route, ...]:
        """Return the table of calls."""
        return (
            Route("POST", "/restarts", self._restart),
            Route("PUT", "/wiring", self._rewire),
            Route("PUT", "/unreachable-sources", self._set_unreachable),
            Route("GET", "/time", lambda _: answer({"now": self.world.clock.now, "held": self.world.held})),
            Route("PUT", "/time", self._hold),
            Route("POST", "/time", self._advance),
            Route("PUT", "/sweep", self._sweep),
            Route("PUT", "/packet-engines", self._set_engines),
            Route("PUT", "/dpds", self._set_dpds),
        )

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
            if cubby is not None and of_kind(cubby, int, text) not in range(len(REAR_PORTS)):
                raise bad_request(f"cubby of {sled_id}: {cubby} is not 0 to {len(REAR_PORTS) - 1}")
            cubbies[sled_id] = cubby
        self.world.move(cubbies)
        return NO_CONTENT

    def _set_unreachable(self, request: Request) -> Answer:
        body = request.json()
        slot = slot_of(need(body, "switch", str), self.world.dpds, "switch")
        rows = need(body, "sources", list)
        sources: frozenset[Address] = frozenset(parsed(row, ip, "sources") for row in rows)
        self.world.mribs[slot].reroute(sources)
        return NO_CONTENT

    def _hold(self, request: Request) -> Answer:
        self.world.hold(need(request.json(), "held", bool))
        return NO_CONTENT

    async def _advance(self, request: Request) -> Answer:
        seconds = request.json().get("seconds") if isinstance(request.json(), dict) else None
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= _AT_ONCE:
            raise bad_request(f"seconds is a number, 0 to {_AT_ONCE}")
        await self.world.clock.advance(seconds)
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
