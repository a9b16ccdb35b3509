"""The one application behind every address of the rack: records calls, and spoils those that a fault is ordered for.

Over sockets it is called by ASGI, where the port says which daemon is meant; `simrack.inprocess` calls it without.
This file does not know what daemons do.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import count

from simrack.web.answers import Answer
from simrack.web.calls import Call, CallLog, OtherCall
from simrack.web.daemon import Daemon, Headers
from simrack.web.exchange import TRANSPORT, Exchange, Receive, Scope, Send, read_body, send_answer
from simrack.web.faults import Fault, Faults
from simrack.web.requests import Request
from simrack.web.spoils import SPOILS
from simrack.web.versions import show_version

Wire = tuple[Scope, Receive, Send]
"""What ASGI has of one exchange."""


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
        """Answer one request that came over ASGI."""
        daemon = self._daemons[scope["server"][1]]
        body = await read_body(receive)
        if body is None:
            return
        request = Request(scope["method"], scope["path"], scope["query_string"], body, scope["raw_path"])
        request_id, fault = self.received(daemon, request)
        if fault is not None:
            await self.spoil(daemon, request, request_id, fault, (scope, receive, send))
            return
        answer = self.answer(daemon, request, scope["headers"], request_id)
        await send_answer(send, answer if isinstance(answer, Answer) else await answer, request_id)

    def received(self, daemon: Daemon, request: Request) -> tuple[str, Fault | None]:
        """Return the number that *request* gets, and the fault that spoils it, if any."""
        self._before()
        request_id = self._number()
        if self._faults.quiet or daemon.kind is None:
            return request_id, None
        return request_id, self._faults.take(daemon.target, request.method, request.path)

    def answer(
        self, daemon: Daemon, request: Request, headers: Headers, request_id: str
    ) -> Answer | Awaitable[Answer]:
        """Return what *daemon* says, or what is to be waited for; the call is on record once it was answered."""
        answer = daemon.begin(request, headers, request_id)
        if not isinstance(answer, Answer):
            return self._waited(daemon, request, answer)
        self._record(daemon, request, answer.status)
        return answer

    async def spoil(self, daemon: Daemon, request: Request, request_id: str, fault: Fault, wire: Wire) -> None:
        """Play *fault*; the call is on record from the start, since its answer may never come."""
        scope, receive, send = wire
        perform = partial(daemon.answer, request, scope["headers"], request_id)
        exchange = Exchange(scope, receive, send, request_id, perform, daemon.restart, self._call_otherwise)
        place = len(self._calls.calls)
        self._record(daemon, request, None, fault.kind)
        record = self._calls.calls[place]
        self._held.add(exchange)
        try:
            record.status = await SPOILS[fault.kind](exchange, fault)
        finally:
            self._held.discard(exchange)

    def drop_held(self) -> None:
        """Close the connections that a fault holds open."""
        for exchange in tuple(self._held):
            exchange.scope[TRANSPORT].abort()

    async def _call_otherwise(self, call: OtherCall) -> None:
        """Let another client make *call*, in the newest version that the daemon speaks."""
        daemon = next(row for row in self._daemons.values() if row.target == call.target)
        path, _, query = call.path.partition("?")
        body = b"" if call.body is None else json.dumps(call.body).encode()
        request = Request(call.method, path, query.encode(), body)
        version = (b"api-version", show_version(daemon.newest).encode())
        answer = await daemon.answer(request, (version,), self._number())
        self._record(daemon, request, answer.status, "another_call")

    def _number(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._numbers):012x}"

    async def _waited(self, daemon: Daemon, request: Request, answer: Awaitable[Answer]) -> Answer:
        answered = await answer
        self._record(daemon, request, answered.status)
        return answered

    def _record(self, daemon: Daemon, request: Request, status: int | None, fault: str | None = None) -> None:
        if daemon.kind is None:
            return
        path = request.path
        if request.query_string:
            path = f"{path}?{request.query_string.decode('latin-1')}"
        self._calls.add(Call(daemon.target, request.method, path, request.body, status, fault))
