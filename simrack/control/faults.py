"""Faults on order, and the calls that daemons received.

This file does not know what a fault does.
"""

from collections.abc import Collection
from fnmatch import fnmatchcase

from attrs import define

from simrack.control.accepting import accepted
from simrack.fault_orders import FaultReader
from simrack.web.answers import NO_CONTENT, Answer, answer, refused
from simrack.web.calls import CallLog
from simrack.web.faults import Faults
from simrack.web.requests import Request, need
from simrack.web.router import Route


@define
class FaultControl:
    """Calls about faults and calls."""

    faults: Faults
    calls: CallLog
    targets: Collection[str]

    def routes(self) -> tuple[Route, ...]:
        """Return the table of calls."""
        return (
            Route("GET", "/faults", lambda _: answer([fault.to_json() for fault in self.faults.orders])),
            Route("POST", "/faults", self._order_fault),
            Route("PUT", "/faults", self._set_faults),
            Route("DELETE", "/faults", self._clear_faults),
            Route("GET", "/calls", lambda _: answer([call.to_json() for call in self.calls.calls])),
            Route("DELETE", "/calls", self._clear_calls),
        )

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
        self.faults.orders = accepted(lambda: FaultReader(self.targets).document(body, "faults"))
        return NO_CONTENT

    def _clear_faults(self, _: Request) -> Answer:
        self.faults.clear()
        return NO_CONTENT

    def _clear_calls(self, _: Request) -> Answer:
        self.calls.clear()
        return NO_CONTENT
