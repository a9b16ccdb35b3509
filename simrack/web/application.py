"""The one ASGI application behind every socket of the rack: the port says which daemon is meant.

This file does not know what daemons do.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count

from simrack.web.calls import Call, CallLog
from simrack.web.daemon import Daemon
from simrack.web.exchange import SPOILS, TRANSPORT, Exchange, Receive, Scope, Send, read_body, send_answer
from simrack.web.faults import Fault, Faults
from simrack.web.requests import Request


class Application:
    """Dispatches requests to daemons, records them and spoils those that a fault is ordered for."""

    def __init__(
        self, daemons: Mapping[int, Daemon], faults: Faults, calls: CallLog, before: Callable[[], None]
    ) -> None:
        """Serve *daemons*, by port; *before* each request, do what would have been done meanwhile."""
        self._before = before
        self._daemons = daemons
        self._faults = faults
        self._calls = calls
        self._numbers = count(1)
        self._held: set[Exchange] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        daemon = self._daemons[scope["server"][1]]
        body = await read_body(receive)
        if body is None:
            return
        self._before()
        request = Request(scope["method"], scope["path"], scope["query_string"], body, scope["raw_path"])
        request_id = f"00000000-0000-4000-8000-{next(self._numbers):012x}"
        fault = self._fault(daemon, request)
        if fault is not None:
            perform = partial(daemon.answer, request, scope["headers"], request_id)
            exchange = Exchange(scope, receive, send, request_id, perform, daemon.restart)
            await self._spoil(daemon, request, exchange, fault)
            return
        answer = await daemon.answer(request, scope["headers"], request_id)
        if daemon.kind is not None:
            self._record(daemon, request, answer.status)
        await send_answer(send, answer, request_id)

    def drop_held(self) -> None:
        """Close the connections that a fault holds open."""
        for exchange in tuple(self._held):
            exchange.scope[TRANSPORT].abort()

    def _fault(self, daemon: Daemon, request: Request) -> Fault | None:
        if not self._faults.orders or daemon.kind is None:
            return None
        return self._faults.take(daemon.target, request.method, request.path)

    async def _spoil(self, daemon: Daemon, request: Request, exchange: Exchange, fault: Fault) -> None:
        """Play *fault*; the call is on record from the start, since its answer may never come."""
        place = len(self._calls.calls)
        self._record(daemon, request, None, fault.kind)
        record = self._calls.calls[place]
        self._held.add(exchange)
        try:
            record.status = await SPOILS[fault.kind](exchange, fault)
        finally:
            self._held.discard(exchange)

    def _record(self, daemon: Daemon, request: Request, status: int | None, fault: str | None = None) -> None:
        path = request.path
        if request.query_string:
            path = f"{path}?{request.query_string.decode('latin-1')}"
        self._calls.add(Call(daemon.target, request.method, path, request.body, status, fault))
