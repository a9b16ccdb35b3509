"""Whose turn it is to send: so many requests at once over the whole rack, and only as long as a run may take.

This file does not know requests.
"""

import asyncio
import math
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


@define
class Slot:
    """One place among the requests in flight; given up early by a request that is slow."""

    places: asyncio.Semaphore
    slow_seconds: float
    _taken: bool = field(default=False, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)

    async def __aenter__(self) -> None:
        """Wait for a place."""
        await self.places.acquire()
        self._taken = True
        self._timer = asyncio.get_running_loop().call_later(self.slow_seconds, self._give_up)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place to the next."""
        if self._timer is not None:
            self._timer.cancel()
        self._give_up()

    def _give_up(self) -> None:
        if self._taken:
            self._taken = False
            self.places.release()
