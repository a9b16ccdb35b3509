"""Whose turn it is to send: so many requests at once over the whole rack, and only as long as a run may take.

This file does not know requests.
"""

import asyncio
import math
from collections import deque
from types import TracebackType

from attrs import define, field, frozen

from executor.limits import Limits


@frozen(kw_only=True)
class Deadlines:
    """When a run has to be over, by the clock of the event loop; infinite where nothing limits it."""

    writes: float = math.inf
    reads: float = math.inf

    @classmethod
    def from_now(cls, limits: Limits, now: float, *, reading: bool = False) -> "Deadlines":
        """Return the deadlines of a run that begins *now*: what was written can be read back a little longer."""
        ends = now + limits.run_seconds
        return cls(writes=ends, reads=ends if reading else ends + limits.request_seconds)

    def left(self, now: float, *, writing: bool) -> float:
        """Return how many seconds are left."""
        return (self.writes if writing else self.reads) - now


@define(eq=False)
class Patience:
    """When requests of one target are slow: one timer for all of them, since each waits equally long.

    A timer for each request costs more than its body.
    """

    seconds: float
    _waiting: "deque[tuple[float, Slot]]" = field(factory=deque, init=False)
    """Since when, the longest first; those that are answered are left in until their time has come."""

    _timer: asyncio.TimerHandle | None = field(default=None, init=False)

    def watch(self, slot: "Slot") -> None:
        """Make *slot* give up its place once its request is slow."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self.seconds
        self._waiting.append((due, slot))
        if self._timer is None:
            self._timer = loop.call_at(due, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        while self._waiting:
            due, slot = self._waiting[0]
            if slot.taken and due > now:
                self._timer = loop.call_at(due, self._look)
                return
            self._waiting.popleft()
            slot.give_up()


@define(eq=False)
class Slot:
    """One place among the requests in flight; given up early by a request that is slow."""

    places: asyncio.Semaphore
    patience: Patience
    taken: bool = field(default=False, init=False)

    async def __aenter__(self) -> None:
        """Wait for a place."""
        await self.places.acquire()
        self.taken = True
        self.patience.watch(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place to the next."""
        self.give_up()

    def give_up(self) -> None:
        """Give the place to the next, unless that was done."""
        if self.taken:
            self.taken = False
            self.places.release()
