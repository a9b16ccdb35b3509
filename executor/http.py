"""One daemon's client: permitted calls only, versions, deadlines, tries.

What can be called is a table (`executor.apis`). A client follows no redirect and reads no proxy settings from its
surroundings.

This file does not know what is sent, nor what a status means beyond whether it is worth asking again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import httpx
import stamina
from attrs import define, evolve, field

from blueprints import strict
from blueprints.errors import BadAnswerError, InvariantError, RefusedError, SilentError
from executor.answers import Answer, ForbiddenError, HungError, Json, UnreachedError, answer_from
from executor.apis import KNOWN_VERSIONS, Api, permits
from executor.breaker import Breaker
from executor.exchanges import Ending, Exchange, Listener
from executor.limits import Limits
from executor.requests import Request, as_http
from executor.shelf import Shelf
from executor.slots import Deadlines, Patience, Slot
from executor.statuses import says_spent
from executor.transport import PlainTransport

# What is sent again is told by `Client.listener`; the library's own way is to print it, on standard output.
stamina.instrumentation.set_on_retry_hooks([])


RETRIED = frozenset({429, 502, 503, 504})
"""Statuses after which the same request is sent again, unless the daemon says that it has run out of something."""

OVER = "the time of this run is over"


class _UnsettledError(Exception):
    """The same request is worth sending again."""


def never() -> None:
    """Forbid no write."""


T = TypeVar("T")
_Outcome = Answer | SilentError | BadAnswerError


def tries(limits: Limits, again: type[Exception]) -> AsyncIterator[stamina.Attempt]:
    """Return the tries that *limits* allow, with growing pauses between them, for as long as one ends in *again*."""
    return aiter(
        stamina.retry_context(
            on=again,
            attempts=limits.tries,
            timeout=None,
            wait_initial=limits.pause_seconds,
            wait_max=limits.pause_most_seconds,
            wait_jitter=limits.pause_jitter_seconds,
        )
    )


@define(kw_only=True, eq=False)
class Client:
    """The way to one daemon. Not for use from several event loops."""

    name: str
    api: Api
    base: str
    limits: Limits
    in_flight: asyncio.Semaphore
    """Shared by all clients of a run."""

    calls: Counter[str]
    """Shared by all clients of a run: requests sent, by what they are for."""

    forbidden: Callable[[], str | None] = never
    """Asked right before each write, each try of one too: why it may not be sent, or None."""

    deadlines: Deadlines = field(factory=Deadlines)
    """Of the run."""

    listener: Listener | None = None
    """Told of each sending."""

    shelf: Shelf = field(factory=Shelf)
    """Shared by all clients of a run: answers that were read before."""

    version: str | None = None
    """The version to speak; None: the newest that the daemon takes."""

    transport: httpx.AsyncBaseTransport = field()
    breaker: Breaker = field(init=False)
    _patience: Patience = field(init=False)
    _step: int = field(default=0, init=False)

    @breaker.default
    def _closed(self) -> Breaker:
        return Breaker(self.limits)

    @_patience.default
    def _slow(self) -> Patience:
        return Patience(self.limits.slow_seconds)

    @transport.default
    def _plain(self) -> httpx.AsyncBaseTransport:
        return PlainTransport(answer_bytes=self.limits.answer_bytes)

    async def call(
        self, method: str, path: str, body: Json = None, *, purpose: str = "reads", alike: bool = False
    ) -> Answer:
        """Send one request, again where that is safe, and return the answer of whatever status.

        A request whose outcome is unknown is repeated only if repeating it does no harm; POST is not among those.
        What several daemons answer *alike* is not JSON yet, see `executor.shelf`.

        Raises:
            UnreachedError: nothing was sent; a ForbiddenError if it may not be.
            SilentError: no whole answer came in time, or the daemon was given up.
            BadAnswerError: the answer is not what HTTP or JSON allow, or no version is shared.
            InvariantError: the call is not in `PERMITTED`.
        """
        if not permits(self.api, method, path):
            raise InvariantError("PERMITTED", f"{self.api.value} {method} {path}")
        request = Request(method, path, body, purpose, alike)
        outcome = await self._outcome(request, 1)
        if not self._settled(method, outcome):
            outcome = await self._tried_again(request, outcome)
            if isinstance(outcome, Answer):
                outcome = evolve(outcome, repeated=True)
        if isinstance(outcome, Answer):
            return outcome
        raise outcome

    async def read(self, path: str) -> Json:
        """Return the JSON that a GET answers with.

        Raises:
            DeviceError: no such answer came.
        """
        answer = await self.call("GET", path)
        if answer.status != 200:
            raise RefusedError(answer.status, answer.message)
        return answer.body

    async def decoded(self, path: str, decode: Callable[[Json], T]) -> T:
        """Return what *decode* makes of the JSON that a GET answers with, made once for daemons that answer alike.

        Raises:
            DeviceError: no such answer came, or *decode* refuses it.
        """
        answer = await self.call("GET", path, alike=True)
        if answer.status != 200:
            raise RefusedError(answer.status, answer.message)
        if answer.body is None:
            return decode(None)
        return self.shelf.decoded(answer.body, decode, rows=self.limits.rows)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.transport.aclose()

    async def _outcome(self, request: Request, attempt: int) -> _Outcome:
        try:
            return await self._versioned(request, attempt)
        except (SilentError, BadAnswerError) as error:
            return error

    def _settled(self, method: str, outcome: _Outcome) -> bool:
        """Return whether sending the same again is of no use, or may do harm."""
        if isinstance(outcome, Answer):
            return outcome.status not in RETRIED or says_spent(outcome.message)
        if isinstance(outcome, BadAnswerError | ForbiddenError) or self.breaker.open:
            return True
        # A read that ran into its deadline would only run into the next one.
        return not isinstance(outcome, UnreachedError) and method in ("POST", "GET")

    async def _tried_again(self, request: Request, outcome: _Outcome) -> _Outcome:
        """Return what comes of further tries, the first having come to *outcome*.

        Only a first try that failed comes here: making ready to try again costs a third of a whole call.
        """
        with suppress(_UnsettledError):
            async for attempt in tries(self.limits, _UnsettledError):
                with attempt:
                    if attempt.num > 1:
                        outcome = await self._outcome(request, attempt.num)
                    if not self._settled(request.method, outcome):
                        raise _UnsettledError
        return outcome

    async def _versioned(self, request: Request, attempt: int) -> Answer:
        """Send once, or once more for each version that the daemon is too old for."""
        versions = (self.version,) if self.version else KNOWN_VERSIONS[self.api]
        step = self._step
        while step < len(versions):
            answer = await self._told(request, versions[step], attempt)
            if answer.status != 400 or "does not support this API version" not in answer.message:
                return answer
            step += 1
            self._step = max(self._step, step)
        raise BadAnswerError(f"the daemon takes none of the versions {', '.join(versions)}")

    async def _told(self, request: Request, version: str, attempt: int) -> Answer:
        """Send once, and tell the listener what came of it."""
        if self.listener is None:
            return await self._counted(request, version)
        begun = asyncio.get_running_loop().time()
        ending, status, because = Ending.SILENT, None, "stopped by the run itself"
        try:
            answer = await self._counted(request, version)
            ending, status, because = Ending.ANSWERED, answer.status, answer.message
            return answer
        except UnreachedError as error:
            ending, because = Ending.NOT_SENT, str(error)
            raise
        except (SilentError, BadAnswerError) as error:
            ending = Ending.SILENT if isinstance(error, SilentError) else Ending.BAD_ANSWER
            because = str(error)
            raise
        finally:
            self.listener(
                Exchange(
                    target=self.name,
                    method=request.method,
                    path=request.path,
                    purpose=request.purpose,
                    attempt=attempt,
                    ending=ending,
                    status=status,
                    because=because,
                    seconds=asyncio.get_running_loop().time() - begun,
                )
            )

    async def _counted(self, request: Request, version: str) -> Answer:
        async with Slot(self.in_flight, self._patience):
            self._check_permitted_now(request)
            self.calls[request.purpose] += 1
            try:
                answer = await self._sent(request, version)
            except SilentError as error:
                self.breaker.silent(hung=isinstance(error, HungError))
                raise
            self.breaker.answered()
            return answer

    def _check_permitted_now(self, request: Request) -> None:
        because = self.breaker.closed_to(writing=request.writing)
        if because is not None:
            raise UnreachedError(because)
        if self._seconds_left(request.method) <= 0:
            raise ForbiddenError(OVER)
        because = self.forbidden() if request.writing else None
        if because is not None:
            raise ForbiddenError(because)

    def _seconds_left(self, method: str) -> float:
        """Return how much of the run's time a request may take."""
        return self.deadlines.left(asyncio.get_running_loop().time(), writing=method != "GET")

    async def _sent(self, request: Request, version: str) -> Answer:
        left, most = self._seconds_left(request.method), self.breaker.patience
        made = as_http(self.base, request, version)
        try:
            async with asyncio.timeout(min(left, most)):
                response = await self.transport.handle_async_request(made)
                content = await response.aread()
        except TimeoutError:
            if left < most:
                raise SilentError(f"no whole answer: {OVER}") from None
            raise HungError(f"no whole answer within {most:g} s") from None
        except httpx.ConnectError as error:
            raise UnreachedError(f"cannot connect: {error}") from error
        except (httpx.DecodingError, httpx.RemoteProtocolError) as error:
            raise BadAnswerError(str(error)) from error
        except httpx.TransportError as error:
            raise SilentError(str(error)) from error
        parse = self.shelf.parsed if request.alike else strict.parse_json
        return answer_from(response, content, partial(parse, depth=self.limits.answer_depth))
