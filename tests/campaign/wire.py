"""The way from an executor to the daemons of a simulated rack, in one event loop: calls take their time, runs die.

Every call takes a moment, drawn from a seed: that is what makes the calls of one stage overtake each other. What
daemons do is told to a watcher before and after. This file does not know what is right.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Protocol

import httpx
from attrs import asdict, define, field

from blueprints.errors import BadAnswerError
from blueprints.strict import parse_json
from executor.answers import answer_from
from executor.limits import Limits
from simrack.inprocess import InProcessTransport
from simrack.web.answers import Answer
from simrack.web.daemon import Daemon, Headers
from simrack.web.faults import Fault, Faults
from simrack.web.requests import Request
from tests.campaign.scenario import Attempt, FaultOrder
from tests.executor.deaths import KilledError

_NUMBER = b"x-call"
"""Names a call to the daemon that takes it."""


@define(kw_only=True, eq=False)
class Call:
    """A request, and how it ended."""

    number: int
    target: str
    method: str
    path: str
    body: bytes
    end: str = "under way"

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET"

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.end != "under way"

    def __str__(self) -> str:
        """Return what a trace shows."""
        sent = f"{self.method} {self.path} {self.body.decode()}".rstrip()
        return f"{self.number:4} {self.target}: {sent} -> {self.end}"


class Watcher(Protocol):
    """Sees what daemons do."""

    def before(self, call: Call) -> None:
        """A daemon is about to act on *call*."""

    def after(self, call: Call, struck: frozenset[str]) -> None:
        """It has acted; faults of the kinds *struck* hit it meanwhile."""

    def missed(self, target: str) -> None:
        """Reading it went wrong."""

    def refused(self, call: Call) -> None:
        """The run is told that *call* was a bad request; the daemon need not have seen it."""

    def restarted(self, target: str) -> None:
        """A daemon has died and come back."""


@define(kw_only=True, eq=False)
class Traffic:
    """All calls of a scenario, and what is to happen during those of one attempt."""

    faults: Faults
    watcher: Watcher
    attempt: Attempt = field(factory=Attempt)
    overtake: Callable[[], None] = lambda: None
    calls: list[Call] = field(factory=list)
    _random: Random = field(factory=Random)
    _due: list[FaultOrder] = field(factory=list)
    _made: int = 0
    _writes: int = 0

    def begin(self, attempt: Attempt, overtake: Callable[[], None]) -> None:
        """Serve *attempt* from now on."""
        self.attempt, self.overtake = attempt, overtake
        self._random = Random(attempt.pace)
        self._due = list(attempt.faults)
        self._made = self._writes = 0

    async def moment(self) -> None:
        """Let some time pass."""
        await asyncio.sleep(0.001 + 0.02 * self._random.random())

    def made(self, call: Call) -> str | None:
        """Count a call, and return at which moment of it the run ends, None where it goes on."""
        self.calls.append(call)
        self._made += 1
        while self._due and self._due[0].after < self._made:
            order = self._due.pop(0)
            self.faults.add(Fault(target=order.target, kind=order.kind, **order.options))
        if call.reads:
            return None
        self._writes += 1
        if self._writes == self.attempt.overtaken:
            self.overtake()
        death = self.attempt.death
        return death.moment if death is not None and death.write == self._writes else None


@define(eq=False)
class Wire(httpx.AsyncBaseTransport):
    """The way to one daemon."""

    way: InProcessTransport
    traffic: Traffic

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one call and return its answer.

        Raises:
            KilledError: the run ends here.
            httpx.TransportError: no whole answer came.
        """
        await self.traffic.moment()
        call = Call(
            number=len(self.traffic.calls),
            target=self.way.daemon.target,
            method=request.method,
            path=request.url.raw_path.decode(),
            body=request.content,
        )
        dies = self.traffic.made(call)
        if dies == "before":
            call.end = "killed before"
            raise KilledError
        response = await self._carried(call, request)
        if dies == "after":
            call.end += ", and killed"
            raise KilledError
        return response

    async def _carried(self, call: Call, request: httpx.Request) -> httpx.Response:
        request.headers[_NUMBER.decode()] = str(call.number)
        response = None
        try:
            response = await self.way.handle_async_request(request)
        finally:
            call.end = "no answer" if response is None else str(response.status_code)
            if call.reads and not _tells(response):
                self.traffic.watcher.missed(call.target)
            elif call.end == "400":
                self.traffic.watcher.refused(call)
        return response

    async def aclose(self) -> None:
        """Keep everything: the next run uses it again."""


def _tells(response: httpx.Response | None) -> bool:
    """Return whether a read was answered in JSON, or will be once an older version was asked for."""
    if response is None or response.status_code != 200:
        return response is not None and b"API version" in response.content
    try:
        return (
            answer_from(response, response.content, partial(parse_json, depth=Limits().answer_depth)).body is not None
        )
    except BadAnswerError:
        return False


@define(kw_only=True)
class WatchedDaemon(Daemon):
    """A daemon whose doings are told."""

    traffic: Traffic

    def begin(self, request: Request, headers: Headers, request_id: str) -> Answer | Awaitable[Answer]:
        """Act on *request*, and tell."""
        call = self._call(headers)
        if call.reads:
            return super().begin(request, headers, request_id)
        orders = self.traffic.faults.orders
        self.traffic.watcher.before(call)
        answer = super().begin(request, headers, request_id)
        if isinstance(answer, Answer):
            self._done(call, orders)
            return answer
        return self._in_time(answer, call, orders)

    def _call(self, headers: Headers) -> Call:
        return self.traffic.calls[int(next(value for name, value in headers if name == _NUMBER))]

    async def _in_time(self, answer: Awaitable[Answer], call: Call, orders: tuple[Fault, ...]) -> Answer:
        answered = await answer
        self._done(call, orders)
        return answered

    def _done(self, call: Call, orders: tuple[Fault, ...]) -> None:
        left = self.traffic.faults.orders
        self.traffic.watcher.after(call, frozenset(fault.kind for fault in orders if fault not in left))


def watched(daemon: Daemon, traffic: Traffic) -> WatchedDaemon:
    """Return *daemon* such that the watcher of *traffic* is told what it does."""
    known = asdict(daemon, recurse=False)

    def restart(keep: bool) -> None:
        daemon.restart(keep)
        traffic.watcher.restarted(daemon.target)

    return WatchedDaemon(**known | {"restart": restart}, traffic=traffic)
